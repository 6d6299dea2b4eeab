//! Commands that print much, or never end.

use std::time::{Duration, Instant};

use labrunner::backend::Backend;
use labrunner::lab::action::Limits;
use tokio_util::sync::CancellationToken;

use crate::lab::{LIMITS, LONG, cli, started};

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_megabytes_of_output_are_drained_and_not_kept() {
    let Some(lab) = started("much", &["redis-1"]).await else {
        return;
    };
    let begun = Instant::now();
    let output = lab
        .perform(&cli(
            7001,
            &["EVAL", "return string.rep('x', 100000000)", "0"],
        ))
        .await;
    assert_eq!(output.exit, Some(0), "{:.200}", output.combined);
    assert!(
        begun.elapsed() < Duration::from_secs(30),
        "{:?}",
        begun.elapsed()
    );
    assert!(
        output.stdout.len() < LIMITS.output + 100,
        "{}",
        output.stdout.len()
    );
    assert!(
        output.combined.len() < LIMITS.output + 100,
        "{}",
        output.combined.len()
    );
    assert_eq!(output.cut_bytes, 100_000_001 - LIMITS.output as u64);
    assert!(output.stdout.starts_with("xxx") && output.stdout.ends_with("xxx\n"));
    lab.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_never_ends_is_stopped_and_nothing_of_it_is_left() {
    let Some(lab) = started("endless", &["redis-1"]).await else {
        return;
    };
    assert_eq!(lab.ok(&cli(7001, &["PING"])).await, "PONG\n");
    // Without its slots a node of a cluster refuses every command about a key.
    lab.ok(&cli(7001, &["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]))
        .await;
    let deadline = Instant::now() + LONG;
    while !lab
        .ok(&cli(7001, &["CLUSTER", "INFO"]))
        .await
        .contains("cluster_state:ok")
    {
        assert!(Instant::now() < deadline, "the cluster is not ok");
    }
    for words in [
        &["MONITOR"][..],
        &["BLPOP", "nothing", "0"],
        &["SUBSCRIBE", "channel"],
    ] {
        let limits = Limits {
            time: Duration::from_millis(700),
            ..LIMITS
        };
        let begun = Instant::now();
        let output = lab
            .docker
            .perform(&cli(7001, words), limits, &CancellationToken::new())
            .await
            .expect("carried out");
        assert_eq!(output.exit, None, "{output:?}");
        assert!(
            begun.elapsed() < Duration::from_secs(20),
            "{:?}",
            begun.elapsed()
        );
        assert_eq!(lab.programs_in_toolbox(), Vec::<String>::new());
    }
    assert_eq!(lab.ok(&cli(7001, &["PING"])).await, "PONG\n");

    // Called off, from outside. Another call that is under way at the time is not touched.
    let cancel = CancellationToken::new();
    let endless = async {
        let output = lab
            .docker
            .perform(&cli(7001, &["MONITOR"]), LIMITS, &cancel)
            .await
            .expect("carried out");
        assert_eq!(output.exit, None);
        output.stdout
    };
    let other = async {
        let deadline = Instant::now() + LONG;
        while !lab
            .ok(&cli(7001, &["CLIENT", "LIST"]))
            .await
            .contains("cmd=monitor")
        {
            assert!(Instant::now() < deadline, "nobody monitors");
        }
        let call = cli(7001, &["BLPOP", "list", "30"]);
        let waiting = lab.perform(&call);
        let cancelling = async {
            while !lab
                .ok(&cli(7001, &["CLIENT", "LIST"]))
                .await
                .contains("cmd=blpop")
            {
                assert!(Instant::now() < deadline, "nobody waits");
            }
            cancel.cancel();
            while lab
                .ok(&cli(7001, &["CLIENT", "LIST"]))
                .await
                .contains("cmd=monitor")
            {
                assert!(Instant::now() < deadline, "somebody still monitors");
            }
            lab.ok(&cli(7001, &["RPUSH", "list", "here"])).await;
        };
        tokio::join!(waiting, cancelling).0
    };
    let (monitored, popped) = tokio::join!(endless, other);
    assert!(monitored.contains("\"BLPOP\" \"list\""), "{monitored}");
    assert_eq!(
        (popped.exit, popped.stdout.as_str()),
        (Some(0), "list\nhere\n")
    );
    lab.remove().await;
}
