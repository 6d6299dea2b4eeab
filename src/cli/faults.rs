//! Reads labs and shows what is wrong with them.

use std::path::{Path, PathBuf};

use crate::lab::fault::Faults;
use crate::lab::{self, Lab, Source, tree::MAX_BYTES};
use crate::report;

use super::exit_code::Exit;
use super::files::{NoLab, in_words, nearby, resolve};
use super::output::{Output, complain, complain_with_help};

/// Reads all labs that the arguments stand for. What is wrong with any of them is printed, all of it.
///
/// # Errors
/// The exit code: a file that can't be read weighs more than one that is not valid.
pub fn load_all(arguments: &[PathBuf], output: Output) -> Result<Vec<Lab>, Exit> {
    let mut labs = Vec::new();
    let mut exit = None;
    for file in resolve(arguments) {
        match file.and_then(|file| read(&file)) {
            Err(NoLab { what, help }) => {
                complain_with_help(&what, &help);
                exit = Some(Exit::Usage);
            }
            Ok(source) => match source.and_then(|source| lab::load(&source)) {
                Ok(lab) => labs.push(lab),
                Err(faults) => {
                    complain(report::faults(&faults, output.error_style, output.width).trim_end());
                    exit = exit.or(Some(Exit::Invalid));
                }
            },
        }
    }
    exit.map_or(Ok(labs), Err)
}

fn read(file: &Path) -> Result<Result<Source, Faults>, NoLab> {
    let name = file.display().to_string();
    let problem = |error: std::io::Error| NoLab {
        what: format!("{name}: {}", in_words(&error)),
        help: match error.kind() {
            std::io::ErrorKind::NotFound => nearby(file),
            _ => "a lab is a readable text file".to_owned(),
        },
    };
    // Only as much as shows that it is too much.
    let mut text = Vec::new();
    let opened = std::fs::File::open(file).map_err(problem)?;
    std::io::Read::read_to_end(
        &mut std::io::Read::take(opened, MAX_BYTES as u64 + 1),
        &mut text,
    )
    .map_err(problem)?;
    Ok(lab::load::decode(&name, text))
}
