//! Bytes as a script's server reads them, and as a reply.
#![no_main]

use labrunner::double::fuzzing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| fuzzing::resp(bytes));
