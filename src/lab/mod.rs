//! The lab language: what a lab's file can say, how it is read, and what is checked before anything runs. No I/O.
//!
//! A file's text becomes a [`tree`], which is held against the one table of [`keys`] by [`shape`]; [`load`](mod@load) builds the types of
//! [`model`] from it, and [`check`] looks at whether the parts fit together. All faults are collected on the way.

pub mod action;
pub mod check;
pub mod environment;
mod excerpt;
pub mod fault;
pub mod fingerprint;
pub mod keys;
pub mod line;
pub mod load;
pub mod model;
mod not_yaml;
mod place;
pub mod quantity;
pub mod reference;
pub mod schema;
pub mod shape;
pub mod source;
pub mod sql;
pub mod target;
pub mod template;
pub mod tree;

pub use load::load;
pub use model::Lab;
pub use source::Source;
