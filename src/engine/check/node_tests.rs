//! The `node` check on recorded and hand-made views.

use rstest::rstest;

use super::super::scenes::*;
use super::*;
use crate::lab::quantity::{Comparison, Relation, Unit};
use crate::observe::View;

fn is(number: f64) -> Option<Comparison> {
    Some(Comparison {
        relation: Relation::Equal,
        number,
        unit: Unit::Count,
    })
}

fn of(number: u8) -> NodeTest {
    NodeTest {
        name: name(number),
        is_master: None,
        master: None,
        slots: None,
        owns: None,
        replicas: None,
        link_up: None,
        health: None,
        member: None,
        running: None,
        keys: None,
    }
}

/// All that can be asked of a node, each alone, in both senses where there are two.
fn singles(number: u8) -> Vec<NodeTest> {
    vec![
        NodeTest {
            is_master: Some(true),
            ..of(number)
        },
        NodeTest {
            is_master: Some(false),
            ..of(number)
        },
        NodeTest {
            master: Some(name(1)),
            ..of(number)
        },
        NodeTest {
            slots: is(0.0),
            ..of(number)
        },
        NodeTest {
            owns: Some("0".parse().unwrap()),
            ..of(number)
        },
        NodeTest {
            replicas: is(0.0),
            ..of(number)
        },
        NodeTest {
            link_up: Some(true),
            ..of(number)
        },
        NodeTest {
            link_up: Some(false),
            ..of(number)
        },
        NodeTest {
            health: Some(Health::Ok),
            ..of(number)
        },
        NodeTest {
            health: Some(Health::Suspected),
            ..of(number)
        },
        NodeTest {
            health: Some(Health::Failed),
            ..of(number)
        },
        NodeTest {
            keys: is(0.0),
            ..of(number)
        },
        of(number),
    ]
}

fn holds(test: &NodeTest, observation: &Observation) -> bool {
    let judged = judge(test, observation, &names());
    assert!(!judged.seen.is_empty(), "{test:?}");
    judged.holds
}

fn seen(test: &NodeTest, observation: &Observation) -> String {
    judge(test, observation, &names()).seen
}

fn with(change: impl Fn(u8, &mut Vec<String>)) -> Observation {
    observed(healthy().into_iter().map(|(number, mut lines)| {
        change(number, &mut lines);
        (number, Ok(sees(&lines)))
    }))
}

#[test]
fn of_a_node_that_nobody_knows_only_that_is_true() {
    let observation = healthy_observed();
    for test in singles(7) {
        assert!(
            !holds(&test, &observation),
            "{test:?}: {}",
            seen(&test, &observation)
        );
    }
    assert!(holds(
        &NodeTest {
            member: Some(false),
            ..of(7)
        },
        &observation
    ));
    assert!(!holds(
        &NodeTest {
            member: Some(true),
            ..of(7)
        },
        &observation
    ));
    let slots = NodeTest {
        slots: is(0.0),
        ..of(7)
    };
    assert_eq!(
        seen(&slots, &observation),
        "redis-7 is not known, seen from redis-1"
    );
}

#[test]
fn where_nobody_answers_nothing_is_true_of_any_node() {
    let unseen = [
        observed([]),
        observed([
            (1, Err(refused(1))),
            (2, Err(silent(2))),
            (3, Err(loading(3))),
        ]),
        observed([
            (1, Ok(View::default())),
            (2, Ok(sees(&[row(2, "myself,master", None, "")]))),
        ]),
    ];
    for observation in unseen {
        let membership = [true, false].map(|member| NodeTest {
            member: Some(member),
            ..of(1)
        });
        for test in singles(1).into_iter().chain(membership) {
            assert!(
                !holds(&test, &observation),
                "{test:?}: {}",
                seen(&test, &observation)
            );
        }
    }
}

#[rstest]
#[case::answers(Some(Ok(View::default())), true, false)]
#[case::nobody_listens(Some(Err(refused(1))), false, true)]
#[case::hangs(Some(Err(silent(1))), false, true)]
#[case::answers_with_an_error(Some(Err(loading(1))), false, false)]
#[case::was_not_asked(None, false, false)]
fn running_or_not_or_not_known(
    #[case] view: Option<Result<View, RespError>>,
    #[case] runs: bool,
    #[case] runs_not: bool,
) {
    let observation = observed(view.map(|view| (1, view)));
    let running = |running| NodeTest {
        running: Some(running),
        ..of(1)
    };
    assert_eq!(holds(&running(true), &observation), runs);
    assert_eq!(holds(&running(false), &observation), runs_not);
}

#[test]
fn roles_and_slots_and_replicas() {
    let observation = healthy_observed();
    let good = [
        NodeTest {
            is_master: Some(true),
            slots: is(8192.0),
            replicas: is(1.0),
            ..of(1)
        },
        NodeTest {
            owns: Some("0-8191".parse().unwrap()),
            member: Some(true),
            ..of(1)
        },
        NodeTest {
            replicas: is(0.0),
            health: Some(Health::Ok),
            running: Some(true),
            ..of(2)
        },
        NodeTest {
            is_master: Some(false),
            master: Some(name(1)),
            slots: is(0.0),
            ..of(3)
        },
    ];
    for test in good {
        assert!(
            holds(&test, &observation),
            "{test:?}: {}",
            seen(&test, &observation)
        );
    }
    let bad = [
        (
            NodeTest {
                is_master: Some(false),
                ..of(1)
            },
            "redis-1 is a master, seen from redis-1",
        ),
        (
            NodeTest {
                master: Some(name(2)),
                ..of(3)
            },
            "redis-3 is a replica of redis-1, seen from redis-1",
        ),
        (
            NodeTest {
                master: Some(name(2)),
                ..of(1)
            },
            "redis-1 has no master, seen from redis-1",
        ),
        (
            NodeTest {
                owns: Some("8190-8193".parse().unwrap()),
                ..of(1)
            },
            "redis-1 does not own 8192-8193, seen from redis-1",
        ),
        (
            NodeTest {
                keys: is(0.0),
                ..of(1)
            },
            "redis-1 does not answer",
        ),
    ];
    for (test, expected) in bad {
        assert!(!holds(&test, &observation), "{test:?}");
        assert_eq!(seen(&test, &observation), expected);
    }
}

#[test]
fn every_member_has_to_see_it_so() {
    // Node 2 has not heard yet that a slot has moved from 1 to it.
    let observation = with(|me, lines| {
        if me != 2 {
            lines[0] = lines[0].replace("0-8191", "0-8190");
        }
    });
    let test = NodeTest {
        slots: is(8191.0),
        ..of(1)
    };
    assert!(!holds(&test, &observation));
    assert_eq!(
        seen(&test, &observation),
        "redis-1 owns 8192 slots, seen from redis-2"
    );
    // And 2 does not know 3 at all.
    let observation = with(|me, lines| {
        if me == 2 {
            lines.truncate(2);
        }
    });
    for member in [true, false] {
        let test = NodeTest {
            member: Some(member),
            ..of(3)
        };
        assert!(!holds(&test, &observation));
        assert_eq!(
            seen(&test, &observation),
            "redis-3 is known to redis-1 only"
        );
    }
    assert!(!holds(
        &NodeTest {
            slots: is(0.0),
            ..of(3)
        },
        &observation
    ));
}

#[test]
fn a_node_in_handshake_is_not_known_and_one_without_a_role_has_none() {
    let observation = with(|_, lines| lines.push(row(7, "handshake", None, "")));
    assert!(holds(
        &NodeTest {
            member: Some(false),
            ..of(7)
        },
        &observation
    ));
    let observation = with(|_, lines| lines.push(row(7, "noflags", None, "")));
    for is_master in [true, false] {
        assert!(!holds(
            &NodeTest {
                is_master: Some(is_master),
                ..of(7)
            },
            &observation
        ));
    }
    assert!(holds(
        &NodeTest {
            member: Some(true),
            ..of(7)
        },
        &observation
    ));
}

#[test]
fn failed_replicas_do_not_count() {
    let observation = with(|_, lines| lines[2] = lines[2].replace("slave", "slave,fail"));
    assert!(holds(
        &NodeTest {
            replicas: is(0.0),
            ..of(1)
        },
        &observation
    ));
    let observation = with(|_, lines| lines[2] = lines[2].replace("slave", "slave,fail?"));
    assert!(holds(
        &NodeTest {
            replicas: is(1.0),
            ..of(1)
        },
        &observation
    ));
}

#[test]
fn a_node_that_was_reset_is_what_it_is_now() {
    // Redis-3 has a new id, 9; the others still have a line about the old one.
    let ghost = id(3);
    let mut names = names();
    names.learn([("9".repeat(40).parse().unwrap(), name(3))]);
    let reset = with(|_, lines| {
        lines.push(
            lines[2]
                .replace(&ghost.to_string(), &"9".repeat(40))
                .replace("slave", "master"),
        );
        let last = lines.len() - 1;
        lines[last] = lines[last].replace(&id(1).to_string(), "-");
    });
    let judged = judge(
        &NodeTest {
            is_master: Some(true),
            ..of(3)
        },
        &reset,
        &names,
    );
    assert!(judged.holds, "{}", judged.seen);
    // Where only the ghost is known, the node is not forgotten.
    let ghost_only = NodeTest {
        member: Some(false),
        ..of(3)
    };
    assert!(!judge(&ghost_only, &healthy_observed(), &names).holds);
}

#[rstest]
#[case(&["", "", ""], Health::Ok)]
#[case(&["", "?", "?"], Health::Suspected)]
#[case(&["", "!", "!"], Health::Failed)]
fn health_is_what_most_others_think(#[case] marks: &[&str; 3], #[case] health: Health) {
    // Nodes 2 and 3 have their say about 1; what 1 thinks of itself does not count.
    let observation = with(|me, lines| {
        let flags = match marks[usize::from(me) - 1] {
            "?" => "master,fail?",
            "!" => "master,fail",
            _ => return,
        };
        lines[0] = row(1, flags, None, "0-8191");
    });
    for wanted in [Health::Ok, Health::Suspected, Health::Failed] {
        let test = NodeTest {
            health: Some(wanted),
            ..of(1)
        };
        assert_eq!(holds(&test, &observation), wanted == health, "{wanted:?}");
    }
}

#[test]
fn half_of_the_others_are_not_most_of_them() {
    // 2 thinks that 1 has failed, 3 does not.
    let split = with(|me, lines| {
        if me == 2 {
            lines[0] = row(1, "master,fail", None, "0-8191");
        }
    });
    // 2 has failed 1, and 3 does not know it.
    let unknown = with(|me, lines| match me {
        2 => lines[0] = row(1, "master,fail", None, "0-8191"),
        3 => drop(lines.remove(0)),
        _ => {}
    });
    for observation in [split, unknown] {
        for health in [Health::Ok, Health::Suspected, Health::Failed] {
            assert!(!holds(
                &NodeTest {
                    health: Some(health),
                    ..of(1)
                },
                &observation
            ));
        }
    }
}

#[test]
fn a_link_is_what_the_replica_says_of_it() {
    let test = |up| NodeTest {
        link_up: Some(up),
        ..of(3)
    };
    let with_info = |text: &str| observed([(3, Ok(tells(text)))]);
    let up = with_info("role:slave\r\nmaster_link_status:up\r\n");
    assert!(holds(&test(true), &up) && !holds(&test(false), &up));
    let down = with_info("role:slave\r\nmaster_link_status:down\r\n");
    assert!(!holds(&test(true), &down) && holds(&test(false), &down));
    // A master has no link that could be down.
    let master = with_info("role:master\r\n");
    assert!(!holds(&test(true), &master) && !holds(&test(false), &master));
    let gone = observed([(3, Err(refused(3)))]);
    assert!(!holds(&test(true), &gone) && !holds(&test(false), &gone));
}

#[rstest]
fn recorded_nodes(
    #[values("redis-6.2.5", "redis-7.0.15", "redis-8.2.3", "valkey-9.1.2")] server: &str,
    #[values(("normal", Health::Ok), ("suspected", Health::Suspected), ("failed", Health::Failed))]
    scene: (&str, Health),
) {
    let (observation, names) = recorded_view(server, scene.0);
    for wanted in [Health::Ok, Health::Suspected, Health::Failed] {
        let test = NodeTest {
            health: Some(wanted),
            member: Some(true),
            ..of(3)
        };
        let judged = judge(&test, &observation, &names);
        assert_eq!(
            judged.holds,
            wanted == scene.1,
            "{}: {}",
            scene.0,
            judged.seen
        );
    }
}
