//! `--cluster`, each subcommand on a cluster of real nodes, through both programs: the same output, the same commands to the same nodes in the
//! same order, and the same cluster afterwards.

use std::ffi::OsString;
use std::io::Write;

use crate::both::{Said, Which, call, converse, is_here};
use crate::nodes::{Nodes, named};
use crate::server::Server;
use crate::terminal::converse_at_terminal;
use crate::words::{unescaped, words};

/// What is done, line by line:
///
/// - `redis-cli …`: a call that is compared; after ` ?? ` come the answers to its questions, separated by ` | `;
///   After ` << ` comes its standard input;
/// - `terminal: redis-cli …`: the same at a terminal, where `^D` is an answer too;
/// - `N: …`: a command to node N, past its door;
/// - `keys`: writes a hundred keys;
/// - `disown SLOT…`: takes slots from their owners in the view of all nodes;
/// - `kill N`: kills node N, and waits until node 1 knows that;
/// - `settle`: waits until the nodes agree.
pub struct Scenario {
    pub nodes: usize,
    pub one_host: bool,
    pub more: &'static [&'static str],
    pub steps: &'static [&'static str],
    /// What the programs decide by chance is taken out.
    pub mask: Option<&'static str>,
}

pub const PLAIN: Scenario = Scenario {
    nodes: 6,
    one_host: false,
    more: &[],
    steps: &[],
    mask: None,
};

pub const CREATE: &str =
    "redis-cli --cluster create {a1} {a2} {a3} {a4} {a5} {a6} --cluster-replicas 1 --cluster-yes";

/// What one of them said, told and left, a line a step.
fn run(which: Which, scenario: &Scenario, source: Option<&Server>) -> Vec<(String, Vec<String>)> {
    let mut nodes = Nodes::start(scenario.nodes, scenario.one_host, scenario.more);
    let mut told = Vec::new();
    for step in scenario.steps {
        let mut line = nodes.fill(step);
        if let Some(source) = source {
            line = line.replace("PORT", &source.port.to_string());
        }
        let mut lines = Vec::new();
        let at_terminal = line.strip_prefix("terminal: ");
        if let Some(line) = at_terminal.unwrap_or(&line).strip_prefix("redis-cli ") {
            let (line, input) = line.split_once(" << ").unwrap_or((line, ""));
            let (args, answers) = line.split_once(" ?? ").unwrap_or((line, ""));
            let answers: Vec<String> = match answers {
                "" => Vec::new(),
                answers => answers.split(" | ").map(str::to_owned).collect(),
            };
            nodes.wire();
            let args: Vec<OsString> = words(args);
            let said = match (at_terminal, answers.is_empty()) {
                (Some(_), _) => converse_at_terminal(which, &args, &answers),
                (None, true) => call(which, &args, &unescaped(input)),
                (None, false) => converse(which, &args, &answers),
            };
            lines.extend(said_lines(&nodes, said, source));
            lines.push("--- on the wire".to_owned());
            lines.extend(nodes.wire());
        } else if line == "keys" {
            let input: String = (0..100).map(|n| format!("set key:{n} {n}\n")).collect();
            let args = nodes.fill("-c -h {h1} -p {p1}");
            let said = call(Which::Real, &words(&args), input.as_bytes());
            assert_eq!(said.code, Some(0), "{said:?}");
        } else if let Some(slots) = line.strip_prefix("disown ") {
            nodes.disown(slots);
        } else if let Some(number) = line.strip_prefix("kill ") {
            nodes.kill(number.parse().unwrap());
        } else if line == "wait" {
            // As settle, but what the nodes see is not compared.
            nodes.settle();
        } else if line == "settle" {
            nodes.settle();
            lines.extend(nodes.seen());
        } else {
            let (number, command) = line.split_once(": ").unwrap();
            let reply = nodes.ask(number.parse().unwrap(), command);
            assert!(!reply.starts_with('-'), "{line}: {reply}");
            lines.push(nodes.names(&reply));
        }
        if let Some(mask) = scenario.mask {
            let mask = regex::Regex::new(mask).unwrap();
            lines = lines
                .iter()
                .map(|line| mask.replace_all(line, "CHANCE").into_owned())
                .collect();
        }
        told.push(((*step).to_owned(), lines));
    }
    told
}

fn said_lines(nodes: &Nodes, said: Said, source: Option<&Server>) -> Vec<String> {
    let mut lines = vec![format!("--- exit {:?}", said.code)];
    for (name, bytes) in [("output", said.out), ("errors", said.err)] {
        lines.push(format!("--- {name}"));
        let mut text = nodes.names(&bytes.escape_ascii().to_string());
        if let Some(source) = source {
            text = named(&text, source.port, "PORT");
        }
        // How long a cluster takes to join is its own affair: a dot a second.
        let text = text.replace("\\n", "\n");
        let is_waiting = |line: &str| !line.is_empty() && line.bytes().all(|byte| byte == b'.');
        lines.extend(
            text.split('\n')
                .map(|line| if is_waiting(line) { "" } else { line }.to_owned()),
        );
    }
    lines
}

pub fn same(test: &str, scenario: &Scenario) {
    if !is_here(test) {
        return;
    }
    compare(scenario, None);
}

/// Plays a scenario with both, each on nodes of its own. Real nodes do not do the same twice: one may have heard of another a moment later. So a
/// difference is shown, and counts if a second pair of runs has one as well; one that is the program's own is there each time.
pub fn compare(scenario: &Scenario, source: Option<&Server>) {
    let Some(first) = difference(scenario, source) else {
        return;
    };
    eprintln!("once only, so far: {first}");
    if let Some(second) = difference(scenario, source) {
        panic!("{second}");
    }
    let line = format!("DIFFERED ONCE, and not again: {first}\n");
    // Not eprintln: what a test prints by that is shown only if it fails.
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}

/// The first step that differs.
fn difference(scenario: &Scenario, source: Option<&Server>) -> Option<String> {
    let [real, ours] = [Which::Real, Which::Ours].map(|which| {
        if let Some(source) = source {
            source.reset();
        }
        run(which, scenario, source)
    });
    for ((step, real), (_, ours)) in real.iter().zip(&ours) {
        if real == ours {
            continue;
        }
        let at = real
            .iter()
            .zip(ours)
            .position(|(a, b)| a != b)
            .unwrap_or(real.len().min(ours.len()));
        let part = |lines: &[String]| {
            lines
                .iter()
                .skip(at.saturating_sub(6))
                .take(16)
                .cloned()
                .collect::<Vec<_>>()
                .join("\n  ")
        };
        return Some(format!(
            "{step}\nfrom line {at}\nredis-cli:\n  {}\nours:\n  {}",
            part(real),
            part(ours)
        ));
    }
    None
}
