//! `redis-cli …`: a client's call to a node of this environment, or an administration command (`--cluster …`).

use super::words::Word;
use super::{LineFault, Parsed, Value};
use crate::lab::action::RedisCliCall;
use crate::lab::environment::CourseNode;
use crate::lab::fault::{nearest, suggest};

/// A line of redis-cli that was understood.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RedisCliLine {
    host: Option<Word>,
    port: Option<Word>,
    options: Vec<Word>,
    words: Vec<Word>,
    cluster_mode: bool,
}

/// Options without a value that a lab can use (redis-cli 6.2 to 8.2).
pub(in crate::lab) const FLAGS: [&str; 16] = [
    "-c",
    "-e",
    "-2",
    "-3",
    "-x",
    "--raw",
    "--no-raw",
    "--csv",
    "--json",
    "--quoted-json",
    "--quoted-input",
    "--no-auth-warning",
    "--scan",
    "--bigkeys",
    "--memkeys",
    "--verbose",
];
/// Options with a value.
pub(in crate::lab) const VALUES: [&str; 11] = [
    "-h",
    "-p",
    "-a",
    "--pass",
    "--user",
    "-n",
    "-r",
    "-i",
    "-d",
    "--pattern",
    "--count",
];
/// Options that work on the files, sockets or terminal of the machine on which redis-cli runs; of those a lab has none.
pub(in crate::lab) const FILES: [&str; 12] = [
    "--eval",
    "--ldb",
    "--ldb-sync-mode",
    "--rdb",
    "--functions-rdb",
    "--pipe",
    "-s",
    "--tls",
    "--cacert",
    "--cert",
    "--key",
    "--show-pushes",
];
pub(in crate::lab) const SUBCOMMANDS: [&str; 11] = [
    "create",
    "check",
    "info",
    "fix",
    "reshard",
    "rebalance",
    "add-node",
    "del-node",
    "call",
    "set-timeout",
    "import",
];
/// Those that change nothing. `call` does whatever it is told, and `fix` changes what it finds.
pub(in crate::lab) const LOOKING: [&str; 2] = ["check", "info"];
/// The options of `--cluster`, with whether they take a value.
pub(in crate::lab) const CLUSTER_OPTIONS: [(&str, bool); 23] = [
    ("--cluster-replicas", true),
    ("--cluster-search-multiple-owners", false),
    ("--cluster-fix-with-unreachable-masters", false),
    ("--cluster-from", true),
    ("--cluster-to", true),
    ("--cluster-slots", true),
    ("--cluster-yes", false),
    ("--cluster-timeout", true),
    ("--cluster-pipeline", true),
    ("--cluster-replace", false),
    ("--cluster-weight", true),
    ("--cluster-use-empty-masters", false),
    ("--cluster-simulate", false),
    ("--cluster-threshold", true),
    ("--cluster-slave", false),
    ("--cluster-replica", false),
    ("--cluster-master-id", true),
    ("--cluster-only-masters", false),
    ("--cluster-only-replicas", false),
    ("--cluster-from-user", true),
    ("--cluster-from-pass", true),
    ("--cluster-from-askpass", false),
    ("--cluster-copy", false),
];

impl RedisCliLine {
    /// All words of the line with places to fill in.
    pub fn words(&self) -> impl Iterator<Item = &Word> {
        self.host
            .iter()
            .chain(&self.port)
            .chain(&self.options)
            .chain(&self.words)
    }

    /// The node that slots are taken from, where the line moves slots away from one named node (`reshard --cluster-from ID`).
    pub fn moves_from(&self) -> Option<&Word> {
        let reshards =
            self.cluster_mode && self.words.first().and_then(Word::literal) == Some("reshard");
        let at = self
            .words
            .iter()
            .position(|word| word.literal() == Some("--cluster-from"))?;
        self.words
            .get(at + 1)
            .filter(|word| reshards && word.literal() != Some("all"))
    }

    /// Whether it has no command of its own, and so reads commands from the standard input, a line each, and sends all of
    /// them on one connection.
    pub fn reads_commands(&self) -> bool {
        let alone =
            |word: &Word| matches!(word.literal(), Some("--scan" | "--bigkeys" | "--memkeys"));
        self.words.is_empty() && !self.cluster_mode && !self.options.iter().any(alone)
    }

    /// The option by which it reads the last argument of its command from the standard input: `-x`.
    pub fn stdin_option(&self) -> Option<&Word> {
        self.options
            .iter()
            .find(|word| word.literal() == Some("-x"))
    }

    /// The subcommand of `--cluster`, if it is one that changes something or may do so.
    pub(super) fn changing_subcommand(&self) -> Option<&Word> {
        let subcommand = self.words.first().filter(|_| self.cluster_mode)?;
        (!LOOKING.contains(&subcommand.as_written())).then_some(subcommand)
    }

    pub(super) fn fill(&self, value: Value<'_>) -> Result<RedisCliCall, String> {
        let host = self
            .host
            .as_ref()
            .map(|word| word.fill(value))
            .transpose()?;
        let port = match &self.port {
            None => None,
            Some(word) => {
                let text = word.fill(value)?;
                Some(
                    text.parse()
                        .map_err(|_| format!("`{text}` is not a port"))?,
                )
            }
        };
        check_target(host.as_deref(), port)?;
        let options = self
            .options
            .iter()
            .map(|word| word.fill(value))
            .collect::<Result<_, _>>()?;
        let words: Vec<String> = self
            .words
            .iter()
            .map(|word| word.fill(value))
            .collect::<Result<_, _>>()?;
        if self.cluster_mode {
            words
                .iter()
                .skip(1)
                .try_for_each(|word| check_address(word))?;
        }
        Ok(RedisCliCall {
            host,
            port,
            options,
            words,
            cluster_mode: self.cluster_mode,
            stdin: None,
        })
    }
}

pub(super) fn parse(program: &Word, rest: &[Word]) -> Parsed<RedisCliLine> {
    let mut line = RedisCliLine::default();
    let mut faults = Vec::new();
    let mut words = rest.iter();
    while let Some(word) = words.next() {
        let text = word.as_written();
        if text == "--cluster" {
            line.cluster_mode = true;
            line.words = words.cloned().collect();
            break;
        } else if VALUES.contains(&text) {
            let Some(value) = words.next() else {
                faults.push(LineFault::new(
                    word.range.clone(),
                    format!("`{text}` needs a value"),
                    "here",
                ));
                break;
            };
            match text {
                "-h" => line.host = Some(value.clone()),
                "-p" => line.port = Some(value.clone()),
                _ => line.options.extend([word.clone(), value.clone()]),
            }
        } else if FLAGS.contains(&text) {
            line.options.push(word.clone());
        } else if FILES.contains(&text) {
            faults.push(LineFault::new(
                word.range.clone(),
                format!(
                    "`{text}` works on files, sockets or the terminal, and a lab has none of these"
                ),
                "here",
            ));
        } else if text.starts_with('-') && word.literal().is_some() {
            let known: Vec<&str> = FLAGS
                .iter()
                .chain(&VALUES)
                .copied()
                .chain(["--cluster"])
                .collect();
            let (label, help) = suggest(text, &known);
            let mut fault = LineFault::new(
                word.range.clone(),
                format!("`{text}` is not an option of redis-cli that a lab can use"),
                label,
            );
            fault.help = help;
            faults.push(fault);
        } else {
            line.words = std::iter::once(word).chain(words).cloned().collect();
            break;
        }
    }
    if line.cluster_mode {
        check_cluster_mode(program, &line, &mut faults);
    } else if faults.is_empty() {
        check_plain(program, &line, &mut faults);
    }
    if faults.is_empty() {
        Ok(line)
    } else {
        Err(faults)
    }
}

fn check_plain(program: &Word, line: &RedisCliLine, faults: &mut Vec<LineFault>) {
    let literal = |word: &Option<Word>| word.as_ref().map(|word| word.literal().map(str::to_owned));
    match (literal(&line.host), literal(&line.port)) {
        (None, None) => faults.push(
            LineFault::new(
                program.range.clone(),
                "which node? redis-cli would ask port 6379, where none is",
                "add `-p 7001`",
            )
            .help("the nodes are on the ports 7001 to 7008"),
        ),
        // What a value brings is checked when it is there.
        (Some(None), _) | (_, Some(None)) => {}
        (host, port) => {
            let (host, port) = (host.flatten(), port.flatten());
            let is_other = |host: &&str| !is_loopback(host) && CourseNode::at_host(host).is_none();
            let to_blame = if host.as_deref().filter(is_other).is_some() {
                &line.host
            } else {
                &line.port
            };
            let place = to_blame
                .as_ref()
                .or(line.host.as_ref())
                .map_or(program.range.clone(), |word| word.range.clone());
            match port.as_deref().map(str::parse::<u16>) {
                Some(Err(_)) => {
                    faults.push(LineFault::new(
                        place,
                        format!("`{}` is not a port", port.unwrap_or_default()),
                        "here",
                    ));
                }
                parsed => {
                    if let Err(what) = check_target(host.as_deref(), parsed.and_then(Result::ok)) {
                        faults.push(
                            LineFault::new(place, what, "here").help(
                                "the nodes are redis-1 to redis-8, on the ports 7001 to 7008",
                            ),
                        );
                    }
                }
            }
        }
    }
}

/// Whether host and port, as typed, are those of one node.
fn check_target(host: Option<&str>, port: Option<u16>) -> Result<(), String> {
    let by_host = match host {
        None => None,
        Some(host) if is_loopback(host) => None,
        Some(host) => Some(
            CourseNode::at_host(host)
                .ok_or_else(|| format!("`{host}` is not a node of this environment"))?,
        ),
    };
    match (by_host, port) {
        (Some(node), Some(port)) if node.port() != port => Err(format!(
            "{} is on port {}, not {port}",
            node.name(),
            node.port()
        )),
        (Some(node), None) => Err(format!(
            "{} is on port {}: add `-p {}`",
            node.name(),
            node.port(),
            node.port()
        )),
        (None, Some(port)) if CourseNode::on_port(port).is_none() => {
            Err(format!("there is no node on port {port}"))
        }
        _ => Ok(()),
    }
}

fn is_loopback(host: &str) -> bool {
    matches!(host, "127.0.0.1" | "localhost" | "::1")
}

/// Whether a word that looks like `host:port` is the address of a node.
fn check_address(word: &str) -> Result<(), String> {
    let Some((host, port)) = word.rsplit_once(':') else {
        return Ok(());
    };
    match port.parse::<u16>() {
        Ok(port) => check_target(Some(host), Some(port)),
        Err(_) => Ok(()),
    }
}

fn check_cluster_mode(program: &Word, line: &RedisCliLine, faults: &mut Vec<LineFault>) {
    let Some((subcommand, rest)) = line.words.split_first() else {
        faults.push(
            LineFault::new(
                program.range.clone(),
                "`--cluster` needs a subcommand",
                "here",
            )
            .help(format!("one of {}", SUBCOMMANDS.join(", "))),
        );
        return;
    };
    let name = subcommand.as_written();
    if !SUBCOMMANDS.contains(&name) {
        let (label, help) = suggest(name, &SUBCOMMANDS);
        let mut fault = LineFault::new(
            subcommand.range.clone(),
            format!("`{name}` is not a subcommand of `redis-cli --cluster`"),
            label,
        );
        fault.help = help;
        faults.push(fault);
        return;
    }
    let mut addresses = 0;
    let mut says_yes = false;
    let mut words = rest.iter();
    while let Some(word) = words.next() {
        let text = word.as_written();
        if text.starts_with("--") {
            match CLUSTER_OPTIONS.iter().find(|(option, _)| *option == text) {
                Some((option, takes_value)) => {
                    says_yes |= *option == "--cluster-yes";
                    if *takes_value && words.next().is_none() {
                        faults.push(LineFault::new(
                            word.range.clone(),
                            format!("`{text}` needs a value"),
                            "here",
                        ));
                    }
                }
                None => {
                    let known = CLUSTER_OPTIONS.map(|(option, _)| option);
                    let label = nearest(text, known)
                        .map_or("here".to_owned(), |near| format!("did you mean `{near}`?"));
                    faults.push(LineFault::new(
                        word.range.clone(),
                        format!("`{text}` is not an option of `redis-cli --cluster`"),
                        label,
                    ));
                }
            }
        } else {
            addresses += 1;
            let is_command = name == "call" && addresses > 1;
            if let Some(Err(what)) = word.literal().filter(|_| !is_command).map(check_address) {
                faults.push(
                    LineFault::new(word.range.clone(), what, "here")
                        .help("the nodes are redis-1 to redis-8, on the ports 7001 to 7008"),
                );
            }
        }
    }
    if addresses == 0 {
        faults.push(
            LineFault::new(
                subcommand.range.clone(),
                format!("`{name}` isn't told which cluster"),
                "add an address",
            )
            .help("any node's will do: `127.0.0.1:7001`"),
        );
    }
    if matches!(name, "create" | "reshard") && !says_yes {
        faults.push(
            LineFault::new(
                subcommand.range.clone(),
                format!("`{name}` asks before it begins, and nobody is there to answer"),
                "asks",
            )
            .help("add `--cluster-yes` at the end of the line"),
        );
    }
}
