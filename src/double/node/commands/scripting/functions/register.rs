//! `redis.register_function`, and what else the code of a library finds while it is loaded.

use std::rc::Rc;

use mlua::{Lua, Table, Value, Variadic};

use super::super::engine::node;
use super::super::raised::Raised;
use super::super::shebang::Flags;
use super::Function;
use super::load::{BAD_NAME, is_name};

/// Makes the table `redis` of code that is being loaded: of all that a script has, `log` and what belongs to it.
pub(in super::super) fn table(lua: &Lua, redis: &Table) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    for name in [
        "log",
        "LOG_DEBUG",
        "LOG_VERBOSE",
        "LOG_NOTICE",
        "LOG_WARNING",
        "REDIS_VERSION",
        "REDIS_VERSION_NUM",
    ] {
        table.raw_set(name, redis.raw_get::<Value>(name)?)?;
    }
    table.raw_set("register_function", lua.create_function(register)?)?;
    Ok(table)
}

fn register(lua: &Lua, arguments: Variadic<Value>) -> mlua::Result<()> {
    let is_loading = node(|node| node.scripts.loading.is_some())?;
    if !is_loading {
        return Err(Raised::reply(
            "ERR redis.register_function can only be called on FUNCTION LOAD command",
        ));
    }
    let function = match &arguments[..] {
        [Value::Table(named)] => by_names(lua, named)?,
        [_] => {
            return Err(Raised::reply(
                "ERR calling redis.register_function with a single argument is only applicable to Lua table (representing named arguments).",
            ));
        }
        [name, function] => {
            let name = text(lua, name)?.ok_or_else(|| {
                Raised::reply("ERR first argument to redis.register_function must be a string")
            })?;
            let Value::Function(function) = function else {
                return Err(Raised::reply(
                    "ERR second argument to redis.register_function must be a function",
                ));
            };
            Function {
                name,
                description: None,
                flags: Flags::default(),
                function: function.clone(),
            }
        }
        _ => {
            return Err(Raised::reply(
                "ERR wrong number of arguments to redis.register_function",
            ));
        }
    };
    if !is_name(&function.name) {
        return Err(Raised::reply(BAD_NAME));
    }
    let is_new = node(|node| {
        let Some(loading) = &mut node.scripts.loading else {
            return false;
        };
        let is_new = loading.functions.iter().all(|it| it.name != function.name);
        if is_new {
            loading.functions.push(Rc::new(function));
        }
        is_new
    })?;
    match is_new {
        true => Ok(()),
        false => Err(Raised::reply("ERR Function already exists in the library")),
    }
}

/// The text of a value that Lua takes for one.
fn text(lua: &Lua, value: &Value) -> mlua::Result<Option<Vec<u8>>> {
    let text = match value {
        Value::String(_) | Value::Integer(_) | Value::Number(_) => {
            lua.coerce_string(value.clone())?
        }
        _ => None,
    };
    Ok(text.map(|text| text.as_bytes().to_vec()))
}

fn by_names(lua: &Lua, named: &Table) -> mlua::Result<Function> {
    let (mut name, mut description, mut function) = (None, None, None);
    let mut flags = Flags::default();
    for pair in named.pairs::<Value, Value>() {
        let (key, value) = pair?;
        let Some(key) = text(lua, &key)? else {
            return Err(Raised::reply(
                "ERR named argument key given to redis.register_function is not a string",
            ));
        };
        match &key.to_ascii_lowercase()[..] {
            b"function_name" => {
                name = text(lua, &value)?;
                if name.is_none() {
                    return Err(Raised::reply(
                        "ERR function_name argument given to redis.register_function must be a string",
                    ));
                }
            }
            b"description" => {
                description = text(lua, &value)?;
                if description.is_none() {
                    return Err(Raised::reply(
                        "ERR description argument given to redis.register_function must be a string",
                    ));
                }
            }
            b"callback" => match value {
                Value::Function(given) => function = Some(given),
                _ => {
                    return Err(Raised::reply(
                        "ERR callback argument given to redis.register_function must be a function",
                    ));
                }
            },
            b"flags" => match value {
                Value::Table(names) => {
                    flags = self::flags(lua, &names)?
                        .ok_or_else(|| Raised::reply("ERR unknown flag given"))?;
                }
                _ => {
                    return Err(Raised::reply(
                        "ERR flags argument to redis.register_function must be a table representing function flags",
                    ));
                }
            },
            _ => {
                return Err(Raised::reply(
                    "ERR unknown argument given to redis.register_function",
                ));
            }
        }
    }
    let name = name.ok_or_else(|| {
        Raised::reply("ERR redis.register_function must get a function name argument")
    })?;
    let function = function
        .ok_or_else(|| Raised::reply("ERR redis.register_function must get a callback argument"))?;
    Ok(Function {
        name,
        description,
        flags,
        function,
    })
}

/// The flags of these names; `None`: there is one that is none.
fn flags(lua: &Lua, names: &Table) -> mlua::Result<Option<Flags>> {
    let mut flags = Flags::default();
    for at in 1.. {
        let name: Value = names.raw_get(at)?;
        if name.is_nil() {
            break;
        }
        match text(lua, &name)? {
            Some(name) if flags.add(&name) => {}
            _ => return Ok(None),
        }
    }
    Ok(Some(flags))
}
