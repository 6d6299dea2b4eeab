//! Judgements of made-up looks: two masters, redis-1 and redis-2, and redis-4, a replica of redis-1.

use std::net::SocketAddr;
use std::path::Path;

use rstest::rstest;

use super::*;
use crate::backend::standing::StandingGiven;
use crate::cluster::{ClusterInfo, Endpoint, Info};
use crate::lab::model::Given;
use crate::observe::Seen;
use crate::resp::{Address, RespError};

fn id(digit: char) -> String {
    digit.to_string().repeat(40)
}

/// What each of the three says of all of them, one a line: `m` stands for `myself,`.
const ALL: &str = "\
1 172.30.0.11:7001@17001 {m1}master - 0 0 1 connected 0-99
2 172.30.0.12:7002@17002 {m2}master - 0 0 2 connected 100-16383
4 172.30.0.14:7004@17004 {m4}slave 1 0 0 1 connected
";

/// A view of the cluster from the node with this number.
fn seen_by(number: char, text: &str, ok: bool) -> Result<View, RespError> {
    let mut raw = String::new();
    for line in text.lines() {
        let mut words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        for at in [0, 3] {
            if words[at].len() == 1 && words[at] != "-" {
                words[at] = id(words[at].chars().next().expect("a digit"));
            }
        }
        raw.push_str(&words.join(" "));
        raw.push('\n');
    }
    for digit in ['1', '2', '4'] {
        let myself = if digit == number { "myself," } else { "" };
        raw = raw.replace(&format!("{{m{digit}}}"), myself);
    }
    let state = if ok { "ok" } else { "fail" };
    let info = format!(
        "cluster_state:{state}\r\ncluster_slots_assigned:16384\r\ncluster_slots_ok:16384\r\ncluster_slots_pfail:0\r\n\
         cluster_slots_fail:0\r\ncluster_known_nodes:3\r\ncluster_size:2\r\ncluster_current_epoch:2\r\ncluster_my_epoch:1\r\n"
    );
    let replication = match number {
        '4' => "# Replication\r\nrole:slave\r\nmaster_link_status:up\r\n",
        _ => "# Replication\r\nrole:master\r\n",
    };
    Ok(View {
        topology: Some(Seen {
            value: Topology::parse(&raw).expect("a view"),
            raw,
        }),
        cluster_info: Some(Seen {
            value: ClusterInfo::parse(&info).expect("an info"),
            raw: info,
        }),
        info: Some(Seen {
            value: Info::parse(replication).expect("an info"),
            raw: replication.to_owned(),
        }),
        keys: None,
    })
}

fn observation(views: &[(char, Result<View, RespError>)]) -> Observation {
    Observation {
        views: views
            .iter()
            .map(|(number, view)| (NodeName::new(format!("redis-{number}")), view.clone()))
            .collect(),
        ..Observation::default()
    }
}

fn book() -> AddressBook {
    let entry = |node: CourseNode| Address {
        name: node.name(),
        announced: Endpoint::new(node.ip(), node.port()),
        reachable: SocketAddr::from(([127, 0, 0, 1], node.port())),
    };
    AddressBook::new(CourseNode::all().map(entry).collect())
}

fn standing() -> Standing {
    let given = Given {
        node_timeout: None,
        masters: vec![
            ("redis-1".into(), "0-99".parse().expect("slots")),
            ("redis-2".into(), "100-16383".parse().expect("slots")),
        ],
        replicas: vec![("redis-4".into(), "redis-1".into())],
        keys: None,
        postgres: None,
    };
    let mut standing = Standing::begin("docker", None, Some(&given), "i", Path::new("/lock"));
    assert_eq!(standing.given, Some(StandingGiven::of(&given)));
    standing.server = Some("redis 7.0.15".to_owned());
    standing
}

/// The lives of redis-1, redis-2 and redis-4; the others are not there.
fn lives(lives: [Life; 3]) -> Vec<NodeState> {
    let life = |number: u16| match number {
        1 => lives[0],
        2 => lives[1],
        4 => lives[2],
        _ => Life::Absent,
    };
    CourseNode::all()
        .map(|node| NodeState {
            name: node.name(),
            life: life(node.number()),
        })
        .collect()
}

const RUNS: Life = Life::Running;
const STOPPED: Life = Life::Exited(0);

fn judged(states: [Life; 3], views: &[(char, Result<View, RespError>)]) -> Survey {
    judge(
        &standing(),
        &lives(states),
        RUNS,
        Life::Absent,
        &observation(views),
        &book(),
    )
}

/// Faults and notes, a line each.
fn remarks(survey: &Survey) -> String {
    let line = |sign: &str, remark: &Remark| format!("{sign} {} => {}\n", remark.what, remark.help);
    let faults = survey.faults.iter().map(|remark| line("x", remark));
    let notes = survey.notes.iter().map(|remark| line("!", remark));
    faults.chain(notes).collect()
}

fn all_three() -> Vec<(char, Result<View, RespError>)> {
    ['1', '2', '4']
        .map(|number| (number, seen_by(number, ALL, true)))
        .to_vec()
}

#[test]
fn nothing_is_wrong() {
    let survey = judged([RUNS; 3], &all_three());
    assert_eq!((survey.state, remarks(&survey).as_str()), (State::Well, ""));
    let redis_4 = &survey.nodes[3];
    assert_eq!(redis_4.role, Some(Role::Replica));
    assert_eq!(redis_4.master, Some("redis-1".into()));
    assert_eq!(redis_4.linked, Some(true));
    assert_eq!(redis_4.address, "172.30.0.14:7004");
    assert_eq!(survey.nodes[0].slots.len(), 100);
    assert_eq!(survey.nodes[0].linked, None);
    assert!(!survey.nodes[7].member && survey.nodes[7].life == LifeNow::Absent);
    let cluster = survey.cluster.expect("there is one");
    assert_eq!(
        (
            cluster.ok,
            cluster.masters,
            cluster.replicas,
            cluster.slots_assigned
        ),
        (true, 2, 1, 16384)
    );
}

#[test]
fn a_master_that_was_stopped_is_a_fault_until_its_replica_has_taken_over() {
    let before: Vec<_> = ['2', '4']
        .map(|number| (number, seen_by(number, ALL, true)))
        .to_vec();
    let survey = judged([STOPPED, RUNS, RUNS], &before);
    assert_eq!(survey.state, State::Broken);
    insta::assert_snapshot!("before_the_failover", remarks(&survey));
    // It is known by the others: whose it is, what it has.
    assert_eq!(survey.nodes[0].slots.len(), 100);
    assert_eq!(survey.nodes[3].master, Some("redis-1".into()));

    let after = ALL
        .replace(
            "{m1}master - 0 0 1 connected 0-99",
            "{m1}master,fail - 0 0 1 connected",
        )
        .replace(
            "{m4}slave 1 0 0 1 connected",
            "{m4}master - 0 0 3 connected 0-99",
        );
    let after: Vec<_> = ['2', '4']
        .map(|number| (number, seen_by(number, &after, true)))
        .to_vec();
    let survey = judged([Life::Exited(137), RUNS, RUNS], &after);
    assert_eq!(survey.state, State::Well);
    insta::assert_snapshot!("after_the_failover", remarks(&survey));
    assert_eq!(survey.nodes[0].opinion, Opinion::Failed);
    let cluster = survey.cluster.expect("there is one");
    assert_eq!((cluster.masters, cluster.replicas), (2, 0));
}

#[test]
fn a_replica_that_was_stopped_or_frozen_is_worth_a_note() {
    for life in [STOPPED, Life::Paused] {
        let views: Vec<_> = ['1', '2']
            .map(|number| (number, seen_by(number, ALL, true)))
            .to_vec();
        let survey = judged([RUNS, RUNS, life], &views);
        assert_eq!(survey.state, State::Well, "{survey:?}");
        assert_eq!(survey.notes.len(), 1);
    }
}

#[test]
fn a_node_that_was_removed_is_a_fault_as_long_as_the_others_know_it() {
    let views: Vec<_> = ['1', '2']
        .map(|number| (number, seen_by(number, ALL, true)))
        .to_vec();
    let survey = judged([RUNS, RUNS, Life::Absent], &views);
    assert_eq!(survey.state, State::Broken);
    insta::assert_snapshot!("removed", remarks(&survey));

    let forgotten: String = ALL
        .lines()
        .filter(|line| !line.starts_with('4'))
        .map(|line| format!("{line}\n"))
        .collect();
    let views: Vec<_> = ['1', '2']
        .map(|number| (number, seen_by(number, &forgotten, true)))
        .to_vec();
    let survey = judged([RUNS, RUNS, Life::Absent], &views);
    assert_eq!(survey.state, State::Well);
    insta::assert_snapshot!("removed_and_forgotten", remarks(&survey));
}

#[test]
fn a_node_that_runs_and_does_not_answer_is_a_fault() {
    let mut views = all_three();
    views[2].1 = Err(RespError::NoConnection {
        node: "redis-4".into(),
        why: "connection refused".to_owned(),
    });
    let survey = judged([RUNS; 3], &views);
    assert_eq!(survey.state, State::Broken);
    insta::assert_snapshot!("no_answer", remarks(&survey));
}

#[test]
fn a_cluster_that_fails_or_disagrees_is_broken() {
    let mut views = all_three();
    views[1].1 = seen_by('2', ALL, false);
    let survey = judged([RUNS; 3], &views);
    assert_eq!(survey.state, State::Broken);
    insta::assert_snapshot!("one_says_fail", remarks(&survey));

    let fewer = ALL.replace("0-99", "0-98");
    let views: Vec<_> = ['1', '2', '4']
        .map(|number| (number, seen_by(number, &fewer, false)))
        .to_vec();
    let survey = judged([RUNS; 3], &views);
    insta::assert_snapshot!("slots_without_owner", remarks(&survey));

    let mut views = all_three();
    views[1].1 = seen_by('2', &fewer, true);
    let survey = judged([RUNS; 3], &views);
    assert_eq!(survey.state, State::Broken);
    insta::assert_snapshot!("disagreement", remarks(&survey));
}

#[test]
fn nodes_that_know_nobody_are_no_cluster() {
    let alone = |digit: char| {
        let line = format!("{digit} :7001@17001 {{m{digit}}}master - 0 0 0 connected\n");
        (digit, seen_by(digit, &line, false))
    };
    let views = ['1', '2', '4'].map(alone).to_vec();
    let survey = judged([RUNS; 3], &views);
    assert_eq!(
        (survey.state, survey.cluster.clone()),
        (State::Broken, None)
    );
    assert!(remarks(&survey).contains("belongs to a cluster"));
    assert!(survey.nodes[0].answers && survey.nodes[0].role.is_none());
    // Where none was made, that is as it should be.
    let mut bare = standing();
    bare.given = None;
    let survey = judge(
        &bare,
        &lives([RUNS, STOPPED, RUNS]),
        RUNS,
        Life::Absent,
        &observation(&views),
        &book(),
    );
    assert_eq!(survey.state, State::Well);
    assert_eq!(survey.notes.len(), 1, "the stopped one: {survey:?}");
}

#[rstest]
#[case::all([STOPPED; 3], RUNS, State::Stopped)]
#[case::all_that_are_left([STOPPED, STOPPED, Life::Absent], STOPPED, State::Stopped)]
// Its reader may have stopped it.
#[case::the_only_one([STOPPED, Life::Absent, Life::Absent], RUNS, State::Broken)]
#[case::none_is_left([Life::Absent; 3], Life::Absent, State::Gone)]
#[case::only_the_toolbox_is_left([Life::Absent; 3], RUNS, State::Broken)]
fn stopped_and_gone(#[case] lives: [Life; 3], #[case] toolbox: Life, #[case] state: State) {
    let survey = judge(
        &standing(),
        &super::tests::lives(lives),
        toolbox,
        Life::Absent,
        &Observation::default(),
        &book(),
    );
    assert_eq!(survey.state, state, "{survey:?}");
    assert!(!survey.faults.is_empty());
}

#[test]
fn a_toolbox_that_is_gone_is_worth_a_note() {
    let survey = judge(
        &standing(),
        &lives([RUNS; 3]),
        Life::Absent,
        Life::Absent,
        &observation(&all_three()),
        &book(),
    );
    assert_eq!(survey.state, State::Well);
    assert!(remarks(&survey).starts_with("! the toolbox is not there"));
}

#[rstest]
#[case::runs(Life::Running, State::Well, "")]
#[case::stopped(STOPPED, State::Well, "! postgres is stopped")]
#[case::frozen(Life::Paused, State::Well, "! postgres is frozen")]
#[case::removed(Life::Absent, State::Broken, "postgres was removed")]
fn the_database_is_looked_at_where_the_lab_has_one(
    #[case] life: Life,
    #[case] state: State,
    #[case] words: &str,
) {
    let mut standing = standing();
    standing.postgres = Some(crate::backend::standing::StandingPostgres {
        image: "postgres:17".to_owned(),
        port: 5432,
    });
    let seen = observation(&all_three());
    let survey = judge(&standing, &lives([RUNS; 3]), RUNS, life, &seen, &book());
    assert_eq!(survey.state, state, "{survey:?}");
    assert!(remarks(&survey).contains(words), "{}", remarks(&survey));
    assert_eq!(survey.postgres.map(|it| it.port), Some(5432));
}
