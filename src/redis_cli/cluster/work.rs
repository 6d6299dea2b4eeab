//! What a `--cluster` call works with: its options, the streams, the nodes.

use std::fmt::Display;
use std::io::ErrorKind;
use std::time::{Duration, Instant};

use crate::redis_cli::halt::{Flow, Halt};
use crate::redis_cli::link::Link;
use crate::redis_cli::options::{Login, Options};
use crate::redis_cli::receive::{Broken, reason};
use crate::redis_cli::surroundings::Surroundings;
use crate::redis_cli::value::Value;

use super::call_options::ClusterCall;
use super::node::Node;

/// How long progress may go unseen where nobody sits at a terminal. A reader is woken for each piece.
const UNSEEN: Duration = Duration::from_millis(50);
/// How often somebody at a terminal may say that there is no more, before that is believed.
const ENDS: usize = 10;

/// One call at work.
pub(super) struct Work<'a, 'b> {
    pub(super) call: &'a ClusterCall,
    pub(super) options: &'a Options,
    pub(super) around: &'a mut Surroundings<'b>,
    pub(super) nodes: Vec<Node>,
    /// Problems of the cluster that were told.
    pub(super) problems: usize,
    pub(super) unreachable_masters: usize,
    /// When progress was shown last.
    pub(super) shown: Instant,
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

    /// Prints what there is one of for each slot or key, thousands in a row. Somebody at a terminal sees each at once; elsewhere all that came about within [`UNSEEN`] comes
    /// together.
    pub(super) fn progress(&mut self, text: impl Display) -> Flow {
        let is_seen = self.around.output_is_terminal || self.shown.elapsed() >= UNSEEN;
        if !is_seen {
            return self.say(text);
        }
        self.shown = Instant::now();
        self.show(text)
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

    /// The answer to a question: a line with its end, or the first `most` bytes of a longer one. Empty where the input has ended.
    fn answer(&mut self, question: impl Display, most: usize) -> Flow<Vec<u8>> {
        self.show(question)?;
        let mut answer = Vec::new();
        while answer.len() < most && !answer.ends_with(b"\n") {
            let waiting = match self.around.input.fill_buf() {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                waiting => waiting?,
            };
            if waiting.is_empty() {
                break;
            }
            let room = waiting.get(..most - answer.len()).unwrap_or(waiting);
            let line = room.iter().position(|byte| *byte == b'\n');
            let part = line.map_or(room, |end| room.get(..=end).unwrap_or(room));
            answer.extend_from_slice(part);
            let used = part.len();
            self.around.input.consume(used);
        }
        Ok(answer)
    }

    /// Whether the answer is yes. What follows on the line is left, and answers the next question.
    pub(super) fn agrees(&mut self, question: impl Display) -> Flow<bool> {
        Ok(self.answer(question, 4)?.starts_with(b"yes"))
    }

    /// Whether the user agrees, or has agreed to everything beforehand, where that counts.
    pub(super) fn confirm(&mut self, question: &str, yes_counts: bool) -> Flow<bool> {
        if yes_counts && self.call.flags.yes {
            return Ok(true);
        }
        self.agrees(format_args!("{question} (type 'yes' to accept): "))
    }

    /// An answer without which nothing can go on, of fewer than `room` bytes; what a line has beyond is lost. Somebody at a terminal who says
    /// that the input has ended is asked again, some times. (redis-cli asks without end, also where nothing can come any more.)
    pub(super) fn needed(&mut self, question: &str, room: usize) -> Flow<String> {
        let times = if self.around.input_is_terminal {
            ENDS
        } else {
            1
        };
        for _ in 0..times {
            let mut answer = self.answer(question, room)?;
            if answer.is_empty() {
                continue;
            }
            if answer.len() == room && !answer.ends_with(b"\n") {
                self.around.input.skip_until(b'\n')?;
            }
            if answer.len() == room || answer.ends_with(b"\n") {
                answer.pop();
            }
            return Ok(String::from_utf8_lossy(&answer).into_owned());
        }
        self.give_up("\n*** The input has ended, operation aborted.\n")
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
        asked.or_else(|broken| self.broken(&broken))
    }

    /// Asks the node at this place of the list.
    pub(super) fn ask<A: AsRef<[u8]>>(&mut self, at: usize, words: &[A]) -> Flow<Value> {
        let asked = self.link(at).and_then(|link| link.ask(words));
        asked.or_else(|broken| self.broken(&broken))
    }

    /// Asks the node at this place of the list for two things, without waiting for the reply to the first in between.
    pub(super) fn ask_both<A: AsRef<[u8]>>(
        &mut self,
        at: usize,
        first: &[A],
        second: &[A],
    ) -> Flow<(Value, Value)> {
        let asked = self.link(at).and_then(|link| link.ask_both(first, second));
        asked.or_else(|broken| self.broken(&broken))
    }

    /// The connection to the node at this place of the list.
    fn link(&mut self, at: usize) -> Result<&mut Link, Broken> {
        let node = self.nodes.get_mut(at);
        node.and_then(|node| node.link.as_mut())
            .ok_or(Broken::Closed)
    }

    /// Asks the node at this place of the list for what it may not refuse: that ends the call.
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

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::redis_cli::options::{Parsed, parse};

    /// What `ask` comes to, and what was said, where this is typed.
    fn asked<T>(
        typed: &[u8],
        is_terminal: bool,
        ask: impl FnOnce(&mut Work) -> Flow<T>,
    ) -> (Flow<T>, String) {
        let (mut input, mut output, mut errors) = (typed, Vec::new(), Vec::new());
        let mut around = Surroundings {
            input: &mut input,
            output: &mut output,
            errors: &mut errors,
            input_is_terminal: is_terminal,
            output_is_terminal: is_terminal,
            variable: &|_| None,
        };
        let Ok(Parsed::Call(options)) = parse(&[], &mut around) else {
            panic!("no options are a call");
        };
        let mut work = Work {
            call: &ClusterCall::default(),
            options: &options,
            around: &mut around,
            nodes: Vec::new(),
            problems: 0,
            unreachable_masters: 0,
            shown: Instant::now(),
        };
        let result = ask(&mut work);
        let said = [output, errors].concat();
        (result, String::from_utf8(said).unwrap())
    }

    #[rstest]
    #[case(b"yes\nno\n", [true, false])]
    #[case(b"no\nyes\n", [false, true])]
    #[case(b"yes\nyes", [true, true])]
    #[case(b"yess\nyes\n", [true, false])]
    #[case(b"no, yes\n", [false, true])]
    #[case(b"ye", [false, false])]
    #[case(b"YES\nyes \n", [false, true])]
    #[case(b"", [false, false])]
    fn a_yes_is_three_letters_and_the_rest_is_left(
        #[case] typed: &[u8],
        #[case] expected: [bool; 2],
    ) {
        let (answers, _) = asked(typed, false, |work| {
            Ok([work.confirm("One?", true)?, work.agrees("Two? ")?])
        });
        assert_eq!(answers.unwrap(), expected);
    }

    #[rstest]
    #[case(b"12\nrest\n", "12", "rest")]
    #[case(b"12345\nrest\n", "12345", "rest")]
    #[case(b"123456\nrest\n", "12345", "rest")]
    #[case(b"1234567890\nrest\n", "12345", "rest")]
    #[case(b"\nrest", "", "rest")]
    #[case(b"12\nre", "12", "re")]
    fn a_line_that_is_too_long_is_cut(
        #[case] typed: &[u8],
        #[case] first: &str,
        #[case] second: &str,
    ) {
        let (answers, _) = asked(typed, false, |work| {
            Ok([work.needed("One? ", 6)?, work.needed("Two? ", 6)?])
        });
        assert_eq!(answers.unwrap(), [first, second]);
    }

    #[rstest]
    #[case(false, 1)]
    #[case(true, ENDS)]
    fn where_nothing_comes_any_more_it_ends(#[case] is_terminal: bool, #[case] times: usize) {
        let (answer, said) = asked(b"", is_terminal, |work| work.needed("Which? ", 6));
        assert!(matches!(answer, Err(Halt::Exit(1))));
        let expected = "Which? ".repeat(times) + "\n*** The input has ended, operation aborted.\n";
        assert_eq!(said, expected);
    }
}
