//! Finding and removing what carries a run's label.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::client::Client;
use super::course::COURSE;
use crate::backend::BackendError;

/// The label by which everything that a run makes is found; its value is the run's id.
pub(super) const RUN_LABEL: &str = "labrunner.run";
/// The label that says where the run's lock is.
pub(super) const LOCK_LABEL: &str = "labrunner.lock";
/// The label that says on which machine the lock is: an engine may serve several.
pub(super) const HOST_LABEL: &str = "labrunner.host";
/// Removing nine containers takes a second or two; a machine under load needs longer.
const REMOVE_TIME: Duration = Duration::from_secs(60);
/// How long to keep at it, when things resist or new ones turn up.
const PATIENCE: Duration = Duration::from_secs(90);
/// How long to keep at networks that nothing uses and that docker takes for used. It has miscounted then, and never gets it right until it is restarted:
/// <https://github.com/moby/moby/issues/42119>.
const MISCOUNTED: Duration = Duration::from_secs(10);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(250);

/// A container, a network or a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) kind: Kind,
    pub(super) id: String,
    pub(super) run: String,
    pub(super) lock: PathBuf,
    pub(super) host: String,
}

/// What a thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Kind {
    Container,
    Network,
    Volume,
}

/// How sure to be that nothing more turns up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quiet {
    /// One look that finds nothing: whoever made things has ended by itself.
    AtOnce,
    /// Several looks: a program that makes things was killed, and the engine may still be at its last request.
    ForAWhile,
}

/// Everything with the label: of one run, or of all.
///
/// # Errors
/// When docker can't say.
pub(super) async fn find(client: &Client, run: Option<&str>) -> Result<Vec<Found>, BackendError> {
    let filter = match run {
        Some(run) => format!("label={RUN_LABEL}={run}"),
        None => format!("label={RUN_LABEL}"),
    };
    let format = |id: &str| {
        format!(
            "{id}\t{{{{.Label \"{RUN_LABEL}\"}}}}\t{{{{.Label \"{LOCK_LABEL}\"}}}}\t{{{{.Label \"{HOST_LABEL}\"}}}}"
        )
    };
    let (by_id, by_name) = (format("{{.ID}}"), format("{{.Name}}"));
    let containers = ["ps", "--all", "--filter", &filter, "--format", &by_id];
    let networks = ["network", "ls", "--filter", &filter, "--format", &by_id];
    let volumes = ["volume", "ls", "--filter", &filter, "--format", &by_name];
    let (containers, networks, volumes) = tokio::join!(
        client.lines(&containers),
        client.lines(&networks),
        client.lines(&volumes)
    );
    let read = |kind, lines: Vec<String>| {
        lines
            .into_iter()
            .map(move |line| read(kind, &line))
            .collect::<Vec<_>>()
    };
    let mut found = read(Kind::Container, containers?);
    found.extend(read(Kind::Network, networks?));
    found.extend(read(Kind::Volume, volumes?));
    Ok(found)
}

fn read(kind: Kind, line: &str) -> Found {
    let mut columns = line.split('\t').map(str::to_owned);
    let mut next = || columns.next().unwrap_or_default();
    Found {
        kind,
        id: next(),
        run: next(),
        lock: next().into(),
        host: next(),
    }
}

/// Removes everything of which `doomed` is true, until nothing of the kind is left. Returns all that it removed.
///
/// # Errors
/// `Broken`, with docker's words, when something is still there after a minute and a half, or docker has [miscounted](MISCOUNTED) who uses a network; the
/// rest is removed all the same.
pub(super) async fn remove(
    client: &Client,
    run: Option<&str>,
    doomed: impl Fn(&Found) -> bool + Send + Sync,
    quiet: Quiet,
) -> Result<Vec<Found>, BackendError> {
    let deadline = Instant::now() + PATIENCE;
    let looks_needed = match quiet {
        Quiet::AtOnce => 1,
        Quiet::ForAWhile => 3,
    };
    let mut removed: Vec<Found> = Vec::new();
    let mut looks = 0;
    let mut complaint = String::new();
    let mut miscounted: Option<Instant> = None;
    let command = match run {
        Some(COURSE) => "labrunner down",
        _ => "labrunner clean",
    };
    loop {
        let mut found = find(client, run).await?;
        found.retain(&doomed);
        if found.is_empty() {
            looks += 1;
            if looks >= looks_needed {
                return Ok(removed);
            }
            tokio::time::sleep(PAUSE).await;
            continue;
        }
        looks = 0;
        let known = |thing: &Found| {
            removed
                .iter()
                .any(|other| (other.kind, &other.id) == (thing.kind, &thing.id))
        };
        let stubborn = found.iter().any(known);
        miscounted = match are_miscounted(client, &found, &complaint).await {
            true => miscounted.or_else(|| Some(Instant::now())),
            false => None,
        };
        let is_hopeless = miscounted.is_some_and(|since| since.elapsed() >= MISCOUNTED);
        if is_hopeless || Instant::now() >= deadline {
            let count = count(&found);
            let (what, help) = match is_hopeless {
                // All of it in the sentence: what could not be removed is told without advice.
                true => (
                    format!(
                        "{count} of this run can't be removed before docker is restarted, which has miscounted who uses it, as a known bug makes it do: {complaint}"
                    ),
                    format!("restart docker, then `{command}`"),
                ),
                false => (
                    format!("{count} of this run can't be removed: {complaint}"),
                    format!("try again later with `{command}`"),
                ),
            };
            return Err(BackendError::Broken { what, help });
        }
        if stubborn {
            tokio::time::sleep(PAUSE).await;
        }
        // Networks and volumes go when nothing uses them any more.
        complaint = remove_kind(
            client,
            &found,
            Kind::Container,
            &["rm", "--force", "--volumes"],
        )
        .await?;
        let (networks, volumes) = tokio::join!(
            remove_kind(client, &found, Kind::Network, &["network", "rm"]),
            remove_kind(client, &found, Kind::Volume, &["volume", "rm", "--force"])
        );
        for words in [networks?, volumes?] {
            complaint.push_str(&words);
        }
        let new: Vec<Found> = found
            .into_iter()
            .filter(|thing| !removed.contains(thing))
            .collect();
        removed.extend(new);
    }
}

/// Whether all that is left are networks that docker says are used, and by nobody.
async fn are_miscounted(client: &Client, found: &[Found], complaint: &str) -> bool {
    let are_networks = found.iter().all(|thing| thing.kind == Kind::Network);
    if !are_networks || !complaint.contains("has active endpoints") {
        return false;
    }
    for network in found {
        let format = "{{range .Containers}}{{.Name}} {{end}}";
        let users = client
            .lines(&["network", "inspect", "--format", format, &network.id])
            .await;
        // One that went away just now was not miscounted.
        let nobody = users.is_ok_and(|users| users.iter().all(|user| user.trim().is_empty()));
        if !nobody {
            return false;
        }
    }
    true
}

/// Removes the things of one kind; returns what docker complained of.
async fn remove_kind(
    client: &Client,
    found: &[Found],
    kind: Kind,
    command: &[&str],
) -> Result<String, BackendError> {
    let ids: Vec<&str> = found
        .iter()
        .filter(|thing| thing.kind == kind)
        .map(|thing| thing.id.as_str())
        .collect();
    if ids.is_empty() {
        return Ok(String::new());
    }
    let ended = client
        .run(
            command.iter().chain(&ids),
            REMOVE_TIME,
            &CancellationToken::new(),
        )
        .await?;
    Ok(if ended.succeeded() {
        String::new()
    } else {
        ended.complaint()
    })
}

/// `3 containers and 1 network`.
fn count(found: &[Found]) -> String {
    let words: Vec<String> = [
        (Kind::Container, "container"),
        (Kind::Network, "network"),
        (Kind::Volume, "volume"),
    ]
    .into_iter()
    .map(|(kind, word)| {
        (
            found.iter().filter(|thing| thing.kind == kind).count(),
            word,
        )
    })
    .filter(|(number, _)| *number > 0)
    .map(|(number, word)| format!("{number} {word}{}", if number == 1 { "" } else { "s" }))
    .collect();
    words.join(" and ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_line_with_and_without_labels() {
        let found = read(Kind::Container, "abc\tx\t/s/runs/x/lock\thost");
        assert_eq!(
            (found.id.as_str(), found.run.as_str(), found.host.as_str()),
            ("abc", "x", "host")
        );
        assert_eq!(found.lock, PathBuf::from("/s/runs/x/lock"));
        assert_eq!(read(Kind::Network, "abc").run, "");
    }

    #[test]
    fn counts_in_words() {
        let thing = |kind| Found {
            kind,
            id: String::new(),
            run: String::new(),
            lock: PathBuf::new(),
            host: String::new(),
        };
        assert_eq!(
            count(&[
                thing(Kind::Container),
                thing(Kind::Network),
                thing(Kind::Container)
            ]),
            "2 containers and 1 network"
        );
    }
}
