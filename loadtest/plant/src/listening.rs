//! Who listens where: what the kernel says, and what somebody outside finds open.

use std::collections::BTreeSet;
use std::fmt;
use std::net::Ipv4Addr;

use crate::site::Site;

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
}
