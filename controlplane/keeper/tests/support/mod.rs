//! Two database hosts and a third with the arbiter and whoever writes, in network namespaces of their own, each on a cable to one bridge.

pub mod writer;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// The password of keepers and of the switch's user.
pub const PASSWORD: &str = "secret";
/// The shared address; the nodes have .1 and .2, the third host .9.
pub const SHARED: &str = "10.77.0.100";
/// What the keepers are told.
pub const TAKEOVER_S: u64 = 3;

static WORLDS: AtomicU32 = AtomicU32::new(0);

/// Says loudly when these tests cannot run here, and why.
pub fn may_run() -> bool {
    let root = nix::unistd::geteuid().is_root();
    let found = |program: &str| Command::new(program).arg("--version").output().is_ok();
    let allowed =
        root && found("etcd") && found("mariadbd") && Command::new("ip").args(["netns", "list"]).output().is_ok();
    if !allowed {
        use std::io::Write;
        let sentence = "!!! NOT RUN: a pair of databases takes root, iproute2, etcd-server and mariadb-server";
        let _ = writeln!(std::io::stderr(), "{sentence}");
    }
    allowed
}

/// Three hosts. Everything goes with this value.
pub struct World {
    folder: tempfile::TempDir,
    names: [String; 3],
    etcd: Vec<Child>,
    keepers: [Option<Child>; 2],
    hold_down_s: u64,
}

fn run(program: &str, arguments: &[&str]) {
    let out = Command::new(program).args(arguments).output().expect("the program is installed");
    assert!(out.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&out.stderr));
}

/// Looks until something is there.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let late = Instant::now() + Duration::from_secs(90);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < late, "gave up waiting until {what}");
        sleep(Duration::from_millis(50));
    }
}

impl World {
    /// Hosts, cables, one etcd on the third host, tables for both databases.
    pub fn new(hold_down_s: u64) -> World {
        let number = WORLDS.fetch_add(1, Ordering::Relaxed);
        let names = ["1", "2", "9"].map(|host| format!("tandem-k{}-{number}-{host}", std::process::id()));
        let folder = tempfile::Builder::new().prefix("tandem-pair-").tempdir().unwrap();
        let mut world = World { folder, names, etcd: vec![], keepers: [None, None], hold_down_s };
        world.lay_cables();
        let etcd = world.start(2, "etcd", &world.etcd_words(), "etcd");
        world.etcd.push(etcd);
        world.found();
        world
    }

    fn lay_cables(&self) {
        for name in &self.names {
            run("ip", &["netns", "add", name]);
            run("ip", &["-n", name, "link", "set", "lo", "up"]);
        }
        let third = &self.names[2];
        run("ip", &["-n", third, "link", "add", "bridge0", "type", "bridge"]);
        run("ip", &["-n", third, "addr", "add", "10.77.0.9/24", "dev", "bridge0"]);
        run("ip", &["-n", third, "link", "set", "bridge0", "up"]);
        for (node, name) in [(1, &self.names[0]), (2, &self.names[1])] {
            let port = format!("to{node}");
            run("ip", &["-n", third, "link", "add", &port, "type", "veth", "peer", "name", "eth0", "netns", name]);
            run("ip", &["-n", third, "link", "set", &port, "master", "bridge0", "up"]);
            run("ip", &["-n", name, "addr", "add", &format!("10.77.0.{node}/24"), "dev", "eth0"]);
            run("ip", &["-n", name, "link", "set", "eth0", "up"]);
        }
    }

    fn etcd_words(&self) -> Vec<String> {
        let words = "--unsafe-no-fsync --name=one --logger=zap --log-outputs=stderr --initial-cluster=one=http://10.77.0.9:2380 \
            --listen-client-urls=http://10.77.0.9:2379 --advertise-client-urls=http://10.77.0.9:2379 \
            --listen-peer-urls=http://10.77.0.9:2380 --initial-advertise-peer-urls=http://10.77.0.9:2380";
        let data = format!("--data-dir={}", self.folder.path().join("etcd.data").display());
        words.split_whitespace().map(str::to_owned).chain([data]).collect()
    }

    /// A process on a host, gone with the test.
    fn start(&self, host: usize, program: &str, words: &[String], log: &str) -> Child {
        let log = File::options().create(true).append(true).open(self.folder.path().join(log)).unwrap();
        Command::new("ip")
            .args(["netns", "exec", &self.names[host], "setpriv", "--pdeathsig", "KILL", program])
            .args(words)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap()
    }

    /// The same tables for both: made once.
    fn found(&self) {
        let first = self.data(1);
        run(
            "mariadb-install-db",
            &["--no-defaults", "--user=root", "--skip-test-db", &format!("--datadir={}", first.display())],
        );
        run("cp", &["-a", &first.display().to_string(), &self.data(2).display().to_string()]);
    }

    pub fn data(&self, node: u16) -> PathBuf {
        self.folder.path().join(format!("data{node}"))
    }

    pub fn socket(&self, node: u16) -> PathBuf {
        self.data(node).join("socket")
    }

    /// The settings file of a node's keeper.
    pub fn settings(&self, node: u16) -> PathBuf {
        let path = self.folder.path().join(format!("keeper{node}.yaml"));
        let data = self.data(node);
        let text = format!(
            "node: {node}\netcd: {{ members: ['http://10.77.0.9:2379'] }}\ndatabase:\n  home: 1\n  \
             nodes: {{ 1: 10.77.0.1, 2: 10.77.0.2 }}\n  data: {}\n  password: {PASSWORD}\n  user_password: {PASSWORD}\n  \
             arguments: ['--innodb-buffer-pool-size=32M', '--innodb-flush-method=fsync', '--innodb-log-file-size=8M']\n  \
             address: {{ ip: {SHARED}, prefix: 24, interface: eth0 }}\n  takeover_s: {TAKEOVER_S}\n  hold_down_s: {}\n  alone_ms: 1500\n",
            data.display(),
            self.hold_down_s,
        );
        fs::write(&path, text).unwrap();
        path
    }

    pub fn start_keeper(&mut self, node: u16) {
        let words = ["--log=info,sqlx=warn", "--settings"].map(str::to_owned);
        let settings = self.settings(node).display().to_string();
        let words: Vec<String> = words.into_iter().chain([settings]).collect();
        let at = usize::from(node) - 1;
        let child = self.start(at, env!("CARGO_BIN_EXE_tandem-keeper"), &words, &format!("keeper{node}"));
        self.keepers[at] = Some(child);
    }

    /// kill -9 of a node's database.
    pub fn kill_database(&self, node: u16) {
        let pid = fs::read_to_string(self.data(node).join("pid")).unwrap();
        run("kill", &["-9", pid.trim()]);
    }

    /// Pulls a node's cable, or plugs it in.
    pub fn cable(&self, node: u16, plugged: bool) {
        run("ip", &["-n", &self.names[2], "link", "set", &format!("to{node}"), if plugged { "up" } else { "down" }]);
    }

    /// The third host, where the arbiter is.
    pub fn third(&self) -> &str {
        &self.names[2]
    }

    /// `tandem cluster` on the third host.
    pub fn cluster(&self, words: &[&str]) -> String {
        let out = Command::new("ip")
            .args(["netns", "exec", self.third(), env!("CARGO_BIN_EXE_tandem-cluster")])
            .args(words)
            .args(["--settings", &self.settings(1).display().to_string()])
            .output()
            .unwrap();
        assert!(out.status.success(), "{words:?}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).unwrap()
    }

    /// One answer of a node's database, if it answers. By its socket: cables do not matter.
    pub fn ask(&self, node: u16, sql: &str) -> Option<String> {
        ask(&self.socket(node), sql)
    }

    /// What keepers and databases wrote last, for who has to find out why.
    pub fn tell(&self) {
        for name in ["etcd", "keeper1", "keeper2", "data1.log", "data2.log"] {
            let text = fs::read_to_string(self.folder.path().join(name)).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            eprintln!("--- {name}\n{}", lines[lines.len().saturating_sub(60)..].join("\n"));
        }
    }
}

pub fn ask(socket: &Path, sql: &str) -> Option<String> {
    let out = Command::new("timeout")
        .args(["2", "mariadb", "--no-defaults", "-utandem_keeper", "-BN", "-e", sql])
        .arg(format!("-p{PASSWORD}"))
        .arg(format!("-S{}", socket.display()))
        .output()
        .unwrap();
    out.status.success().then(|| String::from_utf8_lossy(&out.stdout).trim().to_owned())
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.tell();
        }
        for child in self.keepers.iter_mut().flatten().chain(&mut self.etcd) {
            let _ = child.kill();
            let _ = child.wait();
        }
        for name in &self.names {
            let _ = Command::new("ip").args(["netns", "del", name]).status();
        }
    }
}
