//! Ports for programs that are about to start.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicU32, Ordering};

/// Below those that the kernel gives to whoever asks for any (`ip_local_port_range`), so that no other test's socket gets one meanwhile.
const FIRST: u32 = 10_000;
const COUNT: u32 = 10_000;

/// A port that nobody has on either loopback address, for UDP and TCP, and that no other test of this process was given.
pub fn free_port() -> u16 {
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    loop {
        let nth = std::process::id().wrapping_mul(97).wrapping_add(GIVEN.fetch_add(1, Ordering::Relaxed));
        let port = u16::try_from(FIRST + nth % COUNT).expect("it is below 65,536");
        let is_free = |host: &str| {
            let at = SocketAddr::new(host.parse::<IpAddr>().expect("an address"), port);
            // A host without IPv6 has no such port at all.
            let taken = |bound: std::io::Result<()>| bound.is_err_and(|flaw| flaw.kind() == ErrorKind::AddrInUse);
            !taken(UdpSocket::bind(at).map(drop)) && !taken(TcpListener::bind(at).map(drop))
        };
        if is_free("127.0.0.1") && is_free("::1") {
            return port;
        }
    }
}
