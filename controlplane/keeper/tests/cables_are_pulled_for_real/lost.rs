//! Members of etcd lose their disks: one of them, and all of them. What an operator does then is docs/when-etcd-is-lost.md, word by word.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::database::{Scene, holder};
use crate::world::{HOSTS, World, may_run, takeover_s, until};

fn place(host: u16) -> usize {
    HOSTS.iter().position(|known| *known == host).unwrap()
}

impl World {
    fn member_data(&self, host: u16) -> String {
        self.folder.path().join(format!("etcd{host}.data")).display().to_string()
    }

    /// Kills a member and removes everything that it had.
    fn lose_member(&mut self, host: u16) {
        self.kill_member(host);
        fs::remove_dir_all(self.member_data(host)).unwrap();
    }

    /// Starts a member with more words.
    fn start_member_with(&mut self, host: u16, more: &str) {
        let words = [self.etcd_words(place(host), &[0, 1, 2]), vec![more.to_owned()]].concat();
        self.etcd[place(host)] = Some(self.start(place(host), "etcd", &words, &format!("etcd{host}")));
    }

    /// Brings a member's folder back from a snapshot.
    fn restore_member(&self, host: u16, snapshot: &str) {
        let words = self.etcd_words(place(host), &[0, 1, 2]);
        let taken = words.iter().filter(|word| {
            ["--name=", "--initial-cluster=", "--initial-advertise-peer-urls=", "--data-dir="]
                .iter()
                .any(|option| word.starts_with(option))
        });
        let out = Command::new("etcdctl")
            .args(["snapshot", "restore", snapshot])
            .args(taken)
            .env("ETCDCTL_API", "3")
            .output()
            .unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    }

    /// What keepers say that an operator has to decide.
    fn doubts(&self) -> Vec<String> {
        let status = self.status();
        let keepers = status["keepers"].as_array().unwrap();
        keepers.iter().filter_map(|keeper| keeper["doubt"].as_str().map(str::to_owned)).collect()
    }

    fn ends(&mut self, host: u16) {
        until(&format!("the member on host {host} gives up"), || {
            self.etcd[place(host)].as_mut().unwrap().try_wait().unwrap().map(drop)
        });
        self.etcd[place(host)] = None;
    }
}

#[test]
#[ignore = "takes minutes on a busy machine: make cluster-test"]
fn a_member_of_etcd_that_lost_its_disk_is_replaced_while_rows_go_on() {
    if !may_run() {
        return;
    }
    let mut scene = Scene::new(3);
    scene.stays("a member of etcd loses its disk", |world| world.lose_member(1));
    // As it is, with an empty folder, it has forgotten what it promised: the others do not take it.
    scene.world.start_member_with(1, "--initial-cluster-state=new");
    scene.world.ends(1);
    let _ = fs::remove_dir_all(scene.world.member_data(1));
    scene.goes_on("the others go on");
    let members = scene.world.etcdctl(&["member", "list"]).unwrap();
    let lost = members.lines().find(|line| line.contains("10.77.0.1:")).unwrap().split(',').next().unwrap();
    until("it is removed", || scene.world.etcdctl(&["member", "remove", lost]));
    until("it is added", || scene.world.etcdctl(&["member", "add", "m0", "--peer-urls=http://10.77.0.1:2380"]));
    scene.world.start_member_with(1, "--initial-cluster-state=existing");
    until("all three are well", || {
        let told = scene.world.etcdctl(&["endpoint", "health", "--cluster"])?;
        (told.lines().count() == 3 || told.is_empty()).then_some(())
    });
    scene.home();
    // It is a member as any other: with it another one may go.
    scene.stays("another member dies", |world| world.kill_member(2));
    scene.world.start_member(2);
    scene.home();
    scene.end();
}

/// The home node died long before, and lacks most rows: an empty etcd must not make it primary.
#[test]
#[ignore = "takes minutes on a busy machine: make cluster-test"]
fn an_etcd_that_is_lost_is_made_anew_and_an_operator_says_who_is_primary() {
    if !may_run() {
        return;
    }
    let mut scene = Scene::new(3);
    let snapshot = scene.world.folder.path().join("snapshot").display().to_string();
    scene.world.etcdctl(&["snapshot", "save", &snapshot]).unwrap();
    scene.taken_over("kill -9 of the home node's keeper", takeover_s(), |world| world.end_keeper(1, "KILL"));
    scene.goes_on("rows that the home node lacks");

    for host in HOSTS {
        scene.world.lose_member(host);
    }
    until("nobody takes writes", || holder(&scene.world).is_none().then_some(()));
    set_back(&mut scene, &snapshot);
    made_anew(&mut scene);
    scene.end();
}

/// Restored from a snapshot while a keeper runs, etcd says that the first node is primary.
fn set_back(scene: &mut Scene, snapshot: &str) {
    for host in HOSTS {
        scene.world.restore_member(host, snapshot);
        scene.world.start_member(host);
    }
    until("the keeper tells that etcd knows less than it does", || {
        scene.world.doubts().iter().any(|doubt| doubt.starts_with("etcd knows less")).then_some(())
    });
    assert_eq!(holder(&scene.world), None, "who knows better does not go by it");
    scene.world.end_keeper(2, "TERM");
    // One path for all: whatever etcd says of the primary is forgotten.
    scene.world.etcdctl(&["del", "--prefix", "/tandem/throne/database/"]).unwrap();
}

fn made_anew(scene: &mut Scene) {
    scene.world.start_keeper(1);
    scene.world.start_keeper(2);
    until("the home node's keeper waits for an operator", || {
        scene.world.doubts().iter().any(|doubt| doubt.contains("knows of no primary")).then_some(())
    });
    let late = Instant::now() + Duration::from_secs(takeover_s() + 1);
    while Instant::now() < late {
        assert_eq!(holder(&scene.world), None, "nobody is made primary by an etcd that knows nothing");
    }
    let said = scene.world.cluster(&["seize", "2", "--accept-loss"]);
    assert!(said.starts_with("node 2 is primary"), "{said}");
    scene.goes_on("rows are acknowledged again");
    scene.home();
}
