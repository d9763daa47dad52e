//! Debian's keepalived runs what `tandem cluster keepalived` writes: it takes the settings, and the address follows what is served there.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::asker::{Asker, Places, Service};
use crate::in_time;
use crate::world::{Keeps, SIP_SHARED, World, ip, may_run, signal, until};

/// An advertisement a second: another takes over after three of them, and a little (RFC 5798 §6.1).
const TAKEOVER_S: u64 = 4;
/// Three checks in a row have to fail, each of which may take two seconds.
const CHECKED_S: u64 = 10;

/// One host's keepalived. It ends in order with this value.
struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        signal("TERM", self.0.id());
        let _ = self.0.wait();
    }
}

/// What `tandem cluster keepalived` writes for a node, with the line that includes it.
fn settings(folder: &Path, node: u16) -> PathBuf {
    let (keeper, ours) = (folder.join(format!("keeper{node}.yaml")), folder.join(format!("tandem{node}.conf")));
    let text = format!(
        "node: {node}\netcd: {{ members: ['http://10.77.0.9:2379'] }}\naddresses:\n  - {{ name: sip, ip: {SIP_SHARED}, prefix: 24, \
         interface: eth0, nodes: [1, 2], driver: keepalived, check: 'sip 10.77.0.{node}:5060', takeover_s: {TAKEOVER_S}, hold_down_s: 2 }}\n"
    );
    fs::write(&keeper, text).unwrap();
    let written = Command::new(env!("CARGO_BIN_EXE_tandem-cluster"))
        .args(["keepalived", "--to", &ours.display().to_string(), "--settings", &keeper.display().to_string()])
        .output()
        .unwrap();
    assert!(written.status.success(), "{}", String::from_utf8_lossy(&written.stderr));
    let whole = folder.join(format!("keepalived{node}.conf"));
    fs::write(&whole, format!("include {}\n", ours.display())).unwrap();
    whole
}

fn keepalived(host: &str, file: &Path) -> Command {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", host, "setpriv", "--pdeathsig", "TERM", "keepalived", "--use-file"]).arg(file);
    command
}

fn start(host: &str, folder: &Path, node: u16) -> Daemon {
    let file = settings(folder, node);
    let checked = keepalived(host, &file).arg("--config-test").output().unwrap();
    let said = String::from_utf8_lossy(&[checked.stdout, checked.stderr].concat()).into_owned();
    assert!(checked.status.success(), "keepalived takes the settings: {said}");
    let log = File::create(folder.join(format!("keepalived{node}.log"))).unwrap();
    let pid = |name: &str| folder.join(format!("{name}{node}.pid")).display().to_string();
    let mut command = keepalived(host, &file);
    command.args(["--vrrp", "--dont-fork", "--log-console", "--log-detail", "--pid", &pid("parent")]);
    command.args(["--vrrp_pid", &pid("vrrp")]).stdin(Stdio::null());
    Daemon(command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap())
}

#[test]
#[ignore = "takes half a minute: make cluster-test"]
fn keepalived_takes_our_settings_and_moves_the_address_by_them() {
    if !may_run() {
        return;
    }
    if Command::new("keepalived").arg("--version").output().is_err() {
        eprintln!("!!! NOT RUN: keepalived is not installed");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let world = World::new(Keeps::Addresses, 1);
    let [first, second] = world.hosts();
    let services = [Service::start(first, 1), Service::start(second, 2)];
    let places = Places::start([first, second], ip(SIP_SHARED));
    let asker = Asker::start(world.third(), ip(SIP_SHARED));
    let one = start(first, folder.path(), 1);
    let _two = start(second, folder.path(), 2);
    let is_at = |node: u16, what: &str, seconds: u64| {
        let began = Instant::now();
        until(&format!("the address is at node {node}: {what}"), || {
            (places.is_at(node) && !places.is_at(3 - node) && asker.node() == node).then_some(())
        });
        in_time(&format!("keepalived: {what}"), asker.longest().min(began.elapsed()), Duration::from_secs(seconds));
    };
    is_at(1, "the beginning", CHECKED_S);
    services[0].silence(true);
    is_at(2, "what is served there is silent", CHECKED_S);
    services[0].silence(false);
    is_at(1, "it answers again", 1);
    world.cable(1, false);
    is_at(2, "the cable is pulled", TAKEOVER_S + 2);
    world.cable(1, true);
    is_at(1, "the cable is plugged in", 1);
    drop(one);
    is_at(2, "it is ended", 2);
}
