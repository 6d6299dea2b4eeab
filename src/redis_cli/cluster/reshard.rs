//! `--cluster reshard`.

use crate::cluster::SlotSet;
use crate::redis_cli::halt::{Flow, Halt};
use crate::redis_cli::numbers::leading_integer;

use super::check::Manner as Check;
use super::move_slot::Manner;
use super::plan::plan;
use super::work::Work;

/// Room for the answer that names a node.
const ID: usize = 255;

/// How a word names a source.
enum Source {
    Node(usize),
    /// The reason is told; another may be named.
    Target,
    /// The reason is told.
    Unknown,
}

impl Work<'_, '_> {
    /// Moves a number of slots to one node. What the options don't say is asked.
    pub(super) fn run_reshard(&mut self) -> Flow<bool> {
        let cluster = self.cluster_of(&self.call.arguments)?;
        self.load(cluster)?;
        self.check(Check::PLAIN)?;
        if self.problems > 0 {
            return self.give_up("*** Please fix your cluster problems before resharding\n");
        }
        let count = self.how_many()?;
        let target = match &self.call.to {
            Some(id) => id.clone(),
            None => self.receiver()?,
        };
        let Some(target) = self.master(&target)? else {
            return Ok(false);
        };
        let sources = self.sources(target)?;
        if sources.is_empty() {
            return self.give_up("*** No source nodes given, operation aborted.\n");
        }
        self.say(format_args!(
            "\nReady to move {count} slots.\n  Source nodes:\n"
        ))?;
        for at in sources.iter().chain([&target]) {
            if *at == target {
                self.say("  Destination node:\n")?;
            }
            let lines = self
                .nodes
                .get(*at)
                .map(|node| node.lines(4))
                .unwrap_or_default();
            self.say(format_args!("    {lines}\n"))?;
        }
        let owned: Vec<(usize, &SlotSet)> = sources
            .iter()
            .filter_map(|at| Some((*at, &self.nodes.get(*at)?.slots)))
            .collect();
        let moves = plan(&owned, count);
        self.say("  Resharding plan:\n")?;
        for (source, slot) in &moves {
            let id = self.id(*source);
            self.say(format_args!("    Moving slot {slot} from {id}\n"))?;
        }
        if !self.call.flags.yes
            && !self.agrees("Do you want to proceed with the proposed reshard plan (yes/no)? ")?
        {
            return Ok(false);
        }
        let manner = Manner {
            dots: true,
            ..Manner::default()
        };
        for (source, slot) in moves {
            if let Err(refusal) = self.move_slot(slot, source, target, manner)? {
                if let Some(error) = refusal {
                    self.wrong(format_args!("clusterManagerMoveSlot failed: {error}\n"))?;
                }
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn how_many(&mut self) -> Flow<i64> {
        let mut count = self.call.slots;
        if count != 0 {
            return Ok(count);
        }
        while !(1..=16384).contains(&count) {
            let answer =
                self.needed("How many slots do you want to move (from 1 to 16384)? ", 6)?;
            count = leading_integer(answer.as_bytes());
        }
        Ok(count)
    }

    fn receiver(&mut self) -> Flow<String> {
        loop {
            let answer = self.needed("What is the receiving node ID? ", ID)?;
            if !answer.is_empty() {
                return Ok(answer);
            }
        }
    }

    /// The master with this id; the reason why there is none is told.
    fn master(&mut self, id: &str) -> Flow<Option<usize>> {
        match self
            .by_id(id)
            .filter(|at| self.nodes.get(*at).is_some_and(|node| !node.is_replica()))
        {
            Some(at) => Ok(Some(at)),
            None => {
                self.wrong(format_args!(
                    "*** The specified node ({id}) is not known or not a master, please retry.\n"
                ))?;
                Ok(None)
            }
        }
    }

    fn source(&mut self, id: &str, target: usize) -> Flow<Source> {
        match self.master(id)? {
            None => Ok(Source::Unknown),
            Some(at) if at == target => {
                self.wrong("*** It is not possible to use the target node as source node.\n")?;
                Ok(Source::Target)
            }
            Some(at) => Ok(Source::Node(at)),
        }
    }

    /// Where slots are taken from: what `--cluster-from` says, or the answers.
    fn sources(&mut self, target: usize) -> Flow<Vec<usize>> {
        let mut sources = Vec::new();
        let named = self.call.from.clone();
        let mut named = named.as_deref().map(|from| from.split(','));
        if named.is_none() {
            self.say(
                "Please enter all the source node IDs.\n  Type 'all' to use all the nodes as source nodes for the hash slots.\n  Type 'done' once you entered all the source nodes IDs.\n",
            )?;
        }
        loop {
            let word = match &mut named {
                Some(words) => match words.next() {
                    // Nothing after the last comma is no node.
                    None | Some("") if words.clone().next().is_none() => return Ok(sources),
                    Some(word) => word.to_owned(),
                    None => return Ok(sources),
                },
                None => match self.needed(&format!("Source node #{}: ", sources.len() + 1), ID)? {
                    word if word == "done" => return Ok(sources),
                    word => word,
                },
            };
            if word == "all" {
                let others = self.masters().into_iter().filter(|at| *at != target);
                sources.extend(others);
                return Ok(sources);
            }
            match self.source(&word, target)? {
                Source::Node(at) => sources.push(at),
                Source::Target => {}
                Source::Unknown => return Err(Halt::Exit(1)),
            }
        }
    }
}
