//! Asking again what was answered before.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use labrunner::app::Store;
use labrunner::cluster::Reply;
use labrunner::resp::{Router, Terms};
use tokio::task::JoinSet;

use super::stage::Stage;
use super::traffic::{Answer, Asked, Exchange, Place};

const PATIENCE: Duration = Duration::from_secs(30);
/// Requests at a time.
const AT_ONCE: usize = 32;

/// Of answered requests, those whose record is not there, by their place: what they did was lost together with it. Whatever the application
/// thinks of them, the keys decide.
pub async fn without_record(
    stage: &Stage,
    answered: &[&Exchange],
    places: &[Place],
) -> BTreeSet<usize> {
    let commands = answered.iter().map(|one| {
        let key = places[one.event].event.operation_key(one.asked.operation());
        vec![b"EXISTS".to_vec(), key.into_bytes()]
    });
    let router = Router::new(stage.book(), Duration::from_secs(2));
    let terms = Terms {
        deadline: PATIENCE,
        linger: Duration::ZERO,
        idempotent: true,
    };
    let batch = router.batch(commands.collect(), terms).await;
    let results = batch.results.into_iter().enumerate();
    results
        .filter_map(|(at, result)| match result {
            Ok(Reply::Int(1)) => None,
            Ok(Reply::Int(0)) => Some(at),
            other => panic!("a record can't be looked for: {other:?}"),
        })
        .collect()
}

/// The reservation that an answered request made or changed.
pub fn reservation(exchange: &Exchange) -> Option<String> {
    match (&exchange.asked, &exchange.answer) {
        (_, Ok(Answer::Held(held))) => Some(held.reservation.to_string()),
        (Asked::Confirm(request) | Asked::Cancel(request), _) => {
            Some(request.reservation.to_string())
        }
        _ => None,
    }
}

/// Asks each again, and says which got another answer than before.
pub async fn other_answers(store: &Store, exchanges: Vec<Exchange>) -> Vec<String> {
    let exchanges = Arc::new(exchanges);
    let mut asking = JoinSet::new();
    for first in 0..AT_ONCE {
        let (store, exchanges) = (store.clone(), exchanges.clone());
        asking.spawn(async move {
            let mut others = Vec::new();
            for before in exchanges.iter().skip(first).step_by(AT_ONCE) {
                let again = before.asked.put(&store).await;
                if again != before.answer {
                    others.push(format!("{:?}, then {again:?}", before.answer));
                }
            }
            others
        });
    }
    asking.join_all().await.into_iter().flatten().collect()
}
