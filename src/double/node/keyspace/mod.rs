//! What a node keeps: databases of keys, and what keys hold.

pub(in crate::double) mod db;
pub(in crate::double) mod dict;
pub(in crate::double) mod geo;
pub(in crate::double) mod hash;
pub(in crate::double) mod hyperloglog;
pub(in crate::double) mod list;
pub(in crate::double) mod packed;
pub(in crate::double) mod saved;
pub(in crate::double) mod set;
mod slot_index;
pub(in crate::double) mod sorted_set;
pub(in crate::double) mod stream;
pub(in crate::double) mod text;
pub(in crate::double) mod value;
