//! The scripts of the reservation application, `lua/*.lua`, on the node and on a real server: the same answers, the same keys afterwards.

use std::fs;
use std::path::Path;

use labrunner::double::Node;
use regex::bytes::Regex;

use crate::frame::Frame;
use crate::real::Real;
use crate::wire::Wire;

const EVENT: [&str; 6] = [
    "{e}:meta",
    "{e}:seats",
    "{e}:free",
    "{e}:holds",
    "{e}:reservations",
    "{e}:stream",
];

/// A server, and how it names the scripts.
struct Server {
    wire: Wire,
    /// What varies: times, and what is made of them.
    times: Regex,
}

impl Server {
    fn call(&mut self, words: &[&str]) -> String {
        let frame = self.wire.call(words).unwrap();
        self.shown(&frame)
    }

    fn run(&mut self, script: &str, keys: &[&str], arguments: &[&str]) -> String {
        // In the package's folder, wherever the tests are run from.
        let folder = Path::new(file!()).parent().unwrap().join("../../lua");
        let code = fs::read_to_string(folder.join(script).with_extension("lua")).unwrap();
        let sha = self.wire.call(&["SCRIPT", "LOAD", &code]).unwrap();
        let sha = String::from_utf8(sha.payload).unwrap();
        let count = keys.len().to_string();
        let call = ["EVALSHA", &sha, &count];
        self.call(&[&call[..], keys, arguments].concat())
    }

    fn event(&mut self, script: &str, operation: &str, arguments: &[&str]) -> String {
        let operation = format!("{{e}}:op:{operation}");
        let keys = [&EVENT[..], &[&operation]].concat();
        self.run(script, &keys, &[&["finger", "60000"], arguments].concat())
    }

    /// Waits until so many microseconds have passed at the server.
    fn passes(&mut self, micros: u64) {
        let code = "local t = redis.call('TIME') return t[1] * 1000000 + t[2]";
        let mut now = || -> u64 {
            let time = self.wire.call(&["EVAL", code, "0"]).unwrap();
            String::from_utf8(time.payload).unwrap().parse().unwrap()
        };
        let until = now() + micros;
        while now() < until {}
    }

    fn shown(&self, frame: &Frame) -> String {
        let mut bytes = Vec::new();
        frame.write(&mut bytes);
        let bytes = self.times.replace_all(&bytes, &b"<time>"[..]);
        String::from_utf8_lossy(&bytes).replace("\r\n", " ")
    }

    /// What is done, and what was answered to it.
    fn scenario(&mut self) -> Vec<String> {
        let mut said = vec![
            self.event("create_event", "1", &["Gala", "A1", "A2", "A3", "A4", "A2"]),
            self.event("create_event", "1", &["Gala", "A1", "A2", "A3", "A4", "A2"]),
            self.event("create_event", "2", &["Other", "B1"]),
            self.event("reserve", "3", &["r1", "ann", "60000", "count", "2"]),
            self.event("reserve", "3", &["r1", "ann", "60000", "count", "2"]),
            self.event("reserve", "4", &["r2", "bob", "60000", "seats", "A1"]),
            self.event("reserve", "5", &["r2", "bob", "60000", "seats", "A4", "A4"]),
            self.event("reserve", "6", &["r2", "bob", "60000", "seats", "Z9"]),
            self.event("reserve", "7", &["r2", "bob", "60000", "count", "3"]),
            self.event("reserve", "8", &["r2", "bob", "60000", "count", "9"]),
            self.event("reserve", "9", &["r2", "bob", "60000", "seats", "A4"]),
            self.event("reserve", "10", &["r1", "bob", "60000", "count", "1"]),
            self.event("reserve", "11", &["r3", "bob", "x", "count", "1"]),
            self.event("confirm", "12", &["r1", "bob", ""]),
            self.event("confirm", "13", &["r1", "ann", "7"]),
            self.event("confirm", "14", &["r1", "ann", "1"]),
            self.event("confirm", "15", &["r1", "ann", ""]),
            self.event("confirm", "16", &["r9", "ann", ""]),
            self.event("cancel", "17", &["r2", "ann"]),
            self.event("cancel", "18", &["r2", "bob"]),
            self.event("cancel", "19", &["r1", "ann"]),
            self.event("reserve", "20", &["r4", "cid", "1", "count", "4"]),
        ];
        // Its time is over, and the next one sees it.
        self.passes(2000);
        said.push(self.event("confirm", "21", &["r4", "cid", ""]));
        said.push(self.event("reserve", "22", &["r5", "dan", "60000", "count", "1"]));
        for _ in 0..2 {
            said.push(self.run("view", &["{e}:views", "{e}:op:v"], &["f", "60000"]));
        }
        said.push(self.run("view", &["{e}:views", "{e}:op:w"], &["f", "60000"]));
        let lock = ["{l}", "{l}:token"];
        said.push(self.run("lock", &lock, &["ann", "60000"]));
        said.push(self.run("lock", &lock, &["ann", "60000"]));
        said.push(self.run("unlock", &lock, &["bob", "1"]));
        said.push(self.run("unlock", &lock, &["ann", "1"]));
        said.push(self.run("lock", &lock, &["bob", "60000"]));
        for n in ["a", "b", "a", "c"] {
            let answer = self.run("rate_limit", &["{u}"], &[n, "3600000", "2"]);
            // How long to wait is a matter of a millisecond.
            said.push(answer.split(" $7 ").next().unwrap().to_owned());
        }
        for key in EVENT
            .iter()
            .chain(&["{e}:views", "{l}", "{l}:token", "{u}"])
        {
            said.push(self.call(&["TYPE", key]));
        }
        said.push(self.call(&["HGET", EVENT[0], "sold"]));
        said.push(self.call(&["HGET", EVENT[0], "token"]));
        said.push(self.call(&["ZRANGE", EVENT[2], "0", "-1", "WITHSCORES"]));
        said.push(self.call(&["ZRANGE", EVENT[3], "0", "-1"]));
        said.push(self.call(&["XRANGE", EVENT[5], "-", "+"]));
        said.push(self.call(&["HGET", EVENT[1], "A1"]));
        said
    }
}

#[test]
fn all_eight_answer_as_on_a_real_server() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let node = runtime.block_on(Node::start()).unwrap();
    let real = Real::start();
    let mut answers = [node.address(), real.address()].map(|address| {
        let mut server = Server {
            wire: Wire::connect(address).unwrap(),
            times: Regex::new(r"\d{13}(-\d+)?").unwrap(),
        };
        server.scenario()
    });
    let [node, real] = &mut answers;
    assert!(real[3].contains("held"), "{}", real[3]);
    for (at, (node, real)) in node.iter().zip(real.iter()).enumerate() {
        assert_eq!(node, real, "answer {at}");
    }
    assert_eq!(node.len(), real.len());
}
