//! A member of etcd on addresses of the test's own.

use std::net::Ipv4Addr;
use std::process::{Child, Command, Stdio};

/// One member in a temporary folder, gone with this value.
#[derive(Debug)]
pub struct Etcd {
    folder: tempfile::TempDir,
    child: Child,
    /// Where it is asked.
    pub url: String,
}

impl Etcd {
    /// Starts it on an address that nothing else has.
    pub fn start(host: Ipv4Addr) -> Etcd {
        let folder = tempfile::Builder::new().prefix("tandem-etcd-").tempdir().expect("a temporary folder");
        let log = std::fs::File::create(folder.path().join("log")).expect("the folder is writable");
        let (url, peers) = (format!("http://{host}:2379"), format!("http://{host}:2380"));
        let mut command = Command::new("etcd");
        command.args(["--unsafe-no-fsync", "--name=one", "--log-outputs=stderr", "--logger=zap"]);
        command.arg(format!("--data-dir={}", folder.path().join("data").display()));
        for (option, value) in [("listen", &url), ("advertise", &url)] {
            command.arg(format!("--{option}-client-urls={value}"));
        }
        command.arg(format!("--listen-peer-urls={peers}")).arg(format!("--initial-advertise-peer-urls={peers}"));
        command.arg(format!("--initial-cluster=one={peers}"));
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn();
        Etcd { folder, child: child.expect("etcd-server is installed: setup/install --test"), url }
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            eprintln!("etcd's log ends with:\n{}", lines[lines.len().saturating_sub(10)..].join("\n"));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
