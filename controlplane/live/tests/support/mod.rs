//! An etcd of the test's own.

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use live::{Etcd, Members};

/// One member in a temporary folder, gone with this value.
pub struct Server {
    pub folder: tempfile::TempDir,
    process: Child,
    host: Ipv4Addr,
    url: String,
    words: Vec<String>,
}

impl Server {
    pub fn start() -> Server {
        Server::run("http", |_, _| vec![])
    }

    /// With a certificate of its own that is signed by `ca.pem` in the folder.
    pub fn start_with_tls() -> Server {
        Server::run("https", |folder, host| {
            certify(folder, host);
            let file = |name: &str| folder.join(name).display().to_string();
            vec![format!("--cert-file={}", file("ca.pem")), format!("--key-file={}", file("key.pem"))]
        })
    }

    fn run(scheme: &str, more: impl FnOnce(&Path, Ipv4Addr) -> Vec<String>) -> Server {
        let host = host();
        let folder = tempfile::Builder::new().prefix("tandem-etcd-").tempdir().unwrap();
        let (url, peers) = (format!("{scheme}://{host}:2379"), format!("http://{host}:2380"));
        let data = folder.path().join("data");
        let mut words: Vec<String> =
            ["--unsafe-no-fsync", "--name=one", "--log-outputs=stderr", "--logger=zap"].map(str::to_owned).into();
        words.extend([
            format!("--data-dir={}", data.display()),
            format!("--listen-client-urls={url}"),
            format!("--advertise-client-urls={url}"),
            format!("--listen-peer-urls={peers}"),
            format!("--initial-advertise-peer-urls={peers}"),
            format!("--initial-cluster=one={peers}"),
        ]);
        words.extend(more(folder.path(), host));
        let process = begin(folder.path(), &words);
        Server { folder, process, host, url, words }
    }

    /// As if its disk had been lost.
    pub fn empty(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        std::fs::remove_dir_all(self.folder.path().join("data")).unwrap();
        self.process = begin(self.folder.path(), &self.words);
    }

    /// With another certificate, signed by another authority: both as `ca.pem` in the folder.
    pub fn renew(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        certify(self.folder.path(), self.host);
        self.process = begin(self.folder.path(), &self.words);
    }

    pub fn members(&self) -> Members {
        Members { urls: vec![self.url.clone()], patience: Duration::from_secs(5), ..Members::default() }
    }

    pub fn ask(&self, members: Members) -> Etcd {
        let etcd = Etcd::new(members).unwrap();
        until("etcd answers", || etcd.list("/").ok());
        etcd
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

/// It dies with the test, however the test dies.
fn begin(folder: &Path, words: &[String]) -> Child {
    let log = std::fs::File::options().create(true).append(true).open(folder.join("log")).unwrap();
    Command::new("setpriv")
        .args(["--pdeathsig", "KILL", "etcd"])
        .args(words)
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .expect("etcd-server is installed: setup/install --test")
}

/// A loopback address that nobody else has, so that ports need not be drawn.
fn host() -> Ipv4Addr {
    static DRAWN: AtomicU8 = AtomicU8::new(1);
    let [.., second, third] = std::process::id().to_be_bytes();
    Ipv4Addr::new(127, 64 + second % 64, third, DRAWN.fetch_add(1, Ordering::Relaxed))
}

fn certify(folder: &Path, host: Ipv4Addr) {
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"])
        .args([
            "-subj",
            "/CN=etcd",
            "-addext",
            &format!("subjectAltName=IP:{host}"),
            "-addext",
            "basicConstraints=CA:FALSE",
        ])
        .args(["-keyout", "key.pem", "-out", "ca.pem"])
        .current_dir(folder)
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(made.success(), "openssl makes a certificate");
}

/// Looks until something is there.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let late = Instant::now() + Duration::from_secs(180);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < late, "gave up waiting until {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
