//! The options, read as redis-cli reads them: one after another, until the first word that is none begins the command.

use std::io;
use std::time::Duration;

use super::cluster::ClusterCall;
use super::format::{Delimiters, Style};
use super::link::Place;
use super::numbers::{leading_float, leading_integer};
use super::surroundings::Surroundings;
use super::uri;

/// The protocol that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Protocol {
    /// None was: the server's first, which is RESP2.
    #[default]
    Unsaid,
    /// `-2`.
    Resp2,
    /// `-3`.
    Resp3,
    /// By `--json`, which is the better for it: where a server doesn't have it nothing is said.
    Resp3IfThere,
}

/// Where `-x` and `-X` put what standard input has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum FromInput {
    /// After the last argument.
    Last,
    /// In place of the argument that is this tag.
    Tag(Vec<u8>),
}

/// Who the caller is, to the server.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Login {
    /// The user of `--user`; without one, the default user.
    pub(super) user: Option<Vec<u8>>,
    /// The password; without one, nothing is said.
    pub(super) password: Option<Vec<u8>>,
}

/// All that a call says.
#[derive(Debug, Clone)]
pub(super) struct Options {
    pub(super) host: String,
    pub(super) port: i64,
    pub(super) socket: Option<String>,
    pub(super) login: Login,
    pub(super) database: i64,
    pub(super) protocol: Protocol,
    /// How often; below 0 without end.
    pub(super) repeat: i64,
    /// Between two of them.
    pub(super) interval: Duration,
    pub(super) from_input: Option<FromInput>,
    pub(super) style: Style,
    pub(super) delimiters: Delimiters,
    pub(super) show_pushes: bool,
    /// Words of the command are quoted texts.
    pub(super) quoted_input: bool,
    /// `-c`: redirections are followed.
    pub(super) follow: bool,
    /// `-e`: an error makes the exit code 1.
    pub(super) error_code: bool,
    pub(super) verbose: bool,
    pub(super) cluster: Option<ClusterCall>,
    /// The command.
    pub(super) words: Vec<Vec<u8>>,
}

/// What the arguments come to.
#[derive(Debug)]
pub(super) enum Parsed {
    /// A call.
    Call(Box<Options>),
    /// `--help`, or a call so wrong that help is the answer.
    Help { wrong: bool },
    /// `--version`.
    Version,
    /// The call is wrong; this is why.
    Wrong(String),
}

/// Options of redis-cli that are other programs, and not here.
const ELSEWHERE: [&str; 33] = [
    "--askpass",
    "--bigkeys",
    "--cacert",
    "--cacertdir",
    "--cert",
    "--cluster-from-askpass",
    "--eval",
    "--functions-rdb",
    "--hotkeys",
    "--insecure",
    "--intrinsic-latency",
    "--key",
    "--latency",
    "--latency-dist",
    "--latency-history",
    "--ldb",
    "--ldb-sync-mode",
    "--lru-test",
    "--memkeys",
    "--memkeys-samples",
    "--pattern",
    "--pipe",
    "--pipe-timeout",
    "--quoted-pattern",
    "--rdb",
    "--replica",
    "--slave",
    "--scan",
    "--sni",
    "--stat",
    "--tls",
    "--tls-ciphers",
    "--tls-ciphersuites",
];

impl Options {
    fn new(surroundings: &Surroundings) -> Options {
        let formatted =
            surroundings.output_is_terminal || (surroundings.variable)("FAKETTY").is_some();
        Options {
            host: "127.0.0.1".to_owned(),
            port: 6379,
            socket: None,
            login: Login::default(),
            database: 0,
            protocol: Protocol::Unsaid,
            repeat: 1,
            interval: Duration::ZERO,
            from_input: None,
            style: if formatted {
                Style::Terminal
            } else {
                Style::Raw
            },
            delimiters: Delimiters {
                item: b"\n".to_vec(),
                reply: b"\n".to_vec(),
            },
            show_pushes: surroundings.output_is_terminal,
            quoted_input: false,
            follow: false,
            error_code: false,
            verbose: false,
            cluster: None,
            words: Vec::new(),
        }
    }

    /// The server that is asked first.
    pub(super) fn place(&self) -> Place {
        match &self.socket {
            Some(path) => Place::Socket(path.clone()),
            None => Place::Tcp(self.host.clone(), self.port),
        }
    }
}

/// Reads the arguments of a call.
///
/// # Errors
/// A warning can't be written to standard error.
pub(super) fn parse(arguments: &[Vec<u8>], surroundings: &mut Surroundings) -> io::Result<Parsed> {
    let mut reader = Reader {
        options: Options::new(surroundings),
        warnings: Vec::new(),
        password_is_visible: false,
        warns_of_password: true,
    };
    let mut rest = arguments;
    let parsed = loop {
        match reader.option(rest) {
            Ok(0) => break Ok(rest),
            Ok(used) => rest = rest.get(used..).unwrap_or_default(),
            Err(parsed) => break Err(parsed),
        }
    };
    surroundings
        .errors
        .write_all(reader.warnings.concat().as_bytes())?;
    let words = match parsed {
        Ok(words) => words.to_vec(),
        Err(parsed) => return Ok(parsed),
    };
    if reader.password_is_visible && reader.warns_of_password {
        surroundings.errors.write_all(VISIBLE_PASSWORD.as_bytes())?;
    }
    let mut options = reader.options;
    if options.login.password.is_none() {
        options.login.password = (surroundings.variable)("REDISCLI_AUTH").map(String::into_bytes);
    }
    if let Some(cluster) = &mut options.cluster {
        // As redis-cli goes by the terminal's name, also into a pipe.
        cluster.colour = (surroundings.variable)("TERM").is_some_and(|term| term.contains("xterm"));
    }
    options.words = words;
    Ok(Parsed::Call(Box::new(options)))
}

const VISIBLE_PASSWORD: &str = "Warning: Using a password with '-a' or '-u' option on the command line interface may not be safe.\n";

struct Reader {
    options: Options,
    warnings: Vec<String>,
    password_is_visible: bool,
    warns_of_password: bool,
}

impl Reader {
    /// Reads the option at the start of `rest` and says how many arguments it is; 0 where the command begins.
    fn option(&mut self, rest: &[Vec<u8>]) -> Result<usize, Parsed> {
        let Some((first, following)) = rest.split_first() else {
            return Ok(0);
        };
        let Ok(name) = std::str::from_utf8(first) else {
            return if first.first() == Some(&b'-') {
                Err(unrecognized(first))
            } else {
                Ok(0)
            };
        };
        if self.flag(name)? {
            return Ok(1);
        }
        match (name, following.first()) {
            ("-h", None) | ("--help", _) => Err(Parsed::Help { wrong: false }),
            ("-v" | "--version", _) => Err(Parsed::Version),
            ("--cluster", None) => Err(Parsed::Help { wrong: true }),
            ("--cluster", Some(command)) => {
                if self
                    .options
                    .cluster
                    .as_ref()
                    .is_some_and(ClusterCall::is_named)
                {
                    return Err(Parsed::Help { wrong: true });
                }
                let is_option = |argument: &Vec<u8>| argument.first() == Some(&b'-');
                let arguments = following
                    .iter()
                    .skip(1)
                    .take_while(|argument| !is_option(argument));
                let arguments: Vec<_> = arguments.cloned().collect();
                // A subcommand that looks like an option takes no arguments.
                let arguments = if is_option(command) {
                    Vec::new()
                } else {
                    arguments
                };
                let used = 2 + arguments.len();
                self.cluster().name(command, arguments);
                Ok(used)
            }
            ("--cluster-weight", Some(_)) => self.weights(following),
            (_, Some(value)) if self.valued(name, value)? => Ok(2),
            _ if ELSEWHERE.contains(&name) => Err(Parsed::Wrong(format!(
                "labrunner redis-cli has no {name}: only redis-cli itself does."
            ))),
            _ if name.starts_with('-') => Err(unrecognized(first)),
            _ => Ok(0),
        }
    }

    fn cluster(&mut self) -> &mut ClusterCall {
        self.options.cluster.get_or_insert_default()
    }

    /// Options without a value.
    fn flag(&mut self, name: &str) -> Result<bool, Parsed> {
        let options = &mut self.options;
        match name {
            "-c" => options.follow = true,
            "-e" => options.error_code = true,
            "-2" | "-3" => {
                let wanted = if name == "-2" {
                    Protocol::Resp2
                } else {
                    Protocol::Resp3
                };
                if !matches!(options.protocol, Protocol::Unsaid | Protocol::Resp3IfThere)
                    && options.protocol != wanted
                {
                    return Err(Parsed::Wrong(
                        "Options -2 and -3 are mutually exclusive.".to_owned(),
                    ));
                }
                options.protocol = wanted;
            }
            "-x" => {
                if matches!(options.from_input, Some(FromInput::Tag(_))) {
                    return Err(only_one_input());
                }
                options.from_input = Some(FromInput::Last);
            }
            "--raw" => options.style = Style::Raw,
            "--no-raw" => options.style = Style::Terminal,
            "--csv" => options.style = Style::Csv,
            "--json" | "--quoted-json" => {
                options.style = if name == "--json" {
                    Style::Json
                } else {
                    Style::QuotedJson
                };
                if options.protocol == Protocol::Unsaid {
                    options.protocol = Protocol::Resp3IfThere;
                }
            }
            "--quoted-input" => options.quoted_input = true,
            "--no-auth-warning" => self.warns_of_password = false,
            "--verbose" => options.verbose = true,
            _ => return Ok(name.starts_with("--cluster-") && self.cluster().flag(name)),
        }
        Ok(true)
    }

    /// Options with a value.
    fn valued(&mut self, name: &str, value: &[u8]) -> Result<bool, Parsed> {
        let text = || String::from_utf8_lossy(value).into_owned();
        let options = &mut self.options;
        match name {
            "-h" => options.host = text(),
            "-p" => options.port = leading_integer(value),
            "-s" => options.socket = Some(text()),
            "-n" => options.database = leading_integer(value),
            "-r" => options.repeat = leading_integer(value),
            "-i" => {
                let seconds = leading_float(value);
                options.interval = Duration::try_from_secs_f64(seconds).unwrap_or_default();
            }
            "-a" | "--pass" => {
                options.login.password = Some(value.to_vec());
                self.password_is_visible = true;
            }
            "--user" => options.login.user = Some(value.to_vec()),
            "-u" => {
                let uri = uri::parse(value).map_err(|why| Parsed::Wrong(why.to_owned()))?;
                self.password_is_visible |= uri.password.is_some();
                uri.apply(options);
            }
            "-X" => {
                if options.from_input == Some(FromInput::Last) {
                    return Err(only_one_input());
                }
                options.from_input = Some(FromInput::Tag(value.to_vec()));
            }
            "-d" => options.delimiters.item = value.to_vec(),
            "-D" => options.delimiters.reply = value.to_vec(),
            "--show-pushes" => match value.first().map(u8::to_ascii_lowercase) {
                Some(b'y') => options.show_pushes = true,
                Some(b'n') => options.show_pushes = false,
                _ => self.warnings.push(format!(
                    "Unknown --show-pushes value '{}' (valid: '[y]es', '[n]o')\n",
                    text()
                )),
            },
            _ => {
                return Ok(name.starts_with("--cluster-") && self.cluster().valued(name, value));
            }
        }
        Ok(true)
    }

    /// `--cluster-weight NODE=WEIGHT…`.
    fn weights(&mut self, following: &[Vec<u8>]) -> Result<usize, Parsed> {
        if self.cluster().weights.is_some() {
            let why = "WARNING: you cannot use --cluster-weight more than once.\n\
                       You can set more weights by adding them as a space-separated list, ie:\n\
                       --cluster-weight n1=w n2=w";
            return Err(Parsed::Wrong(why.to_owned()));
        }
        let is_weight = |word: &&Vec<u8>| !word.starts_with(b"--") && word.contains(&b'=');
        let weights: Vec<_> = following.iter().take_while(is_weight).cloned().collect();
        let used = 1 + weights.len();
        if !weights.is_empty() {
            self.cluster().weights = Some(weights);
        }
        Ok(used)
    }
}

fn only_one_input() -> Parsed {
    Parsed::Wrong("Options -x and -X are mutually exclusive.".to_owned())
}

fn unrecognized(option: &[u8]) -> Parsed {
    Parsed::Wrong(format!(
        "Unrecognized option or bad number of args for: '{}'",
        String::from_utf8_lossy(option)
    ))
}
