//! A `run` line: what the reader would type, understood as one of a closed set of verbs. There is no shell; what is not
//! understood is refused when the lab is loaded, with its place.

pub mod app;
pub(super) mod docker;
pub mod grep;
pub(super) mod make;
pub(super) mod psql;
pub mod redis_cli;
pub(super) mod watch;
pub mod words;

use std::ops::Range;
use std::time::Duration;

use self::app::AppLine;
use self::docker::DockerLine;
use self::grep::Grep;
use self::make::MakeLine;
use self::psql::PsqlLine;
use self::redis_cli::RedisCliLine;
use self::watch::WatchLine;
use self::words::{Word, split};
use super::action::Action;
use super::fault::suggest;
use super::target::Target;
use super::template::{Reference, Template};

/// The programs that a line can start with.
pub(super) const PROGRAMS: [&str; 7] = [
    "docker",
    "docker-compose",
    "redis-cli",
    "./app",
    "psql",
    "make",
    "watch",
];

/// A line that was understood.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// As written.
    pub typed: Template,
    /// What it does.
    pub verb: Verb,
    /// `| grep …`, in order.
    pub filters: Vec<Grep>,
}

/// What a line does.
#[derive(Debug, Clone, PartialEq)]
pub enum Verb {
    /// `docker …`, `docker compose …`.
    Docker(DockerLine),
    /// `redis-cli …`.
    RedisCli(RedisCliLine),
    /// `./app …`.
    App(AppLine),
    /// `psql …`.
    Psql(PsqlLine),
    /// `make …`.
    Make(MakeLine),
    /// `watch …`.
    Watch(WatchLine),
}

/// What is wrong with a line, and where in its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineFault {
    /// What is wrong.
    pub what: String,
    /// A few words for under the caret.
    pub label: String,
    /// What to do.
    pub help: Option<String>,
    /// Where, in bytes of the line.
    pub range: Range<usize>,
}

impl LineFault {
    pub(super) fn new(
        range: Range<usize>,
        what: impl Into<String>,
        label: impl Into<String>,
    ) -> Self {
        LineFault {
            what: what.into(),
            label: label.into(),
            help: None,
            range,
        }
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// A line with its templates filled in.
#[derive(Debug, Clone, PartialEq)]
pub struct Filled {
    /// What the reader would have typed.
    pub typed: String,
    /// What is to be done.
    pub task: Task,
    /// What its output goes through.
    pub filters: Vec<Grep>,
}

/// What a line asks for, once its templates are filled in.
#[derive(Debug, Clone, PartialEq)]
pub enum Task {
    /// One thing for the backend.
    Action(Action),
    /// One of the course's make targets.
    Target(Target),
    /// `watch -n N '…'`: the inner line, again and again.
    Watch {
        /// The pause between the end of one and the start of the next.
        every: Duration,
        /// The line; never itself a `watch`, and never endless.
        inner: Box<Filled>,
    },
}

impl Task {
    /// Whether it goes on until it is stopped.
    pub fn is_endless(&self) -> bool {
        match self {
            Task::Action(_) => false,
            Task::Target(target) => target.is_endless(),
            Task::Watch { .. } => true,
        }
    }
}

impl Line {
    /// Reads a line.
    ///
    /// # Errors
    /// All that is wrong with it; never an empty list.
    pub fn parse(text: &str) -> Result<Self, Vec<LineFault>> {
        let typed = Template::parse(text).map_err(|fault| {
            vec![LineFault::new(fault.range, fault.what, "here").help("`$${` is a literal `${`")]
        })?;
        let stages = split(text).map_err(|fault| vec![fault])?;
        let mut stages = stages.iter();
        let first = stages.next().map_or(&[][..], |words| &words[..]);
        let Some((program, rest)) = first.split_first() else {
            return Err(vec![LineFault::new(
                0..text.len(),
                "there is no command",
                "here",
            )]);
        };
        let mut faults = Vec::new();
        let verb = match program.literal() {
            Some("docker") => docker::parse(program, rest).map(Verb::Docker),
            Some("docker-compose") => docker::parse_compose(program, rest).map(Verb::Docker),
            Some("redis-cli") => redis_cli::parse(program, rest).map(Verb::RedisCli),
            Some("./app") => app::parse(program, rest).map(Verb::App),
            Some("psql") => psql::parse(program, rest).map(Verb::Psql),
            Some("make") => make::parse(program, rest).map(Verb::Make),
            Some("watch") => watch::parse(program, rest).map(Verb::Watch),
            Some(other) => Err(vec![refuse(program, other)]),
            None => Err(vec![LineFault::new(
                program.range.clone(),
                "the program of a line can't be a value",
                "here",
            )]),
        };
        let verb = verb.map_err(|mut more| faults.append(&mut more)).ok();
        let mut filters = Vec::new();
        for stage in stages {
            let screen = verb.as_ref().and_then(|verb| no_filter(verb, stage));
            match screen.map_or_else(|| grep::parse(stage), Err) {
                Ok(filter) => filters.push(filter),
                Err(fault) => faults.push(fault),
            }
        }
        match verb {
            Some(verb) if faults.is_empty() => Ok(Line {
                typed,
                verb,
                filters,
            }),
            _ => Err(faults),
        }
    }

    /// The line with every `${…}` filled in by `value`, as a thing to do. `value` gets each reference as written.
    ///
    /// # Errors
    /// Why it can't be carried out: a value is missing, or the values make a line that is not understood.
    pub fn fill(
        &self,
        mut value: impl FnMut(&Reference) -> Result<String, String>,
    ) -> Result<Filled, String> {
        self.fill_from(&mut value)
    }

    fn fill_from(&self, value: Value<'_>) -> Result<Filled, String> {
        let typed = self.typed.fill(&mut *value)?;
        let task = match &self.verb {
            Verb::Docker(line) => Task::Action(line.fill(value)?),
            Verb::RedisCli(line) => Task::Action(Action::RedisCli(line.fill(value)?)),
            Verb::App(line) => Task::Action(Action::App(line.fill(value)?)),
            Verb::Psql(line) => Task::Action(Action::Psql(line.fill(value)?)),
            Verb::Make(line) => Task::Target(line.fill(value)?),
            Verb::Watch(line) => Task::Watch {
                every: line.every,
                inner: Box::new(line.inner.fill_from(value)?),
            },
        };
        let filters = self
            .filters
            .iter()
            .map(|filter| filter.fill(value))
            .collect::<Result<_, _>>()?;
        Ok(Filled {
            typed,
            task,
            filters,
        })
    }

    /// The line of redis-cli, if it is one. What a `watch` repeats is not it.
    pub fn redis_cli(&self) -> Option<&RedisCliLine> {
        match &self.verb {
            Verb::RedisCli(line) => Some(line),
            Verb::Docker(_) | Verb::App(_) | Verb::Psql(_) | Verb::Make(_) | Verb::Watch(_) => None,
        }
    }

    /// Whether it moves slots away from a node that it names.
    pub fn moves_slots(&self) -> bool {
        match &self.verb {
            Verb::RedisCli(line) => line.moves_from().is_some(),
            Verb::Make(line) => line.moves_slots(),
            Verb::Docker(_) | Verb::App(_) | Verb::Psql(_) | Verb::Watch(_) => false,
        }
    }

    /// Where in its text it says that it needs PostgreSQL, if it does.
    pub fn needs_postgres(&self) -> Option<Range<usize>> {
        match &self.verb {
            Verb::Docker(line) => line.postgres().map(|word| word.range.clone()),
            Verb::Psql(line) => Some(line.statement()),
            // Its places are those of the inner line.
            Verb::Watch(line) => line
                .inner
                .needs_postgres()
                .map(|_| 0..self.typed.as_written().len()),
            Verb::RedisCli(_) | Verb::App(_) | Verb::Make(_) => None,
        }
    }

    /// Whether it starts, stops or changes PostgreSQL itself, and not what is in it.
    pub fn changes_postgres(&self) -> bool {
        match &self.verb {
            Verb::Docker(line) => line.postgres().is_some(),
            Verb::Psql(_) | Verb::Watch(_) | Verb::RedisCli(_) | Verb::App(_) | Verb::Make(_) => {
                false
            }
        }
    }

    /// Whether it is a load test. What it measures is real time, and so is what it waits for.
    pub fn is_load_test(&self) -> bool {
        match &self.verb {
            Verb::App(line) => line.command() == "load-test",
            Verb::Make(line) => line.is_load_test(),
            Verb::Docker(_) | Verb::RedisCli(_) | Verb::Psql(_) | Verb::Watch(_) => false,
        }
    }

    /// Whether it goes on until it is stopped: `watch …`, `make watch-cluster`.
    pub fn is_endless(&self) -> bool {
        match &self.verb {
            Verb::Docker(_) | Verb::RedisCli(_) | Verb::App(_) | Verb::Psql(_) => false,
            Verb::Make(line) => line.is_endless(),
            Verb::Watch(_) => true,
        }
    }
}

/// Why what a line prints can't go through a filter, if so.
fn no_filter(verb: &Verb, stage: &[Word]) -> Option<LineFault> {
    let (what, help) = match verb {
        Verb::Watch(_) => (
            "a watch draws a screen, and a filter can't read that",
            "put the filter inside of the quotes: `watch -n 1 '… | grep PATTERN'`",
        ),
        Verb::Make(line) if line.is_endless() => (
            "`make watch-cluster` draws a screen, and a filter can't read that",
            "`make cluster-nodes | grep PATTERN` looks once",
        ),
        _ => return None,
    };
    let (first, last) = (stage.first()?, stage.last()?);
    Some(LineFault::new(first.range.start..last.range.end, what, "here").help(help))
}

fn refuse(program: &Word, name: &str) -> LineFault {
    let help = match name {
        "app" => "write `./app`, as it is typed in a checkout of the course".to_owned(),
        "sudo" | "bash" | "sh" | "cd" | "export" => {
            "there is no shell: write the command itself, as the reader would type it".to_owned()
        }
        _ => "a line can call `docker`, `docker compose`, `redis-cli`, `./app`, `psql`, `make` and `watch`, and filter with `| grep`"
            .to_owned(),
    };
    let label = match name {
        "app" => "did you mean `./app`?".to_owned(),
        _ => suggest(name, &PROGRAMS).0,
    };
    LineFault::new(
        program.range.clone(),
        format!("`{name}` is not a program that a lab can run"),
        label,
    )
    .help(help)
}

/// What every parser of a program's words gives.
type Parsed<T> = Result<T, Vec<LineFault>>;

/// Something that fills in a reference.
type Value<'a> = &'a mut dyn FnMut(&Reference) -> Result<String, String>;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::NodeName;
    use crate::lab::action::{NodeChange, RedisCliCall};
    use rstest::rstest;

    fn fill(text: &str) -> Filled {
        let line = Line::parse(text).unwrap();
        line.fill(|r| match r.path.join(".").as_str() {
            "redis-7.id" => Ok("07c37df".to_owned()),
            "redis-1.addr" => Ok("172.30.0.11:7001".to_owned()),
            other => Err(format!("no value for {other}")),
        })
        .unwrap()
    }

    #[test]
    fn a_line_is_what_the_reader_types() {
        let filled = fill("redis-cli --cluster del-node ${redis-1.addr} ${redis-7.id}");
        assert_eq!(
            filled.typed,
            "redis-cli --cluster del-node 172.30.0.11:7001 07c37df"
        );
        let call = RedisCliCall {
            cluster_mode: true,
            words: ["del-node", "172.30.0.11:7001", "07c37df"]
                .map(str::to_owned)
                .to_vec(),
            ..RedisCliCall::default()
        };
        assert_eq!(filled.task, Task::Action(Action::RedisCli(call)));
    }

    #[test]
    fn options_and_quotes_of_redis_cli() {
        let filled =
            fill("redis-cli -c -p 7001 -h redis-1 SET 'a key' \"two words\" | grep -v -i 'o k'");
        let Task::Action(Action::RedisCli(call)) = filled.task else {
            panic!("{filled:?}")
        };
        assert_eq!(
            (call.host.as_deref(), call.port),
            (Some("redis-1"), Some(7001))
        );
        assert_eq!(call.options, ["-c"]);
        assert_eq!(call.words, ["SET", "a key", "two words"]);
        assert_eq!(filled.filters.len(), 1);
    }

    #[rstest]
    #[case("docker stop redis-1 redis-2", NodeChange::Stop, &["redis-1", "redis-2"])]
    #[case("docker compose up -d redis-8", NodeChange::Up, &["redis-8"])]
    #[case("docker-compose up -d redis-8", NodeChange::Up, &["redis-8"])]
    #[case("docker compose rm -f -s redis-8", NodeChange::Remove, &["redis-8"])]
    #[case("docker rm -f redis-8", NodeChange::Remove, &["redis-8"])]
    #[case("docker kill redis-1", NodeChange::Kill, &["redis-1"])]
    #[case("docker compose restart postgres", NodeChange::Restart, &["postgres"])]
    #[case("docker stop redis-1 postgres", NodeChange::Stop, &["redis-1", "postgres"])]
    fn changes_of_nodes(#[case] text: &str, #[case] change: NodeChange, #[case] names: &[&str]) {
        let nodes = names.iter().map(|name| NodeName::new(*name)).collect();
        assert_eq!(
            fill(text).task,
            Task::Action(Action::Nodes { change, nodes })
        );
    }

    #[rstest]
    #[case(
        "redis-cli --cluster reshard 127.0.0.1:7001 --cluster-from abc --cluster-yes",
        true
    )]
    #[case("make scale-down NODE=7007", true)]
    #[case("redis-cli --cluster rebalance 127.0.0.1:7001", false)]
    #[case("make scale-add-replica", false)]
    #[case("docker stop redis-1", false)]
    #[case("watch -n 1 'redis-cli -p 7001 PING'", false)]
    fn what_moves_slots_away_from_a_node(#[case] text: &str, #[case] moves: bool) {
        assert_eq!(Line::parse(text).unwrap().moves_slots(), moves);
    }

    #[rstest]
    #[case("", "there is no command")]
    #[case("rm -rf /", "not a program")]
    #[case("app availability", "not a program")]
    #[case("./app availability", "needs `--event`")]
    #[case("psqll -c 'SELECT 1'", "not a program")]
    #[case("redis-clii -p 7001 PING", "not a program")]
    #[case("redis-cli -p 7001 PING; ls", "`;`")]
    #[case("redis-cli -p 7001 PING && ls", "`&`")]
    #[case("redis-cli -p 7001 PING > file", "`>`")]
    #[case("redis-cli -p 7001 GET $(id)", "`$(`")]
    #[case("redis-cli -p 7001 GET `id`", "backquote")]
    #[case("redis-cli -p 7001 GET 'a", "quote")]
    #[case("redis-cli PING", "which node")]
    #[case("redis-cli -p 7009 PING", "no node on port 7009")]
    #[case("redis-cli -p seven PING", "not a port")]
    #[case("redis-cli -h example.com -p 7001 PING", "not a node")]
    #[case("redis-cli -h redis-2 -p 7001 PING", "redis-2 is on port 7002")]
    #[case("redis-cli -p", "needs a value")]
    #[case("redis-cli --eval script.lua", "works on files")]
    #[case("redis-cli --frob -p 7001 PING", "not an option")]
    #[case("redis-cli --cluster resahrd 127.0.0.1:7001", "not a subcommand")]
    #[case("redis-cli --cluster", "needs a subcommand")]
    #[case("redis-cli --cluster check 10.0.0.1:7001", "not a node")]
    #[case("redis-cli --cluster check 127.0.0.1:7099", "no node on port 7099")]
    #[case("redis-cli --cluster check", "which cluster")]
    #[case(
        "redis-cli --cluster reshard 127.0.0.1:7001 --cluster-form x --cluster-yes",
        "not an option of"
    )]
    #[case(
        "redis-cli --cluster reshard 127.0.0.1:7001 --cluster-from x --cluster-to y --cluster-slots 5",
        "asks before"
    )]
    #[case("docker run evil", "not something that a lab can do")]
    #[case("docker stop", "which nodes")]
    #[case("docker stop mysql", "not a node")]
    #[case(
        "docker network disconnect cluster postgres",
        "no links that a lab can cut"
    )]
    #[case("docker exec redis-1 sh", "not something that a lab can do")]
    #[case("docker compose up redis-8", "`-d`")]
    #[case("docker network disconnect cluster", "which node")]
    #[case("redis-cli -p 7001 PING | wc -l", "only `grep`")]
    #[case("redis-cli -p 7001 PING | grep", "what is looked for")]
    #[case("redis-cli -p 7001 PING | grep -E '('", "regular expression")]
    #[case("redis-cli -p 7001 GET ${", "without its")]
    fn what_is_not_understood_is_refused(#[case] text: &str, #[case] why: &str) {
        let faults = Line::parse(text).unwrap_err();
        assert!(
            faults.iter().any(|fault| fault.what.contains(why)),
            "{faults:?}"
        );
        for fault in faults {
            assert!(text.get(fault.range.clone()).is_some(), "{fault:?}");
        }
    }

    proptest::proptest! {
        /// Whatever is typed, it is understood, or refused at places that are in it.
        #[test]
        fn no_line_panics(text in "(redis-cli|docker|docker compose|make|watch|psql|-c|-At|-U|SELECT|COPY|;|./app|reserve|session|show|--event|--seats=|--json|--map|failover|scale-down|watch-cluster|NODE=|-n|1|grep|-p|--cluster|reshard| |'|\"|\\||\\$\\{|\\}|7001|é|\\\\){0,12}") {
            if let Err(faults) = Line::parse(&text) {
                proptest::prop_assert!(!faults.is_empty());
                for fault in faults {
                    proptest::prop_assert!(text.get(fault.range.clone()).is_some(), "{fault:?}");
                }
            }
        }

        /// The same where most is right, so that the slips are deep inside of a line.
        #[test]
        fn nearly_right_lines_are_refused_where_they_are_wrong(
            text in "(watch (-n ?[0-9.]{0,3} )?['\"]?)?(make (failover|recover|scale-down|cluster-info|é)( NODE=('|\")?(700[0-9]|redis-[0-9]|\\$\\{x\\}|\\\\)('|\")?)?|redis-cli -p 700[0-9] GET (a|'é b'|\\$\\{x\\})|\\./app (--json )?(show|reserve|session (login|é)|load-test|watch)( --(event|user|seats|for|rate|on-slots|name|é)(=| )('|\")?(1|é|5s|\\$\\{x\\}|-1)('|\")?){0,3})( \\| grep (-[a-zE] )?(x|\\(|'é))?['\"]?"
        ) {
            match Line::parse(&text) {
                Ok(line) => {
                    // What it becomes once it is filled in is as endless as it was.
                    if let Ok(filled) = line.fill(|_| Ok::<_, String>("7002".to_owned())) {
                        proptest::prop_assert_eq!(filled.task.is_endless(), line.is_endless());
                    }
                }
                Err(faults) => {
                    proptest::prop_assert!(!faults.is_empty());
                    for fault in faults {
                        let place = text.get(fault.range.clone());
                        proptest::prop_assert!(place.is_some_and(|place| !place.is_empty()), "{fault:?}");
                    }
                }
            }
        }
    }
}
