//! Payloads of RESTORE: none makes the reader panic, take long, or take memory out of proportion.
#![no_main]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use labrunner::double::fuzzing;
use libfuzzer_sys::fuzz_target;

/// How many bytes a payload's byte may have allocated for it, at any one time. An LZF string is up to 88 times as long as what is written of
/// it, and may be turned into another form while it is there; a vector that grows is there twice for a moment, and one time too long.
const A_BYTE: usize = 400;
/// The compressor's table alone is 256 kB.
const BESIDE: usize = 400_000;

/// Counts what is allocated.
struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: all is handed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = NOW.fetch_add(layout.size(), Relaxed) + layout.size();
        PEAK.fetch_max(now, Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Relaxed);
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

fuzz_target!(|bytes: &[u8]| {
    let before = NOW.load(Relaxed);
    PEAK.store(before, Relaxed);
    fuzzing::restore(bytes);
    let taken = PEAK.load(Relaxed).saturating_sub(before);
    assert!(
        taken <= A_BYTE * bytes.len() + BESIDE,
        "{taken} bytes for {}",
        bytes.len()
    );
    fuzzing::restore_and_dump(bytes);
});
