//! A second data centre: its replica follows the pair of the first one, and its cores are off until an operator moves there.

use std::net::Ipv4Addr;
use std::process::Command;

use acceptance::{program, until};
use serde_json::Value;

use super::{DATABASE_SHARED, PASSWORD, Part, Site, UP_MAX};
use crate::layout::{Host, Role};

impl Site {
    /// Starts the replica of the second data centre, if there is one.
    pub(super) fn start_remote(&mut self) {
        let Some(host) = self.layout.with(Role::Remote).next().map(|host| host.name.clone()) else { return };
        self.start(&host, Part::Keeper);
        self.until_remote_follows();
    }

    /// Waits until the remote replica follows the replica, which it prefers.
    pub fn until_remote_follows(&self) {
        let second = self.layout.with(Role::Sql).nth(1).expect("a remote replica follows a pair").number;
        until(UP_MAX, "the remote replica follows the replica", || {
            (self.remote_report()?["follows"] == second).then_some(())
        });
    }

    /// What the keeper of the remote replica tells programs.
    pub fn remote_report(&self) -> Option<Value> {
        let (done, said) = self.remote_cluster(&["status", "--output", "json"]);
        done.then(|| serde_json::from_str(&said).ok())?
    }

    /// `tandem cluster` beside the remote replica: whether it was carried out, and what it said.
    pub fn remote_cluster(&self, words: &[&str]) -> (bool, String) {
        let host = &self.layout.remote().name;
        let mut command = self.hosts.command(host, &program("tandem-cluster"));
        let out = command.args(words).arg("--settings").arg(self.keeper_settings(host)).output();
        let out = out.expect("tandem-cluster starts");
        (out.status.success(), String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).into_owned())
    }

    /// Cuts everything between the two data centres, or mends it. Carriers reach both.
    pub fn line(&self, whole: bool) {
        let centre = |number: u8| self.layout.hosts().iter().filter(move |host| host.centre == number);
        let there: Vec<Ipv4Addr> = centre(1).map(Host::ip).chain([DATABASE_SHARED]).collect();
        for host in centre(2) {
            if whole { self.hosts.heal(&host.name) } else { self.hosts.part(&host.name, &there) }
        }
    }

    /// From here on operators and carriers are in the second data centre; its programs are for somebody to start.
    pub fn move_to_second(&mut self) {
        self.centre = 2;
    }

    /// What a host's own database answers, whatever its cables do.
    pub fn at_database(&self, host: &str, sql: &str) -> Option<String> {
        let mut command = Command::new("mariadb");
        command.args(["--no-defaults", "-utandem_keeper", "-BN", "--connect-timeout=1", "-e", sql]);
        command.arg(format!("-p{PASSWORD}")).arg("-S").arg(self.base(host).join("socket"));
        let out = command.output().expect("the mariadb program is installed");
        out.status.success().then(|| String::from_utf8_lossy(&out.stdout).trim().to_owned())
    }

    /// The number of the last commit of a host's database.
    pub fn last_commit(&self, host: &str) -> Option<u64> {
        self.at_database(host, "SELECT SUBSTRING_INDEX(@@gtid_binlog_pos, '-', -1)")?.parse().ok()
    }
}
