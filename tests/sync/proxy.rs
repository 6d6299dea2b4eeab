//! A way to a node that can be cut off behind a request: the node has acted, and its reply never comes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Ways to all nodes of a cluster.
pub struct Proxy {
    /// Where each node is, and the way to it.
    pub ways: Vec<(SocketAddr, SocketAddr)>,
    cuts: Arc<AtomicU32>,
}

impl Proxy {
    pub async fn before(nodes: &[SocketAddr]) -> Proxy {
        let cuts = Arc::new(AtomicU32::new(0));
        let mut ways = Vec::new();
        for node in nodes {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            ways.push((*node, listener.local_addr().unwrap()));
            let (node, cuts) = (*node, cuts.clone());
            tokio::spawn(async move {
                while let Ok((client, _)) = listener.accept().await {
                    tokio::spawn(carry(client, node, cuts.clone()));
                }
            });
        }
        Proxy { ways, cuts }
    }

    /// The next so many replies are dropped, each with its connection. How many were to be dropped and have not come.
    pub fn cut(&self, replies: u32) -> u32 {
        self.cuts.swap(replies, Ordering::SeqCst)
    }

    /// How many of them have not come yet.
    pub fn left(&self) -> u32 {
        self.cuts.load(Ordering::SeqCst)
    }
}

async fn carry(client: TcpStream, node: SocketAddr, cuts: Arc<AtomicU32>) {
    let Ok(server) = TcpStream::connect(node).await else {
        return;
    };
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let there = async { tokio::io::copy(&mut from_client, &mut to_server).await };
    let back = async {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            match from_server.read(&mut buffer).await {
                Ok(0) | Err(_) => return,
                Ok(count) => {
                    let fewer = |left: u32| left.checked_sub(1);
                    let cut = cuts.fetch_update(Ordering::SeqCst, Ordering::SeqCst, fewer);
                    if cut.is_ok() || to_client.write_all(&buffer[..count]).await.is_err() {
                        return;
                    }
                }
            }
        }
    };
    tokio::select! {
        _ = there => {}
        () = back => {}
    }
}
