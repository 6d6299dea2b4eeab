//! `--cluster del-node`.

use crate::redis_cli::halt::{Flow, Halt};

use super::work::Work;

impl Work<'_, '_> {
    /// Makes all nodes forget a node that has no slots, and that one forget the cluster.
    pub(super) fn run_del_node(&mut self) -> Flow<bool> {
        let (cluster, id) = self
            .call
            .arguments
            .split_at(1.min(self.call.arguments.len()));
        let (host, port) = self.cluster_of(cluster)?;
        let id =
            String::from_utf8_lossy(id.first().map(Vec::as_slice).unwrap_or_default()).into_owned();
        self.info(format_args!(
            ">>> Removing node {id} from cluster {host}:{port}\n"
        ))?;
        self.load((host, port))?;
        let Some(leaving) = self.by_id(&id) else {
            return self.fail(format_args!("[ERR] No such node ID {id}\n"));
        };
        if self
            .nodes
            .get(leaving)
            .is_some_and(|node| !node.slots.is_empty())
        {
            let address = self.address(leaving);
            return self.fail(format_args!(
                "[ERR] Node {address} is not empty! Reshard data away and try again.\n"
            ));
        }
        self.info(">>> Sending CLUSTER FORGET messages to the cluster...\n")?;
        for at in 0..self.nodes.len() {
            if at == leaving {
                continue;
            }
            let master = self.nodes.get(at).and_then(|node| node.replicates.clone());
            if master.is_some_and(|master| master.eq_ignore_ascii_case(&id)) {
                self.give_other_master(at, leaving)?;
            }
            self.must(at, &["CLUSTER", "FORGET", &id])?;
        }
        self.info(">>> Sending CLUSTER RESET SOFT to the deleted node.\n")?;
        self.must(leaving, &["CLUSTER", "RESET", "SOFT"])?;
        Ok(true)
    }

    /// A replica of the node that leaves gets the master with the fewest replicas. (redis-cli may choose the one that leaves, and then fails.)
    fn give_other_master(&mut self, at: usize, leaving: usize) -> Flow {
        let Some(master) = self.least_replicated(Some(leaving)) else {
            return Err(Halt::Exit(1));
        };
        let (replica, address, id) = (self.address(at), self.address(master), self.id(master));
        self.info(format_args!(">>> {replica} as replica of {address}\n"))?;
        self.must(at, &["CLUSTER", "REPLICATE", &id])?;
        Ok(())
    }
}
