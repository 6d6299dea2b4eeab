//! Runs one case in one protocol.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::case::{Case, Line, Step};
use crate::frame::Frame;
use crate::pair::{Pair, Problem, Twin, check};
use crate::wire::{Wire, command};

/// What went wrong in a case, and where.
#[derive(Debug)]
pub struct Failure {
    pub line: usize,
    /// The lines up to there.
    pub lines: Vec<String>,
    pub problem: Problem,
}

/// What `@save` kept: of the real server and of the double.
type Saved = BTreeMap<String, (Vec<u8>, Vec<u8>)>;

struct Run<'a> {
    pair: &'a mut Pair,
    protocol: u8,
    twins: BTreeMap<u8, Twin>,
    saved: Saved,
}

/// Runs it; what it changes beside the keys is set back after it.
pub fn run(case: &Case, protocol: u8, pair: &mut Pair) -> Result<(), Failure> {
    let outside = |problem| Failure {
        line: case.line,
        lines: Vec::new(),
        problem,
    };
    pair.revive().map_err(outside)?;
    let configured = before(case, pair).map_err(outside)?;
    let result = lines(case, protocol, pair);
    let _ = after(case, pair, &configured);
    result
}

fn lines(case: &Case, protocol: u8, pair: &mut Pair) -> Result<(), Failure> {
    let mut run = Run {
        pair,
        protocol,
        twins: BTreeMap::new(),
        saved: Saved::new(),
    };
    let mut done = Vec::new();
    let mine = |line: &&Line| line.only.is_none_or(|only| only == protocol);
    for line in case.lines.iter().filter(mine) {
        for turn in 1..=line.times {
            let shown = if turn > 1 {
                format!("{}    (i = {turn})", line.text)
            } else {
                line.text.clone()
            };
            if turn > 1 {
                done.pop();
            }
            done.push(shown);
            if let Err(problem) = run.step(line, turn) {
                return Err(Failure {
                    line: line.number,
                    lines: done,
                    problem,
                });
            }
        }
    }
    let number = case.lines.last().map_or(case.line, |line| line.number);
    run.end().map_err(|problem| Failure {
        line: number,
        lines: done,
        problem,
    })
}

impl Run<'_> {
    fn twin(&mut self, on: u8) -> Result<&mut Twin, Problem> {
        if !self.twins.contains_key(&on) {
            let twin = self.pair.connect(self.protocol)?;
            self.twins.insert(on, twin);
        }
        self.twins
            .get_mut(&on)
            .ok_or_else(|| Problem::new("no connection"))
    }

    fn step(&mut self, line: &Line, turn: usize) -> Result<(), Problem> {
        match &line.step {
            Step::Call(args) => {
                let (real, double) = self.filled(args, line, turn)?;
                let twin = self.twin(line.on)?;
                let (real, double) = match line.scan {
                    Some(group) => (
                        scan(&mut twin.real, &real, group)?,
                        scan(&mut twin.double, &double, group)?,
                    ),
                    None => {
                        twin.send(&command(&real), &command(&double))?;
                        twin.read()?
                    }
                };
                self.judge(line, real, double)
            }
            Step::Read => {
                let (real, double) = self.twin(line.on)?.read()?;
                self.judge(line, real, double)
            }
            Step::Send(args) => {
                let (real, double) = self.filled(args, line, turn)?;
                self.twin(line.on)?
                    .send(&command(&real), &command(&double))?;
                self.pair.settle()
            }
            Step::Raw(bytes) => {
                self.twin(line.on)?.send_both(bytes)?;
                // So that what comes next is read by itself: half a request has to be kept.
                self.pair.settle()
            }
            Step::Closed => {
                self.twin(line.on)?.closed()?;
                self.twins.remove(&line.on);
                Ok(())
            }
            Step::Close => match self.twins.remove(&line.on) {
                Some(twin) => twin.close(),
                None => Err(Problem::new("there is no such connection")),
            },
            Step::Pause(milliseconds) => {
                std::thread::sleep(Duration::from_millis(*milliseconds));
                Ok(())
            }
        }
    }

    fn judge(&mut self, line: &Line, real: Frame, double: Frame) -> Result<(), Problem> {
        check(&real, &double, &line.varies)?;
        if let Some(name) = &line.save {
            self.saved
                .insert(name.clone(), (real.payload, double.payload));
        }
        Ok(())
    }

    /// The arguments for the real server and for the double, with what `${…}` and `{i}` stand for.
    #[allow(clippy::type_complexity)]
    fn filled(
        &self,
        args: &[Vec<u8>],
        line: &Line,
        turn: usize,
    ) -> Result<(Vec<Vec<u8>>, Vec<Vec<u8>>), Problem> {
        let turn = (line.times > 1).then(|| turn.to_string());
        let side = |pick: fn(&(Vec<u8>, Vec<u8>)) -> &Vec<u8>| {
            args.iter()
                .map(|arg| {
                    let mut arg = arg.clone();
                    if let Some(turn) = &turn {
                        arg = replaced(&arg, b"{i}", turn.as_bytes());
                    }
                    for (name, values) in &self.saved {
                        let place = format!("${{{name}}}");
                        arg = replaced(&arg, place.as_bytes(), pick(values));
                    }
                    arg
                })
                .collect()
        };
        Ok((side(|both| &both.0), side(|both| &both.1)))
    }

    fn end(mut self) -> Result<(), Problem> {
        self.pair.settle()?;
        for twin in self.twins.values_mut() {
            twin.same_unread()?;
        }
        self.twins.into_values().try_for_each(Twin::close)
    }
}

fn replaced(text: &[u8], what: &[u8], by: &[u8]) -> Vec<u8> {
    let mut result = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.windows(what.len()).position(|window| window == what) {
        result.extend_from_slice(&rest[..at]);
        result.extend_from_slice(by);
        rest = &rest[at + what.len()..];
    }
    result.extend_from_slice(rest);
    result
}

/// Follows the cursor to the end. All elements without repetitions, sorted, in the aggregate that the first reply had; another reply as it is.
fn scan(wire: &mut Wire, args: &[Vec<u8>], group: usize) -> Result<Frame, Problem> {
    let mut args = args.to_vec();
    let place = if args[0].eq_ignore_ascii_case(b"SCAN") {
        1
    } else {
        2
    };
    let mut found: Vec<Vec<Frame>> = Vec::new();
    for _ in 0..100_000 {
        let mut reply = wire
            .call(&args)
            .map_err(|problem| Problem::new(problem.why))?;
        let [cursor, elements] = &mut reply.items[..] else {
            return Ok(reply);
        };
        found.extend(elements.items.chunks(group.max(1)).map(<[Frame]>::to_vec));
        if let (b"0", true) = (&cursor.payload[..], place < args.len()) {
            found.sort();
            found.dedup();
            elements.items = found.concat();
            elements.payload = elements.items.len().to_string().into_bytes();
            return Ok(reply);
        }
        args[place] = cursor.payload.clone();
    }
    Err(Problem::new("the iteration does not end"))
}

/// Whether the case has a command whose name begins so.
fn uses(case: &Case, name: &str) -> bool {
    commands(case).any(|args| {
        let begins = args[0].get(..name.len());
        begins.is_some_and(|begins| begins.eq_ignore_ascii_case(name.as_bytes()))
    })
}

fn commands(case: &Case) -> impl Iterator<Item = &Vec<Vec<u8>>> {
    case.lines.iter().filter_map(|line| match &line.step {
        Step::Call(args) | Step::Send(args) => Some(args),
        _ => None,
    })
}

/// Makes both servers empty. The settings that the case will change, as they are on each.
fn before(case: &Case, pair: &mut Pair) -> Result<Vec<(Frame, Frame)>, Problem> {
    pair.control(&["FLUSHALL"])?;
    let resets: [(&str, &[&str]); 7] = [
        ("EVAL", &["SCRIPT", "FLUSH"]),
        ("SCRIPT", &["SCRIPT", "FLUSH"]),
        ("F", &["FUNCTION", "FLUSH"]),
        ("INFO", &["CONFIG", "RESETSTAT"]),
        ("SLOWLOG", &["SLOWLOG", "RESET"]),
        ("LATENCY", &["LATENCY", "RESET"]),
        ("ACL", &["ACL", "LOG", "RESET"]),
    ];
    for (name, reset) in resets {
        if uses(case, name) {
            pair.control(reset)?;
        }
    }
    let mut settings = Vec::new();
    for args in commands(case) {
        let sets = args.len() > 2
            && args[0].eq_ignore_ascii_case(b"CONFIG")
            && args[1].eq_ignore_ascii_case(b"SET");
        if sets {
            for name in args[2..].iter().step_by(2) {
                let get = [b"CONFIG".to_vec(), b"GET".to_vec(), name.clone()];
                settings.push(pair.control(&get)?);
            }
        }
    }
    Ok(settings)
}

fn after(case: &Case, pair: &mut Pair, settings: &[(Frame, Frame)]) -> Result<(), Problem> {
    if uses(case, "CLIENT") {
        pair.control(&["CLIENT", "UNPAUSE"])?;
    }
    for (real, double) in settings {
        let set = |pairs: &Frame| {
            let mut args = vec![b"CONFIG".to_vec(), b"SET".to_vec()];
            args.extend(pairs.items.iter().map(|item| item.payload.clone()));
            command(&args)
        };
        pair.control_each(&set(real), &set(double))?;
    }
    Ok(())
}
