//! Deciding checks: what has to be looked at, and whether what was seen is as it should be.

mod cluster;
mod info;
mod node;
mod output;
mod probe;
#[cfg(test)]
mod scenes;
mod sql;
mod timeline;
mod words;

use std::collections::BTreeMap;

use super::names::Names;
use super::scope::Scope;
use crate::cluster::NodeName;
use crate::lab::model::{Check, CheckKind};
use crate::observe::{KeysReport, Needs, Observation, Rows};

pub use output::{json_text, judge_exit, judge_output, read_json};
pub use probe::judge_probe;
pub use sql::query;
pub use timeline::{all_seen, awaited, judge_timeline, moments_in_words};
pub use words::{check_in_words, in_words, lasting_in_words};

/// Whether something is as it should be, and what it is like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// As it should be.
    pub holds: bool,
    /// What was seen, in the terms of the check.
    pub seen: String,
}

impl Judged {
    fn new(holds: bool, seen: impl Into<String>) -> Self {
        Judged {
            holds,
            seen: seen.into(),
        }
    }

    /// All of several: what was seen is the first that is not as it should be, or, if all are, all of them. Of none at all nothing is
    /// known, so that does not hold.
    fn all(parts: Vec<Judged>) -> Self {
        if parts.is_empty() {
            return Judged::new(false, "there is nothing in this check");
        }
        match parts.iter().find(|part| !part.holds) {
            Some(bad) => bad.clone(),
            None => {
                let seen: Vec<&str> = parts.iter().map(|part| part.seen.as_str()).collect();
                Judged::new(true, seen.join(", "))
            }
        }
    }
}

/// One look at the environment: all that the checks of a list need, at one moment.
#[derive(Debug, Clone, Default)]
pub struct Look {
    /// What the nodes answered.
    pub observation: Observation,
    /// The given keys read back, if a check asks for it.
    pub keys: Option<KeysReport>,
    /// What each query gave that a check asks, or why it gave nothing.
    pub sql: BTreeMap<String, Result<Rows, String>>,
}

/// What of the nodes a check has to look at. `all` are the nodes of the environment.
pub fn needs(check: &CheckKind, all: &[NodeName]) -> Needs {
    let everyone = || all.iter().cloned().collect();
    let mut needs = Needs::default();
    match check {
        CheckKind::Cluster(_) => needs.cluster = everyone(),
        CheckKind::Node(test) => {
            needs.cluster = everyone();
            if test.link_up.is_some() {
                needs.info.insert(test.name.clone());
            }
            if test.keys.is_some() {
                needs.keys.insert(test.name.clone());
            }
        }
        CheckKind::Info { node, .. } => drop(needs.info.insert(node.clone())),
        CheckKind::Lag { .. } => {
            // Whose replica it is shows only when it is asked, so all are asked at the same time.
            needs.cluster = everyone();
            needs.info = everyone();
        }
        CheckKind::Exit(_)
        | CheckKind::Text { .. }
        | CheckKind::Json { .. }
        | CheckKind::GivenKeys
        | CheckKind::Probe(_)
        | CheckKind::Timeline(_)
        | CheckKind::Sql(_) => {}
    }
    needs
}

/// Decides a check that looks at the state of nodes or of the database.
pub fn judge_state(check: &Check, look: &Look, names: &Names, scope: &Scope<'_>) -> Judged {
    match &check.kind {
        CheckKind::Cluster(test) => cluster::judge(test, &look.observation, names),
        CheckKind::Node(test) => node::judge(test, &look.observation, names),
        CheckKind::Info { node, fields } => info::judge(node, fields, &look.observation, scope),
        CheckKind::Lag { replica, bytes } => info::judge_lag(replica, bytes, &look.observation),
        CheckKind::GivenKeys => match &look.keys {
            Some(report) => Judged::new(report.all_intact(), keys_in_words(report)),
            None => Judged::new(false, "the given keys were not read"),
        },
        CheckKind::Sql(test) => match query(test, scope) {
            Ok(query) => match look.sql.get(&query) {
                Some(answer) => sql::judge(test, answer, scope),
                None => Judged::new(false, "the database was not asked"),
            },
            Err(why) => Judged::new(false, why),
        },
        // These look at a command's output or a probe, not at nodes; a lab that mixes them up is not loaded.
        CheckKind::Exit(_)
        | CheckKind::Text { .. }
        | CheckKind::Json { .. }
        | CheckKind::Probe(_)
        | CheckKind::Timeline(_) => {
            Judged::new(false, "this can't be seen in the state of the nodes")
        }
    }
}

fn keys_in_words(report: &KeysReport) -> String {
    if report.all_intact() {
        return format!("{} of {} keys intact", report.intact, report.expected);
    }
    let mut parts = vec![format!(
        "{} of {} keys intact",
        report.intact, report.expected
    )];
    for (count, what) in [
        (report.missing, "missing"),
        (report.changed, "with another value"),
        (report.unread, "not readable"),
    ] {
        if count > 0 {
            parts.push(format!("{count} {what}"));
        }
    }
    if let Some(first) = &report.first_fault {
        parts.push(first.clone());
    }
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_nothing_nothing_is_true() {
        assert!(!Judged::all(Vec::new()).holds);
    }

    #[test]
    fn the_first_that_does_not_hold_is_told_or_else_all() {
        let all = |parts: &[(bool, &str)]| {
            Judged::all(
                parts
                    .iter()
                    .map(|(holds, seen)| Judged::new(*holds, *seen))
                    .collect(),
            )
        };
        assert_eq!(all(&[(true, "a"), (true, "b")]), Judged::new(true, "a, b"));
        assert_eq!(
            all(&[(true, "a"), (false, "b"), (false, "c")]),
            Judged::new(false, "b")
        );
    }

    #[test]
    fn given_keys_have_to_be_read_and_every_one_be_intact() {
        let check = Check {
            kind: CheckKind::GivenKeys,
            span: crate::lab::source::Span::new(0, 1),
            within: None,
            lasting: None,
            on: None,
            why: None,
        };
        let judge = |keys: Option<KeysReport>| {
            let names = Names::default();
            let saved = Default::default();
            let scope = Scope {
                names: &names,
                saved: &saved,
                item: None,
            };
            let look = Look {
                keys,
                ..Look::default()
            };
            judge_state(&check, &look, &names, &scope)
        };
        assert_eq!(
            judge(None),
            Judged::new(false, "the given keys were not read")
        );
        let whole = KeysReport {
            expected: 10,
            intact: 10,
            ..KeysReport::default()
        };
        assert_eq!(
            judge(Some(whole.clone())),
            Judged::new(true, "10 of 10 keys intact")
        );
        let unread = KeysReport {
            intact: 7,
            missing: 1,
            unread: 2,
            first_fault: Some("key:3 is missing".to_owned()),
            ..whole
        };
        assert_eq!(
            judge(Some(unread)),
            Judged::new(
                false,
                "7 of 10 keys intact, 1 missing, 2 not readable, key:3 is missing"
            )
        );
    }

    #[test]
    fn a_check_is_asked_of_all_who_have_a_say() {
        let all: Vec<NodeName> = (1..=3).map(scenes::name).collect();
        let everyone: std::collections::BTreeSet<NodeName> = all.iter().cloned().collect();
        let one: std::collections::BTreeSet<NodeName> = [scenes::name(2)].into();
        let info = needs(
            &CheckKind::Info {
                node: scenes::name(2),
                fields: Vec::new(),
            },
            &all,
        );
        assert_eq!((info.cluster.len(), info.info), (0, one));
        let lag = Comparison::parse("0", crate::lab::quantity::Unit::Bytes).unwrap();
        let lag = needs(
            &CheckKind::Lag {
                replica: scenes::name(2),
                bytes: lag,
            },
            &all,
        );
        assert_eq!(
            (lag.cluster, lag.info),
            (everyone.clone(), everyone.clone())
        );
        assert_eq!(
            needs(&CheckKind::Cluster(Default::default()), &all).cluster,
            everyone
        );
        assert!(needs(&CheckKind::GivenKeys, &all).is_empty());
    }

    use crate::lab::quantity::Comparison;
}
