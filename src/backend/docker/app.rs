//! The application, as a process of this machine: it reaches the nodes at the ports that docker publishes.
//!
//! It is told where they are by its environment, so that what stands in a lab and in its transcript is what a reader types. Nothing else of
//! the caller's own settings for it gets through: a lab does the same everywhere.

use std::sync::atomic::Ordering;

use tokio_util::sync::CancellationToken;

use super::Inner;
use crate::backend::BackendError;
use crate::backend::application;
use crate::backend::leash::on_leash;
use crate::backend::process::{Ended, Program};
use crate::lab::action::{AppCall, Limits};
use crate::lab::environment::{CourseNode, POSTGRES_PORT};

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
        let path = application::program(self.app.as_deref())?;
        let program = match &self.client.leash {
            Some(leash) => on_leash(leash, &path),
            None => Program::new(&path),
        };
        let mut program = program.args(["app"]).args(&call.words);
        for name in application::unset(std::env::vars_os().map(|(name, _)| name)) {
            program = program.without_env(name);
        }
        for (name, value) in application::environment(&self.addresses, self.database_told()) {
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
        let program = application::program(self.app.as_deref()).map_or_else(
            |_| "labrunner".to_owned(),
            |path| path.display().to_string(),
        );
        let variables = application::environment(&self.addresses, self.database_told()).into_iter();
        variables
            .map(|(name, value)| format!("{name}={value}"))
            .chain([program, "app".to_owned()])
            .chain(call.words.iter().cloned())
            .collect()
    }

    /// Where the database is, if there is one.
    fn database_told(&self) -> Option<String> {
        let there = self.has_database.load(Ordering::Relaxed);
        there.then(|| self.database_url())
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
        let here = self.reservation.postgres().to_string();
        replace_address(&text, &here, &format!("127.0.0.1:{POSTGRES_PORT}"))
    }
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
}
