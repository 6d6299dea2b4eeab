//! Bytes as commands: the same are found however they are cut.
#![no_main]

use labrunner::double::fuzzing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| fuzzing::requests(bytes));
