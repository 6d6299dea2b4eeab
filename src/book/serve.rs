//! Shows a book to a browser on the same machine, and builds it again when something of it changes.

use std::fs::{self, File};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use mdbook_driver::errors::{Error, Result};
use tiny_http::{Header, Request, Response, Server, StatusCode};

use super::{Guide, drive};

/// How often it is looked whether something has changed.
const LOOK: Duration = Duration::from_millis(500);

/// What there is to tell while a book is shown.
#[derive(Debug)]
pub enum Told<'a> {
    /// It can be read at this address.
    At(&'a str),
    /// It was built again.
    Built,
    /// It could not be built; what was built before is still shown.
    NotBuilt(&'a Error),
}

/// Builds the book in `root` (into `to`, or where its `book.toml` says) and shows it on a port of this machine (0: one that is free), until the process ends. What there is to tell goes
/// to `tell`.
///
/// # Errors
/// The first build fails, or the port is taken.
pub fn serve(
    root: &Path,
    to: Option<&Path>,
    port: u16,
    guide: &Guide,
    tell: &dyn Fn(Told<'_>),
) -> Result<()> {
    let folder = drive::build(root, to, guide)?;
    let mut built = drive::changed(root)?;
    let server = Server::http(("127.0.0.1", port))
        .map_err(|error| Error::msg(format!("port {port} can't be had: {error}")))?;
    tell(Told::At(&format!("http://{}/", server.server_addr())));
    let server = Arc::new(server);
    let answering = server.clone();
    std::thread::spawn(move || {
        for request in answering.incoming_requests() {
            // A browser that has gone away needs no answer.
            let _ = answer(&folder, request);
        }
    });
    loop {
        std::thread::sleep(LOOK);
        let Ok(changed) = drive::changed(root) else {
            continue;
        };
        if changed > built {
            built = changed;
            match drive::build(root, to, guide) {
                Ok(_) => tell(Told::Built),
                Err(error) => tell(Told::NotBuilt(&error)),
            }
        }
    }
}

fn answer(folder: &Path, request: Request) -> std::io::Result<()> {
    let found = file_of(folder, request.url()).and_then(|path| {
        let file = File::open(&path).ok()?;
        Some((file, kind(&path)))
    });
    match found {
        Some((file, kind)) => {
            let mut response = Response::from_file(file);
            if let Ok(header) = Header::from_bytes("Content-Type", kind) {
                response.add_header(header);
            }
            request.respond(response)
        }
        None => {
            let text = fs::read_to_string(folder.join("404.html")).unwrap_or_default();
            let mut response = Response::from_string(text).with_status_code(StatusCode(404));
            if let Ok(header) = Header::from_bytes("Content-Type", "text/html; charset=utf-8") {
                response.add_header(header);
            }
            request.respond(response)
        }
    }
}

/// The file that an address means; none outside of the folder.
fn file_of(folder: &Path, url: &str) -> Option<PathBuf> {
    let path = url.split(['?', '#']).next()?.trim_start_matches('/');
    let path = Path::new(path);
    if !path
        .components()
        .all(|part| matches!(part, Component::Normal(_)))
    {
        return None;
    }
    let file = folder.join(path);
    Some(if file.is_dir() {
        file.join("index.html")
    } else {
        file
    })
}

fn kind(path: &Path) -> &'static str {
    match path.extension().and_then(|end| end.to_str()) {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("json") => "application/json",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("woff2") => "font/woff2",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_of_the_folder_are_meant() {
        let folder = Path::new("/book");
        let of = |url: &str| file_of(folder, url);
        assert_eq!(of("/a/b.html?x=1"), Some(PathBuf::from("/book/a/b.html")));
        assert_eq!(of("/../etc/passwd"), None);
        assert_eq!(of("//etc/passwd"), Some(PathBuf::from("/book/etc/passwd")));
    }
}
