//! Lines in an order that is the same for every run, and as few of them as tell the story. A server lists its nodes in the order of a hash table,
//! containers are made side by side, and a reshard prints a line for each slot.

use std::sync::LazyLock;

use regex::Regex;

/// Lines of one kind that are shown before the rest of them is left out, and as many of an output that is long without being of one kind.
const SHOWN: usize = 3;
/// Lines of an output that are shown at all.
const LONGEST: usize = 64;

/// Lines that come in any order when they stand one below the other, with the part that orders them.
const SORTED: [&str; 5] = [
    // CLUSTER NODES.
    r"^\[[^\]]+\] \S+:(\d+)@\d+ ",
    // The first lines of --cluster check and info.
    r"^\S+:(\d+) \(\[[^\]]+\]\.\.\.\) -> ",
    // docker compose up.
    r"^(?:Creating|Recreating|Starting|Container) (\S+)",
    // The plan of a reshard, and the moves.
    r"^\s*Moving slot (\d+) from ",
    r"^(\S+) +\| ",
];

static KINDS: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    SORTED
        .iter()
        .filter_map(|pattern| Regex::new(pattern).ok())
        .collect()
});
static SLOT_MOVE: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^\s*Moving slot \d+ from ").ok());
/// A node in the listings of --cluster; what is said of it follows, indented deeper.
static NODE: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^(\s*)[MS]: \S.* \S+:(\d+)$").ok());

/// The lines of an output whose values have names already.
pub(super) fn settled(lines: Vec<String>) -> Vec<String> {
    let lines = without_overwritten(lines);
    let lines = blocks_sorted(sorted(lines));
    let mut lines = counts_folded(moves_cut(lines));
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    cut(lines, LONGEST)
}

/// At most about `longest` lines: the beginning and the end of what is longer.
pub(super) fn cut(mut lines: Vec<String>, longest: usize) -> Vec<String> {
    if lines.len() <= longest {
        return lines;
    }
    let end = lines.split_off(lines.len() - longest / 4);
    let left_out = lines.split_off(longest / 2).len();
    lines.push(left_out_line(left_out));
    lines.extend(end);
    lines
}

fn left_out_line(count: usize) -> String {
    format!("… {count} more lines …")
}

/// A line that the next of its kind has overwritten on a terminal: `Creating redis-1 ... ` before `Creating redis-1 ... done`.
fn without_overwritten(lines: Vec<String>) -> Vec<String> {
    let is_overwritten = |line: &String| {
        line.ends_with(" ...") && lines.iter().any(|other| *other == format!("{line} done"))
    };
    lines
        .iter()
        .filter(|line| !is_overwritten(line))
        .cloned()
        .collect()
}

/// What orders a line among those of its kind: a number as a number.
fn rank(kind: &Regex, line: &str) -> Option<(u64, String)> {
    let part = kind.captures(line)?.get(1)?.as_str().to_owned();
    Some((part.parse().unwrap_or(u64::MAX), part))
}

fn sorted(lines: Vec<String>) -> Vec<String> {
    let mut out: Vec<String> = Vec::with_capacity(lines.len());
    let mut rest = lines.into_iter().peekable();
    while let Some(line) = rest.next() {
        let Some(kind) = KINDS.iter().find(|kind| kind.is_match(&line)) else {
            out.push(line);
            continue;
        };
        let mut group = vec![line];
        while let Some(next) = rest.next_if(|next| kind.is_match(next)) {
            group.push(next);
        }
        group.sort_by_cached_key(|line| rank(kind, line));
        out.extend(group);
    }
    out
}

/// The nodes in a listing of --cluster, by their ports, each with what is said of it.
fn blocks_sorted(lines: Vec<String>) -> Vec<String> {
    let Some(pattern) = NODE.as_ref() else {
        return lines;
    };
    let head = |line: &str| {
        let found = pattern.captures(line)?;
        let indent = found.get(1)?.as_str().len();
        let port: u64 = found.get(2)?.as_str().parse().ok()?;
        Some((indent, port))
    };
    let mut out = Vec::with_capacity(lines.len());
    let mut rest = lines.into_iter().peekable();
    while let Some(line) = rest.next() {
        let Some((indent, port)) = head(&line) else {
            out.push(line);
            continue;
        };
        let mut blocks = vec![(port, vec![line])];
        while let Some(next) = rest.peek() {
            let deeper = next.len() - next.trim_start().len() > indent && !next.trim().is_empty();
            match head(next).filter(|(other, _)| *other == indent) {
                Some((_, port)) => blocks.push((port, rest.next().into_iter().collect())),
                None if deeper => {
                    if let (Some((_, block)), Some(line)) = (blocks.last_mut(), rest.next()) {
                        block.push(line);
                    }
                }
                None => break,
            }
        }
        blocks.sort_by_key(|(port, _)| *port);
        out.extend(blocks.into_iter().flat_map(|(_, block)| block));
    }
    out
}

/// Of the lines of a reshard the first and the last.
fn moves_cut(lines: Vec<String>) -> Vec<String> {
    let Some(pattern) = SLOT_MOVE.as_ref() else {
        return lines;
    };
    let mut out = Vec::new();
    let mut rest = lines.into_iter().peekable();
    while let Some(line) = rest.next() {
        if !pattern.is_match(&line) {
            out.push(line);
            continue;
        }
        let mut group = vec![line];
        while let Some(next) = rest.next_if(|next| pattern.is_match(next)) {
            group.push(next);
        }
        if group.len() > SHOWN + 2 {
            let last = group.pop();
            let left_out = group.split_off(SHOWN).len();
            group.push(left_out_line(left_out));
            group.extend(last);
        }
        out.extend(group);
    }
    out
}

/// Which kinds of messages there were between nodes differs from run to run: one line for all of them.
fn counts_folded(lines: Vec<String>) -> Vec<String> {
    let is_count = |line: &str| line.starts_with("cluster_stats_messages_");
    let mut out: Vec<String> = Vec::with_capacity(lines.len());
    let mut folded = false;
    for line in lines {
        if is_count(&line) {
            if !folded {
                out.push("cluster_stats_messages_…:[count]".to_owned());
            }
            folded = true;
        } else {
            folded = false;
            out.push(line);
        }
    }
    out
}

/// CLUSTER SLOTS as a terminal shows it, without replicas: a server lists one only once it has heard its offset, seconds after it has joined.
pub(super) fn replicas_folded(lines: Vec<String>) -> Vec<String> {
    let depth = |line: &str| line.len() - line.trim_start().len();
    // `   3) 1) "172.30.0.11"` begins a node: the master is the third part of a range, behind its two ends.
    let part = |line: &str| -> Option<u32> {
        let (number, rest) = line.trim_start().split_once(") ")?;
        (depth(line) > 0 && rest.starts_with("1) \""))
            .then(|| number.parse().ok())
            .flatten()
    };
    let mut out: Vec<String> = Vec::with_capacity(lines.len());
    let mut rest = lines.into_iter().peekable();
    while let Some(line) = rest.next() {
        let (number, indent) = (part(&line), depth(&line));
        let is_node = number.is_some_and(|number| number >= 3);
        if number == Some(3) {
            out.push(line);
        } else if !is_node {
            out.push(line);
            continue;
        }
        while let Some(next) = rest.next_if(|next| depth(next) > indent) {
            if number == Some(3) {
                out.push(next);
            }
        }
        if number == Some(3) {
            out.push(format!(
                "{}… then its replicas, once they are known to have data …",
                " ".repeat(indent)
            ));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settled_text(text: &str) -> String {
        settled(text.lines().map(str::to_owned).collect()).join("\n")
    }

    #[test]
    fn every_kind_is_a_pattern() {
        assert_eq!(KINDS.len(), SORTED.len());
        assert!(SLOT_MOVE.is_some() && NODE.is_some());
    }

    #[test]
    fn nodes_stand_in_the_order_of_their_ports() {
        let text = "\
>>> Performing Cluster Check (using node 172.30.0.11:7001)
M: [redis-1 id] 172.30.0.11:7001
   slots:[0-5460] (5461 slots) master
   1 additional replica(s)
S: [redis-6 id] 172.30.0.16:7006
   slots: (0 slots) slave
   replicates [redis-3 id]
M: [redis-2 id] 172.30.0.12:7002
   slots:[5461-10922] (5462 slots) master
[OK] All nodes agree about slots configuration.";
        insta::assert_snapshot!(settled_text(text), @"
        >>> Performing Cluster Check (using node 172.30.0.11:7001)
        M: [redis-1 id] 172.30.0.11:7001
           slots:[0-5460] (5461 slots) master
           1 additional replica(s)
        M: [redis-2 id] 172.30.0.12:7002
           slots:[5461-10922] (5462 slots) master
        S: [redis-6 id] 172.30.0.16:7006
           slots: (0 slots) slave
           replicates [redis-3 id]
        [OK] All nodes agree about slots configuration.
        ");
    }

    #[test]
    fn lines_of_one_kind_are_sorted_and_cut() {
        let mut text = String::from("Ready to move 9 slots.\n");
        for slot in [3, 1, 10, 2, 4, 5, 6, 7, 8] {
            text += &format!("    Moving slot {slot} from [redis-1 id]\n");
        }
        text += "Creating b ...\nCreating a ...\nCreating b ... done\nCreating a ... done\n\n\n";
        insta::assert_snapshot!(settled_text(&text), @"
        Ready to move 9 slots.
            Moving slot 1 from [redis-1 id]
            Moving slot 2 from [redis-1 id]
            Moving slot 3 from [redis-1 id]
        … 5 more lines …
            Moving slot 10 from [redis-1 id]
        Creating a ... done
        Creating b ... done
        ");
    }

    #[test]
    fn replicas_of_cluster_slots_are_told_of_whether_they_are_there_or_not() {
        let master = "1) 1) (integer) 0\n   2) (integer) 5460\n   3) 1) \"172.30.0.11\"\n      2) (integer) 7001\n      3) \"[redis-1 id]\"\n      4) (empty array)\n";
        let replica = "   4) 1) \"172.30.0.14\"\n      2) (integer) 7004\n      3) \"[redis-4 id]\"\n      4) (empty array)\n";
        let next = "2) 1) (integer) 5461\n   2) (integer) 10922";
        let folded = |text: String| replicas_folded(text.lines().map(str::to_owned).collect());
        let with = folded(format!("{master}{replica}{next}"));
        assert_eq!(with, folded(format!("{master}{next}")));
        assert_eq!(with.len(), 9);
        assert_eq!(
            with[6],
            "   … then its replicas, once they are known to have data …"
        );
    }

    #[test]
    fn counts_of_messages_are_one_line() {
        let text = "cluster_size:3\ncluster_stats_messages_ping_sent:1\ncluster_stats_messages_sent:2\nlast:0";
        assert_eq!(
            settled_text(text),
            "cluster_size:3\ncluster_stats_messages_…:[count]\nlast:0"
        );
    }

    #[test]
    fn what_is_long_keeps_its_ends() {
        let lines: Vec<String> = (1..=100).map(|n| n.to_string()).collect();
        let lines = cut(lines, 64);
        assert_eq!(lines.len(), 32 + 1 + 16);
        assert_eq!(lines[32], "… 52 more lines …");
        assert_eq!(lines.last().map(String::as_str), Some("100"));
    }
}
