//! The gateway that takes the money. It is somebody else's: it can say no, take its time, and say the same thing twice. It is asked under an
//! operation id, and takes the money once under each.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::error::AppError;
use super::request::shown;

/// What the gateway is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charge {
    /// The operation id.
    pub id: String,
    /// Who pays.
    pub user: String,
    /// How much, in hundredths.
    pub cents: u64,
}

/// What it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It has the money.
    Paid {
        /// The number that it gave.
        receipt: String,
    },
    /// It does not take it.
    Declined,
}

/// A gateway. It may answer more than once; each answer is one of the list.
pub trait Gateway: Send + Sync {
    /// Asks it to take money.
    fn charge(&self, charge: &Charge) -> impl Future<Output = Vec<Answer>> + Send;

    /// Asks it to give back what it took under this id, and to take nothing under it from now on; done twice it is as done once. Whether that is so:
    /// if not, it is to be asked again. Should it take the money all the same, it says so with a receipt, whenever that is, and is asked again.
    fn refund(&self, id: &str) -> impl Future<Output = bool> + Send;
}

/// How the built-in gateway behaves, which is there to be tried out and moves no money.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// It takes the money.
    Ok,
    /// It says no.
    Fail,
    /// It takes the money, and its time.
    Slow,
    /// It takes the money, and says so twice.
    Twice,
}

impl FromStr for Manner {
    type Err = AppError;

    fn from_str(text: &str) -> Result<Self, AppError> {
        match text {
            "ok" => Ok(Manner::Ok),
            "fail" => Ok(Manner::Fail),
            "slow" => Ok(Manner::Slow),
            "twice" => Ok(Manner::Twice),
            _ => Err(AppError::invalid(
                format!("the gateway has no manner {}", shown(text)),
                "ok, fail, slow or twice",
            )),
        }
    }
}

impl fmt::Display for Manner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Manner::Ok => "ok",
            Manner::Fail => "fail",
            Manner::Slow => "slow",
            Manner::Twice => "twice",
        })
    }
}

/// The built-in gateway. Clones share what was paid.
#[derive(Debug, Clone)]
pub struct TestGateway {
    manner: Manner,
    delay: Duration,
    /// By id: how much it has; nothing under an id that is closed.
    taken: Arc<Mutex<BTreeMap<String, Option<u64>>>>,
}

impl TestGateway {
    /// One of this manner; `delay` is what a slow one takes.
    pub fn new(manner: Manner, delay: Duration) -> Self {
        TestGateway {
            manner,
            delay,
            taken: Arc::default(),
        }
    }

    /// What it has, in hundredths.
    pub fn money(&self) -> u64 {
        self.lock().values().flatten().sum()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Option<u64>>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gateway for TestGateway {
    async fn charge(&self, charge: &Charge) -> Vec<Answer> {
        if self.manner == Manner::Fail {
            return vec![Answer::Declined];
        }
        // The money is taken at once; that it was is what takes its time.
        let kept = *self
            .lock()
            .entry(charge.id.clone())
            .or_insert(Some(charge.cents));
        if kept.is_none() {
            return vec![Answer::Declined];
        }
        let paid = Answer::Paid {
            receipt: format!("receipt-{}", charge.id),
        };
        match self.manner {
            Manner::Slow => {
                tokio::time::sleep(self.delay).await;
                vec![paid]
            }
            Manner::Twice => vec![paid.clone(), paid],
            Manner::Ok | Manner::Fail => vec![paid],
        }
    }

    async fn refund(&self, id: &str) -> bool {
        self.lock().insert(id.to_owned(), None);
        true
    }
}
