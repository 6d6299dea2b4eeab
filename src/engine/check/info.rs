//! The `info` and `lag` checks: fields of INFO.

use super::Judged;
use crate::cluster::{Info, NodeName};
use crate::engine::scope::Scope;
use crate::lab::fault::nearest;
use crate::lab::quantity::{Comparison, Unit};
use crate::lab::template::Template;
use crate::observe::Observation;

pub(super) fn judge(
    node: &NodeName,
    fields: &[(String, Template)],
    observation: &Observation,
    scope: &Scope<'_>,
) -> Judged {
    let info = match info_of(node, observation) {
        Ok(info) => info,
        Err(why) => return Judged::new(false, why),
    };
    Judged::all(
        fields
            .iter()
            .map(|(field, wanted)| judge_field(node, info, field, wanted, scope))
            .collect(),
    )
}

fn judge_field(
    node: &NodeName,
    info: &Info,
    field: &str,
    wanted: &Template,
    scope: &Scope<'_>,
) -> Judged {
    let Some(actual) = info.get(field) else {
        let near = nearest(field, info.fields().map(|(name, _)| name));
        let hint = near.map_or(String::new(), |near| format!(" (there is `{near}`)"));
        return Judged::new(
            false,
            format!("INFO of {node} has no `{field}` at the moment{hint}"),
        );
    };
    let seen = format!("{field} is {actual} on {node}");
    match scope.fill(wanted) {
        Err(why) => Judged::new(false, why),
        Ok(wanted) => match (
            Comparison::parse(&wanted, Unit::Count),
            // INFO has values that are no numbers, `nan` and `inf`; a comparison with those would hold or not by accident.
            actual
                .parse::<f64>()
                .ok()
                .filter(|actual| actual.is_finite()),
        ) {
            (Ok(comparison), Some(actual)) => Judged::new(comparison.holds(actual), seen),
            _ => Judged::new(actual == wanted, seen),
        },
    }
}

pub(super) fn judge_lag(
    replica: &NodeName,
    bytes: &Comparison,
    observation: &Observation,
) -> Judged {
    let lag = || -> Result<Judged, String> {
        let info = info_of(replica, observation)?;
        if info.get("role") != Some("slave") {
            return Err(format!("{replica} is not a replica"));
        }
        let port = info.get("master_port").unwrap_or_default();
        let host = info.get("master_host").unwrap_or_default();
        let view = observation
            .topology(replica)
            .ok_or_else(|| format!("{replica} does not tell its view"))?;
        let master_id = view
            .myself()
            .and_then(|myself| myself.master)
            .ok_or_else(|| format!("{replica} does not know its master"))?;
        let names = observation.names();
        let master = names
            .get(&master_id)
            .ok_or_else(|| format!("the master of {replica}, {host}:{port}, does not answer"))?;
        let its_master = info_of(master, observation)?;
        // Offsets count the bytes of one history. A replica that has not synchronised has another one than its master, and so has one
        // whose old master came back: their difference means nothing then.
        let history = |info: &Info| info.get("master_replid").map(str::to_owned);
        if history(its_master).is_none() || history(its_master) != history(info) {
            let link = info.get("master_link_status").unwrap_or("not told");
            return Err(format!(
                "{replica} has not synchronised with {master} (its link is {link})"
            ));
        }
        let offset =
            |info: &Info, field: &str| info.number::<i64>(field).map_err(|error| error.to_string());
        let ahead = offset(its_master, "master_repl_offset")?;
        let behind = offset(info, "slave_repl_offset")?;
        // The two are asked one moment apart, so that the replica may seem to be ahead; that is no lag.
        let lag = (ahead - behind).max(0);
        Ok(Judged::new(
            bytes.holds(lag as f64),
            format!("{replica} is {lag} bytes behind {master}"),
        ))
    };
    lag().unwrap_or_else(|why| Judged::new(false, why))
}

fn info_of<'a>(node: &NodeName, observation: &'a Observation) -> Result<&'a Info, String> {
    match observation.views.get(node) {
        Some(Ok(view)) => view
            .info
            .as_ref()
            .map(|seen| &seen.value)
            .ok_or_else(|| format!("{node} was not asked for INFO")),
        Some(Err(why)) => Err(format!("{node} does not answer ({why})")),
        None => Err(format!("{node} is not a node of this environment")),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rstest::rstest;

    use super::super::scenes::*;
    use super::*;
    use crate::observe::View;

    fn field(text: &str, name: &str, wanted: &str) -> Judged {
        let observation = observed([(1, Ok(tells(text)))]);
        let fields = [(name.to_owned(), Template::parse(wanted).unwrap())];
        in_scope(|scope| judge(&super::super::scenes::name(1), &fields, &observation, scope))
    }

    fn in_scope(judge: impl FnOnce(&Scope<'_>) -> Judged) -> Judged {
        let (names, saved) = (
            names(),
            BTreeMap::from([("before".to_owned(), "3".to_owned())]),
        );
        judge(&Scope {
            names: &names,
            saved: &saved,
            item: None,
        })
    }

    #[rstest]
    #[case("a:3\r\n", "3", true)]
    #[case("a:3.0\r\n", "3", true)]
    #[case("a:3\r\n", ">= 3", true)]
    #[case("a:3\r\n", "> 3", false)]
    #[case("a:up\r\n", "up", true)]
    #[case("a:up\r\n", "u", false)]
    #[case("a:3\r\n", "${before}", true)]
    #[case("a:4\r\n", "> ${before}", true)]
    // A comparison needs a number to compare with.
    #[case("a:up\r\n", ">= 0", false)]
    #[case("a:up\r\n", "!= 3", false)]
    #[case("a:nan\r\n", "!= 3", false)]
    #[case("a:inf\r\n", ">= 3", false)]
    #[case("a:\r\n", "0", false)]
    #[case("a:\r\n", "< 1", false)]
    // A version is no number.
    #[case("a:7.0.15\r\n", "7.0", false)]
    #[case("a:7.0.15\r\n", "7.0.15", true)]
    // What can't be filled in can't be compared.
    #[case("a:3\r\n", "${nobody}", false)]
    fn a_field_and_what_is_wanted_of_it(
        #[case] text: &str,
        #[case] wanted: &str,
        #[case] holds: bool,
    ) {
        let judged = field(text, "a", wanted);
        assert_eq!(judged.holds, holds, "{}", judged.seen);
    }

    #[test]
    fn a_field_that_is_not_there_is_nothing_at_all() {
        for wanted in ["0", "", "!= 1", "< 100"] {
            let judged = field("connected_slaves:1\r\n", "connected_slave", wanted);
            assert_eq!(
                judged,
                Judged::new(
                    false,
                    "INFO of redis-1 has no `connected_slave` at the moment (there is `connected_slaves`)"
                )
            );
        }
    }

    #[test]
    fn a_node_that_does_not_tell_and_a_check_of_no_field() {
        let fields = [("a".to_owned(), Template::parse("!= 1").unwrap())];
        let one = super::super::scenes::name(1);
        for (observation, seen) in [
            (observed([]), "redis-1 is not a node of this environment"),
            (
                observed([(1, Ok(View::default()))]),
                "redis-1 was not asked for INFO",
            ),
            (
                observed([(1, Err(refused(1)))]),
                "redis-1 does not answer (redis-1: no connection: refused)",
            ),
        ] {
            let judged = in_scope(|scope| judge(&one, &fields, &observation, scope));
            assert_eq!(judged, Judged::new(false, seen));
        }
        let observation = observed([(1, Ok(tells("a:1\r\n")))]);
        assert!(!in_scope(|scope| judge(&one, &[], &observation, scope)).holds);
    }

    const MASTER: &str = "role:master\r\nmaster_replid:aa\r\nmaster_repl_offset:100\r\n";
    const REPLICA: &str = "role:slave\r\nmaster_host:h\r\nmaster_port:7001\r\nmaster_link_status:up\r\nmaster_replid:aa\r\nslave_repl_offset:90\r\n";

    fn lag(wanted: &str, master: Option<&str>, replica: Option<&str>) -> Judged {
        let mut views = healthy();
        let mut view = |number: usize, info: Option<&str>| {
            let (node, lines) = views.remove(number);
            let answer = info.map(|info| View {
                info: tells(info).info,
                ..sees(&lines)
            });
            (node, answer.ok_or_else(|| refused(node)))
        };
        let (replica, master) = (view(2, replica), view(0, master));
        let bytes = Comparison::parse(wanted, Unit::Bytes).unwrap();
        judge_lag(
            &super::super::scenes::name(3),
            &bytes,
            &observed([master, replica]),
        )
    }

    #[rstest]
    #[case("10", true)]
    #[case("0", false)]
    #[case("<= 1KiB", true)]
    fn a_replica_is_as_far_behind_as_it_is(#[case] wanted: &str, #[case] holds: bool) {
        let judged = lag(wanted, Some(MASTER), Some(REPLICA));
        assert_eq!(
            judged,
            Judged::new(holds, "redis-3 is 10 bytes behind redis-1")
        );
    }

    #[test]
    fn a_replica_that_was_asked_a_moment_later_is_not_ahead() {
        let judged = lag("0", Some(MASTER), Some(&REPLICA.replace(":90", ":120")));
        assert_eq!(
            judged,
            Judged::new(true, "redis-3 is 0 bytes behind redis-1")
        );
    }

    #[rstest]
    #[case::master_gone(None, Some(REPLICA), "the master of redis-3, h:7001, does not answer")]
    #[case::replica_gone(
        Some(MASTER),
        None,
        "redis-3 does not answer (redis-3: no connection: refused)"
    )]
    #[case::promoted(Some(MASTER), Some(MASTER), "redis-3 is not a replica")]
    // It has not synchronised: offsets of two histories say nothing, even where they are equal.
    #[case::other_history(
        Some(&*MASTER.replace("aa", "bb")),
        Some(&*REPLICA.replace(":up", ":down").replace(":90", ":100")),
        "redis-3 has not synchronised with redis-1 (its link is down)"
    )]
    #[case::no_history(
        Some(&*MASTER.replace("master_replid:aa\r\n", "")),
        Some(&*REPLICA.replace("master_replid:aa\r\n", "")),
        "redis-3 has not synchronised with redis-1 (its link is up)"
    )]
    #[case::no_offset(
        Some(&*MASTER.replace("master_repl_offset:100\r\n", "")),
        Some(REPLICA),
        ""
    )]
    fn how_far_behind_is_not_known(
        #[case] master: Option<&str>,
        #[case] replica: Option<&str>,
        #[case] seen: &str,
    ) {
        for wanted in ["0", ">= 0", "!= 7"] {
            let judged = lag(wanted, master, replica);
            assert!(!judged.holds);
            assert!(judged.seen.starts_with(seen), "{}", judged.seen);
        }
    }

    #[test]
    fn every_server_tells_what_lag_is_made_of() {
        for server in SERVERS {
            let master = Info::parse(&recorded(server, "info-replication.normal.txt")).unwrap();
            let replica = Info::parse(&recorded(server, "info-replication.replica.txt")).unwrap();
            assert_eq!(master.get("role"), Some("master"), "{server}");
            assert_eq!(replica.get("role"), Some("slave"), "{server}");
            assert!(
                master.number::<i64>("master_repl_offset").is_ok(),
                "{server}"
            );
            assert!(
                replica.number::<i64>("slave_repl_offset").is_ok(),
                "{server}"
            );
            for info in [&master, &replica] {
                assert_eq!(
                    info.get("master_replid").map(str::len),
                    Some(40),
                    "{server}"
                );
            }
        }
    }
}
