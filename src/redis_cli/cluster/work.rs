//! What a `--cluster` call works with: its options, the streams, the nodes.

use std::fmt::Display;

use crate::redis_cli::halt::{Flow, Halt};
use crate::redis_cli::link::Link;
use crate::redis_cli::options::{Login, Options};
use crate::redis_cli::receive::{Broken, reason};
use crate::redis_cli::surroundings::Surroundings;
use crate::redis_cli::value::Value;

use super::call_options::ClusterCall;
use super::node::Node;

/// One call at work.
pub(super) struct Work<'a, 'b> {
    pub(super) call: &'a ClusterCall,
    pub(super) options: &'a Options,
    pub(super) around: &'a mut Surroundings<'b>,
    pub(super) nodes: Vec<Node>,
    /// Problems of the cluster that were told.
    pub(super) problems: usize,
    pub(super) unreachable_masters: usize,
}

/// A colour, if there are colours.
#[derive(Debug, Clone, Copy)]
enum Colour {
    Bold = 29,
    Red = 31,
    Green = 32,
    Yellow = 33,
}

/// Tries to connect, and to log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Connected {
    Yes,
    /// The reason is told.
    No,
}

impl Work<'_, '_> {
    /// Prints as it is.
    pub(super) fn say(&mut self, text: impl Display) -> Flow {
        Ok(write!(self.around.output, "{text}")?)
    }

    /// Prints, and sees to it that it is seen.
    pub(super) fn show(&mut self, text: impl Display) -> Flow {
        self.say(text)?;
        Ok(self.around.output.flush()?)
    }

    /// What is going on.
    pub(super) fn info(&mut self, text: impl Display) -> Flow {
        self.coloured(Colour::Bold, text)
    }

    /// What went well.
    pub(super) fn good(&mut self, text: impl Display) -> Flow {
        self.coloured(Colour::Green, text)
    }

    /// What the user should know.
    pub(super) fn warn(&mut self, text: impl Display) -> Flow {
        self.coloured(Colour::Yellow, text)
    }

    /// What went wrong.
    pub(super) fn wrong(&mut self, text: impl Display) -> Flow {
        self.coloured(Colour::Red, text)
    }

    /// What is wrong with the cluster.
    pub(super) fn problem(&mut self, text: impl Display) -> Flow {
        self.problems += 1;
        self.say(format_args!("{text}\n"))
    }

    /// What went wrong, on standard error.
    pub(super) fn complain(&mut self, text: impl Display) -> Flow {
        self.around.output.flush()?;
        Ok(write!(self.around.errors, "{text}")?)
    }

    /// Complains and ends.
    pub(super) fn give_up<T>(&mut self, text: impl Display) -> Flow<T> {
        self.complain(text)?;
        Err(Halt::Exit(1))
    }

    /// Says what went wrong and ends.
    pub(super) fn fail<T>(&mut self, text: impl Display) -> Flow<T> {
        self.wrong(text)?;
        Err(Halt::Exit(1))
    }

    fn coloured(&mut self, colour: Colour, text: impl Display) -> Flow {
        if self.call.colour {
            self.say(format_args!("\x1b[{};1m{text}\x1b[0m", colour as u8))
        } else {
            self.say(text)
        }
    }

    /// The line of the answer to a question, without its end; `None` where the input has ended.
    pub(super) fn answer(&mut self, question: impl Display) -> Flow<Option<String>> {
        self.show(question)?;
        let mut line = Vec::new();
        if self.around.input.read_until(b'\n', &mut line)? == 0 {
            return Ok(None);
        }
        if line.last() == Some(&b'\n') {
            line.pop();
        }
        Ok(Some(String::from_utf8_lossy(&line).into_owned()))
    }

    /// Whether the user agrees, or has agreed to everything beforehand, where that counts.
    pub(super) fn confirm(&mut self, question: &str, yes_counts: bool) -> Flow<bool> {
        if yes_counts && self.call.flags.yes {
            return Ok(true);
        }
        let answer = self.answer(format_args!("{question} (type 'yes' to accept): "))?;
        Ok(answer.is_some_and(|answer| answer.starts_with("yes")))
    }

    /// A node of an address, with a connection.
    pub(super) fn connect(&mut self, node: &mut Node) -> Flow<Connected> {
        let mut link = match Link::open(&node.place()) {
            Ok(link) => link,
            Err(error) => {
                let address = node.address();
                self.complain(format_args!(
                    "Could not connect to Redis at {address}: {}\n",
                    reason(&error)
                ))?;
                return Ok(Connected::No);
            }
        };
        let Login { user, password } = &self.options.login;
        if let Some(password) = password {
            let reply = match user {
                Some(user) => link.ask(&[b"AUTH", user.as_slice(), password]),
                None => link.ask(&[b"AUTH", password.as_slice()]),
            };
            match reply {
                Ok(reply) => {
                    if let Some(error) = reply.error() {
                        self.replied_with(&node.address(), error)?;
                        return Ok(Connected::No);
                    }
                }
                Err(broken) => return self.broken(&broken),
            }
        }
        node.link = Some(link);
        Ok(Connected::Yes)
    }

    /// Asks a node that is not in the list (yet).
    pub(super) fn ask_node<A: AsRef<[u8]>>(&mut self, node: &mut Node, words: &[A]) -> Flow<Value> {
        let asked = match &mut node.link {
            Some(link) => link.ask(words),
            None => Err(Broken::Closed),
        };
        match asked {
            Ok(value) => Ok(value),
            Err(broken) => self.broken(&broken),
        }
    }

    /// Asks the node at this place of the list.
    pub(super) fn ask<A: AsRef<[u8]>>(&mut self, at: usize, words: &[A]) -> Flow<Value> {
        let asked = match self.nodes.get_mut(at).and_then(|node| node.link.as_mut()) {
            Some(link) => link.ask(words),
            None => Err(Broken::Closed),
        };
        match asked {
            Ok(value) => Ok(value),
            Err(broken) => self.broken(&broken),
        }
    }

    /// The same, for a command whose refusal ends the call.
    pub(super) fn must<A: AsRef<[u8]>>(&mut self, at: usize, words: &[A]) -> Flow<Value> {
        let value = self.ask(at, words)?;
        if let Some(error) = value.error() {
            let address = self.address(at);
            self.replied_with(&address, error)?;
            return Err(Halt::Exit(1));
        }
        Ok(value)
    }

    /// A connection broke: what the node did of what it was told can't be known, so nothing more is done. (redis-cli tries to connect anew,
    /// without end.)
    fn broken<T>(&mut self, broken: &Broken) -> Flow<T> {
        self.give_up(format_args!("Error: {broken}\n"))
    }

    /// Tells a node's error.
    pub(super) fn replied_with(&mut self, address: &str, error: &[u8]) -> Flow {
        let error = String::from_utf8_lossy(error).into_owned();
        self.wrong(format_args!(
            "Node {address} replied with error:\n{error}\n"
        ))
    }

    /// `host:port` of the node at this place.
    pub(super) fn address(&self, at: usize) -> String {
        self.nodes.get(at).map(Node::address).unwrap_or_default()
    }

    /// The id of the node at this place.
    pub(super) fn id(&self, at: usize) -> String {
        self.nodes
            .get(at)
            .map(|node| node.id.clone())
            .unwrap_or_default()
    }

    /// The places of all masters.
    pub(super) fn masters(&self) -> Vec<usize> {
        let masters = self
            .nodes
            .iter()
            .enumerate()
            .filter(|(_, node)| !node.is_replica());
        masters.map(|(at, _)| at).collect()
    }

    /// The place of the node with this id; letters may be large.
    pub(super) fn by_id(&self, id: &str) -> Option<usize> {
        self.nodes
            .iter()
            .position(|node| !node.id.is_empty() && node.id.eq_ignore_ascii_case(id))
    }

    /// The place of the master with the fewest replicas, the first of several, but for one that can't be it.
    pub(super) fn least_replicated(&self, but: Option<usize>) -> Option<usize> {
        let masters = self.masters().into_iter().filter(|at| Some(*at) != but);
        masters.min_by_key(|at| self.nodes.get(*at).map_or(0, |node| node.replicas))
    }
}
