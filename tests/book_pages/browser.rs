//! A browser without a window, and the guide served to it by labrunner.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use fantoccini::{Client, ClientBuilder};
use serde_json::{Value, json};

use super::support;

const AXE: &str = include_str!("axe.min.js");
const DEADLINE: Duration = Duration::from_secs(60);

/// A browser on the guide.
pub struct Reader {
    pub browser: Client,
    address: String,
    pages: Vec<String>,
    driver_port: u16,
    // Ended when they are dropped.
    _driver: Ended,
    _server: Ended,
    _folder: tempfile::TempDir,
}

/// A process that ends with this.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A browser with a page of this width; `None`, and it is said, where there is no browser.
pub async fn reader(test: &str, width: u32) -> Option<Reader> {
    if !support::may_run("chromium", test) {
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    let (server, address) = serve(folder.path());
    let driver_port = free_port();
    let driver = Command::new("chromedriver")
        .arg(format!("--port={driver_port}"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let driver = Ended(driver);
    let capabilities = json!({
        "goog:chromeOptions": {
            "args": ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", format!("--window-size={},1000", width.max(500))],
            "mobileEmulation": {"deviceMetrics": {"width": width, "height": 1000, "pixelRatio": 1.0, "touch": false}},
        },
        "timeouts": {"pageLoad": 60_000, "script": 60_000},
        "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
    });
    let Value::Object(capabilities) = capabilities else {
        panic!("capabilities are an object")
    };
    let begin = Instant::now();
    let browser = loop {
        let client = ClientBuilder::new(hyper_util::client::legacy::connect::HttpConnector::new())
            .capabilities(capabilities.clone())
            .connect(&format!("http://127.0.0.1:{driver_port}"))
            .await;
        match client {
            Ok(client) => break client,
            Err(error) => {
                assert!(begin.elapsed() < DEADLINE, "no browser: {error}");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    };
    let pages = pages(&folder.path().join("SUMMARY.md"));
    Some(Reader {
        browser,
        address,
        pages,
        driver_port,
        _driver: driver,
        _server: server,
        _folder: folder,
    })
}

fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0))
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// Serves the guide of this repository, its pages made into `folder`.
fn serve(folder: &Path) -> (Ended, String) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    fs::copy(root.join("book/src/SUMMARY.md"), folder.join("SUMMARY.md")).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_labrunner"))
        .current_dir(root)
        .args(["book", "serve", "--port", "0", "--to"])
        .arg(folder.join("pages"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let out = child.stdout.take().unwrap();
    let server = Ended(child);
    let mut line = String::new();
    BufReader::new(out).read_line(&mut line).unwrap();
    let address = line
        .strip_prefix("serving ")
        .and_then(|rest| rest.split(' ').next())
        .unwrap_or_else(|| panic!("it said {line:?}"))
        .to_owned();
    (server, address)
}

/// The pages of all chapters.
fn pages(summary: &Path) -> Vec<String> {
    let text = fs::read_to_string(summary).unwrap();
    let pages: BTreeSet<String> = text
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
        .map(|file| file.replace(".md", ".html"))
        .collect();
    assert!(pages.len() > 20, "{pages:?}");
    pages.into_iter().collect()
}

impl Reader {
    pub fn address(&self) -> &str {
        &self.address
    }

    pub fn pages(&self) -> Vec<String> {
        self.pages.clone()
    }

    pub async fn open(&self, page: &str) {
        self.browser
            .goto(&format!("{}{page}", self.address))
            .await
            .unwrap();
    }

    pub async fn choose_theme(&self, theme: &str) {
        self.browser
            .execute(
                "localStorage.setItem('mdbook-theme', arguments[0])",
                vec![json!(theme)],
            )
            .await
            .unwrap();
        self.browser.refresh().await.unwrap();
        let is_chosen = self
            .browser
            .execute(
                "return document.documentElement.classList.contains(arguments[0])",
                vec![json!(theme)],
            )
            .await
            .unwrap();
        assert_eq!(is_chosen, json!(true), "{theme}");
    }

    pub async fn wait_for_page(&self, page: &str) {
        let begin = Instant::now();
        loop {
            let url = self.browser.current_url().await.unwrap().to_string();
            if url.ends_with(page) {
                return;
            }
            assert!(begin.elapsed() < DEADLINE, "at {url}, not at {page}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// A picture of the page, for people to look at, where `LABRUNNER_PICTURES` says that they are wanted.
    pub async fn keep_picture(&self, name: &str) {
        if let Some(folder) = std::env::var_os("LABRUNNER_PICTURES") {
            let png = self.browser.screenshot().await.unwrap();
            fs::write(PathBuf::from(folder).join(format!("{name}.png")), png).unwrap();
        }
    }

    /// What the page has complained about since the last time this was asked.
    pub async fn console_errors(&self) -> Vec<String> {
        self.log("browser")
            .await
            .into_iter()
            .filter(|entry| entry["level"] == "SEVERE")
            .map(|entry| entry["message"].as_str().unwrap_or_default().to_owned())
            .collect()
    }

    /// What was asked for over the network since the last time this was asked.
    pub async fn requested(&self) -> Vec<String> {
        self.log("performance")
            .await
            .into_iter()
            .filter_map(|entry| {
                let message: Value = serde_json::from_str(entry["message"].as_str()?).ok()?;
                let message = &message["message"];
                (message["method"] == "Network.requestWillBeSent")
                    .then(|| {
                        message["params"]["request"]["url"]
                            .as_str()
                            .map(str::to_owned)
                    })
                    .flatten()
            })
            .collect()
    }

    async fn log(&self, kind: &str) -> Vec<Value> {
        let entries = self.ask("se/log", &json!({"type": kind})).await;
        entries
            .as_array()
            .unwrap_or_else(|| panic!("{entries}"))
            .clone()
    }

    /// Serious faults that the accessibility checker finds, each with places.
    pub async fn faults(&self, options: &str) -> Value {
        self.browser.execute(AXE, vec![]).await.unwrap();
        let script = format!(
            "const done = arguments[0]; axe.run(document, {options}).then(result => done(result.violations\
             .filter(one => ['serious', 'critical'].includes(one.impact))\
             .map(one => [one.id, one.nodes.slice(0, 3).map(node => node.html.slice(0, 200))])), error => done(String(error)));"
        );
        self.browser.execute_async(&script, vec![]).await.unwrap()
    }

    /// What was copied last.
    pub async fn clipboard(&self) -> String {
        let allowed = json!({"descriptor": {"name": "clipboard-read"}, "state": "granted"});
        self.ask("permissions", &allowed).await;
        let text = self
            .browser
            .execute_async(
                "navigator.clipboard.readText().then(arguments[0], error => arguments[0]('error: ' + error))",
                vec![],
            )
            .await
            .unwrap();
        text.as_str().unwrap().to_owned()
    }

    /// A command that the client does not have.
    async fn ask(&self, command: &str, body: &Value) -> Value {
        let session = self.browser.session_id().await.unwrap().unwrap();
        let body = body.to_string();
        let mut stream = TcpStream::connect(("127.0.0.1", self.driver_port)).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        write!(
            stream,
            "POST /session/{session}/{command} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        // The driver leaves the connection open, so its answer ends where it says.
        let mut answer = BufReader::new(stream);
        let mut length = 0;
        loop {
            let mut line = String::new();
            answer.read_line(&mut line).unwrap();
            let line = line.trim_end().to_lowercase();
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            if line.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        answer.read_exact(&mut body).unwrap();
        let answer: Value = serde_json::from_slice(&body).unwrap();
        answer["value"].clone()
    }

    pub async fn close(self) {
        self.browser.close().await.unwrap();
    }
}
