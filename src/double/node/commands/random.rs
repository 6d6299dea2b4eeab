//! Random choice, as HRANDFIELD, SRANDMEMBER and ZRANDMEMBER make it.

use rand::Rng;
use rand::seq::index;

use crate::double::node::call::Call;
use crate::double::node::client::Closing;
use crate::double::node::out::Out;

/// The longest reply of repeated elements, in bytes. Redis has no limit here; but a few bytes of a client must not take all memory.
const LONGEST: usize = 64 << 20;

/// Different numbers below `length`, in no order; `length` or more of them are all, in their order.
pub(super) fn different(length: usize, count: usize) -> Vec<usize> {
    match count >= length {
        true => (0..length).collect(),
        false => index::sample(&mut rand::rng(), length, count).into_vec(),
    }
}

/// A number below `length`, which is not 0.
pub(super) fn any(length: usize) -> usize {
    rand::rng().random_range(0..length)
}

/// Writes an element so often. Whether the reply has not become too long by that; if it has, [`hang_up`].
pub(super) fn repeated(out: &mut Out, count: u64, mut write: impl FnMut(&mut Out)) -> bool {
    let before = out.len();
    for _ in 0..count {
        if out.len() - before > LONGEST {
            return false;
        }
        write(out);
    }
    true
}

/// Ends the connection of a client whose reply gets too long, as if by a limit of its output buffer. `before`: where the reply begins.
pub(super) fn hang_up(call: &mut Call<'_>, before: usize) {
    call.out.bytes.truncate(before);
    call.client().closing = Closing::AfterReply;
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn different_ones_are_different() {
        for count in 0..12 {
            let some = different(10, count);
            assert_eq!(some.len(), count.min(10));
            let once: BTreeSet<_> = some.iter().collect();
            assert_eq!(once.len(), some.len());
            assert!(some.iter().all(|number| *number < 10));
        }
        assert!(different(0, 3).is_empty());
    }

    #[test]
    fn a_reply_that_gets_too_long_is_given_up() {
        let mut out = Out::new(false);
        assert!(repeated(&mut out, 3, |out| out.int(1)));
        assert_eq!(out.bytes, b":1\r\n:1\r\n:1\r\n");
        let part = vec![b'x'; LONGEST / 4];
        assert!(!repeated(&mut out, u64::MAX, |out| out.bulk(&part)));
    }
}
