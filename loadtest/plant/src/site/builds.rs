//! Another build of our programs, which says another version, and what it takes to bring a host to it.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use acceptance::{program, until};
use rustix::process::Signal;
use serde_json::Value;

use super::{Part, Site, UP_MAX};
use crate::layout::Role;

/// What our programs say of themselves, as `live` has it.
const TOLD: &str = concat!("tandem, as nodes know each other: version ", env!("CARGO_PKG_VERSION"));
/// The programs of a host.
const PROGRAMS: [&str; 3] = ["tandem-dataplane", "tandem-controlplane", "tandem-keeper"];
/// The control plane of the other build: it brings a step of the database that the first one does not know.
const NEXT_CONTROL: &str = "examples/next-controlplane";
/// That step's number.
const NEXT_STEP: &str = "9001";

/// The version that all programs have at first.
pub const FIRST: &str = env!("CARGO_PKG_VERSION");

/// The version of the other build: the last letter is another.
pub fn next() -> String {
    let last = if FIRST.ends_with('9') { "8" } else { "9" };
    FIRST[..FIRST.len() - 1].to_owned() + last
}

impl Site {
    /// A program of ours as it is installed on a host.
    pub(super) fn installed(&self, host: &str, name: &str) -> PathBuf {
        self.builds.get(host).map_or_else(|| program(name), |folder| folder.join(name))
    }

    /// Installs the other build on a host; what runs there goes on as it is.
    pub fn install_next(&mut self, host: &str) {
        let folder = self.folder.path().join("next");
        if !folder.is_dir() {
            std::fs::create_dir(&folder).expect("the folder is writable");
            PROGRAMS.iter().for_each(|name| self.build_next(name));
        }
        self.builds.insert(host.to_owned(), folder);
    }

    /// The same program with another version in it: as long as the first one, so that nothing else moves.
    fn build_next(&self, name: &str) {
        let from = if name == "tandem-controlplane" { NEXT_CONTROL } else { name };
        let mut bytes = std::fs::read(program(from)).expect("the program can be read");
        let at: Vec<usize> =
            bytes.windows(TOLD.len()).enumerate().filter(|(_, it)| *it == TOLD.as_bytes()).map(|(at, _)| at).collect();
        assert!(!at.is_empty(), "{name} says its version");
        let end = next();
        for at in at {
            let end_at = at + TOLD.len();
            bytes[end_at - end.len()..end_at].copy_from_slice(end.as_bytes());
        }
        let path = self.folder.path().join("next").join(name);
        std::fs::write(&path, bytes).expect("the folder is writable");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).expect("it is ours");
    }

    /// The database has the other build's step.
    pub fn is_migrated(&self) -> bool {
        let newest = until(UP_MAX, "the database tells its step", || {
            self.sql("SELECT MAX(version) FROM _sqlx_migrations WHERE success=1")
        });
        newest == NEXT_STEP
    }

    /// A host's control plane answers.
    pub fn serves(&self, host: &str) -> bool {
        let mut command = self.hosts.command(host, "curl".as_ref());
        let out = command.args(["-s", "--max-time", "2", "http://127.0.0.1:8080/healthz"]).output();
        out.is_ok_and(|out| !out.stdout.is_empty())
    }

    /// A host's control plane dies and is started again, of the build that the host has, until it answers.
    pub fn begin_control_again(&mut self, host: &str) {
        self.kill(host, Part::Control);
        self.start_host(host);
        until(UP_MAX, &format!("the control plane of {host} serves"), || self.serves(host).then_some(()));
    }

    /// A host has its first programs yet.
    pub fn is_first(&self, host: &str) -> bool {
        !self.builds.contains_key(host)
    }

    /// Ends all programs of a host as a service manager does, and waits for each.
    pub fn stop_host(&mut self, host: &str) {
        for part in [Part::Data, Part::Balancer, Part::Control, Part::Keeper, Part::State] {
            let Some(child) = self.running.get_mut(&(host.to_owned(), part)) else { continue };
            acceptance::signal(child.id(), Signal::TERM);
            until(UP_MAX, &format!("{host} ends {part:?}"), || child.try_wait().expect("it was started here"));
            self.running.remove(&(host.to_owned(), part));
        }
    }

    /// What `tandem cluster` says on a host with etcd that answers.
    ///
    /// # Panics
    /// When it fails on each of them.
    pub fn cluster_says(&self, words: &[&str]) -> String {
        until(UP_MAX, &format!("tandem cluster {words:?} is carried out"), || self.try_cluster(words))
    }

    /// What nodes say that their data plane and their keeper are, by number: versions.
    pub fn versions(&self) -> Vec<(u64, Vec<String>)> {
        let told = |status: &Value, list: &str, number: &str, of: u64| {
            let rows = status[list].as_array().cloned().unwrap_or_default();
            let of_node = rows.into_iter().filter(move |row| row[number] == of);
            of_node.filter_map(|row| row["version"].as_str().map(str::to_owned)).collect::<Vec<_>>()
        };
        let status = until(UP_MAX, "the cluster tells its state", || self.cluster(&["status", "--output", "json"]));
        let numbers = self.layout.hosts().iter().map(|host| u64::from(host.number));
        let of = |number| [told(&status, "nodes", "number", number), told(&status, "keepers", "node", number)].concat();
        numbers.map(|number| (number, of(number))).filter(|(_, all)| !all.is_empty()).collect()
    }

    /// Etcd on this host, and the database that follows the other, are there again.
    pub fn until_joined(&self) {
        self.until_home();
        self.layout.hosts().iter().filter(|host| host.is(Role::State)).for_each(|host| {
            until(UP_MAX, &format!("the member of etcd on {} answers", host.name), || {
                let (place, host) = (format!("http://{}:2379/health", host.ip()), host.name.clone());
                let mut command = self.hosts.command(&host, "curl".as_ref());
                let out = command.args(["-s", "--max-time", "2", &place]).output().ok()?;
                String::from_utf8_lossy(&out.stdout).contains("true").then_some(())
            });
        });
    }
}
