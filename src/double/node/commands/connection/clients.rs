//! CLIENT LIST and CLIENT INFO.

use crate::double::node::call::Call;
use crate::double::node::client::{Client, ClientKey, Closing};
use crate::double::node::failure::{Failure, Outcome};
use crate::double::node::number;
use crate::double::node::server::Server;
use crate::double::node::table::Table;

/// What Redis calls the type of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    Normal,
    Master,
    Replica,
    Pubsub,
}

impl Sort {
    pub(super) fn of(client: &Client) -> Sort {
        match client.subscriptions() {
            0 => Sort::Normal,
            _ => Sort::Pubsub,
        }
    }

    pub(super) fn named(name: &[u8]) -> Result<Sort, Failure> {
        match name.to_ascii_lowercase().as_slice() {
            b"normal" => Ok(Sort::Normal),
            b"master" => Ok(Sort::Master),
            b"slave" | b"replica" => Ok(Sort::Replica),
            b"pubsub" => Ok(Sort::Pubsub),
            _ => {
                let name = String::from_utf8_lossy(name);
                Err(Failure::told(format!("ERR Unknown client type '{name}'")))
            }
        }
    }
}

pub(super) fn info(call: &mut Call<'_>) -> Outcome {
    let line = line(call, call.client);
    call.out.verbatim("txt", &line);
    Ok(())
}

pub(super) fn list(call: &mut Call<'_>) -> Outcome {
    let args = call.args;
    let chosen: Vec<ClientKey> = match args[2..] {
        [] => by_age(call.server, |_| true),
        [option, sort] if option.eq_ignore_ascii_case(b"type") => {
            let sort = Sort::named(sort)?;
            by_age(call.server, |client| Sort::of(client) == sort)
        }
        [option, _, ..] if option.eq_ignore_ascii_case(b"id") => {
            let mut chosen = Vec::new();
            for id in &args[3..] {
                let id = number::parse_i64(id).ok_or(Failure::text("ERR Invalid client ID"))?;
                let id = u64::try_from(id).ok();
                chosen.extend(id.and_then(|id| call.server.client_by_id(id)));
            }
            chosen
        }
        _ => return Err(Failure::SYNTAX),
    };
    let mut lines = Vec::new();
    for key in chosen {
        lines.extend_from_slice(&line(call, key));
    }
    call.out.verbatim("txt", &lines);
    Ok(())
}

/// Clients in the order in which they came.
fn by_age(server: &Server, wanted: impl Fn(&Client) -> bool) -> Vec<ClientKey> {
    let mut found: Vec<(u64, ClientKey)> = server
        .clients
        .iter()
        .filter(|(_, client)| !client.is_hand() && wanted(client))
        .map(|(at, client)| (client.id, ClientKey(at)))
        .collect();
    found.sort_unstable();
    found.into_iter().map(|(_, key)| key).collect()
}

fn flags(client: &Client) -> String {
    let tracking = client.tracking.as_deref();
    let all = [
        ('O', client.monitor),
        ('P', client.subscriptions() > 0),
        (
            'x',
            client.transaction.is_some() || client.executing.is_some(),
        ),
        ('b', client.waits()),
        ('t', tracking.is_some()),
        ('R', tracking.is_some_and(|how| how.redirect_broken)),
        ('B', tracking.is_some_and(|how| how.broadcast)),
        ('d', client.watch_broken),
        ('c', client.closing == Closing::AfterReply),
        ('A', client.closing == Closing::Now),
        ('r', client.read_only),
        ('e', client.no_evict),
    ];
    let set: String = all
        .iter()
        .filter(|(_, set)| *set)
        .map(|(it, _)| it)
        .collect();
    match set.is_empty() {
        true => "N".to_owned(),
        false => set,
    }
}

/// A client as CLIENT LIST shows it. Sizes are those of this server's buffers.
fn line(call: &mut Call<'_>, key: ClientKey) -> Vec<u8> {
    let now = call.now();
    // Its own request lies in the room where all are read.
    let request: usize = match key == call.client {
        true => call.args.iter().map(|word| word.len() + 5).sum(),
        false => 0,
    };
    let Some(client) = call.server.clients.get(key.0) else {
        return Vec::new();
    };
    let table = Table::redis_7_0();
    let queue = client.transaction.as_ref().map(|it| &it.queue);
    let multi = queue.map(|queue| queue.len()).or(client.executing);
    let multi = multi.map_or(-1, |count| count as i64);
    let queued: usize = queue.map_or(0, |queue| {
        let words = queue.iter().flat_map(|queued| &queued.words);
        words.map(|word| word.len()).sum()
    });
    let (input, room) = (client.input.len(), client.input.capacity());
    let output = client.out.bytes.capacity();
    let user = call.server.acl.user(client.user);
    let redirect = client.tracking.as_ref().map(|how| how.redirect as i64);
    let mut line = format!(
        "id={} addr={} laddr={} fd={} name=",
        client.id,
        client.peer_name(),
        client.local_name(),
        client.descriptor(),
    )
    .into_bytes();
    line.extend_from_slice(&client.name);
    let rest = format!(
        " age={} idle={} flags={} db={} sub={} psub={} ssub={} multi={multi} qbuf={} qbuf-free={} argv-mem={} multi-mem={queued} rbs={output} rbp={output} \
         obl={} oll=0 omem=0 tot-mem={} events={} cmd={} user=",
        (now - client.since) / 1000,
        (now - client.active) / 1000,
        flags(client),
        client.db,
        client.channels.len(),
        client.patterns.len(),
        client.shard_channels.len(),
        input + request,
        room - input,
        request,
        client.unsent(),
        size_of::<Client>() + room + output + queued + request,
        if client.unsent() > 0 { "rw" } else { "r" },
        client.command.map_or("NULL", |id| table.spec(id).name),
    );
    line.extend_from_slice(rest.as_bytes());
    line.extend_from_slice(&user.name);
    let rest = format!(
        " redir={} resp={}\n",
        redirect.unwrap_or(-1),
        if client.out.resp3 { 3 } else { 2 },
    );
    line.extend_from_slice(rest.as_bytes());
    line
}
