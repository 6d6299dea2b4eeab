//! redis-rs's cluster client, `cluster_async`, as a task that is told steps.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::{join_all, try_join_all};
use labrunner::cluster::Endpoint;
use redis::cluster::{ClusterClient, ClusterClientBuilder};
use redis::cluster_async::ClusterConnection;
use redis::cluster_read_routing::RandomReplicaStrategy;
use redis::cluster_routing::{
    MultipleNodeRoutingInfo, Route, RoutingInfo, SingleNodeRoutingInfo, SlotAddr,
};
use redis::{
    AsyncCommands, FromRedisValue, ProtocolVersion, PushInfo, PushKind, RedisError, RedisResult,
    Script, cmd, pipe,
};
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::agent::Agent;

/// An agent that uses redis-rs.
pub fn agent(seed: &Endpoint, protocol: u8) -> Agent {
    let (agent, (mut told, says)) = Agent::within();
    let url = format!("redis://{seed}");
    tokio::spawn(async move {
        let mut user = match User::connect(&url, protocol, says.clone()).await {
            Ok(user) => user,
            Err(error) => {
                let _ = says.send(json!({"failed": "connect", "why": error.to_string()}));
                return;
            }
        };
        let _ = says.send(json!({"done": "connect", "client": "redis-rs"}));
        while let Some(step) = told.recv().await {
            let name = step["step"].as_str().unwrap().to_owned();
            let said = match user.step(&name, &step).await {
                Ok(mut seen) => {
                    seen["done"] = name.into();
                    seen
                }
                Err(error) => json!({"failed": name, "why": error.to_string()}),
            };
            if says.send(said).is_err() {
                return;
            }
        }
    });
    agent
}

struct User {
    cluster: ClusterConnection,
    reader: ClusterConnection,
    /// For subscriptions, which take RESP3, and the messages that come by them. A connection of its own: when a node gives up the slot of a sharded channel
    /// it says so unasked, and redis-rs 1.8 takes that for the reply to whatever was asked last.
    listener: Option<(ClusterConnection, UnboundedReceiver<PushInfo>)>,
    says: UnboundedSender<Value>,
    storming: Arc<AtomicBool>,
    storm: Option<JoinHandle<()>>,
}

/// With waits that are bounded: by default there are none.
fn builder(url: &str, protocol: u8) -> ClusterClientBuilder {
    let version = if protocol == 3 {
        ProtocolVersion::RESP3
    } else {
        ProtocolVersion::RESP2
    };
    ClusterClient::builder([url])
        .use_protocol(version)
        .connection_timeout(Duration::from_secs(1))
        .response_timeout(Duration::from_secs(1))
        .overall_response_timeout(Some(Duration::from_secs(5)))
        .min_retry_wait(20)
        .max_retry_wait(200)
}

fn keys(step: &Value) -> impl Iterator<Item = String> {
    let prefix = step["prefix"].as_str().unwrap().to_owned();
    (0..step["count"].as_u64().unwrap()).map(move |n| format!("{prefix}{n}"))
}

fn tagged(step: &Value, name: &str) -> String {
    format!("{}{name}", step["tag"].as_str().unwrap())
}

impl User {
    async fn connect(url: &str, protocol: u8, says: UnboundedSender<Value>) -> RedisResult<User> {
        let mut listener = None;
        if protocol == 3 {
            let (sender, receiver) = unbounded_channel();
            let client = builder(url, protocol).push_sender(sender).build()?;
            listener = Some((client.get_async_connection().await?, receiver));
        }
        Ok(User {
            cluster: builder(url, protocol)
                .build()?
                .get_async_connection()
                .await?,
            reader: builder(url, protocol)
                .read_routing_strategy(RandomReplicaStrategy)
                .build()?
                .get_async_connection()
                .await?,
            listener,
            says,
            storming: Arc::default(),
            storm: None,
        })
    }

    async fn step(&mut self, name: &str, step: &Value) -> RedisResult<Value> {
        match name {
            "topology" => self.topology(step).await,
            "fill" => {
                for (n, key) in keys(step).enumerate() {
                    let () = self.cluster.set(key, format!("value-{n}")).await?;
                }
                read(&mut self.cluster, step).await
            }
            "read" => read(&mut self.cluster, step).await,
            "from_replicas" => read(&mut self.reader, step).await,
            "write" => {
                let mut written = 0;
                for (n, key) in keys(step).enumerate() {
                    let () = self.cluster.set(key, format!("new-{n}")).await?;
                    written += 1;
                }
                Ok(json!({"written": written}))
            }
            "pipeline" => self.pipeline(step).await,
            "transaction" => {
                let replies: (String, i64) = pipe()
                    .atomic()
                    .set(tagged(step, "t"), 40)
                    .incr(tagged(step, "t"), 2)
                    .query_async(&mut self.cluster)
                    .await?;
                Ok(json!({"replies": [i64::from(replies.0 == "OK"), replies.1]}))
            }
            "several_keys" => {
                let names = ["a", "b", "c"].map(|letter| tagged(step, letter));
                let pairs: Vec<(&String, &str)> = names.iter().zip(["1", "2", "3"]).collect();
                let () = self.cluster.mset(&pairs).await?;
                let read: Vec<String> = self.cluster.mget(&names).await?;
                Ok(json!({"read": read}))
            }
            "crossslot" => {
                let names: Vec<&str> = step["keys"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|key| key.as_str().unwrap())
                    .collect();
                let replied: RedisResult<Vec<String>> = self.cluster.sunion(&names).await;
                let errors: Vec<String> = replied.err().iter().map(RedisError::to_string).collect();
                Ok(json!({"errors": errors}))
            }
            "script" => {
                let script =
                    Script::new("return {redis.call('INCRBY', KEYS[1], ARGV[1]), KEYS[2]}");
                let mut replies = Vec::new();
                for number in [40, 2] {
                    let reply: (i64, String) = script
                        .key(tagged(step, "sum"))
                        .key(tagged(step, "other"))
                        .arg(number)
                        .invoke_async(&mut self.cluster)
                        .await?;
                    replies.push(reply);
                }
                Ok(json!({"replies": replies}))
            }
            "listen" => self.listen(step).await,
            "hear" => Ok(self.hear().await),
            "storm" => {
                self.begin_storm(step["prefix"].as_str().unwrap().to_owned());
                Ok(json!({}))
            }
            "calm" => {
                self.storming.store(false, Ordering::Relaxed);
                if let Some(storm) = self.storm.take() {
                    let _ = storm.await;
                }
                Ok(json!({}))
            }
            other => panic!("nobody knows the step {other}"),
        }
    }

    /// It does not show its map, so each node that it would ask is asked who it is.
    async fn topology(&mut self, step: &Value) -> RedisResult<Value> {
        let mut who = cmd("CLUSTER");
        who.arg("MYID");
        let mut ids = Vec::new();
        for group in [
            MultipleNodeRoutingInfo::AllMasters,
            MultipleNodeRoutingInfo::AllNodes,
        ] {
            let routing = RoutingInfo::MultiNode((group, None));
            let reply = self.cluster.route_command(who.clone(), routing).await?;
            let by_address: Vec<(String, String)> = FromRedisValue::from_redis_value(reply)?;
            ids.push(by_address.into_iter().map(|(_, id)| id).collect::<Vec<_>>());
        }
        let mut owners = Vec::new();
        for slot in step["slots"].as_array().unwrap() {
            let slot = u16::try_from(slot.as_u64().unwrap()).unwrap();
            let route = SingleNodeRoutingInfo::SpecificNode(Route::new(slot, SlotAddr::Master));
            let reply = self
                .cluster
                .route_command(who.clone(), RoutingInfo::SingleNode(route))
                .await?;
            owners.push(String::from_redis_value(reply)?);
        }
        let [masters, all] = [&ids[0], &ids[1]];
        let replicas: Vec<&String> = all.iter().filter(|id| !masters.contains(id)).collect();
        Ok(json!({"masters": masters, "replicas": replicas, "owners": owners}))
    }

    /// A pipeline of its own is for one slot; what is asked at the same time goes out together, to each node what is its.
    async fn pipeline(&mut self, step: &Value) -> RedisResult<Value> {
        let writes = keys(step).enumerate().map(|(n, key)| {
            let mut cluster = self.cluster.clone();
            async move { cluster.set::<_, _, ()>(key, format!("value-{n}")).await }
        });
        try_join_all(writes).await?;
        let reads = keys(step).map(|key| {
            let mut cluster = self.cluster.clone();
            async move { cluster.get::<_, Option<String>>(key).await.ok().flatten() }
        });
        let across: Vec<Option<String>> = join_all(reads).await;
        let mut many = pipe();
        for _ in 0..step["count"].as_u64().unwrap() {
            many.incr(tagged(step, "n"), 1);
        }
        let tagged: Vec<i64> = many.query_async(&mut self.cluster).await?;
        Ok(json!({"across": across, "tagged": tagged}))
    }

    async fn listen(&mut self, step: &Value) -> RedisResult<Value> {
        let Some((listener, _)) = &mut self.listener else {
            return Ok(json!({"listening": false}));
        };
        let channel = step["channel"].as_str().unwrap();
        if step["sharded"] == true {
            listener.ssubscribe(channel).await?;
        } else {
            listener.subscribe(channel).await?;
        }
        Ok(json!({"listening": true}))
    }

    async fn hear(&mut self) -> Value {
        let (_, heard) = self.listener.as_mut().unwrap();
        let message = timeout(Duration::from_secs(10), async {
            loop {
                let push = heard.recv().await.unwrap();
                if matches!(push.kind, PushKind::Message | PushKind::SMessage) {
                    return <(String, String)>::from_redis_value(redis::Value::Array(push.data));
                }
            }
        });
        match message.await {
            Ok(Ok((channel, message))) => json!({"channel": channel, "message": message}),
            other => json!({"heard": format!("{other:?}")}),
        }
    }

    /// Begins to write, one key after another, until it is calm; says of each write how it went.
    fn begin_storm(&mut self, prefix: String) {
        self.storming.store(true, Ordering::Relaxed);
        let storming = self.storming.clone();
        let mut cluster = self.cluster.clone();
        let says = self.says.clone();
        self.storm = Some(tokio::spawn(async move {
            let mut n = 0;
            while storming.load(Ordering::Relaxed) {
                let written: RedisResult<()> = cluster
                    .set(format!("{prefix}{n}"), format!("value-{n}"))
                    .await;
                let said = match written {
                    Ok(()) => json!({"write": n, "ok": true}),
                    Err(error) => json!({"write": n, "ok": false, "why": error.to_string()}),
                };
                let _ = says.send(said);
                n += 1;
                sleep(Duration::from_millis(2)).await;
            }
        }));
    }
}

async fn read(cluster: &mut ClusterConnection, step: &Value) -> RedisResult<Value> {
    let mut read = Vec::new();
    for key in keys(step) {
        read.push(cluster.get::<_, Option<String>>(key).await?);
    }
    Ok(json!({"read": read}))
}
