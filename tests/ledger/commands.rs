//! The commands, as a user types them: a real PostgreSQL, and a cluster in the test's own process.

use std::process::{Command, Stdio};

use labrunner::double::Cluster;
use serde_json::Value;

use crate::databases::Database;

struct Place {
    nodes: String,
    _cluster: Cluster,
    database: Database,
}

struct Ended {
    exit: Option<i32>,
    text: String,
}

impl Ended {
    #[track_caller]
    fn says(&self, exit: i32, words: &[&str]) -> &Self {
        assert_eq!(self.exit, Some(exit), "{}", self.text);
        for word in words {
            assert!(
                self.text.contains(word),
                "it does not say {word:?}:\n{}",
                self.text
            );
        }
        self
    }

    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("{}", self.text))
    }
}

impl Place {
    async fn make(test: &str) -> Option<Place> {
        let database = Database::make(test).await?;
        let cluster = Cluster::start().await.unwrap();
        let nodes: Vec<String> = cluster
            .addresses()
            .iter()
            .map(ToString::to_string)
            .collect();
        Some(Place {
            nodes: nodes.join(","),
            _cluster: cluster,
            database,
        })
    }

    async fn call_at(&self, url: Option<&str>, words: &[&str]) -> Ended {
        let mut command = Command::new(env!("CARGO_BIN_EXE_app"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("APP_") || name == "DATABASE_URL" {
                command.env_remove(name);
            }
        }
        command
            .args(words)
            .env("APP_NODES", &self.nodes)
            .current_dir(std::env::temp_dir())
            .stdin(Stdio::null());
        if let Some(url) = url {
            command.env("DATABASE_URL", url);
        }
        let ended = tokio::task::spawn_blocking(move || command.output().unwrap())
            .await
            .unwrap();
        Ended {
            exit: ended.status.code(),
            text: format!(
                "{}{}",
                String::from_utf8_lossy(&ended.stdout),
                String::from_utf8_lossy(&ended.stderr)
            ),
        }
    }

    async fn call(&self, words: &[&str]) -> Ended {
        self.call_at(Some(&self.database.url()), words).await
    }
}

fn text<'a>(json: &'a Value, key: &str) -> &'a str {
    json[key].as_str().unwrap()
}

#[tokio::test]
async fn from_an_empty_database_to_a_report() {
    let Some(place) = Place::make("from_an_empty_database_to_a_report").await else {
        return;
    };
    let create = ["create-event", "--name", "Gala", "--seats", "10", "--json"];
    place
        .call(&create)
        .await
        .says(22, &["ledger_not_ready", "app migrate up"]);
    place
        .call(&["migrate", "status"])
        .await
        .says(22, &["1  missing       events"]);
    place
        .call(&["migrate", "up"])
        .await
        .says(0, &["8  applied"]);
    place
        .call(&["migrate", "up"])
        .await
        .says(0, &["nothing to do"]);
    place.call(&["migrate", "status"]).await.says(0, &[]);

    let created = place.call(&create).await;
    let created = created.says(0, &[]).json();
    assert_eq!(created["redis"], "told");
    let event = text(&created, "event").to_owned();
    let reserve = |user: &'static str, seats: &'static str| {
        let event = event.clone();
        let place = &place;
        async move {
            let words = [
                "reserve", "--event", &event, "--user", user, "--seats", seats, "--json",
            ];
            let held = place.call(&words).await;
            text(&held.says(0, &[]).json(), "reservation").to_owned()
        }
    };
    let (ann, ben) = (reserve("ann", "2").await, reserve("ben", "3").await);
    let of =
        |command: &'static str, user: &'static str, reservation: &str, more: &[&'static str]| {
            let mut words = vec![
                command,
                "--event",
                &event,
                "--reservation",
                reservation,
                "--user",
                user,
            ];
            words.extend(more);
            words
                .iter()
                .map(|word| (*word).to_owned())
                .collect::<Vec<_>>()
        };
    let call = async |words: Vec<String>| {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        place.call(&words).await
    };
    let confirmed = call(of("confirm", "ann", &ann, &["--key", "k1", "--json"])).await;
    assert_eq!(confirmed.says(0, &[]).json()["redis"], "told");
    call(of("confirm", "ann", &ann, &["--key", "k1"]))
        .await
        .says(0, &["is confirmed: A1 A2 for ann"]);
    call(of("confirm", "ben", &ben, &["--key", "k1"]))
        .await
        .says(17, &["used for another request"]);
    call(of(
        "confirm",
        "ben",
        &ben,
        &["--key", "k2", "--stop-between"],
    ))
    .await
    .says(5, &["between the two writes"]);
    let shown = place
        .call(&["ledger", "show", "--json"])
        .await
        .says(0, &[])
        .json();
    assert_eq!(shown["confirmed"], 2);
    assert_eq!(shown["outbox"]["open"], 1);
    place
        .call(&["availability", "--event", &event])
        .await
        .says(0, &["5 of 10 seats free, 3 held, 2 sold"]);
    place
        .call(&["ledger", "repair"])
        .await
        .says(0, &["Redis was told 1 changes"]);
    place
        .call(&["availability", "--event", &event])
        .await
        .says(0, &["5 of 10 seats free, 0 held, 5 sold"]);
    call(of("cancel", "ann", &ann, &[]))
        .await
        .says(0, &["is cancelled: A1 A2"]);

    let read = [
        "availability",
        "--event",
        &event,
        "--pattern",
        "cache-aside",
        "--json",
    ];
    let first = place.call(&read).await.says(0, &[]).json();
    assert_eq!(
        (&first["source"], &first["sold"]),
        (&"ledger".into(), &3.into())
    );
    let second = place.call(&read).await.says(0, &[]).json();
    assert_eq!(
        (&second["source"], &second["queries"]),
        (&"cache".into(), &0.into())
    );
    let cem = reserve("cem", "1").await;
    call(of("confirm", "cem", &cem, &[])).await.says(0, &[]);
    let many = [&read[..], &["--readers", "200"]].concat();
    let many = place.call(&many).await.says(0, &[]).json();
    assert_eq!((&many["queries"], &many["sold"]), (&1.into(), &4.into()));

    let sales = place
        .call(&["report", "sales", "--json"])
        .await
        .says(0, &[])
        .json();
    assert_eq!(sales["sold"], 4);
    assert_eq!(sales["events"][0]["buyers"], 2);
    assert_eq!(sales["events"][0]["cancelled"], 1);
    place
        .call(&["report", "sales", "--event", &event])
        .await
        .says(0, &["4 of    10 seats sold, to 2 buyers  Gala"]);
    place
        .call(&["ledger", "show", "--event", &event])
        .await
        .says(0, &["4 of 10 seats sold", "confirmed", "cancelled"]);

    place
        .call(&["migrate", "down", "--to", "0"])
        .await
        .says(2, &["with all that is in them", "--yes"]);
    place
        .call(&["migrate", "down", "--to", "0", "--yes"])
        .await
        .says(0, &["1  missing"]);
}

#[tokio::test]
async fn without_a_database_all_is_as_it_was() {
    let Some(place) = Place::make("without_a_database_all_is_as_it_was").await else {
        return;
    };
    let call = async |words: &[&str]| place.call_at(None, words).await;
    let created = call(&["create-event", "--name", "Gala", "--seats", "10", "--json"]).await;
    let created = created.says(0, &[]).json();
    assert_eq!(created.get("redis"), None);
    let event = text(&created, "event").to_owned();
    let held = call(&[
        "reserve", "--event", &event, "--user", "ann", "--seats", "1", "--json",
    ])
    .await;
    let reservation = text(&held.json(), "reservation").to_owned();
    let settle = [
        "confirm",
        "--event",
        &event,
        "--reservation",
        &reservation,
        "--user",
        "ann",
    ];
    let with = |more: &[&'static str]| [&settle[..], more].concat();
    call(&with(&["--pattern", "write-through"]))
        .await
        .says(2, &["no database is named", "--database-url"]);
    call(&with(&["--stop-between"]))
        .await
        .says(2, &["no two writes"]);
    call(&with(&["--pattern", "cache-aside"]))
        .await
        .says(2, &["pattern for reads"]);
    call(&with(&["--pattern", "hope"]))
        .await
        .says(2, &["there is no pattern `hope`"]);
    call(&["availability", "--event", &event, "--readers", "5"])
        .await
        .says(2, &["with --pattern cache-aside"]);
    call(&settle).await.says(0, &["is confirmed"]);
    for words in [
        &["migrate", "up"][..],
        &["ledger", "show"],
        &["report", "sales"],
    ] {
        call(words).await.says(2, &["no database is named"]);
    }
    call(&[
        "availability",
        "--event",
        &event,
        "--pattern",
        "cache-aside",
    ])
    .await
    .says(2, &["no database is named"]);
}

/// An event that was made before there was a database, and a seat of it that was sold then.
#[tokio::test]
async fn a_database_that_comes_later() {
    let Some(place) = Place::make("a_database_that_comes_later").await else {
        return;
    };
    let create = ["create-event", "--name", "Gala", "--seats", "4", "--json"];
    let created = place.call_at(None, &create).await.says(0, &[]).json();
    let event = text(&created, "event").to_owned();
    let mut held = Vec::new();
    for user in ["ann", "ben", "cem"] {
        let words = [
            "reserve", "--event", &event, "--user", user, "--seats", "1", "--json",
        ];
        let json = place.call_at(None, &words).await.says(0, &[]).json();
        held.push(text(&json, "reservation").to_owned());
    }
    let settle = |command: &'static str, user: &'static str, reservation: &str| {
        [
            command,
            "--event",
            &event,
            "--reservation",
            reservation,
            "--user",
            user,
        ]
        .map(str::to_owned)
    };
    let call = async |url: Option<&str>, words: [String; 7]| {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        place.call_at(url, &words).await
    };
    call(None, settle("confirm", "ann", &held[0]))
        .await
        .says(0, &[]);
    let url = place.database.url();
    place.call(&["migrate", "up"]).await.says(0, &[]);
    call(Some(&url), settle("cancel", "ben", &held[1]))
        .await
        .says(0, &["A2"]);
    call(Some(&url), settle("confirm", "cem", &held[2]))
        .await
        .says(0, &["A3"]);
    // What was sold before becomes the ledger's when it is confirmed once more.
    call(Some(&url), settle("confirm", "ann", &held[0]))
        .await
        .says(0, &["A1"]);
    let sales = place
        .call(&["report", "sales", "--json"])
        .await
        .says(0, &[])
        .json();
    assert_eq!(
        (&sales["sold"], &sales["events"][0]["name"]),
        (&2.into(), &"Gala".into())
    );
    place
        .call(&["availability", "--event", &event])
        .await
        .says(0, &["2 of 4 seats free, 0 held, 2 sold"]);
    let shown = place
        .call(&["ledger", "show", "--json"])
        .await
        .says(0, &[])
        .json();
    assert_eq!(shown["outbox"]["open"], 0);
}

#[tokio::test]
async fn a_database_that_is_not_as_it_should_be_has_its_exit_code() {
    let Some(place) = Place::make("a_database_that_is_not_as_it_should_be").await else {
        return;
    };
    let server = place.database.server;
    let cases = [
        (
            "postgres://postgres@127.0.0.1:1/x".to_owned(),
            21,
            "can't be used",
        ),
        (server.url("nowhere"), 22, "there is no database nowhere"),
        (
            server.url("postgres").replace(server.password(), "guess"),
            8,
            "does not let the application in",
        ),
        ("nonsense".to_owned(), 2, "does not begin with postgres://"),
    ];
    for (url, exit, words) in cases {
        let words = [words];
        let ended = place
            .call_at(Some(&url), &["report", "sales", "--deadline", "1s"])
            .await;
        ended.says(exit, &words);
        assert!(!ended.text.contains("guess"), "{}", ended.text);
    }
    // The flag comes before the environment.
    let url = place.database.url();
    place
        .call_at(Some("nonsense"), &["migrate", "up", "--database-url", &url])
        .await
        .says(0, &["applied"]);
}

#[tokio::test]
async fn limits_and_locks_by_themselves() {
    let Some(place) = Place::make("limits_and_locks_by_themselves").await else {
        return;
    };
    let limit = ["limit", "--user", "ann", "--rate-limit", "2/60s"];
    place
        .call(&limit[..3])
        .await
        .says(2, &["--rate-limit 5/10s"]);
    for used in ["1 of 2", "2 of 2"] {
        place.call(&limit).await.says(0, &[used]);
    }
    place.call(&limit).await.says(18, &["has to wait"]);
    let acquire = |owner| {
        [
            "lock", "acquire", "--name", "repair", "--owner", owner, "--json",
        ]
    };
    let taken = place.call(&acquire("ann")).await.says(0, &[]).json();
    assert_eq!(taken["token"], 1);
    place
        .call(&acquire("ben"))
        .await
        .says(18, &["somebody else"]);
    let release = |token| {
        [
            "lock", "release", "--name", "repair", "--owner", "ann", "--token", token,
        ]
    };
    place.call(&release("7")).await.says(16, &["was not ann's"]);
    place.call(&release("1")).await.says(0, &["is free"]);
    let taken = place.call(&acquire("ben")).await.says(0, &[]).json();
    assert_eq!(taken["token"], 2);
}
