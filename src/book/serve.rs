//! Shows a book to a browser on the same machine, and builds it again when something of it changes.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use mdbook_driver::errors::{Error, Result};

use super::{Guide, drive};

/// How often it is looked whether something has changed.
const LOOK: Duration = Duration::from_millis(500);

/// How long a browser may take to say what it wants, and how much it may say.
const PATIENCE: Duration = Duration::from_secs(10);
const LONGEST: u64 = 16 * 1024;

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
    let listener = TcpListener::bind(("127.0.0.1", port))
        .map_err(|error| Error::msg(format!("port {port} can't be had: {error}")))?;
    tell(Told::At(&format!("http://{}/", listener.local_addr()?)));
    let pages = Arc::new(Pages {
        folder,
        making: RwLock::new(()),
    });
    let served = pages.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let pages = served.clone();
            // A browser keeps some of its connections waiting: each has a thread, so that none waits for another.
            std::thread::spawn(move || {
                // One that has gone away needs no answer.
                let _ = answer(&pages, stream);
            });
        }
    });
    loop {
        std::thread::sleep(LOOK);
        let Ok(changed) = drive::changed(root) else {
            continue;
        };
        if changed > built {
            built = changed;
            let _making = pages.making.write().unwrap_or_else(PoisonError::into_inner);
            match drive::build(root, to, guide) {
                Ok(_) => tell(Told::Built),
                Err(error) => tell(Told::NotBuilt(&error)),
            }
        }
    }
}

/// What is shown.
struct Pages {
    folder: PathBuf,
    /// Held to write while pages are made anew: the old ones are taken away first, and whoever asks meanwhile is to wait and not to be told that there are none.
    making: RwLock<()>,
}

impl Pages {
    /// The file that an address means, and of what kind it is.
    fn of(&self, url: &str) -> Option<(Vec<u8>, &'static str)> {
        let _made = self.making.read().unwrap_or_else(PoisonError::into_inner);
        let path = file_of(&self.folder, url)?;
        Some((fs::read(&path).ok()?, kind(&path)))
    }
}

/// Answers the one request of a connection, as much of HTTP as it takes to give a browser files.
fn answer(pages: &Pages, mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut lines = BufReader::new(stream.try_clone()?.take(LONGEST)).lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    // The rest has to be read: what is left unread when a connection is closed can take the answer with it.
    for line in lines {
        if line?.is_empty() {
            break;
        }
    }
    let mut words = first.split(' ');
    let (method, url) = (words.next(), words.next().unwrap_or_default());
    let found = pages.of(url);
    let (status, (body, kind)) = match (method, found) {
        (Some("GET" | "HEAD"), Some(found)) => ("200 OK", found),
        (Some("GET" | "HEAD"), None) => {
            let page = pages.of("404.html").unwrap_or_default();
            ("404 Not Found", page)
        }
        _ => ("405 Method Not Allowed", (Vec::new(), "text/plain")),
    };
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nCache-Control: no-cache\r\nConnection: close\r\n\r\n",
        body.len()
    )?;
    if method != Some("HEAD") {
        stream.write_all(&body)?;
    }
    stream.flush()
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
