//! redis-cli in Rust, for machines that have none: plain commands and `--cluster`, printed as redis-cli 7.0 prints them.
//!
//! It is a program without a process: [`run`] is given the arguments and the streams, and gives back the exit code. It blocks, as redis-cli does;
//! inside an asynchronous program it needs a thread of its own.
//!
//! Kept honest by `tests/redis_cli`: the same calls through the real redis-cli and through this one, on real servers, and the same bytes.

mod cluster;
mod format;
mod halt;
mod lines;
mod link;
mod numbers;
mod options;
mod plain;
mod receive;
mod session;
mod surroundings;
mod terminal;
mod uri;
mod usage;
mod value;

pub use surroundings::Surroundings;
pub use terminal::{lines_on_terminal, on_terminal};

use halt::{Flow, Halt};
use options::Parsed;

/// Does what redis-cli does with these arguments (its own name is none of them). Returns the exit code, 0 or 1.
///
/// Where its output can't be written, since the reader has gone away, it ends with 1 and says nothing.
pub fn run(arguments: &[Vec<u8>], mut around: Surroundings) -> u8 {
    let ended =
        call(arguments, &mut around).and_then(|code| Ok(around.output.flush().map(|()| code)?));
    match ended {
        Ok(code) | Err(Halt::Exit(code)) => {
            let _ = around.output.flush();
            code
        }
        Err(Halt::Stream) => 1,
    }
}

fn call(arguments: &[Vec<u8>], around: &mut Surroundings) -> Flow<u8> {
    let options = match options::parse(arguments, around)? {
        Parsed::Call(options) => options,
        Parsed::Help { wrong: false } => {
            around.output.write_all(usage::help().as_bytes())?;
            return Ok(0);
        }
        Parsed::Help { wrong: true } => {
            around.errors.write_all(usage::help().as_bytes())?;
            return Ok(1);
        }
        Parsed::Version => {
            around.output.write_all(usage::version().as_bytes())?;
            return Ok(0);
        }
        Parsed::Wrong(why) => {
            writeln!(around.errors, "{why}")?;
            return Ok(1);
        }
    };
    match &options.cluster {
        Some(call) if call.is_named() => cluster::run(&options, call, around),
        _ if options.words.is_empty() => lines::run(&options, around),
        _ => plain::run(&options, around),
    }
}
