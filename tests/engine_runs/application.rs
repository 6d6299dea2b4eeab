//! Steps that call the application: what it prints is checked and saved, and used by the next call.

use insta::assert_snapshot;

use crate::environment::without_servers;
use crate::story::{run_lab, steps};

#[tokio::test]
async fn what_it_prints_as_json_is_checked_saved_and_used() {
    let lab = steps(
        r#"
  - id: create
    title: T
    run: ./app create-event --name Concert --seats 10 --json
    save: {event: json .event, slot: json .on.slot}
    expect:
      - json: {path: .seats, is: 10}
      - json: {path: .on.node, equals: "172.30.0.11:7001"}
  - id: reserve
    title: T
    run: ./app --json reserve --event ${event} --user ada --seats 2
    save: {first: "json .seats[0].label"}
    expect:
      - json: {path: ".seats[1].state", equals: held}
  - id: too-many
    title: T
    run: ./app reserve --event=${event} --user "${first} ${slot}" --json --seats 9
    expect:
      - exit: 10
      - json: {path: .free, is: "< 9"}
"#,
    );
    let ended = run_lab(without_servers(), &lab).await;
    assert_snapshot!(ended.story());
    assert_eq!(
        ended.environment.performed(),
        [
            "start",
            "./app create-event --name Concert --seats 10 --json",
            "./app reserve --json --event abcd2345 --user ada --seats 2",
            "./app reserve --event abcd2345 --user A1 4711 --json --seats 9",
        ]
    );
}

#[tokio::test]
async fn a_value_that_is_no_number_is_told_before_anything_is_started() {
    let lab = steps(
        r#"
  - {id: create, title: T, run: ./app create-event --name x --seats 1 --json, save: {event: json .event}, expect: [json: {path: .seats, is: 10}]}
  - {id: reserve, title: T, run: "./app reserve --event ${event} --user u --seats ${event}", expect: [exit: 0]}
"#,
    );
    let ended = run_lab(without_servers(), &lab).await;
    assert_snapshot!(ended.story());
    assert_eq!(ended.environment.performed().len(), 2);
}

#[tokio::test]
async fn the_load_test_shows_what_it_stands_for() {
    let lab = steps(
        r#"
  - {id: load, title: T, run: "make load-test USERS=100 SEATS=1 | grep -c reservations", expect: [stdout: {equals: "1"}, stderr: {contains: "$ ./app load-test --users 100 --seats 1"}]}
"#,
    );
    let ended = run_lab(without_servers(), &lab).await;
    assert_snapshot!(ended.story());
    assert_eq!(
        ended.environment.performed(),
        ["start", "./app load-test --users 100 --seats 1"]
    );
}
