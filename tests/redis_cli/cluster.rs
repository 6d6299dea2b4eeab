//! `--cluster`, each subcommand on a cluster of real nodes, through both programs: the same output, the same commands to the same nodes in the
//! same order, and the same cluster afterwards.

use std::ffi::OsString;
use std::io::Write;

use crate::both::{Said, Which, call, converse, is_here};
use crate::nodes::{Kind, Nodes, named};
use crate::server::Server;
use crate::support::turns::Turns;
use crate::terminal::converse_at_terminal;
use crate::words::{unescaped, words};

/// What is done, line by line:
///
/// - `redis-cli …`: a call that is compared; after ` ?? ` come the answers to its questions, separated by ` | `;
///   After ` << ` comes its standard input;
/// - `terminal: redis-cli …`: the same at a terminal, where `^D` is an answer too;
/// - `N: …`: a command to node N, past its door;
/// - `keys`: writes a hundred keys;
/// - `real: …`: only on real nodes;
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

/// Lines of each step.
type Told = Vec<(String, Vec<String>)>;

/// What a program said, told and left on such nodes, a line a step.
fn run(which: Which, kind: Kind, scenario: &Scenario, source: Option<&Server>) -> Told {
    let mut nodes = Nodes::start(kind, scenario.nodes, scenario.one_host, scenario.more);
    let mut told = Vec::new();
    for whole in scenario.steps {
        let real_only = whole.strip_prefix("real: ");
        if real_only.is_some() && kind != Kind::Real {
            told.push(((*whole).to_owned(), Vec::new()));
            continue;
        }
        let step = real_only.unwrap_or(whole);
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
        told.push(((*whole).to_owned(), lines));
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

/// Scenarios: each is three programs or more, on up to ten servers each.
static PLAYING: Turns = Turns::new(3);

/// Plays a scenario several times, each on nodes of its own: the real redis-cli on real nodes is what all others have to do as well. Real nodes do not do the
/// same twice: one may have heard of another a moment later. So a difference is shown, and counts if a second pair of runs has one as well; one that is the
/// program's own, or the double's, is there each time.
pub fn compare(scenario: &Scenario, source: Option<&Server>) {
    let _turn = PLAYING.take();
    let first = differences(&pairs(scenario), scenario, source);
    if first.is_empty() {
        return;
    }
    for (_, told) in &first {
        eprintln!("once only, so far: {told}");
    }
    let again: Vec<Pair> = first.iter().map(|(pair, _)| *pair).collect();
    let second = differences(&again, scenario, source);
    let texts: Vec<&str> = second.iter().map(|(_, told)| told.as_str()).collect();
    assert!(second.is_empty(), "{}", texts.join("\n\n"));
    for (_, told) in &first {
        let line = format!("DIFFERED ONCE, and not again: {told}\n");
        // Not eprintln: what a test prints by that is shown only if it fails.
        std::io::stderr().write_all(line.as_bytes()).unwrap();
    }
}

/// A program on some nodes.
type Side = (Which, Kind);
/// What is right, and what has to be the same.
type Pair = [Side; 2];

/// So many nodes are few.
const FEW: usize = 5;

/// What is compared: our program on real nodes, and the real one on nodes of the double, where a scenario has few nodes: those with more take minutes. With `LABRUNNER_SCENARIOS=all` also our program on nodes of the double,
/// and redis-cli 6.2 on both, if `.ci/servers` has fetched it.
fn pairs(scenario: &Scenario) -> Vec<Pair> {
    let right = (Which::Real, Kind::Real);
    let all = std::env::var("LABRUNNER_SCENARIOS").is_ok_and(|wish| wish == "all");
    let mut pairs = vec![[right, (Which::Ours, Kind::Real)]];
    if all || scenario.nodes <= FEW {
        pairs.push([right, (Which::Real, Kind::Double)]);
    }
    if all {
        pairs.push([right, (Which::Ours, Kind::Double)]);
        pairs.push([(Which::Old, Kind::Real), (Which::Old, Kind::Double)]);
    }
    pairs
}

/// Those pairs that differ, and how. All sides run at once, where they do not share a server: most of what they do is to wait.
fn differences(
    pairs: &[Pair],
    scenario: &Scenario,
    source: Option<&Server>,
) -> Vec<(Pair, String)> {
    let mut sides: Vec<Side> = pairs.iter().flatten().copied().collect();
    sides.sort_unstable();
    sides.dedup();
    let told: Vec<Told> = if source.is_some() {
        let one = |&(which, kind): &Side| {
            if let Some(source) = source {
                source.reset();
            }
            run(which, kind, scenario, source)
        };
        sides.iter().map(one).collect()
    } else {
        std::thread::scope(|scope| {
            let runs: Vec<_> = sides
                .iter()
                .map(|&(which, kind)| scope.spawn(move || run(which, kind, scenario, None)))
                .collect();
            runs.into_iter()
                .map(|run| {
                    run.join()
                        .unwrap_or_else(|why| std::panic::resume_unwind(why))
                })
                .collect()
        })
    };
    let of = |side: Side| &told[sides.iter().position(|other| *other == side).unwrap()];
    let differ = pairs.iter().filter_map(|pair| {
        let [right, other] = *pair;
        // Nodes of the double bring each other keys without a connection.
        let direct = right.1 == Kind::Double || other.1 == Kind::Double;
        let told = difference(of(right), of(other), direct)?;
        Some((*pair, format!("{right:?} against {other:?}: {told}")))
    });
    differ.collect()
}

/// The first step that differs.
fn difference(right: &Told, other: &Told, direct: bool) -> Option<String> {
    let kept = |lines: &[String]| -> Vec<String> {
        // A node that brings keys keeps its connection for ten seconds: whether it says SELECT again is a matter of time.
        let told = |line: &&String| {
            !(line.ends_with(": SELECT 0") || direct && line.contains(": RESTORE-ASKING "))
        };
        lines.iter().filter(told).cloned().collect()
    };
    for ((step, right), (_, other)) in right.iter().zip(other) {
        let (right, other) = (kept(right), kept(other));
        if right == other || step.starts_with("real: ") && (right.is_empty() || other.is_empty()) {
            continue;
        }
        let at = right
            .iter()
            .zip(&other)
            .position(|(a, b)| a != b)
            .unwrap_or(right.len().min(other.len()));
        let part = |lines: &[String]| {
            let part: Vec<String> = lines
                .iter()
                .skip(at.saturating_sub(6))
                .take(16)
                .cloned()
                .collect();
            part.join("\n  ")
        };
        return Some(format!(
            "{step}\nfrom line {at}\nthe first:\n  {}\nthe second:\n  {}",
            part(&right),
            part(&other)
        ));
    }
    None
}
