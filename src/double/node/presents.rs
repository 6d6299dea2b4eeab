//! Which version of Redis a node says that it is.

use super::table::Spec;

/// A version. What this changes is what it says of itself, which of its commands there are, and where versions of a cluster's node answer differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Presents {
    /// Redis 6.2.
    V6_2,
    /// Redis 7.0, which is what the double is in everything else.
    #[default]
    V7_0,
    /// Redis 7.2.
    V7_2,
    /// Redis 8.
    V8,
}

impl Presents {
    /// Whether it has this command.
    pub(super) fn has(self, spec: &Spec) -> bool {
        self >= Presents::V7_0 || !spec.since.starts_with("7.")
    }

    /// Whether a call is for a command that came after 7.0, and that it has: CLUSTER MYSHARDID.
    pub(super) fn is_newer_command(self, args: &[&[u8]]) -> bool {
        let [container, word] = args else {
            return false;
        };
        self >= Presents::V7_2
            && container.eq_ignore_ascii_case(b"cluster")
            && word.eq_ignore_ascii_case(b"myshardid")
    }

    /// INFO's `redis_version`.
    pub(super) fn version(self) -> &'static str {
        match self {
            Presents::V6_2 => "6.2.5",
            Presents::V7_0 => "7.0.15",
            Presents::V7_2 => "7.2.4",
            Presents::V8 => "8.2.3",
        }
    }

    /// Whether a slot that is on its way is answered with TRYAGAIN where some of a command's keys are missing, or with ASK as soon as one is.
    pub(super) fn says_try_again(self) -> bool {
        self >= Presents::V7_0
    }

    /// What scripts are called in some errors.
    pub(super) fn script(self) -> &'static str {
        match self >= Presents::V7_0 {
            true => "Script",
            false => "Lua script",
        }
    }
}
