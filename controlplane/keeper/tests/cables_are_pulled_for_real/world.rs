//! Two hosts with keepers and a third with whoever asks and writes, in network namespaces of their own, each on a cable to one bridge.
//! etcd has one member, on the third host, or three, one on each.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::net::IpAddr;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use cluster::{PanelAnswer, PanelAsk};
use keeper::twins::disk;

use crate::timed;

/// The password of keepers and of the switch's user.
pub const PASSWORD: &str = "secret";
/// The database's shared address; the nodes have .1 and .2, the third host .9.
pub const SHARED: &str = "10.77.0.100";
/// The shared address of SIP, at home on node 1, and that of the pages, at home on node 2.
pub const SIP_SHARED: &str = "10.77.0.200";
pub const PAGES_SHARED: &str = "fd77::200";
/// What the keepers are told.
pub fn takeover_s() -> u64 {
    // Where it does not matter how long things take, the machine may be slow.
    if timed() { 3 } else { 5 }
}
const HOLD_DOWN_S: u64 = 2;
/// So long may writes stop for handing over.
fn freeze_ms() -> u64 {
    if timed() { 1_000 } else { 3_000 }
}
/// How long something that must come may take: nothing is said by it, and a busy machine takes its time.
const COMES_S: u64 = 240;
/// Two servers without a third count in a quarter of that, and must be heard by a busy machine.
pub const TWINS_TAKEOVER_S: u64 = 8;
/// How long the primary may be silent.
pub const SILENT_S: u64 = 6;
/// Nothing waits for the disk, which other tests may keep busy: processes are killed here, and what they wrote outlives them.
const NO_DISK: &str = "'--innodb-flush-method=nosync', '--debug-no-sync'";
/// Where keepers tell metrics.
pub const METRICS: u16 = 9_810;
/// Hosts by their last byte.
pub const HOSTS: [u16; 3] = [1, 2, 9];
/// The node of the other data centre.
pub const REMOTE: u16 = 3;

static WORLDS: AtomicU32 = AtomicU32::new(0);

/// Says loudly when these tests cannot run here, and why.
pub fn may_run() -> bool {
    let root = nix::unistd::geteuid().is_root();
    let found = |program: &str| Command::new(program).arg("--version").output().is_ok();
    let allowed = root
        && ["etcd", "mariadbd", "mariadb-backup", "nft"].into_iter().all(found)
        && Command::new("ip").args(["netns", "list"]).output().is_ok();
    if !allowed {
        let sentence = "!!! NOT RUN: keepers on hosts of their own take root, iproute2, nftables, etcd-server, mariadb-server and mariadb-backup";
        let _ = writeln!(std::io::stderr(), "{sentence}");
    }
    allowed
}

/// What the nodes share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeps {
    Databases,
    Addresses,
    /// Databases, without a third host that decides: a second cable goes from one node to the other. True: there is a fence command.
    Twins(bool),
}

/// Three hosts. Everything goes with this value.
pub struct World {
    pub folder: tempfile::TempDir,
    names: [String; 4],
    keeps: Keeps,
    /// By host; the third one's first where there is but one.
    pub etcd: [Option<Child>; 3],
    keepers: [Option<Child>; 3],
    frozen: Vec<u32>,
}

pub fn run(program: &str, arguments: &[&str]) {
    let out = Command::new(program).args(arguments).output().expect("the program is installed");
    assert!(out.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&out.stderr));
}

/// Looks until something is there.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let late = Instant::now() + Duration::from_secs(COMES_S);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < late, "gave up waiting until {what}");
        sleep(Duration::from_millis(20));
    }
}

/// Sends a signal to a process. One that ended by itself a moment ago needs none.
pub fn signal(name: &str, pid: u32) {
    let sent = Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).output().unwrap();
    let there = Path::new("/proc").join(pid.to_string()).exists();
    assert!(sent.status.success() || !there, "kill -{name} {pid}: {}", String::from_utf8_lossy(&sent.stderr));
}

impl World {
    /// Hosts, cables, etcd, tables for both databases.
    pub fn new(keeps: Keeps, members: usize) -> World {
        let number = WORLDS.fetch_add(1, Ordering::Relaxed);
        let names = [HOSTS[0], HOSTS[1], HOSTS[2], REMOTE]
            .map(|host| format!("tandem-k{}-{number}-{host}", std::process::id()));
        let folder = tempfile::Builder::new().prefix("tandem-pair-").tempdir().unwrap();
        let (etcd, keepers) = ([None, None, None], [None, None, None]);
        let mut world = World { folder, names, keeps, etcd, keepers, frozen: vec![] };
        world.lay_cables();
        let hosts = 3 - members..3;
        for host in hosts.clone() {
            let words = world.etcd_words(host, &hosts.clone().collect::<Vec<_>>());
            world.etcd[host] = Some(world.start(host, "etcd", &words, &format!("etcd{}", HOSTS[host])));
        }
        if keeps != Keeps::Addresses {
            world.found();
        }
        if let Keeps::Twins(_) = keeps {
            world.lay_second_cable();
            disk::found(&world.arbiter(1), 1).unwrap();
        }
        world
    }

    fn lay_cables(&self) {
        for name in &self.names {
            run("ip", &["netns", "add", name]);
            run("ip", &["-n", name, "link", "set", "lo", "up"]);
        }
        let third = &self.names[2];
        run("ip", &["-n", third, "link", "add", "bridge0", "type", "bridge"]);
        for address in ["10.77.0.9/24", "fd77::9/64"] {
            run("ip", &["-n", third, "addr", "add", address, "dev", "bridge0"]);
        }
        run("ip", &["-n", third, "link", "set", "bridge0", "up"]);
        for (node, name) in [(1, &self.names[0]), (2, &self.names[1]), (REMOTE, &self.names[3])] {
            let port = format!("to{node}");
            run("ip", &["-n", third, "link", "add", &port, "type", "veth", "peer", "name", "eth0", "netns", name]);
            run("ip", &["-n", third, "link", "set", &port, "master", "bridge0", "up"]);
            for address in [format!("10.77.0.{node}/24"), format!("fd77::{node}/64")] {
                run("ip", &["-n", name, "addr", "add", &address, "dev", "eth0"]);
            }
            run("ip", &["-n", name, "link", "set", "eth0", "up"]);
        }
    }

    fn lay_second_cable(&self) {
        let [first, second, ..] = &self.names;
        run("ip", &["-n", first, "link", "add", "eth1", "type", "veth", "peer", "name", "eth1", "netns", second]);
        for (node, name) in [(1, first), (2, second)] {
            run("ip", &["-n", name, "addr", "add", &format!("10.78.0.{node}/24"), "dev", "eth1"]);
            run("ip", &["-n", name, "link", "set", "eth1", "up"]);
        }
    }

    /// Pulls the cable that goes from one node to the other, or plugs it in.
    pub fn second_cable(&self, plugged: bool) {
        run("ip", &["-n", &self.names[0], "link", "set", "eth1", if plugged { "up" } else { "down" }]);
    }

    /// The folder of a node's arbiter, where there is no third.
    pub fn arbiter(&self, node: u16) -> PathBuf {
        self.folder.path().join(format!("arbiter{node}"))
    }

    /// Where a node's control plane would ask its keeper.
    pub fn panel(&self, node: u16) -> PathBuf {
        self.folder.path().join(format!("panel{node}"))
    }

    /// What a keeper's panel answers.
    pub fn asked(&self, node: u16, ask: PanelAsk) -> PanelAnswer {
        let mut stream = UnixStream::connect(self.panel(node)).unwrap();
        stream.write_all((serde_json::to_string(&ask).unwrap() + "\n").as_bytes()).unwrap();
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer).unwrap();
        serde_json::from_str(&answer).unwrap()
    }

    /// Whom the fence command was told to turn off.
    pub fn fenced(&self) -> String {
        fs::read_to_string(self.folder.path().join("fenced")).unwrap_or_default()
    }

    fn twins(&self, node: u16, fence: bool) -> String {
        let mut text = format!(
            "panel: {{ socket: {} }}\npair:\n  paths: [{{ 1: 10.77.0.1, 2: 10.77.0.2 }}, {{ 1: 10.78.0.1, 2: 10.78.0.2 }}]\n  \
             secret: {PASSWORD}-of-many-letters\n  tie_breakers: ['10.77.0.9']\n  folder: {}\n",
            self.panel(node).display(),
            self.arbiter(node).display()
        );
        if fence {
            let said = self.folder.path().join("fenced");
            text += &format!("  fence: {{ command: [sh, -c, 'echo $0 >> {}'], seconds: 2 }}\n", said.display());
        }
        text
    }

    pub fn etcd_words(&self, host: usize, members: &[usize]) -> Vec<String> {
        let at = |host: &usize, port: u16| format!("http://10.77.0.{}:{port}", HOSTS[*host]);
        let (asked, peers) = (at(&host, 2379), at(&host, 2380));
        let all: Vec<String> = members.iter().map(|member| format!("m{member}={}", at(member, 2380))).collect();
        let data = self.folder.path().join(format!("etcd{}.data", HOSTS[host]));
        // What members agree on within: a tenth of what keepers count in.
        let words = format!(
            "--unsafe-no-fsync --name=m{host} --logger=zap --log-outputs=stderr --heartbeat-interval=50 --election-timeout=500 --pre-vote \
             --listen-client-urls={asked} --advertise-client-urls={asked} --listen-peer-urls={peers} \
             --initial-advertise-peer-urls={peers} --initial-cluster={} --data-dir={}",
            all.join(","),
            data.display()
        );
        words.split_whitespace().map(str::to_owned).collect()
    }

    /// A process on a host, gone with the test.
    pub fn start(&self, host: usize, program: &str, words: &[String], log: &str) -> Child {
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
        // Servers that start remove each other's temporary tables from a shared folder.
        let temporary = format!("TMPDIR={}", self.folder.path().display());
        let data = format!("--datadir={}", first.display());
        run("env", &[&temporary, "mariadb-install-db", "--no-defaults", "--user=root", "--skip-test-db", &data]);
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
        let members: Vec<String> = self
            .etcd
            .iter()
            .zip(HOSTS)
            .filter_map(|(member, host)| member.as_ref().map(|_| format!("'http://10.77.0.{host}:2379'")))
            .collect();
        let keeps = match self.keeps {
            Keeps::Databases => self.database(node),
            Keeps::Addresses => addresses(node),
            Keeps::Twins(fence) => self.twins(node, fence) + &self.database(node),
        };
        let (metrics, members) = (format!("10.77.0.{node}:{METRICS}"), members.join(", "));
        fs::write(&path, format!("node: {node}\nmetrics: {metrics}\netcd: {{ members: [{members}] }}\n{keeps}"))
            .unwrap();
        path
    }

    fn database(&self, node: u16) -> String {
        format!(
            "database:\n  home: 1\n  nodes: {{ 1: 10.77.0.1, 2: 10.77.0.2 }}\n  data: {}\n  password: {PASSWORD}\n  \
             user_password: {PASSWORD}\n  \
             arguments: ['--innodb-buffer-pool-size=32M', '--innodb-log-file-size=8M', {NO_DISK}]\n  \
             address: {{ ip: {SHARED}, prefix: 24, interface: eth0 }}\n  takeover_s: {}\n  \
             hold_down_s: {HOLD_DOWN_S}\n  alone_ms: 1500\n  freeze_ms: {}\n  silent_s: {SILENT_S}\n",
            self.data(node).display(),
            if let Keeps::Twins(_) = self.keeps { TWINS_TAKEOVER_S } else { takeover_s() },
            freeze_ms(),
        )
    }

    /// The settings file of a node that has a remote replica, made from another node's.
    pub fn join_remote(&self, from: &Path, node: u16) -> PathBuf {
        let path = self.folder.path().join(format!("remote{node}.yaml"));
        let _ = fs::remove_file(&path);
        let (place, remote) = (path.display().to_string(), format!("{node}=10.77.0.{node}"));
        let from = from.display().to_string();
        let words = ["join", "--from", &from, "--remote", &remote, "--settings", &place];
        run(env!("CARGO_BIN_EXE_tandem-cluster"), &words);
        let mut settings: serde_json::Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        settings["remote"]["folder"] = self.remote_folder(node).display().to_string().into();
        settings["database"]["data"] = self.data(node).display().to_string().into();
        // Long enough for a story in which it does not change whom it follows.
        settings["database"]["takeover_s"] = 60.into();
        fs::write(&path, settings.to_string()).unwrap();
        path
    }

    /// Where the keeper of a remote replica leaves what it knows.
    pub fn remote_folder(&self, node: u16) -> PathBuf {
        self.folder.path().join(format!("remote{node}"))
    }

    /// Tables for the remote replica, the same as the others'.
    pub fn found_remote(&self) {
        run("cp", &["-a", &self.data(1).display().to_string(), &self.data(REMOTE).display().to_string()]);
    }

    /// `tandem cluster` beside a remote replica: whether it was carried out, and what it said.
    pub fn remote_cluster(&self, settings: &Path, words: &[&str]) -> (bool, String) {
        let out = Command::new(env!("CARGO_BIN_EXE_tandem-cluster"))
            .args(words)
            .args(["--settings", &settings.display().to_string()])
            .output()
            .unwrap();
        let said = [out.stdout, out.stderr].concat();
        (out.status.success(), String::from_utf8_lossy(&said).into_owned())
    }

    pub fn start_keeper(&mut self, node: u16) {
        let settings = self.settings(node);
        self.start_keeper_with(node, &settings);
    }

    pub fn start_keeper_with(&mut self, node: u16, settings: &Path) {
        let words = ["--log=info,sqlx=warn", "--settings"].map(str::to_owned);
        let settings = settings.display().to_string();
        let words: Vec<String> = words.into_iter().chain([settings]).collect();
        let at = usize::from(node) - 1;
        let host = if node == REMOTE { 3 } else { at };
        let child = self.start(host, env!("CARGO_BIN_EXE_tandem-keeper"), &words, &format!("keeper{node}"));
        self.keepers[at] = Some(child);
    }

    /// A node's keeper, as a process.
    pub fn keeper(&self, node: u16) -> u32 {
        self.keepers[usize::from(node) - 1].as_ref().unwrap().id()
    }

    /// Sends a keeper a signal that ends it, and waits for that.
    pub fn end_keeper(&mut self, node: u16, name: &str) {
        signal(name, self.keeper(node));
        self.keepers[usize::from(node) - 1].take().unwrap().wait().unwrap();
    }

    /// A node's database, as a process.
    pub fn database_process(&self, node: u16) -> u32 {
        fs::read_to_string(self.data(node).join("pid")).unwrap().trim().parse().unwrap()
    }

    /// The guard of a node's database: its parent.
    pub fn guard(&self, node: u16) -> u32 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.database_process(node))).unwrap();
        stat.rsplit(')').next().unwrap().split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// Freezes everything of a node.
    pub fn freeze(&mut self, node: u16) {
        self.frozen = vec![self.keeper(node), self.guard(node), self.database_process(node)];
        for pid in &self.frozen {
            signal("STOP", *pid);
        }
    }

    /// Lets it go on.
    pub fn thaw(&mut self) {
        for pid in self.frozen.drain(..).rev() {
            signal("CONT", pid);
        }
    }

    /// Ends a member of etcd, by the last byte of its host.
    pub fn kill_member(&mut self, host: u16) {
        let at = HOSTS.iter().position(|known| *known == host).unwrap();
        let mut member = self.etcd[at].take().unwrap();
        member.kill().unwrap();
        member.wait().unwrap();
    }

    /// Starts it again with what it had.
    pub fn start_member(&mut self, host: u16) {
        let at = HOSTS.iter().position(|known| *known == host).unwrap();
        self.etcd[at] = Some(self.start(at, "etcd", &self.etcd_words(at, &[0, 1, 2]), &format!("etcd{host}")));
    }

    /// Lets the member of etcd on this host lead the others.
    pub fn lead(&self, host: u16) {
        until(&format!("the member on host {host} leads"), || {
            let told = self.etcdctl(&["endpoint", "status", "--cluster", "--write-out=json"])?;
            let told: serde_json::Value = serde_json::from_str(&told).ok()?;
            let ends =
                |at: &serde_json::Value, host: u16| at.as_str().is_some_and(|at| at.contains(&format!(".{host}:")));
            let member = told.as_array()?.iter().find(|member| ends(&member["Endpoint"], host))?;
            let (own, leader) = (&member["Status"]["header"]["member_id"], &member["Status"]["leader"]);
            if own == leader {
                return Some(());
            }
            let leads = |member: &&serde_json::Value| member["Status"]["header"]["member_id"] == *leader;
            let leading = told.as_array()?.iter().find(leads)?["Endpoint"].as_str()?;
            // It is seen by the next look whether it was done.
            self.etcdctl(&["move-leader", &format!("{:x}", own.as_u64()?), "--endpoints", leading])?;
            None
        });
    }

    /// What etcd's own program says on the third host; `None`: it failed.
    pub fn etcdctl(&self, words: &[&str]) -> Option<String> {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", self.third(), "etcdctl"]).args(words).env("ETCDCTL_API", "3");
        if !words.contains(&"--endpoints") {
            command.args(["--endpoints", "http://10.77.0.9:2379"]);
        }
        let out = command.output().unwrap();
        out.status.success().then(|| String::from_utf8_lossy(&out.stdout).into_owned())
    }

    /// Pulls a node's cable, or plugs it in.
    pub fn cable(&self, node: u16, plugged: bool) {
        run("ip", &["-n", &self.names[2], "link", "set", &format!("to{node}"), if plugged { "up" } else { "down" }]);
    }

    /// Nothing goes from this node to these hosts; an empty list heals it.
    pub fn cut(&self, node: u16, to: &[u16]) {
        let nft = |rules: &str| {
            let host = if node == REMOTE { 3 } else { usize::from(node) - 1 };
            run("ip", &["netns", "exec", &self.names[host], "nft", rules]);
        };
        nft("add table inet cut; flush table inet cut");
        nft("add chain inet cut out { type filter hook output priority 0; }");
        for host in to {
            nft(&format!("add rule inet cut out ip daddr 10.77.0.{host} drop"));
        }
    }

    /// The third host, where whoever asks and writes is.
    pub fn third(&self) -> &str {
        &self.names[2]
    }

    /// The nodes' hosts.
    pub fn hosts(&self) -> [&str; 2] {
        [&self.names[0], &self.names[1]]
    }

    /// `tandem cluster` on the third host.
    pub fn cluster(&self, words: &[&str]) -> String {
        let out = self.try_cluster(words);
        assert!(out.status.success(), "{words:?}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).unwrap()
    }

    pub fn try_cluster(&self, words: &[&str]) -> Output {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", self.third(), env!("CARGO_BIN_EXE_tandem-cluster")]).args(words);
        command.args(["--settings", &self.settings(1).display().to_string()]).output().unwrap()
    }

    /// What `tandem cluster status` tells programs, as soon as the arbiter answers: one that has just lost a member, or a machine that has
    /// much else to do, lets a question wait in vain.
    pub fn status(&self) -> serde_json::Value {
        until("the arbiter answers", || {
            let out = self.try_cluster(&["status", "--output", "json"]);
            out.status.success().then(|| serde_json::from_slice(&out.stdout).unwrap())
        })
    }

    /// Who holds the database, as the arbiter knows it: etcd, or whichever of two servers told last.
    pub fn book(&self) -> serde_json::Value {
        if let Keeps::Twins(_) = self.keeps {
            let reports = [1, 2].map(|node| disk::reported(&self.arbiter(node)).ok());
            let newest = reports.into_iter().flatten().max_by_key(|report| report.at_ms);
            return serde_json::to_value(newest.unwrap().page).unwrap();
        }
        self.status()["database"].take()
    }

    /// One answer of a node's database, if it answers. By its socket: cables do not matter.
    pub fn ask(&self, node: u16, sql: &str) -> Option<String> {
        ask(&self.socket(node), sql)
    }

    /// Keeps a node's database from applying anything for so many seconds.
    pub fn lock(&self, node: u16, seconds: u64) -> Child {
        self.begin(node, &format!("FLUSH TABLES WITH READ LOCK; SELECT SLEEP({seconds})"))
    }

    /// Tells a node's database something, and does not wait for the answer.
    pub fn begin(&self, node: u16, sql: &str) -> Child {
        Command::new("mariadb")
            .args(["--no-defaults", "-utandem_keeper", "-BN"])
            .arg(format!("-e{sql}"))
            .arg(format!("-p{PASSWORD}"))
            .arg(format!("-S{}", self.socket(node).display()))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    /// What a program wrote so far: `keeper1`, `data1.log`.
    pub fn said(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(name)).unwrap_or_default()
    }

    /// What keepers and databases wrote last, for who has to find out why.
    pub fn tell(&self) {
        for name in ["etcd9", "keeper1", "keeper2", "keeper3", "data1.log", "data2.log", "data3.log"] {
            let text = self.said(name);
            let lines: Vec<&str> = text.lines().collect();
            eprintln!("--- {name}\n{}", lines[lines.len().saturating_sub(60)..].join("\n"));
        }
    }
}

/// SIP prefers node 1, the pages node 2.
fn addresses(node: u16) -> String {
    let times = format!("takeover_s: {}, hold_down_s: {HOLD_DOWN_S}", takeover_s());
    format!(
        "addresses:\n  - {{ name: sip, ip: {SIP_SHARED}, prefix: 24, interface: eth0, nodes: [1, 2], \
         check: 'sip 10.77.0.{node}:5060', {times} }}\n  \
         - {{ name: pages, ip: '{PAGES_SHARED}', prefix: 64, interface: eth0, nodes: [2, 1], {times} }}\n"
    )
}

/// An address of the text.
pub fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
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
        for child in self.keepers.iter_mut().chain(&mut self.etcd).flatten() {
            let _ = child.kill();
            let _ = child.wait();
        }
        for name in &self.names {
            let _ = Command::new("ip").args(["netns", "del", name]).status();
        }
    }
}
