//! Errors that a client has to act on.

use labrunner::cluster::*;
use rstest::rstest;

use crate::recordings::*;

/// Asked while slot 93 leaves redis-1: a key of it that is gone, a key of redis-2, one that is there with one that is gone, and two slots.
#[rstest]
#[case("redis-6.2.5", ClusterError::Ask { slot: Slot::of_key(b"{43621}"), to: endpoint("127.0.0.1:21002") })]
#[case("redis-7.0.15", ClusterError::TryAgain)]
#[case("redis-8.2.3", ClusterError::TryAgain)]
#[case("valkey-9.1.2", ClusterError::TryAgain)]
fn errors_of_a_slot_on_its_way(#[case] version: &str, #[case] some_keys_gone: ClusterError) {
    let to = view(version, "migrating")
        .owner(Slot::new(5462).unwrap())
        .unwrap()
        .endpoint
        .clone();
    assert_eq!(
        errors(version, "migrating"),
        [
            ClusterError::Ask {
                slot: Slot::new(93).unwrap(),
                to: to.clone()
            },
            ClusterError::Moved {
                slot: Slot::new(5462).unwrap(),
                to
            },
            some_keys_gone,
            ClusterError::CrossSlot,
        ]
    );
}

#[test]
fn errors_of_a_cluster_that_does_not_serve() {
    for version in VERSIONS {
        assert_eq!(
            errors(version, "fresh")[0],
            ClusterError::Down("Hash slot not served".into())
        );
        assert_eq!(
            errors(version, "failed")[0],
            ClusterError::Down("The cluster is down".into())
        );
    }
}

#[test]
fn redirects_are_as_preferred() {
    for version in VERSIONS
        .into_iter()
        .filter(|version| is_7_0_or_later(version))
    {
        let moved = |to: &str| ClusterError::Moved {
            slot: Slot::new(5462).unwrap(),
            to: endpoint(to),
        };
        assert_eq!(
            errors(version, "prefer-hostname")[0],
            moved("redis-2.lab:21002")
        );
        assert_eq!(errors(version, "prefer-unknown")[0], moved(":21002"));
    }
}
