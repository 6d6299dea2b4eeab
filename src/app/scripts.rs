//! The Lua scripts of `lua/`, built into the program: one script for each change of the state that is in Redis Cluster.
//!
//! Each script's header says its keys, arguments, replies and invariants. All replies are flat arrays of strings, the first of which says
//! what happened; only a caller's mistake (an argument missing, a time of zero) is an error reply, and it has changed nothing.

use std::sync::OnceLock;

use redis::Script;

/// Creates an event with all its seats free.
pub static CREATE_EVENT: AppScript =
    AppScript::new("create_event", include_str!("../../lua/create_event.lua"));
/// Holds seats for a user until a time: all that are asked for, or none.
pub static RESERVE: AppScript = AppScript::new("reserve", include_str!("../../lua/reserve.lua"));
/// Makes a hold final, for its holder and while it lasts.
pub static CONFIRM: AppScript = AppScript::new("confirm", include_str!("../../lua/confirm.lua"));
/// Gives a reservation back, held or confirmed.
pub static CANCEL: AppScript = AppScript::new("cancel", include_str!("../../lua/cancel.lua"));
/// Counts a view of an event, once for every operation id.
pub static VIEW: AppScript = AppScript::new("view", include_str!("../../lua/view.lua"));
/// Lets a user do something at most so often in a sliding window of time.
pub static RATE_LIMIT: AppScript =
    AppScript::new("rate_limit", include_str!("../../lua/rate_limit.lua"));
/// Takes a lock with a fencing token, or extends it for its owner.
pub static LOCK: AppScript = AppScript::new("lock", include_str!("../../lua/lock.lua"));
/// Gives a lock up.
pub static UNLOCK: AppScript = AppScript::new("unlock", include_str!("../../lua/unlock.lua"));

/// Says how a reservation stands, for whoever is about to write it into the ledger.
pub static HOLD: AppScript = AppScript::new("hold", include_str!("../../lua/hold.lua"));
/// Writes down what the ledger says of one reservation.
pub static RECORD: AppScript = AppScript::new("record", include_str!("../../lua/record.lua"));
/// Makes the next hold newer than a token.
pub static RAISE_TOKEN: AppScript =
    AppScript::new("raise_token", include_str!("../../lua/raise_token.lua"));
/// Puts a value into a cache, unless something newer is there.
pub static FILL: AppScript = AppScript::new("fill", include_str!("../../lua/fill.lua"));

/// Takes the next entries of an event's stream for the worker who drains it.
pub static TAKE: AppScript = AppScript::new("take", include_str!("../../lua/take.lua"));
/// Puts an entry that nobody can apply among the dead letters.
pub static DEAD_LETTER: AppScript =
    AppScript::new("dead_letter", include_str!("../../lua/dead_letter.lua"));
/// Takes old entries out of an event's stream that nobody can ask for any more.
pub static TRIM: AppScript = AppScript::new("trim", include_str!("../../lua/trim.lua"));
/// Says how far behind whoever drains an event's stream is.
pub static LAG: AppScript = AppScript::new("lag", include_str!("../../lua/lag.lua"));
/// Mends what an event has in Redis, if nothing of it has changed since it was looked at.
pub static MEND: AppScript = AppScript::new("mend", include_str!("../../lua/mend.lua"));
/// Puts an event into its place that was built beside it.
pub static INSTALL: AppScript = AppScript::new("install", include_str!("../../lua/install.lua"));

/// Every script, for whoever loads or checks them all.
pub static ALL: [&AppScript; 18] = [
    &CREATE_EVENT,
    &RESERVE,
    &CONFIRM,
    &CANCEL,
    &VIEW,
    &RATE_LIMIT,
    &LOCK,
    &UNLOCK,
    &HOLD,
    &RECORD,
    &RAISE_TOKEN,
    &FILL,
    &TAKE,
    &DEAD_LETTER,
    &TRIM,
    &LAG,
    &MEND,
    &INSTALL,
];

/// A script, its name and what servers know it by.
#[derive(Debug)]
pub struct AppScript {
    /// The file's name in `lua/`, without the ending.
    pub name: &'static str,
    /// The text that is run: the whole file, so that its SHA1 is that of the file in a checkout.
    pub source: &'static str,
    /// Hashed when first used.
    script: OnceLock<Script>,
}

impl AppScript {
    const fn new(name: &'static str, source: &'static str) -> Self {
        AppScript {
            name,
            source,
            script: OnceLock::new(),
        }
    }

    /// The script as the client library takes it.
    pub fn script(&self) -> &Script {
        self.script.get_or_init(|| Script::new(self.source))
    }

    /// The name under which a server keeps it, for `EVALSHA`: 40 hexadecimal digits.
    pub fn sha1(&self) -> &str {
        self.script().get_hash()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::path::Path;

    use super::*;

    #[test]
    fn every_file_is_built_in() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("lua");
        let files: BTreeSet<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        let names = ALL
            .iter()
            .map(|script| format!("{}.lua", script.name))
            .collect();
        assert_eq!(files, names);
        let hashes: BTreeSet<&str> = ALL.iter().map(|script| script.sha1()).collect();
        assert_eq!(hashes.len(), ALL.len());
        assert!(hashes.iter().all(|hash| hash.len() == 40));
    }

    /// Servers have no way to include one script in another, so what several need is in each of them, between two marks.
    #[test]
    fn what_scripts_share_is_the_same_in_all() {
        let mut shared: BTreeMap<&str, (&str, &str)> = BTreeMap::new();
        let mut compared = 0;
        for script in ALL {
            for part in script.source.split("-- shared: ").skip(1) {
                let (title, rest) = part.split_once('\n').unwrap();
                let (body, _) = rest.split_once("-- end of shared\n").unwrap();
                match shared.get(title) {
                    None => {
                        shared.insert(title, (script.name, body));
                    }
                    Some((other, same)) => {
                        assert_eq!(body, *same, "{title}: {} and {other}", script.name);
                        compared += 1;
                    }
                }
            }
        }
        assert!(compared > 10, "only {compared} were compared");
    }

    /// What would tie a script to some versions, to one protocol, or to keys that the cluster was not told of.
    #[test]
    fn no_script_needs_more_than_every_server_has() {
        for script in ALL {
            for never in [
                "#!",
                "setresp",
                "replicate_commands",
                "tostring(",
                "EVAL",
                "KEYS[#",
            ] {
                assert!(!script.source.contains(never), "{}: {never}", script.name);
            }
        }
    }
}
