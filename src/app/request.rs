//! What the application can be asked, with the limits of each part checked before anything is sent.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use rand::Rng;

use super::error::AppError;
use super::event_id::EventId;
use super::seat::Seat;
use crate::cluster::SlotSet;

/// Seats that an event may have: all of them are put in by one script, which holds up its node for about 50 ms then.
pub const MOST_SEATS: u32 = 50_000;
/// Seats that one reservation may have.
pub const MOST_SEATS_AT_ONCE: u32 = 100;
/// The shortest hold, and the longest.
pub const HOLDS: (Duration, Duration) = (
    Duration::from_millis(100),
    Duration::from_secs(24 * 60 * 60),
);
/// How long a hold lasts if nobody says.
pub const DEFAULT_HOLD: Duration = Duration::from_secs(5 * 60);
/// Bytes of a name of an event.
const NAME_BYTES: usize = 200;
/// Bytes of a user, an operation id, a reservation or a session.
const ID_BYTES: usize = 64;

/// A text for a message: whole if it is short, with what can't be shown escaped.
pub(super) fn shown(text: &str) -> String {
    let mut short: String = text.chars().take(40).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    format!("`{}`", short.escape_debug())
}

/// The name of an event: some text on one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventName(String);

impl EventName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for EventName {
    type Err = AppError;

    fn from_str(text: &str) -> Result<Self, AppError> {
        let help = format!("a name is one line of 1 to {NAME_BYTES} bytes");
        let what = match text {
            text if text.trim().is_empty() => "the name of the event is empty".to_owned(),
            text if text.len() > NAME_BYTES => {
                format!("the name of the event has {} bytes", text.len())
            }
            text if text.chars().any(char::is_control) => {
                format!(
                    "the name of the event has control characters: {}",
                    shown(text)
                )
            }
            text => return Ok(EventName(text.to_owned())),
        };
        Err(AppError::invalid(what, help))
    }
}

/// Makes a type for an id that somebody types: a few signs, none of which means anything in a key.
macro_rules! typed_id {
    ($name:ident, $what:literal, $doc:literal) => {
        #[doc = $doc]
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = AppError;

            fn from_str(text: &str) -> Result<Self, AppError> {
                check_id($what, text).map(|()| $name(text.to_owned()))
            }
        }
    };
}

typed_id!(User, "user", "Who asks.");
typed_id!(
    OperationId,
    "operation id",
    "The id of an operation: asked twice with the same one, it is done once, and the answer is the first one."
);
typed_id!(ReservationId, "reservation", "The id of a reservation.");
typed_id!(SessionId, "session", "The id of a session.");
typed_id!(LockName, "lock", "The name of a lock.");

fn check_id(what: &str, text: &str) -> Result<(), AppError> {
    let plain = |sign: char| sign.is_ascii_alphanumeric() || "-_.:@+".contains(sign);
    let wrong = match text {
        "" => format!("the {what} is empty"),
        text if text.len() > ID_BYTES => format!("the {what} has {} bytes", text.len()),
        text if !text.chars().all(plain) => format!("the {what} {} has other signs", shown(text)),
        _ => return Ok(()),
    };
    let help = format!("a {what} is 1 to {ID_BYTES} letters, digits and signs of `-_.:@+`");
    Err(AppError::invalid(wrong, help))
}

/// Sixteen hexadecimal digits at random.
fn random_digits() -> String {
    format!("{:016x}", rand::rng().random::<u64>())
}

impl OperationId {
    /// A new one, at random.
    pub fn random() -> Self {
        OperationId(random_digits())
    }
}

impl ReservationId {
    /// A new one, at random.
    pub fn random() -> Self {
        ReservationId(format!("r-{}", random_digits()))
    }

    /// As the store has it.
    pub(super) fn stored(text: String) -> Self {
        ReservationId(text)
    }
}

impl SessionId {
    /// A new one, at random: it is a secret, so it is drawn from twice as much as the others.
    pub fn random() -> Self {
        SessionId(format!("s-{}{}", random_digits(), random_digits()))
    }
}

impl User {
    /// The `number`th user of a load test.
    pub fn of_load_test(number: u64) -> Self {
        User(format!("user-{number}"))
    }
}

/// Make an event.
#[derive(Debug, Clone, PartialEq)]
pub struct CreateEvent {
    /// Its name.
    pub name: EventName,
    /// How many seats it has: 1 to [`MOST_SEATS`].
    pub seats: u32,
    /// In one of these slots; any if not said.
    pub on_slots: Option<SlotSet>,
}

impl CreateEvent {
    /// An id for it, drawn among those in its slots.
    ///
    /// # Errors
    /// [`AppError::Unexpected`]: there is no slot for it.
    pub(super) fn draw_id(&self) -> Result<EventId, AppError> {
        let drawn = match &self.on_slots {
            None => Some(EventId::random()),
            Some(slots) => EventId::random_in(slots),
        };
        drawn.ok_or_else(|| AppError::Unexpected {
            what: "there is no slot for the event".to_owned(),
        })
    }

    /// Checks the limits.
    ///
    /// # Errors
    /// [`AppError::Invalid`].
    pub fn check(&self) -> Result<(), AppError> {
        if self.seats == 0 || self.seats > MOST_SEATS {
            return Err(AppError::invalid(
                format!("an event can't have {} seats", self.seats),
                format!("1 to {MOST_SEATS} seats"),
            ));
        }
        match &self.on_slots {
            Some(slots) if slots.is_empty() => Err(AppError::invalid(
                "there is no slot to put the event in",
                "leave it out, or name slots as in 0-5460",
            )),
            _ => Ok(()),
        }
    }
}

/// Which seats are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// Any, the first that are free.
    Any(u32),
    /// These.
    These(Vec<Seat>),
}

impl Wanted {
    /// How many.
    pub fn count(&self) -> u32 {
        match self {
            Wanted::Any(count) => *count,
            Wanted::These(seats) => u32::try_from(seats.len()).unwrap_or(u32::MAX),
        }
    }
}

/// Hold seats: all that are wanted, or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reserve {
    /// Of which event.
    pub event: EventId,
    /// Which seats.
    pub wanted: Wanted,
    /// For whom.
    pub user: User,
    /// For how long.
    pub hold: Duration,
    /// Which operation.
    pub operation: OperationId,
}

impl Reserve {
    /// Checks the limits.
    ///
    /// # Errors
    /// [`AppError::Invalid`].
    pub fn check(&self) -> Result<(), AppError> {
        let count = self.wanted.count();
        if count == 0 || count > MOST_SEATS_AT_ONCE {
            return Err(AppError::invalid(
                format!("{count} seats can't be reserved at once"),
                format!("1 to {MOST_SEATS_AT_ONCE} seats"),
            ));
        }
        if let Wanted::These(seats) = &self.wanted {
            let mut sorted: Vec<&Seat> = seats.iter().collect();
            sorted.sort();
            if let Some(twice) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
                return Err(AppError::invalid(
                    format!("seat {} is named twice", twice[0]),
                    "name each seat once",
                ));
            }
        }
        if self.hold < HOLDS.0 || self.hold > HOLDS.1 {
            return Err(AppError::invalid(
                format!("a hold can't last {:?}", self.hold),
                "from 100ms to 24h",
            ));
        }
        Ok(())
    }

    /// What is asked, as a text: the record of the operation holds it, to tell a repeated request from another one.
    pub(super) fn fingerprint(&self) -> String {
        let wanted = match &self.wanted {
            Wanted::Any(count) => count.to_string(),
            Wanted::These(seats) => seats.iter().map(Seat::as_str).collect::<Vec<_>>().join(","),
        };
        format!("reserve {} {wanted} {}", self.user, self.hold.as_millis())
    }
}

/// Confirm a reservation, or cancel it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settle {
    /// Of which event.
    pub event: EventId,
    /// Which.
    pub reservation: ReservationId,
    /// Who asks: only the holder may.
    pub user: User,
    /// The fencing token of the reservation, if it is to be checked.
    pub token: Option<u64>,
    /// Which operation.
    pub operation: OperationId,
}

impl Settle {
    pub(super) fn fingerprint(&self, what: &str) -> String {
        let token = self.token.map(|token| token.to_string());
        format!(
            "{what} {} {} {}",
            self.user,
            self.reservation,
            token.unwrap_or_default()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn reserve(wanted: Wanted, hold: Duration) -> Reserve {
        Reserve {
            event: EventId::random(),
            wanted,
            user: "ann".parse().unwrap(),
            hold,
            operation: OperationId::random(),
        }
    }

    #[rstest]
    #[case(Wanted::Any(0), DEFAULT_HOLD, "0 seats")]
    #[case(Wanted::Any(10_000), DEFAULT_HOLD, "10000 seats")]
    #[case(Wanted::These(vec![]), DEFAULT_HOLD, "0 seats")]
    #[case(Wanted::These(vec![Seat::at(3), Seat::at(1), Seat::at(3)]), DEFAULT_HOLD, "A4 is named twice")]
    #[case(Wanted::Any(1), Duration::ZERO, "can't last")]
    #[case(Wanted::Any(1), Duration::from_secs(90_000), "can't last")]
    fn limits_of_a_reservation(#[case] wanted: Wanted, #[case] hold: Duration, #[case] why: &str) {
        let error = reserve(wanted, hold).check().unwrap_err();
        assert!(error.to_string().contains(why), "{error}");
    }

    #[rstest]
    #[case(0)]
    #[case(50_001)]
    fn limits_of_an_event(#[case] seats: u32) {
        let event = CreateEvent {
            name: "Load Test Event".parse().unwrap(),
            seats,
            on_slots: None,
        };
        assert!(event.check().is_err());
    }

    #[test]
    fn names_and_ids_have_limits_and_errors_stay_short() {
        let megabyte = "x".repeat(1 << 20);
        for text in ["", "  ", "two\nlines", "\u{1b}[31m", megabyte.as_str()] {
            let error = text.parse::<EventName>().unwrap_err().to_string();
            assert!(error.len() < 200, "{error}");
        }
        for text in ["", "two words", "{tag}", "a\0", "ä", megabyte.as_str()] {
            let error = text.parse::<User>().unwrap_err().to_string();
            assert!(error.len() < 200, "{error}");
        }
        assert!("ann@example.org".parse::<User>().is_ok());
        assert!("Zoë's Night – 2026".parse::<EventName>().is_ok());
    }

    #[test]
    fn a_fingerprint_tells_requests_apart() {
        let base = reserve(Wanted::Any(2), DEFAULT_HOLD);
        let others = [
            reserve(Wanted::Any(3), DEFAULT_HOLD),
            reserve(Wanted::These(vec![Seat::at(0), Seat::at(1)]), DEFAULT_HOLD),
            reserve(Wanted::Any(2), Duration::from_secs(1)),
            Reserve {
                user: "ben".parse().unwrap(),
                ..base.clone()
            },
        ];
        for other in others {
            assert_ne!(base.fingerprint(), other.fingerprint());
        }
    }
}
