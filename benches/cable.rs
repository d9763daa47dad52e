//! Two hosts on one machine: a switch and a peer in network namespaces with a virtual cable between them. Both ends receive on kernel
//! threads of their own, so that what a packet costs the switch, before any program sees it, can be read from such a thread's clock.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Pid;

/// The switch's address.
pub const SWITCH: &str = "192.0.2.1";
/// The peer's.
pub const PEER: &str = "192.0.2.2";

/// The cable, its ends named a0 (the switch's) and a1.
pub struct Cable {
    switch: String,
    peer: String,
}

fn run(program: &str, arguments: &[&str]) {
    let out = Command::new(program).args(arguments).output().expect("the program is installed");
    assert!(out.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&out.stderr));
}

impl Cable {
    /// Lays it; takes root.
    pub fn lay() -> Cable {
        let name = |what: &str| format!("tandem-bench-{what}-{}", std::process::id());
        let cable = Cable { switch: name("s"), peer: name("p") };
        run("ip", &["netns", "add", &cable.switch]);
        run("ip", &["netns", "add", &cable.peer]);
        run(
            "ip",
            &["-n", &cable.switch, "link", "add", "a0", "type", "veth", "peer", "name", "a1", "netns", &cable.peer],
        );
        for (space, end, address) in [(&cable.switch, "a0", SWITCH), (&cable.peer, "a1", PEER)] {
            run("ip", &["-n", space, "addr", "add", &format!("{address}/24"), "dev", end]);
            run("ip", &["-n", space, "link", "set", end, "up"]);
            run("ip", &["netns", "exec", space, "ethtool", "-K", end, "tx", "off", "gro", "on"]);
            run("ip", &["netns", "exec", space, "sh", "-c", &format!("echo 1 > /sys/class/net/{end}/threaded")]);
        }
        // Without a thread the kernel receives before any program runs; otherwise a cable that nobody empties loses what the relay would have had.
        for task in receiving("napi/a0-").chain(receiving("napi/a1-")) {
            let number = task.file_name().and_then(|name| name.to_str()?.parse().ok()).and_then(Pid::from_raw);
            // A cable of another run may just go.
            let _ = number.map(|number| rustix::process::setpriority_process(Some(number), -20));
        }
        cable
    }

    /// Gives both ends a queue in front of their ring of 256 packets, as a card has: whoever sends many at once loses none of them there. Kernels
    /// before 6.16 do not hold back for it.
    #[allow(dead_code, reason = "the other bench counts without")]
    pub fn queue(&self) {
        for (space, end) in [(&self.switch, "a0"), (&self.peer, "a1")] {
            let words =
                ["netns", "exec", space, "tc", "qdisc", "replace", "dev", end, "root", "pfifo", "limit", "10000"];
            run("ip", &words);
        }
    }

    /// Moves the calling thread to the switch.
    pub fn stand_at_switch(&self) {
        stand(&self.switch);
    }

    /// Moves the calling thread to the peer.
    pub fn stand_at_peer(&self) {
        stand(&self.peer);
    }

    /// Reads how many packets the peer's end has received.
    pub fn received_by_peer(&self) -> impl Fn() -> u64 + use<> {
        // The file shows the namespace in which it was opened.
        let open = || {
            self.stand_at_peer();
            File::open("/proc/thread-self/net/dev").expect("the interfaces")
        };
        let file = std::thread::scope(|scope| scope.spawn(open).join().expect("the peer stands"));
        move || {
            let mut text = [0; 4_096];
            let length = file.read_at(&mut text, 0).expect("the interfaces");
            let text = String::from_utf8_lossy(&text[..length]);
            let line = text.lines().find(|line| line.trim_start().starts_with("a1:")).expect("the cable").to_owned();
            line.split_whitespace().nth(2).and_then(|word| word.parse().ok()).expect("packets received")
        }
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

/// Nanoseconds of CPU that a task with this folder in `/proc` has spent.
pub fn spent(task: &Path) -> u64 {
    let line = std::fs::read_to_string(task.join("schedstat")).unwrap_or_default();
    line.split(' ').next().and_then(|word| word.parse().ok()).unwrap_or(0)
}

impl Drop for Cable {
    fn drop(&mut self) {
        for name in [&self.switch, &self.peer] {
            let _ = Command::new("ip").args(["netns", "del", name]).output();
        }
    }
}

fn stand(namespace: &str) {
    let file = File::open(format!("/run/netns/{namespace}")).expect("the namespace is there");
    nix::sched::setns(file, nix::sched::CloneFlags::CLONE_NEWNET).expect("root may enter it");
}
