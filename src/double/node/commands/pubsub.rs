//! Channels, patterns and channels of shards: who listens, and what is said.

use crate::double::node::call::Call;
use crate::double::node::client::{Client, ClientKey};
use crate::double::node::failure::{Failure, Outcome};
use crate::double::node::glob;
use crate::double::node::out::Out;
use crate::double::node::server::{Listeners, Server};

use super::Family;

pub(super) const COMMANDS: Family = &[
    ("subscribe", |call| subscribe(call, Sort::Channel)),
    ("psubscribe", |call| subscribe(call, Sort::Pattern)),
    ("ssubscribe", |call| subscribe(call, Sort::Shard)),
    ("unsubscribe", |call| unsubscribe(call, Sort::Channel)),
    ("punsubscribe", |call| unsubscribe(call, Sort::Pattern)),
    ("sunsubscribe", |call| unsubscribe(call, Sort::Shard)),
    ("publish", publish),
    ("spublish", spublish),
    ("pubsub|channels", |call| channels(call, Sort::Channel)),
    ("pubsub|shardchannels", |call| channels(call, Sort::Shard)),
    ("pubsub|numsub", |call| listeners(call, Sort::Channel)),
    ("pubsub|shardnumsub", |call| listeners(call, Sort::Shard)),
    ("pubsub|numpat", patterns),
    ("pubsub|help", help),
];

/// What is listened to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    Channel,
    Pattern,
    Shard,
}

impl Sort {
    fn all(self, server: &mut Server) -> &mut Listeners {
        match self {
            Sort::Channel => &mut server.channels,
            Sort::Pattern => &mut server.patterns,
            Sort::Shard => &mut server.shard_channels,
        }
    }

    fn own(self, client: &mut Client) -> &mut std::collections::BTreeSet<Box<[u8]>> {
        match self {
            Sort::Channel => &mut client.channels,
            Sort::Pattern => &mut client.patterns,
            Sort::Shard => &mut client.shard_channels,
        }
    }

    fn confirmed(self) -> (&'static [u8], &'static [u8]) {
        match self {
            Sort::Channel => (b"subscribe", b"unsubscribe"),
            Sort::Pattern => (b"psubscribe", b"punsubscribe"),
            Sort::Shard => (b"ssubscribe", b"sunsubscribe"),
        }
    }

    /// What a confirmation counts: channels and patterns together, those of shards for themselves.
    fn count(self, client: &Client) -> i64 {
        let count = match self {
            Sort::Shard => client.shard_channels.len(),
            _ => client.channels.len() + client.patterns.len(),
        };
        count as i64
    }
}

fn subscribe(call: &mut Call<'_>, sort: Sort) -> Outcome {
    let (key, args) = (call.client, call.args);
    for name in &args[1..] {
        if sort.own(call.client()).insert((*name).into()) {
            let all = sort.all(call.server);
            match all.get_mut(*name) {
                Some(listening) => {
                    listening.insert(key);
                }
                None => {
                    all.insert((*name).into(), [key].into());
                }
            }
        }
        let count = sort.count(call.client());
        confirm(call.out, sort.confirmed().0, Some(name), count);
    }
    Ok(())
}

fn unsubscribe(call: &mut Call<'_>, sort: Sort) -> Outcome {
    let args = call.args;
    let word = sort.confirmed().1;
    if args.len() > 1 {
        for name in &args[1..] {
            forget(call, sort, name);
            let count = sort.count(call.client());
            confirm(call.out, word, Some(name), count);
        }
        return Ok(());
    }
    let names: Vec<Box<[u8]>> = sort.own(call.client()).iter().cloned().collect();
    for name in &names {
        forget(call, sort, name);
        let count = sort.count(call.client());
        confirm(call.out, word, Some(name), count);
    }
    if names.is_empty() {
        let count = sort.count(call.client());
        confirm(call.out, word, None, count);
    }
    Ok(())
}

fn forget(call: &mut Call<'_>, sort: Sort, name: &[u8]) {
    let key = call.client;
    if !sort.own(call.client()).remove(name) {
        return;
    }
    let all = sort.all(call.server);
    if let Some(listening) = all.get_mut(name) {
        listening.remove(&key);
        if listening.is_empty() {
            all.remove(name);
        }
    }
}

fn confirm(out: &mut Out, word: &[u8], name: Option<&[u8]>, count: i64) {
    out.push(3);
    out.bulk(word);
    match name {
        Some(name) => out.bulk(name),
        None => out.null(),
    }
    out.int(count);
}

fn publish(call: &mut Call<'_>) -> Outcome {
    let (channel, message) = (call.args[1], call.args[2]);
    let count = call.server.publish(channel, message);
    // In a cluster those who listen elsewhere get it as well; they are not counted.
    call.server
        .in_cluster(|view, around| view.publish(channel, message, false, around));
    call.take_own_messages();
    call.out.int(count as i64);
    Ok(())
}

fn spublish(call: &mut Call<'_>) -> Outcome {
    let (channel, message) = (call.args[1], call.args[2]);
    let count = call.server.publish_to_shard(channel, message);
    // In a cluster those who listen elsewhere get it as well; they are not counted.
    call.server
        .in_cluster(|view, around| view.publish(channel, message, true, around));
    call.take_own_messages();
    call.out.int(count as i64);
    Ok(())
}

fn channels(call: &mut Call<'_>, sort: Sort) -> Outcome {
    let args = call.args;
    if args.len() > 3 {
        return Err(unfit(args[1]));
    }
    let place = call.out.open();
    let mut count = 0;
    for name in sort.all(call.server).keys() {
        if args
            .get(2)
            .is_none_or(|pattern| glob::matches(pattern, name, false))
        {
            call.out.bulk(name);
            count += 1;
        }
    }
    call.out.close(place, |out| out.array(count));
    Ok(())
}

fn listeners(call: &mut Call<'_>, sort: Sort) -> Outcome {
    let args = call.args;
    call.out.array((args.len() - 2) * 2);
    for name in &args[2..] {
        call.out.bulk(name);
        let listening = sort.all(call.server).get(*name);
        let count = listening.map_or(0, |listening| listening.len());
        call.out.int(count as i64);
    }
    Ok(())
}

fn patterns(call: &mut Call<'_>) -> Outcome {
    call.out.int(call.server.patterns.len() as i64);
    Ok(())
}

fn unfit(subcommand: &[u8]) -> Failure {
    Failure::told(format!(
        "ERR unknown subcommand or wrong number of arguments for '{}'. Try PUBSUB HELP.",
        String::from_utf8_lossy(subcommand)
    ))
}

fn help(call: &mut Call<'_>) -> Outcome {
    call.help(
        "PUBSUB",
        &[
            "CHANNELS [<pattern>]",
            "    Return the currently active channels matching a <pattern> (default: '*').",
            "NUMPAT",
            "    Return number of subscriptions to patterns.",
            "NUMSUB [<channel> ...]",
            "    Return the number of subscribers for the specified channels, excluding",
            "    pattern subscriptions(default: no channels).",
            "SHARDCHANNELS [<pattern>]",
            "    Return the currently active shard level channels matching a <pattern> (default: '*').",
            "SHARDNUMSUB [<shardchannel> ...]",
            "    Return the number of subscribers for the specified shard level channel(s)",
        ],
    );
    Ok(())
}

impl Server {
    /// Nobody listens to this channel of a shard any more; they are told so.
    pub fn end_shard_channel(&mut self, channel: &[u8]) {
        for key in self.shard_channels.remove(channel).unwrap_or_default() {
            let Some(client) = self.clients.get_mut(key.0) else {
                continue;
            };
            client.shard_channels.remove(channel);
            let mut frame = Out::new(false);
            let count = Sort::Shard.count(client);
            confirm(&mut frame, b"sunsubscribe", Some(channel), count);
            self.push_to(key, &mut frame.bytes);
        }
    }
}

/// A listener that leaves more than this unread is hung up on, as by `client-output-buffer-limit pubsub 32mb`.
const UNREAD_MESSAGES: usize = 32 * 1024 * 1024;

impl Server {
    /// Says a message to all who listen to the channel or to a pattern that it matches. To how many.
    pub fn publish(&mut self, channel: &[u8], message: &[u8]) -> usize {
        let mut count = self.tell(b"message", Sort::Channel, None, channel, message);
        if !self.patterns.is_empty() {
            let matching: Vec<Box<[u8]>> = self
                .patterns
                .keys()
                .filter(|pattern| glob::matches(pattern, channel, false))
                .cloned()
                .collect();
            for pattern in matching {
                count += self.tell(b"pmessage", Sort::Pattern, Some(&pattern), channel, message);
            }
        }
        count
    }

    /// Says a message to all who listen to the shard's channel. To how many.
    pub fn publish_to_shard(&mut self, channel: &[u8], message: &[u8]) -> usize {
        self.tell(b"smessage", Sort::Shard, None, channel, message)
    }

    fn tell(
        &mut self,
        word: &[u8],
        sort: Sort,
        pattern: Option<&[u8]>,
        channel: &[u8],
        message: &[u8],
    ) -> usize {
        let all = sort.all(self);
        let Some(listening) = all.get(pattern.unwrap_or(channel)) else {
            return 0;
        };
        let listening: smallvec::SmallVec<[ClientKey; 8]> = listening.iter().copied().collect();
        // RESP3 differs in the first byte only.
        let mut frame = Out::new(false);
        frame.push(3 + usize::from(pattern.is_some()));
        frame.bulk(word);
        if let Some(pattern) = pattern {
            frame.bulk(pattern);
        }
        frame.bulk(channel);
        frame.bulk(message);
        for key in &listening {
            self.push_to(*key, &mut frame.bytes);
        }
        listening.len()
    }

    /// Puts a message that nobody asked for into a client's output. `frame`: an array as RESP2 has it.
    pub fn push_to(&mut self, key: ClientKey, frame: &mut [u8]) {
        let Some(client) = self.clients.get_mut(key.0) else {
            return;
        };
        if let Some(first) = frame.first_mut() {
            *first = if client.out.resp3 { b'>' } else { b'*' };
        }
        if self.current == Some(key) {
            return self.own_messages.extend_from_slice(frame);
        }
        if client.unsent() > UNREAD_MESSAGES && self.scripts.client() != Some(key) {
            return self.close(key);
        }
        client.out.bytes.extend_from_slice(frame);
        self.has_output(key);
    }
}
