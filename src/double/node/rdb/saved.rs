//! A value between a payload and the keyspace.

use super::integer_set::IntegerSet;
use super::list::List;
use super::listpack::Listpack;
use super::stream::SavedStream;

/// Names and values of a hash.
pub(crate) type Fields = Vec<(Vec<u8>, Vec<u8>)>;

/// A value, in the form in which a payload holds it.
///
/// [`super::decode`] gives the form that stands in the payload, with what older versions wrote turned into the form of 7.0. It does not know the
/// server's limits: Redis makes a small form of [`Saved::Hash`], [`Saved::Set`] and [`Saved::Sorted`] if they are within them, and a large one of
/// [`Saved::HashListpack`], [`Saved::SortedListpack`] and [`Saved::Integers`] if they have too many elements (it does not look how long
/// the elements of these are).
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Saved {
    String(Vec<u8>),
    /// Never empty.
    List(List),
    /// Never empty, each element once, in the order of the hash table.
    Set(Vec<Vec<u8>>),
    /// Never empty.
    Integers(IntegerSet),
    /// Never empty, each name once, in the order of the hash table.
    Hash(Fields),
    /// Name, value, name, value …; never empty, each name once.
    HashListpack(Listpack),
    /// Members and scores, from the lowest to the highest. Never empty, each member once, no score NaN.
    Sorted(Vec<(Vec<u8>, f64)>),
    /// Member, score, member, score …, from the lowest to the highest; never empty, each member once. [`super::scores`] reads it.
    SortedListpack(Listpack),
    Stream(SavedStream),
}
