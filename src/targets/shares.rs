//! How many slots each of the other masters gets when one is emptied.

/// Shares of `slots` for masters that own `owned` each: in the order of `owned`, in sum exactly `slots`, and such that what they own
/// afterwards is as even as it can be without taking anything from any of them. Who owns least gets first; of two that own as much, the
/// one that stands first. Nobody to give to: no shares.
pub fn shares(owned: &[usize], slots: usize) -> Vec<usize> {
    let mut shares = vec![0; owned.len()];
    // A cluster has 16384 slots: one at a time is quick enough, and plain.
    for _ in 0..slots {
        let emptiest = (0..owned.len()).min_by_key(|at| owned[*at] + shares[*at]);
        let Some(emptiest) = emptiest else { break };
        shares[emptiest] += 1;
    }
    shares
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::lab_seven(&[4096, 4096, 4096], 4096, &[1366, 1365, 1365])]
    #[case::the_emptiest_first(&[5461, 100, 5462], 1000, &[0, 1000, 0])]
    #[case::until_it_has_caught_up(&[10, 4, 8], 8, &[0, 6, 2])]
    #[case::one_other(&[8192], 8192, &[8192])]
    #[case::masters_without_slots(&[0, 0], 16384, &[8192, 8192])]
    #[case::nothing_to_move(&[5461, 5462], 0, &[0, 0])]
    #[case::nobody_to_give_to(&[], 100, &[])]
    fn shares_are(#[case] owned: &[usize], #[case] slots: usize, #[case] expected: &[usize]) {
        assert_eq!(shares(owned, slots), expected);
    }

    proptest! {
        #[test]
        fn shares_are_exact_and_even(owned in prop::collection::vec(0_usize..6000, 1..8), slots in 0_usize..6000) {
            let shares = shares(&owned, slots);
            prop_assert_eq!(shares.iter().sum::<usize>(), slots);
            let after: Vec<usize> = owned.iter().zip(&shares).map(|(owned, share)| owned + share).collect();
            // Whoever got something ends no more than one above anybody else: nothing could have been put to better use.
            let least = after.iter().copied().min().unwrap_or(0);
            for (after, share) in after.iter().zip(&shares) {
                prop_assert!(*share == 0 || *after <= least + 1, "{after} beside {least}");
            }
        }
    }
}
