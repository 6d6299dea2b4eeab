//! The labs of a book with their recordings.

use std::fs;
use std::path::{Path, PathBuf};

use super::{BookFault, Settings, tidy};
use crate::lab::fault::suggest;
use crate::lab::fingerprint::fingerprint;
use crate::lab::{self, Lab};
use crate::report::recording::{Figure, Recording};

/// All labs of a book.
#[derive(Debug, Clone, Default)]
pub struct Shelf {
    /// By name.
    pub labs: Vec<Shelved>,
    /// Recordings of no lab.
    pub orphans: Vec<PathBuf>,
    /// Labs and recordings that can't be read.
    pub faults: Vec<BookFault>,
}

/// A lab with its recording.
#[derive(Debug, Clone)]
pub struct Shelved {
    /// Its file without folder and ending: `07-scale-down`.
    pub name: String,
    /// Its file.
    pub path: PathBuf,
    /// The file as a reader types it: `labs/07-scale-down.yaml`.
    pub typed: String,
    /// The lab.
    pub lab: Lab,
    /// Which version of it this is.
    pub fingerprint: String,
    /// Where its recording is, or has to be.
    pub recording_path: PathBuf,
    /// Its recording, if there is one.
    pub recording: Option<Recording>,
}

impl Shelved {
    /// Whether the recording is of this version of the lab.
    pub fn is_current(&self) -> bool {
        self.recording
            .as_ref()
            .is_some_and(|recording| recording.fingerprint == self.fingerprint)
    }

    /// A figure of its recording.
    ///
    /// # Errors
    /// What is wrong and what to do.
    pub fn figure(&self, name: &str) -> Result<Figure, (String, String)> {
        let Some(recording) = &self.recording else {
            return Err((
                format!("lab {} has no recording, so it has no figures", self.name),
                format!("labrunner run --record {}", self.typed),
            ));
        };
        recording.figure(name).ok_or_else(|| {
            let all = recording.figures();
            let known: Vec<&str> = all.iter().map(|(name, _)| name.as_str()).collect();
            (
                format!("lab {} has no figure {name}", self.name),
                nearest_or_list(name, &known),
            )
        })
    }
}

impl Shelf {
    /// Reads everything. What can't be read is among the faults.
    pub fn open(root: &Path, settings: &Settings) -> Shelf {
        let mut shelf = Shelf::default();
        let labs = tidy(&root.join(&settings.labs));
        let recordings = tidy(&root.join(&settings.recordings));
        let is_lab = |path: &PathBuf| {
            path.extension()
                .is_some_and(|end| end == "yaml" || end == "yml")
        };
        match listed(&labs) {
            Ok(files) => {
                for path in files.into_iter().filter(is_lab) {
                    shelf.add(path, &labs, &recordings);
                }
            }
            Err(error) => shelf.faults.push(BookFault {
                file: labs.clone(),
                line: 0,
                what: format!("the folder of the labs can't be read: {error}"),
                help:
                    "say where it is: `labs = \"…\"` below `[preprocessor.labrunner]` in book.toml"
                        .to_owned(),
            }),
        }
        // Without the folder no lab has a recording, which each of them says for itself.
        for path in listed(&recordings).unwrap_or_default() {
            let is_known = |lab: &Shelved| lab.recording_path == path;
            if path.extension().is_some_and(|end| end == "json") && !shelf.labs.iter().any(is_known)
            {
                shelf.orphans.push(path);
            }
        }
        shelf
    }

    fn add(&mut self, path: PathBuf, labs: &Path, recordings: &Path) {
        let name = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let typed = Path::new(labs.file_name().unwrap_or_default())
            .join(path.file_name().unwrap_or_default())
            .display()
            .to_string();
        let loaded = fs::read(&path)
            .map_err(|error| (0, format!("it can't be read: {error}"), String::new()))
            .and_then(|bytes| {
                lab::load::decode(&path.display().to_string(), bytes)
                    .and_then(|source| lab::load(&source))
                    .map_err(|faults| {
                        let first = faults.faults.first();
                        let line = first.map_or(0, |fault| faults.source.place(fault.span.start).0);
                        let what = first.map_or(String::new(), |fault| fault.what.clone());
                        (
                            line,
                            format!("not a valid lab: {what}"),
                            format!("labrunner check {typed}"),
                        )
                    })
            });
        let lab = match loaded {
            Ok(lab) => lab,
            Err((line, what, help)) => {
                self.faults.push(BookFault {
                    file: path,
                    line,
                    what,
                    help,
                });
                return;
            }
        };
        let recording_path = recordings.join(format!("{name}.json"));
        let recording = match fs::read_to_string(&recording_path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => {
                self.unreadable(&recording_path, &typed, &error.to_string());
                None
            }
            Ok(text) => match Recording::parse(&text) {
                Ok(recording) => Some(recording),
                Err(why) => {
                    self.unreadable(&recording_path, &typed, &why);
                    None
                }
            },
        };
        self.labs.push(Shelved {
            fingerprint: fingerprint(&lab.source).unwrap_or_default(),
            name,
            path,
            typed,
            lab,
            recording_path,
            recording,
        });
    }

    fn unreadable(&mut self, path: &Path, typed: &str, why: &str) {
        self.faults.push(BookFault {
            file: path.to_owned(),
            line: 0,
            what: format!("not a recording: {why}"),
            help: format!("labrunner run --record {typed}"),
        });
    }

    /// The lab called `name`.
    ///
    /// # Errors
    /// What is wrong and what to do.
    pub fn lab(&self, name: &str) -> Result<&Shelved, (String, String)> {
        self.labs
            .iter()
            .find(|lab| lab.name == name)
            .ok_or_else(|| {
                let known: Vec<&str> = self.labs.iter().map(|lab| lab.name.as_str()).collect();
                (
                    format!("there is no lab {name}"),
                    nearest_or_list(name, &known),
                )
            })
    }
}

/// `did you mean …?`, or what there is.
pub(super) fn nearest_or_list(typed: &str, known: &[&str]) -> String {
    let (near, list) = suggest(typed, known);
    list.unwrap_or(near)
}

fn listed(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    files.sort();
    Ok(files)
}
