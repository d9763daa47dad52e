//! Two hosts on one machine: a switch and a peer in network namespaces with a virtual cable between them. Both ends receive on kernel
//! threads of their own, so that what a packet costs the switch, before any program sees it, can be read from such a thread's clock. The peer
//! has the machine's last core, the switch the others.

use std::fs::File;
use std::net::UdpSocket;
use std::path::PathBuf;
use std::process::Command;

use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;

use crate::spent::spent;

/// The switch's address.
pub const SWITCH: &str = "192.0.2.1";
/// The peer's.
pub const PEER: &str = "192.0.2.2";

/// The peer's end looks for packets every so many nanoseconds,
const LOOK_NS: u32 = 20_000;
/// and is woken only after it has found none so often.
const LOOKS: u32 = 500;

/// The cable, its ends named a0 (the switch's) and a1.
pub struct Cable {
    switch: Place,
    peer: Place,
}

/// One of the two hosts.
#[derive(Clone)]
pub struct Place {
    /// Its namespace.
    space: String,
    cores: CpuSet,
}

fn run(program: &str, arguments: &[&str]) {
    let out = Command::new(program).args(arguments).output().expect("the program is installed");
    assert!(out.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&out.stderr));
}

impl Cable {
    /// Lays it; takes root.
    pub fn lay() -> Cable {
        let cable = Cable { switch: Place::new("s", |core, last| core != last), peer: Place::new("p", usize::eq) };
        let (switch, peer) = (&cable.switch.space, &cable.peer.space);
        run("ip", &["netns", "add", switch]);
        run("ip", &["netns", "add", peer]);
        run("ip", &["-n", switch, "link", "add", "a0", "type", "veth", "peer", "name", "a1", "netns", peer]);
        for (space, end, address) in [(switch, "a0", SWITCH), (peer, "a1", PEER)] {
            run("ip", &["-n", space, "addr", "add", &format!("{address}/24"), "dev", end]);
            run("ip", &["-n", space, "link", "set", end, "up"]);
            run("ip", &["netns", "exec", space, "ethtool", "-K", end, "tx", "off", "gro", "on"]);
            run("ip", &["netns", "exec", space, "sh", "-c", &format!("echo 1 > /sys/class/net/{end}/threaded")]);
        }
        // The peer's end looks for packets by itself again and again: to be woken would cost who sends to it an interrupt of another core, which in a
        // machine of a hypervisor is dearer than all the rest.
        for (what, value) in [("napi_defer_hard_irqs", LOOKS), ("gro_flush_timeout", LOOK_NS)] {
            let word = format!("echo {value} > /sys/class/net/a1/{what}");
            run("ip", &["netns", "exec", peer, "sh", "-c", &word]);
        }
        // Without a thread the kernel receives before any program runs, so these go before programs too (chrt(1)); otherwise a cable that nobody
        // empties loses what the relay would have had.
        for (begins, place) in [("napi/a0-", &cable.switch), ("napi/a1-", &cable.peer)] {
            for number in receiving(begins).filter_map(|task| task.file_name()?.to_str()?.parse().ok()) {
                // A cable of another run may just go.
                let _ = Command::new("chrt").args(["-f", "-p", "1", &format!("{number}")]).output();
                let _ = sched_setaffinity(Pid::from_raw(number), &place.cores);
            }
        }
        cable
    }

    /// Whether there is a core for each of the two.
    pub fn has_cores() -> bool {
        cores() > 1
    }

    /// Gives both ends a queue in front of their ring of 256 packets, as a card has: whoever sends many at once loses none of them there. Kernels
    /// before 6.16 do not hold back for it.
    #[allow(dead_code, reason = "the other bench counts without")]
    pub fn queue(&self) {
        for (space, end) in [(&self.switch.space, "a0"), (&self.peer.space, "a1")] {
            let words =
                ["netns", "exec", space, "tc", "qdisc", "replace", "dev", end, "root", "pfifo", "limit", "10000"];
            run("ip", &words);
        }
    }

    /// Moves the calling thread to the switch.
    pub fn stand_at_switch(&self) {
        self.switch.stand();
    }

    /// Moves the calling thread to the peer.
    pub fn stand_at_peer(&self) {
        self.peer.stand();
    }

    /// The peer, for a thread that is to stand there.
    pub fn peer(&self) -> Place {
        self.peer.clone()
    }

    /// A socket of the peer's.
    pub fn peer_socket(&self, port: u16) -> UdpSocket {
        let open = || {
            self.stand_at_peer();
            UdpSocket::bind((PEER, port)).expect("a port of the peer")
        };
        std::thread::scope(|scope| scope.spawn(open).join().expect("the peer stands"))
    }

    /// Number and link address of the switch's end.
    pub fn switch_link(&self) -> (u32, [u8; 6]) {
        self.switch.link("a0")
    }

    /// The same of the peer's.
    pub fn peer_link(&self) -> (u32, [u8; 6]) {
        self.peer.link("a1")
    }

    /// Nanoseconds of CPU that the kernel's threads have spent receiving at the switch's end. The name of such a thread has the interface's.
    pub fn receiving_nanos(&self) -> u64 {
        receiving("napi/a0-").map(|task| spent(&task)).sum()
    }
}

/// Folders in `/proc` of the kernel's threads whose names begin like this.
fn receiving(begins: &str) -> impl Iterator<Item = PathBuf> {
    let tasks = std::fs::read_dir("/proc").expect("proc").flatten().map(|entry| entry.path());
    tasks.filter(move |path| std::fs::read_to_string(path.join("comm")).is_ok_and(|name| name.starts_with(begins)))
}

impl Drop for Cable {
    fn drop(&mut self) {
        for name in [&self.switch.space, &self.peer.space] {
            let _ = Command::new("ip").args(["netns", "del", name]).output();
        }
    }
}

impl Place {
    /// A host with those of the machine's cores that are chosen, by their number and the last one's.
    fn new(what: &str, has: fn(&usize, &usize) -> bool) -> Place {
        let mut own = CpuSet::new();
        for core in (0..cores()).filter(|core| has(core, &(cores() - 1))) {
            own.set(core).expect("a core of this machine");
        }
        Place { space: format!("tandem-bench-{what}-{}", std::process::id()), cores: own }
    }

    /// Moves the calling thread there.
    pub fn stand(&self) {
        let file = File::open(format!("/run/netns/{}", self.space)).expect("the namespace is there");
        nix::sched::setns(file, nix::sched::CloneFlags::CLONE_NEWNET).expect("root may enter it");
        sched_setaffinity(Pid::from_raw(0), &self.cores).expect("cores of this machine");
    }

    fn link(&self, end: &str) -> (u32, [u8; 6]) {
        let out =
            Command::new("ip").args(["-n", &self.space, "-o", "link", "show", "dev", end]).output().expect("ip runs");
        let text = String::from_utf8_lossy(&out.stdout);
        let number = text.split(':').next().and_then(|word| word.parse().ok()).expect("it begins with a number");
        let link =
            text.split_once("link/ether ").and_then(|(_, rest)| rest.split(' ').next()).expect("an Ethernet address");
        let mut bytes = link.split(':').map(|byte| u8::from_str_radix(byte, 16).expect("two digits"));
        (number, [(); 6].map(|()| bytes.next().expect("six bytes")))
    }
}

/// How many the machine has, whatever the calling thread may use.
fn cores() -> usize {
    let lines = std::fs::read_to_string("/proc/stat").expect("proc");
    lines.lines().filter(|line| line.starts_with("cpu") && !line.starts_with("cpu ")).count()
}
