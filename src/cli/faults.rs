//! Reads labs and shows what is wrong with them.

use std::path::{Path, PathBuf};

use labrunner::lab::fault::Faults;
use labrunner::lab::{self, Lab, Source, tree::MAX_BYTES};
use labrunner::report;

use super::exit_code::Exit;
use super::output::{Output, complain, complain_with_help};

/// Reads all files. What is wrong with any of them is printed, all of it.
///
/// # Errors
/// The exit code: a file that can't be read weighs more than one that is not valid.
pub fn load_all(files: &[PathBuf], output: Output) -> Result<Vec<Lab>, Exit> {
    let mut labs = Vec::new();
    let mut exit = None;
    for file in files {
        match read(file) {
            Err((what, help)) => {
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

type Read = Result<Result<Source, Faults>, (String, String)>;

fn read(file: &Path) -> Read {
    let name = file.display().to_string();
    let problem = |error: std::io::Error| {
        let help = match error.kind() {
            std::io::ErrorKind::NotFound => nearby(file),
            _ => "a lab is a readable text file".to_owned(),
        };
        (format!("{name}: {}", in_words(&error)), help)
    };
    let bytes = std::fs::metadata(file).map_err(problem)?;
    if bytes.is_dir() {
        return Err((
            format!("{name} is a directory"),
            format!("name the labs in it: {name}/*.yaml"),
        ));
    }
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

fn in_words(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "no such file".to_owned(),
        std::io::ErrorKind::PermissionDenied => "not readable: permission denied".to_owned(),
        _ => error.to_string(),
    }
}

/// What is there instead of a file that is not.
fn nearby(file: &Path) -> String {
    let folder = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    if !folder.exists() {
        return format!("there is no folder {}", folder.display());
    }
    let mut labs: Vec<String> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned()))
        .filter(|name| name.ends_with(".yaml") || name.ends_with(".yml"))
        .collect();
    labs.sort();
    let typed = file
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    match lab::fault::nearest(&typed, labs.iter().map(String::as_str)) {
        Some(near) => format!("did you mean {}?", file.with_file_name(near).display()),
        None if labs.is_empty() => format!("there are no labs in {}", folder.display()),
        None => format!("in {} there are {}", folder.display(), labs.join(", ")),
    }
}
