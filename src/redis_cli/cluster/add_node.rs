//! `--cluster add-node`.

use crate::redis_cli::halt::{Flow, Halt};
use crate::redis_cli::value::Value;

use super::address::of_cluster;
use super::check::Manner as Check;
use super::node::Node;
use super::work::{Connected, Work};

impl Work<'_, '_> {
    /// Makes an empty node a master without slots, or a replica, of a cluster that is well.
    pub(super) fn run_add_node(&mut self) -> Flow<bool> {
        let (new, cluster) = self
            .call
            .arguments
            .split_at(1.min(self.call.arguments.len()));
        let (host, port) = self.cluster_of(cluster)?;
        let Some((new_host, new_port)) = of_cluster(new) else {
            return self.cluster_of(new).map(|_| false);
        };
        let address = format!("{new_host}:{new_port}");
        self.info(format_args!(
            ">>> Adding node {address} to cluster {host}:{port}\n"
        ))?;
        self.load((host, port))?;
        if !self.check(Check::PLAIN)? {
            return Ok(false);
        }
        let master = self.master_of_new()?;
        let mut node = Node::new(new_host, new_port);
        if self.connect(&mut node)? == Connected::No {
            return self.fail(format_args!(
                "[ERR] Sorry, can't connect to node {address}\n"
            ));
        }
        self.must_be_of_cluster(&mut node)?;
        self.describe(&mut node)?;
        self.must_be_empty(&mut node)?;
        self.nodes.push(node);
        let new = self.nodes.len() - 1;
        if master.is_none() {
            self.copy_functions(new, &address)?;
        }
        self.info(format_args!(
            ">>> Send CLUSTER MEET to node {address} to make it join the cluster.\n"
        ))?;
        let mut words = vec!["CLUSTER".to_owned(), "MEET".to_owned()];
        words.extend(self.place_to_meet(0)?);
        self.must(new, &words)?;
        if let Some(master) = master {
            self.await_join()?;
            self.await_acquaintance(new, master)?;
            let (of, id) = (self.address(master), self.id(master));
            self.info(format_args!(">>> Configure node as replica of {of}.\n"))?;
            self.must(new, &["CLUSTER", "REPLICATE", &id])?;
        }
        self.good("[OK] New node added correctly.\n")?;
        Ok(true)
    }

    /// The master that the new node is to have; `None` where it is to be one.
    fn master_of_new(&mut self) -> Flow<Option<usize>> {
        if !self.call.flags.slave {
            return Ok(None);
        }
        if let Some(id) = self.call.master_id.clone() {
            return match self.by_id(&id) {
                Some(at) => Ok(Some(at)),
                None => self.fail(format_args!("[ERR] No such master ID {id}\n")),
            };
        }
        let Some(master) = self.least_replicated(None) else {
            return Err(Halt::Exit(1));
        };
        let address = self.address(master);
        self.say(format_args!("Automatically selected master {address}\n"))?;
        Ok(Some(master))
    }

    /// A new master gets the functions of the cluster; a replica has them from its master.
    fn copy_functions(&mut self, new: usize, address: &str) -> Flow {
        self.info(">>> Getting functions from cluster\n")?;
        let dump = self.ask(0, &["FUNCTION", "DUMP"])?;
        if let Some(error) = dump.error() {
            let seed = self.address(0);
            let error = String::from_utf8_lossy(error).into_owned();
            self.replied_with(&seed, error.as_bytes())?;
            return self.info(format_args!(
                ">>> Failed retrieving Functions from the cluster, skip this step as Redis version do not support function command (error = '{error}')\n"
            ));
        }
        self.info(format_args!(
            ">>> Send FUNCTION LIST to {address} to verify there is no functions in it\n"
        ))?;
        let list = self.ask(new, &["FUNCTION", "LIST"])?;
        self.function_step(&list, address, ">>> Failed on CLUSTER FUNCTION LIST")?;
        if list.items().is_some_and(|items| !items.is_empty()) {
            return self.fail(
                ">>> New node already contains functions and can not be added to the cluster. Use FUNCTION FLUSH and try again.\r\n",
            );
        }
        self.info(format_args!(">>> Send FUNCTION RESTORE to {address}\n"))?;
        let dump = dump.text().unwrap_or_default();
        let restored = self.ask(new, &[b"FUNCTION".as_slice(), b"RESTORE", dump])?;
        self.function_step(
            &restored,
            address,
            ">>> Failed loading functions to the new node",
        )
    }

    fn function_step(&mut self, reply: &Value, address: &str, failed: &str) -> Flow {
        let Some(error) = reply.error() else {
            return Ok(());
        };
        let error = String::from_utf8_lossy(error).into_owned();
        self.replied_with(address, error.as_bytes())?;
        self.fail(format_args!("{failed} (error = '{error}')\r\n"))
    }
}
