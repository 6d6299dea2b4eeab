//! Bytes as one client's commands, executed by a node.
#![no_main]

use labrunner::double::fuzzing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| fuzzing::commands(bytes));
