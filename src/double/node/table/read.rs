//! Reads the file of commands, which the test `double_node::table` writes from what a real server tells.
//!
//! A command begins at the start of a line, with its full name. Below it, further in, one thing a line:
//!
//! ```text
//! about  GROUP VERSION "SUMMARY"
//! call   ARITY FIRST LAST STEP FLAG…
//! acl    CATEGORY…
//! tips   TIP…
//! key    BEGIN, FIND, FLAG…
//! note   a remark about the key above
//! ```
//!
//! `BEGIN` is `index AT`, `keyword WORD FROM` or `unknown`; `FIND` is `range LAST STEP LIMIT`, `number AT FIRST STEP` or `unknown`.

use super::spec::{Begin, CommandId, Find, KeySpec, Spec};
use super::special::Special;
use super::words::{Categories, Flags, KeyFlags};

/// The commands in the file's order, and the lines that could not be read.
pub(super) fn read(text: &'static str) -> (Vec<Spec>, Vec<&'static str>) {
    let mut specs: Vec<Spec> = Vec::new();
    let mut faults = Vec::new();
    for line in text.lines() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let read = match line.strip_prefix("  ") {
            None => begin(line, &mut specs),
            Some(line) => specs.last_mut().and_then(|spec| more(line, spec)),
        };
        if read.is_none() {
            faults.push(line);
        }
    }
    for spec in &mut specs {
        spec.only_key = only_key(spec);
    }
    (specs, faults)
}

fn begin(name: &'static str, specs: &mut Vec<Spec>) -> Option<()> {
    let id = CommandId(u16::try_from(specs.len()).ok()?);
    let mut parent = None;
    if let Some((command, _)) = name.split_once('|') {
        let at = specs.iter().position(|spec| spec.name == command)?;
        specs[at].subcommands.push(id);
        parent = Some(CommandId(u16::try_from(at).ok()?));
    }
    specs.push(Spec {
        name,
        arity: 0,
        flags: untold(name),
        categories: Categories::default(),
        first: 0,
        last: 0,
        step: 0,
        tips: Vec::new(),
        keys: Vec::new(),
        parent,
        subcommands: Vec::new(),
        group: "",
        since: "",
        summary: "",
        special: Special::of(name),
        only_key: 0,
    });
    Some(())
}

/// Flags that a server acts by but does not tell: these wait while writes are paused (`CLIENT PAUSE … WRITE`).
fn untold(name: &str) -> Flags {
    match name {
        "eval" | "evalsha" | "fcall" | "pfcount" | "publish" | "spublish" => Flags::MAY_REPLICATE,
        _ => Flags::default(),
    }
}

fn more(line: &'static str, spec: &mut Spec) -> Option<()> {
    let (label, rest) = line.split_once(' ')?;
    let rest = rest.trim_start();
    let mut words = rest.split(' ');
    match label {
        "about" => {
            let mut parts = rest.splitn(3, ' ');
            spec.group = parts.next()?;
            spec.since = parts.next()?;
            spec.summary = parts.next()?.strip_prefix('"')?.strip_suffix('"')?;
        }
        "call" => {
            let mut number = || words.next()?.parse().ok();
            spec.arity = number()?;
            spec.first = number()?;
            spec.last = number()?;
            spec.step = number()?;
            for word in words {
                spec.flags = spec.flags.with(Flags::of(word)?);
            }
        }
        "acl" => {
            for word in words {
                spec.categories = spec.categories.with(Categories::of(word)?);
            }
        }
        "tips" => spec.tips = words.collect(),
        "key" => spec.keys.push(key(rest)?),
        "note" => spec.keys.last_mut()?.note = Some(rest),
        _ => return None,
    }
    Some(())
}

fn key(rest: &'static str) -> Option<KeySpec> {
    let mut parts = rest.splitn(3, ", ");
    let mut words = parts.next()?.split(' ');
    let begin = match words.next()? {
        "index" => Begin::Index(words.next()?.parse().ok()?),
        "keyword" => Begin::Keyword(words.next()?, words.next()?.parse().ok()?),
        "unknown" => Begin::Unknown,
        _ => return None,
    };
    let mut words = parts.next()?.split(' ');
    let kind = words.next()?;
    let mut number = || words.next()?.parse().ok();
    let find = match kind {
        "range" => Find::Range {
            last: number()?,
            step: number()?,
            limit: number()?,
        },
        "number" => Find::Number {
            at: number()?,
            first: number()?,
            step: number()?,
        },
        "unknown" => Find::Unknown,
        _ => return None,
    };
    let mut flags = KeyFlags::default();
    for word in parts.next()?.split(' ') {
        flags = flags.with(KeyFlags::of(word)?);
    }
    Some(KeySpec {
        begin,
        find,
        flags,
        note: None,
    })
}

/// The place of the only key of every call, or 0.
fn only_key(spec: &Spec) -> u8 {
    let [key] = &spec.keys[..] else { return 0 };
    match (key.begin, key.find) {
        (Begin::Index(at), Find::Range { last: 0, .. }) if !key.flags.has(KeyFlags::NOT_KEY) => {
            u8::try_from(at).unwrap_or(0)
        }
        _ => 0,
    }
}
