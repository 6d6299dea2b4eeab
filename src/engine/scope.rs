//! The values that stand for `${…}` while a lab runs.

use std::collections::BTreeMap;

use super::names::Names;
use crate::lab::environment::CourseNode;
use crate::lab::model::Item;
use crate::lab::template::{Reference, Template};

/// What can be referred to at one moment.
pub struct Scope<'a> {
    /// Node ids.
    pub names: &'a Names,
    /// Saved values.
    pub saved: &'a BTreeMap<String, String>,
    /// The item of `each` at hand.
    pub item: Option<&'a Item>,
}

impl Scope<'_> {
    /// The value of a reference.
    ///
    /// # Errors
    /// Which value is missing, in one sentence. What is wrong with the reference itself was found when the lab was loaded.
    pub fn value(&self, reference: &Reference) -> Result<String, String> {
        let path: Vec<&str> = reference.path.iter().map(String::as_str).collect();
        match path[..] {
            ["each", field, ref rest @ ..] => {
                let value = self
                    .item
                    .and_then(|item| item.values.iter().find(|(name, _)| name == field))
                    .ok_or_else(|| format!("{reference} has no value here"))?;
                let without_item = Scope {
                    item: None,
                    ..*self
                };
                let text = value.1.value.fill(|inner| without_item.value(inner))?;
                match rest {
                    [] => Ok(text),
                    [attribute] => self.node(&text, attribute),
                    _ => Err(format!("{reference} has no value here")),
                }
            }
            [name] => self
                .saved
                .get(name)
                .cloned()
                .ok_or_else(|| format!("{reference} was not saved: its step did not run")),
            [node, attribute] => self.node(node, attribute),
            _ => Err(format!("{reference} has no value here")),
        }
    }

    /// A template filled in.
    ///
    /// # Errors
    /// As [`value`](Self::value).
    pub fn fill(&self, template: &Template) -> Result<String, String> {
        template.fill(|reference| self.value(reference))
    }

    fn node(&self, name: &str, attribute: &str) -> Result<String, String> {
        let node = CourseNode::named(name).ok_or_else(|| format!("`{name}` is not a node"))?;
        match attribute {
            "name" => Ok(node.name().to_string()),
            "addr" => Ok(node.address()),
            "ip" => Ok(node.ip()),
            "port" => Ok(node.port().to_string()),
            "id" => self
                .names
                .id(&node.name())
                .map(|id| id.to_string())
                .ok_or_else(|| format!("the id of {name} is not known: it has not answered yet")),
            other => Err(format!("a node has no `{other}`")),
        }
    }
}
