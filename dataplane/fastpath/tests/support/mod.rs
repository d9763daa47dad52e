//! Two hosts on one machine: a switch and its peers in network namespaces of their own, with two cables between them. Where the variable
//! CARDS is set, its machine has two pairs of cards that are connected already (`machine`), and they are used instead of virtual cables.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, UdpSocket};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use fastpath::{FastPath, Mode, Settings};
use socket2::{Domain, Protocol, Socket, Type};

/// The first of our RTP ports in all tests.
pub const PORT_LOW: u16 = 20_000;

/// `ETH_P_ALL` of `linux/if_ether.h`.
const EVERY_PROTOCOL: u16 = 3;

/// The machine's cards by the ends that they become, where they are to be used.
const CARDS: [(&str, &str); 4] = [("eth0", "a0"), ("eth1", "a1"), ("eth2", "b0"), ("eth3", "b1")];

static WORLDS: AtomicU32 = AtomicU32::new(0);

/// Names of the two namespaces; both end with it.
pub struct World {
    switch: String,
    peers: String,
}

/// Says loudly when these tests cannot run here, and why.
pub fn may_run() -> bool {
    let allowed = nix::unistd::geteuid().is_root() && Command::new("ip").args(["netns", "list"]).output().is_ok();
    if !allowed {
        say("!!! NOT RUN: the fast path is tested in network namespaces, which takes root and iproute2");
    }
    allowed
}

fn with_cards() -> bool {
    std::env::var_os("CARDS").is_some()
}

/// Past the test harness, which keeps to itself what a passed test prints.
fn say(sentence: &str) {
    let _ = writeln!(std::io::stderr(), "{sentence}");
}

fn run(program: &str, arguments: &[&str]) {
    let out = Command::new(program).args(arguments).output().expect("the program is installed");
    assert!(out.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&out.stderr));
}

impl World {
    /// Cables a0–a1 and b0–b1; 0 is the switch's end. Peers compute whole checksums, as a packet from a real cable has.
    pub fn new() -> World {
        let number = WORLDS.fetch_add(1, Ordering::Relaxed);
        let name = |what: &str| format!("tandem-{what}-{}-{number}", std::process::id());
        let world = World { switch: name("s"), peers: name("p") };
        run("ip", &["netns", "add", &world.switch]);
        run("ip", &["netns", "add", &world.peers]);
        if with_cards() {
            for (card, end) in CARDS {
                run("ip", &["link", "set", card, "netns", world.space_of(end), "name", end]);
            }
        }
        for cable in ["a", "b"] {
            let (ours, theirs) = (format!("{cable}0"), format!("{cable}1"));
            if !with_cards() {
                let end = [&theirs, "netns", &world.peers];
                let words = ["-n", &world.switch, "link", "add", &ours, "type", "veth", "peer", "name"];
                run("ip", &[&words[..], &end].concat());
                run("ip", &["netns", "exec", &world.peers, "ethtool", "-K", &theirs, "tx", "off"]);
            }
            world.on_switch(&["link", "set", &ours, "up"]);
            world.on_peers(&["link", "set", &theirs, "up"]);
        }
        world.on_switch(&["link", "set", "lo", "up"]);
        world.on_peers(&["link", "set", "lo", "up"]);
        world
    }

    /// The usual addresses: 192.0.2.1 and 2001:db8:a::1 are ours on cable a, 198.51.100.1 and 2001:db8:b::1 on cable b; peers end in 2 and 3.
    pub fn addressed() -> World {
        let world = World::new();
        for (cable, v4, v6) in [("a", "192.0.2", "2001:db8:a"), ("b", "198.51.100", "2001:db8:b")] {
            world.on_switch(&["addr", "add", &format!("{v4}.1/24"), "dev", &format!("{cable}0")]);
            world.on_switch(&["addr", "add", &format!("{v6}::1/64"), "dev", &format!("{cable}0"), "nodad"]);
            for host in [2, 3] {
                world.on_peers(&["addr", "add", &format!("{v4}.{host}/24"), "dev", &format!("{cable}1")]);
                world.on_peers(&["addr", "add", &format!("{v6}::{host}/64"), "dev", &format!("{cable}1"), "nodad"]);
            }
        }
        world
    }

    /// Whether this kernel has interfaces of VLANs; says so loudly if not.
    pub fn knows_vlans(&self) -> bool {
        let arguments = ["-n", &self.switch, "link", "add", "link", "a0", "name", "a0.9", "type", "vlan", "id", "9"];
        let known = Command::new("ip").args(arguments).output().expect("ip runs").status.success();
        if !known {
            say("!!! NOT RUN: this kernel has no VLANs (8021q)");
        }
        known
    }

    /// The switch wraps what it sends to a peer of cable b in IPv6 (RFC 8986); says so loudly where this kernel cannot.
    pub fn wraps(&self, to: &str) -> bool {
        let route = ["-n", &self.switch, "route", "add", to, "encap", "seg6", "mode", "encap", "segs", "2001:db8:b::3"];
        let arguments = [&route[..], &["dev", "b0"]].concat();
        let wraps = Command::new("ip").args(arguments).output().expect("ip runs").status.success();
        if !wraps {
            say("!!! NOT RUN: this kernel has no segment routing (seg6)");
        }
        wraps
    }

    /// The namespace that this end of a cable stands in.
    fn space_of(&self, end: &str) -> &str {
        if end.ends_with('0') { &self.switch } else { &self.peers }
    }

    /// `ip` in the switch's namespace.
    pub fn on_switch(&self, arguments: &[&str]) {
        run("ip", &[&["-n", &self.switch], arguments].concat());
    }

    /// `ip` in the peers' namespace.
    pub fn on_peers(&self, arguments: &[&str]) {
        run("ip", &[&["-n", &self.peers], arguments].concat());
    }

    /// Runs on a thread that stands in the switch's namespace.
    pub fn as_switch<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        stand_in(&self.switch, work)
    }

    /// The same among the peers.
    pub fn as_peer<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        stand_in(&self.peers, work)
    }

    /// The program on both of the switch's cables. Over veth a driver takes redirected packets only if its other end listens in
    /// XDP too, so the peers get the program with no flows.
    pub fn fast_path(&self, mode: Mode) -> (FastPath, FastPath) {
        let load = move |ends: [&str; 2], mode| {
            let interfaces = ends.map(String::from).to_vec();
            FastPath::load(&Settings { mode, interfaces, port_low: PORT_LOW, port_high: PORT_LOW + 99 })
                .expect("the kernel takes it")
        };
        (self.as_switch(move || load(["a0", "b0"], mode)), self.as_peer(move || load(["a1", "b1"], Mode::Xdp)))
    }

    /// A peer's socket.
    pub fn peer(&self, address: &str) -> UdpSocket {
        let address: SocketAddr = address.parse().expect("an address");
        self.as_peer(move || socket(address))
    }

    /// Sees every packet of the peers, from its IP header on (packet(7)).
    pub fn watch(&self) -> Socket {
        self.as_peer(|| {
            let all = Protocol::from(i32::from(EVERY_PROTOCOL.to_be()));
            let socket = Socket::new(Domain::PACKET, Type::DGRAM, Some(all)).expect("root may watch");
            socket.set_read_timeout(Some(Duration::from_secs(120))).expect("a timeout can be set");
            socket
        })
    }

    /// A socket of the switch: what the fast path does not take comes to it.
    pub fn ours(&self, address: &str) -> UdpSocket {
        let address: SocketAddr = address.parse().expect("an address");
        self.as_switch(move || socket(address))
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // Cards go back before their namespace goes, so that the next world finds them.
        for (card, end) in CARDS.into_iter().filter(|_| with_cards()) {
            let back = ["-n", self.space_of(end), "link", "set", end, "down", "netns", "1", "name", card];
            let _ = Command::new("ip").args(back).output();
        }
        for name in [&self.switch, &self.peers] {
            let _ = Command::new("ip").args(["netns", "del", name]).output();
        }
    }
}

fn socket(address: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind(address).expect("the address is free");
    socket.set_read_timeout(Some(Duration::from_secs(120))).expect("a timeout can be set");
    socket
}

fn stand_in<T: Send + 'static>(namespace: &str, work: impl FnOnce() -> T + Send + 'static) -> T {
    let file = File::open(format!("/run/netns/{namespace}")).expect("the namespace is there");
    let thread = std::thread::spawn(move || {
        nix::sched::setns(file, nix::sched::CloneFlags::CLONE_NEWNET).expect("root may enter it");
        work()
    });
    thread.join().expect("the work did not panic")
}

/// An RTP packet of 20 ms of G.711 (RFC 3550 §5.1), number `sequence` of its source.
pub fn rtp(sequence: u16, ssrc: u32) -> Vec<u8> {
    let mut out = vec![0x80, 0];
    out.extend(sequence.to_be_bytes());
    out.extend((u32::from(sequence) * 160).to_be_bytes());
    out.extend(ssrc.to_be_bytes());
    out.extend((0..160).map(|place| (place as u16 ^ sequence) as u8));
    out
}

/// The byte of DSCP and ECN, and the hops that are left, of the next datagram that is seen to a port.
pub fn marks(mut watching: &Socket, port: u16) -> (u8, u8) {
    const UDP: u8 = 17;
    let mut bytes = [0; 2_000];
    loop {
        let length = watching.read(&mut bytes).expect("a packet within five seconds");
        // RFC 791 §3.1 and RFC 8200 §3.
        let (class, hops, protocol, udp) = match bytes[0] >> 4 {
            4 => (bytes[1], bytes[8], bytes[9], 4 * usize::from(bytes[0] & 15)),
            6 => (bytes[0] << 4 | bytes[1] >> 4, bytes[7], bytes[6], 40),
            _ => continue,
        };
        if protocol == UDP && bytes[..length].get(udp + 2..udp + 4) == Some(&port.to_be_bytes()[..]) {
            return (class, hops);
        }
    }
}

/// What comes next, and from whom.
pub fn next(socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut bytes = [0; 2_000];
    let (length, from) = socket.recv_from(&mut bytes).expect("a packet within five seconds");
    (bytes[..length].to_vec(), from)
}
