//! The programs of a host and their command lines.

use std::path::PathBuf;
use std::process::Command;

use super::{DATABASE_SHARED, PASSWORD, SIP_SHARED, Site, TAKEOVER_S};
use crate::layout::{Host, Role};

/// A program of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// A member of etcd.
    State,
    /// A database alone.
    Database,
    /// The keeper of a database of a pair, or of a replica of it, with the database.
    Keeper,
    /// The control plane.
    Control,
    /// The data plane.
    Data,
    /// The balancer.
    Balancer,
}

/// Where calls' media goes.
pub const MEDIA: (u16, u16) = (20_000, 24_999);
/// SIP over TLS.
pub const SIPS: u16 = 5_061;
/// Where operators find the pages, where they are public.
pub const PAGES: u16 = 8_443;
/// For so long a replica in another data centre follows a replica that it does not hear.
const FOLLOWS_S: u64 = 60;
/// What a database is given on a host with many others.
const SMALL: [&str; 3] = ["--innodb-buffer-pool-size=32M", "--innodb-flush-method=fsync", "--innodb-log-file-size=8M"];

impl Site {
    /// What runs on a host while all is well. A data centre that waits has its replica alone; of one that is lost, cores may come back.
    pub(super) fn parts(&self, name: &str) -> Vec<Part> {
        let host = self.layout.host(name);
        let (waits, lost) = (host.centre > self.centre, host.centre < self.centre);
        let pair = self.layout.has_pair();
        let shares = host.is(Role::Balancer) && self.shares_sip();
        let kept = host.is(Role::Sql) && pair || shares;
        let all = [
            (host.is(Role::State) && !lost, Part::State),
            (host.is(Role::Sql) && !pair && !lost, Part::Database),
            (kept && !lost || host.is(Role::Remote), Part::Keeper),
            ((host.is(Role::Core) || host.is(Role::Web)) && !waits, Part::Control),
            (host.is(Role::Core) && !waits, Part::Data),
            (host.is(Role::Balancer) && !waits && !lost, Part::Balancer),
        ];
        all.into_iter().filter_map(|(runs, part)| runs.then_some(part)).collect()
    }

    pub(super) fn command(&self, host: &Host, part: Part) -> Command {
        match part {
            Part::State => self.member(host),
            Part::Database => self.alone(host),
            Part::Keeper => self.keeper(host),
            Part::Control => self.control_plane(host),
            Part::Data => self.data_plane(host),
            Part::Balancer => self.balancer(host),
        }
    }

    /// What a host's programs say.
    pub(super) fn log(&self, host: &str, part: Part) -> PathBuf {
        self.folder.path().join(format!("{host}.{part:?}.log"))
    }

    /// A host's data folder, of both planes.
    pub(super) fn data(&self, host: &str) -> PathBuf {
        self.folder.path().join(host).join("data")
    }

    /// A host's balancer's folder.
    pub(super) fn balancer_data(&self, host: &str) -> PathBuf {
        self.folder.path().join(host).join("balancer")
    }

    /// A host's database's folder.
    pub(super) fn base(&self, host: &str) -> PathBuf {
        self.folder.path().join(format!("{host}.database"))
    }

    /// A server that starts removes the temporary tables that it finds, whoever's they are.
    pub(super) fn own_tables(&self, host: &str) -> String {
        format!("--tmpdir={}", self.folder.path().join(format!("{host}.tables")).display())
    }

    /// What a host's keeper is told.
    pub(super) fn keeper_settings(&self, host: &str) -> PathBuf {
        self.folder.path().join(format!("{host}.keeper.yaml"))
    }

    fn member(&self, host: &Host) -> Command {
        let url = |host: &Host, port: u16| format!("http://{}:{port}", host.ip());
        let all: Vec<String> =
            self.layout.with(Role::State).map(|host| format!("{}={}", host.name, url(host, 2_380))).collect();
        let mut command = self.hosts.command(&host.name, "etcd".as_ref());
        // Processes are killed here, machines are not: the kernel keeps what they wrote.
        command.args(["--unsafe-no-fsync", "--logger=zap", "--log-outputs=stderr", "--log-level=warn"]);
        // As `controlplane/keeper/README.md` says for a take-over after three seconds.
        command.args(["--heartbeat-interval=50", "--election-timeout=500", "--pre-vote"]);
        command.arg(format!("--name={}", host.name)).arg(format!("--initial-cluster={}", all.join(",")));
        for (flags, port) in [
            (["--listen-client-urls", "--advertise-client-urls"], 2_379),
            (["--listen-peer-urls", "--initial-advertise-peer-urls"], 2_380),
        ] {
            command.args(flags.map(|flag| format!("{flag}={}", url(host, port))));
        }
        command.arg(format!("--data-dir={}", self.folder.path().join(format!("{}.etcd", host.name)).display()));
        command
    }

    fn alone(&self, host: &Host) -> Command {
        let data = self.base(&host.name);
        let init = self.folder.path().join("init.sql");
        let text = format!(
            "CREATE DATABASE IF NOT EXISTS tandem;\nCREATE OR REPLACE USER tandem@'%' IDENTIFIED BY '{PASSWORD}';\n\
             GRANT ALL ON tandem.* TO tandem@'%';\n"
        );
        std::fs::write(&init, text).expect("the folder is writable");
        let mut command = self.hosts.command(&host.name, "mariadbd".as_ref());
        command
            .args(["--no-defaults", "--user=root", "--skip-name-resolve"])
            .args(SMALL)
            .arg(self.own_tables(&host.name));
        let paths = [
            ("datadir", &data),
            ("socket", &data.join("socket")),
            ("pid-file", &data.join("pid")),
            ("init-file", &init),
        ];
        command.args(paths.map(|(name, path)| format!("--{name}={}", path.display())));
        command
    }

    fn keeper(&self, host: &Host) -> Command {
        if host.is(Role::Remote) {
            return self.keeper_by(host, &self.kept_replica(host));
        }
        let mut text = format!("node: {}\netcd: {{ members: ['{}'] }}\n", host.number, self.members().join("', '"));
        if host.is(Role::Sql) {
            text += &self.kept_database(host);
        }
        if host.is(Role::Balancer) && self.shares_sip() {
            text += &self.kept_address(host);
        }
        self.keeper_by(host, &text)
    }

    /// An authority, and what it says of all public addresses: certificate and key.
    pub(crate) fn certificates(&self) -> (PathBuf, PathBuf, PathBuf) {
        let folder = self.folder.path();
        let made = ["ca.crt", "leaf.crt", "leaf.key"].map(|name| folder.join(name));
        if !made[2].is_file() {
            let names: Vec<String> = self.layout.hosts().iter().map(|host| format!("IP:{}", host.public())).collect();
            acceptance::plane::certificates(folder, &names.join(","));
        }
        let [authority, certificate, key] = made;
        (authority, certificate, key)
    }

    fn members(&self) -> Vec<String> {
        self.layout.with(Role::State).map(|host| format!("http://{}:2379", host.ip())).collect()
    }

    /// How a plane or a balancer knows of the others.
    fn know_others(&self, command: &mut Command) {
        if self.ways.together {
            command.args(["--etcd", &self.members().join(",")]);
        }
    }

    fn keeper_by(&self, host: &Host, text: &str) -> Command {
        let settings = self.keeper_settings(&host.name);
        std::fs::write(&settings, text).expect("the folder is writable");
        let mut command = self.hosts.command(&host.name, &self.installed(&host.name, "tandem-keeper"));
        command.args(["--log=info,sqlx=warn", "--settings"]).arg(settings);
        command
    }

    fn kept_database(&self, host: &Host) -> String {
        self.kept(host, TAKEOVER_S) + &format!("  address: {{ ip: {DATABASE_SHARED}, prefix: 24, interface: eth0 }}\n")
    }

    /// It follows the replica as long as the story needs that.
    fn kept_replica(&self, host: &Host) -> String {
        let folder = self.folder.path().join(format!("{}.remote", host.name));
        let remote = format!("remote: {{ ip: {}, folder: {} }}\n", host.ip(), folder.display());
        format!("node: {}\n", host.number) + &remote + &self.kept(host, FOLLOWS_S)
    }

    fn kept(&self, host: &Host, takeover_s: u64) -> String {
        let pair: Vec<String> =
            self.layout.with(Role::Sql).map(|host| format!("{}: {}", host.number, host.ip())).collect();
        let home = self.layout.with(Role::Sql).next().expect("a layout has a database").number;
        format!(
            "database:\n  home: {home}\n  nodes: {{ {} }}\n  data: {}\n  \
             password: {PASSWORD}\n  user_password: {PASSWORD}\n  arguments: ['{}', '{}']\n  \
             takeover_s: {takeover_s}\n  hold_down_s: 2\n  alone_ms: 1500\n",
            pair.join(", "),
            self.base(&host.name).display(),
            SMALL.join("', '"),
            self.own_tables(&host.name),
        )
    }

    fn kept_address(&self, host: &Host) -> String {
        let nodes: Vec<String> = self.layout.with(Role::Balancer).map(|host| host.number.to_string()).collect();
        format!(
            "addresses:\n  - {{ name: sip, ip: {SIP_SHARED}, prefix: 24, interface: eth0, nodes: [{}], check: 'balancer {}', \
             takeover_s: {TAKEOVER_S}, hold_down_s: 2 }}\n",
            nodes.join(", "),
            self.balancer_data(&host.name).display(),
        )
    }

    fn control_plane(&self, host: &Host) -> Command {
        let mut command = self.hosts.command(&host.name, &self.installed(&host.name, "tandem-controlplane"));
        command.arg("--data").arg(self.data(&host.name)).args(["--node", &host.number.to_string()]);
        command.env("TANDEM_DATABASE", format!("mysql://tandem:{PASSWORD}@{}/tandem", self.database()));
        if self.ways.public && host.is(Role::Web) {
            command.args(["--http", &format!("{}:{PAGES}", host.public())]);
        }
        self.know_others(&mut command);
        command
    }

    fn data_plane(&self, host: &Host) -> Command {
        let mut command = self.hosts.command(&host.name, &self.installed(&host.name, "tandem-dataplane"));
        command.arg("--data").arg(self.data(&host.name)).args(["--node", &host.number.to_string(), "--shards", "1"]);
        command.args(["--host-profile", "off", "--fast-path", "off", "--rtp", &format!("{}-{}", MEDIA.0, MEDIA.1)]);
        // A balancer on the same host has SIP's own port.
        let port = if host.is(Role::Balancer) { 5_064 } else { 5_060 };
        command.args(["--listen", &format!("udp:{}:{port}", self.outer(host))]);
        if self.ways.public {
            command.args(["--listen", &format!("tcp:{}:{port}", self.outer(host))]);
            let (_, certificate, key) = self.certificates();
            let tls = format!("tls:{}:{SIPS},cert={},key={}", self.outer(host), certificate.display(), key.display());
            command.args(["--listen", &tls]);
        }
        let fronts: Vec<String> =
            self.layout.at(host.centre, Role::Balancer).map(|host| format!("balancer={}:5070", host.ip())).collect();
        if !fronts.is_empty() {
            let front = format!("udp:{}:5062,name=front,behind={}:5060,{}", host.ip(), self.sip(), fronts.join(","));
            command.args(["--listen", &front]).arg("--balancer-key").arg(self.folder.path().join("key"));
        }
        self.know_others(&mut command);
        command
    }

    fn balancer(&self, host: &Host) -> Command {
        let cores: Vec<String> =
            self.layout.at(host.centre, Role::Core).map(|core| format!("{}:5062", core.ip())).collect();
        let mut command = self.hosts.command(&host.name, &self.installed(&host.name, "tandem-dataplane"));
        command.args(["--role", "balancer", "--data"]).arg(self.balancer_data(&host.name));
        command.args(["--listen", &format!("udp:{}:5060", self.sip()), "--inside", &format!("{}:5070", host.ip())]);
        command.args(["--host-profile", "off", "--balancer-key"]).arg(self.folder.path().join("key"));
        if !self.ways.together {
            // Else they tell of themselves.
            command.args(["--cores", &cores.join(",")]);
        }
        self.know_others(&mut command);
        command
    }
}
