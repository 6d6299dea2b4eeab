//! CLIENT TRACKING and what belongs to it.

use std::collections::BTreeSet;

use super::switch;
use crate::double::node::call::Call;
use crate::double::node::failure::{Failure, Outcome};
use crate::double::node::number;
use crate::double::node::tracking::Tracked;

pub(super) fn tracking(call: &mut Call<'_>) -> Outcome {
    let key = call.client;
    let (how, prefixes) = options(call)?;
    if !switch(call.args[2])? {
        call.server.track_nothing(key);
        call.out.ok();
        return Ok(());
    }
    if !how.broadcast && !prefixes.is_empty() {
        return Err(Failure::text(
            "ERR PREFIX option requires BCAST mode to be enabled",
        ));
    }
    let before = call.client().tracking.as_deref().cloned();
    if let Some(before) = &before
        && before.broadcast != how.broadcast
    {
        return Err(Failure::text(
            "ERR You can't switch BCAST mode on/off before disabling tracking for this client, and then re-enabling it with a different mode.",
        ));
    }
    if how.broadcast && (how.opt_in || how.opt_out) {
        return Err(Failure::text(
            "ERR OPTIN and OPTOUT are not compatible with BCAST",
        ));
    }
    if how.opt_in && how.opt_out {
        return Err(Failure::text(
            "ERR You can't specify both OPTIN mode and OPTOUT mode",
        ));
    }
    let before = before.unwrap_or_default();
    if (how.opt_in && before.opt_out) || (how.opt_out && before.opt_in) {
        return Err(Failure::text(
            "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then re-enabling it with a different mode.",
        ));
    }
    if how.broadcast {
        apart(&before.prefixes, &prefixes)?;
    }
    let mut how = how;
    how.prefixes = prefixes.iter().map(|prefix| (*prefix).into()).collect();
    if how.broadcast && prefixes.is_empty() {
        // All keys.
        how.prefixes.insert([].into());
    }
    call.server.track(key, how);
    call.out.ok();
    Ok(())
}

/// The options behind on or off.
fn options<'a>(call: &mut Call<'a>) -> Result<(Tracked, Vec<&'a [u8]>), Failure> {
    let args = call.args;
    let mut how = Tracked::default();
    let mut prefixes = Vec::new();
    let mut at = 3;
    while let Some(option) = args.get(at) {
        match (option.to_ascii_lowercase().as_slice(), args.get(at + 1)) {
            (b"redirect", Some(id)) => {
                at += 1;
                if how.redirect != 0 {
                    return Err(Failure::text(
                        "ERR A client can only redirect to a single other client",
                    ));
                }
                let id = number::parse_i64(id).ok_or(Failure::NOT_AN_INTEGER)?;
                let there = u64::try_from(id)
                    .ok()
                    .filter(|id| call.server.client_by_id(*id).is_some());
                how.redirect = there.ok_or(Failure::text(
                    "ERR The client ID you want redirect to does not exist",
                ))?;
            }
            (b"prefix", Some(prefix)) => {
                at += 1;
                prefixes.push(*prefix);
            }
            (b"bcast", _) => how.broadcast = true,
            (b"optin", _) => how.opt_in = true,
            (b"optout", _) => how.opt_out = true,
            (b"noloop", _) => how.no_loop = true,
            _ => return Err(Failure::SYNTAX),
        }
        at += 1;
    }
    Ok((how, prefixes))
}

/// No key begins with two of a client's prefixes.
fn apart(before: &BTreeSet<Box<[u8]>>, prefixes: &[&[u8]]) -> Outcome {
    let overlap = |one: &[u8], other: &[u8]| one.starts_with(other) || other.starts_with(one);
    let refused = |one: &[u8], what: &str, other: &[u8]| {
        let (one, other) = (String::from_utf8_lossy(one), String::from_utf8_lossy(other));
        Err(Failure::told(format!(
            "ERR Prefix '{one}' overlaps with {what} prefix '{other}'. Prefixes for a single client must not overlap."
        )))
    };
    for (at, prefix) in prefixes.iter().enumerate() {
        if let Some(other) = before.iter().find(|other| overlap(prefix, other)) {
            return refused(prefix, "an existing", other);
        }
        if let Some(other) = prefixes[at + 1..].iter().find(|it| overlap(prefix, it)) {
            return refused(prefix, "another provided", other);
        }
    }
    Ok(())
}

pub(super) fn trackinginfo(call: &mut Call<'_>) -> Outcome {
    let tracked = call.client().tracking.as_deref().cloned();
    let flags: Vec<&str> = match &tracked {
        None => vec!["off"],
        Some(how) => {
            let caching = how.caching;
            [
                ("on", true),
                ("bcast", how.broadcast),
                ("optin", how.opt_in),
                ("caching-yes", how.opt_in && caching),
                ("optout", how.opt_out),
                ("caching-no", how.opt_out && caching),
                ("noloop", how.no_loop),
                ("broken_redirect", how.redirect_broken),
            ]
            .into_iter()
            .filter(|(_, set)| *set)
            .map(|(word, _)| word)
            .collect()
        }
    };
    let out = &mut *call.out;
    out.map(3);
    out.bulk(b"flags");
    out.set(flags.len());
    flags.iter().for_each(|flag| out.bulk(flag.as_bytes()));
    out.bulk(b"redirect");
    out.int(tracked.as_ref().map_or(-1, |how| how.redirect as i64));
    out.bulk(b"prefixes");
    let prefixes = tracked.map(|how| how.prefixes).unwrap_or_default();
    out.array(prefixes.len());
    prefixes.iter().for_each(|prefix| out.bulk(prefix));
    Ok(())
}

pub(super) fn getredir(call: &mut Call<'_>) -> Outcome {
    let redirect = call.client().tracking.as_ref().map(|how| how.redirect);
    call.out.int(redirect.map_or(-1, |id| id as i64));
    Ok(())
}

pub(super) fn caching(call: &mut Call<'_>) -> Outcome {
    let word = call.args[2];
    let tracked = call.client().tracking.as_deref_mut();
    let Some(how) = tracked else {
        return Err(Failure::text(
            "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled",
        ));
    };
    if word.eq_ignore_ascii_case(b"yes") {
        if !how.opt_in {
            return Err(Failure::text(
                "ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.",
            ));
        }
    } else if word.eq_ignore_ascii_case(b"no") {
        if !how.opt_out {
            return Err(Failure::text(
                "ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.",
            ));
        }
    } else {
        return Err(Failure::SYNTAX);
    }
    how.caching = true;
    call.out.ok();
    Ok(())
}
