//! `--cluster set-timeout`.

use crate::redis_cli::halt::Flow;
use crate::redis_cli::numbers::leading_integer;

use super::work::Work;

impl Work<'_, '_> {
    /// Sets the node timeout of every node, also in its configuration file.
    pub(super) fn run_set_timeout(&mut self) -> Flow<bool> {
        let (cluster, timeout) = self
            .call
            .arguments
            .split_at(1.min(self.call.arguments.len()));
        let cluster = self.cluster_of(cluster)?;
        let timeout = leading_integer(timeout.first().map(Vec::as_slice).unwrap_or_default());
        if timeout < 100 {
            return self
                .give_up("Setting a node timeout of less than 100 milliseconds is a bad idea.\n");
        }
        self.load(cluster)?;
        let timeout = timeout.to_string();
        let (mut set, mut failed) = (0, 0);
        self.info(">>> Reconfiguring node timeout in every cluster node...\n")?;
        for at in 0..self.nodes.len() {
            let address = self.address(at);
            let commands: [&[&str]; 2] = [
                &["CONFIG", "SET", "cluster-node-timeout", &timeout],
                &["CONFIG", "REWRITE"],
            ];
            let mut refused = None;
            for command in commands {
                if let Some(error) = self.ask(at, command)?.error() {
                    refused = Some(String::from_utf8_lossy(error).into_owned());
                    break;
                }
            }
            match refused {
                None => {
                    self.warn(format_args!("*** New timeout set for {address}\n"))?;
                    set += 1;
                }
                Some(error) => {
                    self.replied_with(&address, error.as_bytes())?;
                    // The slip in the word is the real one's.
                    self.wrong(format_args!(
                        "ERR setting node-timeot for {address}: {error}\n"
                    ))?;
                    failed += 1;
                }
            }
        }
        self.info(format_args!(
            ">>> New node timeout set. {set} OK, {failed} ERR.\n"
        ))?;
        Ok(true)
    }
}
