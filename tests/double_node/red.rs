//! A double that is wrong is noticed: here a second real server, set up in another way.

use crate::case::parse;
use crate::pair::Pair;
use crate::real::{self, Real};
use crate::run::{Failure, run};
use crate::subject::Subject;

/// Two real servers; the second takes a hash of two fields for a big one, and a request of more than a megabyte for too long.
pub fn unequal() -> Pair {
    let mut pair = Pair::of(Real::start(), Subject::Real(Real::start()));
    for (name, value) in [
        ("hash-max-listpack-entries", "1"),
        ("proto-max-bulk-len", "1048576"),
    ] {
        let get = crate::wire::command(&["CONFIG", "GET", name]);
        let set = crate::wire::command(&["CONFIG", "SET", name, value]);
        pair.control_each(&get, &set).unwrap();
    }
    pair
}

fn play(pair: &mut Pair, text: &str) -> Result<(), Failure> {
    let cases = parse(text).unwrap();
    assert_eq!(cases.len(), 1);
    run(&cases[0], 2, pair)
}

#[test]
fn a_wrong_double_is_noticed() {
    if !real::is_here("a_wrong_double_is_noticed") {
        return;
    }
    let mut pair = unequal();
    let same = "== a\nHSET h f v\nOBJECT ENCODING h\n@save:x CLIENT ID\nECHO ${x}";
    assert!(play(&mut pair, same).is_ok());

    let reply = "== a\nHSET h f v g w\nHGET h f\nOBJECT ENCODING h\nPING";
    let failure = play(&mut pair, reply).unwrap_err();
    assert_eq!((failure.line, failure.lines.len()), (4, 3));
    assert_eq!(failure.problem.real, b"$8\r\nlistpack\r\n");
    assert_eq!(failure.problem.double, b"$9\r\nhashtable\r\n");

    let later = "== a\n@times:3 HSET h f{i} v\n@times:3 OBJECT ENCODING h";
    assert_eq!(play(&mut pair, later).unwrap_err().line, 3);

    let on_another = "== a\nHSET h f v g w\n2> OBJECT ENCODING h";
    assert_eq!(play(&mut pair, on_another).unwrap_err().line, 3);

    // One waits for the rest of a long request, the other has refused it.
    let unread = "== a\nPING\n!raw \"*1\\r\\n$1048577\\r\\n\"";
    let failure = play(&mut pair, unread).unwrap_err();
    assert!(failure.problem.why.contains("unread"));
    assert!(failure.problem.real.is_empty());
    assert!(failure.problem.double.starts_with(b"-ERR Protocol error"));

    // After a failure the next case runs as if nothing had been.
    assert!(play(&mut pair, same).is_ok());
    assert!(play(&mut pair, reply).is_err());
}

#[test]
fn a_case_that_shows_nothing_is_noticed() {
    if !real::is_here("a_case_that_shows_nothing_is_noticed") {
        return;
    }
    let mut pair = unequal();
    for text in [
        "== a\n@match \"^never$\" PING",
        "== a\n@keep never PING",
        "== a\n!close 2",
    ] {
        assert!(play(&mut pair, text).is_err(), "{text}");
    }
}
