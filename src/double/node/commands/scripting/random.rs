//! The random numbers of scripts.

use std::cell::Cell;
use std::rc::Rc;

use mlua::{Function, Lua, Value, Variadic};

use super::raised::Raised;

/// The greatest number of the sequence, as Redis takes it.
const GREATEST: f64 = 2_147_483_647.0;

/// The linear congruential generator that C calls `lrand48`: 48 bits of state, of which 31 are given out.
/// A node has one sequence, and it begins with the same number whenever a node is
/// started. Clones go on with the same sequence.
#[derive(Debug, Clone)]
pub(super) struct Random(Rc<Cell<u64>>);

impl Default for Random {
    fn default() -> Self {
        Random(Rc::new(Cell::new(0x1234_ABCD_330E)))
    }
}

impl Random {
    /// Begins the sequence of this seed.
    pub fn seed(&self, seed: i32) {
        self.0.set(u64::from(seed as u32) << 16 | 0x330E);
    }

    fn next(&self) -> i32 {
        let state = self.0.get().wrapping_mul(0x5_DEEC_E66D).wrapping_add(0xB) & ((1 << 48) - 1);
        self.0.set(state);
        (state >> 17) as i32
    }

    /// `math.random`.
    pub fn random(&self, lua: &Lua) -> mlua::Result<Function> {
        let random = self.clone();
        lua.create_function(move |lua, bounds: Variadic<Value>| {
            let at = f64::from(random.next() % i32::MAX) / GREATEST;
            let bound = |number: usize| -> mlua::Result<f64> {
                let value = &bounds[number - 1];
                let found = lua.coerce_number(value.clone())?;
                found.map(whole).ok_or_else(|| {
                    let what = format!("number expected, got {}", Raised::type_name(value));
                    Raised::argument(lua, number, &what)
                })
            };
            match bounds.len() {
                0 => Ok(at),
                1 => match bound(1)? {
                    upper if upper >= 1.0 => Ok((at * upper).floor() + 1.0),
                    _ => Err(Raised::argument(lua, 1, "interval is empty")),
                },
                2 => match (bound(1)?, bound(2)?) {
                    (lower, upper) if lower <= upper => {
                        Ok((at * (upper - lower + 1.0)).floor() + lower)
                    }
                    _ => Err(Raised::argument(lua, 2, "interval is empty")),
                },
                _ => Err(Raised::at_caller(lua, "wrong number of arguments")),
            }
        })
    }

    /// `math.randomseed`.
    pub fn randomseed(&self, lua: &Lua) -> mlua::Result<Function> {
        let random = self.clone();
        lua.create_function(move |lua, seed: Variadic<Value>| {
            let given = seed.first().cloned().unwrap_or(Value::Nil);
            let number = lua.coerce_number(given)?.ok_or_else(|| {
                let got = seed.first().map_or("no value", Raised::type_name);
                let what = format!("number expected, got {got}");
                Raised::argument(lua, 1, &what)
            })?;
            random.seed(whole(number) as i32);
            Ok(())
        })
    }
}

/// As C casts to an `int`, where the number is one.
fn whole(number: f64) -> f64 {
    f64::from(number as i64 as i32)
}
