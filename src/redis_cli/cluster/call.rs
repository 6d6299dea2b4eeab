//! `--cluster call`: the same command to every node.

use crate::redis_cli::format;
use crate::redis_cli::halt::Flow;

use super::work::Work;

impl Work<'_, '_> {
    /// Sends it to one node after the other, and prints each one's raw reply.
    pub(super) fn run_call(&mut self) -> Flow<bool> {
        let (cluster, command) = self
            .call
            .arguments
            .split_at(1.min(self.call.arguments.len()));
        let cluster = self.cluster_of(cluster)?;
        self.load(cluster)?;
        self.info(">>> Calling")?;
        for word in command {
            self.bytes(&[b" ", word])?;
        }
        self.say("\n")?;
        let flags = self.call.flags;
        for at in 0..self.nodes.len() {
            let is_replica = self
                .nodes
                .get(at)
                .is_some_and(|node| node.replicates.is_some());
            if flags.only_masters && is_replica || flags.only_replicas && !is_replica {
                continue;
            }
            let address = self.address(at);
            let asked = self
                .nodes
                .get_mut(at)
                .and_then(|node| node.link.as_mut())
                .map(|link| link.ask(command));
            match asked {
                Some(Ok(reply)) => {
                    let reply = format::raw(&reply, &self.options.delimiters.item);
                    self.bytes(&[address.as_bytes(), b": ", &reply, b"\n"])?;
                }
                _ => self.say(format_args!("{address}: Failed!\n"))?,
            }
        }
        Ok(true)
    }

    fn bytes(&mut self, parts: &[&[u8]]) -> Flow {
        Ok(self.around.output.write_all(&parts.concat())?)
    }
}
