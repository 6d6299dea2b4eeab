//! What was typed, what is shown of it, and what came of it.

use super::BackendError;
use super::process::{Ended, Ending};
use crate::lab::action::{Output, RedisCliCall};

/// What came of a program, put into the course's terms by `to_course`.
pub(super) fn to_output(ended: Ended, to_course: impl Fn(&str) -> String) -> Output {
    Output {
        exit: match ended.ending {
            Ending::Exited(code) => Some(code),
            Ending::TimedOut | Ending::Cancelled => None,
        },
        stdout: to_course(&ended.stdout),
        stderr: to_course(&ended.stderr),
        combined: to_course(&ended.combined),
        cut_bytes: ended.cut_bytes,
        took: ended.took,
    }
}

/// That a call names no node of this environment.
pub(super) fn not_ours(what: String) -> BackendError {
    BackendError::Broken {
        what,
        help:
            "name a node: `redis-cli -p 7001 …`, `-h redis-1 -p 7001`, or `-h 172.30.0.11 -p 7001`"
                .to_owned(),
    }
}

/// The arguments of a call as they were typed.
pub(super) fn as_typed(call: &RedisCliCall) -> Vec<String> {
    let host = call
        .host
        .iter()
        .flat_map(|host| ["-h".to_owned(), host.clone()]);
    let port = call
        .port
        .iter()
        .flat_map(|port| ["-p".to_owned(), port.to_string()]);
    let mode = call.cluster_mode.then(|| "--cluster".to_owned());
    host.chain(port)
        .chain(call.options.iter().cloned())
        .chain(mode)
        .chain(call.words.iter().cloned())
        .collect()
}

/// A word as a shell would have to be given it.
pub(super) fn quote(word: &str) -> String {
    let plain = |char: char| char.is_ascii_alphanumeric() || "-_./:=@%+,".contains(char);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("redis-1", "redis-1")]
    #[case("", "''")]
    #[case("two words", "'two words'")]
    #[case("it's", r"'it'\''s'")]
    #[case("$x", "'$x'")]
    fn quotes_as_a_shell_needs_it(#[case] word: &str, #[case] quoted: &str) {
        assert_eq!(quote(word), quoted);
    }
}
