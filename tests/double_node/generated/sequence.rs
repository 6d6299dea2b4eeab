//! Plays a sequence on both servers.

use std::collections::BTreeMap;
use std::fmt;

use crate::frame::Frame;
use crate::generated::form::Command;
use crate::generated::state;
use crate::pair::{Pair, Problem, Twin, check};
use crate::show;
use crate::wire::command;

/// Runs sequences, one after the other, on the same connections.
pub struct Player {
    pair: Pair,
    /// One to each server for each protocol.
    twins: BTreeMap<u8, Twin>,
    sequences: usize,
    commands: usize,
    errors: usize,
}

/// A sequence that the two servers did not answer in the same way.
pub struct Failure {
    protocol: u8,
    commands: Vec<Command>,
    problem: Problem,
}

/// The commands that came before and after, and what went wrong with the one that they end with.
type Stopped = (Vec<Command>, Problem);

impl Player {
    pub fn new(pair: Pair) -> Player {
        Player {
            pair,
            twins: BTreeMap::new(),
            sequences: 0,
            commands: 0,
            errors: 0,
        }
    }

    pub fn play(&mut self, protocol: u8, commands: &[Command]) -> Result<(), Failure> {
        self.attempt(protocol, commands)
            .map_err(|(commands, problem)| {
                // The next sequence does not begin with what this one has left unread.
                self.twins.clear();
                Failure {
                    protocol,
                    commands,
                    problem,
                }
            })
    }

    pub fn counted(&self) -> String {
        format!(
            "{} sequences of {} commands in all, {} % of the replies were errors",
            self.sequences,
            self.commands,
            100 * self.errors / self.commands.max(1)
        )
    }

    fn attempt(&mut self, protocol: u8, commands: &[Command]) -> Result<(), Stopped> {
        if !self.twins.contains_key(&protocol) {
            let twin = self
                .pair
                .connect(protocol)
                .map_err(|problem| (Vec::new(), problem))?;
            self.twins.insert(protocol, twin);
        }
        let twin = self.twins.get_mut(&protocol).unwrap();
        // What a double does not know yet shows where a sequence uses it.
        let reset = [
            Command::new("@any", &["SELECT", "0"]),
            Command::new("@any", &["FLUSHALL"]),
            Command::new("@any", &["SCRIPT", "FLUSH"]),
        ];
        exchange(twin, &reset).map_err(|problem| (reset.to_vec(), problem))?;
        let mut all = commands.to_vec();
        // A transaction that is left open would take the questions about the state, too.
        if commands
            .iter()
            .any(|one| one.is("MULTI") || one.is("WATCH"))
        {
            all.push(Command::new("", &["DISCARD"]));
            all.push(Command::new("", &["UNWATCH"]));
        }
        let replies = exchange(twin, &all).map_err(|problem| (all.clone(), problem))?;
        self.sequences += 1;
        self.commands += commands.len();
        let answers = replies.iter().take(commands.len());
        self.errors += answers.filter(|(real, _)| real.is_error()).count();
        judge(&all, &replies).map_err(|(at, problem)| (all[..=at].to_vec(), problem))?;
        state::compare(twin).map_err(|(asked, problem)| {
            let mut all = commands.to_vec();
            all.extend(asked);
            (all, problem)
        })
    }
}

/// Sends all of them at once; the replies of each server.
pub fn exchange(twin: &mut Twin, commands: &[Command]) -> Result<Vec<(Frame, Frame)>, Problem> {
    let mut bytes = Vec::new();
    for one in commands {
        bytes.extend(command(&one.args));
    }
    twin.send_both(&bytes)?;
    commands.iter().map(|_| twin.read()).collect()
}

/// The first reply that differs. What EXEC answers is judged by what each queued command has declared.
fn judge(commands: &[Command], replies: &[(Frame, Frame)]) -> Result<(), (usize, Problem)> {
    let mut queued: Vec<&Command> = Vec::new();
    for (at, (one, (real, double))) in commands.iter().zip(replies).enumerate() {
        let together = real.items.iter().zip(&double.items);
        let result = if one.is("EXEC") && real.items.len() == queued.len() {
            let same_frame = (real.kind, &real.payload) == (double.kind, &double.payload);
            let mut parts = queued.iter().zip(together);
            parts
                .try_for_each(|(one, (real, double))| check(real, double, &one.declared.varies))
                .and_then(|()| {
                    let problem = || Problem::between("EXEC differs".to_owned(), real, double);
                    same_frame.then_some(()).ok_or_else(problem)
                })
        } else if real.payload == b"QUEUED" {
            queued.push(one);
            check(real, double, &[])
        } else {
            check(real, double, &one.declared.varies)
        };
        result.map_err(|problem| (at, problem))?;
        if ["EXEC", "DISCARD", "MULTI"].iter().any(|name| one.is(name)) && !real.is_error() {
            queued.clear();
        }
    }
    Ok(())
}

/// A case to be pasted into a file of fixed cases, and what the two servers said.
impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        writeln!(out, "a generated sequence differs in RESP{}", self.protocol)?;
        writeln!(out, "\n== generated: say what it shows")?;
        for command in &self.commands {
            writeln!(out, "{command:?}")?;
        }
        writeln!(out, "\n    {}", self.problem.why)?;
        out.write_str(&show::both(&self.problem.real, &self.problem.double))
    }
}
