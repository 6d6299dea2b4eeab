//! Replies of all types in all styles.

use rstest::rstest;

use crate::both::{Which, call, is_here, without_chance};
use crate::server::Server;
use crate::words::words;

const STYLES: [&str; 6] = [
    "--raw",
    "--no-raw",
    "--csv",
    "--json",
    "--quoted-json",
    "-e",
];

#[rstest]
fn every_type_of_reply_in_every_style(#[values("-2", "-3")] protocol: &str) {
    if !is_here("every_type_of_reply_in_every_style") {
        return;
    }
    let server = Server::start(&[]);
    let port = server.port.to_string();
    let mut wrong = Vec::new();
    let (mut lines, mut calls) = (0, 0);
    for line in include_str!("replies.txt").lines() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        lines += 1;
        for style in STYLES {
            let mut args: Vec<std::ffi::OsString> =
                ["-p", &port, style, protocol].map(Into::into).into();
            args.extend(words(line));
            let [real, ours] = [Which::Real, Which::Ours].map(|which| {
                server.reset();
                without_chance(call(which, &args, b""))
            });
            calls += 1;
            if real != ours {
                wrong.push(format!(
                    "{style} {protocol} {line}\nredis-cli: {real:?}\nours: {ours:?}\n"
                ));
            }
        }
    }
    assert!(
        lines > 80 && calls > 450,
        "only {lines} lines, {calls} calls"
    );
    assert!(
        wrong.is_empty(),
        "{} of {calls} differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
