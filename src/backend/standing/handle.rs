//! The handle of the environment on disk: `environment.json`, written whole or not at all.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::app_config;
use crate::admin::GivenKeys;
use crate::backend::BackendError;
use crate::cluster::{NodeName, Slot, SlotSet};
use crate::lab::Lab;
use crate::lab::environment::POSTGRES_USER;
use crate::lab::model::{Given, GivenPostgres};

/// The version of the handle that this program writes, and the only one that it reads.
const VERSION: u32 = 1;
/// The backends that can leave an environment standing.
const BACKENDS: [&str; 2] = ["docker", SIMULATED];
/// The one whose nodes are simulated.
const SIMULATED: &str = "sim";
/// The handle's name in the state folder.
const NAME: &str = "environment.json";
/// More is no handle.
const MAX_BYTES: u64 = 1 << 20;
/// Another value for each start of the machine, where the system tells it.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// What is known of the environment that `labrunner up` made: enough for another process to use it, to start it again, and to
/// remove it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// The version of the handle.
    version: u32,
    /// How far it has come.
    pub phase: Phase,
    /// Where the nodes live: `docker` or `sim`.
    pub backend: String,
    /// The lab whose `given` it was made from; without, it is the course's own cluster of six.
    pub lab: Option<StandingLab>,
    /// The image of nodes and toolbox.
    pub image: String,
    /// The server, as it names itself, once it was heard: `redis 7.0.15`.
    pub server: Option<String>,
    /// The first three numbers of its network.
    pub subnet: String,
    /// The port of each node on the host's loopback interface, those that are not made among them.
    pub ports: BTreeMap<NodeName, u16>,
    /// When it was made, in seconds since 1970 (UTC).
    pub made_unix_seconds: u64,
    /// The machine's start at which its containers last began to run; where the system does not tell it, nothing.
    pub boot_id: Option<String>,
    /// The lock of whoever changes it, which says whose it is.
    pub lock: PathBuf,
    /// The cluster that it was made with; a lab without `given` has none.
    pub given: Option<StandingGiven>,
    /// PostgreSQL, where the lab has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub postgres: Option<StandingPostgres>,
}

/// PostgreSQL of an environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StandingPostgres {
    /// The image of server and client.
    pub image: String,
    /// The port on the host's loopback interface.
    pub port: u16,
}

impl StandingPostgres {
    /// Where the lab's user reaches the database from this machine.
    pub fn url(&self) -> String {
        let port = self.port;
        format!("postgres://{POSTGRES_USER}:{POSTGRES_USER}@127.0.0.1:{port}/{POSTGRES_USER}")
    }
}

/// How far an environment has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// It is being made; if nobody holds the lock, whoever made it was killed.
    Making,
    /// It was made.
    Ready,
    /// It was made, was stopped, and is being started again; if nobody holds the lock, that did not come to its end.
    Restarting,
}

/// The lab of an environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StandingLab {
    /// Its file, as it was typed.
    pub file: String,
    /// The same file from the root of the file system.
    pub path: PathBuf,
    /// Its number in the course.
    pub number: Option<u32>,
    /// Its title.
    pub title: String,
}

/// The cluster that an environment was made with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StandingGiven {
    /// `cluster-node-timeout`, if it was set. Nodes forget it when they are started again.
    pub node_timeout_ms: Option<u64>,
    /// The masters with their slots.
    pub masters: BTreeMap<NodeName, SlotSet>,
    /// The replicas with their masters.
    pub replicas: BTreeMap<NodeName, NodeName>,
    /// The keys that were written. Nodes forget them too.
    pub keys: Option<StandingKeys>,
    /// What the database was made with, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub postgres: Option<GivenPostgres>,
}

/// Keys that were written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StandingKeys {
    /// How many.
    pub count: u32,
    /// The slot in which many of them lie, and how many.
    pub hot_slot: Option<(Slot, u32)>,
}

impl Standing {
    /// What is known of an environment that is about to be made from `lab`, or from none.
    pub fn begin(
        backend: &str,
        lab: Option<&Lab>,
        given: Option<&Given>,
        image: &str,
        lock: &Path,
    ) -> Standing {
        Standing {
            version: VERSION,
            phase: Phase::Making,
            backend: backend.to_owned(),
            lab: lab.map(StandingLab::of),
            image: image.to_owned(),
            server: None,
            subnet: crate::lab::environment::COURSE_SUBNET.to_owned(),
            ports: crate::lab::environment::CourseNode::all()
                .map(|node| (node.name(), node.port()))
                .collect(),
            made_unix_seconds: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| since.as_secs()),
            boot_id: boot_id(),
            lock: lock.to_owned(),
            given: given.map(StandingGiven::of),
            postgres: None,
        }
    }

    /// The handle that stands in `state_dir`, if there is one.
    ///
    /// # Errors
    /// `Broken` when the file can't be read or understood, or was written by a newer labrunner.
    pub fn read(state_dir: &Path) -> Result<Option<Standing>, BackendError> {
        let path = path(state_dir);
        let text = match read_text(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(damaged(&path, &error.to_string())),
        };
        parse(&text, &path).map(Some)
    }

    /// Puts the handle into `state_dir`, and what the application reads, in place of those that are there. Whoever reads meanwhile finds
    /// the old one or the new one.
    ///
    /// # Errors
    /// `Unavailable` when a file can't be written.
    pub fn write(&self, state_dir: &Path) -> Result<(), BackendError> {
        let path = path(state_dir);
        let written = || -> io::Result<()> {
            fs::create_dir_all(state_dir)?;
            let new = path.with_extension(format!("json.{}", std::process::id()));
            let mut file = File::create(&new)?;
            let put = serde_json::to_vec_pretty(self)
                .map_err(io::Error::from)
                .and_then(|mut bytes| {
                    bytes.push(b'\n');
                    file.write_all(&bytes)?;
                    file.sync_all()
                })
                .and_then(|()| fs::rename(&new, &path));
            if put.is_err() {
                // The error that is told is the first.
                let _ = fs::remove_file(&new);
            }
            put
        };
        let unwritten = |path: &Path, error: &io::Error| BackendError::Unavailable {
            what: format!("can't write {}: {error}", path.display()),
            help: "make its folder writable, or choose another: --state-dir DIR".to_owned(),
        };
        written().map_err(|error| unwritten(&path, &error))?;
        // After the handle: by a handle, whatever else is there is found and removed.
        app_config::write(self, state_dir)
            .map_err(|error| unwritten(&app_config::path(state_dir), &error))
    }

    /// Removes the handle from `state_dir`, and what the application reads. What is not there is removed already.
    ///
    /// # Errors
    /// `Broken` when a file resists.
    pub fn forget(state_dir: &Path) -> Result<(), BackendError> {
        let resists = |path: &Path, error: &io::Error| BackendError::Broken {
            what: format!("can't remove {}: {error}", path.display()),
            help: "remove it by hand".to_owned(),
        };
        app_config::remove(state_dir)
            .map_err(|error| resists(&app_config::path(state_dir), &error))?;
        let path = path(state_dir);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(resists(&path, &error)),
            _ => Ok(()),
        }
    }

    /// Whether the machine was started anew since its containers began to run. Where the system does not tell, it was not.
    pub fn is_of_another_boot(&self) -> bool {
        match (&self.boot_id, boot_id()) {
            (Some(then), Some(now)) => *then != now,
            _ => false,
        }
    }

    /// Whether its nodes are simulated.
    pub fn is_simulated(&self) -> bool {
        self.backend == SIMULATED
    }

    /// In a few words, for a sentence: `the environment of labs/07-scale-down.yaml`, `the environment`.
    pub fn in_words(&self) -> String {
        match &self.lab {
            Some(lab) => format!("the environment of {}", lab.file),
            None => "the environment".to_owned(),
        }
    }

    /// The command that makes it, as it would be typed.
    pub fn command(&self) -> String {
        match &self.lab {
            Some(lab) => format!("labrunner up {}", lab.file),
            None => "labrunner up".to_owned(),
        }
    }
}

impl StandingLab {
    fn of(lab: &Lab) -> Self {
        let file = lab.source.name().to_owned();
        StandingLab {
            path: whole_path(&file),
            file,
            number: lab.number,
            title: lab.title.clone(),
        }
    }

    /// Whether this is the lab in `file`, by whichever way it is named.
    pub fn is_in(&self, file: &str) -> bool {
        self.path == whole_path(file)
    }
}

impl StandingGiven {
    /// What is remembered of a `given`.
    pub fn of(given: &Given) -> Self {
        let keys = given.keys.map(|keys| StandingKeys {
            count: keys.count,
            hot_slot: keys
                .hot_slot
                .and_then(|count| Some((given.hot_slot()?, count))),
        });
        StandingGiven {
            node_timeout_ms: given
                .node_timeout
                .map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX)),
            masters: given.masters.iter().cloned().collect(),
            replicas: given.replicas.iter().cloned().collect(),
            keys,
            postgres: given.postgres,
        }
    }

    /// `cluster-node-timeout`, if it was set.
    pub fn node_timeout(&self) -> Option<Duration> {
        self.node_timeout_ms.map(Duration::from_millis)
    }

    /// The keys that were written.
    pub fn keys(&self) -> Option<GivenKeys> {
        self.keys.map(|keys| GivenKeys {
            count: keys.count,
            hot_slot: keys.hot_slot,
        })
    }

    /// Its nodes: the masters, then the replicas, each in the order of their names.
    pub fn nodes(&self) -> impl Iterator<Item = &NodeName> {
        self.masters.keys().chain(self.replicas.keys())
    }
}

/// Where the handle is.
pub(in crate::backend) fn path(state_dir: &Path) -> PathBuf {
    state_dir.join(NAME)
}

/// This start of the machine, where the system tells it.
pub fn boot_id() -> Option<String> {
    let text = fs::read_to_string(BOOT_ID).ok()?;
    let id = text.trim();
    (!id.is_empty()).then(|| id.to_owned())
}

/// A file that is not there has a path all the same.
fn whole_path(file: &str) -> PathBuf {
    fs::canonicalize(file)
        .or_else(|_| std::path::absolute(file))
        .unwrap_or_else(|_| file.into())
}

fn read_text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let file = File::open(path)?;
    io::Read::read_to_string(&mut io::Read::take(file, MAX_BYTES), &mut text)?;
    Ok(text)
}

fn parse(text: &str, path: &Path) -> Result<Standing, BackendError> {
    /// The version alone: the rest of another version's handle may be anything.
    #[derive(Deserialize)]
    struct Versioned {
        version: u32,
    }
    let versioned: Versioned =
        serde_json::from_str(text).map_err(|error| damaged(path, &error.to_string()))?;
    if versioned.version != VERSION {
        return Err(BackendError::Broken {
            what: format!(
                "{} was written by another version of labrunner (handle version {}, this one reads {VERSION})",
                path.display(),
                versioned.version
            ),
            help: "use that version, or remove the environment: `labrunner down`".to_owned(),
        });
    }
    let standing: Standing =
        serde_json::from_str(text).map_err(|error| damaged(path, &error.to_string()))?;
    if !BACKENDS.contains(&standing.backend.as_str()) {
        return Err(damaged(
            path,
            &format!("the backend {:?} is not known", standing.backend),
        ));
    }
    Ok(standing)
}

fn damaged(path: &Path, why: &str) -> BackendError {
    BackendError::Broken {
        what: format!(
            "the handle of the environment, {}, is damaged: {why}",
            path.display()
        ),
        help: "`labrunner down` removes the environment all the same; then make it anew with `labrunner up`"
            .to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::lab::model::GivenKeysSpec;

    fn standing() -> Standing {
        let slots = |text: &str| text.parse::<SlotSet>().expect("slots");
        let given = Given {
            node_timeout: Some(Duration::from_millis(3500)),
            masters: vec![
                ("redis-1".into(), slots("0-99 200")),
                ("redis-2".into(), slots("100-199 201-16383")),
            ],
            replicas: vec![("redis-4".into(), "redis-1".into())],
            keys: Some(GivenKeysSpec {
                count: 10,
                hot_slot: Some(3),
            }),
            postgres: None,
        };
        Standing {
            boot_id: Some("this".to_owned()),
            made_unix_seconds: 1_700_000_000,
            ..Standing::begin(
                "docker",
                None,
                Some(&given),
                "redis:7.2",
                Path::new("/s/lock"),
            )
        }
    }

    #[test]
    fn comes_back_as_it_was_written() {
        let folder = tempfile::tempdir().expect("a folder");
        let state = folder.path().join("new");
        assert_eq!(Standing::read(&state).expect("no handle"), None);
        let mut one = standing();
        one.write(&state).expect("written");
        assert_eq!(Standing::read(&state).expect("a handle"), Some(one.clone()));
        one.phase = Phase::Ready;
        one.server = Some("redis 7.0.15".to_owned());
        one.write(&state).expect("written again");
        assert_eq!(Standing::read(&state).expect("a handle"), Some(one.clone()));
        let given = one.given.expect("it has one");
        assert_eq!(given.node_timeout(), Some(Duration::from_millis(3500)));
        assert_eq!(
            given.keys(),
            Some(GivenKeys {
                count: 10,
                // The first slot of the master that is listed last.
                hot_slot: Some((Slot::new(100).expect("a slot"), 3)),
            })
        );
        let mut names: Vec<String> = fs::read_dir(&state)
            .expect("a folder")
            .map(|entry| {
                entry
                    .expect("an entry")
                    .file_name()
                    .to_string_lossy()
                    .into_owned()
            })
            .collect();
        names.sort();
        assert_eq!(names, ["app.toml", NAME], "nothing else is left");
        Standing::forget(&state).expect("removed");
        assert_eq!(fs::read_dir(&state).expect("a folder").count(), 0);
        assert_eq!(Standing::read(&state).expect("no handle"), None);
        Standing::forget(&state).expect("removed already");
    }

    #[test]
    fn people_can_read_it() {
        insta::assert_snapshot!(serde_json::to_string_pretty(&standing()).expect("JSON"));
    }

    #[rstest]
    #[case::empty("", "damaged")]
    #[case::cut_off(r#"{"version": 1, "phase": "mak"#, "damaged")]
    #[case::not_json("\u{0}\u{1}", "damaged")]
    #[case::no_version("{}", "missing field `version`")]
    #[case::nothing_but_a_version(r#"{"version": 1}"#, "missing field")]
    #[case::newer(
        r#"{"version": 2, "nodes": []}"#,
        "written by another version of labrunner (handle version 2, this one reads 1)"
    )]
    fn what_can_not_be_used_is_an_error_that_names_the_way_out(
        #[case] text: &str,
        #[case] words: &str,
    ) {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(path(folder.path()), text).expect("written");
        match Standing::read(folder.path()).expect_err("no handle") {
            BackendError::Broken { what, help } => {
                assert!(what.contains(words) && what.contains(NAME), "{what}");
                assert!(help.contains("`labrunner down`"), "{help}");
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn slots_that_do_not_exist_and_unknown_backends_are_damage() {
        let text = serde_json::to_string(&standing()).expect("JSON");
        for (from, to) in [("16383", "16384"), ("\"docker\"", "\"moon\"")] {
            let error = parse(&text.replace(from, to), Path::new("h")).expect_err("damaged");
            assert!(error.to_string().contains("is damaged"), "{error}");
        }
    }

    #[test]
    fn a_handle_that_is_a_folder_can_neither_be_read_nor_written() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(path(folder.path())).expect("made");
        Standing::read(folder.path()).expect_err("a folder");
        standing().write(folder.path()).expect_err("a folder");
        let entries = fs::read_dir(folder.path()).expect("a folder").count();
        assert_eq!(entries, 1, "the half-written file is removed");
    }

    #[test]
    fn another_boot_is_told_where_the_system_tells() {
        let mut one = standing();
        one.boot_id = boot_id();
        assert!(!one.is_of_another_boot());
        one.boot_id = Some("another".to_owned());
        assert_eq!(one.is_of_another_boot(), boot_id().is_some());
        one.boot_id = None;
        assert!(!one.is_of_another_boot());
    }

    #[test]
    fn a_lab_is_known_by_whichever_way_its_file_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("lab.yaml");
        fs::write(&file, "").expect("written");
        let lab = StandingLab {
            file: "lab.yaml".to_owned(),
            path: whole_path(&file.to_string_lossy()),
            number: None,
            title: String::new(),
        };
        let roundabout = folder
            .path()
            .join("../")
            .join(folder.path().file_name().expect("a name"));
        assert!(lab.is_in(&roundabout.join("lab.yaml").to_string_lossy()));
        assert!(!lab.is_in(&folder.path().join("other.yaml").to_string_lossy()));
    }
}
