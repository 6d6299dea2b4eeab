//! `labrunner book`

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Args, CommandFactory, Parser, Subcommand, error::ErrorKind};
use mdbook_preprocessor::Preprocessor;

use super::exit_code::Exit;
use super::output::{complain, complain_with_help, count, say};
use crate::book::gate::{self, Commands, Gate};
use crate::book::serve::{self, Told};
use crate::book::{Guide, drive, supports};

#[derive(Debug, Args)]
#[command(
    after_help = "Without a subcommand it is a preprocessor of mdBook. In book.toml:\n\n  [preprocessor.labrunner]\n  command = \"labrunner book\"\n  before = [\"links\"]\n  labs = \"../labs\"\n  recordings = \"../fixtures/recordings\""
)]
pub struct Arguments {
    #[command(subcommand)]
    command: Option<BookCommand>,
}

#[derive(Debug, Subcommand)]
enum BookCommand {
    /// Make the pages of a book
    Build {
        /// The book: a folder with a book.toml
        #[arg(default_value = "book", value_name = "BOOK")]
        book: PathBuf,
        /// Where the pages are put, in place of the folder that book.toml names
        #[arg(long, value_name = "DIR")]
        to: Option<PathBuf>,
    },
    /// Show a book to a browser on this machine, and make its pages again when something changes
    Serve {
        /// The book: a folder with a book.toml
        #[arg(default_value = "book", value_name = "BOOK")]
        book: PathBuf,
        /// The port; 0 takes one that is free
        #[arg(long, default_value_t = 3000, value_name = "PORT")]
        port: u16,
        /// Where the pages are put, in place of the folder that book.toml names
        #[arg(long, value_name = "DIR")]
        to: Option<PathBuf>,
    },
    /// Find where a book, its labs and their recordings have drifted apart
    Check {
        /// The book: a folder with a book.toml
        #[arg(default_value = "book", value_name = "BOOK")]
        book: PathBuf,
        /// Days after which a recording is too old
        #[arg(long, default_value_t = 180, value_name = "DAYS")]
        max_age: u64,
    },
    /// Say by the exit code whether a renderer of mdBook is supported: what mdBook asks a preprocessor
    Supports {
        /// The renderer's name
        renderer: String,
    },
}

/// Builds, shows or checks a book, or works as a preprocessor.
pub fn run(arguments: &Arguments) -> Exit {
    let guide = Guide {
        command_line: command_line(),
    };
    match &arguments.command {
        None => preprocess(&guide),
        Some(BookCommand::Supports { renderer }) => match supports(renderer) {
            true => Exit::Passed,
            false => Exit::Failed,
        },
        Some(BookCommand::Build { book, to }) => build(book, to.as_deref(), &guide),
        Some(BookCommand::Serve { book, port, to }) => show(book, *port, to.as_deref(), &guide),
        Some(BookCommand::Check { book, max_age }) => check(book, *max_age, &guide),
    }
}

fn preprocess(guide: &Guide) -> Exit {
    if io::stdin().is_terminal() {
        complain_with_help(
            "without a subcommand it is mdBook that calls this, and hands over a book",
            "labrunner book build, labrunner book serve, labrunner book check",
        );
        return Exit::Usage;
    }
    let (context, book) = match mdbook_preprocessor::parse_input(io::stdin()) {
        Ok(input) => input,
        Err(error) => {
            complain_with_help(
                &format!("this is not what mdBook 0.5 hands to a preprocessor: {error:#}"),
                "use mdBook 0.5, or labrunner book build, which needs none",
            );
            return Exit::Usage;
        }
    };
    let written = match guide.run(&context, book) {
        Ok(book) => serde_json::to_string(&book)
            .map_err(io::Error::other)
            .and_then(|text| {
                let mut out = io::stdout().lock();
                out.write_all(text.as_bytes()).and_then(|()| out.flush())
            }),
        Err(error) => {
            complain(format!("error: {error:#}"));
            return Exit::Failed;
        }
    };
    match written {
        Ok(()) => Exit::Passed,
        Err(error) => {
            complain(format!("error: the book can't be handed back: {error}"));
            Exit::Unavailable
        }
    }
}

fn is_book(book: &Path) -> Result<(), Exit> {
    if book.join("book.toml").is_file() {
        return Ok(());
    }
    complain_with_help(
        &format!("{} is no book: it has no book.toml", book.display()),
        "name the folder that has one, as in labrunner book build book",
    );
    Err(Exit::Usage)
}

fn build(book: &Path, to: Option<&Path>, guide: &Guide) -> Exit {
    if let Err(exit) = is_book(book) {
        return exit;
    }
    match drive::build(book, to, guide) {
        Ok(folder) => {
            say(format!("built: {}", folder.join("index.html").display()));
            Exit::Passed
        }
        Err(error) => {
            complain(format!("error: {error:#}"));
            Exit::Failed
        }
    }
}

fn show(book: &Path, port: u16, to: Option<&Path>, guide: &Guide) -> Exit {
    if let Err(exit) = is_book(book) {
        return exit;
    }
    let tell = |told: Told<'_>| match told {
        Told::At(address) => say(format!("serving {address} until Ctrl-C")),
        Told::Built => say("built again; load the page again"),
        Told::NotBuilt(error) => complain(format!("error: {error:#}")),
    };
    match serve::serve(book, to, port, guide, &tell) {
        Ok(()) => Exit::Passed,
        Err(error) => {
            complain(format!("error: {error:#}"));
            Exit::Failed
        }
    }
}

fn check(book: &Path, max_age: u64, guide: &Guide) -> Exit {
    if let Err(exit) = is_book(book) {
        return exit;
    }
    let today = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs() / 86_400);
    let gate = Gate {
        max_age,
        today,
        commands: &Own,
    };
    match gate::check(book, guide, &gate) {
        Ok((faults, looked)) if faults.is_empty() => {
            say(format!(
                "{}: {}, {}, {}, {}, {}: all as it is",
                book.display(),
                count(looked.chapters, "chapter"),
                count(looked.labs, "lab"),
                count(looked.directives, "directive"),
                count(looked.links, "link"),
                count(looked.commands, "command"),
            ));
            Exit::Passed
        }
        Ok((faults, _)) => {
            for fault in &faults {
                complain(fault.to_string());
            }
            complain(format!(
                "\n{}: {}",
                book.display(),
                count(faults.len(), "fault")
            ));
            Exit::Failed
        }
        Err(error) => {
            complain(format!("error: {error:#}"));
            Exit::Failed
        }
    }
}

/// The commands of this binary.
struct Own;

impl Commands for Own {
    fn understand(&self, words: &[String]) -> Result<(), String> {
        let parsed = match words.first().map(String::as_str) {
            Some("app") => super::AppArguments::try_parse_from(words).map(|_| ()),
            _ => super::Arguments::try_parse_from(words).map(|_| ()),
        };
        match parsed {
            Ok(()) => Ok(()),
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
                ) =>
            {
                Ok(())
            }
            Err(error) => {
                let text = error.to_string();
                let first = text.lines().next().unwrap_or_default();
                Err(first.trim_start_matches("error: ").to_owned())
            }
        }
    }
}

/// The commands with all they understand, as Markdown: a heading for each, and its help.
fn command_line() -> String {
    let mut root = super::Arguments::command().term_width(90);
    root.build();
    let mut out = format!("```text\n{}```\n\n", help(&mut root));
    for command in root.get_subcommands_mut() {
        add(command, "labrunner", 2, &mut out);
    }
    out
}

fn add(command: &mut clap::Command, above: &str, level: usize, out: &mut String) {
    if command.get_name() == "help" || command.is_hide_set() {
        return;
    }
    let name = format!("{above} {}", command.get_name());
    *out += &format!(
        "{} `{name}`\n\n```text\n{}```\n\n",
        "#".repeat(level),
        help(command)
    );
    for inner in command.get_subcommands_mut() {
        add(inner, &name, (level + 1).min(4), out);
    }
}

/// What `--help` prints, without blanks at the ends of lines.
fn help(command: &mut clap::Command) -> String {
    let text = command.render_long_help().to_string();
    text.lines()
        .map(|line| format!("{}\n", line.trim_end()))
        .collect()
}
