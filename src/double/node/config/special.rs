//! Parameters whose values have a form of their own.

use super::UnreadLimit;
use super::parameter::{integer_of, memory_of};

/// The classes of keyspace notifications in the order in which Redis tells them, without those that `A` does not stand for.
const ALL: &str = "g$lshzxetd";

/// The value that CONFIG SET makes of a text, or what is wrong with it.
pub(super) fn read(name: &str, text: &str, before: &str) -> Result<String, String> {
    match name {
        "notify-keyspace-events" => events(text),
        "save" => save(text),
        "client-output-buffer-limit" => limits(text, before),
        "latency-tracking-info-percentiles" => percentiles(text),
        "oom-score-adj-values" => match text.split_ascii_whitespace().count() {
            3 => scores(text),
            _ => Err("wrong number of arguments".to_owned()),
        },
        // It listens where it listens.
        _ => match text == before {
            true => Ok(text.to_owned()),
            false => Err("Failed to bind to specified addresses.".to_owned()),
        },
    }
}

/// The letters of `notify-keyspace-events`, with `A` resolved.
pub(super) fn letters(value: &str) -> Vec<u8> {
    let mut letters = value.replace('A', ALL).into_bytes();
    letters.sort_unstable();
    letters.dedup();
    letters
}

fn events(text: &str) -> Result<String, String> {
    if let Some(_unknown) = text
        .chars()
        .find(|letter| !"Ag$lshzxeKEtmdn".contains(*letter))
    {
        return Err("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.".to_owned());
    }
    let given = letters(text);
    let has = |letter: char| given.contains(&(letter as u8));
    let mut told = String::new();
    if ALL.chars().all(has) {
        told.push('A');
    } else {
        told.extend("g$lshzxetdn".chars().filter(|letter| has(*letter)));
    }
    told.extend("KEm".chars().filter(|letter| has(*letter)));
    Ok(told)
}

fn scores(text: &str) -> Result<String, String> {
    let good = |word: &str| integer_of(word).is_some_and(|score| (-2000..=2000).contains(&score));
    match text.split_ascii_whitespace().all(good) {
        true => Ok(text.to_owned()),
        false => {
            Err("Invalid oom-score-adj-values, elements must be between -2000 and 2000.".to_owned())
        }
    }
}

fn save(text: &str) -> Result<String, String> {
    let numbers: Vec<&str> = text.split_ascii_whitespace().collect();
    let good = numbers.chunks(2).all(|pair| match pair {
        [seconds, changes] => {
            integer_of(seconds).is_some_and(|seconds| seconds >= 1)
                && integer_of(changes).is_some_and(|changes| changes >= 0)
        }
        _ => false,
    });
    match good {
        true => Ok(numbers.join(" ")),
        false => Err("Invalid save parameters".to_owned()),
    }
}

/// Classes of clients with a hard limit, a soft limit, and for how many seconds that may be passed. Classes that are not named stay as they were.
fn limits(text: &str, before: &str) -> Result<String, String> {
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    if !words.len().is_multiple_of(4) {
        return Err("Wrong number of arguments in buffer limit configuration.".to_owned());
    }
    let mut all: Vec<String> = before.split(' ').map(str::to_owned).collect();
    for class in words.chunks(4) {
        let [name, hard, soft, seconds] = class else {
            continue;
        };
        let name = match name.to_ascii_lowercase().as_str() {
            "normal" => "normal",
            "slave" | "replica" => "slave",
            "pubsub" => "pubsub",
            _ => {
                return Err(
                    "Invalid client class specified in buffer limit configuration.".to_owned(),
                );
            }
        };
        let (hard, soft, seconds) = (memory_of(hard), memory_of(soft), integer_of(seconds));
        let (Some(hard), Some(soft), Some(seconds @ 0..)) = (hard, soft, seconds) else {
            return Err(
                "Error in hard, soft or soft_seconds setting in buffer limit configuration."
                    .to_owned(),
            );
        };
        if let Some(at) = all.iter().position(|word| word == name) {
            for (place, number) in [hard, soft, seconds].into_iter().enumerate() {
                if let Some(word) = all.get_mut(at + 1 + place) {
                    *word = number.to_string();
                }
            }
        }
    }
    Ok(all.join(" "))
}

/// The limits of normal clients and of those that listen to channels, of a value that [`limits`] has made.
pub(super) fn unread(value: &str) -> [UnreadLimit; 2] {
    let words: Vec<&str> = value.split(' ').collect();
    ["normal", "pubsub"].map(|class| {
        let at = words.iter().position(|word| *word == class);
        let number = |place: usize| {
            let word = at.and_then(|at| words.get(at + place));
            word.and_then(|word| integer_of(word)).unwrap_or(0)
        };
        let size = |place| usize::try_from(number(place)).unwrap_or(0);
        UnreadLimit {
            hard: size(1),
            soft: size(2),
            seconds: number(3),
        }
    })
}

fn percentiles(text: &str) -> Result<String, String> {
    for word in text.split_ascii_whitespace() {
        match word.parse::<f64>() {
            Ok(0.0..=100.0) => {}
            Ok(_) => {
                return Err(
                    "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]"
                        .to_owned(),
                );
            }
            Err(_) => return Err("Invalid latency-tracking-info-percentiles parameters".to_owned()),
        }
    }
    Ok(text.split_ascii_whitespace().collect::<Vec<_>>().join(" "))
}
