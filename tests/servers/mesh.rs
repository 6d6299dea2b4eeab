//! Wires between real nodes that can be cut: each node announces the address of a proxy in front of it, and connects from an address of its own, so that the
//! proxy knows who is calling.
//!
//! What is on its way when nodes are cut from each other waits, as TCP would send it again: nobody sees an end of a connection, and new ones come to nothing.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::watch;

/// Ends with all its connections when dropped.
pub struct Mesh {
    runtime: Option<Runtime>,
    groups: watch::Sender<Groups>,
}

/// Where a node is.
#[derive(Clone, Copy)]
pub struct Place {
    /// Its own address; it also calls others from there.
    pub ip: Ipv4Addr,
    /// The port that it announces.
    pub front: u16,
    /// The port at which it listens.
    pub behind: u16,
}

/// To which group each node belongs; those that are not listed share one.
type Groups = Vec<Option<usize>>;

/// Between two nodes.
#[derive(Clone)]
struct Wire {
    groups: watch::Receiver<Groups>,
    ends: (usize, usize),
}

impl Mesh {
    /// For nodes that listen at these ports behind, and announce those in front; each has a bus port 10000 higher.
    pub fn start(nodes: &[Place]) -> Mesh {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let (groups, seen) = watch::channel(vec![None; nodes.len()]);
        let ips: Vec<Ipv4Addr> = nodes.iter().map(|node| node.ip).collect();
        for (to, &Place { ip, front, behind }) in nodes.iter().enumerate() {
            for above in [0, 10_000] {
                let (front, behind) = (front + above, behind + above);
                // A test may be in a runtime of its own, in which nothing may block for another.
                let listener = std::net::TcpListener::bind(SocketAddr::from((ip, front))).unwrap();
                listener.set_nonblocking(true).unwrap();
                let listener = {
                    let _here = runtime.enter();
                    TcpListener::from_std(listener).unwrap()
                };
                let (nodes, groups) = (ips.clone(), seen.clone());
                runtime.spawn(async move {
                    while let Ok((caller, address)) = listener.accept().await {
                        let Some(from) = nodes.iter().position(|&node| node == address.ip()) else {
                            continue;
                        };
                        let wire = Wire {
                            groups: groups.clone(),
                            ends: (from, to),
                        };
                        let target = SocketAddr::from((ip, behind));
                        // A connection that breaks is what the nodes are there to cope with.
                        tokio::spawn(async move {
                            let _ = carry(caller, address.ip(), target, wire).await;
                        });
                    }
                });
            }
        }
        Mesh {
            runtime: Some(runtime),
            groups,
        }
    }

    /// Only nodes of the same group reach each other from now on.
    pub fn cut(&self, groups: &[Vec<usize>]) {
        self.groups.send_modify(|all| {
            for (node, group) in all.iter_mut().enumerate() {
                *group = groups.iter().position(|group| group.contains(&node));
            }
        });
    }

    pub fn heal(&self) {
        self.cut(&[]);
    }
}

impl Drop for Mesh {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Wire {
    /// Returns as soon as both ends are in the same group. `None` when the mesh has ended.
    async fn whole(&mut self) -> Option<()> {
        let (from, to) = self.ends;
        self.groups
            .wait_for(|groups| groups[from] == groups[to])
            .await
            .ok()
            .map(|_| ())
    }
}

async fn carry(mut caller: TcpStream, from: IpAddr, to: SocketAddr, mut wire: Wire) -> Option<()> {
    wire.whole().await?;
    let mut waiting = Vec::new();
    loop {
        match caller.try_read_buf(&mut waiting) {
            // The caller has given up while there was no way: the other end has never heard of it.
            Ok(0) => return None,
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break,
            Err(_) => return None,
        }
    }
    let socket = TcpSocket::new_v4().ok()?;
    socket.bind(SocketAddr::new(from, 0)).ok()?;
    let mut target = socket.connect(to).await.ok()?;
    let _ = (caller.set_nodelay(true), target.set_nodelay(true));
    target.write_all(&waiting).await.ok()?;
    caller.flush().await.ok()?;
    let (caller, target) = (caller.into_split(), target.into_split());
    tokio::select! {
        end = forward(caller.0, target.1, wire.clone()) => end,
        end = forward(target.0, caller.1, wire) => end,
    }
}

/// Until either end closes; the end, too, is only told when there is a way.
async fn forward(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut wire: Wire) -> Option<()> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let read = from.read(&mut buffer).await.unwrap_or(0);
        wire.whole().await?;
        if read == 0 {
            return None;
        }
        to.write_all(&buffer[..read]).await.ok()?;
    }
}
