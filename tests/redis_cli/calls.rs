//! Options, standard input and exit codes.

use crate::both::{Said, Which, call, is_here, without_chance};
use crate::server::Server;
use crate::words::{unescaped, words};

/// The places of a call that say where its server is.
fn at(server: &Server, text: &str) -> String {
    text.replace("PORT", &server.port.to_string())
        .replace("SOCKET", &server.socket())
}

fn both(server: &Server, args: &[std::ffi::OsString], input: &[u8]) -> [Said; 2] {
    [Which::Real, Which::Ours].map(|which| {
        server.reset();
        call(which, args, input)
    })
}

#[test]
fn options_input_and_exit_codes() {
    if !is_here("options_input_and_exit_codes") {
        return;
    }
    let server = Server::start(&[]);
    let mut wrong = Vec::new();
    let mut calls = 0;
    for line in include_str!("calls.txt").lines() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (args, input) = line.split_once(" << ").unwrap_or((line, ""));
        let [real, ours] =
            both(&server, &words(&at(&server, args)), &unescaped(input)).map(without_chance);
        calls += 1;
        if real != ours {
            wrong.push(format!("{line}\nredis-cli: {real:?}\nours: {ours:?}\n"));
        }
    }
    assert!(calls > 80, "only {calls}");
    assert!(
        wrong.is_empty(),
        "{} of {calls} differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn passwords() {
    if !is_here("passwords") {
        return;
    }
    let server = Server::start(&["--requirepass", "secret"]);
    for line in [
        "-p PORT ping",
        "-p PORT -a secret ping",
        "-p PORT -a wrong ping",
        "-p PORT --no-auth-warning -a secret ping",
        "-p PORT --no-auth-warning --user default --pass secret -n 2 ping",
        "-p PORT --no-auth-warning --user nobody -a secret ping",
        "-p PORT -3 ping",
        "-p PORT --json ping",
        "-p PORT -n 2 ping",
        "-u redis://secret@127.0.0.1:PORT/1 ping",
        "-u redis://default:secret@127.0.0.1:PORT/1 ping",
        "--cluster check 127.0.0.1:PORT",
        "--cluster check 127.0.0.1:PORT -a secret",
        "--cluster check 127.0.0.1:PORT -a wrong",
    ] {
        let args = words(&at(&server, line));
        let [real, ours] =
            [Which::Real, Which::Ours].map(|which| without_chance(call(which, &args, b"")));
        assert_eq!(real, ours, "{line}");
    }
    // A connection that is made again logs in again with the password of the call.
    let input = b"client kill type normal skipme no\nping\nset x 1\nget x\n";
    let args = words(&at(&server, "-p PORT --no-raw --no-auth-warning -a secret"));
    let [real, ours] =
        [Which::Real, Which::Ours].map(|which| without_chance(call(which, &args, input)));
    assert_eq!(real, ours);
    assert!(
        String::from_utf8_lossy(&ours.out).ends_with("OK\n\"1\"\n"),
        "{ours:?}"
    );
}

/// redis-cli 7.0 goes on in database 0 after a connection was lost, whatever database was chosen. That is the one thing in which this one is other.
#[test]
fn a_new_connection_is_to_the_same_database() {
    if !is_here("a_new_connection_is_to_the_same_database") {
        return;
    }
    let server = Server::start(&[]);
    for (args, first) in [("-p PORT -n 2", ""), ("-p PORT", "select 2\n")] {
        server.reset();
        let input =
            format!("{first}set inner 1\nclient kill type normal skipme no\nping\nkeys inner\n");
        let said = call(Which::Ours, &words(&at(&server, args)), input.as_bytes());
        assert!(
            String::from_utf8_lossy(&said.out).ends_with("\ninner\n"),
            "{said:?}"
        );
    }
}

/// What a server sends without being asked, until it hangs up.
#[test]
fn subscriptions_and_monitor() {
    if !is_here("subscriptions_and_monitor") {
        return;
    }
    let server = Server::start(&[]);
    for line in [
        "-p PORT subscribe a b",
        "-p PORT --no-raw psubscribe a*",
        "-p PORT -3 --no-raw subscribe a b",
        "-p PORT --csv subscribe a",
        "-p PORT monitor",
        "-p PORT --no-raw monitor",
        "-p PORT --no-raw << subscribe a",
    ] {
        let (args, input) = line.split_once(" << ").unwrap_or((line, ""));
        let args = words(&at(&server, args));
        let [real, ours] = [Which::Real, Which::Ours].map(|which| {
            let said = std::thread::scope(|scope| {
                let said = scope.spawn(|| call(which, &args, input.as_bytes()));
                while !["flags=P", "flags=O"]
                    .iter()
                    .any(|flag| server.ask("CLIENT LIST").contains(flag))
                {
                    std::thread::sleep(std::time::Duration::from_millis(5));
                }
                server.ask("PUBLISH a \"one\\ntwo\"");
                // Long enough for it to be printed before the connection is gone.
                std::thread::sleep(std::time::Duration::from_millis(100));
                server.ask("CLIENT KILL TYPE pubsub");
                server.ask("CLIENT KILL TYPE normal");
                said.join().unwrap()
            });
            #[allow(clippy::regex_creation_in_loops)] // two rounds
            let times = regex::Regex::new(r"\d+\.\d+ \[0 127.0.0.1:\d+\]").unwrap();
            let out = times
                .replace_all(&String::from_utf8_lossy(&said.out), "TIME")
                .into_owned();
            #[allow(clippy::regex_creation_in_loops)]
            let polls = regex::Regex::new("(?m)^\"?TIME \\\\?\"CLIENT.*LIST.*\n").unwrap();
            let out = polls.replace_all(&out, "").into_owned().into_bytes();
            without_chance(Said { out, ..said })
        });
        assert_eq!(real, ours, "{line}");
        assert!(
            String::from_utf8_lossy(&ours.out).contains("one"),
            "{line}: {ours:?}"
        );
    }
}
