//! Reading the given keys back.

use std::time::Duration;

use serde::Serialize;

use crate::admin::GivenKeys;
use crate::cluster::Reply;
use crate::resp::{RouteError, Router, Terms};

/// How many of the given keys are still what they were. Each key is in exactly one of `intact`, `missing`, `changed` and
/// `unread`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct KeysReport {
    /// How many keys there should be.
    pub expected: u64,
    /// Read back with their value.
    pub intact: u64,
    /// Not there any more.
    pub missing: u64,
    /// There, with another value or another type.
    pub changed: u64,
    /// Not read: nobody who could answer did so in time. Nothing is known of them.
    pub unread: u64,
    /// What was wrong with the first key, in the order of their numbers, that is not intact.
    pub first_fault: Option<String>,
    /// From the first read to the last, in milliseconds.
    #[serde(rename = "took_ms", serialize_with = "as_milliseconds")]
    pub took: Duration,
}

impl KeysReport {
    /// Whether every key was read back with its value.
    pub fn all_intact(&self) -> bool {
        self.intact == self.expected
    }

    fn count(&mut self, key: &str, value: &str, result: &Result<Reply, RouteError>) {
        let fault = match result {
            Ok(Reply::Bulk(bytes)) if bytes == value.as_bytes() => {
                self.intact += 1;
                return;
            }
            Ok(Reply::Nil) => {
                self.missing += 1;
                format!("{key} is missing")
            }
            Ok(Reply::Error(error)) if !error.starts_with("WRONGTYPE") => {
                self.unread += 1;
                format!("{key} could not be read: {error}")
            }
            Ok(reply) => {
                self.changed += 1;
                let found = match reply.as_text() {
                    Some(text) => format!("{:?}", text.chars().take(200).collect::<String>()),
                    // A GET's answer is a text, or WRONGTYPE.
                    None => "of another type".to_owned(),
                };
                format!("{key} should be {value:?} and is {found}")
            }
            Err(error) => {
                self.unread += 1;
                format!("{key} could not be read: {error}")
            }
        };
        self.first_fault.get_or_insert(fault);
    }
}

/// Reads every given key back, following slots that are on their way. Takes the router's deadline at most; what was not
/// read by then is `unread`.
pub async fn read_back(router: &Router, keys: &GivenKeys) -> KeysReport {
    let commands = keys
        .iter()
        .map(|(key, _)| vec![b"GET".to_vec(), key.into_bytes()])
        .collect();
    let terms = Terms {
        deadline: router.deadline(),
        linger: Duration::ZERO,
        idempotent: true,
    };
    let batch = router.batch(commands, terms).await;
    let mut report = KeysReport {
        expected: u64::from(keys.count),
        took: batch.took,
        ..KeysReport::default()
    };
    for ((key, value), result) in keys.iter().zip(&batch.results) {
        report.count(&key, &value, result);
    }
    report
}

fn as_milliseconds<S: serde::Serializer>(
    took: &Duration,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(took.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_counted_once() {
        let mut report = KeysReport {
            expected: 6,
            ..KeysReport::default()
        };
        let bulk = |text: &str| Ok(Reply::Bulk(text.as_bytes().to_vec()));
        report.count("k1", "v", &bulk("v"));
        assert_eq!(report.first_fault, None);
        report.count("k2", "v", &bulk("w"));
        report.count("k3", "v", &Ok(Reply::Nil));
        report.count("k4", "v", &Err(RouteError::NotAsked));
        report.count(
            "k5",
            "v",
            &Ok(Reply::Error("WRONGTYPE Operation against a key".into())),
        );
        report.count("k6", "v", &Ok(Reply::Error("NOPERM no".into())));
        assert_eq!(
            (report.intact, report.changed, report.missing, report.unread),
            (1, 2, 1, 2)
        );
        assert!(!report.all_intact());
        insta::assert_snapshot!(report.first_fault.unwrap(), @r#"k2 should be "v" and is "w""#);
    }
}
