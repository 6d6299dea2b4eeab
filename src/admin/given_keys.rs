//! The keys that `given` writes.

use std::time::Duration;

use super::AdminError;
use crate::cluster::{Reply, Slot};
use crate::resp::{Router, Terms, hash_tag};

/// The keys that `given` writes, and how to tell that they are still there: a value is a function of its key.
///
/// Keys are `given:000001`, `given:000002` and so on. With a hot slot, the first ones are `given:{TAG}:000001` instead,
/// with a hash tag that falls in that slot, and exactly these lie in it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GivenKeys {
    /// How many keys there are, those in the hot slot included.
    pub count: u32,
    /// A slot, and how many of the keys lie in it (all of them, where this is more than `count`).
    pub hot_slot: Option<(Slot, u32)>,
}

impl GivenKeys {
    /// The key with number `i`, from 1 to `count`, and its value.
    pub fn key(&self, i: u32) -> (String, String) {
        let key = match self.hot_slot {
            Some((slot, hot)) if i <= hot => format!("given:{{{}}}:{i:06}", hash_tag(slot)),
            Some((slot, _)) => outside(slot, format!("given:{i:06}")),
            None => format!("given:{i:06}"),
        };
        let value = value(&key);
        (key, value)
    }

    /// All keys with their values, in the order of their numbers.
    pub fn iter(&self) -> impl Iterator<Item = (String, String)> + '_ {
        (1..=self.count).map(|i| self.key(i))
    }

    /// Writes all keys, pipelined to all masters at the same time, and makes sure that each SET was answered `OK`. May
    /// be repeated: it writes the same again.
    ///
    /// # Errors
    /// [`AdminError::KeyNotWritten`] with the first key that was not written by the limit.
    pub async fn write(&self, router: &Router, limit: Duration) -> Result<(), AdminError> {
        let commands = self
            .iter()
            .map(|(key, value)| vec![b"SET".to_vec(), key.into_bytes(), value.into_bytes()])
            .collect();
        let terms = Terms {
            deadline: limit,
            linger: Duration::ZERO,
            idempotent: true,
        };
        let batch = router.batch(commands, terms).await;
        for (i, result) in (1..).zip(&batch.results) {
            match result {
                Ok(Reply::Status(status)) if status == "OK" => {}
                Ok(Reply::Error(why)) => {
                    return Err(AdminError::KeyNotWritten {
                        key: self.key(i).0,
                        why: why.clone(),
                    });
                }
                Ok(other) => {
                    return Err(AdminError::KeyNotWritten {
                        key: self.key(i).0,
                        why: format!("{other:?}"),
                    });
                }
                Err(error) => return Err(AdminError::key_not_written(&self.key(i).0, error)),
            }
        }
        Ok(())
    }
}

/// The key, with a letter at its end if without one it would lie in the hot slot by chance: a lab that counts the keys of
/// that slot finds the number that it asked for.
fn outside(slot: Slot, key: String) -> String {
    if Slot::of_key(key.as_bytes()) != slot {
        return key;
    }
    // Another last byte is another CRC16, so the first letter will do.
    format!("{key}b")
}

/// The key's value: the key itself, so that a person sees what belongs together, and its hash (FNV-1a, 64 bits), so that
/// a value of another key, or one cut short, is not taken for it.
fn value(key: &str) -> String {
    let hash = key.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("value of {key} {hash:016x}")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn keys_are_a_function_of_their_number() {
        let keys = GivenKeys {
            count: 3,
            hot_slot: None,
        };
        let all: Vec<String> = keys.iter().map(|(key, _)| key).collect();
        assert_eq!(all, ["given:000001", "given:000002", "given:000003"]);
        insta::assert_snapshot!(keys.key(1).1, @"value of given:000001 88c168dd54d117f7");
        assert_ne!(keys.key(1).1, keys.key(2).1);
    }

    #[test]
    fn the_hot_slot_gets_its_share() {
        let hot = Slot::new(12182).unwrap();
        let keys = GivenKeys {
            count: 10_000,
            hot_slot: Some((hot, 1000)),
        };
        let slots: Vec<Slot> = keys
            .iter()
            .map(|(key, _)| Slot::of_key(key.as_bytes()))
            .collect();
        assert!(slots.iter().take(1000).all(|slot| *slot == hot));
        assert!(
            slots.iter().skip(1000).all(|slot| *slot != hot),
            "exactly the wanted keys lie in it"
        );
        let spread: BTreeSet<Slot> = slots.into_iter().collect();
        assert!(
            spread.len() > 6_000,
            "the others are spread: {}",
            spread.len()
        );
        let distinct: BTreeSet<String> = keys.iter().map(|(key, _)| key).collect();
        assert_eq!(distinct.len(), 10_000);
    }

    #[test]
    fn more_hot_keys_than_keys_means_all() {
        let keys = GivenKeys {
            count: 2,
            hot_slot: Some((Slot::new(1).unwrap(), 5)),
        };
        assert!(
            keys.iter()
                .all(|(key, _)| Slot::of_key(key.as_bytes()).get() == 1)
        );
        assert_eq!(keys.iter().count(), 2);
        assert_eq!(
            GivenKeys {
                count: 0,
                hot_slot: None
            }
            .iter()
            .count(),
            0
        );
    }
}
