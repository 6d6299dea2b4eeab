//! What the guide makes of output that went into a pipe is what the real redis-cli shows at a terminal.

use labrunner::redis_cli::{lines_on_terminal, on_terminal};

use crate::both::{self, Which};
use crate::server::Server;
use crate::terminal::converse_at_terminal;

/// Calls that a lab can have, each on the data of the server.
const CALLS: [&str; 34] = [
    "PING",
    "PING hello",
    "ECHO hello",
    "SET s hello",
    "GET s",
    "GET quotes",
    "GET nobody",
    "GET list",
    "SETNX s x",
    "INCR n",
    "INCR s",
    "APPEND s x",
    "STRLEN s",
    "EXISTS s nobody",
    "DEL nobody",
    "TTL s",
    "TYPE list",
    "MSET a 1 b 2",
    "MGET s nobody n",
    "HGET hash field",
    "HGETALL hash",
    "HSET hash other value",
    "LRANGE long 0 -1",
    "LRANGE nobody 0 -1",
    "LLEN long",
    "SMEMBERS set",
    "ZSCORE sorted b",
    "ZCARD sorted",
    "ZRANGE sorted 0 -1",
    "XLEN stream",
    "CONFIG GET maxmemory",
    "CONFIG SET maxmemory 0",
    "DBSIZE",
    "FROBNICATE",
];

/// The same on a node of a cluster that owns all slots.
const CLUSTER_CALLS: [&str; 7] = [
    "CLUSTER KEYSLOT user:1",
    "CLUSTER COUNTKEYSINSLOT 10778",
    "CLUSTER MYID",
    "CLUSTER SLOTS",
    "CLUSTER INFO",
    "MSET a 1 b 2",
    "READONLY",
];

/// The call into a pipe and the same at a terminal; `begin` puts back what it changes.
fn compare(port: u16, call: &str, begin: impl Fn()) {
    let words: Vec<String> = call.split(' ').map(str::to_owned).collect();
    let mut args = vec!["-p".to_owned(), port.to_string()];
    args.extend(words.iter().cloned());
    begin();
    let piped = String::from_utf8(both::call(Which::Real, &args, b"").out).unwrap();
    begin();
    let seen = String::from_utf8(converse_at_terminal(Which::Real, &args, &[]).out).unwrap();
    let shown = on_terminal(&[], &words, &piped)
        .unwrap_or_else(|| panic!("{call} is not known; in a pipe it prints {piped:?}"));
    // A terminal gets a carriage return before each line end.
    let plain = |text: &str| text.replace('\r', "");
    assert_eq!(plain(&shown), plain(&seen), "{call}");
}

#[test]
fn a_terminal_shows_what_the_guide_says() {
    if !both::is_here("a_terminal_shows_what_the_guide_says") {
        return;
    }
    let server = Server::start(&[]);
    for call in CALLS {
        compare(server.port, call, || server.reset());
    }
}

#[test]
fn a_terminal_shows_what_the_guide_says_of_a_cluster() {
    if !both::is_here("a_terminal_shows_what_the_guide_says_of_a_cluster") {
        return;
    }
    let server = Server::start(&["--cluster-enabled", "yes"]);
    let port = server.port.to_string();
    let assign = ["-p", &port, "CLUSTER", "ADDSLOTSRANGE", "0", "16383"];
    assert_eq!(both::call(Which::Real, &assign, b"").out, b"OK\n");
    for call in CLUSTER_CALLS {
        compare(server.port, call, || ());
    }
    let input = "READONLY\nCLUSTER KEYSLOT user:1\n";
    let piped = both::call(Which::Real, &["-p", &port], input.as_bytes()).out;
    let piped = String::from_utf8(piped).unwrap();
    assert_eq!(
        lines_on_terminal(&[], input, &piped).as_deref(),
        Some("OK\n(integer) 10778\n")
    );
}
