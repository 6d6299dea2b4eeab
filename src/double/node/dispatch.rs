//! From the words of a command to its reply: the checks, in Redis's order, and the call.

use super::call::{Call, Origin};
use super::client::{ClientKey, Closing, Queued, Replies};
use super::commands::{Handler, Registry};
use super::failure::{Failure, Outcome};
use super::out::Out;
use super::presents::Presents;
use super::server::Server;
use super::table::{CommandId, Flags, Spec, Table};

/// A command whose function is to be called.
pub(in crate::double) struct Prepared<'a> {
    pub client: ClientKey,
    pub db: usize,
    pub args: &'a [&'a [u8]],
    pub command: CommandId,
    pub origin: Origin,
}

impl Server {
    /// Executes a client's command, and writes its reply.
    pub(super) fn execute(&mut self, key: ClientKey, args: &[&[u8]], out: &mut Out) {
        let before = out.len();
        let outcome = self.checked(key, args, out);
        if self.pause.is_asked_for()
            && self
                .clients
                .get(key.0)
                .is_some_and(|client| client.postponed)
        {
            // It will come here again.
            return;
        }
        if let Err(refused) = outcome {
            out.bytes.truncate(before);
            out.error_bytes(&refused);
        }
        if out.bytes.get(before) == Some(&b'-') {
            self.count_error(&out.bytes[before + 1..]);
        }
        if !self.own_messages.is_empty() {
            self.put_own_messages(out, before);
        }
        let Some(client) = self.clients.get_mut(key.0) else {
            return;
        };
        client.active = self.now;
        if client.asking && client.transaction.is_none() {
            let just_said = client.command == Table::redis_7_0().find(b"asking");
            client.asking = just_said;
        }
        client.written = self.replication.written();
        if client.replies != Replies::On {
            // What subscriptions are answered with are messages, and they always come.
            let message = client
                .command
                .is_some_and(|id| Table::redis_7_0().spec(id).name.ends_with("subscribe"));
            if client.replies != Replies::SkipNext && !message {
                out.bytes.truncate(before);
            }
            client.replies = match client.replies {
                Replies::SkipNext => Replies::Skip,
                Replies::Skip => Replies::On,
                other => other,
            };
        }
        if self.tracking.clients > 0 {
            self.forget_caching(key);
        }
        if !self.ready.is_empty() && self.scripts.client().is_none() {
            self.serve_waiting();
        }
    }

    /// Looks whether the command may be executed, and does so or puts it into the transaction's queue.
    fn checked(&mut self, key: ClientKey, args: &[&[u8]], out: &mut Out) -> Result<(), Vec<u8>> {
        let table = Table::redis_7_0();
        let registry = Registry::get();
        let found = look_up(table, registry, self.presents, args);
        let client = &mut self.clients[key.0];
        client.command = match &found {
            Ok((id, _)) => Some(*id),
            // With a wrong number of arguments it is that command all the same.
            Err(_) => table.of_call(args),
        };
        let (id, handler) = match found {
            Ok(found) => found,
            Err(unfit) => {
                if self.presents.is_newer_command(args) {
                    return self.newer_command(out).map_err(Failure::into_words);
                }
                if let Some(transaction) = &mut client.transaction {
                    transaction.failed = true;
                }
                if let Unfit::Arity(_) = unfit
                    && let Some(id) = client.command
                {
                    self.stats.by_command(id).rejected += 1;
                }
                if let Unfit::Arity("exec") = unfit {
                    return Err(
                        self.exec_refused(key, "wrong number of arguments for 'exec' command")
                    );
                }
                // A web browser, which may be led here to do harm.
                let browser: [&[u8]; 2] = [b"post", b"host:"];
                if args
                    .first()
                    .is_some_and(|name| browser.iter().any(|it| name.eq_ignore_ascii_case(it)))
                {
                    self.clients[key.0].closing = Closing::Now;
                }
                return Err(unfit.into_words(self.presents, args));
            }
        };
        let spec = table.spec(id);
        if let Some(refusal) = self.refused(key, id, args, spec) {
            if let Some(transaction) = &mut self.clients[key.0].transaction {
                transaction.failed = true;
            }
            self.stats.by_command(id).rejected += 1;
            let failure = match refusal {
                Refusal::Elsewhere(failure) => {
                    if spec.name == "exec" {
                        self.abort(key);
                    }
                    failure
                }
                Refusal::Here(failure) if spec.name == "exec" => {
                    return Err(self.exec_refused(key, &failure.0));
                }
                Refusal::Here(failure) => failure,
            };
            return Err(failure.into_words());
        }
        if self.pause.is_asked_for() {
            if self.can_t_wait(key, spec) {
                return Err(b"ERR changes are held until the manual failover is over, and without a connection nobody can wait".to_vec());
            }
            if self.holds(key, spec) {
                return Ok(());
            }
        }
        let client = &mut self.clients[key.0];
        if let Some(transaction) = &mut client.transaction
            && !matches!(
                spec.name,
                "exec" | "discard" | "multi" | "watch" | "quit" | "reset"
            )
        {
            if spec.flags.has(Flags::NO_MULTI) {
                transaction.failed = true;
                return Err(b"ERR Command not allowed inside a transaction".to_vec());
            }
            transaction.queue.push(Queued {
                command: id,
                words: args.iter().map(|word| (*word).into()).collect(),
            });
            out.bytes.extend_from_slice(b"+QUEUED\r\n");
            return Ok(());
        }
        let db = client.db;
        let prepared = Prepared {
            client: key,
            db,
            args,
            command: id,
            origin: Origin::Client,
        };
        self.call_with(handler, prepared, out)
            .map_err(Failure::into_words)
    }

    /// EXEC was refused: that is the end of the transaction.
    fn exec_refused(&mut self, key: ClientKey, why: &str) -> Vec<u8> {
        self.abort(key);
        let why = why.strip_prefix("ERR ").unwrap_or(why);
        format!("EXECABORT Transaction discarded because of: {why}").into_bytes()
    }

    /// What stands against executing a command that is there and has the right number of arguments.
    fn refused(
        &mut self,
        key: ClientKey,
        id: CommandId,
        args: &[&[u8]],
        spec: &Spec,
    ) -> Option<Refusal> {
        if let Some(failure) = self.barred(key, args, spec) {
            return Some(Refusal::Here(failure));
        }
        if self.cluster.is_some() {
            let routed = self.route(key, id, args);
            self.clients[key.0].slot = routed.unwrap_or_default();
            if let Err(redirect) = routed {
                let words = self.redirect_words(redirect);
                return Some(Refusal::Elsewhere(Failure::told(words)));
            }
        }
        self.untimely(key, args, spec).map(Refusal::Here)
    }

    /// What stands against a command wherever it is executed.
    fn barred(&mut self, key: ClientKey, args: &[&[u8]], spec: &Spec) -> Option<Failure> {
        if let Some(words) = self.injected.meets(args) {
            return Some(Failure::told(words));
        }
        let guarded = match spec.name {
            _ if !spec.flags.has(Flags::ADMIN) => None,
            "debug" => Some(("DEBUG", "enable-debug-command")),
            "module|load" | "module|loadex" | "module|unload" => {
                Some(("MODULE", "enable-module-command"))
            }
            _ => None,
        };
        if let Some((name, option)) = guarded
            && self.config.get(option) == "no"
        {
            return Some(Failure::told(format!(
                "ERR {name} command not allowed. If the {option} option is set to \"local\", you can run it from a local connection, otherwise you need to set this option in the configuration file, and then restart the server."
            )));
        }
        let client = &self.clients[key.0];
        if !client.authenticated && !spec.flags.has(Flags::NO_AUTH) && !self.acl.is_open() {
            return Some(Failure::text("NOAUTH Authentication required."));
        }
        None
    }

    /// What stands against executing a command here and now.
    fn untimely(&self, key: ClientKey, args: &[&[u8]], spec: &Spec) -> Option<Failure> {
        if let Some(failure) = self.refused_by_role(key, args, spec) {
            return Some(failure);
        }
        let client = &self.clients[key.0];
        if !client.out.resp3
            && client.subscriptions() > 0
            && !matches!(
                spec.name,
                "ping"
                    | "subscribe"
                    | "unsubscribe"
                    | "psubscribe"
                    | "punsubscribe"
                    | "ssubscribe"
                    | "sunsubscribe"
                    | "quit"
                    | "reset"
            )
        {
            return Some(Failure::told(format!(
                "ERR Can't execute '{}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context",
                spec.name
            )));
        }
        if !spec.flags.has(Flags::ALLOW_BUSY) {
            return self.busy();
        }
        None
    }

    /// Calls the function of a command that was checked before.
    pub(super) fn call(&mut self, prepared: Prepared<'_>, out: &mut Out) -> Outcome {
        match Registry::get().handler(prepared.command) {
            Some(handler) => self.call_with(handler, prepared, out),
            // Only commands with a function get here.
            None => Err(Failure::text("ERR unknown command")),
        }
    }

    /// The same, where the function is known.
    pub(super) fn call_with(
        &mut self,
        handler: Handler,
        prepared: Prepared<'_>,
        out: &mut Out,
    ) -> Outcome {
        let before = out.len();
        let began = self.measured;
        let dirty = self.dirty;
        self.before_call(&prepared);
        let outcome = handler(&mut Call {
            server: self,
            client: prepared.client,
            db: prepared.db,
            args: prepared.args,
            command: prepared.command,
            origin: prepared.origin,
            out,
        });
        let wrote = outcome.is_err() || out.len() > before;
        let failed = outcome.is_err() || out.bytes.get(before) == Some(&b'-');
        if !self.own_messages.is_empty() && outcome.is_ok() && prepared.origin != Origin::Script {
            self.put_own_messages(out, before);
        }
        if self.replication.feeds() {
            self.propagate(&prepared, self.dirty != dirty);
        }
        self.note_call(&prepared, began, wrote, failed);
        outcome
    }

    /// Puts messages that the client has got by its own command in front of the command's reply, which begins at `place`.
    fn put_own_messages(&mut self, out: &mut Out, place: usize) {
        let length = self.own_messages.len();
        out.bytes.append(&mut self.own_messages);
        out.bytes[place..].rotate_right(length);
    }

    /// Counts an error reply. `words`: what is behind its `-`.
    pub(super) fn count_error(&mut self, words: &[u8]) {
        let word = words.split(|byte| byte.is_ascii_whitespace()).next();
        let word = String::from_utf8_lossy(word.unwrap_or_default()).into_owned();
        self.stats.errors += 1;
        *self.stats.errors_by_word.entry(word).or_default() += 1;
    }
}

/// Why a command is not executed.
enum Refusal {
    /// It may not be.
    Here(Failure),
    /// Another node of the cluster is to be asked, or none can be.
    Elsewhere(Failure),
}

/// Why words are no command that can be executed.
#[derive(Debug)]
pub(super) enum Unfit {
    /// There is no such command. What is answered.
    Unknown(Vec<u8>),
    /// The command with this name takes another number of words.
    Arity(&'static str),
}

impl Unfit {
    fn into_words(self, presents: Presents, args: &[&[u8]]) -> Vec<u8> {
        match self {
            Unfit::Unknown(words) => words,
            // Until 6.2 a subcommand had no number of arguments of its own.
            Unfit::Arity(name) if presents < Presents::V7_0 && name.contains('|') => {
                let (container, _) = name.split_once('|').unwrap_or_default();
                unknown_subcommand(
                    presents,
                    container,
                    args.get(1).copied().unwrap_or_default(),
                )
            }
            Unfit::Arity(name) => Failure::arity(name).into_words(),
        }
    }
}

/// The command that these words are, and its function. Used for scripts as well.
pub(super) fn look_up(
    table: &Table,
    registry: &Registry,
    presents: Presents,
    args: &[&[u8]],
) -> Result<(CommandId, Handler), Unfit> {
    let name = args.first().copied().unwrap_or_default();
    let found = table.find(name);
    let Some(mut id) = found.filter(|id| presents.has(table.spec(*id))) else {
        return Err(Unfit::Unknown(unknown(presents, args)));
    };
    let mut spec = table.spec(id);
    if !spec.subcommands.is_empty()
        && let Some(word) = args.get(1)
    {
        match table
            .subcommand(id, word)
            .filter(|id| registry.handler(*id).is_some() && presents.has(table.spec(*id)))
        {
            Some(subcommand) => {
                id = subcommand;
                spec = table.spec(id);
            }
            // A container may be a command by itself: COMMAND.
            None if registry.has_subcommands(spec) => {
                return Err(Unfit::Unknown(unknown_subcommand(
                    presents, spec.name, word,
                )));
            }
            None => {}
        }
    }
    let arity = spec.arity;
    let Some(handler) = registry.handler(id) else {
        if registry.has_subcommands(spec) {
            return Err(Unfit::Arity(spec.name));
        }
        return Err(Unfit::Unknown(unknown(presents, args)));
    };
    let count = args.len() as i32;
    if (arity > 0 && count != arity) || count < -arity {
        return Err(Unfit::Arity(spec.name));
    }
    Ok((id, handler))
}

/// As much of what a client sent as an error quotes.
const QUOTED: usize = 128;

fn unknown(presents: Presents, args: &[&[u8]]) -> Vec<u8> {
    let cut = |word: &[u8], to: usize| -> Vec<u8> {
        // Redis prints it as a C string.
        let word = word.split(|byte| *byte == 0).next().unwrap_or_default();
        word.get(..to).unwrap_or(word).to_vec()
    };
    let (open, close, gap): (u8, u8, &[u8]) = match presents < Presents::V7_0 {
        true => (b'`', b'`', b", "),
        false => (b'\'', b'\'', b" "),
    };
    let mut quoted = Vec::new();
    for word in args.iter().skip(1) {
        if quoted.len() >= QUOTED {
            break;
        }
        let room = QUOTED - quoted.len();
        quoted.push(open);
        quoted.extend(cut(word, room));
        quoted.push(close);
        quoted.extend_from_slice(gap);
    }
    let name = cut(args.first().copied().unwrap_or_default(), QUOTED);
    [
        &b"ERR unknown command "[..],
        &[open],
        &name,
        &[close],
        b", with args beginning with: ",
        &quoted,
    ]
    .concat()
}

fn unknown_subcommand(presents: Presents, container: &str, word: &[u8]) -> Vec<u8> {
    let word = word.split(|byte| *byte == 0).next().unwrap_or_default();
    let word = word.get(..QUOTED).unwrap_or(word);
    let words: &[u8] = match presents < Presents::V7_0 {
        true => b"ERR Unknown subcommand or wrong number of arguments for '",
        false => b"ERR unknown subcommand '",
    };
    [
        words,
        word,
        b"'. Try ",
        container.to_ascii_uppercase().as_bytes(),
        b" HELP.",
    ]
    .concat()
}
