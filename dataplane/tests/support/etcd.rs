//! An etcd of the test's own.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use live::{Etcd, Members};

use crate::plane::PATIENCE;

/// One member in a temporary folder, gone with this value.
pub struct Server {
    /// Its base address.
    pub url: String,
    process: Child,
    _folder: tempfile::TempDir,
}

impl Server {
    /// Starts one and waits until it answers.
    pub fn start() -> Server {
        let folder = tempfile::Builder::new().prefix("tandem-etcd-").tempdir().unwrap();
        let port = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let [url, peers] = [(); 2].map(|()| format!("http://127.0.0.1:{}", port()));
        // It dies with the test, however the test dies.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "etcd", "--unsafe-no-fsync", "--name=one", "--data-dir"]);
        command.arg(folder.path().join("data"));
        command.arg(format!("--listen-client-urls={url}")).arg(format!("--advertise-client-urls={url}"));
        command.arg(format!("--listen-peer-urls={peers}")).arg(format!("--initial-advertise-peer-urls={peers}"));
        command.arg(format!("--initial-cluster=one={peers}")).stdout(Stdio::null()).stderr(Stdio::null());
        let process = command.spawn().expect("etcd-server is installed: setup/install --test");
        let server = Server { url, process, _folder: folder };
        let (etcd, deadline) = (server.ask(), Instant::now() + PATIENCE);
        while etcd.list("/").is_err() {
            assert!(Instant::now() < deadline, "etcd answers");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        server
    }

    /// A way to it.
    pub fn ask(&self) -> Etcd {
        Etcd::new(Members { urls: vec![self.url.clone()], patience: PATIENCE, ..Members::default() }).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}
