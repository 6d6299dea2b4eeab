//! Numbers as Redis 7.0 reads and prints them, to the byte.
//!
//! It has several ways to read one, and each command has its own:
//!
//! | what | read by | printed by |
//! | --- | --- | --- |
//! | a count, an index, a value of INCR | [`parse_i64`] | [`write_i64`] |
//! | a score, a weight, a coordinate | [`parse_f64`] | [`write_g17`] |
//! | a bound of a range of scores | [`parse_bound`] | |
//! | what SORT sorts by | [`parse_weight`] | |
//! | INCRBYFLOAT, HINCRBYFLOAT, a timeout in seconds | [`LongDouble::parse`] | [`LongDouble::write`] |
//! | a position of GEOPOS | | [`LongDouble::write`] of the `f64` |
//! | a distance of GEODIST and GEOSEARCH | | [`write_fixed`] with 4 decimals |

mod binary;
mod double;
mod integer;
mod literal;
mod long_double;
#[cfg(test)]
mod tests;

pub(in crate::double) use double::{
    parse_bound, parse_f64, parse_weight, write_fixed, write_g, write_g17,
};
pub(in crate::double) use integer::parse_i64;
pub(in crate::double) use integer::write_i64;
pub(in crate::double) use long_double::LongDouble;
