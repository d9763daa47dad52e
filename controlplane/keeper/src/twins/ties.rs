//! Tie-breakers, asked again and again whether they answer.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use units::Instant;

use super::settings::Tie;
use crate::clock::now;

/// Never answered.
const NEVER: u64 = 0;
const ECHO_REQUEST: [u8; 2] = [8, 128];
const ECHO_REPLY: [u8; 2] = [0, 129];

/// One tie-breaker and when it answered last.
#[derive(Clone, Debug)]
pub struct Asked {
    tie: Tie,
    answered: Arc<AtomicU64>,
}

impl Asked {
    /// Asks it in a thread of its own until `ended`; `pause` between two questions, and as long for an answer.
    pub fn start(tie: Tie, pause: Duration, ended: Arc<AtomicBool>) -> io::Result<Asked> {
        let asked = Asked { tie, answered: Arc::new(AtomicU64::new(NEVER)) };
        let answered = asked.answered.clone();
        let ask = move || {
            let mut number = 0_u16;
            while !ended.load(Ordering::Relaxed) {
                number = number.wrapping_add(1);
                let at = now();
                if answers(tie, number, pause) {
                    answered.store(at.micros().max(1), Ordering::Relaxed);
                }
                thread::sleep(pause);
            }
        };
        thread::Builder::new().name("tie-breaker".to_owned()).spawn(ask)?;
        Ok(asked)
    }

    /// When the question was asked that it answered last.
    pub fn answered(&self) -> Option<Instant> {
        let at = self.answered.load(Ordering::Relaxed);
        (at != NEVER).then(|| Instant::from_micros(at))
    }

    /// As operators wrote it.
    pub fn name(&self) -> String {
        match self.tie {
            Tie::Echo(ip) => ip.to_string(),
            Tie::Connect(to) => to.to_string(),
        }
    }
}

fn answers(tie: Tie, number: u16, patience: Duration) -> bool {
    match tie {
        Tie::Echo(ip) => echo(ip, number, patience).unwrap_or(false),
        Tie::Connect(to) => match TcpStream::connect_timeout(&to, patience) {
            Ok(_) => true,
            // Somebody is there to refuse.
            Err(error) => error.kind() == io::ErrorKind::ConnectionRefused,
        },
    }
}

/// RFC 792 and RFC 4443 §4: an echo request with a mark of this process, and the reply to it.
fn echo(ip: IpAddr, number: u16, patience: Duration) -> io::Result<bool> {
    let six = usize::from(ip.is_ipv6());
    let (domain, protocol) =
        if ip.is_ipv6() { (Domain::IPV6, Protocol::ICMPV6) } else { (Domain::IPV4, Protocol::ICMPV4) };
    let mut socket = Socket::new(domain, Type::RAW, Some(protocol))?;
    socket.connect(&SocketAddr::new(ip, 0).into())?;
    let mut request = vec![ECHO_REQUEST[six], 0, 0, 0];
    request.extend(((std::process::id() & 0xffff) as u16).to_be_bytes());
    request.extend(number.to_be_bytes());
    if six == 0 {
        // The kernel does it for ICMPv6.
        let sum = crate::frames::checksum(&request);
        request[2..4].copy_from_slice(&sum.to_be_bytes());
    }
    socket.write_all(&request)?;
    let late = now().plus_millis(patience.as_millis() as u64);
    let mut bytes = [0; 512];
    while now() < late {
        socket.set_read_timeout(Some(Duration::from_millis(late.millis_since(now()).max(1))))?;
        let length = socket.read(&mut bytes)?;
        // IPv4 comes with its header, whose length stands in its first byte in words of four.
        let head = if six == 1 { 0 } else { usize::from(bytes[0] & 0x0f) * 4 };
        let reply = bytes.get(head..length).unwrap_or_default();
        if reply.len() >= 8 && reply[0] == ECHO_REPLY[six] && reply[4..8] == request[4..8] {
            return Ok(true);
        }
    }
    Ok(false)
}
