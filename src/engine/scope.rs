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

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::lab::model::Spanned;
    use crate::lab::source::Span;
    use crate::resp::AddressBook;

    fn fill(text: &str, item: Option<&Item>) -> Result<String, String> {
        let mut names = Names::new(AddressBook::default());
        let node = CourseNode::named("redis-1").unwrap().name();
        names.learn([("1".repeat(40).parse().unwrap(), node)]);
        let saved = BTreeMap::from([("target".to_owned(), "abc".to_owned())]);
        let scope = Scope {
            names: &names,
            saved: &saved,
            item,
        };
        scope.fill(&Template::parse(text).unwrap())
    }

    fn item(values: &[(&str, &str)]) -> Item {
        let span = Span::new(0, 1);
        let value = |text: &str| Spanned {
            value: Template::parse(text).unwrap(),
            span,
        };
        Item {
            values: values
                .iter()
                .map(|(name, text)| ((*name).to_owned(), value(text)))
                .collect(),
            span,
        }
    }

    #[rstest]
    #[case("${target}", "abc")]
    #[case("${redis-1.id}", &"1".repeat(40))]
    #[case("${redis-7.name}", "redis-7")]
    #[case("${redis-7.addr}", "172.30.0.17:7007")]
    #[case("${redis-7.ip}:${redis-7.port}", "172.30.0.17:7007")]
    #[case("${each.to}", "redis-1")]
    #[case("${each.to.port}", "7001")]
    #[case("${each.id}", &"1".repeat(40))]
    #[case("$${target}", "${target}")]
    fn values(#[case] text: &str, #[case] filled: &str) {
        let item = item(&[("to", "redis-1"), ("id", "${redis-1.id}")]);
        assert_eq!(fill(text, Some(&item)).as_deref(), Ok(filled));
    }

    #[rstest]
    #[case("${nobody}", "${nobody} was not saved: its step did not run")]
    #[case(
        "${redis-2.id}",
        "the id of redis-2 is not known: it has not answered yet"
    )]
    #[case("${redis-1.colour}", "a node has no `colour`")]
    #[case("${redis-99.id}", "`redis-99` is not a node")]
    #[case("${each.from}", "${each.from} has no value here")]
    #[case("${each.count.id}", "`7` is not a node")]
    #[case("${each.to.id.x}", "${each.to.id.x} has no value here")]
    #[case("${each.itself}", "${each.itself} has no value here")]
    #[case("${redis-1.id.x}", "${redis-1.id.x} has no value here")]
    fn what_has_no_value(#[case] text: &str, #[case] why: &str) {
        let item = item(&[
            ("to", "redis-1"),
            ("count", "7"),
            ("itself", "${each.itself}"),
        ]);
        assert_eq!(fill(text, Some(&item)), Err(why.to_owned()));
    }

    #[test]
    fn there_is_no_item_outside_of_each() {
        assert_eq!(
            fill("${each.to}", None),
            Err("${each.to} has no value here".to_owned())
        );
    }
}
