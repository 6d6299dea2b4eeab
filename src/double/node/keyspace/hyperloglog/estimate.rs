//! The estimate: Otmar Ertl, "New cardinality estimation algorithms for HyperLogLog sketches", 2017, the improved raw estimator.

use super::{HASH_BITS, REGISTERS};

/// `1 / (2 ln 2)`, in the digits that Redis has.
const ALPHA: f64 = 0.721_347_520_444_481_7;

/// Estimates by how many registers have each value. What an `i64` cannot hold is `i64::MIN`, as the processor makes it in Redis: no elements lead there,
/// but registers that were written by SETRANGE do.
pub(super) fn estimate(histogram: &[usize; 64]) -> i64 {
    let last = HASH_BITS as usize;
    let count = REGISTERS as f64;
    let mut z = count * tau((count - histogram[last + 1] as f64) / count);
    for registers in histogram[1..=last].iter().rev() {
        z = (z + *registers as f64) * 0.5;
    }
    z += count * sigma(histogram[0] as f64 / count);
    let estimate = (ALPHA * count * count / z).round();
    match estimate < 2_f64.powi(63) {
        true => estimate as i64,
        false => i64::MIN,
    }
}

fn sigma(mut x: f64) -> f64 {
    if x == 1.0 {
        return f64::INFINITY;
    }
    let mut y = 1.0;
    let mut z = x;
    loop {
        x *= x;
        let before = z;
        z += x * y;
        y += y;
        if z == before {
            return z;
        }
    }
}

fn tau(mut x: f64) -> f64 {
    if x == 0.0 || x == 1.0 {
        return 0.0;
    }
    let mut y = 1.0;
    let mut z = 1.0 - x;
    loop {
        x = x.sqrt();
        let before = z;
        y *= 0.5;
        z -= (1.0 - x) * (1.0 - x) * y;
        if z == before {
            return z / 3.0;
        }
    }
}
