use super::super::{Filled, Line, Task};
use super::*;
use rstest::rstest;

fn fill(text: &str) -> Result<Filled, String> {
    Line::parse(text)
        .unwrap()
        .fill(|reference| match reference.path.join(".").as_str() {
            "each.port" => Ok("7007".to_owned()),
            "each.name" => Ok("redis-7".to_owned()),
            "odd" => Ok("9999".to_owned()),
            "evil" => Ok("7007; id".to_owned()),
            other => Err(format!("no value for {other}")),
        })
}

fn down(name: &str) -> Target {
    let node = NodeName::new(name);
    Target::ScaleDown { node }
}

#[rstest]
#[case("make cluster-nodes", Target::ClusterNodes)]
#[case("make cluster-info", Target::ClusterInfo)]
#[case("make watch-cluster", Target::WatchCluster)]
#[case("make failover", Target::Failover { node: NodeName::new("redis-1") })]
#[case("make failover NODE=7002", Target::Failover { node: NodeName::new("redis-2") })]
#[case("make recover", Target::Recover { node: NodeName::new("redis-1") })]
#[case("make recover NODE=redis-3", Target::Recover { node: NodeName::new("redis-3") })]
#[case("make scale-add-replica", Target::ScaleAddReplica)]
#[case("make scale-down NODE=7007", down("redis-7"))]
#[case("make NODE=7007 scale-down", down("redis-7"))]
#[case("make scale-down NODE='redis-7'", down("redis-7"))]
#[case("make scale-down NODE=${each.port}", down("redis-7"))]
#[case("make scale-down NODE=${each.name}", down("redis-7"))]
#[case("make scale-down \"NODE=${each.port}\"", down("redis-7"))]
#[case("make load-test", Target::LoadTest { users: 50, seats: 2 })]
#[case("make load-test SEATS=1 USERS=100", Target::LoadTest { users: 100, seats: 1 })]
#[case("make load-test USERS=${each.port}", Target::LoadTest { users: 7007, seats: 2 })]
fn a_target_is_what_the_reader_types(#[case] text: &str, #[case] target: Target) {
    assert_eq!(fill(text).unwrap().task, Task::Target(target));
}

/// What a target says of itself is what a reader types for it.
#[test]
fn every_target_is_shown_as_it_is_typed() {
    let mut seen = Vec::new();
    for (name, target, _) in TARGETS {
        let mut lines = vec![format!("make {name}")];
        match target.variables() {
            [(Variable::Node, has_to)] => {
                let nodes = CourseNode::all().filter(|node| node.number() > 1 || *has_to);
                lines.extend(nodes.map(|node| format!("make {name} NODE={}", node.port())));
                lines.drain(..usize::from(*has_to));
            }
            [(Variable::Users, _), _] => lines = vec![format!("make {name} USERS=100 SEATS=3")],
            _ => {}
        }
        for typed in lines {
            let Task::Target(target) = fill(&typed).unwrap().task else {
                panic!("{typed}")
            };
            assert_eq!(target.to_string(), typed);
            assert_eq!(
                Line::parse(&typed).unwrap().is_endless(),
                target.is_endless()
            );
            assert!(!seen.contains(&target), "{typed}");
            seen.push(target);
        }
    }
    assert_eq!(seen.len(), 4 + 3 * 8 + 1);
}

#[test]
fn what_a_target_prints_can_be_filtered() {
    let filled = fill("make cluster-nodes | grep -E \"(master|slave)\"").unwrap();
    assert_eq!(filled.task, Task::Target(Target::ClusterNodes));
    assert_eq!(filled.filters.len(), 1);
}

#[rstest]
#[case(
    "make scale-down NODE=${odd}",
    "NODE=9999: there is no node on port 9999"
)]
#[case(
    "make scale-down NODE=${evil}",
    "NODE=7007; id: `7007; id` is not a node of this environment"
)]
#[case(
    "make load-test USERS=${evil}",
    "USERS=7007; id: `7007; id` is not a whole number"
)]
#[case("make scale-down NODE=${nothing}", "no value for nothing")]
fn what_a_value_brings_is_checked_when_it_is_there(#[case] text: &str, #[case] why: &str) {
    assert_eq!(fill(text).unwrap_err(), why);
}

/// Each with the part of the line at which the caret stands.
#[rstest]
#[case("make", "make", "isn't told which target")]
#[case("make NODE=7001", "make", "isn't told which target")]
#[case("make cluster-node", "cluster-node", "not one of the course's targets")]
#[case("make all", "all", "not one of the course's targets")]
#[case("make load-test USERS=0", "0", "not from 1 to 100000")]
#[case("make load-test USERS=100001", "100001", "not from 1 to 100000")]
#[case("make load-test SEATS=101", "101", "not from 1 to 100")]
#[case("make load-test SEATS=-1", "-1", "not a whole number")]
#[case("make load-test USERS=many", "many", "not a whole number")]
#[case("make load-test USRES=5", "USRES", "not a variable")]
#[case("make load-test NODE=7001", "NODE=7001", "takes no NODE")]
#[case("make load-test USERS=1 USERS=2", "USERS=2", "twice")]
#[case("make scale-down SEATS=2", "SEATS", "not a variable")]
#[case("make loadtest", "loadtest", "not one of the course's targets")]
#[case("make scale-down", "scale-down", "isn't told which node")]
#[case("make scale-down NOED=7007", "NOED", "not a variable")]
#[case("make failover USERS=5", "USERS", "not a variable")]
#[case("make cluster-info NODE=7001", "NODE=7001", "takes no NODE")]
#[case("make failover NODE=9999", "9999", "no node on port 9999")]
#[case("make failover NODE=70001", "70001", "not a node")]
#[case("make failover NODE='redis-9'", "redis-9", "not a node")]
#[case("make failover NODE=", "NODE=", "has no value")]
#[case("make failover NODE='$(id)'", "$(id)", "not a node")]
#[case("make failover NODE=$(id)", "$(", "no shell")]
#[case("make failover NODE=7001 NODE=7002", "NODE=7002", "twice")]
#[case("make -j4 cluster-nodes", "-j4", "no meaning")]
#[case("make cluster-nodes -s", "-s", "no meaning")]
#[case("make failover recover", "recover", "second one")]
#[case("make ${odd}", "${odd}", "can't be a value")]
#[case("make watch-cluster | grep master", "grep master", "draws a screen")]
fn what_is_not_a_target_is_refused(#[case] text: &str, #[case] at: &str, #[case] why: &str) {
    let faults = Line::parse(text).unwrap_err();
    let [fault] = &faults[..] else {
        panic!("{faults:?}")
    };
    assert_eq!(&text[fault.range.clone()], at);
    assert!(fault.what.contains(why), "{fault:?}");
    assert!(fault.help.is_some(), "{fault:?}");
}
