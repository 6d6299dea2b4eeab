//! What is answered to what.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::pattern::{Pattern, shown};
use super::server::greeting;
use crate::cluster::{Endpoint, Reply, Slot};
use crate::double::ScriptServer;

/// What is done about a command.
#[derive(Debug, Clone)]
pub(super) enum Act {
    /// Answer.
    Reply(Reply),
    /// Answer what is made of the command's words.
    Made(Maker),
    /// Send these bytes.
    Raw(Vec<u8>),
    /// Send so much of this, and hang up.
    Half(Reply),
    /// Say who has the slot of the command's first key.
    Redirect(&'static str, Endpoint),
    /// Say nothing, and keep the connection.
    Hang,
    /// Close the connection.
    HangUp,
}

type Make = dyn Fn(&[Vec<u8>]) -> Reply + Send + Sync;

/// Makes a reply of a command's words.
#[derive(Clone)]
pub(super) struct Maker(Arc<Make>);

impl Maker {
    pub fn reply(&self, words: &[Vec<u8>]) -> Reply {
        (self.0)(words)
    }
}

impl fmt::Debug for Maker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Maker")
    }
}

/// What comes of a command.
#[derive(Debug)]
pub(super) enum Verdict {
    /// The greeting of a client library.
    Greeting(Reply),
    /// As the script says.
    Act(Duration, Act),
    /// The script does not expect it; what is wrong.
    Unexpected(String),
}

/// All rules of a script, in order.
#[derive(Debug, Default)]
pub(super) struct Rules(VecDeque<Written>);

#[derive(Debug)]
struct Written {
    pattern: Pattern,
    after: Duration,
    /// What is done the next times; the last one for ever, if the rule has no bound.
    acts: VecDeque<Act>,
    /// How often it has to be used; once the acts are done, it is used up.
    bound: bool,
    used: usize,
}

/// A rule of a script that is being written; see [`Script::on`](super::Script::on). What is not said is answered with `OK`, as often as it is asked.
#[derive(Debug)]
pub struct Rule<'a> {
    written: &'a mut Written,
}

impl Rules {
    pub fn add(&mut self, pattern: Pattern) -> Rule<'_> {
        self.0.push_back(Written {
            pattern,
            after: Duration::ZERO,
            acts: VecDeque::from([Act::Reply(Reply::Status("OK".to_owned()))]),
            bound: false,
            used: 0,
        });
        let last = self.0.len() - 1;
        Rule {
            written: &mut self.0[last],
        }
    }

    pub fn put_before(&mut self, mut more: Rules) {
        more.0.append(&mut self.0);
        self.0 = more.0;
    }

    pub fn judge(&mut self, words: &[Vec<u8>]) -> Verdict {
        let fits = |rule: &&mut Written| rule.pattern.fits(words) && !rule.acts.is_empty();
        let Some(rule) = self.0.iter_mut().find(fits) else {
            return match greeting(words) {
                Some(reply) => Verdict::Greeting(reply),
                None => Verdict::Unexpected(self.unexpected(words)),
            };
        };
        rule.used += 1;
        let act = match rule.bound || rule.acts.len() > 1 {
            true => rule.acts.pop_front(),
            false => rule.acts.front().cloned(),
        };
        match act {
            Some(act) => Verdict::Act(rule.after, act),
            None => Verdict::Unexpected(self.unexpected(words)),
        }
    }

    fn unexpected(&self, words: &[Vec<u8>]) -> String {
        let asked: Vec<String> = words.iter().map(|word| shown(word)).collect();
        let asked = asked.join(" ");
        let mut expected: Vec<String> = Vec::new();
        for rule in &self.0 {
            expected.push(match rule.acts.is_empty() {
                false => rule.pattern.to_string(),
                true => format!("{} (used up)", rule.pattern),
            });
        }
        match expected.is_empty() {
            true => format!("`{asked}` was not expected; nothing was"),
            false => format!(
                "`{asked}` was not expected; expected: {}",
                expected.join(", ")
            ),
        }
    }

    /// The rules that had to be used more often.
    pub fn unmet(&self) -> Vec<String> {
        let unmet = self
            .0
            .iter()
            .filter(|rule| rule.bound && !rule.acts.is_empty());
        unmet
            .map(|rule| {
                format!(
                    "`{}` was expected {} times, and asked {}",
                    rule.pattern,
                    rule.used + rule.acts.len(),
                    rule.used
                )
            })
            .collect()
    }

    /// See [`Script::plays`](super::Script::plays).
    pub fn play(&mut self, recording: &str) -> Result<(), String> {
        let mut played: Vec<(Pattern, Vec<u8>)> = Vec::new();
        for (line, number) in recording.lines().zip(1..) {
            match (line.strip_prefix('>'), played.last_mut()) {
                (Some(command), _) => {
                    let words = command.split_whitespace();
                    played.push((Pattern::exactly(words), Vec::new()));
                }
                (None, Some((_, reply))) => {
                    reply.extend(line.trim_end_matches('\r').bytes());
                    reply.extend(b"\r\n");
                }
                (None, None) => return Err(format!("line {number} belongs to no command")),
            }
        }
        for (pattern, reply) in played {
            if redis::parse_redis_value(&reply).is_err() {
                return Err(format!("the reply to `{pattern}` is not one of RESP"));
            }
            let rule = self.add(pattern);
            rule.written.acts = VecDeque::from([Act::Raw(reply)]);
            rule.written.bound = true;
        }
        Ok(())
    }
}

impl Rule<'_> {
    fn does(self, act: Act) -> Self {
        self.written.acts = VecDeque::from([act]);
        self
    }

    /// It is answered so late, by the script's clock.
    pub fn after(self, delay: Duration) -> Self {
        self.written.after = delay;
        self
    }

    /// It is answered with this.
    pub fn gives(self, reply: impl Into<Reply>) -> Self {
        self.does(Act::Reply(reply.into()))
    }

    /// It is answered with what `make` makes of its words, the command's name being the first. For a reply that only the command tells: a value
    /// that was set before, say. What `make` remembers it has to share between connections itself.
    pub fn answers(self, make: impl Fn(&[Vec<u8>]) -> Reply + Send + Sync + 'static) -> Self {
        self.does(Act::Made(Maker(Arc::new(make))))
    }

    /// It is answered with these, one after the other, and has to be asked so often.
    pub fn gives_in_turn<R: Into<Reply>>(self, replies: impl IntoIterator<Item = R>) -> Self {
        let replies = replies.into_iter();
        self.written.acts = replies.map(|reply| Act::Reply(reply.into())).collect();
        self.written.bound = true;
        self
    }

    /// It is answered with an error, as in `ERR unknown command`.
    pub fn errs(self, text: &str) -> Self {
        self.does(Act::Reply(Reply::Error(text.to_owned())))
    }

    /// The slot of the first key has moved to the other script.
    pub fn moved_to(self, other: &ScriptServer) -> Self {
        self.does(Act::Redirect("MOVED", other.endpoint()))
    }

    /// The other script is to be asked this once: the slot of the first key is on its way there.
    pub fn asks(self, other: &ScriptServer) -> Self {
        self.does(Act::Redirect("ASK", other.endpoint()))
    }

    /// Half of this reply is sent, and then the connection closed.
    pub fn gives_half(self, reply: impl Into<Reply>) -> Self {
        self.does(Act::Half(reply.into()))
    }

    /// These bytes are sent, whatever they are.
    pub fn sends(self, bytes: impl Into<Vec<u8>>) -> Self {
        self.does(Act::Raw(bytes.into()))
    }

    /// It is never answered; the connection stays, and answers nothing more.
    pub fn hangs(self) -> Self {
        self.does(Act::Hang)
    }

    /// The connection is closed without an answer.
    pub fn hangs_up(self) -> Self {
        self.does(Act::HangUp)
    }

    /// It has to be asked exactly so often: more is unexpected, and less fails the test.
    pub fn times(self, times: usize) -> Self {
        if let Some(act) = self.written.acts.back().cloned() {
            self.written.acts = std::iter::repeat_n(act, times).collect();
        }
        self.written.bound = true;
        self
    }
}

/// The slot of a command's first key: of the scripts that are called, the first of their keys.
pub(super) fn slot_of(words: &[Vec<u8>]) -> Slot {
    let first = words.first().map(|word| word.to_ascii_uppercase());
    let at = match first.as_deref() {
        Some(b"EVAL" | b"EVALSHA" | b"EVAL_RO" | b"EVALSHA_RO" | b"FCALL" | b"FCALL_RO") => 3,
        _ => 1,
    };
    Slot::of_key(words.get(at).map_or(&[], Vec::as_slice))
}
