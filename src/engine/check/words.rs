//! A check in words, as reports show what was expected.

use crate::engine::scope::Scope;
use crate::lab::model::{CheckKind, ClusterTest, Health, NodeTest, SqlTest, Stream, TextTest};
use crate::lab::quantity::{Comparison, Unit, show_duration};
use crate::lab::template::Template;

/// What a check says: `redis-7 owns 0 slots`. Values that are known are filled in.
pub fn in_words(kind: &CheckKind, scope: &Scope<'_>) -> String {
    let fill = |template: &Template| {
        scope
            .fill(template)
            .unwrap_or_else(|_| template.as_written().to_owned())
    };
    check_in_words(kind, &fill)
}

/// The same with values that are filled in by whoever asks: the guide has names in their places.
pub fn check_in_words(kind: &CheckKind, fill: &dyn Fn(&Template) -> String) -> String {
    match kind {
        CheckKind::Exit(wanted) => format!("exit {}", wanted.in_words()),
        CheckKind::Text { stream, test } => text(*stream, test, fill),
        CheckKind::Json { path, test } => {
            let equals = test
                .equals
                .iter()
                .map(|wanted| format!("is `{}`", fill(wanted)));
            let is = test
                .is
                .iter()
                .map(|wanted| format!("is {}", wanted.in_words()));
            format!(
                "{} in the JSON {}",
                path.text,
                equals.chain(is).collect::<Vec<_>>().join(" and ")
            )
        }
        CheckKind::Cluster(test) => cluster(test),
        CheckKind::Node(test) => node(test),
        CheckKind::Info { node, fields } => {
            let fields: Vec<String> = fields
                .iter()
                .map(|(name, wanted)| {
                    let wanted = fill(wanted);
                    let words = Comparison::parse(&wanted, Unit::Count)
                        .map_or(wanted, |comparison| comparison.in_words());
                    format!("{name} is {words}")
                })
                .collect();
            format!("{} on {node}", fields.join(", "))
        }
        CheckKind::Lag { replica, bytes } => {
            format!("{replica} is {} behind its master", bytes.in_words())
        }
        CheckKind::GivenKeys => "every key of `given` has its value".to_owned(),
        CheckKind::Probe(test) => {
            let counts: Vec<String> = test
                .counts
                .iter()
                .map(|(name, wanted)| match *name {
                    "asked" => format!("{} ASK met", wanted.in_words()),
                    "moved" => format!("{} MOVED met", wanted.in_words()),
                    "longest_gap" => format!("longest gap {}", wanted.in_words()),
                    "p99" => format!("p99 {}", wanted.in_words()),
                    name => format!("{} {name}", wanted.in_words()),
                })
                .collect();
            format!("probe: {}", counts.join(", "))
        }
        CheckKind::Timeline(test) => {
            let moments: Vec<String> = test
                .moments
                .iter()
                .map(|(name, wanted)| format!("{name} after {}", wanted.in_words()))
                .collect();
            let to = test.to.as_ref().map(|to| format!(" to {to}"));
            let to = to.unwrap_or_default();
            format!("failover of {}{to}: {}", test.node, moments.join(", "))
        }
        CheckKind::Sql(test) => sql(test, &fill),
    }
}

fn text(stream: Stream, test: &TextTest, fill: &dyn Fn(&Template) -> String) -> String {
    let name = match stream {
        Stream::Stdout => "stdout",
        Stream::Stderr => "stderr",
        Stream::Both => "output",
    };
    let mut parts = Vec::new();
    let mut with = |template: &Option<Template>, verb: &str| {
        parts.extend(
            template
                .as_ref()
                .map(|wanted| format!("{verb} `{}`", fill(wanted).trim_end())),
        );
    };
    with(&test.equals, "is");
    with(&test.contains, "contains");
    with(&test.lacks, "lacks");
    parts.extend(
        test.matches
            .as_ref()
            .map(|pattern| format!("matches {pattern}")),
    );
    parts.extend(
        test.lines
            .map(|lines| format!("has {} lines", lines.in_words())),
    );
    parts.extend(test.empty.map(|empty| {
        if empty {
            "is empty".to_owned()
        } else {
            "is not empty".to_owned()
        }
    }));
    format!("{name} {}", parts.join(" and "))
}

fn sql(test: &SqlTest, fill: &dyn Fn(&Template) -> String) -> String {
    let mut parts = Vec::new();
    parts.extend(
        test.value
            .as_ref()
            .map(|value| format!("gives `{}`", fill(value).trim_end())),
    );
    parts.extend(test.is.map(|is| format!("gives {}", is.in_words())));
    parts.extend(
        test.rows
            .map(|rows| format!("gives {} rows", rows.in_words())),
    );
    parts.extend(test.equals.as_ref().map(|rows| {
        let rows: Vec<String> = rows.iter().map(fill).collect();
        format!("gives the rows `{}`", rows.join(" ⏎ "))
    }));
    // On one line, as it may be folded over several in the file.
    let query: Vec<String> = fill(&test.query)
        .split_whitespace()
        .map(str::to_owned)
        .collect();
    format!("`{}` {}", query.join(" "), parts.join(" and "))
}

fn cluster(test: &ClusterTest) -> String {
    let mut parts = Vec::new();
    parts.extend(test.ok.map(|ok| {
        format!(
            "cluster_state is {} on every member",
            if ok { "ok" } else { "fail" }
        )
    }));
    parts.extend(test.agree.map(|agree| {
        if agree {
            "all members agree".to_owned()
        } else {
            "members disagree".to_owned()
        }
    }));
    let mut count = |wanted: Option<Comparison>, what: &str| {
        parts.extend(wanted.map(|wanted| format!("{} {what}", wanted.in_words())))
    };
    count(test.masters, "masters");
    count(test.replicas, "replicas");
    count(test.known_nodes, "known nodes");
    count(test.slots_assigned, "slots assigned");
    parts.join(", ")
}

fn node(test: &NodeTest) -> String {
    let mut parts = Vec::new();
    parts.extend(test.running.map(|running| {
        if running {
            "answers".to_owned()
        } else {
            "does not answer".to_owned()
        }
    }));
    parts.extend(test.member.map(|member| {
        if member {
            "is known to all others".to_owned()
        } else {
            "is known to no other node".to_owned()
        }
    }));
    parts.extend(
        test.is_master
            .map(|master| format!("is a {}", if master { "master" } else { "replica" })),
    );
    parts.extend(
        test.master
            .as_ref()
            .map(|master| format!("is a replica of {master}")),
    );
    parts.extend(
        test.slots
            .map(|slots| format!("owns {} slots", slots.in_words())),
    );
    parts.extend(test.owns.as_ref().map(|slots| format!("owns {slots}")));
    parts.extend(
        test.replicas
            .map(|replicas| format!("has {} replicas", replicas.in_words())),
    );
    parts.extend(test.link_up.map(|up| {
        format!(
            "has its link to its master {}",
            if up { "up" } else { "down" }
        )
    }));
    parts.extend(test.health.map(|health| {
        let word = match health {
            Health::Ok => "well",
            Health::Suspected => "suspected",
            Health::Failed => "failed",
        };
        format!("is called {word} by most others")
    }));
    parts.extend(
        test.keys
            .map(|keys| format!("holds {} keys", keys.in_words())),
    );
    format!("{} {}", test.name, parts.join(", "))
}

/// `, for 2s`: how long a check has to stay true, to be put behind it.
pub fn lasting_in_words(lasting: Option<std::time::Duration>) -> String {
    lasting.map_or(String::new(), |lasting| {
        format!(", for {}", show_duration(lasting))
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::engine::names::Names;
    use crate::lab::source::Source;

    /// A lab with every kind of check, as it would be told what is expected.
    const LAB: &str = r#"
title: T
objective: O
given:
  masters: {redis-1: 0-16383}
  replicas: {redis-2: redis-1}
  keys: {count: 10}
steps:
  - id: all
    title: T
    run: redis-cli -p 7001 PING
    save: {it: stdout}
    meanwhile: [probe: {rate: 10/s, slots: all}]
    expect:
      - exit: "!= 0"
      - stdout: {equals: "PONG ${it}", lines: ">= 1", empty: false}
      - stderr: {lacks: error, empty: true}
      - output: {contains: "${redis-1.name}", matches: "^P.*G$"}
      - json: {path: ".a[0]", equals: x}
      - json: {path: .b, is: "> 3"}
      - cluster: {state: fail, agree: false, masters: "3", known_nodes: "<= 6", slots_assigned: 16384}
      - node: {name: redis-2, running: false, member: true, role: replica, master: redis-1, link: up, state: suspected}
      - node: {name: redis-1, role: master, slots: 0, owns: 1-3 5, replicas: "< 2", keys: "!= 7"}
      - info: {name: redis-1, fields: {role: master, connected_slaves: ">= 1"}}
      - lag: {replica: redis-2, bytes: "<= 1KiB"}
      - given_keys: intact
      - probe: {operations: ">= 50", failed: 0, asked: ">= 1", longest_gap: "< 2s", p99: "<= 10ms"}
points: [{text: P, proved_by: [all]}]
"#;

    #[test]
    fn every_kind_of_check_in_words() {
        let lab = crate::lab::load(&Source::new("lab.yaml", LAB)).unwrap();
        let (names, saved) = (Names::default(), Default::default());
        let scope = Scope {
            names: &names,
            saved: &saved,
            item: None,
        };
        let words: Vec<String> = lab.steps[0]
            .expect
            .iter()
            .map(|check| in_words(&check.kind, &scope))
            .collect();
        insta::assert_snapshot!(words.join("\n"), @"
    exit other than 0
    stdout is `PONG ${it}` and has at least 1 lines and is not empty
    stderr lacks `error` and is empty
    output contains `redis-1` and matches /^P.*G$/
    .a[0] in the JSON is `x`
    .b in the JSON is more than 3
    cluster_state is fail on every member, members disagree, 3 masters, at most 6 known nodes, 16384 slots assigned
    redis-2 does not answer, is known to all others, is a replica, is a replica of redis-1, has its link to its master up, is called suspected by most others
    redis-1 is a master, owns 0 slots, owns 1-3 5, has less than 2 replicas, holds other than 7 keys
    role is master, connected_slaves is at least 1 on redis-1
    redis-2 is at most 1024 bytes behind its master
    every key of `given` has its value
    probe: at least 50 operations, 0 failed, at least 1 ASK met, longest gap less than 2s, p99 at most 10ms
    ");
    }

    #[test]
    fn times() {
        let seconds = Duration::from_secs;
        assert_eq!(lasting_in_words(None), "");
        assert_eq!(lasting_in_words(Some(seconds(2))), ", for 2s");
        assert_eq!(
            lasting_in_words(Some(Duration::from_millis(1500))),
            ", for 1500ms"
        );
    }
}
