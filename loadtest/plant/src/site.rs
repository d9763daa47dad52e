//! A site: the programs of a layout on its hosts, started, killed, frozen, asked.

mod builds;
mod centres;
mod parts;

use std::collections::BTreeMap;
use std::fs::File;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::Duration;

use acceptance::books::Record;
use acceptance::switch::declaration_of;
use acceptance::{asked, figures, program, signal, until};
use rustix::process::Signal;
use serde_json::Value;

use crate::carriers::{self, ORIGINATOR, TERMINATOR};
use crate::hosts::{Hosts, run};
use crate::layout::{Host, Layout, Role};
pub use builds::{FIRST, next};
pub use parts::{MEDIA, PAGES, Part, SIPS};

/// The database's shared address, where there is a pair.
const DATABASE_SHARED: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 200);
/// The balancers' shared address, where it is not the database's.
const SIP_SHARED: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 201);
/// Where carriers are, where hosts have public addresses.
const CARRIERS_PUBLIC: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 251);
/// The password of all.
const PASSWORD: &str = "secret";
/// Seconds without a sign of the primary after which the other database takes over.
pub const TAKEOVER_S: u64 = 3;
/// The revision of a switch in which nothing was entered.
const EMPTY: u64 = 1;
/// How long anything may take to be up.
const UP_MAX: Duration = Duration::from_secs(180);

/// How a site's programs are told of each other and of the world.
#[derive(Clone, Copy, Debug, Default)]
struct Ways {
    /// Planes and balancers are told where etcd is.
    together: bool,
    /// SIP, media and pages have addresses of their own.
    public: bool,
}

/// A running site. Everything goes with this value.
#[derive(Debug)]
pub struct Site {
    running: BTreeMap<(String, Part), Child>,
    hosts: Hosts,
    layout: Layout,
    /// The data centre that is in use.
    centre: u8,
    folder: tempfile::TempDir,
    runs: u32,
    ways: Ways,
    /// Where hosts have other programs than the first ones.
    builds: BTreeMap<String, PathBuf>,
}

impl Site {
    /// Lays cables and starts everything; calls can come when this returns.
    pub fn build(line: &str) -> Site {
        Site::lay(line, Ways::default())
    }

    /// The same, with planes and balancers that know each other by etcd.
    pub fn build_together(line: &str) -> Site {
        Site::lay(line, Ways { together: true, ..Ways::default() })
    }

    /// The same, with a public address beside each host's own one: carriers and operators come there.
    pub fn build_public(line: &str) -> Site {
        Site::lay(line, Ways { together: true, public: true })
    }

    fn lay(line: &str, ways: Ways) -> Site {
        let layout: Layout = line.parse().unwrap_or_else(|flaw| panic!("{line}: {flaw:#}"));
        let folder = tempfile::Builder::new().prefix("tandem-plant-").tempdir().expect("a temporary folder");
        let mut hosts = Hosts::new();
        let beside = |own: &[Ipv4Addr], public| if ways.public { [own, &[public]].concat() } else { own.to_vec() };
        hosts.add(carriers::HOST, &beside(&[ORIGINATOR, TERMINATOR], CARRIERS_PUBLIC));
        layout.hosts().iter().for_each(|host| hosts.add(&host.name, &beside(&[host.ip()], host.public())));
        let (running, builds) = (BTreeMap::new(), BTreeMap::new());
        let mut site = Site { running, hosts, layout, centre: 1, folder, runs: 0, ways, builds };
        site.start_databases();
        site.start_switch();
        site
    }

    /// The hosts, for pulling cables.
    pub fn hosts(&self) -> &Hosts {
        &self.hosts
    }

    /// What stands where.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Hosts of a role in the data centre that is in use.
    fn here(&self, role: Role) -> impl Iterator<Item = &Host> {
        self.layout.at(self.centre, role)
    }

    /// Where carriers send their calls, unless they have a core of their own.
    pub fn sip(&self) -> Ipv4Addr {
        let balancers: Vec<&Host> = self.here(Role::Balancer).collect();
        match balancers[..] {
            [] => self.outer(self.here(Role::Core).next().expect("a layout has a core")),
            [one] => self.outer(one),
            _ if balancers.iter().all(|host| host.is(Role::Sql)) => DATABASE_SHARED,
            _ => SIP_SHARED,
        }
    }

    /// Where the world finds a host.
    pub(crate) fn outer(&self, host: &Host) -> Ipv4Addr {
        if self.ways.public { host.public() } else { host.ip() }
    }

    /// Where the database is.
    fn database(&self) -> Ipv4Addr {
        if self.centre > 1 {
            return self.layout.remote().ip();
        }
        let one = self.layout.with(Role::Sql).next().expect("a layout has a database");
        if self.layout.has_pair() { DATABASE_SHARED } else { one.ip() }
    }

    /// The host where operators work.
    fn desk(&self) -> &Host {
        let web = self.here(Role::Web).next();
        web.or_else(|| self.here(Role::Core).next()).expect("a layout has a core")
    }

    fn start_databases(&mut self) {
        self.found_databases();
        let of = |role: Role| -> Vec<String> { self.layout.with(role).map(|host| host.name.clone()).collect() };
        let (states, databases) = (of(Role::State), of(Role::Sql));
        states.iter().for_each(|host| self.start(host, Part::State));
        let part = if self.layout.has_pair() { Part::Keeper } else { Part::Database };
        databases.iter().for_each(|host| self.start(host, part));
        until(UP_MAX, "the database answers", || self.sql("SELECT 1"));
        if self.layout.has_pair() {
            self.until_home();
        }
        self.start_remote();
    }

    fn start_switch(&mut self) {
        std::fs::write(self.folder.path().join("key"), [b'k'; 40]).expect("the folder is writable");
        let desk = self.desk().name.clone();
        self.start(&desk, Part::Control);
        until(UP_MAX, "the control plane has made its tables", || {
            self.data(&desk).join("run/database").is_file().then_some(())
        });
        self.apply(&declaration_of(ORIGINATOR, TERMINATOR));
        let hosts: Vec<Host> = self.layout.hosts().to_vec();
        hosts.iter().for_each(|host| self.start_host(&host.name));
        self.here(Role::Core).for_each(|host| self.until_core_works(&host.name));
        if self.shares_sip() {
            self.until_sip_is_held();
        }
    }

    /// Makes the switch so.
    pub fn apply(&self, text: &str) {
        let file = self.folder.path().join("switch.yaml");
        std::fs::write(&file, text).expect("the folder is writable");
        self.tandem(&["apply", "--file", &file.display().to_string()]).expect("the file is applied");
    }

    /// The same, with its only originator at this core alone; returns when all cores know.
    pub fn assign_to(&self, core: &str) {
        let nodes = format!("    policy: {{ nodes: [{}] }}\n", self.layout.host(core).number);
        let cores = || self.here(Role::Core).map(|host| self.revision(&host.name));
        let before: Vec<u64> = cores().collect();
        self.apply(&(declaration_of(ORIGINATOR, TERMINATOR) + &nodes));
        until(UP_MAX, "all cores know", || cores().zip(&before).all(|(now, before)| now > *before).then_some(()));
    }

    /// The revision that a core decides by; 0 while it has none.
    fn revision(&self, core: &str) -> u64 {
        let told = figures(&self.data(core).join("run/dataplane.sock"));
        told.and_then(|all| all["revision"].as_u64()).unwrap_or(0)
    }

    /// Starts all of a host's programs that do not run, or have ended, as a supervisor does.
    pub fn start_host(&mut self, name: &str) {
        for part in self.parts(name) {
            let child = self.running.get_mut(&(name.to_owned(), part));
            let runs = child.is_some_and(|child| matches!(child.try_wait(), Ok(None)));
            if !runs {
                self.start(name, part);
            }
        }
    }

    fn start(&mut self, host: &str, part: Part) {
        let log = File::options().create(true).append(true).open(self.log(host, part)).expect("the folder is writable");
        let mut command = self.command(self.layout.host(host), part);
        let child = command.stdout(log.try_clone().expect("a file can be named twice")).stderr(log).spawn();
        self.running.insert((host.to_owned(), part), child.expect("ip starts"));
    }

    /// kill -9 of one program.
    pub fn kill(&mut self, host: &str, part: Part) {
        let mut child = self.running.remove(&(host.to_owned(), part)).unwrap_or_else(|| panic!("{host} runs {part:?}"));
        child.kill().expect("the program was started here");
        let _ = child.wait();
    }

    /// kill -9 of everything on a host, at once.
    pub fn kill_host(&mut self, host: &str) {
        let parts: Vec<Part> = self.running.keys().filter(|(at, _)| at == host).map(|(_, part)| *part).collect();
        parts.iter().for_each(|part| signal(self.pid(host, *part), Signal::KILL));
        parts.iter().for_each(|part| self.kill(host, *part));
    }

    /// kill -9 of a database of a pair; its keeper lives.
    pub fn kill_database(&self, host: &str) {
        signal(self.database_pid(host), Signal::KILL);
    }

    /// Lets a database of a pair stand still, or go on.
    pub fn freeze_database(&self, host: &str, still: bool) {
        signal(self.database_pid(host), if still { Signal::STOP } else { Signal::CONT });
    }

    fn database_pid(&self, host: &str) -> u32 {
        let pid = std::fs::read_to_string(self.base(host).join("pid")).expect("the database says its process");
        pid.trim().parse().expect("a number")
    }

    /// Lets a program stand still, or go on.
    pub fn freeze(&self, host: &str, part: Part, still: bool) {
        signal(self.pid(host, part), if still { Signal::STOP } else { Signal::CONT });
    }

    /// Starts what is missing anywhere, until every core carries calls again.
    pub fn all_come_back(&mut self) {
        let hosts: Vec<Host> = self.layout.hosts().to_vec();
        let (cores, others): (Vec<&Host>, Vec<&Host>) =
            hosts.iter().filter(|host| host.centre == self.centre).partition(|host| host.is(Role::Core));
        others.into_iter().for_each(|host| self.start_host(&host.name));
        cores.into_iter().for_each(|host| self.comes_back(&host.name));
    }

    /// Starts what is missing on a core, until it carries calls again.
    pub fn comes_back(&mut self, core: &str) {
        until(UP_MAX, &format!("{core} is back"), || {
            // A port may be taken for a moment by who was killed: then the program ends, and is started again.
            self.start_host(core);
            self.works(core).then_some(())
        });
    }

    fn pid(&self, host: &str, part: Part) -> u32 {
        self.running.get(&(host.to_owned(), part)).unwrap_or_else(|| panic!("{host} runs {part:?}")).id()
    }

    /// What `tandem` says where operators work; the reason if it fails.
    pub fn tandem(&self, words: &[&str]) -> Result<String, String> {
        let desk = &self.desk().name;
        let mut command = self.hosts.command(desk, &program("tandem"));
        let out = command.args(words).arg("--data").arg(self.data(desk)).output().expect("tandem starts");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if out.status.success() { Ok(text(&out.stdout)) } else { Err(text(&out.stderr)) }
    }

    fn asked(&self, words: &[&str]) -> Option<Value> {
        serde_json::from_str(&self.tandem(words).ok()?).ok()
    }

    /// All calls' records so far; `None` while the database does not answer.
    pub fn records(&self) -> Option<Vec<Record>> {
        let rows = self.asked(&["cdr", "search", "--limit", "0", "-o", "json"])?;
        Some(rows.as_array()?.iter().cloned().map(Record).collect())
    }

    /// All balances; `None` while the database does not answer.
    pub fn accounts(&self) -> Option<Value> {
        self.asked(&["accounts", "list", "-o", "json"])
    }

    /// A database shell on the carriers' host, as the switch's own user.
    pub fn shell(&self) -> Command {
        let mut command = self.hosts.command(carriers::HOST, "mariadb".as_ref());
        command.args(["--no-defaults", "-utandem", "-n", "-BN", "--connect-timeout=1"]);
        command.arg(format!("-p{PASSWORD}")).arg(format!("-h{}", self.database())).arg("tandem");
        command
    }

    /// The same for somebody who tries again at once where an address is just moving: the kernel would for a second.
    pub fn writer(&self) -> Command {
        let shell = self.shell();
        let mut command = self.hosts.command(carriers::HOST, "bash".as_ref());
        let script = "until timeout 0.2 bash -c \"</dev/tcp/$0/3306\" 2>/dev/null; do sleep 0.02; done; exec \"$@\"";
        command.args(["-c", script, &self.database().to_string()]);
        // The host and what dies with us stand before the program.
        let words = shell.get_args().skip_while(|word| *word != "mariadb");
        command.args(words);
        command
    }

    /// What the database answers; `None` if it does not.
    pub fn sql(&self, sql: &str) -> Option<String> {
        let out = self.shell().args(["-e", sql]).output().expect("the mariadb program is installed");
        out.status.success().then(|| String::from_utf8_lossy(&out.stdout).trim().to_owned())
    }

    /// `tandem cluster` on a host with etcd.
    pub fn cluster(&self, words: &[&str]) -> Option<Value> {
        self.try_cluster(words).map(|said| serde_json::from_str(&said).unwrap_or(Value::Null))
    }

    /// What it says, on the first host on which it is carried out.
    fn try_cluster(&self, words: &[&str]) -> Option<String> {
        let states: Vec<&Host> = self.layout.with(Role::State).collect();
        let ask = |host: &&Host| {
            let mut command = self.hosts.command(&host.name, &program("tandem-cluster"));
            let settings = self.keeper_settings(&self.layout.with(Role::Sql).next()?.name);
            let out = command.args(words).arg("--settings").arg(settings).output().expect("tandem-cluster starts");
            out.status.success().then(|| String::from_utf8_lossy(&out.stdout).into_owned())
        };
        states.iter().find_map(ask)
    }

    /// The number of the host whose database is primary, and of the one that has every acknowledged commit as well.
    pub fn book(&self) -> Option<(u64, u64)> {
        let status = self.cluster(&["status", "--output", "json"])?;
        status["database"]["held"].as_bool()?.then_some(())?;
        Some((status["database"]["holder"].as_u64()?, status["database"]["sync"].as_u64().unwrap_or(0)))
    }

    /// Waits until the first database is primary and counts on the other.
    pub fn until_home(&self) {
        let numbers: Vec<u64> = self.layout.with(Role::Sql).map(|host| u64::from(host.number)).collect();
        until(UP_MAX, "the database is at home and in sync", || {
            (self.book()? == (numbers[0], numbers[1])).then_some(())
        });
    }

    /// Waits until a core decides from what was entered and balancers send it calls.
    pub fn until_core_works(&self, core: &str) {
        until(UP_MAX, &format!("{core} works"), || self.works(core).then_some(()));
    }

    fn works(&self, core: &str) -> bool {
        let inside = format!("{}:5062", self.layout.host(core).ip());
        let is_up = |row: &Value| row["at"] == inside && row["state"] == "up";
        let mut balancers = self.layout.at(self.layout.host(core).centre, Role::Balancer);
        self.revision(core) > EMPTY
            && balancers.all(|host| {
                let rows = asked(&self.balancer_data(&host.name).join("run/balancer.sock"), "\"cores\"");
                rows.is_some_and(|rows| rows["cores"].as_array().into_iter().flatten().any(is_up))
            })
    }

    /// Calls that a core began since it was started; 0 while it does not answer.
    pub fn begun(&self, core: &str) -> u64 {
        let counters = figures(&self.data(core).join("run/dataplane.sock")).map(|mut all| all["counters"].take());
        let counters: Vec<(String, u64)> =
            counters.and_then(|all| serde_json::from_value(all).ok()).unwrap_or_default();
        counters.into_iter().find(|(name, _)| name == "calls_begun").map_or(0, |(_, count)| count)
    }

    /// A folder or file name that no run had before.
    pub fn next_run(&mut self) -> String {
        self.runs += 1;
        format!("run{}", self.runs)
    }

    /// Where files of runs go.
    pub fn folder(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// What the programs wrote last, for who has to find out why.
    pub fn tell(&self) {
        for (host, part) in self.running.keys() {
            let text = std::fs::read_to_string(self.log(host, *part)).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            eprintln!("--- {host} {part:?}\n{}", lines[lines.len().saturating_sub(25)..].join("\n"));
        }
    }

    /// Balancers share an address that is not a database's.
    fn shares_sip(&self) -> bool {
        self.sip() == SIP_SHARED
    }

    /// Waits until a balancer has the shared address.
    fn until_sip_is_held(&self) {
        let held = || self.cluster(&["status", "--output", "json"])?["addresses"][0]["held"].as_bool()?.then_some(());
        until(UP_MAX, "a balancer has the shared address", held);
    }

    /// The same tables for all databases: made once.
    fn found_databases(&self) {
        let mut made: Option<PathBuf> = None;
        for host in self.layout.with(Role::Sql).chain(self.layout.with(Role::Remote)) {
            let (data, own) = (self.base(&host.name), self.own_tables(&host.name));
            std::fs::create_dir(own.trim_start_matches("--tmpdir=")).expect("the folder is writable");
            match &made {
                Some(first) => drop(run("cp", &["-a", &first.display().to_string(), &data.display().to_string()])),
                None => {
                    let words = [
                        "--no-defaults",
                        "--user=root",
                        "--skip-test-db",
                        &own,
                        &format!("--datadir={}", data.display()),
                    ];
                    run("mariadb-install-db", &words);
                    made = Some(data);
                }
            }
        }
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.tell();
        }
        for child in self.running.values_mut() {
            // One that has ended meanwhile needs no killing.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
