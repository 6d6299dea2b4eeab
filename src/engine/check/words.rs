//! A check in words, as reports show what was expected.

use crate::engine::scope::Scope;
use crate::lab::model::{CheckKind, ClusterTest, Health, NodeTest, Stream, TextTest};
use crate::lab::quantity::{Comparison, Unit, show_duration};
use crate::lab::template::Template;

/// What a check says: `redis-7 owns 0 slots`. Values that are known are filled in.
pub fn in_words(kind: &CheckKind, scope: &Scope<'_>) -> String {
    let fill = |template: &Template| {
        scope
            .fill(template)
            .unwrap_or_else(|_| template.as_written().to_owned())
    };
    match kind {
        CheckKind::Exit(wanted) => format!("exit {}", wanted.in_words()),
        CheckKind::Text { stream, test } => text(*stream, test, &fill),
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
