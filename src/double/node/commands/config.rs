//! CONFIG.

use std::collections::BTreeMap;

use super::Family;
use crate::double::node::call::Call;
use crate::double::node::config::{parameters, place};
use crate::double::node::failure::{Failure, Outcome};
use crate::double::node::glob;
use crate::double::node::server::Stats;

pub(super) const COMMANDS: Family = &[
    ("config|get", get),
    ("config|help", help),
    ("config|resetstat", resetstat),
    ("config|rewrite", rewrite),
    ("config|set", set),
];

/// Parameters whose values MONITOR and SLOWLOG do not show.
const SECRETS: [&[u8]; 5] = [
    b"masterauth",
    b"masteruser",
    b"requirepass",
    b"tls-client-key-file-pass",
    b"tls-key-file-pass",
];

fn get(call: &mut Call<'_>) -> Outcome {
    let mut found: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
    for pattern in &call.args[2..] {
        if pattern
            .iter()
            .any(|byte| matches!(byte, b'[' | b'*' | b'?'))
        {
            for (at, known) in parameters().iter().enumerate() {
                if glob::matches(pattern, known.name.as_bytes(), true) {
                    found.insert(known.name.as_bytes().to_vec(), at);
                }
            }
        } else if let Some(at) = place(pattern) {
            // Named in full it is told under the name that was asked for.
            found.insert(pattern.to_vec(), at);
        }
    }
    call.out.map(found.len());
    for (name, at) in found {
        call.out.bulk(&name);
        let value = call.server.config.value(at).to_owned();
        call.out.bulk(value.as_bytes());
    }
    Ok(())
}

fn set(call: &mut Call<'_>) -> Outcome {
    let (pairs, []) = call.args[2..].as_chunks() else {
        return Err(Failure::SYNTAX);
    };
    for (at, [name, _]) in pairs.iter().enumerate() {
        if SECRETS.iter().any(|it| name.eq_ignore_ascii_case(it)) {
            call.server.redacted.push(3 + 2 * at);
        }
    }
    call.server.config.set(pairs)?;
    if pairs
        .iter()
        .any(|[name, _]| name.eq_ignore_ascii_case(b"requirepass"))
    {
        call.server.default_password();
    }
    call.server.take_settings();
    call.out.ok();
    Ok(())
}

fn resetstat(call: &mut Call<'_>) -> Outcome {
    call.server.stats = Stats::default();
    call.out.ok();
    Ok(())
}

fn rewrite(_: &mut Call<'_>) -> Outcome {
    Err(Failure::text(
        "ERR The server is running without a config file",
    ))
}

fn help(call: &mut Call<'_>) -> Outcome {
    call.help(
        "CONFIG",
        &[
            "GET <pattern>",
            "    Return parameters matching the glob-like <pattern> and their values.",
            "SET <directive> <value>",
            "    Set the configuration <directive> to <value>.",
            "RESETSTAT",
            "    Reset statistics reported by the INFO command.",
            "REWRITE",
            "    Rewrite the configuration file.",
        ],
    );
    Ok(())
}
