//! `watch -n N 'LINE'`: a line again and again, as long as its step goes on.

use std::ops::Range;
use std::time::Duration;

use super::words::Word;
use super::{Line, LineFault, Parsed, Verb};

/// A line of watch that was understood.
#[derive(Debug, Clone, PartialEq)]
pub struct WatchLine {
    /// The pause between the end of one and the start of the next.
    pub every: Duration,
    /// What is done again and again: it looks and changes nothing, comes to an end, and reads nothing.
    pub inner: Box<Line>,
}

/// The pause of a watch that does not say (watch(1) of procps).
pub(in crate::lab) const DEFAULT_EVERY: Duration = Duration::from_secs(2);
/// The shortest and the longest pause, in seconds: what watch takes, up to an hour.
pub(in crate::lab) const RANGE: (f64, f64) = (0.1, 3600.0);
const INTERVALS: &str = "`-n` takes seconds, from 0.1 to 3600, as in `watch -n 1 '…'`";

pub(super) fn parse(program: &Word, rest: &[Word]) -> Parsed<WatchLine> {
    let (every, words) = options(rest).map_err(|fault| vec![fault])?;
    let whole = match (words.first(), words.last()) {
        (Some(first), Some(last)) => first.range.start..last.range.end,
        _ => {
            return Err(vec![
                LineFault::new(
                    program.range.clone(),
                    "watch isn't told what to look at",
                    "here",
                )
                .help("write the line in quotes: `watch -n 1 'redis-cli -p 7001 INFO stats'`"),
            ]);
        }
    };
    let typed = Typed::of(words, whole);
    if typed.text.trim().is_empty() {
        return Err(vec![
            LineFault::new(
                typed.whole,
                "there is no command for watch to repeat",
                "empty",
            )
            .help("write the line between the quotes"),
        ]);
    }
    let program = program_of(&typed.text);
    // Asked first: a line of nothing but `watch` would be read as deep as it is long.
    if &typed.text[program.clone()] == "watch" {
        return Err(vec![watch_of_a_watch(typed.place(program))]);
    }
    let inner = Line::parse(&typed.text).map_err(|faults| {
        let moved = faults.into_iter().map(|fault| LineFault {
            range: typed.place(fault.range.clone()),
            ..fault
        });
        moved.collect::<Vec<_>>()
    })?;
    if let Some(fault) = refuse(&inner, program) {
        return Err(vec![LineFault {
            range: typed.place(fault.range.clone()),
            ..fault
        }]);
    }
    Ok(WatchLine {
        every,
        inner: Box::new(inner),
    })
}

/// The pause, and the words after the options.
fn options(words: &[Word]) -> Result<(Duration, &[Word]), LineFault> {
    let mut every = DEFAULT_EVERY;
    let mut words = words;
    while let Some((word, after)) = words.split_first() {
        let text = word.as_written();
        if !text.starts_with('-') {
            break;
        }
        words = after;
        // `-n 1`, `-n1`, `--interval 1`, `--interval=1`.
        let attached = match text {
            "--" => break,
            "-n" | "--interval" => None,
            _ => {
                let value = text
                    .strip_prefix("--interval=")
                    .or_else(|| text.strip_prefix("-n"));
                Some(value.ok_or_else(|| other_option(word, text))?)
            }
        };
        let (word, value) = match (attached, after.split_first()) {
            (Some(value), _) => (word, value),
            (None, Some((next, after))) => {
                words = after;
                (next, next.as_written())
            }
            (None, None) => {
                return Err(LineFault::new(
                    word.range.clone(),
                    format!("`{text}` needs a value"),
                    "how many seconds?",
                )
                .help(INTERVALS));
            }
        };
        let start = word.as_written().len() - value.len();
        every = interval(value).map_err(|what| {
            let place = word.place(start..start + value.len());
            LineFault::new(place, what, "here").help(INTERVALS)
        })?;
    }
    Ok((every, words))
}

fn other_option(word: &Word, text: &str) -> LineFault {
    let what = format!("`{text}` is not an option of watch that a lab can use");
    LineFault::new(word.range.clone(), what, "here")
        .help("it would change how the screen looks, or when watch ends; what can be said is the pause, `-n SECONDS`")
}

fn interval(text: &str) -> Result<Duration, String> {
    if text.contains("${") {
        return Err("the pause of a watch can't be a value".to_owned());
    }
    let is_plain = text.chars().all(|c| c.is_ascii_digit() || c == '.');
    let seconds: f64 = text
        .parse()
        .ok()
        .filter(|_| is_plain)
        .ok_or_else(|| format!("`{text}` is not a number of seconds"))?;
    let (least, most) = RANGE;
    if !(least..=most).contains(&seconds) {
        return Err(format!(
            "`{text}` seconds are no pause that a watch can make"
        ));
    }
    Ok(Duration::from_secs_f64(seconds))
}

/// The inner line as watch gets it: its words without the quotes of the outer line, a blank between two.
struct Typed {
    text: String,
    /// For each byte of it, where it comes from in the outer line.
    places: Vec<Range<usize>>,
    whole: Range<usize>,
}

impl Typed {
    fn of(words: &[Word], whole: Range<usize>) -> Typed {
        let mut text = String::new();
        let mut places: Vec<Range<usize>> = Vec::new();
        for word in words {
            if let Some(last) = places.last().cloned() {
                text.push(' ');
                places.push(last.end..word.range.start.max(last.end));
            }
            let written = word.as_written();
            for (at, c) in written.char_indices() {
                let place = word.place(at..at + c.len_utf8());
                places.extend(std::iter::repeat_n(place, c.len_utf8()));
            }
            text.push_str(written);
        }
        Typed {
            text,
            places,
            whole,
        }
    }

    /// Where a part of the inner line stands in the outer one.
    fn place(&self, part: Range<usize>) -> Range<usize> {
        match self.places.get(part) {
            Some([first, .., last]) => first.start..last.end,
            Some([only]) => only.clone(),
            _ => self.whole.clone(),
        }
    }
}

/// Where the program of a line stands: its first word.
fn program_of(text: &str) -> Range<usize> {
    let start = text.len() - text.trim_start().len();
    let end = text[start..].find(char::is_whitespace);
    start..end.map_or(text.len(), |length| start + length)
}

fn watch_of_a_watch(place: Range<usize>) -> LineFault {
    LineFault::new(place, "a watch can't watch a watch", "the second one")
        .help("write the line itself between the quotes")
}

/// Why a line that is understood can't be watched, if so, and where in it. `program` is its first word.
fn refuse(inner: &Line, program: Range<usize>) -> Option<LineFault> {
    let changes = |range: Range<usize>, what: &str| {
        LineFault::new(
            range,
            format!("a watch only looks, and {what} changes something"),
            "here",
        )
        .help("what is watched is done many times; make the change in a step of its own")
    };
    let fault = match &inner.verb {
        Verb::Watch(_) => watch_of_a_watch(program),
        Verb::Docker(_) => changes(program, "docker"),
        Verb::Psql(psql) if psql.only_looks() => return None,
        Verb::Psql(psql) => changes(psql.statement(), "this statement"),
        Verb::App(app) if app.only_looks() => return None,
        Verb::App(app) => {
            let range = match (app.name.first(), app.name.last()) {
                (Some(first), Some(last)) => first.range.start..last.range.end,
                _ => program,
            };
            changes(range, &format!("`./app {}`", app.command()))
        }
        Verb::Make(make) if make.is_endless() => {
            let what = format!(
                "`make {}` draws again and again by itself",
                make.word.as_written()
            );
            LineFault::new(make.word.range.clone(), what, "here")
                .help("write it alone, without `watch`")
        }
        Verb::Make(make) if make.only_looks() => return None,
        Verb::Make(make) => {
            let what = format!("`make {}`", make.word.as_written());
            changes(make.word.range.clone(), &what)
        }
        Verb::RedisCli(cli) => {
            if let Some(word) = cli.changing_subcommand() {
                changes(
                    word.range.clone(),
                    &format!("`--cluster {}`", word.as_written()),
                )
            } else if let Some(option) = cli.stdin_option() {
                let what = "`-x` reads from the standard input, and a watch has none";
                LineFault::new(option.range.clone(), what, "here")
                    .help("write the value on the line")
            } else if cli.reads_commands() {
                LineFault::new(
                    program,
                    "redis-cli has no command here",
                    "would wait for one to be typed",
                )
                .help("write the command on the line, as in `redis-cli -p 7001 PING`")
            } else {
                return None;
            }
        }
    };
    Some(fault)
}

#[cfg(test)]
mod tests {
    use super::super::Task;
    use super::*;
    use crate::lab::action::Action;
    use crate::lab::target::Target;
    use rstest::rstest;

    fn seconds(text: &str) -> f64 {
        match Line::parse(text).unwrap().verb {
            Verb::Watch(watch) => watch.every.as_secs_f64(),
            other => panic!("{other:?}"),
        }
    }

    #[rstest]
    #[case("watch -n 1 'redis-cli -p 7001 PING'", 1.0)]
    #[case("watch -n1 'redis-cli -p 7001 PING'", 1.0)]
    #[case("watch -n 0.1 'redis-cli -p 7001 PING'", 0.1)]
    #[case("watch -n0.5 redis-cli -p 7001 PING", 0.5)]
    #[case("watch --interval 2.5 'redis-cli -p 7001 PING'", 2.5)]
    #[case("watch --interval=3600 'redis-cli -p 7001 PING'", 3600.0)]
    #[case("watch 'redis-cli -p 7001 PING'", 2.0)]
    #[case("watch -- redis-cli -p 7001 PING", 2.0)]
    #[case("watch -n 1 -n 3 'make cluster-info'", 3.0)]
    fn the_pause_is_what_watch_takes(#[case] text: &str, #[case] every: f64) {
        assert_eq!(seconds(text), every);
    }

    #[test]
    fn the_course_s_own_line() {
        let text = "watch -n 1 'redis-cli -p 7001 INFO stats | grep instantaneous'";
        let line = Line::parse(text).unwrap();
        assert!(line.is_endless());
        assert_eq!(line.redis_cli(), None);
        let filled = line.fill(|_| Err("no values".to_owned())).unwrap();
        assert_eq!(filled.typed, text);
        assert!(filled.filters.is_empty());
        let Task::Watch { every, inner } = filled.task else {
            panic!("{filled:?}")
        };
        assert_eq!(every, Duration::from_secs(1));
        assert_eq!(
            inner.typed,
            "redis-cli -p 7001 INFO stats | grep instantaneous"
        );
        assert_eq!(inner.filters.len(), 1);
        assert!(!inner.task.is_endless());
        let Task::Action(Action::RedisCli(call)) = inner.task else {
            panic!("{inner:?}")
        };
        assert_eq!((call.port, call.words.len()), (Some(7001), 2));
    }

    #[rstest]
    #[case("watch redis-cli -p 7001 INFO stats", "redis-cli -p 7001 INFO stats")]
    #[case(
        "watch -n 1 'redis-cli -p 7001' INFO stats",
        "redis-cli -p 7001 INFO stats"
    )]
    #[case(
        r#"watch "redis-cli -p 7001 GET \"a b\"""#,
        r#"redis-cli -p 7001 GET "a b""#
    )]
    fn words_are_joined_and_quotes_are_gone_as_with_watch(#[case] text: &str, #[case] inner: &str) {
        let line = Line::parse(text).unwrap();
        let Verb::Watch(watch) = line.verb else {
            panic!("{line:?}")
        };
        assert_eq!(*watch.inner, Line::parse(inner).unwrap());
    }

    #[test]
    fn values_are_filled_in_inside_of_the_quotes() {
        let line = Line::parse("watch 'redis-cli -p ${p} GET ${k}'").unwrap();
        let value = |reference: &crate::lab::template::Reference| match &*reference.path[0] {
            "p" => Ok("7002".to_owned()),
            _ => Ok("a key | rm".to_owned()),
        };
        let filled = line.fill(value).unwrap();
        assert_eq!(filled.typed, "watch 'redis-cli -p 7002 GET a key | rm'");
        let Task::Watch { inner, .. } = filled.task else {
            panic!("{filled:?}")
        };
        let Task::Action(Action::RedisCli(call)) = inner.task else {
            panic!("{inner:?}")
        };
        // A value is one word, whatever is in it, and never a second command.
        assert_eq!(
            (call.port, &call.words[..]),
            (Some(7002), &["GET".to_owned(), "a key | rm".to_owned()][..])
        );
    }

    #[rstest]
    #[case(
        "watch -n 1 './app availability --event e7'",
        "availability --event e7"
    )]
    #[case(
        "watch './app session show --session s | grep user'",
        "session show --session s"
    )]
    fn the_application_can_be_watched_where_it_looks(#[case] text: &str, #[case] words: &str) {
        let line = Line::parse(text).unwrap();
        let filled = line.fill(|_| Err(String::new())).unwrap();
        let Task::Watch { inner, .. } = filled.task else {
            panic!("{filled:?}")
        };
        let Task::Action(Action::App(call)) = inner.task else {
            panic!("{inner:?}")
        };
        assert_eq!(call.words.join(" "), words);
    }

    #[test]
    fn a_target_that_looks_can_be_watched() {
        let line = Line::parse("watch -n 1 'make cluster-nodes | grep master'").unwrap();
        let filled = line.fill(|_| Err(String::new())).unwrap();
        let Task::Watch { inner, .. } = filled.task else {
            panic!("{filled:?}")
        };
        assert_eq!(inner.task, Task::Target(Target::ClusterNodes));
    }

    /// Each with the part of the line at which the caret stands.
    #[rstest]
    #[case("watch", "watch", "isn't told what to look at")]
    #[case("watch -n 1", "watch", "isn't told what to look at")]
    #[case("watch -n", "-n", "needs a value")]
    #[case("watch ''", "''", "no command for watch")]
    #[case("watch -n 1 '  '", "'  '", "no command for watch")]
    #[case("watch -n 0.0 'redis-cli -p 7001 PING'", "0.0", "no pause")]
    #[case("watch -n 0.05 'redis-cli -p 7001 PING'", "0.05", "no pause")]
    #[case("watch -n 3601 'redis-cli -p 7001 PING'", "3601", "no pause")]
    #[case(
        "watch -n 1s 'redis-cli -p 7001 PING'",
        "1s",
        "not a number of seconds"
    )]
    #[case("watch -n1s 'redis-cli -p 7001 PING'", "1s", "not a number of seconds")]
    #[case("watch -n inf 'redis-cli -p 7001 PING'", "inf", "not a number")]
    #[case("watch -n ${n} 'redis-cli -p 7001 PING'", "${n}", "can't be a value")]
    #[case("watch -d 'redis-cli -p 7001 PING'", "-d", "not an option of watch")]
    #[case(
        "watch -d -n 1 'redis-cli -p 7001 PING'",
        "-d",
        "not an option of watch"
    )]
    #[case("watch --color 'redis-cli -p 7001 PING'", "--color", "not an option")]
    #[case("watch 'watch make cluster-info'", "watch", "can't watch a watch")]
    #[case("watch 'make watch-cluster'", "watch-cluster", "by itself")]
    #[case("watch 'make failover NODE=7001'", "failover", "only looks")]
    #[case("watch 'make load-test USERS=5'", "load-test", "only looks")]
    #[case(
        "watch './app reserve --event a --seats 1 --user u'",
        "reserve",
        "only looks"
    )]
    #[case(
        "watch './app --json session logout --session s'",
        "session logout",
        "only looks"
    )]
    #[case("watch './app availability'", "availability", "needs `--event`")]
    #[case("watch 'app availability --event a'", "app", "not a program")]
    #[case("watch 'make recover'", "recover", "only looks")]
    #[case("watch 'make scale-add-replica'", "scale-add-replica", "only looks")]
    #[case("watch 'docker stop redis-1'", "docker", "only looks")]
    #[case("watch ' docker-compose stop redis-1'", "docker-compose", "only looks")]
    #[case("watch 'redis-cli --cluster fix 127.0.0.1:7001'", "fix", "only looks")]
    #[case("watch 'redis-cli -p 7001'", "redis-cli", "has no command")]
    #[case("watch 'redis-cli -x -p 7001 SET a'", "-x", "standard input")]
    #[case("watch -n 1 'redis-cli -p 7009 PING'", "7009", "no node on port 7009")]
    #[case("watch -n 1 redis-cli -p 7009 PING", "7009", "no node on port 7009")]
    #[case("watch -n 1 \"redis-cli -p '7009' PING\"", "'7009'", "no node on port")]
    #[case("watch 'rm -rf /'", "rm", "not a program")]
    #[case("watch 'redis-cli -p 7001 PING; ls'", ";", "`;`")]
    #[case("watch 'redis-cli -p 7001 GET $(id)'", "$(", "`$(`")]
    #[case("watch 'make clustr-info'", "clustr-info", "course's targets")]
    #[case("watch 'redis-cli -p 7001 PING | wc -l'", "wc", "only `grep`")]
    #[case(
        "watch 'redis-cli -p 7001 INFO' | grep ops",
        "grep ops",
        "draws a screen"
    )]
    #[case("watch 'redis-cli -p 7001 INFO' | wc -l", "wc -l", "draws a screen")]
    fn what_can_t_be_watched_is_refused_at_its_place(
        #[case] text: &str,
        #[case] at: &str,
        #[case] why: &str,
    ) {
        let faults = Line::parse(text).unwrap_err();
        let [fault] = &faults[..] else {
            panic!("{faults:?}")
        };
        let (found, wanted) = (fault.range.clone(), text.rfind(at).unwrap());
        assert_eq!((&text[found.clone()], found.start), (at, wanted));
        assert!(fault.what.contains(why), "{fault:?}");
    }

    proptest::proptest! {
        /// A fault of a line stands at the same word when the line is watched.
        #[test]
        fn faults_move_with_their_line(port in 7009u16..7100, quote in "['\"]", before in " {0,3}", n in 1u8..9) {
            let inner = format!("{before}redis-cli -p {port} PING");
            let alone = Line::parse(&inner).unwrap_err();
            let outer = format!("watch -n {n} {quote}{inner}{quote}");
            let watched = Line::parse(&outer).unwrap_err();
            proptest::prop_assert_eq!(alone.len(), watched.len());
            for (alone, watched) in alone.iter().zip(&watched) {
                proptest::prop_assert_eq!(&inner[alone.range.clone()], &outer[watched.range.clone()]);
                proptest::prop_assert_eq!(&alone.what, &watched.what);
            }
        }
    }
}
