//! What nodes say, one view after the other, and the moments of a failover that come of it.

use std::collections::BTreeSet;
use std::time::Duration;

use super::subject::Subject;
use crate::cluster::{Moment, NodeName, Reply, Timeline, Topology};

/// The moments of one failover, as far as they were seen. Knows no clock: whoever tells it what was seen says when.
///
/// What comes out is what was seen first, never rearranged. Two things follow from how it is read: `failed` is never before
/// `suspected`, since `fail` is also a suspicion; and `recovered` is never before `promoted` if a node's view is told together with
/// the write that it accepted. Between `failed` and `promoted` there is no such rule: masters elect, and a majority of all members may
/// hear of the failure only after the election, or, in a failover by hand, never.
#[derive(Debug, Clone)]
pub(super) struct Moments {
    subject: Subject,
    /// Who said `fail` of the subject when it was last heard.
    failed_by: BTreeSet<NodeName>,
    timeline: Timeline,
}

impl Moments {
    /// None of the subject's, yet.
    pub fn new(subject: Subject) -> Self {
        Moments {
            subject,
            failed_by: BTreeSet::new(),
            timeline: Timeline::default(),
        }
    }

    /// What was seen until now.
    pub fn timeline(&self) -> &Timeline {
        &self.timeline
    }

    /// Takes note of what a node answered to `CLUSTER NODES`. Returns whether a moment was seen in it.
    pub fn view(&mut self, by: &NodeName, after: Duration, view: &Topology, raw: &str) -> bool {
        let subject = &self.subject;
        // What the failing node thinks of itself is no suspicion, and who is no member has no say.
        if *by == subject.node || !subject.members.contains(by) {
            return false;
        }
        let flags = view
            .node(subject.id)
            .map(|node| node.flags)
            .unwrap_or_default();
        if flags.failed {
            self.failed_by.insert(by.clone());
        } else {
            self.failed_by.remove(by);
        }
        let takes_over = subject.replicas.contains(by)
            && view.myself().is_some_and(|myself| {
                myself.is_master() && subject.slots.difference(&myself.slots).is_empty()
            });
        let majority = self.failed_by.len() >= subject.majority();
        let moment = || Moment {
            after,
            seen_by: by.clone(),
            command: "CLUSTER NODES".to_owned(),
            raw: raw.to_owned(),
        };
        let timeline = &mut self.timeline;
        let mut new = note(
            &mut timeline.suspected,
            flags.suspected || flags.failed,
            moment,
        );
        new |= note(&mut timeline.failed, majority, moment);
        new |= note(&mut timeline.promoted, takes_over, moment);
        new
    }

    /// Takes note of what a node answered to a write for one of the subject's slots. Returns whether that is a moment.
    pub fn write(&mut self, by: &NodeName, after: Duration, command: &str, reply: &Reply) -> bool {
        let accepted = reply.is_ok() && *by != self.subject.node;
        note(&mut self.timeline.recovered, accepted, || Moment {
            after,
            seen_by: by.clone(),
            command: command.to_owned(),
            raw: reply.as_text().unwrap_or_default().into_owned(),
        })
    }
}

/// The first time counts.
fn note(place: &mut Option<Moment>, seen: bool, moment: impl FnOnce() -> Moment) -> bool {
    let new = seen && place.is_none();
    if new {
        *place = Some(moment());
    }
    new
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;
    use rstest::rstest;

    use super::super::recorded::{NODES, Recorded};
    use super::*;

    /// What a node can answer about redis-2, whose replica is redis-5.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Says {
        Well,
        Suspected,
        Failed,
        /// It has failed, and redis-5 has taken over.
        Replaced,
        /// It is back, a replica.
        Returned,
    }

    const ALL: [Says; 5] = [
        Says::Well,
        Says::Suspected,
        Says::Failed,
        Says::Replaced,
        Says::Returned,
    ];

    fn text(recorded: &Recorded, node: &str, says: Says) -> String {
        match says {
            Says::Well => recorded.text(node, "normal"),
            Says::Suspected => recorded.text(node, "suspected"),
            Says::Failed => {
                // Nobody was asked between the failure and the election; `fail` is the suspicion confirmed.
                let own = format!("{} ", recorded.id("redis-2"));
                let lines = recorded.text(node, "suspected");
                let lines = lines.lines().map(|line| match line.starts_with(&own) {
                    true => line.replace("fail?", "fail") + "\n",
                    false => line.to_owned() + "\n",
                });
                lines.collect()
            }
            Says::Replaced if node == "redis-5" => recorded.text(node, "promoted-replica"),
            Says::Replaced => recorded.text(node, "promoted"),
            Says::Returned => recorded.text(node, "returned"),
        }
    }

    struct Told {
        recorded: Recorded,
        moments: Moments,
        ms: u64,
    }

    impl Told {
        fn of(server: &str) -> Told {
            let recorded = Recorded::of(server);
            let subject = Subject::of(&recorded.before(), &"redis-2".into()).unwrap();
            Told {
                recorded,
                moments: Moments::new(subject),
                ms: 0,
            }
        }

        /// A node's view, a hundred milliseconds after what was told before.
        fn view(&mut self, node: &str, says: Says) -> &mut Self {
            let raw = text(&self.recorded, node, says);
            self.raw(node, &raw)
        }

        fn raw(&mut self, node: &str, raw: &str) -> &mut Self {
            self.read(node, &Topology::parse(raw).unwrap(), raw)
        }

        fn read(&mut self, node: &str, topology: &Topology, raw: &str) -> &mut Self {
            self.ms += 100;
            let after = Duration::from_millis(self.ms);
            self.moments.view(&node.into(), after, topology, raw);
            self
        }

        fn write(&mut self, node: &str, reply: Reply) -> &mut Self {
            self.ms += 100;
            self.moments.write(
                &node.into(),
                Duration::from_millis(self.ms),
                "SET k v",
                &reply,
            );
            self
        }

        fn story(&self) -> String {
            self.moments.timeline().to_string()
        }
    }

    fn ok() -> Reply {
        Reply::Status("OK".to_owned())
    }

    fn refused(error: &str) -> Reply {
        Reply::Error(error.to_owned())
    }

    #[rstest]
    fn a_failover_from_its_beginning_to_its_end(
        #[values("redis-6.2.5", "redis-7.0.15", "redis-8.2.3", "valkey-9.1.2")] server: &str,
    ) {
        let mut told = Told::of(server);
        for node in NODES {
            told.view(node, Says::Well);
        }
        told.write("redis-5", refused("MOVED 5461 127.0.0.1:21002"));
        told.view("redis-3", Says::Suspected)
            .view("redis-1", Says::Suspected)
            .view("redis-1", Says::Failed)
            .view("redis-3", Says::Failed)
            .write("redis-5", refused("CLUSTERDOWN The cluster is down"))
            .view("redis-5", Says::Failed)
            .view("redis-4", Says::Failed)
            .view("redis-1", Says::Replaced)
            .view("redis-5", Says::Replaced)
            .write("redis-5", ok())
            .write("redis-5", ok())
            .view("redis-2", Says::Returned);
        assert_eq!(
            told.story(),
            "suspected after 0.700 s by redis-3, failed after 1.200 s by redis-5, promoted after 1.500 s by redis-5, \
             recovered after 1.600 s by redis-5"
        );
        let timeline = told.moments.timeline();
        assert!(timeline.in_order());
        let promoted = timeline.promoted.as_ref().unwrap();
        assert_eq!(promoted.command, "CLUSTER NODES");
        assert_eq!(
            promoted.raw,
            text(&told.recorded, "redis-5", Says::Replaced)
        );
        let recovered = timeline.recovered.as_ref().unwrap();
        assert_eq!(
            (recovered.command.as_str(), recovered.raw.as_str()),
            ("SET k v", "OK")
        );
    }

    #[test]
    fn the_failing_node_and_strangers_have_no_say() {
        let mut told = Told::of("redis-7.0.15");
        // As if it called itself failing, and as if it went on accepting writes.
        told.view("redis-2", Says::Failed).write("redis-2", ok());
        let of_a_stranger = told.recorded.text("redis-1", "suspected");
        told.raw("redis-8", &of_a_stranger);
        assert_eq!(
            told.story(),
            "not suspected, not failed, not promoted, not recovered"
        );
    }

    #[test]
    fn who_takes_it_back_does_not_count_any_more() {
        let mut told = Told::of("redis-7.0.15");
        told.view("redis-1", Says::Failed)
            .view("redis-1", Says::Well)
            .view("redis-3", Says::Failed)
            .view("redis-4", Says::Suspected)
            .view("redis-4", Says::Failed);
        // Three have said so, but never at the same time; that it was suspected stays true.
        assert_eq!(
            told.story(),
            "suspected after 0.100 s by redis-1, not failed, not promoted, not recovered"
        );
        told.view("redis-1", Says::Failed);
        assert_eq!(
            told.moments
                .timeline()
                .failed
                .as_ref()
                .map(|moment| moment.after),
            Some(Duration::from_millis(600))
        );
    }

    #[test]
    fn who_is_master_of_a_part_or_in_the_words_of_others_is_not_promoted() {
        let mut told = Told::of("redis-7.0.15");
        let part =
            text(&told.recorded, "redis-5", Says::Replaced).replace("5461-10922", "5461-10921");
        told.raw("redis-5", &part).view("redis-1", Says::Replaced);
        // And redis-1 is a master, but was no replica of redis-2.
        let usurper = told
            .recorded
            .text("redis-1", "normal")
            .replace("0-5460 16383", "0-10922 16383");
        told.raw("redis-1", &usurper);
        assert_eq!(told.moments.timeline().promoted, None);
        told.view("redis-5", Says::Replaced);
        assert!(told.moments.timeline().promoted.is_some());
    }

    #[test]
    fn a_majority_that_hears_of_it_late_is_told_as_it_was() {
        let mut told = Told::of("redis-7.0.15");
        told.view("redis-1", Says::Failed)
            .view("redis-5", Says::Failed)
            .view("redis-5", Says::Replaced)
            .view("redis-3", Says::Replaced);
        assert_eq!(
            told.story(),
            "suspected after 0.100 s by redis-1, failed after 0.400 s by redis-3, promoted after 0.300 s by redis-5, \
             not recovered"
        );
        assert!(!told.moments.timeline().in_order());
    }

    #[test]
    fn only_an_accepted_write_is_a_recovery() {
        let mut told = Told::of("redis-7.0.15");
        for reply in [
            refused("MOVED 5461 127.0.0.1:21002"),
            refused("CLUSTERDOWN Hash slot not served"),
            refused("LOADING Redis is loading the dataset in memory"),
            refused("READONLY You can't write against a read only replica."),
            Reply::Nil,
            Reply::Status("QUEUED".to_owned()),
        ] {
            told.write("redis-5", reply);
        }
        assert_eq!(told.moments.timeline().recovered, None);
        told.write("redis-5", ok());
        assert!(told.moments.timeline().recovered.is_some());
    }

    #[derive(Debug, Clone)]
    enum Heard {
        View(usize, Says),
        Write(usize, bool),
    }

    fn heard() -> impl Strategy<Value = Heard> {
        let node = 0..NODES.len();
        prop_oneof![
            6 => (node.clone(), prop::sample::select(&ALL[..])).prop_map(|(node, says)| Heard::View(node, says)),
            1 => (node, any::<bool>()).prop_map(|(node, accepted)| Heard::Write(node, accepted)),
        ]
    }

    /// Nothing told yet, the id of redis-2, and all that can be said, by node. Thousands of stories are made of it, so it is read once.
    struct Book {
        nothing: Moments,
        id: String,
        said: Vec<[(Topology, String); 5]>,
    }

    static BOOK: LazyLock<Book> = LazyLock::new(|| {
        let told = Told::of("redis-7.0.15");
        let said = |node: &str, says: Says| {
            let raw = text(&told.recorded, node, says);
            (Topology::parse(&raw).unwrap(), raw)
        };
        let by_node = NODES.iter().map(|node| ALL.map(|says| said(node, says)));
        Book {
            id: told.recorded.id("redis-2").to_string(),
            said: by_node.collect(),
            nothing: told.moments,
        }
    });

    /// The flags of redis-2 in a text, found without our parser.
    fn flags_in(raw: &str, id: &str) -> Vec<String> {
        let line = raw.lines().find(|line| line.starts_with(id)).unwrap();
        line.split(' ')
            .nth(2)
            .unwrap()
            .split(',')
            .map(str::to_owned)
            .collect()
    }

    fn owns_all(raw: &str) -> bool {
        let own = raw.lines().find(|line| line.contains("myself,")).unwrap();
        own.contains("myself,master") && own.ends_with(" 5461-10922")
    }

    proptest! {
        /// However nodes' words are mixed: a moment once seen stays, proves itself, is the first of its kind, and where the moments are not
        /// in order, what had been heard by then says why.
        #[test]
        fn any_order_of_words(heard in prop::collection::vec(heard(), 0..60)) {
            let mut told = Told { recorded: Recorded::of("redis-7.0.15"), moments: BOOK.nothing.clone(), ms: 0 };
            let (mut failed_by, mut before) = (BTreeSet::new(), Timeline::default());
            for heard in heard {
                let (mut suspects, mut takes_over, mut recovers) = (false, false, false);
                match heard {
                    Heard::View(node, says) => {
                        let (topology, raw) = &BOOK.said[node][says as usize];
                        told.read(NODES[node], topology, raw);
                        let flags = flags_in(raw, &BOOK.id);
                        let failed = flags.contains(&"fail".to_owned());
                        if node != 1 {
                            suspects = failed || flags.contains(&"fail?".to_owned());
                            takes_over = node == 4 && owns_all(raw);
                            if failed { failed_by.insert(node) } else { failed_by.remove(&node) };
                        }
                    }
                    Heard::Write(node, accepted) => {
                        told.write(NODES[node], if accepted { ok() } else { refused("MOVED 5461 :1") });
                        recovers = accepted && node != 1;
                    }
                }
                let now = Some(Duration::from_millis(told.ms));
                let expected = [
                    ("suspected", suspects),
                    ("failed", failed_by.len() >= 3),
                    ("promoted", takes_over),
                    ("recovered", recovers),
                ];
                let timeline = told.moments.timeline().clone();
                for (name, seen) in expected {
                    match (before.moment(name), timeline.moment(name)) {
                        (Some(before), after) => prop_assert_eq!(Some(before), after, "{} has changed", name),
                        (None, after) => prop_assert_eq!(after.map(|moment| moment.after), now.filter(|_| seen), "{}", name),
                    }
                }
                if let (Some(failed), None) = (&timeline.failed, &before.failed) {
                    prop_assert!(timeline.suspected.as_ref().is_some_and(|first| first.after <= failed.after));
                }
                before = timeline;
            }
            for (name, moment) in before.moments() {
                let Some(moment) = moment else { continue };
                prop_assert_ne!(moment.seen_by.as_str(), "redis-2");
                let proof = match name {
                    "suspected" => flags_in(&moment.raw, &BOOK.id).iter().any(|flag| flag.starts_with("fail")),
                    "failed" => flags_in(&moment.raw, &BOOK.id).contains(&"fail".to_owned()),
                    "promoted" => owns_all(&moment.raw),
                    _ => moment.raw == "OK",
                };
                prop_assert!(proof, "{}: {}", name, moment.raw);
            }
        }

        /// The words of a failover as it really goes (each node's in their order, a write accepted by a promoted node only and told with
        /// its view), mixed in any way: the moments are in order, but for a majority that hears of the failure after the election.
        #[test]
        fn any_mixture_of_real_stories(order in prop::collection::vec(0..NODES.len(), 0..80)) {
            let mut told = Told { recorded: Recorded::of("redis-7.0.15"), moments: BOOK.nothing.clone(), ms: 0 };
            let mut stories: Vec<_> = NODES.iter().map(|_| ALL[..4].iter()).collect();
            let mut promoted_with = None;
            for node in order {
                let Some(says) = stories[node].next() else { continue };
                if node == 1 {
                    continue;
                }
                let (topology, raw) = &BOOK.said[node][*says as usize];
                told.read(NODES[node], topology, raw);
                if node == 4 && *says == Says::Replaced {
                    told.write(NODES[node], ok());
                }
                let timeline = told.moments.timeline();
                if timeline.promoted.is_some() && promoted_with.is_none() {
                    promoted_with = Some(told.moments.failed_by.len());
                }
            }
            let timeline = told.moments.timeline();
            prop_assert!(timeline.in_order() || promoted_with.is_some_and(|said| said < 3), "{}", timeline);
            if let (Some(promoted), Some(recovered)) = (&timeline.promoted, &timeline.recovered) {
                prop_assert!(promoted.after <= recovered.after);
            }
            if let (Some(suspected), Some(failed)) = (&timeline.suspected, &timeline.failed) {
                prop_assert!(suspected.after <= failed.after);
            }
        }
    }
}
