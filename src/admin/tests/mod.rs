//! Making and resetting clusters of nodes that behave as no real ones can be made to: scripts. redis-1 is a master of all slots, at
//! 10.0.0.1:7001, redis-2 its replica, at 10.0.0.2:7002.

mod agreement;
mod create;
mod given_keys;
mod reset;

use std::time::Duration;

use crate::cluster::{Endpoint, NodeName, Reply};
use crate::double::{Script, ScriptServer};
use crate::resp::AddressBook;

/// Within this everything comes about that is to, on a busy machine too.
const SOON: Duration = Duration::from_secs(10);
/// For what can't come about.
const SHORT: Duration = Duration::from_millis(400);

const ONE: &str = "1111111111111111111111111111111111111111";
const TWO: &str = "2222222222222222222222222222222222222222";
const LOADING: &str = "LOADING Redis is loading the dataset in memory";

fn name(number: u16) -> NodeName {
    NodeName::new(format!("redis-{number}"))
}

/// What redis-1 or redis-2 sees when all is made.
fn view(by: u16) -> String {
    let myself = |number: u16| if by == number { "myself," } else { "" };
    format!(
        "{ONE} 10.0.0.1:7001@17001 {}master - 0 0 1 connected 0-16383\n{TWO} 10.0.0.2:7002@17002 {}slave {ONE} 0 0 1 connected\n",
        myself(1),
        myself(2)
    )
}

/// What it sees when it was just started or reset.
fn fresh_view(by: u16) -> String {
    let id = if by == 1 { ONE } else { TWO };
    format!("{id} :700{by}@1700{by} myself,master - 0 0 0 connected\n")
}

/// `CLUSTER INFO` of a member.
fn cluster_info(state: &str) -> String {
    format!(
        "cluster_state:{state}\r\ncluster_slots_assigned:16384\r\ncluster_slots_ok:16384\r\ncluster_slots_pfail:0\r\n\
         cluster_slots_fail:0\r\ncluster_known_nodes:2\r\ncluster_size:1\r\ncluster_current_epoch:2\r\ncluster_my_epoch:1\r\n"
    )
}

/// `INFO replication` of redis-1 or redis-2.
fn replication(of: u16) -> &'static str {
    match of {
        1 => {
            "# Replication\r\nrole:master\r\nconnected_slaves:1\r\nslave0:ip=10.0.0.2,port=7002,state=online,offset=0,lag=0\r\n"
        }
        _ => "# Replication\r\nrole:slave\r\nmaster_link_status:up\r\n",
    }
}

/// A node that has its place in the cluster. What the test has written into `script` counts first.
fn member(number: u16, mut script: Script) -> Script {
    script.on("CLUSTER NODES").gives(view(number).as_str());
    script.on("CLUSTER INFO").gives(cluster_info("ok").as_str());
    script.on("INFO replication").gives(replication(number));
    script
}

fn book(servers: &[&ScriptServer]) -> AddressBook {
    let entry = |(server, number): (&&ScriptServer, u16)| {
        let announced = Endpoint::new(format!("10.0.0.{number}"), 7000 + number);
        server.as_node(name(number), announced)
    };
    AddressBook::new(servers.iter().zip(1..).map(entry).collect())
}

/// Every setting and its value, as `CONFIG GET *` answers.
fn settings(pairs: &[(&str, &str)]) -> Reply {
    let words = pairs.iter().flat_map(|(name, value)| [*name, *value]);
    Reply::from(words.collect::<Vec<_>>())
}
