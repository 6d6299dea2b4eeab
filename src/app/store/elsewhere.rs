//! Requests that a node has sent on to another one: by `MOVED` for good, by `ASK` for this once, while the slot is on its way.
//!
//! The client library would follow by itself. But it says `ASKING` and the command one after the other on a connection that all requests
//! share, so with many under way one takes the other's permission; each then gets a `MOVED`, for which the library asks for all slots
//! anew and serves nobody meanwhile. Here both are one write, which nothing comes between.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{Pipeline, RedisResult, Value};
use tokio::sync::OnceCell;

use super::client::Request;
use super::diagnose::connect_one;
use crate::app::settings::Settings;
use crate::cluster::Endpoint;

/// How long connecting may take.
const CONNECT_TIME: Duration = Duration::from_millis(400);

/// Where a request was sent on to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Elsewhere {
    /// The node, by the address that it announces.
    pub node: Endpoint,
    /// Whether it serves the slot only to those who say `ASKING`.
    pub asking: bool,
}

type Shared = Arc<OnceCell<MultiplexedConnection>>;

/// A connection for each node that requests were sent on to.
#[derive(Default)]
pub(super) struct Detours {
    by_node: Mutex<HashMap<Endpoint, Shared>>,
}

impl Detours {
    /// Sends a request to the node that it was sent on to; the answer may take `time`. With `asking`, it has to be of one command.
    pub async fn send(
        &self,
        settings: &Settings,
        to: &Elsewhere,
        time: Duration,
        request: Request,
    ) -> RedisResult<Value> {
        let node = settings.reachable(&to.node);
        let shared = self.of(&node);
        let connect = || connect_one(settings, &node, CONNECT_TIME);
        let sent = async {
            let mut connection = shared.get_or_try_init(connect).await?.clone();
            connection.set_response_timeout(time);
            exchange(&mut connection, to.asking, request).await
        };
        let sent = sent.await;
        // One that answered is as good as before, whatever it said.
        if sent.as_ref().is_err_and(|error| error.code().is_none()) {
            self.forget(&node, &shared);
        }
        sent
    }

    fn of(&self, node: &Endpoint) -> Shared {
        let mut by_node = self.by_node.lock().unwrap_or_else(PoisonError::into_inner);
        by_node.entry(node.clone()).or_default().clone()
    }

    /// The next one connects anew.
    fn forget(&self, node: &Endpoint, broken: &Shared) {
        let mut by_node = self.by_node.lock().unwrap_or_else(PoisonError::into_inner);
        if by_node
            .get(node)
            .is_some_and(|now| Arc::ptr_eq(now, broken))
        {
            by_node.remove(node);
        }
    }
}

/// The request in one write, and its answer.
async fn exchange(
    connection: &mut MultiplexedConnection,
    asking: bool,
    request: Request,
) -> RedisResult<Value> {
    let mut pipeline = Pipeline::new();
    // The permission is for the one command behind it.
    if asking {
        pipeline.cmd("ASKING");
    }
    let whole = matches!(request, Request::Transaction(_));
    let list = matches!(request, Request::Reads(_) | Request::Pipeline(_));
    if whole {
        pipeline.cmd("MULTI");
    }
    match request {
        Request::Change(command) => {
            pipeline.add_command(command);
        }
        Request::Reads(all) | Request::Pipeline(all) | Request::Transaction(all) => {
            for command in all.cmd_iter() {
                pipeline.add_command(command.clone());
            }
        }
    }
    if whole {
        pipeline.cmd("EXEC");
    }
    let count = pipeline.cmd_iter().count();
    let values = connection.req_packed_commands(&pipeline, 0, count).await?;
    let answers = values.into_iter().map(Value::extract_error);
    let mut answers = answers.collect::<RedisResult<Vec<Value>>>()?;
    Ok(match list {
        true => Value::Array(answers),
        false => answers.pop().unwrap_or(Value::Nil),
    })
}
