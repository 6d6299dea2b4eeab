//! The application, as a process of this machine: it reaches the nodes at the ports that docker publishes.
//!
//! It is told where they are by its environment, so that what stands in a lab and in its transcript is what a reader types. Nothing else of
//! the caller's own settings for it gets through: a lab does the same everywhere.

use std::ffi::OsString;
use std::path::PathBuf;

use tokio_util::sync::CancellationToken;

use super::Inner;
use super::client::on_leash;
use crate::backend::BackendError;
use crate::backend::process::{Ended, Program};
use crate::lab::action::{AppCall, Limits};
use crate::lab::environment::CourseNode;

/// The program that is the application as well.
const PROGRAM: &str = "labrunner";
/// What every variable of the application begins with.
const PREFIX: &str = "APP_";
/// Where the nodes are for it.
const NODES: &str = "APP_NODES";
/// Which of these addresses is that of which node, as the nodes know each other.
const MAP: &str = "APP_MAP";
/// Which database the application uses; the caller's own is none of a lab's business.
const DATABASE: &str = "DATABASE_URL";
/// By this, a caller has colours even where nobody sees them; checks read what is printed.
const COLOURS: &str = "CLICOLOR_FORCE";

impl Inner {
    /// Runs the application to its end.
    ///
    /// # Errors
    /// `Broken` when it can't be started.
    pub(super) async fn app(
        &self,
        call: &AppCall,
        limits: Limits,
        cancel: &CancellationToken,
    ) -> Result<Ended, BackendError> {
        let path = self.app_program().map_err(|error| BackendError::Broken {
            what: format!("the application can't be started: {error}"),
            help: "start labrunner by its whole path and its own name; a program that uses labrunner as a library says in `DockerOptions::app` where it is"
                .to_owned(),
        })?;
        let program = match &self.client.leash {
            Some(leash) => on_leash(leash, &path),
            None => Program::new(&path),
        };
        let mut program = program.args(["app"]).args(&call.words);
        for name in unset(std::env::vars_os().map(|(name, _)| name)) {
            program = program.without_env(name);
        }
        for (name, value) in self.app_environment() {
            program = program.env(name, value);
        }
        // The folder of the environment: a reader's own settings may stand where labrunner was started.
        if let Some(folder) = self.compose.file.parent().filter(|folder| folder.is_dir()) {
            program = program.directory(folder);
        }
        program
            .run(limits.time, limits.output, cancel)
            .await
            .map_err(|error| BackendError::Broken {
                what: format!("the application can't be started: {error}"),
                help: format!("see whether {} can be run", path.display()),
            })
    }

    /// The command line that runs the application.
    pub(super) fn explain_app(&self, call: &AppCall) -> Vec<String> {
        let program = self.app_program().map_or_else(
            |_| "labrunner".to_owned(),
            |path| path.display().to_string(),
        );
        let variables = self.app_environment().into_iter();
        variables
            .map(|(name, value)| format!("{name}={value}"))
            .chain([program, "app".to_owned()])
            .chain(call.words.iter().cloned())
            .collect()
    }

    /// What the application printed, in the course's terms: its nodes are at the ports that the course says.
    pub(super) fn app_to_course(&self, text: &str) -> String {
        let mut text = self.terms.to_course(text);
        let first = CourseNode::all().next();
        if first.is_some_and(|node| self.reservation.port(node) == node.port()) {
            return text;
        }
        for node in CourseNode::all() {
            let here = self.reservation.reachable(node).to_string();
            text = replace_address(&text, &here, &format!("127.0.0.1:{}", node.port()));
        }
        text
    }

    /// This program is the application as well, if it is labrunner. A test or another program that uses the library is not: it would
    /// only start itself again.
    fn app_program(&self) -> std::io::Result<PathBuf> {
        if let Some(app) = &self.app {
            return Ok(app.clone());
        }
        let own = std::env::current_exe()?;
        match own.file_stem().is_some_and(|name| name == PROGRAM) {
            true => Ok(own),
            false => Err(std::io::Error::other(format!(
                "{} is not {PROGRAM}",
                own.display()
            ))),
        }
    }

    fn app_environment(&self) -> [(&'static str, String); 2] {
        let all = |show: &dyn Fn(&crate::resp::Address) -> String| {
            let shown: Vec<String> = self.addresses.iter().map(show).collect();
            shown.join(",")
        };
        [
            (NODES, all(&|node| node.reachable.to_string())),
            (
                MAP,
                all(&|node| format!("{}={}", node.announced, node.reachable)),
            ),
        ]
    }
}

/// Those of the caller's variables that the application does not get.
fn unset(names: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let is_its = |name: &OsString| {
        name == COLOURS
            || name == DATABASE
            || name.as_encoded_bytes().starts_with(PREFIX.as_bytes())
    };
    names.filter(is_its).collect()
}

/// Replaces the address `from` wherever it stands whole: not as a part of a longer number.
fn replace_address(text: &str, from: &str, to: &str) -> String {
    let mut changed = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(from) {
        let (before, after) = (&rest[..start], &rest[start + from.len()..]);
        changed.push_str(before);
        let longer_before = changed.ends_with(|char: char| char.is_ascii_digit() || char == '.');
        let longer_after = after.starts_with(|char: char| char.is_ascii_digit());
        changed.push_str(if longer_before || longer_after {
            from
        } else {
            to
        });
        rest = after;
    }
    changed.push_str(rest);
    changed
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("127.0.0.1:20001", "127.0.0.1:7001")]
    #[case("at 127.0.0.1:20001: refused", "at 127.0.0.1:7001: refused")]
    #[case("127.0.0.1:20001,127.0.0.1:20001", "127.0.0.1:7001,127.0.0.1:7001")]
    #[case("127.0.0.1:200011", "127.0.0.1:200011")]
    #[case("1127.0.0.1:20001", "1127.0.0.1:20001")]
    #[case("1.127.0.0.1:20001é", "1.127.0.0.1:20001é")]
    #[case("", "")]
    fn an_address_is_replaced_where_it_is_whole(#[case] text: &str, #[case] changed: &str) {
        assert_eq!(
            replace_address(text, "127.0.0.1:20001", "127.0.0.1:7001"),
            changed
        );
    }

    #[test]
    fn settings_of_the_caller_are_kept_from_it() {
        let names = [
            "PATH",
            "APP_NODES",
            "APP_DURABLE",
            "MY_APP_NODES",
            "CLICOLOR_FORCE",
            "DATABASE_URL",
        ];
        let unset = unset(names.map(OsString::from).into_iter());
        assert_eq!(
            unset,
            ["APP_NODES", "APP_DURABLE", "CLICOLOR_FORCE", "DATABASE_URL"]
        );
    }
}
