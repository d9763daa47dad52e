//! Hosts of their own, each on a cable to one bridge: network namespaces, gone with the value.

use std::net::Ipv4Addr;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use acceptance::signal;
use rustix::process::Signal;

/// The name of the host that is only the bridge.
const BRIDGE: &str = "bridge";

/// All hosts of one site.
#[derive(Debug)]
pub struct Hosts {
    site: String,
    names: Vec<String>,
}

/// Why hosts cannot be made here; `None` if they can.
pub fn obstacle() -> Option<&'static str> {
    let works = |program: &str, words: &[&str]| {
        let said = Command::new(program).args(words).stdout(Stdio::null()).stderr(Stdio::null()).status();
        said.is_ok_and(|status| status.success())
    };
    let all = rustix::process::geteuid().is_root()
        && works("ip", &["netns", "list"])
        && works("nft", &["--version"])
        && works("etcd", &["--version"])
        && works("mariadbd", &["--version"]);
    (!all).then_some("it takes root, iproute2, nftables, etcd-server and mariadb-server")
}

/// Runs a program to its end.
///
/// # Panics
/// When it fails.
pub fn run(program: &str, words: &[&str]) -> String {
    let out = Command::new(program).args(words).stdin(Stdio::null()).output();
    let out = out.unwrap_or_else(|flaw| panic!("{program} is installed: {flaw}"));
    assert!(out.status.success(), "{program} {words:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8_lossy(&out.stdout).into_owned()
}

impl Hosts {
    /// A bridge and nobody at it.
    pub fn new() -> Hosts {
        static SITES: AtomicU32 = AtomicU32::new(0);
        let number = SITES.fetch_add(1, Ordering::Relaxed);
        let hosts = Hosts { site: format!("tandem-p{}-{number}", std::process::id()), names: vec![BRIDGE.to_owned()] };
        run("ip", &["netns", "add", &hosts.space(BRIDGE)]);
        hosts.ip(BRIDGE, "link add bridge0 type bridge");
        hosts.ip(BRIDGE, "link set bridge0 up");
        hosts
    }

    /// One more host with these addresses.
    pub fn add(&mut self, name: &str, addresses: &[Ipv4Addr]) {
        self.names.push(name.to_owned());
        let space = self.space(name);
        run("ip", &["netns", "add", &space]);
        self.ip(name, "link set lo up");
        // An interface's name has fifteen characters at most; hosts' names are short.
        self.ip(BRIDGE, &format!("link add to-{name} type veth peer name eth0 netns {space}"));
        self.ip(BRIDGE, &format!("link set to-{name} master bridge0 up"));
        for address in addresses {
            self.ip(name, &format!("addr add {address}/24 dev eth0"));
        }
        self.ip(name, "link set eth0 up");
    }

    fn space(&self, name: &str) -> String {
        format!("{}-{name}", self.site)
    }

    /// `ip` on a host.
    pub fn ip(&self, host: &str, words: &str) {
        let space = self.space(host);
        let words: Vec<&str> = ["-n", &space].into_iter().chain(words.split_whitespace()).collect();
        run("ip", &words);
    }

    /// A program on a host, gone with this process.
    pub fn command(&self, host: &str, program: &std::path::Path) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.space(host), "setpriv", "--pdeathsig", "KILL"]).arg(program);
        command.stdin(Stdio::null());
        command
    }

    /// Pulls a host's cable, or plugs it in.
    pub fn cable(&self, host: &str, plugged: bool) {
        self.ip(BRIDGE, &format!("link set to-{host} {}", if plugged { "up" } else { "down" }));
    }

    /// Nothing that `from` sends arrives at this host any more; what goes the other way does.
    pub fn deafen(&self, host: &str, from: Ipv4Addr) {
        let rules = format!(
            "add table inet cut; add chain inet cut in {{ type filter hook input priority 0; }}; add rule inet cut in ip saddr {from} drop"
        );
        run("ip", &["netns", "exec", &self.space(host), "nft", &rules]);
    }

    /// Nothing goes between this host and those any more, whoever sends it.
    pub fn part(&self, host: &str, from: &[Ipv4Addr]) {
        let them = from.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let rules = format!(
            "add table inet cut; add chain inet cut in {{ type filter hook input priority 0; }}; \
             add chain inet cut out {{ type filter hook output priority 0; }}; \
             add rule inet cut in ip saddr {{ {them} }} drop; add rule inet cut out ip daddr {{ {them} }} drop"
        );
        run("ip", &["netns", "exec", &self.space(host), "nft", &rules]);
    }

    /// The host hears everybody again.
    pub fn heal(&self, host: &str) {
        run("ip", &["netns", "exec", &self.space(host), "nft", "delete table inet cut"]);
    }
}

impl Default for Hosts {
    fn default() -> Hosts {
        Hosts::new()
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        for name in &self.names {
            // What still runs there is ours and has nobody left to end it.
            let space = self.space(name);
            let pids = Command::new("ip").args(["netns", "pids", &space]).output();
            let pids = pids.map(|out| String::from_utf8_lossy(&out.stdout).into_owned()).unwrap_or_default();
            pids.split_whitespace().filter_map(|pid| pid.parse().ok()).for_each(|pid| signal(pid, Signal::KILL));
            let _ = Command::new("ip").args(["netns", "del", &space]).status();
        }
    }
}
