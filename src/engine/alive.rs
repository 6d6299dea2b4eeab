//! Which nodes should be running, as far as the lab's own commands say; so that one that died by itself is told from one that was stopped.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::backend::{Life, NodeState};
use crate::cluster::NodeName;
use crate::lab::action::{Action, NodeChange, Output, RedisCliCall};
use crate::lab::environment::CourseNode;
use crate::lab::target::Target;

/// The nodes that should be running, noted from several steps at once.
#[derive(Debug)]
pub(super) struct Alive {
    /// Those that commands sent to every node reach.
    all: Vec<NodeName>,
    noted: Mutex<Noted>,
}

#[derive(Debug, Default)]
struct Noted {
    /// Each with the number of its start: one that was stopped and started again is another life.
    nodes: BTreeMap<NodeName, u64>,
    starts: u64,
}

/// How the nodes were found, and which of them died by themselves.
#[derive(Debug, Default)]
pub(super) struct Lives {
    pub states: Vec<NodeState>,
    pub died: Vec<(NodeName, Life)>,
}

impl Alive {
    /// None of `all` runs yet.
    pub fn of(all: &[NodeName]) -> Self {
        Alive {
            all: all.to_vec(),
            noted: Mutex::default(),
        }
    }

    /// How the nodes are by what the environment answers, and which of them died by themselves: those that do not run, though they should
    /// have from before the question until after the answer. Of one that is started or stopped meanwhile the answer may be of before or of
    /// after.
    ///
    /// # Errors
    /// Those of the answer.
    pub async fn compare<E>(
        &self,
        answer: impl Future<Output = Result<Vec<NodeState>, E>>,
    ) -> Result<Lives, E> {
        let before = self.noted().nodes.clone();
        let states = answer.await?;
        let after = self.noted().nodes.clone();
        let should_run = |node: &NodeName| {
            let start = before.get(node);
            start.is_some() && start == after.get(node)
        };
        let died = states
            .iter()
            .filter(|state| matches!(state.life, Life::Exited(_) | Life::Absent))
            .filter(|state| should_run(&state.name))
            .map(|state| (state.name.clone(), state.life))
            .collect();
        Ok(Lives { states, died })
    }

    /// Takes note of what an action is about to do to nodes, before it does.
    pub fn note_action(&self, action: &Action) {
        let ended = match action {
            Action::Nodes {
                change:
                    NodeChange::Stop | NodeChange::Kill | NodeChange::Restart | NodeChange::Remove,
                nodes,
            } => nodes.clone(),
            Action::RedisCli(call) => ended_by(call, &self.all),
            Action::Nodes { .. } | Action::Links { .. } | Action::App(_) | Action::Psql(_) => {
                Vec::new()
            }
        };
        let mut noted = self.noted();
        for node in ended {
            noted.nodes.remove(&node);
        }
    }

    /// As [`note_action`](Self::note_action), of a target. Returns the node that it is to stop, if that should be running until then.
    pub fn note_target(&self, target: &Target) -> Option<NodeName> {
        match target {
            Target::Failover { node } => {
                let was_running = self.noted().nodes.remove(node);
                was_running.map(|_| node.clone())
            }
            _ => None,
        }
    }

    /// Takes note of what a target that came to an end has done to nodes. `stops` is what it was to stop; one that refuses leaves it
    /// running.
    pub fn note_target_done(&self, target: &Target, stops: Option<NodeName>, output: &Output) {
        match (target, output.exit) {
            (Target::Recover { node }, Some(0)) => self.note_started(std::slice::from_ref(node)),
            (Target::Failover { .. }, Some(code)) if code != 0 => {
                self.note_started(stops.as_slice());
            }
            _ => {}
        }
    }

    /// Takes note of what an action that was carried out has done to nodes.
    pub fn note_done(&self, action: &Action, output: &Output) {
        if let Action::Nodes {
            change: NodeChange::Up | NodeChange::Start | NodeChange::Restart,
            nodes,
        } = action
            && output.exit == Some(0)
        {
            self.note_started(nodes);
        }
    }

    /// Takes note that `nodes` run from now on.
    pub fn note_started(&self, nodes: &[NodeName]) {
        let mut noted = self.noted();
        for node in nodes {
            noted.starts += 1;
            let start = noted.starts;
            noted.nodes.insert(node.clone(), start);
        }
    }

    /// What a thread that panicked left in it is as good as any.
    fn noted(&self) -> MutexGuard<'_, Noted> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The nodes that a call of redis-cli ends, or may end: `SHUTDOWN`, and those of `DEBUG`'s subcommands that crash.
fn ended_by(call: &RedisCliCall, all: &[NodeName]) -> Vec<NodeName> {
    let ends = |words: &[&str]| match words {
        [first, ..] if first.eq_ignore_ascii_case("SHUTDOWN") => true,
        [first, second, ..] if first.eq_ignore_ascii_case("DEBUG") => [
            "SEGFAULT",
            "PANIC",
            "ASSERT",
            "OOM",
            "RESTART",
            "CRASH-AND-RECOVER",
        ]
        .iter()
        .any(|word| second.eq_ignore_ascii_case(word)),
        _ => false,
    };
    let words: Vec<&str> = call.words.iter().map(String::as_str).collect();
    if call.cluster_mode {
        // `call HOST:PORT COMMAND` sends the command to every node.
        return match words[..] {
            ["call", _, ref command @ ..] if ends(command) => all.to_vec(),
            _ => Vec::new(),
        };
    }
    let typed_in = |line: &str| ends(&line.split_whitespace().collect::<Vec<_>>());
    let from_stdin = || {
        words.is_empty()
            && call
                .stdin
                .as_deref()
                .is_some_and(|text| text.lines().any(typed_in))
    };
    if !ends(&words) && !from_stdin() {
        return Vec::new();
    }
    let host = call.host.as_deref().and_then(CourseNode::at_host);
    host.or_else(|| call.port.and_then(CourseNode::on_port))
        .map(|node| node.name())
        .into_iter()
        .collect()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::backend::BackendError;

    #[rstest]
    #[case(Some("redis-2"), None, &["SHUTDOWN", "NOSAVE"], &["redis-2"])]
    #[case(Some("127.0.0.1"), Some(7003), &["shutdown"], &["redis-3"])]
    #[case(None, Some(7003), &["debug", "segfault"], &["redis-3"])]
    // These do not end a node, so its death would be its own.
    #[case(None, Some(7003), &["DEBUG", "SLEEP", "1"], &[])]
    #[case(None, Some(7003), &["SET", "SHUTDOWN", "1"], &[])]
    fn what_a_call_ends(
        #[case] host: Option<&str>,
        #[case] port: Option<u16>,
        #[case] words: &[&str],
        #[case] ended: &[&str],
    ) {
        let call = RedisCliCall {
            host: host.map(str::to_owned),
            port,
            words: words.iter().map(|word| (*word).to_owned()).collect(),
            ..RedisCliCall::default()
        };
        let ended: Vec<NodeName> = ended.iter().map(|name| NodeName::new(*name)).collect();
        assert_eq!(ended_by(&call, &[]), ended);
    }

    #[test]
    fn what_is_typed_in_and_what_goes_to_all() {
        let all: Vec<NodeName> = CourseNode::all().map(CourseNode::name).collect();
        let typed = RedisCliCall {
            port: Some(7001),
            stdin: Some("PING\nSHUTDOWN NOSAVE\n".to_owned()),
            ..RedisCliCall::default()
        };
        assert_eq!(ended_by(&typed, &all), all[..1]);
        let call = |words: &[&str]| RedisCliCall {
            cluster_mode: true,
            words: words.iter().map(|word| (*word).to_owned()).collect(),
            ..RedisCliCall::default()
        };
        assert_eq!(
            ended_by(&call(&["call", "127.0.0.1:7001", "SHUTDOWN"]), &all),
            all
        );
        assert_eq!(
            ended_by(&call(&["call", "127.0.0.1:7001", "PING"]), &all),
            []
        );
        assert_eq!(ended_by(&call(&["check", "127.0.0.1:7001"]), &all), []);
    }

    fn nodes(names: &[&str]) -> Vec<NodeName> {
        names.iter().map(|name| NodeName::new(*name)).collect()
    }

    fn stop() -> Action {
        Action::Nodes {
            change: NodeChange::Stop,
            nodes: nodes(&["redis-1"]),
        }
    }

    /// What happens while the environment is asked how the nodes are; it says of two that they are not there, and one of them should be.
    #[rstest]
    #[case::nothing(|_: &Alive| {}, &["redis-1"])]
    #[case::the_other_is_started(|alive: &Alive| alive.note_started(&nodes(&["redis-2"])), &["redis-1"])]
    #[case::it_is_stopped(|alive: &Alive| alive.note_action(&stop()), &[])]
    #[case::it_is_stopped_and_started(
        |alive: &Alive| {
            alive.note_action(&stop());
            alive.note_started(&nodes(&["redis-1"]));
        },
        &[],
    )]
    #[tokio::test]
    async fn who_died_while_much_happened(#[case] meanwhile: fn(&Alive), #[case] died: &[&str]) {
        let all = nodes(&["redis-1", "redis-2"]);
        let alive = Alive::of(&all);
        alive.note_started(&all[..1]);
        let lives = alive.compare(async {
            meanwhile(&alive);
            let absent = |name| NodeState {
                name,
                life: Life::Absent,
            };
            Ok::<_, BackendError>(all.into_iter().map(absent).collect())
        });
        let died_now = lives.await.unwrap().died;
        let found: Vec<NodeName> = died_now.into_iter().map(|(name, _)| name).collect();
        assert_eq!(found, nodes(died));
    }
}
