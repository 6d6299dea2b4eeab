//! Whatever a master is told to do, its replicas come to have the same.

use std::time::Duration;

use proptest::prelude::*;

use super::world::World;

/// Commands of all families, with the places for keys (`K`), short texts (`T`) and small numbers (`N`).
const COMMANDS: &[&str] = &[
    "SET K T",
    "SET K T PX N",
    "SET K T EX N",
    "SETEX K 1 T",
    "GETEX K PX N",
    "GETEX K PERSIST",
    "GETDEL K",
    "APPEND K T",
    "INCR K",
    "INCRBYFLOAT K 0.N",
    "SETRANGE K N T",
    "SETBIT K N 1",
    "BITOP NOT K K",
    "PEXPIRE K N",
    "EXPIRE K -1",
    "PERSIST K",
    "DEL K K",
    "RENAME K K",
    "COPY K K REPLACE",
    "LPUSH K T T",
    "RPUSH K T",
    "LPOP K",
    "RPOP K 2",
    "LMPOP 2 K K LEFT COUNT 2",
    "BLPOP K K 1",
    "LMOVE K K LEFT RIGHT",
    "BLMOVE K K LEFT RIGHT 1",
    "LTRIM K 0 3",
    "LINSERT K BEFORE T T",
    "SADD K T T N",
    "SREM K T",
    "SPOP K",
    "SPOP K 2",
    "SMOVE K K T",
    "SUNIONSTORE K K K",
    "HSET K T T",
    "HINCRBY K T N",
    "HDEL K T",
    "ZADD K N T N T",
    "ZINCRBY K N T",
    "ZPOPMIN K",
    "BZPOPMAX K K 1",
    "ZMPOP 2 K K MAX COUNT 2",
    "ZRANGESTORE K K 0 -1",
    "ZUNIONSTORE K 2 K K",
    "GEOADD K 1.N 2 T",
    "PFADD K T N",
    "PFCOUNT K",
    "PFMERGE K K",
    "SORT K ALPHA STORE K",
    "XADD K * T T",
    "XADD K MAXLEN 3 * T T",
    "XTRIM K MAXLEN 2",
    "XGROUP CREATE K g $ MKSTREAM",
    "XREADGROUP GROUP g T COUNT 1 STREAMS K >",
    "XREADGROUP GROUP g T STREAMS K 0",
    "XAUTOCLAIM K g T N 0",
    "XGROUP DELCONSUMER K g T",
    "FLUSHDB",
    "MOVE K 1",
    "SWAPDB 0 1",
];

fn command() -> impl Strategy<Value = String> {
    let word = prop_oneof![Just("a"), Just("b"), Just("c"), Just("d"),];
    let words = proptest::collection::vec((word, 1..40_u8), 6);
    (proptest::sample::select(COMMANDS), words).prop_map(|(form, words)| {
        let mut words = words.into_iter().cycle();
        let parts = form.split(' ').map(|part| {
            let (text, number) = words.next().unwrap_or(("a", 1));
            match part {
                "K" => format!("key-{text}"),
                "T" => text.to_owned(),
                "N" => number.to_string(),
                part if part.ends_with(".N") => part.replace('N', &number.to_string()),
                part => part.to_owned(),
            }
        });
        parts.collect::<Vec<String>>().join(" ")
    })
}

/// What happens.
#[derive(Debug, Clone)]
enum Step {
    Run(String),
    Transaction(Vec<String>),
    Pass(u64),
    /// The replica is out of reach for as long as these take.
    Away(Vec<String>),
    /// The two change places.
    Change,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        20 => command().prop_map(Step::Run),
        2 => proptest::collection::vec(command(), 0..4).prop_map(Step::Transaction),
        3 => (1..60_u64).prop_map(Step::Pass),
        1 => proptest::collection::vec(command(), 0..4).prop_map(Step::Away),
        1 => Just(Step::Change),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn replicas_are_the_same(steps in proptest::collection::vec(step(), 1..60)) {
        let mut world = World::with_replicas(2, &[]);
        let mut master = 0;
        for step in steps {
            match step {
                Step::Run(line) => {
                    world.run(master, &line);
                }
                Step::Transaction(lines) => {
                    let client = world.client(master);
                    client.run(&mut world, "MULTI");
                    for line in lines {
                        client.run(&mut world, &line);
                    }
                    client.run(&mut world, "EXEC");
                }
                Step::Pass(ms) => world.tick(Duration::from_millis(ms)),
                Step::Away(lines) => {
                    world.cut(1 - master);
                    for line in lines {
                        world.run(master, &line);
                    }
                    world.heal();
                    world.pass(1);
                }
                Step::Change => {
                    world.lead(1 - master);
                    world.follow(master, 1 - master);
                    master = 1 - master;
                }
            }
            world.assert_same();
        }
        for key in ["key-a", "key-b", "key-c", "key-d"] {
            for line in [format!("PEXPIRETIME {key}"), format!("XINFO STREAM {key} FULL")] {
                prop_assert_eq!(world.run(0, &line), world.run(1, &line), "{}", line);
            }
        }
        // Nothing but what was missed was ever sent again.
        prop_assert_eq!(
            world.nodes.iter().map(|node| node.replication.counts.full).sum::<u64>(),
            1
        );
    }
}
