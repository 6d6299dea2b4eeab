//! `labrunner cluster`: what the course's make targets do, in the environment that stands.

mod watch;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Subcommand};
use tokio_util::sync::CancellationToken;

use super::exit_code::Exit;
use super::output::{Output, complain};
use super::{runtime, signals, tell};
use crate::backend::standing::{self, EnvironmentLock};
use crate::backend::{Backend, BackendError};
use crate::cluster::NodeName;
use crate::lab::action::Limits;
use crate::lab::environment::CourseNode;
use crate::lab::target::{DEFAULT_SEATS, DEFAULT_USERS, MOST_SEATS, MOST_USERS, Target};
use crate::targets::{self, Told};

/// Nothing that ends by itself takes this long: moving all slots of a full cluster takes some minutes.
const LIMITS: Limits = Limits {
    time: Duration::from_secs(60 * 60),
    output: 64 * 1024 * 1024,
};

#[derive(Debug, Args)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,

    /// Where the environment's handle is
    #[arg(
        long,
        global = true,
        env = "LABRUNNER_STATE",
        default_value = ".labrunner",
        value_name = "DIR"
    )]
    state_dir: PathBuf,

    /// Show every command as it is really run, too
    #[arg(short, long, global = true)]
    verbose: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Every node, as one of them sees it (CLUSTER NODES)
    Nodes,
    /// How the cluster is (CLUSTER INFO), and what each master has
    Info,
    /// A picture of the cluster, drawn again every second until Ctrl-C; in a pipe, whenever it changes
    Watch(watch::Arguments),
    /// Stop a master whose replica can take over
    Failover {
        /// Which, by its name or port; redis-1 if not said
        #[arg(value_parser = node, default_value = "redis-1")]
        node: NodeName,
    },
    /// Start a node again that was stopped
    Recover {
        /// Which, by its name or port; redis-1 if not said
        #[arg(value_parser = node, default_value = "redis-1")]
        node: NodeName,
    },
    /// Let redis-8 join as a replica of redis-7
    AddReplica,
    /// Move all slots of a master to the others
    ScaleDown {
        /// Which, by its name or port
        #[arg(value_parser = node)]
        node: NodeName,
    },
    /// Let many users at once want seats of one event, and see that no seat is sold twice
    LoadTest {
        /// How many users
        #[arg(long, value_name = "N", default_value_t = DEFAULT_USERS, value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_USERS)))]
        users: u32,
        /// How many seats each of them wants
        #[arg(long, value_name = "N", default_value_t = DEFAULT_SEATS, value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_SEATS)))]
        seats: u32,
    },
}

impl Command {
    /// The target, and whether it changes the environment; nothing for what is not one.
    fn target(&self) -> Option<(Target, bool)> {
        let target = match self {
            Command::Nodes => (Target::ClusterNodes, false),
            Command::Info => (Target::ClusterInfo, false),
            Command::Watch(_) => return None,
            Command::Failover { node } => (Target::Failover { node: node.clone() }, true),
            Command::Recover { node } => (Target::Recover { node: node.clone() }, true),
            Command::AddReplica => (Target::ScaleAddReplica, true),
            Command::ScaleDown { node } => (Target::ScaleDown { node: node.clone() }, true),
            // It changes keys, and nothing of the cluster: what happens to a load in a failover is what one wants to see.
            Command::LoadTest { users, seats } => (
                Target::LoadTest {
                    users: *users,
                    seats: *seats,
                },
                false,
            ),
        };
        Some(target)
    }

    fn name(&self) -> &'static str {
        match self {
            Command::Nodes => "nodes",
            Command::Info => "info",
            Command::Watch(_) => "watch",
            Command::Failover { .. } => "failover",
            Command::Recover { .. } => "recover",
            Command::AddReplica => "add-replica",
            Command::ScaleDown { .. } => "scale-down",
            Command::LoadTest { .. } => "load-test",
        }
    }
}

/// The node that is meant by `7007` or `redis-7`.
fn node(text: &str) -> Result<NodeName, String> {
    let by_port = || CourseNode::all().find(|node| node.port().to_string() == text);
    CourseNode::named(text)
        .or_else(by_port)
        .map(CourseNode::name)
        .ok_or_else(|| {
            let all: Vec<String> = CourseNode::all()
                .map(|node| format!("{} ({})", node.port(), node.name()))
                .collect();
            format!("there is no such node; there are {}", all.join(", "))
        })
}

/// Does it.
pub fn run(arguments: &Arguments, output: Output) -> Exit {
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(exit) => return exit,
    };
    let cancel = CancellationToken::new();
    let exit = runtime.block_on(async {
        let wished = cancel.clone();
        tokio::spawn(signals::each(move || {
            if wished.is_cancelled() {
                // Whoever says it twice does not want to wait.
                std::process::exit(i32::from(Exit::Interrupted.code()));
            }
            wished.cancel();
        }));
        match carry_out(arguments, output, &cancel).await {
            Ok(exit) => exit,
            Err(error) => tell(error),
        }
    });
    // What still hangs on a thread (a process that does not end) must not keep the command from ending.
    runtime.shutdown_background();
    exit
}

async fn carry_out(
    arguments: &Arguments,
    output: Output,
    cancel: &CancellationToken,
) -> Result<Exit, BackendError> {
    let state_dir = arguments.state_dir.as_path();
    let attached = attach(state_dir, cancel).await?;
    let Some((target, changes)) = arguments.command.target() else {
        return match &arguments.command {
            Command::Watch(watch) => watch::run(watch, &attached, output, cancel).await,
            _ => Ok(Exit::Bug),
        };
    };
    // Two who change the same cluster at the same time would disturb each other, and so would `labrunner down`.
    let _lock = if changes {
        let doing = format!("labrunner cluster {}", arguments.command.name());
        Some(EnvironmentLock::take(state_dir, &doing)?)
    } else {
        None
    };
    let mut show = |told| print(told, arguments.verbose);
    let done = targets::run(&target, &attached, LIMITS, cancel, &mut show).await?;
    Ok(match done.exit {
        Some(0) => Exit::Passed,
        _ => Exit::Failed,
    })
}

/// Takes hold of the environment.
async fn attach(
    state_dir: &Path,
    cancel: &CancellationToken,
) -> Result<Arc<dyn Backend>, BackendError> {
    tokio::select! {
        biased;
        () = cancel.cancelled() => Err(BackendError::Cancelled),
        attached = standing::attach(state_dir) => attached.map(|(_, backend)| backend),
    }
}

/// Prints what is told: what a command printed goes where the command would have printed it.
fn print(told: Told, verbose: bool) {
    match told {
        Told::Command { typed, really } => {
            complain(format!("$ {typed}"));
            if verbose {
                complain(format!("  {really}"));
            }
        }
        // A reader that has gone away (`| head`) is no error.
        Told::Out(text) => {
            let mut out = std::io::stdout().lock();
            let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        }
        Told::Err(text) => complain(text.trim_end_matches('\n')),
    }
}
