//! Many at once, on connections of their own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Barrier;

use labrunner::app::scripts::RESERVE;

use crate::event::{Event, flat, on_every_server};

#[test]
fn a_hundred_users_for_a_hundred_seats() {
    const USERS: usize = 100;
    on_every_server("rush", 100, |server, event| {
        let start = Barrier::new(USERS);
        let replies: Vec<Vec<String>> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..USERS)
                .map(|user| {
                    let (start, id) = (&start, &event.id);
                    scope.spawn(move || {
                        let mut event = Event::new(server.connect(2), id);
                        let (reservation, user) = (format!("r{user}"), format!("user-{user}"));
                        let arguments = [&reservation, &user, "60000", "count", "2"];
                        start.wait();
                        // Everybody twice, as a client does that got no answer.
                        let first = event.call_as(&reservation, &RESERVE, &arguments);
                        assert_eq!(event.call_as(&reservation, &RESERVE, &arguments), first);
                        flat(&first)
                    })
                })
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect()
        });
        let mut answers = BTreeMap::new();
        let (mut seats, mut tokens) = (BTreeSet::new(), BTreeSet::new());
        for reply in replies {
            *answers.entry(reply[0].clone()).or_insert(0) += 1;
            if reply[0] == "held" {
                assert!(tokens.insert(reply[2].clone()));
                for seat in &reply[4..] {
                    assert!(seats.insert(seat.clone()), "{seat} twice");
                }
            } else {
                assert_eq!(reply, ["sold_out", "0"]);
            }
        }
        assert_eq!(
            answers,
            [("held".into(), 50), ("sold_out".into(), 50)].into()
        );
        assert_eq!(
            event.state().seats.keys().cloned().collect::<BTreeSet<_>>(),
            seats
        );
    });
}
