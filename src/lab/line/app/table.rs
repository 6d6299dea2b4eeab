//! What `./app` can be told in a lab: its commands, and the options of each. Parsing, messages and the reference are made from this.

use crate::lab::quantity::parse_duration;
use crate::lab::shape::read_slots;
use crate::lab::target::{MOST_SEATS, MOST_USERS};

/// A command of the application.
#[derive(Debug)]
pub(in crate::lab) struct Command {
    /// As typed; the commands on sessions are two words.
    pub(in crate::lab) name: &'static str,
    /// What it does, for the reference.
    pub(in crate::lab) doc: &'static str,
    /// Whether it changes nothing.
    pub(super) only_looks: bool,
    /// Its own options; those of [`GLOBAL`] belong to every command.
    pub(in crate::lab) options: &'static [AppOption],
    /// Options of which exactly one has to be there.
    pub(in crate::lab) one_of: &'static [&'static str],
}

/// An option of a command.
#[derive(Debug)]
pub(in crate::lab) struct AppOption {
    /// With its hyphens.
    pub(in crate::lab) name: &'static str,
    /// What its value is; nothing for a flag.
    pub(in crate::lab) value: Option<Value>,
    /// Whether the command can't do without it.
    pub(in crate::lab) required: bool,
}

/// What the value of an option is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::lab) enum Value {
    /// Anything.
    Text,
    /// A whole number, both ends included.
    Number { min: u64, max: u64 },
    /// A time with its unit.
    Duration,
    /// Slots and ranges of them.
    Slots,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// Shares of the operations of a load: `reserve=70,read=30`.
    Mix,
    /// So many in a time: `5/10s`.
    Limit,
}

/// The operations that a load is a mix of.
const OPERATIONS: [&str; 4] = ["reserve", "confirm", "cancel", "read"];

impl Value {
    /// Reads a value.
    ///
    /// # Errors
    /// What is wrong with it, in one sentence.
    pub(super) fn check(self, text: &str) -> Result<(), String> {
        match self {
            Value::Text => Ok(()),
            Value::Number { min, max } => check_number(text, min, max),
            Value::Duration => parse_duration(text).map(drop),
            Value::Slots => read_slots(text).map(drop),
            Value::Choice(words) if words.contains(&text) => Ok(()),
            Value::Choice(words) => Err(format!("`{text}` is not one of {}", words.join(", "))),
            Value::Mix => text.split(',').try_for_each(check_share),
            Value::Limit => check_limit(text),
        }
    }

    /// What to write, for a help.
    pub(super) fn in_words(self) -> String {
        match self {
            Value::Text => "a text".to_owned(),
            Value::Number { min, max: u64::MAX } => format!("a whole number from {min}"),
            Value::Number { min, max } => format!("a whole number from {min} to {max}"),
            Value::Duration => "a time with its unit, as in `500ms`, `30s` or `5m`".to_owned(),
            Value::Slots => "slots, as in `0-5460`".to_owned(),
            Value::Choice(words) => format!("one of {}", words.join(", ")),
            Value::Mix => format!(
                "shares of {}, as in `reserve=70,read=30`",
                OPERATIONS.join(", ")
            ),
            Value::Limit => "a number in a time, as in `5/10s`".to_owned(),
        }
    }

    /// Its name in the reference.
    pub(in crate::lab) fn placeholder(self) -> &'static str {
        match self {
            Value::Text => "TEXT",
            Value::Number { .. } => "N",
            Value::Duration => "TIME",
            Value::Slots => "SLOTS",
            Value::Choice(_) => "WORD",
            Value::Mix => "MIX",
            Value::Limit => "N/TIME",
        }
    }
}

/// Whether `text` is a whole number from `min` to `max`, without a sign.
pub(in crate::lab) fn check_number(text: &str, min: u64, max: u64) -> Result<(), String> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse::<u64>() {
        Ok(number) if digits && (min..=max).contains(&number) => Ok(()),
        Ok(_) if digits => Err(format!("`{text}` is not from {min} to {max}")),
        // More digits than any number of anything has.
        Err(_) if digits => Err(format!("`{text}` is too large")),
        _ => Err(format!("`{text}` is not a whole number")),
    }
}

fn check_share(share: &str) -> Result<(), String> {
    let bad = || format!("`{share}` is not a share of a mix");
    let (operation, number) = share.split_once('=').ok_or_else(bad)?;
    if !OPERATIONS.contains(&operation.trim()) {
        return Err(format!("`{operation}` is not an operation of a load"));
    }
    check_number(number.trim(), 0, 1_000_000)
}

fn check_limit(text: &str) -> Result<(), String> {
    let (number, time) = text
        .split_once('/')
        .ok_or_else(|| format!("`{text}` is not a number in a time"))?;
    check_number(number, 1, 1_000_000)?;
    parse_duration(time).map(drop)
}

const fn needs(name: &'static str, value: Value) -> AppOption {
    AppOption {
        name,
        value: Some(value),
        required: true,
    }
}

const fn takes(name: &'static str, value: Value) -> AppOption {
    AppOption {
        name,
        value: Some(value),
        required: false,
    }
}

const fn flag(name: &'static str) -> AppOption {
    AppOption {
        name,
        value: None,
        required: false,
    }
}

const fn number(min: u64, max: u64) -> Value {
    Value::Number { min, max }
}

/// Zero seats and more than there are is for the application to refuse, which a lab may want to show.
const SEATS: Value = number(0, 1_000_000);
const ID: Value = Value::Text;
const TOKEN: Value = number(0, u64::MAX);
/// How Redis and the ledger work together in a change, and in a read.
const OF_CHANGES: Value = Value::Choice(&["plain", "write-through", "event-driven"]);
const OF_READS: Value = Value::Choice(&["plain", "cache-aside"]);

/// The users of a load, and the seats that each of them wants.
pub(in crate::lab) const USERS_OF_A_LOAD: (u64, u64) = (1, MOST_USERS as u64);
pub(in crate::lab) const SEATS_OF_A_LOAD: (u64, u64) = (1, MOST_SEATS as u64);

/// The options that go with every command, before it or after it.
pub(in crate::lab) const GLOBAL: &[AppOption] = &[
    flag("--json"),
    flag("--durable"),
    takes(
        "--read-from",
        Value::Choice(&["master", "replicas", "random"]),
    ),
    takes("--deadline", Value::Duration),
    takes("--in-flight", number(1, 100_000)),
    takes("--rate-limit", Value::Limit),
];

/// Options of the application that a lab has no use for, each with the reason.
pub(in crate::lab) const REFUSED: [(&str, &str); 9] = [
    ("--nodes", CONNECTS),
    ("--map", CONNECTS),
    ("--config", CONNECTS),
    ("--username", CONNECTS),
    ("--password", CONNECTS),
    ("--database-url", CONNECTS),
    ("--histogram", FILES),
    ("--claims", FILES),
    ("--color", "what a lab checks has no colours"),
];
const CONNECTS: &str = "the application talks to this lab's cluster";
const FILES: &str = "a lab has no files";

/// The commands.
pub(in crate::lab) const COMMANDS: &[Command] = &[
    Command {
        name: "create-event",
        doc: "Makes an event with free seats; `--on-slots` chooses where its keys live.",
        only_looks: false,
        options: &[
            needs("--name", Value::Text),
            needs("--seats", SEATS),
            takes("--on-slots", Value::Slots),
            takes("--pattern", OF_CHANGES),
        ],
        one_of: &[],
    },
    Command {
        name: "availability",
        doc: "How many seats of an event are free, held and sold.",
        only_looks: true,
        options: &[
            needs("--event", ID),
            takes("--pattern", OF_READS),
            takes("--readers", number(1, 10_000)),
            takes("--ttl", Value::Duration),
            takes("--pause-before-fill", Value::Duration),
        ],
        one_of: &[],
    },
    Command {
        name: "reserve",
        doc: "Holds seats for a user: as many as wanted, or those that are named (`--seat A1,A2`).",
        only_looks: false,
        options: &[
            needs("--event", ID),
            takes("--seats", SEATS),
            takes("--seat", Value::Text),
            needs("--user", Value::Text),
            takes("--hold", Value::Duration),
            takes("--key", Value::Text),
        ],
        one_of: &["--seats", "--seat"],
    },
    Command {
        name: "confirm",
        doc: "Sells the seats that a reservation holds.",
        only_looks: false,
        options: &[
            needs("--event", ID),
            needs("--reservation", ID),
            needs("--user", Value::Text),
            takes("--token", TOKEN),
            takes("--key", Value::Text),
            takes("--pattern", OF_CHANGES),
            flag("--stop-between"),
        ],
        one_of: &[],
    },
    Command {
        name: "cancel",
        doc: "Gives the seats of a reservation back.",
        only_looks: false,
        options: &[
            needs("--event", ID),
            needs("--reservation", ID),
            needs("--user", Value::Text),
            takes("--token", TOKEN),
            takes("--key", Value::Text),
            takes("--pattern", OF_CHANGES),
            flag("--stop-between"),
        ],
        one_of: &[],
    },
    Command {
        name: "show",
        doc: "All that is known of an event.",
        only_looks: true,
        options: &[
            needs("--event", ID),
            takes("--pattern", OF_READS),
            takes("--readers", number(1, 10_000)),
            takes("--ttl", Value::Duration),
            takes("--pause-before-fill", Value::Duration),
        ],
        one_of: &[],
    },
    Command {
        name: "events",
        doc: "All events.",
        only_looks: true,
        options: &[],
        one_of: &[],
    },
    Command {
        name: "session login",
        doc: "Begins a user's session.",
        only_looks: false,
        options: &[
            needs("--user", Value::Text),
            takes("--ttl", Value::Duration),
        ],
        one_of: &[],
    },
    Command {
        name: "session show",
        doc: "Whose a session is, and how long it lasts.",
        only_looks: true,
        options: &[needs("--session", ID)],
        one_of: &[],
    },
    Command {
        name: "session logout",
        doc: "Ends a session.",
        only_looks: false,
        options: &[needs("--session", ID)],
        one_of: &[],
    },
    Command {
        name: "audit",
        doc: "Reads every seat of an event, and says whether all adds up.",
        only_looks: true,
        options: &[needs("--event", ID)],
        one_of: &[],
    },
    Command {
        name: "load-test",
        doc: "Many users at once want seats; afterwards every seat is read.",
        only_looks: false,
        options: &[
            takes("--users", number(USERS_OF_A_LOAD.0, USERS_OF_A_LOAD.1)),
            takes("--seats", number(SEATS_OF_A_LOAD.0, SEATS_OF_A_LOAD.1)),
            takes("--event", ID),
            takes("--events", number(1, 1_000)),
            takes("--capacity", number(1, 1_000_000)),
            takes("--on-slots", Value::Slots),
            takes("--rate", number(1, 20_000)),
            takes("--for", Value::Duration),
            takes("--think", Value::Duration),
            takes("--mix", Value::Mix),
            takes("--warm-up", Value::Duration),
            flag("--naive"),
            takes("--seed", number(0, u64::MAX)),
        ],
        one_of: &[],
    },
    Command {
        name: "watch",
        doc: "Prints the state of an event again and again, for as long as `--for` says.",
        only_looks: true,
        options: &[
            needs("--event", ID),
            takes("--interval", Value::Duration),
            needs("--for", Value::Duration),
        ],
        one_of: &[],
    },
    Command {
        name: "limit",
        doc: "Asks whether a user may do one more thing, by the limit of `--rate-limit`.",
        only_looks: false,
        options: &[needs("--user", Value::Text), takes("--key", Value::Text)],
        one_of: &[],
    },
    Command {
        name: "lock acquire",
        doc: "Takes a lock for a time, or takes it longer.",
        only_looks: false,
        options: &[
            needs("--name", Value::Text),
            needs("--owner", Value::Text),
            takes("--ttl", Value::Duration),
        ],
        one_of: &[],
    },
    Command {
        name: "lock release",
        doc: "Gives a lock back.",
        only_looks: false,
        options: &[
            needs("--name", Value::Text),
            needs("--owner", Value::Text),
            needs("--token", TOKEN),
        ],
        one_of: &[],
    },
    Command {
        name: "pay",
        doc: "Pays for a hold, and makes it a sale; the gateway is built in, and behaves as `--gateway` says.",
        only_looks: false,
        options: &[
            needs("--event", ID),
            needs("--reservation", ID),
            needs("--user", Value::Text),
            takes("--token", TOKEN),
            takes("--key", Value::Text),
            takes("--gateway", Value::Choice(&["ok", "fail", "slow", "twice"])),
            takes("--gateway-delay", Value::Duration),
            takes("--gateway-time", Value::Duration),
        ],
        one_of: &[],
    },
    Command {
        name: "book",
        doc: "All of a reservation: log in, look, hold, pay, confirm.",
        only_looks: false,
        options: &[
            needs("--event", ID),
            needs("--seats", SEATS),
            needs("--user", Value::Text),
            takes("--hold", Value::Duration),
            takes("--key", Value::Text),
            takes("--gateway", Value::Choice(&["ok", "fail", "slow", "twice"])),
            takes("--gateway-delay", Value::Duration),
            takes("--gateway-time", Value::Duration),
        ],
        one_of: &[],
    },
    Command {
        name: "worker",
        doc: "Brings what happened in Redis into the ledger, and tells Redis what the ledger has decided; `--status` only says how far that is.",
        only_looks: false,
        options: &[
            flag("--once"),
            flag("--drain"),
            takes("--for", Value::Duration),
            flag("--status"),
            takes("--name", Value::Text),
            takes("--events", Value::Text),
            takes("--batch", number(1, 2_000)),
            takes("--max-tries", number(1, 1_000)),
            takes("--keep", Value::Duration),
            takes("--refund-after", Value::Duration),
            flag("--stop-before-ack"),
        ],
        one_of: &[],
    },
    Command {
        name: "reconcile",
        doc: "Compares Redis with the ledger, event by event, and with `--repair` mends what differs.",
        only_looks: false,
        options: &[
            flag("--repair"),
            takes("--every", Value::Duration),
            takes("--event", ID),
            takes("--settle", Value::Duration),
            takes("--lock", Value::Duration),
        ],
        one_of: &[],
    },
    Command {
        name: "rebuild",
        doc: "Fills an empty Redis from the ledger.",
        only_looks: false,
        options: &[takes("--event", ID), flag("--over")],
        one_of: &[],
    },
    Command {
        name: "migrate up",
        doc: "Makes what is missing of the ledger's schema.",
        only_looks: false,
        options: &[],
        one_of: &[],
    },
    Command {
        name: "migrate status",
        doc: "How far the ledger's schema is.",
        only_looks: true,
        options: &[],
        one_of: &[],
    },
    Command {
        name: "migrate down",
        doc: "Takes migrations back, with all that is in their tables.",
        only_looks: false,
        options: &[needs("--to", number(0, 1_000)), flag("--yes")],
        one_of: &[],
    },
    Command {
        name: "ledger show",
        doc: "What is in the ledger, and what Redis has not been told; of an event, what happened.",
        only_looks: true,
        options: &[takes("--event", ID)],
        one_of: &[],
    },
    Command {
        name: "ledger repair",
        doc: "Tells Redis what it has not been told.",
        only_looks: false,
        options: &[takes("--limit", number(1, 1_000_000))],
        one_of: &[],
    },
    Command {
        name: "report sales",
        doc: "What every event has sold, from the ledger.",
        only_looks: true,
        options: &[takes("--event", ID)],
        one_of: &[],
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(number(1, 100), "1")]
    #[case(number(1, 100), "100")]
    #[case(number(0, u64::MAX), "18446744073709551615")]
    #[case(Value::Duration, "5m")]
    #[case(Value::Slots, "0-5460")]
    #[case(Value::Choice(&["master", "random"]), "random")]
    #[case(Value::Mix, "reserve=70,confirm=10,cancel=5,read=15")]
    #[case(Value::Limit, "5/10s")]
    #[case(Value::Text, "")]
    fn values_are_read(#[case] value: Value, #[case] text: &str) {
        assert_eq!(value.check(text), Ok(()));
    }

    #[rstest]
    #[case(number(1, 100), "0", "`0` is not from 1 to 100")]
    #[case(number(1, 100), "101", "not from 1 to 100")]
    #[case(number(1, 100), "-1", "not a whole number")]
    #[case(number(1, 100), "+1", "not a whole number")]
    #[case(number(1, 100), "1.5", "not a whole number")]
    #[case(number(1, 100), "", "not a whole number")]
    #[case(number(0, u64::MAX), "18446744073709551616", "too large")]
    #[case(Value::Duration, "5", "no unit")]
    #[case(Value::Slots, "0-16384", "16384")]
    #[case(Value::Slots, "", "no slots")]
    #[case(Value::Choice(&["master", "random"]), "slave", "not one of master, random")]
    #[case(Value::Mix, "reserve", "not a share")]
    #[case(Value::Mix, "reserve=70,steal=30", "`steal` is not an operation")]
    #[case(Value::Mix, "reserve=most", "`most` is not a whole number")]
    #[case(Value::Limit, "5", "not a number in a time")]
    #[case(Value::Limit, "0/10s", "`0` is not from 1")]
    #[case(Value::Limit, "5/10", "no unit")]
    fn what_is_no_value_says_why(#[case] value: Value, #[case] text: &str, #[case] why: &str) {
        let what = value.check(text).unwrap_err();
        assert!(what.contains(why), "{what}");
    }

    /// A name that is there twice would hide the second.
    #[test]
    fn the_table_is_in_order() {
        for command in COMMANDS {
            let names: Vec<&str> = command
                .options
                .iter()
                .chain(GLOBAL)
                .map(|option| option.name)
                .chain(REFUSED.map(|(name, _)| name))
                .collect();
            for (at, name) in names.iter().enumerate() {
                assert!(
                    name.starts_with("--") && !names[..at].contains(name),
                    "{name}"
                );
            }
            for name in command.one_of {
                assert!(names.contains(name), "{name}");
            }
        }
    }
}
