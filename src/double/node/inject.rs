//! Errors that a test wants to see.

use crate::double::script::Pattern;

/// What is answered instead of executing a command, as long as the test wants it.
#[derive(Debug, Default)]
pub(in crate::double) struct Injected {
    rules: Vec<Rule>,
}

#[derive(Debug)]
struct Rule {
    pattern: Pattern,
    words: String,
    /// How often still; `None`: until it is taken back.
    times: Option<usize>,
}

impl Injected {
    /// From now on commands that look like `pattern` get this error, `times` times or until [`clear`](Self::clear).
    pub fn add(&mut self, pattern: &str, words: &str, times: Option<usize>) {
        if times == Some(0) {
            return;
        }
        self.rules.push(Rule {
            pattern: Pattern::read(pattern),
            words: words.to_owned(),
            times,
        });
    }

    /// Takes all back.
    pub fn clear(&mut self) {
        self.rules.clear();
    }

    /// The error for this command, if there is one.
    pub fn meets(&mut self, words: &[&[u8]]) -> Option<String> {
        if self.rules.is_empty() {
            return None;
        }
        let owned: Vec<Vec<u8>> = words.iter().map(|word| word.to_vec()).collect();
        let at = self
            .rules
            .iter()
            .position(|rule| rule.pattern.fits(&owned))?;
        let rule = &mut self.rules[at];
        let error = rule.words.clone();
        if let Some(times) = &mut rule.times {
            *times -= 1;
            if *times == 0 {
                self.rules.remove(at);
            }
        }
        Some(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_times_and_no_more() {
        let mut injected = Injected::default();
        injected.add("GET *", "ERR never", Some(0));
        injected.add("GET *", "ERR twice", Some(2));
        let words: [&[u8]; 2] = [b"GET", b"a"];
        assert_eq!(injected.meets(&[b"PING"]), None);
        assert_eq!(injected.meets(&words).as_deref(), Some("ERR twice"));
        assert_eq!(injected.meets(&words).as_deref(), Some("ERR twice"));
        assert_eq!(injected.meets(&words), None);
    }
}
