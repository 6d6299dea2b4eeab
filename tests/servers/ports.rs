//! Ports that nobody else takes.

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

/// The bus of a node is 10000 higher, and from 32768 the system gives ports to everybody's connections.
const PORTS: std::ops::Range<u16> = 21_000..22_768;

/// A port that is free together with its bus port, a listener on it, and the file lock that claims it among our test processes.
pub fn free_port(host: Ipv4Addr) -> (u16, TcpListener, File) {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let claims = std::env::temp_dir().join("labrunner-test-ports");
    std::fs::create_dir_all(&claims).unwrap();
    let count = PORTS.end - PORTS.start;
    // Processes that run side by side start looking at different places.
    let offset = (std::process::id() % u32::from(count)) as u16;
    for _ in 0..count {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = PORTS.start + offset.wrapping_add(step) % count;
        let claim = File::create(claims.join(port.to_string())).unwrap();
        if claim.try_lock().is_ok()
            && TcpListener::bind((host, port + 10_000)).is_ok()
            && let Ok(listener) = TcpListener::bind((host, port))
        {
            return (port, listener, claim);
        }
    }
    panic!("no free port between {} and {}", PORTS.start, PORTS.end);
}
