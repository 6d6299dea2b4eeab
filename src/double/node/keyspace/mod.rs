//! What a node keeps: databases of keys, and what keys hold.

pub(in crate::double::node) mod db;
pub(in crate::double::node) mod dict;
pub(in crate::double::node) mod geo;
pub(in crate::double::node) mod hash;
pub(in crate::double::node) mod hyperloglog;
pub(in crate::double::node) mod list;
pub(in crate::double::node) mod packed;
pub(in crate::double::node) mod saved;
pub(in crate::double::node) mod set;
mod slot_index;
pub(in crate::double::node) mod sorted_set;
pub(in crate::double::node) mod stream;
pub(in crate::double::node) mod text;
pub(in crate::double::node) mod value;
