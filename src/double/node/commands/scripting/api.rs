//! The table `redis` of scripts.

use mlua::{Lua, LuaString, MultiValue, Table, Value, Variadic};

use super::arguments::Argument;
use super::engine::node;
use super::raised::Raised;
use super::run::{self, Failed};

/// The version, as two digits for each of its numbers.
const VERSION_NUMBER: i64 = 7 << 16 | 15;

/// Makes it.
pub(super) fn table(lua: &Lua) -> mlua::Result<Table> {
    let redis = lua.create_table()?;
    let constants = [
        ("LOG_DEBUG", 0),
        ("LOG_VERBOSE", 1),
        ("LOG_NOTICE", 2),
        ("LOG_WARNING", 3),
        ("REPL_NONE", 0),
        ("REPL_AOF", 1),
        ("REPL_SLAVE", 2),
        ("REPL_REPLICA", 2),
        ("REPL_ALL", 3),
        ("REDIS_VERSION_NUM", VERSION_NUMBER),
    ];
    for (name, value) in constants {
        redis.raw_set(name, value)?;
    }
    redis.raw_set("REDIS_VERSION", "7.0.15")?;
    redis.raw_set("call", lua.create_function(call)?)?;
    redis.raw_set("pcall", lua.create_function(pcall)?)?;
    redis.raw_set("error_reply", lua.create_function(error_reply)?)?;
    redis.raw_set("status_reply", lua.create_function(status_reply)?)?;
    redis.raw_set("sha1hex", lua.create_function(sha1hex)?)?;
    redis.raw_set("log", lua.create_function(log)?)?;
    redis.raw_set("setresp", lua.create_function(setresp)?)?;
    redis.raw_set("set_repl", lua.create_function(set_repl)?)?;
    redis.raw_set("replicate_commands", lua.create_function(|_, ()| Ok(true))?)?;
    redis.raw_set("breakpoint", lua.create_function(|_, ()| Ok(false))?)?;
    redis.raw_set("debug", lua.create_function(|_, _: MultiValue| Ok(()))?)?;
    redis.raw_set("acl_check_cmd", lua.create_function(acl_check_cmd)?)?;
    Ok(redis)
}

fn call(lua: &Lua, arguments: Variadic<Argument>) -> mlua::Result<Value> {
    match node(|node| run::command(node, lua, &arguments))? {
        Ok(value) => value,
        Err(Failed(words)) => Err(mlua::Error::external(Raised::Reply(words))),
    }
}

fn pcall(lua: &Lua, arguments: Variadic<Argument>) -> mlua::Result<Value> {
    match node(|node| run::command(node, lua, &arguments))? {
        Ok(value) => value,
        Err(Failed(words)) => super::raised::caught(
            lua,
            Value::Error(Box::new(mlua::Error::external(Raised::Reply(words)))),
        ),
    }
}

fn error_reply(lua: &Lua, words: Variadic<Value>) -> mlua::Result<Table> {
    let reply = lua.create_table_with_capacity(0, 1)?;
    let [Value::String(words)] = &words[..] else {
        reply.raw_set("err", WRONG_ARGUMENTS)?;
        return Ok(reply);
    };
    let words = words.as_bytes();
    let words = super::reply::as_c_text(&words);
    let words = words.strip_prefix(b"-").unwrap_or(words);
    // A single word is no code with a message behind it.
    let full = match words.contains(&b' ') {
        true => lua.create_string(words)?,
        false => lua.create_string([b"ERR ", words].concat())?,
    };
    reply.raw_set("err", full)?;
    Ok(reply)
}

const WRONG_ARGUMENTS: &str = "ERR wrong number or type of arguments";

fn status_reply(lua: &Lua, words: Variadic<Value>) -> mlua::Result<Table> {
    let reply = lua.create_table_with_capacity(0, 1)?;
    match &words[..] {
        [Value::String(words)] => reply.raw_set("ok", words)?,
        _ => reply.raw_set("err", WRONG_ARGUMENTS)?,
    }
    Ok(reply)
}

fn sha1hex(lua: &Lua, words: Variadic<Value>) -> mlua::Result<LuaString> {
    let [word] = &words[..] else {
        return Err(Raised::reply("ERR wrong number of arguments"));
    };
    let text = lua.coerce_string(word.clone())?;
    let digest = match &text {
        Some(text) => super::digest(&text.as_bytes()),
        None => super::digest(b""),
    };
    lua.create_string(digest)
}

fn log(lua: &Lua, words: Variadic<Value>) -> mlua::Result<()> {
    if words.len() < 2 {
        return Err(Raised::reply(
            "ERR redis.log() requires two arguments or more.",
        ));
    }
    let level = match &words[0] {
        level @ (Value::Integer(_) | Value::Number(_)) => lua.coerce_number(level.clone())?,
        _ => None,
    };
    let Some(level) = level else {
        return Err(Raised::reply(
            "ERR First argument must be a number (log level).",
        ));
    };
    if !(0.0..4.0).contains(&level) {
        return Err(Raised::reply("ERR Invalid debug level."));
    }
    // There is no log.
    Ok(())
}

fn setresp(lua: &Lua, words: Variadic<Value>) -> mlua::Result<()> {
    let [word] = &words[..] else {
        return Err(Raised::reply("ERR redis.setresp() requires one argument."));
    };
    let version = lua.coerce_number(word.clone())?;
    match version.map(|version| version as i64) {
        Some(version @ 2..=3) => node(|node| {
            if let Some(running) = node.scripts.running_mut() {
                running.out.resp3 = version == 3;
            }
        }),
        _ => Err(Raised::reply("ERR RESP version must be 2 or 3.")),
    }
}

fn set_repl(lua: &Lua, words: Variadic<Value>) -> mlua::Result<()> {
    let [word] = &words[..] else {
        return Err(Raised::reply(
            "ERR redis.set_repl() requires two arguments.",
        ));
    };
    let flags = lua.coerce_number(word.clone())?.unwrap_or_default() as i64;
    if flags & !3 != 0 {
        return Err(Raised::reply(
            "ERR Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.",
        ));
    }
    Ok(())
}

fn acl_check_cmd(_: &Lua, arguments: Variadic<Argument>) -> mlua::Result<bool> {
    let words = run::words(&arguments).map_err(Raised::reply)?;
    match run::is_command(node(|node| node.presents)?, &words) {
        true => Ok(true),
        false => Err(Raised::reply(
            "ERR Invalid command passed to redis.acl_check_cmd()",
        )),
    }
}
