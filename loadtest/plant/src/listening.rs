//! Who listens where: what the kernel says, and what somebody outside finds open.

use std::collections::BTreeSet;
use std::fmt;
use std::net::Ipv4Addr;
use std::process::Stdio;

use crate::site::{SIPS, Site};

/// A socket that takes what strangers send.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listening {
    /// `udp` or `tcp`.
    pub over: String,
    /// Its address; `*`, `0.0.0.0` and `[::]` are all of the host's.
    pub at: String,
    /// Its port.
    pub port: u16,
    /// Whose it is.
    pub program: String,
}

impl fmt::Display for Listening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}:{} of {}", self.over, self.at, self.port, self.program)
    }
}

impl Listening {
    /// Who reaches this address of the host reaches it.
    pub fn is_open_at(&self, address: Ipv4Addr) -> bool {
        let at = self.at.split('%').next().unwrap_or_default();
        ["*", "0.0.0.0", "[::]"].contains(&at) || at == address.to_string()
    }
}

/// What `ss -H -lntup` says: net, state, two queues, own address, the peer's, whose it is.
pub fn read(said: &str) -> Vec<Listening> {
    let line = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (at, port) = words.get(4)?.rsplit_once(':')?;
        let program = words.get(6).and_then(|whose| whose.split('"').nth(1)).unwrap_or("nobody");
        let (over, program) = (words[0].to_owned(), program.to_owned());
        Some(Listening { over, at: at.to_owned(), port: port.parse().ok()?, program })
    };
    said.lines().filter_map(line).collect()
}

impl Site {
    /// All that listens on a host.
    pub fn listening(&self, host: &str) -> Vec<Listening> {
        let out =
            self.hosts().command(host, "ss".as_ref()).args(["-H", "-lntup"]).output().expect("iproute2 is installed");
        read(&String::from_utf8_lossy(&out.stdout))
    }

    /// The TCP ports of an address that take a connection from another host: all 65,535 are tried.
    pub fn open_ports(&self, from: &str, address: Ipv4Addr) -> BTreeSet<u16> {
        let script = "for ((p = 1; p < 65536; p++)); do { exec 3<>/dev/tcp/$0/$p; } 2>/dev/null && echo $p; done; true";
        let mut command = self.hosts().command(from, "bash".as_ref());
        let out = command.args(["-c", script, &address.to_string()]).output().expect("bash is installed");
        assert!(out.status.success(), "every port is tried: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8_lossy(&out.stdout).lines().filter_map(|port| port.parse().ok()).collect()
    }
}

impl Site {
    /// The TCP ports that nmap finds open; `None` where it is not installed.
    pub fn open_by_nmap(&self, from: &str, address: Ipv4Addr) -> Option<BTreeSet<u16>> {
        let mut command = self.hosts().command(from, "nmap".as_ref());
        let words = ["-Pn", "-n", "-sT", "-T4", "-p1-65535", "-oG", "-", &address.to_string()];
        let out = command.args(words).output().ok().filter(|out| out.status.success())?;
        Some(read_nmap(&String::from_utf8_lossy(&out.stdout)))
    }

    /// A handshake by openssl with a host's port for SIP over TLS, and what it shows believed.
    pub fn speak_tls(&self, from: &str, address: Ipv4Addr) -> Result<(), String> {
        let (authority, _, _) = self.certificates();
        let mut command = self.hosts().command(from, "openssl".as_ref());
        command.args(["s_client", "-brief", "-verify_return_error", "-connect", &format!("{address}:{SIPS}")]);
        command.args(["-verify_ip", &address.to_string()]).arg("-CAfile").arg(authority);
        let out = command.stdin(Stdio::null()).output().map_err(|error| error.to_string())?;
        let said = String::from_utf8_lossy(&out.stderr);
        if said.contains("Verification: OK") { Ok(()) } else { Err(said.into_owned()) }
    }
}

/// Ports are told as `Host: 203.0.113.11 ()`, a tab and `Ports: 5060/open/tcp//sip///, 8443/closed/tcp///`.
fn read_nmap(said: &str) -> BTreeSet<u16> {
    let ports = said.lines().filter_map(|line| line.split_once("Ports: ")).flat_map(|(_, ports)| ports.split(", "));
    ports
        .filter(|port| port.contains("/open/"))
        .filter_map(|port| port.split('/').next()?.trim().parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_are_read_and_those_at_all_addresses_are_open_at_each() {
        let said = "udp   UNCONN 0      0       203.0.113.11:5060  0.0.0.0:*  users:((\"tandem-dataplan\",pid=7,fd=9))\n\
                    tcp   LISTEN 0      80         10.77.0.12:3306  0.0.0.0:*  users:((\"mariadbd\",pid=8,fd=9))\n\
                    tcp   LISTEN 0      80                  *:3307        *:*  users:((\"mariadbd\",pid=8,fd=9))\n\
                    tcp   LISTEN 0      80            0.0.0.0:22    0.0.0.0:*\n";
        let all = read(said);
        let public = Ipv4Addr::new(203, 0, 113, 11);
        let open: Vec<String> = all.iter().filter(|one| one.is_open_at(public)).map(ToString::to_string).collect();
        let found = ["udp 203.0.113.11:5060 of tandem-dataplan", "tcp *:3307 of mariadbd", "tcp 0.0.0.0:22 of nobody"];
        assert_eq!((all.len(), open.iter().map(String::as_str).collect::<Vec<_>>()), (4, found.to_vec()));
    }

    #[test]
    fn what_nmap_found_open_is_read() {
        let said = "# Nmap 7.93 scan initiated\nHost: 203.0.113.11 ()\tStatus: Up\n\
                    Host: 203.0.113.11 ()\tPorts: 5060/open/tcp//sip///, 5061/open/tcp//sip-tls///, 9/filtered/tcp//discard///\t\
                    Ignored State: closed (65532)\n";
        assert_eq!(read_nmap(said), BTreeSet::from([5_060, 5_061]));
    }
}
