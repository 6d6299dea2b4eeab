//! Many texts at once.

use crate::double::node::call::{Call, Class};
use crate::double::node::failure::{Failure, Outcome};
use crate::double::node::keyspace::text::Text;
use crate::double::node::keyspace::value::Value;

pub(super) fn mget(call: &mut Call<'_>) -> Outcome {
    let keys = &call.args[1..];
    call.out.array(keys.len());
    for key in keys {
        let at = call.server.read(call.db, key);
        match at.map(|at| &call.server.dbs[call.db].at(at).1.value) {
            Some(Value::Text(text)) => call.out.bulk(&text.bytes()),
            // Another type is as good as nothing here.
            _ => call.out.null(),
        }
    }
    Ok(())
}

pub(super) fn mset(call: &mut Call<'_>) -> Outcome {
    let pairs = pairs(call, "mset")?;
    for [key, text] in pairs {
        call.put(key, Value::Text(Text::new(text)));
        call.changed(key, Class::TEXT, "set");
    }
    call.out.ok();
    Ok(())
}

pub(super) fn msetnx(call: &mut Call<'_>) -> Outcome {
    let pairs = pairs(call, "msetnx")?;
    let absent = !pairs.iter().any(|[key, _]| call.exists(key));
    if absent {
        for [key, text] in pairs {
            call.put(key, Value::Text(Text::new(text)));
            call.changed(key, Class::TEXT, "set");
        }
    }
    call.out.int(i64::from(absent));
    Ok(())
}

fn pairs<'a>(call: &Call<'a>, command: &str) -> Result<&'a [[&'a [u8]; 2]], Failure> {
    match call.args[1..].as_chunks() {
        (pairs, []) => Ok(pairs),
        _ => Err(Failure::arity(command)),
    }
}
