//! Nodes with cluster mode on, real ones or those of the double, each behind a door that writes down what it is told. Node N is at 127.0.1.N, as if each
//! had a machine of its own.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use labrunner::double::Cluster;

use crate::ports::{free_port, listening_port, listening_ports};
use crate::support::redis_server;
use crate::wire_log::{Door, Log};

const LIMIT: Duration = Duration::from_secs(30);

/// Which servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Processes of redis-server.
    Real,
    /// A simulated cluster within this process.
    Double,
}

pub struct Nodes {
    nodes: Vec<Node>,
    log: Log,
    /// Where real ones live.
    folder: tempfile::TempDir,
    double: Option<Cluster>,
}

struct Node {
    /// Of a real one.
    process: Option<Child>,
    /// Where others find it.
    door: Door,
    /// Where it listens.
    direct: SocketAddr,
    id: String,
    _claims: Vec<File>,
}

impl Nodes {
    /// Starts this many, and waits until they answer. With `one_host`, all are at 127.0.1.1. `more` are settings as on a server's command line.
    pub fn start(kind: Kind, count: usize, one_host: bool, more: &[&str]) -> Nodes {
        let mut nodes = Nodes {
            nodes: Vec::new(),
            log: Log::default(),
            folder: tempfile::tempdir().unwrap(),
            double: None,
        };
        let hosts = (0..count).map(|at| {
            let last = if one_host { 1 } else { at + 1 };
            Ipv4Addr::new(127, 0, 1, u8::try_from(last).unwrap())
        });
        let hosts: Vec<Ipv4Addr> = hosts.collect();
        match kind {
            Kind::Real => nodes.start_real(&hosts, more),
            Kind::Double => nodes.start_double(&hosts, more),
        }
        let password = more
            .iter()
            .position(|word| *word == "--requirepass")
            .map(|at| more[at + 1]);
        for number in 1..=count {
            let until = Instant::now() + LIMIT;
            while TcpStream::connect(nodes.nodes[number - 1].direct).is_err() {
                assert!(Instant::now() < until, "node {number} does not listen");
                std::thread::sleep(Duration::from_millis(5));
            }
            nodes.nodes[number - 1].id = match password {
                None => nodes.ask(number, "CLUSTER MYID"),
                Some(_) => String::new(),
            };
        }
        nodes
    }

    /// Nodes of the double listen at 127.0.0.1. They announce the address of their doors, which have the same port.
    fn start_double(&mut self, hosts: &[Ipv4Addr], more: &[&str]) {
        let (first, listeners, mut claims) = listening_ports(hosts);
        let builder = Cluster::builder().masters(0).nodes(hosts.len());
        let builder = builder.config("enable-debug-command", "yes");
        let mut builder = builder.ports_from(first);
        for pair in more.chunks(2) {
            builder = builder.config(pair[0].trim_start_matches("--"), pair[1]);
        }
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let cluster = runtime.unwrap().block_on(builder.start()).unwrap();
        for (at, (host, listener)) in hosts.iter().zip(listeners).enumerate() {
            let direct = cluster.address(at);
            let announced = host.to_string();
            let set = cluster.run(at, ["CONFIG", "SET", "cluster-announce-ip", &announced]);
            assert!(set.is_ok(), "{set:?}");
            let door = Door::open(listener, direct, at + 1, self.log.clone());
            self.nodes.push(Node {
                process: None,
                door,
                direct,
                id: String::new(),
                _claims: vec![claims.remove(0)],
            });
        }
        self.double = Some(cluster);
    }

    fn start_real(&mut self, hosts: &[Ipv4Addr], more: &[&str]) {
        for (at, host) in hosts.iter().copied().enumerate() {
            let number = at + 1;
            let (announced, listener, claim) = listening_port(host);
            let (port, direct_claim) = free_port(host);
            let direct = SocketAddr::from((host, port));
            let folder = self.folder.path().join(number.to_string());
            std::fs::create_dir(&folder).unwrap();
            let text = |port: u16| port.to_string();
            std::fs::write(folder.join("redis.conf"), "").unwrap();
            let process = Command::new(redis_server())
                .arg(folder.join("redis.conf"))
                .args(["--bind", &host.to_string(), "--port", &text(direct.port())])
                .args([
                    "--cluster-enabled",
                    "yes",
                    "--cluster-port",
                    &text(announced + 10_000),
                ])
                .args(["--cluster-announce-ip", &host.to_string()])
                .args(["--cluster-announce-port", &text(announced)])
                .args(["--cluster-announce-bus-port", &text(announced + 10_000)])
                .args([
                    "--save",
                    "",
                    "--appendonly",
                    "no",
                    "--repl-diskless-sync-delay",
                    "0",
                ])
                .args(["--enable-debug-command", "yes", "--dir"])
                .arg(&folder)
                .args(more)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            let door = Door::open(listener, direct, number, self.log.clone());
            self.nodes.push(Node {
                process: Some(process),
                door,
                direct,
                id: String::new(),
                _claims: vec![claim, direct_claim],
            });
        }
    }

    /// Sends a line to a node, past its door; the reply's text.
    pub fn ask(&self, number: usize, line: &str) -> String {
        let mut stream = BufReader::new(TcpStream::connect(self.nodes[number - 1].direct).unwrap());
        let mut say = |line: &str| {
            let mut first = String::new();
            let line = format!("{line}\r\n");
            stream.get_mut().write_all(line.as_bytes()).unwrap();
            stream.read_line(&mut first).unwrap();
            first
        };
        let mut first = say(line);
        if first.starts_with("-NOAUTH") {
            // The only password that a scenario sets.
            assert_eq!(say("AUTH secret"), "+OK\r\n");
            first = say(line);
        }
        let Some(length) = first.strip_prefix('$') else {
            return first.trim_end().to_owned();
        };
        let mut bytes = vec![0; length.trim_end().parse().unwrap()];
        stream.read_exact(&mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    pub fn count(&self) -> usize {
        self.nodes.len()
    }

    /// `host:port` of a node.
    pub fn address(&self, number: usize) -> String {
        self.nodes[number - 1].door.address.to_string()
    }

    /// `host`, `port`, `id` and `address` of nodes put into a line: `{a1}`, `{h1}`, `{p1}`, `{i1}`.
    pub fn fill(&self, line: &str) -> String {
        let mut line = line.to_owned();
        for (at, node) in self.nodes.iter().enumerate() {
            let n = at + 1;
            line = line
                .replace(&format!("{{a{n}}}"), &self.address(n))
                .replace(&format!("{{h{n}}}"), &node.door.address.ip().to_string())
                .replace(&format!("{{p{n}}}"), &node.door.address.port().to_string())
                .replace(&format!("{{i{n}}}"), &node.id);
        }
        line
    }

    /// The other way round: names in place of what varies.
    pub fn names(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (at, node) in self.nodes.iter().enumerate() {
            let n = at + 1;
            if !node.id.is_empty() {
                text = text.replace(&node.id, &format!("id-{n}"));
                text = text.replace(&node.id[..8], &format!("id-{n}"));
            }
            let port = node.door.address.port();
            for (port, name) in [
                (port + 10_000, "bus"),
                (port, "port"),
                (node.direct.port(), "direct"),
            ] {
                text = named(&text, port, &format!("{name}-{n}"));
            }
        }
        text
    }

    /// What came through the doors since the last time, one line a command. Looks at CLUSTER NODES that follow each other are one line, since how often one
    /// has to look is a matter of time; what nodes tell each other of replication is left out, and what the
    /// real one asks for its help on commands.
    pub fn wire(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let mut looks: Vec<usize> = Vec::new();
        for (number, words) in std::mem::take(&mut *self.log.lock().unwrap()) {
            let name = words[0].to_ascii_uppercase();
            if matches!(
                name.as_slice(),
                b"REPLCONF" | b"PSYNC" | b"PING" | b"COMMAND"
            ) {
                continue;
            }
            let is_look = name == b"CLUSTER" && words[1].eq_ignore_ascii_case(b"NODES");
            if is_look {
                looks.push(number);
                continue;
            }
            told(&mut looks, &mut lines);
            let kept = if name == b"RESTORE-ASKING" {
                3
            } else {
                words.len()
            };
            let words: Vec<String> = words
                .iter()
                .take(kept)
                .map(|word| word.escape_ascii().to_string())
                .collect();
            lines.push(self.names(&format!("{number}: {}", words.join(" "))));
        }
        told(&mut looks, &mut lines);
        lines
    }

    /// Waits until all nodes that know others see the same, and see nobody in trouble, and serve if all slots have owners, and
    /// replicas have what their masters have.
    pub fn settle(&self) {
        let until = Instant::now() + LIMIT;
        loop {
            let views: Vec<Vec<String>> = (1..=self.count())
                .map(|n| view(&self.ask(n, "CLUSTER NODES")))
                .collect();
            let of_cluster: Vec<&Vec<String>> =
                views.iter().filter(|view| view.len() > 1).collect();
            let same = of_cluster.windows(2).all(|pair| pair[0] == pair[1]);
            let healthy = of_cluster.iter().all(|view| {
                view.iter().all(|line| {
                    !["fail", "handshake", "noaddr"]
                        .iter()
                        .any(|word| line.contains(word))
                })
            });
            let linked = (1..=self.count()).all(|n| {
                let info = self.ask(n, "INFO replication");
                info.contains("role:master") || info.contains("master_link_status:up")
            });
            let serving = (1..=self.count()).all(|n| {
                let info = self.ask(n, "CLUSTER INFO");
                info.contains("cluster_state:ok") || !info.contains("cluster_slots_assigned:16384")
            });
            if same && healthy && linked && serving {
                return;
            }
            assert!(Instant::now() < until, "the nodes do not agree: {views:#?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Takes slots from their owner in everybody's view. What a node tells the others of itself just before it gives a slot up can reach one that has taken
    /// the slot from it already, and makes it the owner there again: so it is done until nobody knows an owner, twice in a row.
    pub fn disown(&self, slots: &str) {
        let until = Instant::now() + LIMIT;
        let mut unowned = 0;
        while unowned < 2 {
            let mut is_unowned = true;
            for slot in slots.split(' ') {
                for n in 1..=self.count() {
                    let reply = self.ask(n, &format!("CLUSTER DELSLOTS {slot}"));
                    is_unowned &= reply.ends_with("is already unassigned");
                    assert!(
                        reply == "+OK" || reply.ends_with("is already unassigned"),
                        "{reply}"
                    );
                }
            }
            unowned = if is_unowned { unowned + 1 } else { 0 };
            assert!(
                Instant::now() < until,
                "{slots} get an owner again and again"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Kills a node, and waits until the first one knows that it failed, or is a replica that has taken over.
    pub fn kill(&mut self, number: usize) {
        let node = &mut self.nodes[number - 1];
        node.door.close();
        match (&mut node.process, &self.double) {
            (Some(process), _) => {
                process.kill().unwrap();
                process.wait().unwrap();
            }
            (None, double) => double.as_ref().unwrap().kill(number - 1),
        }
        let id = node.id.clone();
        let until = Instant::now() + LIMIT;
        loop {
            let seen = self.ask(1, "CLUSTER NODES");
            let line = seen.lines().find(|line| line.starts_with(&id)).unwrap();
            if line.contains(",fail ") {
                return;
            }
            assert!(Instant::now() < until, "nobody notices: {seen}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// What the first node sees, with names.
    pub fn seen(&self) -> Vec<String> {
        let mut lines = view(&self.names(&self.ask(1, "CLUSTER NODES")));
        lines.sort();
        lines
    }
}

/// A name in place of a port, but not within longer numbers: the digits of a port may stand in some node's id as well, by chance.
pub fn named(text: &str, port: u16, name: &str) -> String {
    let port = port.to_string();
    let is_of_word = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_hexdigit);
    let mut named = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(&port) {
        let (before, found) = rest.split_at(at);
        let after = &found[port.len()..];
        named += before;
        // What comes before may have been taken over already; its end is what counts.
        let is_whole =
            !is_of_word(named.as_bytes().last()) && !is_of_word(after.as_bytes().first());
        named += if is_whole { name } else { &port };
        rest = after;
    }
    named + rest
}

#[test]
fn a_port_within_an_id_has_no_name() {
    let text = "21543 a:21543@x 3a27c21543b 21543a 121543 215432154321543 :21543\n";
    assert_eq!(
        named(text, 21543, "port"),
        "port a:port@x 3a27c21543b 21543a 121543 215432154321543 :port\n"
    );
}

fn told(looks: &mut Vec<usize>, lines: &mut Vec<String>) {
    looks.sort_unstable();
    looks.dedup();
    if !looks.is_empty() {
        lines.push(format!("{looks:?}: CLUSTER NODES"));
    }
    looks.clear();
}

/// Who is what, and has which slots.
fn view(nodes: &str) -> Vec<String> {
    let line = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        let flags = words[2].replace("myself,", "");
        let slots: Vec<&str> = words[8..]
            .iter()
            .filter(|word| !word.starts_with('['))
            .copied()
            .collect();
        format!("{} {flags} {} {}", words[0], words[3], slots.join(" "))
    };
    let mut lines: Vec<String> = nodes.lines().map(line).collect();
    lines.sort();
    lines
}

impl Drop for Nodes {
    fn drop(&mut self) {
        for node in &mut self.nodes {
            if let Some(process) = &mut node.process {
                let _ = process.kill();
                let _ = process.wait();
            }
        }
    }
}
