//! A plain relay on tokio: a socket and a task a port.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::{Progress, Turn};

struct Tokio {
    runtime: tokio::runtime::Runtime,
    relayed: Arc<AtomicU64>,
}

/// One task a port: receive, send from the pair's other port.
pub fn relay(ports: Vec<SocketAddr>, peer: SocketAddr) -> (Vec<SocketAddr>, Box<dyn Turn>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let relayed = Arc::new(AtomicU64::new(0));
    let inside = runtime.enter();
    let sockets: Vec<Arc<tokio::net::UdpSocket>> = ports
        .iter()
        .map(|port| {
            let socket = UdpSocket::bind(port).expect("a media port");
            socket.set_nonblocking(true).expect("a socket that does not block");
            Arc::new(tokio::net::UdpSocket::from_std(socket).expect("a socket of the runtime"))
        })
        .collect();
    for place in 0..sockets.len() {
        let (from, to, relayed) = (Arc::clone(&sockets[place]), Arc::clone(&sockets[place ^ 1]), Arc::clone(&relayed));
        runtime.spawn(async move {
            let mut bytes = [0; 2_048];
            while let Ok((length, _)) = from.recv_from(&mut bytes).await {
                if to.send_to(&bytes[..length], peer).await.is_ok() {
                    relayed.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
    }
    drop(inside);
    (ports, Box::new(Tokio { runtime, relayed }))
}

impl Turn for Tokio {
    fn turn(&mut self, progress: &Progress) {
        self.runtime.block_on(async { tokio::time::sleep(Duration::from_millis(20)).await });
        progress.relayed.store(self.relayed.load(Ordering::Relaxed), Ordering::Relaxed);
    }
}
