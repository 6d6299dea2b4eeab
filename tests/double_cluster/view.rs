//! What one node says of itself and of all.

use std::collections::BTreeMap;

use crate::frame::Frame;
use crate::names::Names;
use crate::stage::{By, Stage};

/// The raw replies of a node at one moment, and what conditions need of them.
#[derive(Clone, Debug)]
pub struct View {
    pub id: String,
    pub nodes: Vec<Line>,
    pub slots: Frame,
    pub shards: Frame,
    pub cluster: Vec<(String, String)>,
    pub replication: BTreeMap<String, String>,
    pub role: Frame,
    pub keys: u64,
}

/// A line of CLUSTER NODES, as it stands there.
#[derive(Clone, Debug)]
pub struct Line {
    pub id: String,
    pub address: String,
    pub flags: Vec<String>,
    pub master: String,
    pub ping: String,
    pub pong: String,
    pub epoch: u64,
    pub link: String,
    pub slots: Vec<String>,
}

impl View {
    /// Asks a node for everything. An error says which answer was missing or made no sense.
    pub fn of(stage: &mut dyn Stage, node: usize) -> Result<View, String> {
        let mut ask = |line: &str| -> Result<Frame, String> {
            let words: Vec<Vec<u8>> = line
                .split(' ')
                .map(|word| word.as_bytes().to_vec())
                .collect();
            let frame = stage
                .call(node, By::Observer, &words)
                .map_err(|why| format!("{line}: {why}"))?;
            if frame.is_error() {
                return Err(format!("{line}: {}", text(&frame)));
            }
            Ok(frame)
        };
        let nodes = text(&ask("CLUSTER NODES")?);
        Ok(View {
            id: text(&ask("CLUSTER MYID")?),
            nodes: nodes
                .lines()
                .map(|line| Line::parse(line).ok_or_else(|| format!("CLUSTER NODES: {line}")))
                .collect::<Result<_, _>>()?,
            slots: ask("CLUSTER SLOTS")?,
            shards: ask("CLUSTER SHARDS")?,
            cluster: fields(&text(&ask("CLUSTER INFO")?)),
            replication: fields(&text(&ask("INFO replication")?))
                .into_iter()
                .collect(),
            role: ask("ROLE")?,
            keys: text(&ask("DBSIZE")?)
                .parse()
                .map_err(|_| "DBSIZE: no number".to_owned())?,
        })
    }

    /// What it has on a node.
    pub fn line(&self, names: &Names, name: &str) -> Option<&Line> {
        self.nodes.iter().find(|line| names.of_id(&line.id) == name)
    }

    pub fn cluster(&self, field: &str) -> &str {
        self.cluster
            .iter()
            .find(|(name, _)| name == field)
            .map_or("", |(_, value)| value)
    }

    pub fn replication(&self, field: &str) -> &str {
        self.replication.get(field).map_or("", String::as_str)
    }

    /// How far each node's data is by CLUSTER SHARDS, as it was told last.
    pub fn offsets_told(&self) -> Vec<(String, u64)> {
        let field = |node: &Frame, name: &str| {
            let pair = node
                .items
                .chunks_exact(2)
                .find(|pair| text(&pair[0]) == name);
            pair.map(|pair| text(&pair[1])).unwrap_or_default()
        };
        self.shards
            .items
            .iter()
            .filter_map(|shard| shard.items.get(3))
            .flat_map(|nodes| &nodes.items)
            .map(|node| {
                let offset = field(node, "replication-offset");
                (field(node, "id"), offset.parse().unwrap_or(0))
            })
            .collect()
    }

    /// How far its data is.
    pub fn offset(&self) -> u64 {
        self.replication("master_repl_offset").parse().unwrap_or(0)
    }
}

impl Line {
    fn parse(line: &str) -> Option<Line> {
        let mut words = line.split(' ').map(str::to_owned);
        Some(Line {
            id: words.next()?,
            address: words.next()?,
            flags: words.next()?.split(',').map(str::to_owned).collect(),
            master: words.next()?,
            ping: words.next()?,
            pong: words.next()?,
            epoch: words.next()?.parse().ok()?,
            link: words.next()?,
            slots: words.collect(),
        })
    }

    pub fn is(&self, flag: &str) -> bool {
        self.flags.iter().any(|has| has == flag)
    }

    /// How many slots it serves.
    pub fn slot_count(&self) -> u32 {
        let number = |text: &str| text.parse::<u32>().unwrap_or(0);
        self.slots
            .iter()
            .filter(|range| !range.starts_with('['))
            .map(|range| match range.split_once('-') {
                Some((first, last)) => number(last) + 1 - number(first),
                None => 1,
            })
            .sum()
    }
}

/// The text of a scalar.
pub fn text(frame: &Frame) -> String {
    String::from_utf8_lossy(&frame.payload).into_owned()
}

fn fields(text: &str) -> Vec<(String, String)> {
    text.lines()
        .filter_map(|line| line.trim_end().split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}
