//! The `cluster` check: the cluster as every member that answers sees it.

use super::Judged;
use crate::cluster::{Node, NodeName};
use crate::engine::names::Names;
use crate::lab::model::ClusterTest;
use crate::lab::quantity::Comparison;
use crate::observe::{Observation, View};

/// Whether a line counts as a node of the cluster that has not failed.
pub(super) fn is_well(node: &Node) -> bool {
    !node.flags.failed && !node.flags.handshake && !node.flags.noaddr
}

pub(super) fn judge(test: &ClusterTest, observation: &Observation, names: &Names) -> Judged {
    let members = observation.members();
    if members.is_empty() {
        return Judged::new(false, "no member of the cluster answers");
    }
    let views: Vec<(&NodeName, &View)> = members
        .iter()
        .filter_map(|name| Some((name, observation.view(name)?)))
        .collect();
    let mut parts = Vec::new();
    if let Some(ok) = test.ok {
        let word = |ok: bool| if ok { "ok" } else { "fail" };
        parts.push(everyone(&views, "cluster_state", |view| {
            let state = view.cluster_info.as_ref()?.value.ok;
            Some((state == ok, word(state).to_owned()))
        }));
    }
    if let Some(agree) = test.agree {
        parts.push(judge_agreement(agree, observation, &views, names));
    }
    let count =
        |what: &'static str, wanted: &Option<Comparison>, of: &dyn Fn(&View) -> Option<f64>| {
            wanted.map(|wanted| {
                everyone(&views, what, |view| {
                    of(view).map(|actual| (wanted.holds(actual), actual.to_string()))
                })
            })
        };
    let nodes = |role: fn(&Node) -> bool| {
        move |view: &View| {
            let topology = &view.topology.as_ref()?.value;
            Some(
                topology
                    .nodes
                    .iter()
                    .filter(|node| role(node) && is_well(node))
                    .count() as f64,
            )
        }
    };
    parts.extend(count("masters", &test.masters, &nodes(Node::is_master)));
    parts.extend(count("replicas", &test.replicas, &nodes(Node::is_replica)));
    parts.extend(count("cluster_known_nodes", &test.known_nodes, &|view| {
        Some(f64::from(view.cluster_info.as_ref()?.value.known_nodes))
    }));
    parts.extend(count(
        "cluster_slots_assigned",
        &test.slots_assigned,
        &|view| Some(f64::from(view.cluster_info.as_ref()?.value.slots_assigned)),
    ));
    Judged::all(parts)
}

/// Whether the members agree, or disagree. One member that answers alone agrees with nobody, unless it is the whole cluster.
fn judge_agreement(
    wanted: bool,
    observation: &Observation,
    views: &[(&NodeName, &View)],
    names: &Names,
) -> Judged {
    if let [(name, view)] = views
        && view
            .topology
            .as_ref()
            .is_none_or(|seen| seen.value.members().count() > 1)
    {
        return Judged::new(
            false,
            format!("only {name} answers, so there is nobody to agree with"),
        );
    }
    let agrees = observation.agrees();
    let seen = if agrees {
        format!("{} members agree", views.len())
    } else {
        observation
            .disagreement(&|id| names.call(id))
            .unwrap_or_else(|| "members disagree".to_owned())
    };
    Judged::new(agrees == wanted, seen)
}

/// Whether every view is as it should be. What was seen names the nodes that see it otherwise.
fn everyone(
    views: &[(&NodeName, &View)],
    what: &str,
    judge: impl Fn(&View) -> Option<(bool, String)>,
) -> Judged {
    let seen: Vec<(&NodeName, Option<(bool, String)>)> = views
        .iter()
        .map(|(name, view)| (*name, judge(view)))
        .collect();
    let others: Vec<String> = seen
        .iter()
        .filter_map(|(name, judged)| match judged {
            Some((true, _)) => None,
            Some((false, value)) => Some(format!("{value} on {name}")),
            None => Some(format!("not told by {name}")),
        })
        .collect();
    if others.is_empty() {
        let value = seen
            .iter()
            .find_map(|(_, judged)| judged.as_ref().map(|(_, value)| value.as_str()))
            .unwrap_or_default();
        return Judged::new(
            true,
            format!("{what} {value} on all {} members", views.len()),
        );
    }
    if others.len() == views.len()
        && let Some((_, Some((_, first)))) = seen.first()
        && seen
            .iter()
            .all(|(_, judged)| judged.as_ref().is_some_and(|(_, value)| value == first))
    {
        return Judged::new(
            false,
            format!("{what} {first} on all {} members", views.len()),
        );
    }
    Judged::new(false, format!("{what} {}", others.join(", ")))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::super::scenes::*;
    use super::*;
    use crate::lab::quantity::{Relation, Unit};

    fn is(number: f64) -> Option<Comparison> {
        Some(Comparison {
            relation: Relation::Equal,
            number,
            unit: Unit::Count,
        })
    }

    fn everything() -> ClusterTest {
        ClusterTest {
            ok: Some(true),
            agree: Some(true),
            masters: is(2.0),
            replicas: is(1.0),
            known_nodes: is(3.0),
            slots_assigned: is(16384.0),
        }
    }

    /// Each test alone, and its opposite.
    fn singles() -> Vec<ClusterTest> {
        let none = ClusterTest::default;
        vec![
            ClusterTest {
                ok: Some(true),
                ..none()
            },
            ClusterTest {
                ok: Some(false),
                ..none()
            },
            ClusterTest {
                agree: Some(true),
                ..none()
            },
            ClusterTest {
                agree: Some(false),
                ..none()
            },
            ClusterTest {
                masters: is(0.0),
                ..none()
            },
            ClusterTest {
                replicas: is(0.0),
                ..none()
            },
            ClusterTest {
                known_nodes: is(0.0),
                ..none()
            },
            ClusterTest {
                slots_assigned: is(0.0),
                ..none()
            },
            none(),
        ]
    }

    #[test]
    fn a_healthy_cluster_is_so_in_all_respects() {
        let judged = judge(&everything(), &healthy_observed(), &names());
        assert!(judged.holds, "{}", judged.seen);
        assert_eq!(
            judged.seen,
            "cluster_state ok on all 3 members, 3 members agree, masters 2 on all 3 members, replicas 1 on all 3 members, \
             cluster_known_nodes 3 on all 3 members, cluster_slots_assigned 16384 on all 3 members"
        );
    }

    #[test]
    fn of_a_cluster_that_nobody_tells_of_nothing_is_true() {
        let fresh = sees(&[row(1, "myself,master", None, "")]);
        let unseen = [
            observed([]),
            observed([
                (1, Err(refused(1))),
                (2, Err(silent(2))),
                (3, Err(loading(3))),
            ]),
            // Answered, but was not asked for its view; and a node that is in no cluster.
            observed([(1, Ok(View::default())), (2, Ok(fresh))]),
        ];
        for observation in unseen {
            for test in singles() {
                let judged = judge(&test, &observation, &names());
                assert!(!judged.holds, "{test:?}: {}", judged.seen);
                assert!(!judged.seen.is_empty());
            }
        }
    }

    #[test]
    fn a_check_of_nothing_does_not_hold() {
        assert!(!judge(&ClusterTest::default(), &healthy_observed(), &names()).holds);
    }

    #[test]
    fn one_member_alone_agrees_with_nobody_unless_it_is_all_there_is() {
        let (number, lines) = healthy().remove(0);
        let others = [(2, Err(refused(2))), (3, Err(refused(3)))];
        let alone = observed(others.into_iter().chain([(number, Ok(sees(&lines)))]));
        for agree in [true, false] {
            let test = ClusterTest {
                agree: Some(agree),
                ..ClusterTest::default()
            };
            let judged = judge(&test, &alone, &names());
            assert!(!judged.holds);
            assert_eq!(
                judged.seen,
                "only redis-1 answers, so there is nobody to agree with"
            );
        }
        // What it sees of the cluster can be checked all the same.
        let test = ClusterTest {
            masters: is(2.0),
            ..ClusterTest::default()
        };
        assert!(judge(&test, &alone, &names()).holds);
        let whole = observed([(1, Ok(sees(&[row(1, "myself,master", None, "0-16383")])))]);
        let test = ClusterTest {
            agree: Some(true),
            ..ClusterTest::default()
        };
        assert!(judge(&test, &whole, &names()).holds);
    }

    #[test]
    fn every_member_has_to_see_it_so() {
        let mut views = healthy();
        views[2].1[1] = row(2, "master,fail", None, "8192-16383");
        let observation = observed(views.into_iter().map(|(n, lines)| (n, Ok(sees(&lines)))));
        let test = ClusterTest {
            masters: is(2.0),
            ..ClusterTest::default()
        };
        let judged = judge(&test, &observation, &names());
        assert_eq!(judged, Judged::new(false, "masters 1 on redis-3"));
        // Health is no matter of agreement.
        let test = ClusterTest {
            agree: Some(true),
            ..ClusterTest::default()
        };
        assert!(judge(&test, &observation, &names()).holds);
    }

    #[test]
    fn a_node_that_does_not_answer_has_no_say() {
        let mut views: Vec<_> = healthy()
            .into_iter()
            .map(|(n, lines)| (n, Ok(sees(&lines))))
            .collect();
        views[2].1 = Err(refused(3));
        assert!(judge(&everything(), &observed(views), &names()).holds);
    }

    #[test]
    fn a_member_that_was_not_told_of_is_no_member_that_agrees() {
        let mut view = sees(&healthy()[0].1);
        view.cluster_info = None;
        let observation = observed([(1, Ok(view)), (2, Ok(sees(&healthy()[1].1)))]);
        for test in [
            ClusterTest {
                ok: Some(true),
                ..ClusterTest::default()
            },
            ClusterTest {
                known_nodes: is(3.0),
                ..ClusterTest::default()
            },
        ] {
            let judged = judge(&test, &observation, &names());
            assert!(!judged.holds);
            assert!(
                judged.seen.ends_with(" not told by redis-1"),
                "{}",
                judged.seen
            );
        }
    }

    #[test]
    fn who_disagrees_is_named() {
        let mut views = healthy();
        views[1].1[0] = row(1, "master", None, "0-8190");
        let observation = observed(views.into_iter().map(|(n, lines)| (n, Ok(sees(&lines)))));
        let judged = judge(
            &ClusterTest {
                agree: Some(true),
                ..ClusterTest::default()
            },
            &observation,
            &names(),
        );
        assert!(!judged.holds);
        assert!(
            judged.seen.contains("redis-1") && judged.seen.contains("redis-2"),
            "{}",
            judged.seen
        );
        let disagrees = ClusterTest {
            agree: Some(false),
            ..ClusterTest::default()
        };
        assert!(judge(&disagrees, &observation, &names()).holds);
    }

    #[rstest]
    fn recorded_clusters(
        #[values("redis-6.2.5", "redis-7.0.15", "redis-8.2.3", "valkey-9.1.2")] server: &str,
    ) {
        let masters = |scene: &str| {
            let (observation, names) = recorded_view(server, scene);
            let at = |number| ClusterTest {
                masters: is(number),
                ..ClusterTest::default()
            };
            (0..9)
                .map(f64::from)
                .find(|number| judge(&at(*number), &observation, &names).holds)
        };
        assert_eq!(masters("normal"), Some(3.0));
        // One of them has failed; what has only been suspected has not.
        assert_eq!(masters("failed"), Some(2.0));
        assert_eq!(masters("suspected"), Some(3.0));
    }
}
