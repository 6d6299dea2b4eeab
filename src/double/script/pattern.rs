//! What a command looks like.

use std::fmt;

/// A pattern for commands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::double) struct Pattern {
    parts: Vec<Part>,
    /// Any number of words may follow.
    open: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Word(Vec<u8>),
    Any,
}

impl Pattern {
    pub fn read(text: &str) -> Self {
        let mut words: Vec<&str> = text.split_whitespace().collect();
        let open = words.last() == Some(&"...");
        if open {
            words.pop();
        }
        let part = |word: &str| match word {
            "*" => Part::Any,
            word => Part::Word(word.as_bytes().to_vec()),
        };
        Pattern {
            parts: words.into_iter().map(part).collect(),
            open,
        }
    }

    pub fn exactly<W: AsRef<[u8]>>(words: impl IntoIterator<Item = W>) -> Self {
        let words = words.into_iter();
        Pattern {
            parts: words
                .map(|word| Part::Word(word.as_ref().to_vec()))
                .collect(),
            open: false,
        }
    }

    pub fn fits(&self, words: &[Vec<u8>]) -> bool {
        let long_enough = match self.open {
            true => words.len() >= self.parts.len(),
            false => words.len() == self.parts.len(),
        };
        let same = |(at, (part, word)): (usize, (&Part, &Vec<u8>))| match part {
            Part::Any => true,
            Part::Word(wanted) if at == 0 => wanted.eq_ignore_ascii_case(word),
            Part::Word(wanted) => wanted == word,
        };
        long_enough && self.parts.iter().zip(words).enumerate().all(same)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words: Vec<String> = self
            .parts
            .iter()
            .map(|part| match part {
                Part::Any => "*".to_owned(),
                Part::Word(word) => shown(word),
            })
            .collect();
        if self.open {
            words.push("...".to_owned());
        }
        f.write_str(&words.join(" "))
    }
}

/// A word as it is shown in a message: plain if it is one, else in quotes.
pub(super) fn shown(word: &[u8]) -> String {
    let text = String::from_utf8_lossy(word);
    let plain = !text.is_empty() && text.chars().all(|sign| sign.is_ascii_graphic());
    match (plain, text.chars().count() > 60) {
        (true, false) => text.into_owned(),
        (_, true) => format!("{:?}…", text.chars().take(60).collect::<String>()),
        (false, false) => format!("{text:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("GET a", &["get", "a"], true)]
    #[case("GET a", &["GET", "A"], false)]
    #[case("GET a", &["GET", "a", "b"], false)]
    #[case("GET *", &["GET", "anything at all"], true)]
    #[case("GET *", &["GET"], false)]
    #[case("SET * ...", &["SET", "a", "1", "PX", "5"], true)]
    #[case("SET * ...", &["SET", "a"], true)]
    #[case("SET * ...", &["SET"], false)]
    #[case("...", &["PING"], true)]
    fn what_fits(#[case] pattern: &str, #[case] words: &[&str], #[case] fits: bool) {
        let words: Vec<Vec<u8>> = words.iter().map(|word| word.as_bytes().to_vec()).collect();
        assert_eq!(Pattern::read(pattern).fits(&words), fits);
        assert_eq!(Pattern::read(pattern).to_string(), pattern);
    }

    #[test]
    fn exact_words_may_have_anything_in_them() {
        let words = [b"SET".to_vec(), b"*".to_vec(), b"two words \xff".to_vec()];
        let pattern = Pattern::exactly(&words);
        assert!(pattern.fits(&words));
        let other = [b"SET".to_vec(), b"x".to_vec(), b"two words \xff".to_vec()];
        assert!(!pattern.fits(&other));
    }
}
