//! Labs with PostgreSQL: on real containers, and beside simulated nodes on the machine's own.

mod command;
mod engine;
mod support;

use std::process::{Command, Stdio};
use std::time::Duration;

use command::{Desk, Ended, lab};
use engine::{docker, left_of, remove_by_hand, turn};
use labrunner::backend::postgres::{Options, Server};
use sqlx::{Connection, PgConnection};
use support::turns::Turn;
use support::{may_run, skip};

/// Two labs one after the other, on a machine under load.
const PATIENCE: Duration = Duration::from_secs(300);

/// A cluster of one, which is there in no time, and a database.
const GIVEN: &str =
    "given:\n  node_timeout: 15000ms\n  masters: {redis-1: 0-16383}\n  postgres: empty\n";

/// What a database does in a lab: it is empty at first, keeps its data, refuses and is silent as its commands say.
const LIFE: &str = r#"  - id: make
    title: Make a table
    run: psql -c "CREATE TABLE seats (id int PRIMARY KEY, name text, sold bool)"
    expect:
      - stdout: {equals: CREATE TABLE}
      - sql: {query: SELECT count(*) FROM seats, value: "0"}
  - id: fill
    title: Fill it
    run: psql -v ON_ERROR_STOP=1 -Atc "INSERT INTO seats SELECT i, 'A' || i FROM generate_series(1, 3) i RETURNING id"
    expect:
      - stdout: {equals: "1\n2\n3\nINSERT 0 3"}
      - sql: {query: "SELECT id, name, sold FROM seats ORDER BY id", equals: ["1|A1|", "2|A2|", "3|A3|"]}
      - sql: {query: SELECT count(*) FROM seats, is: ">= 3"}
  - id: csv
    title: Print it otherwise
    run: psql -h 127.0.0.1 -p 5432 -U app -d app --csv -c "SELECT id, name FROM seats WHERE id < 3 ORDER BY id"
    expect:
      - stdout: {equals: "id,name\n1,A1\n2,A2"}
    holds:
      - sql: {query: SELECT 1 FROM seats, rows: 3}
  - id: all-or-nothing
    title: Break a rule in the third row
    run: psql -c "INSERT INTO seats VALUES (7, 'B1'), (8, 'B2'), (1, 'B3')"
    expect:
      - exit: 1
      - stderr: {contains: duplicate key value}
    holds:
      - sql: {query: SELECT 1 FROM seats, rows: 3}
  - id: no-files
    title: Files are the server's own
    run: psql -c "SELECT pg_read_file('/etc/passwd')"
    expect:
      - exit: 1
      - stderr: {contains: permission denied}
  - id: no-programs
    title: And so are programs
    run: psql -c "DO $$BEGIN EXECUTE 'COPY seats TO PROGRAM ''id'''; END$$"
    expect:
      - exit: 1
      - stderr: {contains: external program}
  - id: restart
    title: Restart it
    run: docker compose restart postgres
    expect:
      - exit: 0
  - id: back
    title: Wait until it answers again
    expect:
      - sql: {query: SELECT 1 FROM seats, rows: 3}
        within: 60s
  - id: after-restart
    title: Nothing is lost
    run: psql -Atc "SELECT name FROM seats ORDER BY id"
    expect:
      - stdout: {equals: "A1\nA2\nA3"}
  - id: stop
    title: Stop it
    run: docker stop postgres
    expect:
      - exit: 0
  - id: refused
    title: It refuses
    run: psql -c "SELECT 1"
    expect:
      - exit: 2
      - stderr: {matches: "port 5432 failed: Connection refused"}
  - id: start
    title: Start it
    run: docker start postgres
    expect:
      - sql: {query: SELECT 1 FROM seats, rows: 3}
  - id: kill
    title: Kill it
    run: docker kill postgres
    expect:
      - exit: 0
  - id: up
    title: Start it after that
    run: docker compose up -d postgres
    expect:
      - sql: {query: SELECT 1 FROM seats, rows: 3}
  - id: freeze
    title: Freeze it
    run: docker pause postgres
    expect:
      - exit: 0
    cleanup: [docker unpause postgres]
  - id: silent
    title: It is silent
    run: psql -c "SELECT 1"
    expect:
      - exit: 2
      - stderr: {contains: timeout}
  - id: thaw
    title: Let it go on
    run: docker unpause postgres
    expect:
      - sql: {query: SELECT 1 FROM seats, rows: 3}
"#;

/// A database that a lab before has left things in, and a lab that wants an empty one.
const FINDS_NOTHING: &str = r#"  - id: nothing
    title: Nothing is there
    run: psql -Atc "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
    expect:
      - stdout: {equals: "0"}
    holds:
      - sql: {query: "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'", value: "0"}
"#;

/// An image of PostgreSQL as well; the turn of tests that keep docker busy.
fn postgres_turn(test: &str) -> Option<Turn> {
    let turn = turn(test)?;
    let answers = |args: &[&str]| {
        let output = Command::new("docker")
            .args(args)
            .stdin(Stdio::null())
            .output();
        output.is_ok_and(|output| output.status.success() && !output.stdout.trim_ascii().is_empty())
    };
    let named = std::env::var("LAB_POSTGRES_IMAGE").unwrap_or_default();
    let named = match named.is_empty() {
        true => "postgres:17",
        false => &named,
    };
    let label = "label=labrunner.image=postgres";
    let there = answers(&["image", "inspect", "--format", "{{.Id}}", named])
        || answers(&["image", "ls", "--quiet", "--filter", label]);
    let why = format!("the image {named} is not here, and none was made by .ci/images");
    (there || skip("docker", test, &why)).then_some(turn)
}

/// Removes what is left of a run when a test fails.
struct Broom<'a>(&'a Desk);

impl Drop for Broom<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() && self.0.path().join("journal.jsonl").exists() {
            remove_by_hand(&self.0.run_id());
        }
    }
}

fn run_on(backend: &str, desk: &Desk, args: &[&str]) -> Ended {
    let _broom = Broom(desk);
    let all = [args, &["--backend", backend]].concat();
    let ended = desk.start(&mut desk.run_command(&all)).end(PATIENCE);
    if backend == "docker" {
        // Each environment of a run has a name of its own.
        let run = desk.run_id();
        let others = (2..10).map(|number| format!("{run}-{number}"));
        for run in others.chain([run.clone()]) {
            assert_eq!(left_of(&run), Vec::<String>::new(), "left of {run}");
        }
    }
    ended
}

fn labs_of_the_course() -> [String; 5] {
    [
        "09-write-through",
        "10-cache-aside",
        "11-event-driven",
        "12-reconciliation",
        "13-full-reservation",
    ]
    .map(|name| format!("{}/labs/{name}.yaml", env!("CARGO_MANIFEST_DIR")))
}

#[test]
fn labs_9_to_13_pass_on_containers() {
    let Some(_turn) = postgres_turn("labs_9_to_13_pass_on_containers") else {
        return;
    };
    let labs = labs_of_the_course();
    let mut args: Vec<&str> = labs.iter().map(String::as_str).collect();
    args.extend(["--jobs", "2"]);
    run_on("docker", &Desk::new(), &args).says(0, &["5 labs, 5 passed, 0 skipped"]);
}

#[test]
fn labs_9_to_13_pass_beside_simulated_nodes() {
    if !may_run("postgres", "labs_9_to_13_pass_beside_simulated_nodes") {
        return;
    }
    let labs = labs_of_the_course();
    let labs: Vec<&str> = labs.iter().map(String::as_str).collect();
    run_on("sim", &Desk::new(), &labs).says(0, &["5 labs, 5 passed, 0 skipped"]);
}

fn the_life_of_a_database(backend: &str) {
    let desk = Desk::new();
    desk.write("a.yaml", lab(GIVEN, LIFE));
    desk.write("b.yaml", lab(GIVEN, FINDS_NOTHING));
    run_on(backend, &desk, &["a.yaml", "b.yaml"]).says(0, &["2 labs, 2 passed, 0 skipped"]);
}

#[test]
fn a_database_in_a_container() {
    let Some(_turn) = postgres_turn("a_database_in_a_container") else {
        return;
    };
    the_life_of_a_database("docker");
}

#[test]
fn a_database_beside_simulated_nodes() {
    if may_run("postgres", "a_database_beside_simulated_nodes") {
        the_life_of_a_database("sim");
    }
}

/// The screen of a check that does not hold: the query, what was expected, what it gives.
#[test]
fn a_check_that_does_not_hold_shows_the_query_and_the_rows() {
    if !may_run("postgres", "a_check_that_does_not_hold") {
        return;
    }
    let desk = Desk::new();
    let steps = r#"  - id: make
    title: Sell two seats
    run: psql -c "CREATE TABLE sold AS SELECT i AS seat, 'ada' AS buyer FROM generate_series(1, 2) i"
    expect:
      - sql:
          query: SELECT seat, buyer FROM sold ORDER BY seat
          equals: [1|ada, 2|grace]
        within: 500ms
        why: Nobody may get two.
"#;
    desk.write("lab.yaml", lab(GIVEN, steps));
    let ended = run_on("sim", &desk, &["lab.yaml"]);
    ended.says(1, &[]);
    let (_, screen) = ended.stdout.split_once("\n\n").unwrap();
    let (screen, _) = screen.split_once("\n\n").unwrap();
    insta::with_settings!({filters => vec![
        (r"looked (once|twice|\d+ times) in [\d.]+ m?s", "looked N times in T"),
        (r"exit 0 after [\d.]+ m?s", "exit 0 after T"),
    ]}, {
        insta::assert_snapshot!(screen);
    });
}

/// A server that is there already: a database of the run's own on it, gone afterwards, and nothing else touched.
#[test]
fn a_database_on_a_server_that_was_named() {
    if !may_run("postgres", "a_database_on_a_server_that_was_named") {
        return;
    }
    let server = Server::start(&Options::default()).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let databases = || -> Vec<String> {
        runtime.block_on(async {
            let mut connection = PgConnection::connect(&server.url("postgres")).await.unwrap();
            let all = "SELECT datname::text FROM pg_database UNION ALL SELECT rolname::text FROM pg_roles ORDER BY 1";
            sqlx::query_scalar(all).fetch_all(&mut connection).await.unwrap()
        })
    };
    let before = databases();
    let desk = Desk::new();
    desk.write("lab.yaml", lab(GIVEN, FINDS_NOTHING));
    let url = server.url("postgres");
    let ended = desk
        .start(&mut desk.run_command(&["lab.yaml", "lab.yaml", "--database-url", &url]))
        .end(PATIENCE);
    ended.says(0, &["2 labs, 2 passed, 0 skipped"]);
    assert_eq!(databases(), before);
    // It is not labrunner's to stop.
    let stops = "  - id: stop\n    title: Stop it\n    run: docker stop postgres\n    expect:\n      - exit: 0\n";
    desk.write("stops.yaml", lab(GIVEN, stops));
    let ended = desk
        .start(&mut desk.run_command(&["stops.yaml", "--database-url", &url]))
        .end(PATIENCE);
    ended.says(4, &["stops.yaml: ", "is not labrunner's to stop"]);
    assert_eq!(databases(), before);
    // That is said before any lab begins, also one that comes before it and could be run.
    let begun = || {
        let events = desk.events().into_iter();
        events
            .filter(|event| event["event"] == "lab_started")
            .count()
    };
    assert_eq!(begun(), 0);
    let ended = desk
        .start(&mut desk.run_command(&["lab.yaml", "stops.yaml", "--database-url", &url]))
        .end(PATIENCE);
    ended.says(4, &["stops.yaml: "]);
    assert_eq!(begun(), 0);
    // A step that is left out here asks nothing of it.
    let skipped = stops.replace(
        "    expect:",
        "    skip_on: {sim: the server may be somebody else's}\n    expect:",
    );
    let steps = format!("{FINDS_NOTHING}{skipped}");
    desk.write("skips.yaml", lab(GIVEN, &steps));
    desk.start(&mut desk.run_command(&["skips.yaml", "--database-url", &url]))
        .end(PATIENCE)
        .says(0, &["1 step passed, 1 skipped"]);
    assert_eq!(databases(), before);
    desk.run(&["lab.yaml", "--database-url", &url, "--backend", "docker"])
        .says(2, &[]);
}

/// Where no PostgreSQL is, labs that need one can't be run, and all others can.
#[test]
fn without_postgresql_it_is_said_what_to_install() {
    let desk = Desk::new();
    desk.write("lab.yaml", lab(GIVEN, FINDS_NOTHING));
    let mut command = desk.run_command(&["lab.yaml", "--backend", "sim"]);
    command
        .env_clear()
        .env("PATH", "/nonexistent")
        .env("LABRUNNER_POSTGRES_BIN", "/nonexistent");
    desk.start(&mut command)
        .end(PATIENCE)
        .says(4, &["LABRUNNER_POSTGRES_BIN names /nonexistent"]);
}

#[test]
fn an_image_that_is_not_there_is_said_before_anything_is_made() {
    let Some(_turn) = turn("an_image_that_is_not_there_is_said_before_anything_is_made") else {
        return;
    };
    let desk = Desk::new();
    desk.write("lab.yaml", lab(GIVEN, FINDS_NOTHING));
    let mut command = desk.run_command(&["lab.yaml", "--backend", "docker"]);
    command.env("LAB_POSTGRES_IMAGE", "labrunner-none:0");
    let ended = desk.start(&mut command).end(PATIENCE);
    ended.says(4, &["labrunner-none:0", "LAB_POSTGRES_IMAGE"]);
    assert_eq!(
        docker(&[
            "ps",
            "-aq",
            "--filter",
            &format!("label=labrunner.run={}", desk.run_id())
        ]),
        ""
    );
}

/// The guide's table of who has what names steps that there are.
#[test]
fn every_row_of_who_has_what_is_shown_by_steps_that_there_are() {
    let root = env!("CARGO_MANIFEST_DIR");
    let chapter = std::fs::read_to_string(format!("{root}/book/src/postgres.md")).unwrap();
    let steps = |number: &str| {
        let start = format!("{number:0>2}-");
        let labs = std::fs::read_dir(format!("{root}/labs")).unwrap();
        let path = labs
            .map(|entry| entry.unwrap().path())
            .find(|path| {
                path.file_name()
                    .unwrap()
                    .to_string_lossy()
                    .starts_with(&start)
            })
            .unwrap_or_else(|| panic!("no lab {number}"));
        let text = std::fs::read_to_string(&path).unwrap();
        let lab = labrunner::lab::load(&labrunner::lab::Source::new("lab.yaml", text)).unwrap();
        let ids = lab.steps.iter().map(|step| step.id.value.clone());
        ids.collect::<Vec<String>>()
    };
    let mut shown = 0;
    for row in chapter.lines().filter(|line| line.contains("| Lab ")) {
        let cell = row
            .trim_end_matches(['|', ' '])
            .rsplit("| ")
            .next()
            .unwrap();
        for part in cell.split("; ") {
            let (lab, named) = part.split_once(": ").unwrap();
            let ids = steps(lab.strip_prefix("Lab ").unwrap());
            for id in named.split(", ") {
                let id = id.trim_matches('`').to_owned();
                assert!(ids.contains(&id), "{lab} has no step {id}");
                shown += 1;
            }
        }
    }
    assert!(shown > 25, "{shown}");
}
