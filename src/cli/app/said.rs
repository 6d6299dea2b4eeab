//! An answer, for people and for programs.

use serde_json::{Value, json};

use super::exit;
use crate::app::AppError;
use crate::cli::output::{complain_with_help, say};

/// What a command has to say.
#[derive(Debug)]
pub struct Said {
    /// For people; without a line break at its end.
    pub text: String,
    /// For programs: an object whose `result` says in one word what happened.
    pub json: Value,
    /// The exit code.
    pub code: u8,
}

impl Said {
    /// Something was done.
    pub fn done(text: impl Into<String>, json: Value) -> Self {
        Said {
            text: text.into(),
            json,
            code: exit::DONE,
        }
    }

    /// With more text, and more keys.
    #[must_use]
    pub fn and(mut self, text: &str, more: Value) -> Self {
        self.text.push_str(text);
        if let (Some(all), Value::Object(more)) = (self.json.as_object_mut(), more) {
            all.extend(more);
        }
        self
    }

    /// Prints it, and says the exit code.
    pub fn tell(&self, json: bool) -> u8 {
        match json {
            true => say(self.json.to_string()),
            // Of a command that has printed as it went nothing is left to say.
            false if self.text.is_empty() => {}
            false => say(&self.text),
        }
        self.code
    }
}

/// Prints why not, and says the exit code. A refusal is an answer, and goes where answers go.
pub fn tell_error(error: &AppError, json: bool) -> u8 {
    let advice = exit::advice(error);
    match (json, error) {
        (true, _) => say(
            json!({"result": error.kind(), "message": error.to_string(), "help": advice})
                .to_string(),
        ),
        (false, AppError::Refused(refusal)) => {
            say(refusal.to_string());
            if let Some(advice) = advice {
                say(format!("  {advice}"));
            }
        }
        (false, error) => {
            complain_with_help(&error.to_string(), advice.as_deref().unwrap_or_default());
        }
    }
    exit::of(error)
}
