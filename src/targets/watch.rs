//! `watch-cluster`: a picture of the cluster, again and again.
//!
//! Every node is asked by somebody who asks no other. So a node that hangs delays its own line and nothing else, and a moment that lasts some
//! tenths of a second is not missed because of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::stage::Stage;
use crate::backend::{Backend, BackendError, Clock, Life};
use crate::cluster::NodeName;
use crate::lab::action::Output;
use crate::observe::picture::{self, Canvas, Picture, Presence, Scene};
use crate::observe::{Needs, Observation, Observer};
use crate::resp::AddressBook;

/// Between two questions to the same node, and between two looks at whether something has happened.
const PAUSE: Duration = Duration::from_millis(200);
/// Between two questions to the environment.
const LIVES_PAUSE: Duration = Duration::from_secs(1);
/// How long a node may take to answer before it is shown as silent.
const DEADLINE: Duration = Duration::from_secs(1);
/// Between two pictures while nothing happens.
const BEAT: Duration = Duration::from_secs(1);
/// For so long after the last slot has moved, nodes may differ on who owns it.
const SETTLING: Duration = Duration::from_secs(2);
/// For so long the environment may fail to say how its nodes are.
const PATIENCE: Duration = Duration::from_secs(10);
/// What a transcript is drawn on: it is compared, searched and shown wherever a lab is.
const TRANSCRIPT: Canvas = Canvas {
    width: 80,
    unicode: false,
};

/// What was seen at one moment.
#[derive(Debug, Clone)]
pub struct Sight {
    /// Time since the watch began.
    pub after: Duration,
    /// Whether roles, health or disagreements are others than in the sight before.
    pub news: bool,
    observation: Observation,
    presence: BTreeMap<NodeName, Presence>,
    book: AddressBook,
    moving: bool,
}

impl Sight {
    /// A picture of it.
    pub fn picture(&self, canvas: Canvas) -> Picture {
        let scene = Scene {
            observation: &self.observation,
            book: &self.book,
            presence: &self.presence,
            moving: self.moving,
        };
        picture::draw(scene, canvas)
    }
}

/// Watches until `cancel` fires, `time` is over or `show` has had enough (returns false). `show` gets a sight every second, and another one
/// as soon as something has happened.
///
/// # Errors
/// The environment is not there any more, or does not say how its nodes are.
pub async fn watch(
    backend: &Arc<dyn Backend>,
    time: Duration,
    cancel: &CancellationToken,
    show: &mut (dyn FnMut(&Sight) -> bool + Send),
) -> Result<(), BackendError> {
    let clock = backend.clock();
    let began = clock.now();
    let until = began.saturating_add(time);
    let board = Arc::new(Board::default());
    let _pollers = poll(backend, &clock, &board);
    let book = backend.addresses();
    let all = book.iter().count();
    let mut shown: Option<(Duration, String)> = None;
    let mut slots = String::new();
    let mut moved: Option<Duration> = None;
    loop {
        let now = clock.now();
        if let Some(error) = board.over(now) {
            return Err(error);
        }
        // The first picture waits for everybody, but not for a node that hangs.
        if shown.is_some() || board.complete(all) || now >= began.saturating_add(DEADLINE + PAUSE) {
            let mut sight = Sight {
                after: now.saturating_sub(began),
                book: book.clone(),
                ..board.sight()
            };
            let owners = sight.picture(TRANSCRIPT).slots;
            if sight.opens_slots() || (shown.is_some() && owners != slots) {
                moved = Some(now);
            }
            slots = owners;
            sight.moving = moved.is_some_and(|at| now < at + SETTLING);
            let picture = sight.picture(TRANSCRIPT);
            let (due, news) = match &shown {
                None => (true, true),
                Some((at, state)) => (now >= *at + BEAT, *state != picture.state),
            };
            if due || news {
                sight.news = news;
                shown = Some((now, picture.state));
                if !show(&sight) {
                    return Ok(());
                }
            }
        }
        tokio::select! {
            biased;
            () = cancel.cancelled() => return Ok(()),
            () = clock.sleep_until(until) => return Ok(()),
            () = clock.sleep_until(clock.now() + PAUSE) => {}
        }
    }
}

/// The target: a new picture whenever it is another one than the last.
pub(super) async fn target(mut stage: Stage<'_>) -> Result<Output, BackendError> {
    let (backend, cancel, time) = (stage.backend, stage.cancel, stage.left());
    let mut last: Option<Picture> = None;
    watch(backend, time, cancel, &mut |sight| {
        let picture = sight.picture(TRANSCRIPT);
        if !last
            .as_ref()
            .is_some_and(|last| picture.says_the_same_as(last))
        {
            stage.print(format!("{}\n{picture}\n", heading(sight.after)));
            last = Some(picture);
        }
        true
    })
    .await?;
    Ok(stage.end(Some(0)))
}

/// What stands above a picture that is one of several.
pub fn heading(after: Duration) -> String {
    format!("after {:.1} s", after.as_secs_f64())
}

impl Sight {
    fn opens_slots(&self) -> bool {
        let views = self.observation.views.keys();
        views
            .filter_map(|name| self.observation.topology(name)?.myself())
            .any(|node| !node.migrating.is_empty() || !node.importing.is_empty())
    }
}

/// What the pollers have heard last.
#[derive(Debug, Default)]
struct Board {
    observation: Mutex<Observation>,
    lives: Mutex<Lives>,
}

#[derive(Debug, Default)]
struct Lives {
    presence: Option<BTreeMap<NodeName, Presence>>,
    /// Since when the environment does not say how its nodes are, and what it says instead.
    failing: Option<(Duration, BackendError)>,
}

impl Board {
    fn observation(&self) -> MutexGuard<'_, Observation> {
        self.observation
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn lives(&self) -> MutexGuard<'_, Lives> {
        self.lives.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn complete(&self, nodes: usize) -> bool {
        self.observation().views.len() == nodes && self.lives().presence.is_some()
    }

    fn sight(&self) -> Sight {
        Sight {
            after: Duration::ZERO,
            news: false,
            observation: self.observation().clone(),
            presence: self.lives().presence.clone().unwrap_or_default(),
            book: AddressBook::default(),
            moving: false,
        }
    }

    /// Why there is nothing to watch any more.
    fn over(&self, now: Duration) -> Option<BackendError> {
        let lives = self.lives();
        if let Some((since, error)) = &lives.failing
            && now >= *since + PATIENCE
        {
            return Some(error.clone());
        }
        let gone = lives.presence.as_ref().is_some_and(|presence| {
            presence
                .values()
                .all(|presence| *presence == Presence::Absent)
        });
        gone.then(|| BackendError::Broken {
            what: "the environment is gone: none of its nodes is there any more".to_owned(),
            help: "labrunner up makes a new one".to_owned(),
        })
    }
}

/// Starts to ask, each node on its own. Ends when what is returned is dropped.
fn poll(backend: &Arc<dyn Backend>, clock: &Arc<dyn Clock>, board: &Arc<Board>) -> JoinSet<()> {
    let book = backend.addresses();
    let observer = Observer::new(book.clone(), DEADLINE);
    let mut pollers = JoinSet::new();
    for address in book.iter() {
        let (observer, clock, board) = (observer.clone(), clock.clone(), board.clone());
        let only: BTreeSet<NodeName> = [address.name.clone()].into();
        let needs = Needs {
            cluster: only.clone(),
            info: only.clone(),
            keys: only,
        };
        pollers.spawn(async move {
            loop {
                let next = clock.now() + PAUSE;
                let seen = observer.look(&needs).await;
                board.observation().views.extend(seen.views);
                clock.sleep_until(next).await;
            }
        });
    }
    let (backend, clock, board) = (backend.clone(), clock.clone(), board.clone());
    pollers.spawn(async move {
        loop {
            let next = clock.now() + LIVES_PAUSE;
            let said = backend.nodes().await;
            let now = clock.now();
            {
                let mut lives = board.lives();
                match said {
                    Ok(states) => {
                        lives.failing = None;
                        let presence = states
                            .into_iter()
                            .map(|state| (state.name, presence(state.life)))
                            .collect();
                        lives.presence = Some(presence);
                    }
                    Err(error) => {
                        let since = lives.failing.as_ref().map_or(now, |(since, _)| *since);
                        lives.failing = Some((since, error));
                    }
                }
            }
            clock.sleep_until(next).await;
        }
    });
    pollers
}

fn presence(life: Life) -> Presence {
    match life {
        Life::Running => Presence::Running,
        Life::Paused => Presence::Paused,
        Life::Exited(code) => Presence::Stopped(code),
        Life::Absent => Presence::Absent,
    }
}
