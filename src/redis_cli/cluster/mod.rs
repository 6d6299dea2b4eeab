//! `--cluster`: making a cluster, looking at it, changing it.
//!
//! The order of the commands on the wire is that of redis-cli 7.0, and so is every line of output. Where it sleeps for a second, this one looks as
//! often as it can; where it would try for ever, this one ends. And it does not wait for a reply where the next command is sent whatever it says.

mod add_node;
mod address;
mod affinity;
mod call;
mod call_options;
mod check;
mod create;
mod del_node;
mod fix_coverage;
mod fix_open_slot;
mod help;
mod import;
mod join;
mod load;
mod meet;
mod move_slot;
mod node;
mod nodes_text;
mod plan;
mod rebalance;
mod reshard;
mod set_timeout;
mod work;

use std::io::{BufWriter, Write};
use std::time::Instant;

pub(super) use call_options::ClusterCall;

use super::halt::Flow;
use super::options::Options;
use super::surroundings::Surroundings;
use check::Manner;
use work::Work;

/// How many arguments a subcommand takes, at least.
const ARGUMENTS: [(&str, usize, Upto); 12] = [
    ("create", 2, Upto::Any),
    ("check", 1, Upto::Any),
    ("info", 1, Upto::Any),
    ("fix", 1, Upto::Any),
    ("reshard", 1, Upto::Any),
    ("rebalance", 1, Upto::Any),
    ("add-node", 2, Upto::Same),
    ("del-node", 2, Upto::Same),
    ("call", 2, Upto::Any),
    ("set-timeout", 2, Upto::Same),
    ("import", 1, Upto::Same),
    ("help", 0, Upto::Any),
];

/// Whether it takes more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Upto {
    Same,
    Any,
}

/// Does what a `--cluster` call says. The exit code.
pub(super) fn run(options: &Options, call: &ClusterCall, around: &mut Surroundings) -> Flow<u8> {
    let Some((name, least, upto)) = ARGUMENTS
        .iter()
        .find(|(name, _, _)| *name == call.subcommand())
    else {
        writeln!(around.errors, "Unknown --cluster subcommand")?;
        return Ok(1);
    };
    let given = call.arguments.len();
    if given < *least || (*upto == Upto::Same && given > *least) {
        writeln!(
            around.errors,
            "[ERR] Wrong number of arguments for specified --cluster sub command"
        )?;
        return Ok(1);
    }
    if around.output_is_terminal {
        return run_named(name, options, call, around);
    }
    // A reader is woken for each piece, and there are thousands of lines.
    let mut output = BufWriter::new(&mut *around.output);
    let mut around = Surroundings {
        input: &mut *around.input,
        output: &mut output,
        errors: &mut *around.errors,
        ..*around
    };
    let ended = run_named(name, options, call, &mut around);
    // Also of one that was given up.
    output.flush()?;
    ended
}

fn run_named(
    name: &str,
    options: &Options,
    call: &ClusterCall,
    around: &mut Surroundings,
) -> Flow<u8> {
    let mut work = Work {
        call,
        options,
        around,
        nodes: Vec::new(),
        problems: 0,
        unreachable_masters: 0,
        shown: Instant::now(),
    };
    let well = match name {
        "create" => work.run_create(),
        "check" => work.run_check(Manner::PLAIN),
        "fix" => work.run_check(Manner::FIX),
        "info" => work.run_info(),
        "reshard" => work.run_reshard(),
        "rebalance" => work.run_rebalance(),
        "add-node" => work.run_add_node(),
        "del-node" => work.run_del_node(),
        "call" => work.run_call(),
        "set-timeout" => work.run_set_timeout(),
        "import" => work.run_import(),
        _ => work.run_help(),
    }?;
    Ok(u8::from(!well))
}
