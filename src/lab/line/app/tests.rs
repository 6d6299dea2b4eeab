use rstest::rstest;

use super::super::{Line, Task};
use crate::lab::action::Action;

fn fill(text: &str) -> Result<Vec<String>, String> {
    let filled =
        Line::parse(text)
            .unwrap()
            .fill(|reference| match reference.path.join(".").as_str() {
                "event" => Ok("abcd2345".to_owned()),
                "two" => Ok("2".to_owned()),
                "dashed" => Ok("--nodes=10.0.0.1:1".to_owned()),
                "words" => Ok("2 --json".to_owned()),
                other => Err(format!("no value for {other}")),
            })?;
    match filled.task {
        Task::Action(Action::App(call)) => Ok(call.words),
        other => panic!("{other:?}"),
    }
}

#[rstest]
#[case("./app create-event --name \"Failover Test\" --seats 10", &["create-event", "--name", "Failover Test", "--seats", "10"])]
#[case("./app create-event --name x --seats 10 --on-slots 0-5460", &["create-event", "--name", "x", "--seats", "10", "--on-slots", "0-5460"])]
#[case("./app availability --event ${event}", &["availability", "--event", "abcd2345"])]
#[case("./app --json availability --event=${event} --read-from replicas", &["availability", "--json", "--event", "abcd2345", "--read-from", "replicas"])]
#[case("./app reserve --event e --seats ${two} --user 'a b' --hold 5m --key k", &["reserve", "--event", "e", "--seats", "2", "--user", "a b", "--hold", "5m", "--key", "k"])]
#[case("./app reserve --event e --seat A1,A2 --user u", &["reserve", "--event", "e", "--seat", "A1,A2", "--user", "u"])]
#[case("./app reserve --event e --seats 0 --user u", &["reserve", "--event", "e", "--seats", "0", "--user", "u"])]
#[case("./app session login --user u --ttl 30m", &["session", "login", "--user", "u", "--ttl", "30m"])]
#[case("./app events", &["events"])]
#[case("./app load-test --users 50 --seats 2 --naive --durable", &["load-test", "--users", "50", "--seats", "2", "--naive", "--durable"])]
#[case("./app load-test --rate 500 --for 5s --mix reserve=70,read=30 --in-flight 50", &["load-test", "--rate", "500", "--for", "5s", "--mix", "reserve=70,read=30", "--in-flight", "50"])]
#[case("./app watch --event e --for 10s", &["watch", "--event", "e", "--for", "10s"])]
// A value is a value, whatever it looks like.
#[case("./app create-event --name ${dashed} --seats 1", &["create-event", "--name=--nodes=10.0.0.1:1", "--seats", "1"])]
#[case("./app create-event --name ${words} --seats 1", &["create-event", "--name", "2 --json", "--seats", "1"])]
#[case("./app create-event --name=-x --seats 1", &["create-event", "--name=-x", "--seats", "1"])]
fn a_call_is_what_the_reader_types(#[case] text: &str, #[case] words: &[&str]) {
    assert_eq!(fill(text).unwrap(), words);
}

#[rstest]
#[case(
    "./app reserve --event e --seats ${event} --user u",
    "--seats: `abcd2345` is not a whole number"
)]
#[case(
    "./app reserve --event e --seats ${words} --user u",
    "--seats: `2 --json` is not a whole number"
)]
#[case("./app watch --event e --for ${two}", "--for: `2` has no unit")]
#[case("./app show --event ${nothing}", "no value for nothing")]
fn what_a_value_brings_is_checked_when_it_is_there(#[case] text: &str, #[case] why: &str) {
    let what = fill(text).unwrap_err();
    assert!(what.starts_with(why), "{what}");
}

#[test]
fn what_it_prints_can_be_filtered() {
    let line = Line::parse("./app show --event e | grep -c sold").unwrap();
    assert_eq!(line.filters.len(), 1);
    assert!(!line.is_endless());
}

/// Each with the part of the line at which the caret stands.
#[rstest]
#[case("./app", "./app", "isn't told what to do")]
#[case("./app --json", "./app", "isn't told what to do")]
#[case("./app buy --event e", "buy", "not a command")]
#[case("./app reserv --event e --frob", "reserv", "not a command")]
#[case("./app ${event} --event e", "${event}", "can't be a value")]
#[case("./app session", "session", "isn't told what to do")]
#[case("./app session --user u", "session", "isn't told what to do")]
#[case("./app session longin --user u", "longin", "`session longin` is not")]
#[case("./app login --user u", "login", "not a command")]
#[case("./app create-event --name x", "create-event", "needs `--seats`")]
#[case("./app create-event", "create-event", "needs `--name` and `--seats`")]
#[case("./app --json session login", "session login", "needs `--user`")]
#[case("./app show --evnet e", "--evnet", "not an option of `./app show`")]
#[case("./app show --evnet=e", "--evnet", "not an option of `./app show`")]
#[case(
    "./app show --event e --seats 2",
    "--seats",
    "not an option of `./app show`"
)]
#[case("./app --event e show", "--event", "goes with every command")]
#[case("./app show --event e -v", "-v", "not an option")]
#[case("./app show --event", "--event", "needs a value")]
#[case("./app create-event --name --seats 2", "--name", "needs a value")]
#[case("./app show --event e --json=yes", "--json=yes", "takes no value")]
#[case("./app show --event e --event f", "--event", "there twice")]
#[case("./app show --event e f", "f", "takes options, and this is none")]
#[case(
    "./app create-event --name Failover Test --seats 2",
    "Test",
    "takes options"
)]
#[case("./app create-event --name x --seats -1", "-1", "not a whole number")]
#[case(
    "./app create-event --name x --seats 'many'",
    "'many'",
    "not a whole number"
)]
#[case(
    "./app create-event --name x --seats=many",
    "many",
    "not a whole number"
)]
#[case(
    "./app create-event --name x --seats 1 --on-slots 0-16384",
    "0-16384",
    "16384"
)]
#[case("./app load-test --users 0", "0", "not from 1 to 100000")]
#[case("./app load-test --rate 500/s", "500/s", "not a whole number")]
#[case(
    "./app load-test --mix reserve=70,steal=30",
    "reserve=70,steal=30",
    "`steal`"
)]
#[case("./app reserve --event e --user u --seats 1 --hold 5", "5", "no unit")]
#[case(
    "./app reserve --event e --user u",
    "reserve",
    "needs `--seats` or `--seat`"
)]
#[case(
    "./app reserve --event e --user u --seats 1 --seat A1",
    "reserve",
    "takes either"
)]
#[case("./app show --event e --read-from slaves", "slaves", "not one of")]
#[case(
    "./app show --event e --nodes 127.0.0.1:6379",
    "--nodes",
    "talks to this lab's cluster"
)]
#[case(
    "./app show --event e --password=secret",
    "--password",
    "talks to this lab's cluster"
)]
#[case(
    "./app --config x.toml show --event e",
    "--config",
    "talks to this lab's cluster"
)]
#[case("./app load-test --histogram h.log", "--histogram", "no files")]
#[case("./app audit --event e --claims c.json", "--claims", "no files")]
#[case("./app watch --event e", "watch", "needs `--for`")]
#[case("./app show --event $(id)", "$(", "no shell")]
fn what_is_no_call_is_refused(#[case] text: &str, #[case] at: &str, #[case] why: &str) {
    let faults = Line::parse(text).unwrap_err();
    let [fault] = &faults[..] else {
        panic!("{faults:?}")
    };
    let (found, wanted) = (fault.range.clone(), text.rfind(at).unwrap());
    assert_eq!((&text[found.clone()], found.start), (at, wanted));
    assert!(fault.what.contains(why), "{fault:?}");
    assert!(fault.help.is_some(), "{fault:?}");
}

#[test]
fn all_slips_of_a_line_are_told() {
    let faults =
        Line::parse("./app reserve --evnt e --seats x --user u --nodes a --frob | wc").unwrap_err();
    let what: Vec<&str> = faults.iter().map(|fault| fault.what.as_str()).collect();
    assert_eq!(what.len(), 5, "{what:#?}");
}
