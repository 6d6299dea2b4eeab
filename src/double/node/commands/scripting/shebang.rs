//! The first line of a script that begins with `#!`: what it may do.

use crate::double::node::failure::Failure;
use crate::resp::typed_words;

/// What a script has declared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Flags {
    /// It has a first line that declares. Without one, a script is held to nothing.
    pub declared: bool,
    /// `no-writes`.
    pub no_writes: bool,
    /// `allow-oom`.
    pub allow_oom: bool,
    /// `allow-stale`.
    pub allow_stale: bool,
    /// `no-cluster`.
    pub no_cluster: bool,
    /// `allow-cross-slot-keys`.
    pub cross_slot: bool,
}

impl Flags {
    /// Adds the flag of this name. Whether there is one.
    pub fn add(&mut self, name: &[u8]) -> bool {
        let flag = match name {
            b"no-writes" => &mut self.no_writes,
            b"allow-oom" => &mut self.allow_oom,
            b"allow-stale" => &mut self.allow_stale,
            b"no-cluster" => &mut self.no_cluster,
            b"allow-cross-slot-keys" => &mut self.cross_slot,
            _ => return false,
        };
        *flag = true;
        true
    }

    /// Their names, in Redis's order.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        [
            (self.no_writes, "no-writes"),
            (self.allow_oom, "allow-oom"),
            (self.allow_stale, "allow-stale"),
            (self.no_cluster, "no-cluster"),
            (self.cross_slot, "allow-cross-slot-keys"),
        ]
        .into_iter()
        .filter_map(|(set, name)| set.then_some(name))
    }
}

/// The flags of a script, and its code. The code begins with the end of the first line, so that its lines keep their numbers.
pub(super) fn read(body: &[u8]) -> Result<(Flags, &[u8]), Failure> {
    let mut flags = Flags::default();
    if !body.starts_with(b"#!") {
        return Ok((flags, body));
    }
    flags.declared = true;
    let Some(end) = memchr::memchr(b'\n', body) else {
        return Err(Failure::text("ERR Invalid script shebang"));
    };
    let words = typed_words(&body[..end]).filter(|words| !words.is_empty());
    let Some(words) = words else {
        return Err(Failure::text("ERR Invalid engine in script shebang"));
    };
    let told = |what: &str, word: &[u8]| {
        Failure::told(format!("ERR {what}: {}", String::from_utf8_lossy(word)))
    };
    if words[0] != b"#!lua" {
        return Err(told("Unexpected engine in script shebang", &words[0]));
    }
    for word in &words[1..] {
        let Some(names) = word.strip_prefix(b"flags=") else {
            return Err(told("Unknown lua shebang option", word));
        };
        // Nothing at all is no flag, but nothing between commas is one that there is not.
        if names.is_empty() {
            continue;
        }
        for name in names.split(|byte| *byte == b',') {
            if !flags.add(name) {
                return Err(told("Unexpected flag in script shebang", name));
            }
        }
    }
    Ok((flags, &body[end..]))
}
