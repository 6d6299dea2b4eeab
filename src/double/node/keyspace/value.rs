//! What a key holds.

use super::hash::Hash;
use super::list::List;
use super::set::Set;
use super::sorted_set::SortedSet;
use super::stream::Stream;
use super::text::Text;
use crate::double::node::failure::Failure;

/// One value of one of the types. All but texts are behind a box, so that the commonest value is small.
#[derive(Debug, Clone)]
pub(in crate::double) enum Value {
    /// `string`.
    Text(Text),
    /// `list`.
    List(Box<List>),
    /// `hash`.
    Hash(Box<Hash>),
    /// `set`.
    Set(Box<Set>),
    /// `zset`.
    Sorted(Box<SortedSet>),
    /// `stream`.
    Stream(Box<Stream>),
}

/// The type of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::double) enum Kind {
    Text,
    List,
    Hash,
    Set,
    Sorted,
    Stream,
}

impl Kind {
    /// What TYPE says.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Text => "string",
            Kind::List => "list",
            Kind::Hash => "hash",
            Kind::Set => "set",
            Kind::Sorted => "zset",
            Kind::Stream => "stream",
        }
    }
}

impl Value {
    /// Its type.
    pub fn kind(&self) -> Kind {
        match self {
            Value::Text(_) => Kind::Text,
            Value::List(_) => Kind::List,
            Value::Hash(_) => Kind::Hash,
            Value::Set(_) => Kind::Set,
            Value::Sorted(_) => Kind::Sorted,
            Value::Stream(_) => Kind::Stream,
        }
    }

    /// How it is kept: what OBJECT ENCODING says.
    pub fn encoding(&self) -> &'static str {
        match self {
            Value::Text(text) => text.encoding(),
            Value::List(list) => list.encoding(),
            Value::Hash(hash) => hash.encoding(),
            Value::Set(set) => set.encoding(),
            Value::Sorted(sorted) => sorted.encoding(),
            Value::Stream(_) => "stream",
        }
    }
}

/// A type of value as Rust's type: what [`Call::read`](crate::double::node::call::Call::read) and its like are asked for.
pub(in crate::double) trait Typed: Sized {
    /// The value as this type.
    fn of(value: &Value) -> Option<&Self>;
    /// The same, to be changed.
    fn of_mut(value: &mut Value) -> Option<&mut Self>;
    /// The value that holds it.
    fn into_value(self) -> Value;
}

macro_rules! typed {
    ($($type:ident $kind:ident $wrap:expr;)*) => {$(
        impl Typed for $type {
            fn of(value: &Value) -> Option<&Self> {
                match value {
                    Value::$kind(it) => Some(it),
                    _ => None,
                }
            }
            fn of_mut(value: &mut Value) -> Option<&mut Self> {
                match value {
                    Value::$kind(it) => Some(it),
                    _ => None,
                }
            }
            fn into_value(self) -> Value {
                Value::$kind($wrap(self))
            }
        }
    )*};
}

typed! {
    Text Text std::convert::identity;
    List List Box::new;
    Hash Hash Box::new;
    Set Set Box::new;
    SortedSet Sorted Box::new;
    Stream Stream Box::new;
}

/// The value as this type, or the failure that says it is another.
pub(in crate::double) fn typed<T: Typed>(value: &Value) -> Result<&T, Failure> {
    T::of(value).ok_or(Failure::WRONG_TYPE)
}

/// The same, to be changed.
pub(in crate::double) fn typed_mut<T: Typed>(value: &mut Value) -> Result<&mut T, Failure> {
    T::of_mut(value).ok_or(Failure::WRONG_TYPE)
}
