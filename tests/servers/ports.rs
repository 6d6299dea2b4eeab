//! Ports that nobody else takes.

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

use tokio::net::TcpSocket;

/// The bus of a node is 10000 higher, and from 32768 the system gives ports to everybody's connections.
const PORTS: std::ops::Range<u16> = 21_000..22_768;

/// A port that is free together with its bus port, and the file lock that claims it among our test processes: for a server that listens there by itself.
pub fn free_port(host: Ipv4Addr) -> (u16, File) {
    let (port, mut claims) = claim(&[host], |host, port| probe(host, port).map(drop));
    (port, claims.remove(0).1)
}

/// The same with a listener on it.
#[allow(dead_code, reason = "not all programs of tests listen themselves")]
pub fn listening_port(host: Ipv4Addr) -> (u16, TcpListener, File) {
    let (port, mut listeners, mut claims) = listening_ports(&[host]);
    (port, listeners.remove(0), claims.remove(0))
}

/// Ports that follow each other, one for each host, each as [`listening_port`] has it. The first of them.
#[allow(dead_code, reason = "not all programs of tests listen themselves")]
pub fn listening_ports(hosts: &[Ipv4Addr]) -> (u16, Vec<TcpListener>, Vec<File>) {
    let listen = |host, port| TcpListener::bind((host, port)).ok();
    let (first, taken) = claim(hosts, listen);
    let (listeners, claims) = taken.into_iter().unzip();
    (first, listeners, claims)
}

/// Ports that follow each other, one for each host, with what `take` makes of each, and with its lock.
fn claim<T>(
    hosts: &[Ipv4Addr],
    take: impl Fn(Ipv4Addr, u16) -> Option<T>,
) -> (u16, Vec<(T, File)>) {
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
            .map(|(host, port)| {
                let claim = lock(port)?;
                probe(*host, port + 10_000)?;
                Some((take(*host, port)?, claim))
            })
            .collect();
        if let Some(taken) = taken {
            return (first, taken);
        }
    }
    panic!("no free port between {} and {}", PORTS.start, PORTS.end);
}

/// `None`: somebody has it.
fn lock(port: u16) -> Option<File> {
    let claims = std::env::temp_dir().join("labrunner-test-ports");
    std::fs::create_dir_all(&claims).unwrap();
    let claim = File::create(claims.join(port.to_string())).unwrap();
    claim.try_lock().ok()?;
    Some(claim)
}

/// Whether a port is free: a socket that is bound to it, and does not listen. A program that another thread starts just now has that socket, too, for a moment: if it listened, the server that the
/// port is for could not, and whoever asks whether it has started would be answered by nobody.
fn probe(host: Ipv4Addr, port: u16) -> Option<TcpSocket> {
    let socket = TcpSocket::new_v4().ok()?;
    socket.set_reuseaddr(true).ok()?;
    socket.bind((host, port).into()).ok()?;
    Some(socket)
}
