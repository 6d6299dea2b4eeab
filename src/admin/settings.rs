//! A node's settings, as `CONFIG GET *` names them.

use std::collections::BTreeMap;

use crate::cluster::Reply;

/// The question for all settings of a node.
pub(super) const QUESTION: [&str; 3] = ["CONFIG", "GET", "*"];

/// Who a replica's master is stands among the settings, in both of the field's words. It is no setting of a node in a cluster, which is told
/// by `CLUSTER REPLICATE`.
const MASTER: [&str; 2] = ["replicaof", "slaveof"];

/// All settings of a node at one moment: names and values, as the server words them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings(BTreeMap<String, String>);

impl Settings {
    /// Reads the reply of `CONFIG GET *`.
    ///
    /// # Errors
    /// What is wrong with it, in a few words.
    pub(super) fn read(reply: &Reply) -> Result<Settings, String> {
        let text = |reply: &Reply| reply.as_text().map(|text| text.into_owned());
        let pairs: Option<BTreeMap<String, String>> = match reply {
            Reply::Error(error) => return Err(error.clone()),
            Reply::Array(all) => all
                .chunks(2)
                .map(|pair| Some((text(pair.first()?)?, text(pair.get(1)?)?)))
                .collect(),
            Reply::Map(pairs) => pairs
                .iter()
                .map(|(name, value)| Some((text(name)?, text(value)?)))
                .collect(),
            _ => None,
        };
        pairs
            .filter(|pairs| !pairs.is_empty())
            .map(|mut pairs| {
                pairs.retain(|name, _| !MASTER.contains(&name.as_str()));
                Settings(pairs)
            })
            .ok_or_else(|| format!("not names and values: {reply:?}"))
    }

    /// The value of one setting.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// All of them, by their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The settings in which this differs from `start`, each with the value that it has there.
    pub(super) fn way_back<'s>(&self, start: &'s Settings) -> Vec<(&'s str, &'s str)> {
        start
            .iter()
            .filter(|(name, value)| self.get(name) != Some(value))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Reply {
        Reply::Bulk(text.as_bytes().to_vec())
    }

    fn settings(pairs: &[(&str, &str)]) -> Settings {
        let words = pairs.iter().flat_map(|(name, value)| [name, value]);
        Settings::read(&Reply::Array(words.map(|word| bulk(word)).collect())).unwrap()
    }

    #[test]
    fn both_shapes_of_the_reply_are_read() {
        let map = Reply::Map(vec![(bulk("save"), bulk("")), (bulk("port"), bulk("7001"))]);
        let read = Settings::read(&map).unwrap();
        assert_eq!(read, settings(&[("save", ""), ("port", "7001")]));
        assert_eq!(read.get("port"), Some("7001"));
        assert_eq!(read.get("dir"), None);
    }

    #[test]
    fn a_nodes_master_is_no_setting() {
        let read = settings(&[("replicaof", "172.30.0.11 7001"), ("port", "7004")]);
        assert_eq!(read, settings(&[("port", "7004")]));
    }

    #[test]
    fn what_is_no_list_of_settings_is_refused() {
        for reply in [
            Reply::Array(Vec::new()),
            Reply::Array(vec![bulk("port")]),
            Reply::Error("NOAUTH Authentication required.".into()),
            Reply::Nil,
        ] {
            assert!(Settings::read(&reply).is_err(), "{reply:?}");
        }
    }

    #[test]
    fn the_way_back_is_what_was_changed() {
        let start = settings(&[("hz", "10"), ("maxmemory", "0"), ("port", "7001")]);
        let now = settings(&[("hz", "50"), ("maxmemory", "1048576"), ("port", "7001")]);
        assert_eq!(now.way_back(&start), [("hz", "10"), ("maxmemory", "0")]);
        assert_eq!(start.way_back(&start), []);
    }
}
