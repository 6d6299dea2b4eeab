//! A call with a command in its arguments.

use super::halt::Flow;
use super::options::{FromInput, Options};
use super::session::Session;
use super::surroundings::Surroundings;
use crate::resp::typed_words;

/// Sends the command. The exit code: an error of the server is an answer.
pub(super) fn run(options: &Options, around: &mut Surroundings) -> Flow<u8> {
    let mut words = options.words.clone();
    if options.quoted_input {
        let unquoted = words.iter().map(|word| unquote(word)).collect();
        let Some(unquoted) = unquoted else {
            around.output.write_all(b"Invalid quoted string\n")?;
            return Ok(1);
        };
        words = unquoted;
    }
    match &options.from_input {
        None => {}
        Some(FromInput::Last) => words.push(all_of(around)?),
        Some(FromInput::Tag(tag)) => {
            // The first argument that is the tag; the command's name is none.
            let Some(place) = words.iter_mut().skip(1).find(|word| *word == tag) else {
                writeln!(around.errors, "Using -X option but stdin tag not match.")?;
                return Ok(1);
            };
            *place = all_of(around)?;
        }
    }
    let mut session = Session::new(options, around);
    Ok(u8::from(!session.command(&words, options.repeat)?))
}

fn all_of(around: &mut Surroundings) -> Flow<Vec<u8>> {
    let mut bytes = Vec::new();
    around.input.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A word in quotes without them; one without quotes as it is.
fn unquote(word: &[u8]) -> Option<Vec<u8>> {
    if !matches!(word.first(), Some(b'"' | b'\'')) {
        return Some(word.to_vec());
    }
    match typed_words(word)?.as_slice() {
        [one] => Some(one.clone()),
        _ => None,
    }
}
