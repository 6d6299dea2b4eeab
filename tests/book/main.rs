//! The guide: a book whose lab chapters come from labs and their recordings, and the gate that finds where they have drifted apart.

mod drift;
mod preprocessor;
mod serve;
mod small_book;
mod tutorial;

#[path = "../support/mod.rs"]
mod support;
