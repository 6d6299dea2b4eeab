//! Which files are meant: by name, by the directory that they stand in, or by a pattern that the shell has left alone.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use glob::{MatchOptions, Pattern};

use crate::lab::fault::nearest;

/// As a shell does it: a star stops at a slash, and passes over names that begin with a dot.
const AS_A_SHELL: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: true,
};

/// An argument that stands for no lab: what is wrong, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoLab {
    pub what: String,
    pub help: String,
}

/// The files that the arguments stand for, in the order of the arguments, and what is wrong with those that stand for none.
///
/// A directory stands for the `*.yaml` and `*.yml` directly in it, by name; a pattern for what a shell would put in its place. A file
/// that is named twice is there twice; one that is reached by its name and by a directory or a pattern, or by two of these, is there
/// once, at the first place.
pub fn resolve(arguments: &[PathBuf]) -> Vec<Result<PathBuf, NoLab>> {
    let mut found = Vec::new();
    // By its one true path: whether a file that is there already was named, or only reached.
    let mut known: BTreeMap<PathBuf, bool> = BTreeMap::new();
    for argument in arguments {
        let (files, named) = match expand(argument) {
            Ok(Expanded::Named) => (vec![argument.clone()], true),
            Ok(Expanded::Reached(files)) => (files, false),
            Err(no_lab) => {
                found.push(Err(no_lab));
                continue;
            }
        };
        for file in files {
            let path = file.canonicalize().unwrap_or_else(|_| file.clone());
            match known.get(&path) {
                Some(true) if named => {}
                Some(_) => continue,
                None => {
                    known.insert(path, named);
                }
            }
            found.push(Ok(file));
        }
    }
    found
}

enum Expanded {
    /// The argument is a file's name.
    Named,
    /// It stands for these files.
    Reached(Vec<PathBuf>),
}

fn expand(argument: &Path) -> Result<Expanded, NoLab> {
    let name = argument.display();
    match std::fs::metadata(argument) {
        Ok(there) if there.is_dir() => labs_in(argument).map(Expanded::Reached),
        Ok(_) => Ok(Expanded::Named),
        // A file may have any name, one with a star in it too.
        Err(_) if is_pattern(argument) => matching(argument).map(Expanded::Reached),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(NoLab {
            what: format!("{name}: {}", in_words(&error)),
            help: nearby(argument),
        }),
        Err(error) => Err(NoLab {
            what: format!("{name}: {}", in_words(&error)),
            help: "a lab is a readable text file".to_owned(),
        }),
    }
}

fn is_pattern(argument: &Path) -> bool {
    argument
        .to_str()
        .is_some_and(|text| text.contains(['*', '?', '[']))
}

fn is_lab(path: &Path) -> bool {
    let hidden = path
        .file_name()
        .is_some_and(|name| name.to_string_lossy().starts_with('.'));
    let ending = path.extension().and_then(|ending| ending.to_str());
    !hidden && matches!(ending, Some("yaml" | "yml"))
}

/// The labs directly in a directory, by name.
fn labs_in(folder: &Path) -> Result<Vec<PathBuf>, NoLab> {
    let name = folder.display();
    let unreadable = |error: io::Error| NoLab {
        what: format!("{name}: {}", in_words(&error)),
        help: "make the directory readable, or name the labs in it one by one".to_owned(),
    };
    let mut labs = Vec::new();
    let mut folders = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        // What leads nowhere is a lab that is not there, and told as that when it is read.
        if path.is_dir() {
            folders.push(path);
        } else if is_lab(&path) {
            labs.push(path);
        }
    }
    if !labs.is_empty() {
        labs.sort();
        return Ok(labs);
    }
    folders.sort();
    let has_labs = |folder: &&PathBuf| {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).any(|path| is_lab(&path))
    };
    let help = match folders.iter().find(has_labs) {
        Some(deeper) => format!(
            "its subdirectories are not looked into; did you mean {}?",
            deeper.display()
        ),
        None => "labs are files that end in .yaml or .yml".to_owned(),
    };
    Err(NoLab {
        what: format!("there are no labs in {name}"),
        help,
    })
}

/// What a shell would put in a pattern's place. It leaves a pattern alone that is quoted, or that nothing matches.
fn matching(pattern: &Path) -> Result<Vec<PathBuf>, NoLab> {
    let name = pattern.display();
    let wrong = |error: &dyn std::fmt::Display| NoLab {
        what: format!("{name} is not a pattern: {error}"),
        help: "`*` stands for any letters, `?` for one, `[0-3]` for one of these".to_owned(),
    };
    let text = pattern.to_string_lossy();
    let paths = glob::glob_with(&text, AS_A_SHELL).map_err(|error| wrong(&error.msg))?;
    let mut files = Vec::new();
    for path in paths {
        let path = path.map_err(|error| NoLab {
            what: format!("{}: {}", error.path().display(), in_words(error.error())),
            help: format!("make it readable, or take a narrower pattern than {name}"),
        })?;
        if path.is_dir() {
            files.extend(labs_in(&path)?);
        } else {
            files.push(path);
        }
    }
    if !files.is_empty() {
        return Ok(files);
    }
    let folder = folder_of(pattern);
    let readable = !is_pattern(folder) && folder.is_dir();
    Err(NoLab {
        what: format!("no file matches {name}"),
        help: if readable {
            what_is_in(folder)
        } else {
            format!(
                "the labs of a directory are named by the directory: {}",
                first_plain_folder(pattern).display()
            )
        },
    })
}

/// The part of a pattern before the first name that is one.
fn first_plain_folder(pattern: &Path) -> PathBuf {
    let plain = pattern.components().take_while(|part| {
        Pattern::escape(&part.as_os_str().to_string_lossy()) == part.as_os_str().to_string_lossy()
    });
    let folder: PathBuf = plain.collect();
    if folder.as_os_str().is_empty() {
        PathBuf::from(".")
    } else {
        folder
    }
}

fn folder_of(file: &Path) -> &Path {
    file.parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

/// An input or output error, as people say it.
pub fn in_words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "no such file".to_owned(),
        io::ErrorKind::PermissionDenied => "not readable: permission denied".to_owned(),
        _ => error.to_string(),
    }
}

/// What is there instead of a file that is not.
pub fn nearby(file: &Path) -> String {
    let folder = folder_of(file);
    if !folder.exists() {
        return format!("there is no folder {}", folder.display());
    }
    let labs = names_in(folder);
    let typed = file
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    match nearest(&typed, labs.iter().map(String::as_str)) {
        Some(near) => format!("did you mean {}?", file.with_file_name(near).display()),
        None => what_is_in(folder),
    }
}

fn what_is_in(folder: &Path) -> String {
    let labs = names_in(folder);
    if labs.is_empty() {
        format!("there are no labs in {}", folder.display())
    } else {
        format!("in {} there are {}", folder.display(), labs.join(", "))
    }
}

fn names_in(folder: &Path) -> Vec<String> {
    let mut labs: Vec<String> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| is_lab(&entry.path()))
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    labs.sort();
    labs
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rstest::rstest;

    use super::*;

    /// A folder with labs and other things in it.
    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for deeper in ["labs/deeper", "empty", "outer/inner"] {
            fs::create_dir_all(at(deeper)).unwrap();
        }
        for file in [
            "labs/02-b.yaml",
            "labs/01-a.yaml",
            "labs/10-c.yml",
            "labs/README.md",
            "labs/.hidden.yaml",
            "labs/deeper/03-d.yaml",
            "labs/old.yaml.bak",
            "outer/inner/01.yaml",
            "[odd].yaml",
        ] {
            fs::write(at(file), "").unwrap();
        }
        folder
    }

    /// What the arguments stand for, the folder's own path left out.
    fn resolved(folder: &Path, arguments: &[&str]) -> Vec<Result<String, String>> {
        let arguments: Vec<PathBuf> = arguments.iter().map(|name| folder.join(name)).collect();
        let prefix = format!("{}/", folder.display());
        resolve(&arguments)
            .into_iter()
            .map(|found| match found {
                Ok(file) => Ok(file.display().to_string().replace(&prefix, "")),
                Err(NoLab { what, help }) => Err(format!("{what} | {help}").replace(&prefix, "")),
            })
            .collect()
    }

    #[rstest]
    #[case::a_file(&["labs/02-b.yaml"], &["labs/02-b.yaml"])]
    #[case::a_file_of_any_name(&["labs/README.md"], &["labs/README.md"])]
    #[case::a_directory_by_name(&["labs"], &["labs/01-a.yaml", "labs/02-b.yaml", "labs/10-c.yml"])]
    #[case::a_pattern(&["labs/0*.yaml"], &["labs/01-a.yaml", "labs/02-b.yaml"])]
    #[case::one_of_these(&["labs/[12]*"], &["labs/10-c.yml"])]
    #[case::a_pattern_that_meets_a_directory(&["out*/*"], &["outer/inner/01.yaml"])]
    #[case::at_any_depth(&["labs/**/0*.yaml"], &["labs/01-a.yaml", "labs/02-b.yaml", "labs/deeper/03-d.yaml"])]
    #[case::a_name_that_looks_like_a_pattern(&["[odd].yaml"], &["[odd].yaml"])]
    #[case::in_the_order_of_the_arguments(&["labs/10-c.yml", "labs/01-a.yaml"], &["labs/10-c.yml", "labs/01-a.yaml"])]
    #[case::named_twice(&["labs/01-a.yaml", "labs/01-a.yaml"], &["labs/01-a.yaml", "labs/01-a.yaml"])]
    #[case::named_and_then_reached(&["labs/02-b.yaml", "labs"], &["labs/02-b.yaml", "labs/01-a.yaml", "labs/10-c.yml"])]
    #[case::reached_and_then_named(&["labs", "labs/02-b.yaml"], &["labs/01-a.yaml", "labs/02-b.yaml", "labs/10-c.yml"])]
    #[case::reached_twice(&["labs/0*", "labs", "labs/./"], &["labs/01-a.yaml", "labs/02-b.yaml", "labs/10-c.yml"])]
    #[case::by_another_way(&["labs/02-b.yaml", "labs/deeper/../0*"], &["labs/02-b.yaml", "labs/deeper/../01-a.yaml"])]
    fn arguments_stand_for_files(#[case] arguments: &[&str], #[case] files: &[&str]) {
        let folder = folder();
        let expected: Vec<Result<String, String>> =
            files.iter().map(|file| Ok((*file).to_owned())).collect();
        assert_eq!(resolved(folder.path(), arguments), expected);
    }

    #[rstest]
    #[case(
        "labs/01-b.yaml",
        "labs/01-b.yaml: no such file | did you mean labs/01-a.yaml?"
    )]
    #[case(
        "nowhere/x.yaml",
        "nowhere/x.yaml: no such file | there is no folder nowhere"
    )]
    #[case(
        "empty",
        "there are no labs in empty | labs are files that end in .yaml or .yml"
    )]
    #[case(
        "outer",
        "there are no labs in outer | its subdirectories are not looked into; did you mean outer/inner?"
    )]
    #[case(
        "labs/7*.yaml",
        "no file matches labs/7*.yaml | in labs there are 01-a.yaml, 02-b.yaml, 10-c.yml"
    )]
    #[case(
        "lab?/x/*.yaml",
        "no file matches lab?/x/*.yaml | the labs of a directory are named by the directory: FOLDER"
    )]
    #[case(
        "labs/[0.yaml",
        "labs/[0.yaml is not a pattern: invalid range pattern | `*` stands for any letters, `?` for one, `[0-3]` for one of these"
    )]
    fn an_argument_that_stands_for_none_says_what_is_there(
        #[case] argument: &str,
        #[case] said: &str,
    ) {
        let folder = folder();
        let said = said.replace("FOLDER", &folder.path().display().to_string());
        assert_eq!(resolved(folder.path(), &[argument]), [Err(said)]);
    }

    #[test]
    fn what_is_wrong_with_one_does_not_hide_the_others() {
        let folder = folder();
        let found = resolved(folder.path(), &["empty", "labs/01-a.yaml", "labs/9*"]);
        let are: Vec<bool> = found.iter().map(Result::is_ok).collect();
        assert_eq!(are, [false, true, false]);
    }

    #[test]
    fn a_link_to_a_lab_is_that_lab() {
        let folder = folder();
        let labs = folder.path().join("labs");
        std::os::unix::fs::symlink(labs.join("02-b.yaml"), folder.path().join("link.yaml"))
            .unwrap();
        let found = resolved(folder.path(), &["link.yaml", "labs"]);
        assert_eq!(
            found,
            ["link.yaml", "labs/01-a.yaml", "labs/10-c.yml"].map(|file| Ok(file.to_owned()))
        );
    }
}
