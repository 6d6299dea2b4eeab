//! Views and replies without what is different in every run, as lines to compare and to read.
//!
//! Ids and addresses become names, lines stand in the order of names, and of SHARDS in the order of slots. Of times and offsets only what is the same in every run
//! is left: whether a pong was ever received, whether a ping to a node that is down is unanswered, whether there is data, and whether a replica has all of its
//! master's. Counters of messages are left out.

use std::collections::{BTreeMap, BTreeSet};

use crate::frame::Frame;
use crate::names::{Names, name};
use crate::view::{Line, View, text};

/// Of each node that answers, by its number, what it says: a title and its lines.
pub type Normal = BTreeMap<usize, Vec<(&'static str, Vec<String>)>>;

/// Normalises all views of a moment together. With `ranks`, epochs are replaced by their places in their order.
pub fn views(views: &BTreeMap<usize, View>, names: &Names, ranks: bool) -> Normal {
    let epochs = Epochs::of(views, ranks);
    views
        .iter()
        .map(|(&node, view)| {
            let said = vec![
                ("CLUSTER NODES", nodes(view, names, &epochs)),
                ("CLUSTER SLOTS", slots(&view.slots, names)),
                ("CLUSTER SHARDS", shards(&view.shards, names)),
                ("CLUSTER INFO", info(view, &epochs)),
                ("INFO replication", replication(view, views, names)),
                ("ROLE", vec![role(&view.role, names)]),
                ("DBSIZE", vec![view.keys.to_string()]),
            ];
            (node, said)
        })
        .collect()
}

/// The reply to a scenario's command.
pub fn reply(words: &[String], frame: &Frame, names: &Names) -> String {
    let upper: Vec<String> = words
        .iter()
        .take(2)
        .map(|word| word.to_uppercase())
        .collect();
    let sorted = |mut lines: Vec<String>| {
        lines.sort();
        lines.join("\n")
    };
    match upper
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .as_slice()
    {
        ["CLUSTER", "LINKS"] if !frame.is_error() => sorted(links(frame, names)),
        ["CLUSTER", "REPLICAS" | "SLAVES"] if !frame.is_error() => sorted(
            frame
                .items
                .iter()
                .map(|item| {
                    let line = text(item);
                    let words: Vec<&str> = line.split(' ').collect();
                    let (id, rest) = words.split_first().unwrap_or((&"", &[]));
                    // The address, the flags, the master; then come times.
                    let told = rest.get(1..3).unwrap_or_default().join(" ");
                    format!("{} {}", names.of_id(id), names.of_text(&told))
                })
                .collect(),
        ),
        ["ROLE", ..] => role(frame, names),
        _ => plain(frame, names),
    }
}

fn plain(frame: &Frame, names: &Names) -> String {
    if frame.is_aggregate() && !frame.null {
        let items: Vec<String> = frame.items.iter().map(|item| plain(item, names)).collect();
        return format!("[{}]", items.join(", "));
    }
    if frame.null {
        return "(nil)".to_owned();
    }
    let said = text(frame);
    let shown = match names.is_ip(&said) {
        true => "ip".to_owned(),
        false => names.of_text(&said),
    };
    match frame.kind {
        b'-' => format!("error: {shown}"),
        _ => shown,
    }
}

struct Epochs(Option<BTreeSet<u64>>);

impl Epochs {
    fn of(views: &BTreeMap<usize, View>, ranks: bool) -> Epochs {
        let told = |view: &View| {
            let own = ["cluster_current_epoch", "cluster_my_epoch"]
                .map(|field| view.cluster(field).parse().unwrap_or(0));
            view.nodes
                .iter()
                .map(|line| line.epoch)
                .chain(own)
                .collect::<Vec<u64>>()
        };
        Epochs(ranks.then(|| views.values().flat_map(told).collect()))
    }

    fn show(&self, epoch: u64) -> String {
        match &self.0 {
            None => epoch.to_string(),
            Some(all) => format!("#{}", all.iter().take_while(|&&one| one < epoch).count()),
        }
    }
}

fn nodes(view: &View, names: &Names, epochs: &Epochs) -> Vec<String> {
    let mut lines: Vec<String> = view
        .nodes
        .iter()
        .map(|line| node(line, names, epochs))
        .collect();
    lines.sort();
    lines
}

fn node(line: &Line, names: &Names, epochs: &Epochs) -> String {
    let (address, more) = line
        .address
        .split_once(',')
        .map_or((line.address.as_str(), None), |(address, more)| {
            (address, Some(more))
        });
    let mut address = names.of_bus_address(address);
    if let Some(more) = more {
        address = format!("{address},{more}");
    }
    let zero = |time: &str| if time == "0" { "0" } else { "time" };
    let ping = match line.is("fail") || line.is("fail?") {
        true => zero(&line.ping),
        // One may be on its way at any moment.
        false => "-",
    };
    let pong = match line.is("myself") {
        // That of a node's line on itself depends on whom it met in which part.
        true => "-",
        false => zero(&line.pong),
    };
    let slots: Vec<String> = line.slots.iter().map(|slot| names.of_text(slot)).collect();
    format!(
        "{} {address} {} {} {ping} {pong} {} {} {}",
        names.of_id(&line.id),
        line.flags.join(","),
        names.of_id(&line.master),
        epochs.show(line.epoch),
        line.link,
        slots.join(" ")
    )
    .trim_end()
    .to_owned()
}

fn slots(frame: &Frame, names: &Names) -> Vec<String> {
    let who = |node: &Frame| {
        let part = |at: usize| node.items.get(at).map(text).unwrap_or_default();
        let more: Vec<String> = node
            .items
            .iter()
            .skip(3)
            .map(|item| plain(item, names))
            .collect();
        let (id, address) = (names.of_id(&part(2)), names.of_address(&part(0), &part(1)));
        format!("{id} at {address} {}", more.join(" "))
    };
    let mut ranges: Vec<(u32, String)> = frame
        .items
        .iter()
        .map(|range| {
            let part = |at: usize| range.items.get(at).map(text).unwrap_or_default();
            // The master comes first; its replicas in no order.
            let mut nodes: Vec<String> = range.items.iter().skip(2).map(who).collect();
            if let Some(replicas) = nodes.get_mut(1..) {
                replicas.sort();
            }
            let first = part(0).parse().unwrap_or(u32::MAX);
            (first, format!("{first}-{}: {}", part(1), nodes.join("; ")))
        })
        .collect();
    ranges.sort();
    ranges.into_iter().map(|(_, line)| line).collect()
}

fn shards(frame: &Frame, names: &Names) -> Vec<String> {
    let who = |node: &Frame| {
        let fields = map(node);
        let value = |field: &str| {
            fields
                .iter()
                .find(|(name, _)| name == field)
                .map(|(_, value)| text(value))
                .unwrap_or_default()
        };
        let shown: Vec<String> = fields
            .iter()
            .map(|(name, found)| match name.as_str() {
                "id" => names.of_id(&value("id")),
                "port" => format!("at {}", names.of_address(&value("ip"), &value("port"))),
                "ip" => "ip".to_owned(),
                "endpoint" if value("endpoint") == value("ip") => "endpoint=ip".to_owned(),
                "replication-offset" => format!("offset={}", amount(&text(found))),
                name => format!("{name}={}", plain(found, names)),
            })
            .collect();
        shown.join(" ")
    };
    let mut all: Vec<(u32, Vec<String>)> = frame
        .items
        .iter()
        .map(|shard| {
            let fields = map(shard);
            let items = |field: &str| {
                fields
                    .iter()
                    .find(|(name, _)| name == field)
                    .map(|(_, value)| value.items.as_slice())
                    .unwrap_or_default()
            };
            let bounds: Vec<String> = items("slots").iter().map(text).collect();
            let ranges: Vec<String> = bounds.chunks(2).map(|pair| pair.join("-")).collect();
            let mut nodes: Vec<String> = items("nodes").iter().map(who).collect();
            nodes.sort();
            let first = bounds.first().and_then(|first| first.parse().ok());
            let mut lines = vec![format!("[{}]", ranges.join(" "))];
            lines.extend(nodes.into_iter().map(|node| format!("  {node}")));
            (first.unwrap_or(u32::MAX), lines)
        })
        .collect();
    all.sort();
    all.into_iter().flat_map(|(_, lines)| lines).collect()
}

fn info(view: &View, epochs: &Epochs) -> Vec<String> {
    view.cluster
        .iter()
        .filter(|(field, _)| !field.starts_with("cluster_stats_messages_"))
        .map(|(field, value)| match field.as_str() {
            "cluster_current_epoch" | "cluster_my_epoch" => {
                format!("{field}:{}", epochs.show(value.parse().unwrap_or(u64::MAX)))
            }
            _ => format!("{field}:{value}"),
        })
        .collect()
}

fn replication(view: &View, all: &BTreeMap<usize, View>, names: &Names) -> Vec<String> {
    let mut lines = vec![format!("role:{}", view.replication("role"))];
    if view.replication("role") == "slave" {
        let master = names.of_address(
            view.replication("master_host"),
            view.replication("master_port"),
        );
        for field in ["master_link_status", "slave_read_only", "slave_priority"] {
            lines.push(format!("{field}:{}", view.replication(field)));
        }
        let of = all
            .iter()
            .find(|(node, _)| name(**node) == master)
            .map(|(_, view)| view.offset());
        lines.push(match of {
            None => "offset: its master does not answer".to_owned(),
            Some(offset) if offset == view.offset() => "offset: its master's".to_owned(),
            Some(_) => "offset: another than its master's".to_owned(),
        });
        lines.push(format!("master: {master}"));
    } else {
        lines.push(format!("offset: {}", amount(&view.offset().to_string())));
    }
    lines.push(format!(
        "connected_slaves:{}",
        view.replication("connected_slaves")
    ));
    let mut replicas: Vec<String> = view
        .replication
        .iter()
        .filter(|(field, value)| field.starts_with("slave") && value.starts_with("ip="))
        .map(|(_, value)| {
            let parts: BTreeMap<&str, &str> = value
                .split(',')
                .filter_map(|part| part.split_once('='))
                .collect();
            let part = |name: &str| parts.get(name).copied().unwrap_or_default();
            // How much of it has acknowledged is told once a second.
            format!(
                "replica {} {}",
                names.of_address(part("ip"), part("port")),
                part("state"),
            )
        })
        .collect();
    replicas.sort();
    lines.extend(replicas);
    lines
}

fn role(frame: &Frame, names: &Names) -> String {
    let part = |at: usize| frame.items.get(at).map(text).unwrap_or_default();
    if part(0) != "master" {
        let master = names.of_address(&part(1), &part(2));
        // On its way to be connected, it goes to and fro between several states.
        let link = match part(3).as_str() {
            "connected" => "connected",
            _ => "not connected",
        };
        return format!("{} of {master}, {link}", part(0));
    }
    let mut replicas: Vec<String> = frame
        .items
        .get(2)
        .map(|replicas| replicas.items.as_slice())
        .unwrap_or_default()
        .iter()
        .map(|replica| {
            let part = |at: usize| replica.items.get(at).map(text).unwrap_or_default();
            names.of_address(&part(0), &part(1))
        })
        .collect();
    replicas.sort();
    format!("master of {}", replicas.join(" "))
}

fn links(frame: &Frame, names: &Names) -> Vec<String> {
    frame
        .items
        .iter()
        .map(|link| {
            let fields = map(link);
            let shown: Vec<String> = fields
                .iter()
                .map(|(name, value)| match name.as_str() {
                    "direction" => text(value),
                    "node" => names.of_id(&text(value)),
                    "events" => format!("events={}", text(value)),
                    // The time of its creation, and how much memory it takes.
                    name => name.to_owned(),
                })
                .collect();
            shown.join(" ")
        })
        .collect()
}

fn amount(number: &str) -> &'static str {
    if number == "0" { "none" } else { "some" }
}

/// Keys and values in turn.
fn map(frame: &Frame) -> Vec<(String, &Frame)> {
    frame
        .items
        .chunks_exact(2)
        .map(|pair| (text(&pair[0]), &pair[1]))
        .collect()
}
