//! Redis-protocol test doubles, for tests of whatever talks to Redis.
//!
//! # Which double do I want?
//!
//! - [`Script`] is told what to answer: to exact commands or to patterns, in turn, late, with a redirection, with half a reply, or not at all.
//!   It fails the test on a command that it did not expect, and shows all that it was asked. Take it where a test is about *one*
//!   conversation: what a client does with an error, a redirection, a silence.
//! - [`Node`] answers as Redis 7.0 does, and keeps what it is given. Take it where a test is about what is *stored*: keys and their ends, scripts,
//!   transactions, streams. Its time can be stepped, and a command can be made to fail.
//! - [`Cluster`] is several of them that know each other, as a Redis Cluster: slots, redirections, replicas, failover, partitions. It starts in milliseconds, and its
//!   seconds can be leapt over.
//!
//! # A script
//!
//! ```
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! use labrunner::double::Script;
//!
//! let mut script = Script::new();
//! script.on("GET seat:A7").gives("taken");
//! script.on("SET * *").errs("OOM command not allowed when used memory > 'maxmemory'.");
//! let server = script.start().await.unwrap();
//!
//! let client = redis::Client::open(format!("redis://{}", server.address())).unwrap();
//! let mut connection = client.get_multiplexed_async_connection().await.unwrap();
//! let seat: String = redis::cmd("GET").arg("seat:A7").query_async(&mut connection).await.unwrap();
//! assert_eq!(seat, "taken");
//! assert_eq!(server.asked(), [["GET", "seat:A7"]]);
//! # });
//! ```

//!
//! # A node
//!
//! ```
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! use std::time::Duration;
//!
//! use labrunner::cluster::Reply;
//! use labrunner::double::{Clock, Node};
//!
//! let node = Node::builder().clock(Clock::stepped()).start().await.unwrap();
//! // Any client library may talk to it at `node.url()`; a test may talk to it without one.
//! node.run(["SET", "hold:A7", "ann", "EX", "300"]);
//! assert_eq!(node.get("hold:A7"), Some(b"ann".to_vec()));
//!
//! // Five minutes pass at once.
//! node.advance(Duration::from_secs(301));
//! assert_eq!(node.get("hold:A7"), None);
//!
//! // And a command can be made to fail.
//! node.fail("INCR *", "OOM command not allowed when used memory > 'maxmemory'.", Some(1));
//! assert!(matches!(node.run(["INCR", "views"]), Reply::Error(_)));
//! assert_eq!(node.run(["INCR", "views"]), Reply::Int(1));
//! # });
//! ```

mod clock;
mod cluster;
mod gossip;
mod node;
mod request;
mod script;
mod wire;

pub use clock::Clock;
pub use cluster::{Cluster, ClusterBuilder, Look};
#[cfg(fuzzing)]
#[doc(hidden)]
pub use gossip::Sabotage;
#[cfg(fuzzing)]
#[doc(hidden)]
pub use node::fuzzing;
pub use node::{Node, NodeBuilder, Presents};
pub use script::{Rule, Script, ScriptServer};
