//! CLUSTER NODES, read as redis-cli reads it: leniently, line by line. (`cluster::Topology` refuses what it doesn't understand.)

use crate::cluster::{SLOTS, Slot, SlotRange, SlotSet};
use crate::redis_cli::numbers::leading_integer;

/// A line: what one node is, as another or itself sees it.
#[derive(Debug, Default)]
pub(super) struct Line {
    pub(super) id: String,
    pub(super) host: String,
    pub(super) port: i64,
    /// 0 where it is not said.
    pub(super) bus_port: i64,
    pub(super) flags: Vec<String>,
    pub(super) master: String,
    /// `connected` or `disconnected`.
    pub(super) link: String,
    pub(super) slots: SlotSet,
    pub(super) migrating: Vec<(u16, String)>,
    pub(super) importing: Vec<(u16, String)>,
}

impl Line {
    pub(super) fn is_myself(&self) -> bool {
        self.flags.iter().any(|flag| flag == "myself")
    }
}

/// The lines; what has no line end is none, and a line without an address and flags neither.
pub(super) fn lines(text: &[u8]) -> Vec<Line> {
    complete_lines(text)
        .filter_map(|words| line(&words))
        .collect()
}

fn complete_lines(text: &[u8]) -> impl Iterator<Item = Vec<String>> + '_ {
    let lines = text.split_inclusive(|byte| *byte == b'\n');
    lines.filter_map(|line| {
        let line = String::from_utf8_lossy(line.strip_suffix(b"\n")?).into_owned();
        Some(line.split(' ').map(str::to_owned).collect())
    })
}

fn line(words: &[String]) -> Option<Line> {
    let [id, address, flags, rest @ ..] = words else {
        return None;
    };
    let (address, bus) = match address.rsplit_once('@') {
        Some((address, bus)) => (address, leading_integer(bus.as_bytes())),
        None => (address.as_str(), 0),
    };
    let (host, port) = address.rsplit_once(':')?;
    let mut line = Line {
        id: id.clone(),
        host: host.to_owned(),
        port: leading_integer(port.as_bytes()),
        bus_port: bus,
        flags: flags.split(',').map(str::to_owned).collect(),
        master: rest.first().cloned().unwrap_or_default(),
        link: rest.get(4).cloned().unwrap_or_default(),
        ..Line::default()
    };
    for word in rest.get(5..).unwrap_or_default() {
        line.slots_word(word);
    }
    Some(line)
}

impl Line {
    /// `5`, `0-5`, `[5->-id]` or `[5-<-id]`.
    fn slots_word(&mut self, word: &str) {
        let slot = |text: &str| {
            u16::try_from(leading_integer(text.as_bytes()))
                .ok()
                .filter(|slot| *slot < SLOTS)
        };
        if let Some(open) = word.strip_prefix('[') {
            let open = open.strip_suffix(']').unwrap_or(open);
            if let Some((number, id)) = open.split_once("->-") {
                self.migrating
                    .extend(slot(number).map(|slot| (slot, id.to_owned())));
            } else if let Some((number, id)) = open.split_once("-<-") {
                self.importing
                    .extend(slot(number).map(|slot| (slot, id.to_owned())));
            }
            return;
        }
        if word.is_empty() {
            return;
        }
        let (start, end) = word.split_once('-').unwrap_or((word, word));
        let bounds = |text| slot(text).and_then(|slot| Slot::new(slot).ok());
        if let (Some(start), Some(end)) = (bounds(start), bounds(end))
            && start <= end
        {
            self.slots.insert_range(SlotRange { start, end });
        }
    }
}

/// Which node has which slots, in a form that is the same for views that agree; `None` where no node has any.
pub(super) fn signature(text: &[u8]) -> Option<String> {
    let mut nodes = Vec::new();
    for words in complete_lines(text) {
        let Some(id) = words.first() else { continue };
        let slots = words
            .iter()
            .skip(8)
            .filter(|word| !word.is_empty() && !word.starts_with('['));
        let mut slots: Vec<&str> = slots.map(String::as_str).collect();
        slots.sort_unstable();
        if !slots.is_empty() {
            nodes.push(format!("{id}:{}", slots.join(",")));
        }
    }
    nodes.sort_unstable();
    (!nodes.is_empty()).then(|| nodes.join("|"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &[u8] = b"aa 127.0.0.1:7001@17001,host myself,master - 0 0 1 connected 0-5 7 [7->-bb] [9-<-bb]\n\
        bb :0@0 slave,noaddr aa 0 0 1 disconnected\ncc 127.0.0.1:7003@17003 master - 0 0 2 connected";

    #[test]
    fn a_line_without_its_end_is_none() {
        let lines = lines(TEXT);
        let ids: Vec<_> = lines.iter().map(|line| line.id.as_str()).collect();
        assert_eq!(ids, ["aa", "bb"]);
        let first = &lines[0];
        assert!(first.is_myself());
        assert_eq!(
            (first.host.as_str(), first.port, first.bus_port),
            ("127.0.0.1", 7001, 17001)
        );
        assert_eq!(first.slots.to_string(), "0-5 7");
        assert_eq!(first.migrating, [(7, "bb".to_owned())]);
        assert_eq!(first.importing, [(9, "bb".to_owned())]);
        assert_eq!((lines[1].port, lines[1].link.as_str()), (0, "disconnected"));
    }

    #[test]
    fn a_signature_is_of_owners_alone() {
        assert_eq!(signature(TEXT).as_deref(), Some("aa:0-5,7"));
        assert_eq!(signature(b"bb :0@0 master - 0 0 1 connected\n"), None);
    }

    #[test]
    fn nonsense_is_passed_over() {
        for text in [
            &b"\n"[..],
            b"a b c\n",
            b"a h:1@2 master - 0 0 1 connected 5-1 x 99999 [ [a->-b]\n",
            b"\xff\xfe \n",
        ] {
            let _ = (lines(text), signature(text));
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read(text in "([a-z0-9:@,.<> \\[\\]-]{0,40}\n?){0,8}") {
            let _ = (lines(text.as_bytes()), signature(text.as_bytes()));
        }
    }
}
