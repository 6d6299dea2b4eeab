//! Ports that nobody else takes.

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

/// The bus of a node is 10000 higher, and from 32768 the system gives ports to everybody's connections.
const PORTS: std::ops::Range<u16> = 21_000..22_768;

/// A port that is free together with its bus port, a listener on it, and the file lock that claims it among our test processes.
pub fn free_port(host: Ipv4Addr) -> (u16, TcpListener, File) {
    let (first, mut listeners, mut claims) = free_ports(&[host]);
    (first, listeners.remove(0), claims.remove(0))
}

/// Ports that follow each other, one for each host, each as [`free_port`] has it. The first of them.
pub fn free_ports(hosts: &[Ipv4Addr]) -> (u16, Vec<TcpListener>, Vec<File>) {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let wanted = hosts.len() as u16;
    let count = PORTS.end - PORTS.start - wanted;
    // Processes that run side by side start looking at different places.
    let offset = (std::process::id() % u32::from(count)) as u16;
    for _ in 0..count {
        let step = NEXT.fetch_add(wanted, Ordering::Relaxed);
        let first = PORTS.start + offset.wrapping_add(step) % count;
        let taken: Option<Vec<_>> = hosts
            .iter()
            .zip(first..)
            .map(|(host, port)| take(*host, port))
            .collect();
        if let Some(taken) = taken {
            let (listeners, claims) = taken.into_iter().unzip();
            return (first, listeners, claims);
        }
    }
    panic!("no free port between {} and {}", PORTS.start, PORTS.end);
}

/// `None`: somebody has it.
fn take(host: Ipv4Addr, port: u16) -> Option<(TcpListener, File)> {
    let claims = std::env::temp_dir().join("labrunner-test-ports");
    std::fs::create_dir_all(&claims).unwrap();
    let claim = File::create(claims.join(port.to_string())).unwrap();
    claim.try_lock().ok()?;
    TcpListener::bind((host, port + 10_000)).ok()?;
    Some((TcpListener::bind((host, port)).ok()?, claim))
}
