//! What a lab may write behind `./app` is what the application takes: the language's own table is held against the program's help.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use labrunner::lab::line::Line;
use labrunner::lab::reference;

/// The options of a command, each with whether a value belongs to it.
type Options = BTreeMap<String, bool>;

/// What a command takes.
#[derive(Debug, Default, PartialEq)]
struct Takes {
    options: Options,
    /// Those that it can't do without; of an either-or both.
    required: BTreeSet<String>,
}

/// What `app help WORD…` prints.
fn help(words: &[&str]) -> String {
    let ended = Command::new(env!("CARGO_BIN_EXE_app"))
        .arg("help")
        .args(words)
        .output()
        .unwrap();
    assert!(ended.status.success(), "{words:?}");
    String::from_utf8(ended.stdout).unwrap()
}

/// The words of the list `Commands:`.
fn listed(help: &str) -> Vec<String> {
    help.lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| line.starts_with("  "))
        .filter_map(|line| {
            line.strip_prefix("  ")?
                .split(' ')
                .next()
                .filter(|word| !word.is_empty())
        })
        .filter(|word| *word != "help")
        .map(str::to_owned)
        .collect()
}

/// The program's commands, those of two words in full.
fn commands() -> Vec<String> {
    let mut commands = Vec::new();
    for word in listed(&help(&[])) {
        let second = listed(&help(&[&word]));
        if second.is_empty() {
            commands.push(word);
        } else {
            commands.extend(second.iter().map(|second| format!("{word} {second}")));
        }
    }
    commands
}

/// The options that a help describes.
fn options(help: &str) -> Options {
    let described = help.lines().filter_map(|line| {
        let line = line.trim_start();
        let line = line.strip_prefix("-h, ").unwrap_or(line);
        let line = line.strip_prefix("-V, ").unwrap_or(line);
        let described = line.starts_with("--").then_some(line)?;
        let (name, rest) = described.split_once(' ').unwrap_or((described, ""));
        Some((name.to_owned(), rest.starts_with('<')))
    });
    // These two answer of themselves, and call nothing.
    described
        .filter(|(name, _)| !["--help", "--version"].contains(&&**name))
        .collect()
}

/// What the program takes, without what goes with every command.
fn of_the_program(command: &str) -> Takes {
    let help = help(&command.split(' ').collect::<Vec<_>>());
    let every = options(&self::help(&[]));
    let usage = help
        .lines()
        .find_map(|line| line.strip_prefix("Usage: "))
        .unwrap();
    Takes {
        options: options(&help)
            .into_iter()
            .filter(|(name, _)| !every.contains_key(name))
            .collect(),
        required: usage
            .split(|c: char| c.is_whitespace() || "<>|[]".contains(c))
            .filter(|word| word.starts_with("--"))
            .map(str::to_owned)
            .collect(),
    }
}

/// The commands of the language's reference, which is made from its table.
fn of_the_language() -> BTreeMap<String, Takes> {
    let reference = reference::markdown();
    let rows = reference
        .lines()
        .filter_map(|line| line.strip_prefix("| `./app ")?.split_once("` |"));
    let mut commands = BTreeMap::new();
    for (typed, _) in rows {
        let typed = typed.replace("\\|", "|");
        let begins = [" --", " [", " ("];
        let end = begins.iter().filter_map(|begin| typed.find(begin)).min();
        let (name, rest) = typed.split_at(end.unwrap_or(typed.len()));
        let mut takes = Takes::default();
        let mut words = rest.split(' ').peekable();
        while let Some(word) = words.next() {
            let bare = word.trim_matches(['[', ']', '(', ')']);
            if bare.starts_with("--") {
                let valued = !word.ends_with(']')
                    && words
                        .peek()
                        .is_some_and(|next| next.starts_with(char::is_uppercase));
                takes.options.insert(bare.to_owned(), valued);
                if !word.starts_with('[') {
                    takes.required.insert(bare.to_owned());
                }
            }
        }
        commands.insert(name.to_owned(), takes);
    }
    commands
}

/// How the language reads an option that stands last.
#[derive(Debug, PartialEq)]
enum Read {
    Flag,
    Value,
    Refused,
    Unknown,
}

fn read(command: &str, option: &str) -> Read {
    let faults = match Line::parse(&format!("./app {command} {option}")) {
        Ok(_) => return Read::Flag,
        Err(faults) => faults,
    };
    let says = |what: &str| faults.iter().any(|fault| fault.what.contains(what));
    if says(&format!("`{option}` needs a value")) {
        Read::Value
    } else if says(&format!("a lab can't use `{option}`")) {
        Read::Refused
    } else if says(&format!("`{option}` is not an option")) {
        Read::Unknown
    } else {
        Read::Flag
    }
}

/// Options that read or write files; there are none in a lab.
const OF_FILES: [&str; 2] = ["--histogram", "--claims"];

#[test]
fn the_commands_are_the_program_s() {
    let language: Vec<String> = of_the_language().into_keys().collect();
    let mut program = commands();
    program.sort();
    assert_eq!(language, program);
    assert!(program.contains(&"session login".to_owned()), "{program:?}");
}

#[test]
fn their_options_are_the_program_s() {
    for (command, language) in of_the_language() {
        let mut program = of_the_program(&command);
        program
            .options
            .retain(|name, _| !OF_FILES.contains(&&**name));
        if command == "watch" {
            // The program goes on until somebody has seen enough, which nobody does in a lab.
            assert!(program.required.insert("--for".to_owned()));
        }
        assert_eq!(language, program, "{command}");
    }
}

#[test]
fn an_option_is_read_as_the_program_reads_it() {
    for command in commands() {
        for (option, valued) in options(&help(&command.split(' ').collect::<Vec<_>>())) {
            let found = read(&command, &option);
            let wanted = if valued { Read::Value } else { Read::Flag };
            let of_the_lab = [
                "--nodes",
                "--map",
                "--config",
                "--username",
                "--password",
                "--database-url",
                "--color",
            ];
            if of_the_lab.contains(&&*option) || OF_FILES.contains(&&*option) {
                assert_eq!(found, Read::Refused, "{command} {option}");
            } else {
                assert_eq!(found, wanted, "{command} {option}");
            }
        }
        assert_eq!(read(&command, "--no-such-option"), Read::Unknown);
    }
}

/// What goes with every command in the language does so in the program.
#[test]
fn what_goes_with_every_command_does_in_the_program() {
    let reference = reference::markdown();
    let every = reference
        .lines()
        .find_map(|line| line.strip_prefix("- These options go with every command: "))
        .and_then(|line| line.split_once(". "))
        .map(|(list, _)| list)
        .unwrap();
    let program = options(&help(&[]));
    let language: Vec<&str> = every
        .split(", ")
        .map(|name| name.trim_matches('`'))
        .collect();
    assert!(language.contains(&"--json"), "{language:?}");
    for name in language {
        assert!(program.contains_key(name), "{name}");
    }
}
