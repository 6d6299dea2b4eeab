//! How the environment is: every node by the word of the environment and by its own, the cluster, and what is wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use super::judge::judge;
use crate::backend::standing::{self, Course, Phase, Standing, StandingLab};
use crate::backend::{BackendError, Life};
use crate::cluster::{NodeId, NodeName, Role, SlotSet};
use crate::observe::{Needs, Observer};
use crate::resp::AddressBook;

/// How long a node may take to answer. A frozen node holds up the look by this.
const LOOK_DEADLINE: Duration = Duration::from_millis(1500);

/// How the environment is at one moment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Survey {
    /// In one word.
    pub state: State,
    /// The lab whose `given` it was made from, if it was one.
    pub lab: Option<LabOf>,
    /// Where the nodes live: `docker` or `sim`.
    pub backend: String,
    /// The image of nodes and toolbox.
    pub image: String,
    /// The server, as it names itself: `redis 7.0.15`.
    pub server: Option<String>,
    /// When it was made, in seconds since 1970 (UTC).
    pub made_unix_seconds: u64,
    /// When it was looked at.
    pub seen_unix_seconds: u64,
    /// The course's eight nodes.
    pub nodes: Vec<NodeNow>,
    /// PostgreSQL, where the lab has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub postgres: Option<PostgresNow>,
    /// The cluster; nothing if no node that answers belongs to one.
    pub cluster: Option<ClusterNow>,
    /// What is wrong, and what to do.
    pub faults: Vec<Remark>,
    /// What is as somebody may have wanted it, and worth knowing.
    pub notes: Vec<Remark>,
}

/// How an environment is, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It can be used.
    Well,
    /// Something is wrong with it.
    Broken,
    /// All its nodes have stopped.
    Stopped,
    /// Its containers were removed.
    Gone,
    /// Whoever made it was killed.
    HalfMade,
    /// Somebody is making it, or starting it again.
    BeingMade,
}

/// The lab of an environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LabOf {
    /// Its file, as it was typed.
    pub file: String,
    /// Its number in the course.
    pub number: Option<u32>,
    /// Its title.
    pub title: String,
}

/// One node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NodeNow {
    /// Its name.
    pub name: NodeName,
    /// Its address in the course's network.
    pub address: String,
    /// Its port on this machine.
    pub port: u16,
    /// How it is by the word of the environment.
    pub life: LifeNow,
    /// The exit code of one that has stopped.
    pub exit: Option<i64>,
    /// Whether it answers.
    pub answers: bool,
    /// Its id, by its own word, or else as others know it.
    pub id: Option<NodeId>,
    /// Whether it knows other nodes or owns slots; of one that does not answer, whether others know it.
    pub member: bool,
    /// What it is, as far as it is a member.
    pub role: Option<Role>,
    /// Of a replica: whose.
    pub master: Option<NodeName>,
    /// The slots that it owns.
    pub slots: SlotSet,
    /// Of a replica that answers: whether it is linked to its master.
    pub linked: Option<bool>,
    /// What the others think of it: the worst of it.
    pub opinion: Opinion,
}

/// PostgreSQL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PostgresNow {
    /// Its port on this machine.
    pub port: u16,
    /// How it is by the word of the environment.
    pub life: LifeNow,
    /// The exit code of one that has stopped.
    pub exit: Option<i64>,
}

/// How a node is by the word of the environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LifeNow {
    /// Never made, or removed.
    Absent,
    /// Its process runs.
    Running,
    /// Its process is frozen.
    Paused,
    /// Its process has ended.
    Stopped,
}

/// What the others think of a node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Opinion {
    /// Nobody suspects it.
    #[default]
    Ok,
    /// Somebody suspects it.
    Suspected,
    /// Somebody takes it for failed.
    Failed,
}

/// The cluster, as its members that answer see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClusterNow {
    /// Whether every one of them says `cluster_state:ok`.
    pub ok: bool,
    /// Masters that own slots and have not failed.
    pub masters: usize,
    /// Replicas that have not failed.
    pub replicas: usize,
    /// Slots that have an owner.
    pub slots_assigned: usize,
    /// Who sees what differently, if they don't all see the same.
    pub disagreement: Option<String>,
}

/// Something to know, and what can be done about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Remark {
    /// What, in one sentence.
    pub what: String,
    /// What to do.
    pub help: String,
}

impl Remark {
    pub(super) fn new(what: impl Into<String>, help: impl Into<String>) -> Remark {
        Remark {
            what: what.into(),
            help: help.into(),
        }
    }
}

impl From<BackendError> for Remark {
    fn from(error: BackendError) -> Self {
        match error {
            BackendError::Unavailable { what, help } | BackendError::Broken { what, help } => {
                Remark { what, help }
            }
            BackendError::Cancelled => Remark::new("interrupted", "try again"),
        }
    }
}

impl Survey {
    /// Whether its nodes are simulated, and known to no docker.
    pub fn is_simulated(&self) -> bool {
        self.backend == "sim"
    }
}

/// Looks at the environment of a state folder; nothing if there is none.
///
/// # Errors
/// When the handle can't be read, or the environment's engine does not answer.
pub async fn survey(state_dir: &Path) -> Result<Option<Survey>, BackendError> {
    let Some((standing, course)) = standing::open(state_dir).await? else {
        return Ok(None);
    };
    let mut survey = Surveyor::new(&*course).look(&standing).await?.survey;
    if standing.phase != Phase::Ready {
        let remark = standing::unfinished(&standing, state_dir);
        survey.state = match (&remark, standing.phase) {
            (BackendError::Unavailable { .. }, _) => State::BeingMade,
            (_, Phase::Making) => State::HalfMade,
            _ => State::Broken,
        };
        survey.notes.clear();
        if standing.phase == Phase::Making {
            // What is missing of it is no surprise.
            survey.faults.clear();
        }
        survey.faults.insert(0, remark.into());
    }
    Ok(Some(survey))
}

/// What was seen in one look.
pub(super) struct Looked {
    pub survey: Survey,
    /// The ids of the nodes that answered.
    pub ids: BTreeMap<NodeName, NodeId>,
}

/// Looks at an environment, once or again and again.
pub(super) struct Surveyor<'a> {
    course: &'a dyn Course,
    book: AddressBook,
    observer: Observer,
}

impl<'a> Surveyor<'a> {
    pub fn new(course: &'a dyn Course) -> Self {
        let book = course.addresses();
        Surveyor {
            observer: Observer::new(book.clone(), LOOK_DEADLINE),
            course,
            book,
        }
    }

    /// Looks once.
    ///
    /// # Errors
    /// When the environment's engine can't say how the nodes are.
    pub async fn look(&self, standing: &Standing) -> Result<Looked, BackendError> {
        let postgres = async {
            match standing.postgres {
                Some(_) => self.course.postgres().await,
                None => Ok(Life::Absent),
            }
        };
        let (nodes, toolbox, postgres) =
            tokio::join!(self.course.nodes(), self.course.helper(), postgres);
        let (nodes, toolbox, postgres) = (nodes?, toolbox?, postgres?);
        let running: BTreeSet<NodeName> = nodes
            .iter()
            .filter(|node| node.life == Life::Running)
            .map(|node| node.name.clone())
            .collect();
        let observation = self
            .observer
            .look(&Needs {
                cluster: running.clone(),
                info: running,
                keys: BTreeSet::new(),
            })
            .await;
        let ids = observation
            .names()
            .into_iter()
            .map(|(id, name)| (name, id))
            .collect();
        let survey = judge(
            standing,
            &nodes,
            toolbox,
            postgres,
            &observation,
            &self.book,
        );
        Ok(Looked { survey, ids })
    }
}

impl LabOf {
    pub(super) fn of(lab: &StandingLab) -> Self {
        LabOf {
            file: lab.file.clone(),
            number: lab.number,
            title: lab.title.clone(),
        }
    }
}
