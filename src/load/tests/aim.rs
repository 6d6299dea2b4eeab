//! Asking a source that answers oddly which slot is on its way.

use rstest::rstest;

use super::super::aim::Aim;
use super::*;
use crate::observe::recorded;

/// Where it aims, of all slots.
async fn aimed(script: Script) -> Option<u16> {
    let source = script.start().await.unwrap();
    let all = "0-16383".parse().unwrap();
    let aim = Aim::new(source.as_node(name(1), source.endpoint()), all);
    aim.take().await.map(Slot::get)
}

#[rstest]
#[case::loading(|script: &mut Script| { script.on("CLUSTER NODES").errs("LOADING Redis is loading the dataset in memory"); })]
#[case::nothing(|script: &mut Script| { script.on("CLUSTER NODES").gives(Reply::Nil); })]
#[case::no_text(|script: &mut Script| { script.on("CLUSTER NODES").gives(7); })]
#[case::cut_off(|script: &mut Script| { script.on("CLUSTER NODES").gives(&view(1)[..60]); })]
#[case::somebody_else_s(|script: &mut Script| { script.on("CLUSTER NODES").gives(view(3).as_str()); })]
#[case::half(|script: &mut Script| { script.on("CLUSTER NODES").gives_half(view(1).as_str()); })]
#[case::hangs_up(|script: &mut Script| { script.on("CLUSTER NODES").hangs_up(); })]
#[case::hangs(|script: &mut Script| { script.on("CLUSTER NODES").hangs(); })]
#[tokio::test]
async fn a_source_that_does_not_say_is_no_aim_and_costs_little(#[case] says: fn(&mut Script)) {
    let mut script = Script::new();
    says(&mut script);
    let begun = Instant::now();
    assert_eq!(aimed(script).await, None);
    assert!(begun.elapsed() < SOON / 4, "{:?}", begun.elapsed());
}

/// Slots 93 and 16383 leave redis-1 in the recordings, and 5461 comes.
#[rstest]
#[tokio::test]
async fn the_slot_on_its_way_as_every_version_says_it(
    #[values("redis-6.2.5", "redis-7.0.15", "redis-8.2.3", "valkey-9.1.2")] server: &str,
) {
    let mut script = Script::new();
    script
        .on("CLUSTER NODES")
        .gives(recorded::text(server, "nodes.migrating.txt").as_str());
    assert_eq!(aimed(script).await, Some(93));
}

/// From 7.0 on a line has the host name that the node announces, and people name hosts as they like.
#[rstest]
#[tokio::test]
async fn a_host_may_be_called_as_a_flag_is(
    #[values("myself", "myself.lab", "not-myself")] host: &str,
) {
    let other = format!(
        "{} 10.0.0.9:7009@17009,{host} master - 0 0 3 connected\n",
        "9".repeat(40)
    );
    let mut script = Script::new();
    script
        .on("CLUSTER NODES")
        .gives((other + &view(1)).as_str());
    assert_eq!(aimed(script).await, Some(0));
}

/// Operation 0 is an aimed one.
async fn stage(source: impl FnOnce(&mut Script)) -> Stage {
    let mut one = Script::new();
    one.on("SET * *");
    let mut two = Script::new();
    source(&mut two);
    let slots = ProbeSlots::Moving {
        slots: "7 9 11".parse().unwrap(),
        from: name(2),
    };
    Stage::with(SOON, slots, one, two).await
}

/// The slot of the key that was written.
fn written(stage: &Stage) -> u16 {
    let asked = stage.one.asked();
    let write = asked.iter().find(|words| words[0] == "SET").unwrap();
    Slot::of_key(write[1].as_bytes()).get()
}

#[tokio::test]
async fn an_operation_goes_to_the_slot_that_is_on_its_way() {
    let open = view(2).replace(
        "connected\n",
        &format!("connected 9 11 [11->-{}]\n", "1".repeat(40)),
    );
    let stage = stage(|script| {
        script.on("CLUSTER NODES").gives(open.as_str());
    })
    .await;
    let report = stage.operate(WRITE).await;
    assert_eq!((report.aimed, report.acknowledged), (1, 1));
    assert_eq!(written(&stage), 11);
}

#[rstest]
#[case::hangs(|script: &mut Script| { script.on("CLUSTER NODES").hangs(); })]
#[case::has_nothing_left(|script: &mut Script| { script.on("CLUSTER NODES").gives(view(2).as_str()); })]
#[tokio::test]
async fn without_an_aim_it_goes_to_any_slot_of_the_set(#[case] source: fn(&mut Script)) {
    let stage = stage(source).await;
    let report = stage.operate(WRITE).await;
    assert_eq!((report.aimed, report.acknowledged), (0, 1));
    assert!([7, 9, 11].contains(&written(&stage)));
}
