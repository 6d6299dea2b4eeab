//! Names for what differs from run to run.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::{Captures, Regex};

use crate::cluster::{NodeId, NodeName};
use crate::lab::environment::CourseNode;

/// Patterns with what stands in their place; the first that fits a place counts.
const RULES: [(&str, &str); 22] = [
    (r"^(master_replid2?):[0-9a-f]{40}", "$1:[replication id]"),
    // A line of CLUSTER NODES behind the address: flags, master, ping, pong, epoch.
    (
        r"(@\d+\S* \S+ (?:\[[^\]]+\]|\S+)) \d+ \d+ \d+ (connected|disconnected)",
        "$1 [ping sent] [pong received] [epoch] $2",
    ),
    (r"^(cluster_(?:current|my)_epoch):\d+", "$1:[epoch]"),
    (
        r"^((?:master|slave|slave_read|second)_repl_offset|repl_backlog_first_byte_offset):-?\d+",
        "$1:[offset]",
    ),
    (r"^(repl_backlog_histlen):\d+", "$1:[bytes]"),
    (r"^(master_last_io_seconds_ago):-?\d+", "$1:[seconds]"),
    (r"\boffset=\d+", "offset=[offset]"),
    (r"\blag=\d+", "lag=[seconds]"),
    (r"\b(usec|usec_per_call)=[0-9.]+", "$1=[microseconds]"),
    (r"\br-[0-9a-f]{16}\b", "[reservation]"),
    (
        r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b",
        "[uuid]",
    ),
    (
        r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d(?::?\d\d)?)?",
        "[time]",
    ),
    (r"\b1\d{12}-\d+\b", "[entry id]"),
    (r"\b1\d{12}\b", "[time]"),
    // What is left of a time to wait, and what stands behind a time in a value of the application.
    (r"\b\d+\.\d+s\b", "[time]"),
    (r"(\[time\]):\d+:", "$1:[number]:"),
    (r"\bs-[0-9a-f]{32}\b", "[session]"),
    (r"\b[0-9a-f]{64}\b", "[container id]"),
    // An event's id is made by chance, and so are its slot and the owner of it.
    (r"\bslot \S+, on [0-9.]+:\d+", "slot [slot], on [address]"),
    (r"^  slot \d+$", "  slot [slot]"),
    // A dot for each key that moves, those of a probe among them; a dot for each look.
    (r"^(Moving slot .*:) ?\.*$", "$1 [dots]"),
    (r"^\.+$", "[dots]"),
];

static COMPILED: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    RULES
        .iter()
        .filter_map(|(pattern, name)| Some((Regex::new(pattern).ok()?, *name)))
        .collect()
});
static ID: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\b[0-9a-f]{40}\b").ok());
static SHORT_ID: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"\(([0-9a-f]{8})\.\.\.\)").ok());
static ADDRESS: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"\b(\d{1,3}(?:\.\d{1,3}){3}):(\d{2,5})\b").ok());

/// What is known of a run when its lines are read.
#[derive(Debug, Default)]
pub(super) struct Placeholders {
    ids: BTreeMap<String, NodeName>,
    saved: Vec<(String, String)>,
}

impl Placeholders {
    /// Takes note of whose id this is.
    pub fn id(&mut self, id: NodeId, node: &NodeName) {
        self.ids.insert(id.to_string(), node.clone());
    }

    /// Takes note of a value that a step has saved. Short ones say too little to be found again.
    pub fn saved(&mut self, name: &str, value: &str) {
        let is_number = value.chars().all(|c| c.is_ascii_digit());
        if value.len() >= if is_number { 2 } else { 6 } && !value.contains(char::is_whitespace) {
            let label = match value.strip_prefix("r-") {
                Some(_) if !name.contains("reservation") => format!("[reservation of {name}]"),
                _ => format!("[{name}]"),
            };
            self.saved.push((value.to_owned(), label));
        }
    }

    /// A line with names in the places of what differs.
    pub fn line(&self, line: &str) -> String {
        let mut text = self.own_ids(line.trim_end());
        for (value, label) in &self.saved {
            text = replace_word(&text, value, label);
        }
        for (pattern, name) in COMPILED.iter() {
            text = pattern.replace_all(&text, *name).into_owned();
        }
        if let Some(pattern) = ID.as_ref() {
            text = pattern
                .replace_all(&text, |found: &Captures<'_>| {
                    let digits = found.get(0).map_or("", |found| found.as_str());
                    if digits.chars().all(|c| c == '0') {
                        digits.to_owned()
                    } else {
                        "[id]".to_owned()
                    }
                })
                .into_owned();
        }
        other_addresses(&text)
    }

    fn own_ids(&self, line: &str) -> String {
        let mut text = line.to_owned();
        for (id, node) in &self.ids {
            text = text.replace(id, &format!("[{node} id]"));
        }
        if let Some(pattern) = SHORT_ID.as_ref() {
            text = pattern
                .replace_all(&text, |found: &Captures<'_>| {
                    let digits = found.get(1).map_or("", |found| found.as_str());
                    self.ids
                        .iter()
                        .find(|(id, _)| id.starts_with(digits))
                        .map_or("([id]...)".to_owned(), |(_, node)| {
                            format!("([{node} id]...)")
                        })
                })
                .into_owned();
        }
        text
    }
}

/// `text` with `label` for every `value` that stands by itself.
fn replace_word(text: &str, value: &str, label: &str) -> String {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(value) {
        let (before, found) = rest.split_at(at);
        let after = found.get(value.len()..).unwrap_or_default();
        out.push_str(before);
        let apart = !out.ends_with(is_part) && !after.starts_with(is_part);
        out.push_str(if apart { label } else { value });
        rest = after;
    }
    out + rest
}

/// Addresses that are not the course's are the run's own.
fn other_addresses(text: &str) -> String {
    let Some(pattern) = ADDRESS.as_ref() else {
        return text.to_owned();
    };
    pattern
        .replace_all(text, |found: &Captures<'_>| {
            let part = |n| found.get(n).map_or("", |part| part.as_str());
            let (whole, host, port) = (part(0), part(1), part(2));
            let is_course = CourseNode::all().any(|node| {
                node.address() == whole
                    || (host == "127.0.0.1" && port == node.port().to_string())
                    || (host == node.ip() && port == format!("1{}", node.port()))
            });
            if is_course {
                whole.to_owned()
            } else {
                "[address]".to_owned()
            }
        })
        .into_owned()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn known() -> Placeholders {
        let mut known = Placeholders::default();
        let id = |digit: &str| digit.repeat(40).parse().unwrap();
        known.id(id("a"), &"redis-7".into());
        known.id(id("b"), &"redis-1".into());
        known.saved("event", "uakeb5hy");
        known.saved("slot", "8746");
        known.saved("ada", "r-ac09309778c39faa");
        known.saved("short", "7");
        known
    }

    #[test]
    fn every_rule_is_a_pattern() {
        assert_eq!(COMPILED.len(), RULES.len());
        assert!(ID.is_some() && SHORT_ID.is_some() && ADDRESS.is_some());
    }

    #[rstest]
    #[case(
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa 172.30.0.17:7007@17007 slave bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb 0 1795770397843 4 connected",
        "[redis-7 id] 172.30.0.17:7007@17007 slave [redis-1 id] [ping sent] [pong received] [epoch] connected"
    )]
    #[case(
        "172.30.0.17:7007 (aaaaaaaa...) -> 0 keys",
        "172.30.0.17:7007 ([redis-7 id]...) -> 0 keys"
    )]
    #[case("Event uakeb5hy: Concert", "Event [event]: Concert")]
    #[case("  slot 8746, on 172.30.0.12:7002", "  slot [slot], on [address]")]
    #[case("  slot 3744", "  slot [slot]")]
    #[case(
        "held by somebody else for another 59.962s",
        "held by somebody else for another [time]"
    )]
    #[case("Session s-a88e39647da812699b465dd6a1973a61", "Session [session]")]
    #[case("MOVED 8746 172.30.0.14:7004", "MOVED [slot] 172.30.0.14:7004")]
    #[case("(integer) 8746", "(integer) [slot]")]
    #[case("87460 18746 7 of 10", "87460 18746 7 of 10")]
    #[case(
        "Reservation r-ac09309778c39faa: A1",
        "Reservation [reservation of ada]: A1"
    )]
    #[case("Reservation r-ac09309778c39fab: A1", "Reservation [reservation]: A1")]
    #[case(
        "master_replid:cccccccccccccccccccccccccccccccccccccccc",
        "master_replid:[replication id]"
    )]
    #[case("slave_read_repl_offset:824208", "slave_read_repl_offset:[offset]")]
    #[case("second_repl_offset:-1", "second_repl_offset:[offset]")]
    #[case(
        "slave0:ip=172.30.0.14,port=7004,state=online,offset=42,lag=1",
        "slave0:ip=172.30.0.14,port=7004,state=online,offset=[offset],lag=[seconds]"
    )]
    #[case("cluster_current_epoch:11", "cluster_current_epoch:[epoch]")]
    #[case(
        "Moving slot 12 from 172.30.0.17:7007 to 172.30.0.13:7003: ..",
        "Moving slot 12 from 172.30.0.17:7007 to 172.30.0.13:7003: [dots]"
    )]
    #[case("...", "[dots]")]
    #[case(
        "addr=10.1.2.3:55123 at 127.0.0.1:7001",
        "addr=[address] at 127.0.0.1:7001"
    )]
    #[case("eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee", "[id]")]
    #[case(
        "0000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000"
    )]
    #[case("cluster_known_nodes:7", "cluster_known_nodes:7")]
    fn a_line(#[case] line: &str, #[case] named: &str) {
        assert_eq!(known().line(line), named);
    }
}
