//! Whether somebody else answers for a shared address, and telling the neighbours that it is here.
//!
//! Nobody waits for an answer before an address is taken over: a node that stands still answers for its addresses as before, since its kernel
//! lives, and the arbiter has said already that its time is over. So an address is told of at once, and who else answers is looked for
//! meanwhile, and every ten seconds as long as it is here: he is an alarm, and is contradicted (RFC 5227 §2.4 c). Only an address that nobody
//! of this cluster ever had is not taken from somebody who answers: then somebody wrote the wrong address.

use std::io::{self, Read};
use std::net::IpAddr;
use std::os::fd::AsRawFd;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::socket::{LinkAddr, MsgFlags, SockFlag, SockType, bind, sendto, socket};
use socket2::{Domain, Protocol, Socket, Type};

use crate::address::{down, is_up, up};
use crate::frames::{self, Link};
use crate::settings::AddressSettings;

/// How often neighbours are told, and the time between.
const TOLD_TIMES: u32 = 3;
const TOLD_AGAIN: Duration = Duration::from_millis(100);
/// Between two looks at who else answers, and between two contradictions: RFC 5227's DEFEND_INTERVAL.
const LOOK: Duration = Duration::from_secs(10);
/// How often somebody is asked, and how long he has for an answer each time.
const ASKED_TIMES: u32 = 2;
const ANSWER: Duration = Duration::from_millis(30);
/// Between two tries to put up an address that could not be.
const TRIED_AGAIN: Duration = Duration::from_secs(1);
/// EtherType ARP.
const ETHERTYPE_ARP: u16 = 0x0806;

/// The link address of somebody else who answers for the address on its network, in some tens of milliseconds; `None`: nobody does.
pub fn other(address: &AddressSettings) -> io::Result<Option<Link>> {
    let (link, own) = link_of(&address.interface)?;
    let mut socket = listener(address, &link)?;
    let question = match address.ip {
        IpAddr::V4(ip) => frames::probe(own, ip),
        IpAddr::V6(ip) => frames::solicitation(own, ip),
    };
    let ours = own_links()?;
    for _ in 0..ASKED_TIMES {
        send(&link, &question)?;
        let late = Instant::now() + ANSWER;
        while let Some(heard) = hear(&mut socket, address.ip, late)? {
            // On another interface of this machine at the same network the kernel answers itself.
            if let Some(other) = heard.filter(|other| !ours.contains(other)) {
                return Ok(Some(other));
            }
        }
    }
    Ok(None)
}

/// As operators write it.
pub fn name(link: Link) -> String {
    link.map(|byte| format!("{byte:02x}")).join(":")
}

/// Hears ARP, or ICMPv6, on the address's interface.
fn listener(address: &AddressSettings, link: &LinkAddr) -> io::Result<Socket> {
    if address.ip.is_ipv6() {
        let socket = Socket::new(Domain::IPV6, Type::RAW, Some(Protocol::ICMPV6))?;
        socket.bind_device(Some(address.interface.as_bytes()))?;
        return Ok(socket);
    }
    let protocol = Protocol::from(i32::from(ETHERTYPE_ARP.to_be()));
    let socket = Socket::new(Domain::PACKET, Type::RAW, Some(protocol))?;
    bind(socket.as_raw_fd(), link)?;
    Ok(socket)
}

/// The next thing that is heard before it is too late, with who names the address as his by it.
fn hear(socket: &mut Socket, ip: IpAddr, late: Instant) -> io::Result<Option<Option<Link>>> {
    let left = late.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Ok(None);
    }
    socket.set_read_timeout(Some(left))?;
    let mut bytes = [0; 256];
    match socket.read(&mut bytes) {
        Ok(length) => Ok(Some(match ip {
            IpAddr::V4(ip) => frames::speaker(&bytes[..length], ip),
            IpAddr::V6(ip) => frames::advertiser(&bytes[..length], ip),
        })),
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Tells the neighbours once that the address is here.
fn tell(address: &AddressSettings) -> io::Result<()> {
    let (link, own) = link_of(&address.interface)?;
    let frame = match address.ip {
        IpAddr::V4(ip) => frames::announcement(own, ip),
        IpAddr::V6(ip) => frames::advertisement(own, ip),
    };
    send(&link, &frame)
}

fn send(link: &LinkAddr, frame: &[u8]) -> io::Result<()> {
    let packet = socket(nix::sys::socket::AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, None)?;
    sendto(packet.as_raw_fd(), frame, link, MsgFlags::empty())?;
    Ok(())
}

/// The interface as a packet socket names it, and its link address.
fn link_of(interface: &str) -> io::Result<(LinkAddr, Link)> {
    let links = nix::ifaddrs::getifaddrs()?.filter(|entry| entry.interface_name == interface);
    let mut links = links.filter_map(|entry| entry.address?.as_link_addr().copied());
    let found = links.find_map(|link| Some((link, link.addr()?)));
    found.ok_or_else(|| io::Error::other(format!("{interface} has no link address")))
}

/// Of every interface of this machine.
fn own_links() -> io::Result<Vec<Link>> {
    Ok(nix::ifaddrs::getifaddrs()?.filter_map(|entry| entry.address?.as_link_addr()?.addr()).collect())
}

/// An address that is here: the neighbours are told of it, and who else answers for it is looked for, until this value goes.
#[derive(Debug)]
pub struct Watch {
    other: Arc<Mutex<String>>,
    /// The thread ends with it.
    _ends: Sender<()>,
}

impl Watch {
    /// Tells the neighbours at once, by a thread of its own.
    pub fn start(address: &AddressSettings) -> Watch {
        let (ends, ended) = mpsc::channel();
        let (address, other) = (address.clone(), Arc::<Mutex<String>>::default());
        let theirs = other.clone();
        let run = move || {
            for round in 0_u32.. {
                look(&address, round, &theirs);
                let pause = if round < TOLD_TIMES { TOLD_AGAIN } else { LOOK };
                if !matches!(ended.recv_timeout(pause), Err(RecvTimeoutError::Timeout)) {
                    return;
                }
            }
        };
        if let Err(error) = thread::Builder::new().name("neighbours".to_owned()).spawn(run) {
            tracing::warn!(error = error.to_string(), "the neighbours are not told of the address");
        }
        Watch { other, _ends: ends }
    }

    /// The link address of who answers as well; empty: nobody does.
    pub fn other(&self) -> String {
        self.other.lock().expect("nobody panics with the other").clone()
    }
}

/// Tells the neighbours the first few times and as long as somebody else answers, and looks who does.
fn look(address: &AddressSettings, round: u32, known: &Mutex<String>) {
    // The guard may have taken it down meanwhile: it may be another's already.
    if !is_up(address) {
        return;
    }
    let was = known.lock().expect("nobody panics with the other").clone();
    let told = if round < TOLD_TIMES || !was.is_empty() { tell(address) } else { Ok(()) };
    if let Err(error) = told {
        tracing::warn!(error = error.to_string(), "the neighbours are not told of the address");
    }
    let found = match other(address) {
        Ok(found) => found.map_or_else(String::new, name),
        Err(error) => {
            tracing::debug!(error = error.to_string(), "nobody can be asked whether he has the address");
            return;
        }
    };
    // It was given away meanwhile, and who has it answers rightly.
    if !is_up(address) {
        return;
    }
    if found != was && found.is_empty() {
        tracing::info!(ip = %address.ip, "nobody else answers for the address any more");
    } else if found != was {
        tracing::error!(ip = %address.ip, other = found, "somebody else answers for the address: neighbours are told anew as long as he does");
    }
    *known.lock().expect("nobody panics with the other") = found;
}

/// A shared address on this node: put up, taken down, and watched over meanwhile.
#[derive(Debug)]
pub struct Berth {
    address: AddressSettings,
    watch: Option<Watch>,
    /// Why it could not be moved last time; empty: it could.
    failed: String,
    tried: Option<Instant>,
}

impl Berth {
    /// It is not up.
    pub fn new(address: AddressSettings) -> Berth {
        Berth { address, watch: None, failed: String::new(), tried: None }
    }

    /// Whose it is.
    pub fn address(&self) -> &AddressSettings {
        &self.address
    }

    /// Puts it up and tells the neighbours. `first`: nobody of this cluster ever had it. True: it is up.
    pub fn put_up(&mut self, first: bool) -> bool {
        let waits = self.tried.is_some_and(|tried| tried.elapsed() < TRIED_AGAIN);
        if !self.failed.is_empty() && waits {
            return false;
        }
        self.tried = Some(Instant::now());
        let done = self.take(first);
        let is_up = done.is_ok();
        self.noted(done);
        is_up
    }

    fn take(&mut self, first: bool) -> io::Result<()> {
        let theirs = if first { other(&self.address)? } else { None };
        if let Some(link) = theirs {
            return Err(io::Error::other(format!("it is somebody else's already: {} answers for it", name(link))));
        }
        up(&self.address)?;
        self.watch = Some(Watch::start(&self.address));
        Ok(())
    }

    /// Takes it down. True: it is down.
    pub fn put_down(&mut self) -> bool {
        // Nobody is told of it any more.
        self.watch = None;
        let done = down(&self.address).map(drop);
        let is_down = done.is_ok();
        self.noted(done);
        is_down
    }

    fn noted(&mut self, done: io::Result<()>) {
        let why = done.err().map_or_else(String::new, |error| error.to_string());
        if why != self.failed && !why.is_empty() {
            tracing::error!(ip = %self.address.ip, why, "the address cannot be moved");
        }
        self.failed = why;
    }

    /// Why it could not be moved last time; empty: it could.
    pub fn failed(&self) -> &str {
        &self.failed
    }

    /// The link address of who answers for it as well while it is here; empty: nobody does.
    pub fn other(&self) -> String {
        self.watch.as_ref().map_or_else(String::new, Watch::other)
    }
}
