//! FUNCTION DUMP and RESTORE.

use super::super::Scripts;
use super::Libraries;
use super::load::{made, name_of, told, unfit};
use crate::double::node::call::Call;
use crate::double::node::failure::{Failure, Outcome};
use crate::double::node::rdb::{BadLibraries, decode_libraries, encode_libraries};

impl Scripts {
    /// All libraries, as FUNCTION DUMP has them; `None`: there are none.
    pub fn dumped(&self) -> Option<Vec<u8>> {
        let libraries = self.libraries.all.values();
        let codes = libraries.map(|library| &library.code[..]);
        (!self.libraries.all.is_empty()).then(|| encode_libraries(codes, true))
    }
}

/// FUNCTION DUMP.
pub(super) fn dump(call: &mut Call<'_>) -> Outcome {
    let libraries = call.server.scripts.libraries.all.values();
    let codes = libraries.map(|library| &library.code[..]);
    let payload = encode_libraries(codes, true);
    call.out.bulk(&payload);
    Ok(())
}

/// FUNCTION RESTORE.
pub(super) fn restore(call: &mut Call<'_>) -> Outcome {
    let args = call.args;
    if args.len() > 4 {
        return Err(unfit(args[1]));
    }
    let policy = args.get(3).map(|word| word.to_ascii_lowercase());
    let (flush, replace) = match policy.as_deref() {
        None | Some(b"append") => (false, false),
        Some(b"replace") => (false, true),
        Some(b"flush") => (true, false),
        Some(_) => {
            return Err(Failure::text(
                "ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.",
            ));
        }
    };
    let codes = decode_libraries(args[2]).map_err(|bad| {
        Failure::text(match bad {
            BadLibraries::Footer => "ERR DUMP payload version or checksum are wrong",
            BadLibraries::Kind => "ERR given type is not a function",
            BadLibraries::Value => "ERR Failed loading library data",
        })
    })?;
    // All of them or none. Those that stay and those that come share a Lua state.
    let mut libraries = call.server.scripts.libraries.clone();
    if flush {
        libraries = Libraries::default();
    }
    for code in codes {
        let name = name_of(&code)?;
        if libraries.all.contains_key(&name) && !replace {
            return Err(told("Library ", &name, " already exists"));
        }
        libraries.remove(&name);
        let library = made(call.server, &mut libraries, name, &code)?;
        libraries
            .add(library)
            .map_err(|name| told("Function ", &name, " already exists"))?;
    }
    call.server.scripts.libraries = libraries;
    call.server.dirty += 1;
    call.out.ok();
    Ok(())
}
