//! Reads labs and shows what is wrong with them.

use std::path::{Path, PathBuf};

use labrunner::lab::fault::Faults;
use labrunner::lab::{self, Lab, Source, tree::MAX_BYTES};
use miette::{GraphicalReportHandler, GraphicalTheme};

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
                    show(&faults, output);
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
    Ok(match String::from_utf8(text) {
        Ok(text) => Ok(Source::new(name, text)),
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            let text = String::from_utf8_lossy(&error.into_bytes()).into_owned();
            let source = Source::new(name, text);
            let span = lab::source::Span::new(at, at + 1);
            let fault = lab::fault::Fault::new(
                span,
                "this is not text: a byte here is not UTF-8",
                "from here on",
            )
            .help("save the file as UTF-8");
            Err(Faults::new(&source, vec![fault]))
        }
    })
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
        Some(near) => format!("did you mean {}?", folder.join(near).display()),
        None if labs.is_empty() => format!("there are no labs in {}", folder.display()),
        None => format!("in {} there are {}", folder.display(), labs.join(", ")),
    }
}

/// Prints every fault with its line and a caret under it.
pub fn show(faults: &Faults, output: Output) {
    let style = output.error_style;
    let theme = match (style.unicode, style.colour) {
        (true, true) => GraphicalTheme::unicode(),
        (true, false) => GraphicalTheme::unicode_nocolor(),
        (false, true) => GraphicalTheme {
            styles: miette::ThemeStyles::ansi(),
            ..GraphicalTheme::ascii()
        },
        (false, false) => GraphicalTheme {
            styles: miette::ThemeStyles::none(),
            ..GraphicalTheme::ascii()
        },
    };
    let handler = GraphicalReportHandler::new_themed(theme)
        .with_width(output.width.clamp(60, 120))
        .with_context_lines(1);
    for fault in faults.diagnostics() {
        let mut text = String::new();
        // Writing to a string does not fail; should the drawing fail, the sentence alone is shown.
        if handler.render_report(&mut text, &fault).is_err() {
            text = format!("{fault}");
        }
        complain(text.trim_end());
    }
    complain(format!("{faults}"));
}
