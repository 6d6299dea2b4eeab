//! What people call a node.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::as_text::debug_as_text;

/// What people call a node: `redis-7`. Given by the environment (a container's or a service's name); Redis does not know it.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodeName(pub(crate) String);

impl NodeName {
    /// The name as given; nothing is checked, since an environment may call its nodes as it likes.
    pub fn new(name: impl Into<String>) -> Self {
        NodeName(name.into())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `pad`, so that a column of names can be aligned: `{name:<8}`.
        f.pad(&self.0)
    }
}

debug_as_text!(NodeName);

impl From<&str> for NodeName {
    fn from(name: &str) -> Self {
        NodeName::new(name)
    }
}

impl AsRef<str> for NodeName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_and_serializes_as_the_name() {
        let name = NodeName::new("redis-7");
        assert_eq!(
            format!("{name} {name:?} [{name:<9}]"),
            "redis-7 redis-7 [redis-7  ]"
        );
        assert_eq!(serde_json::to_string(&name).unwrap(), r#""redis-7""#);
        assert_eq!(
            serde_json::from_str::<NodeName>(r#""redis-7""#).unwrap(),
            name
        );
    }
}
