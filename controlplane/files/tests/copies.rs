//! Stories about files that leave: by a real rsync to a folder and to a daemon, and what happens while the place is away.
#![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

mod support;

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use files::{Files, Kind, Place, Settings, State};
use support::{name, until};

/// A node's folder with recordings of these calls.
fn node(calls: &[u8]) -> tempfile::TempDir {
    let data = tempfile::tempdir().unwrap();
    for kind in Kind::ALL {
        fs::create_dir(data.path().join(kind.folder())).unwrap();
    }
    calls.iter().for_each(|call| record(data.path(), *call));
    data
}

fn record(data: &Path, call: u8) {
    fs::write(data.join(name(Kind::Recording, call).to_string()), [call; 1_000]).unwrap();
}

fn hasty(to: &[Place]) -> Settings {
    let short = Duration::from_millis(20);
    Settings { to: to.to_vec(), look: short, pause: short, pause_max: short, ..Settings::default() }
}

fn state(files: &Files) -> State {
    files.states().swap_remove(0)
}

/// A daemon of rsync with the module `kept`, ended when this is dropped.
struct Daemon(Child);

impl Daemon {
    fn start(port: u16, folder: &Path) -> Daemon {
        let own = ids();
        let text = format!(
            "use chroot = no\nlog file = {0}/log\nlock file = {0}/lock\n[kept]\npath = {0}/kept\nread only = no\n{own}",
            folder.display()
        );
        fs::create_dir_all(folder.join("kept")).unwrap();
        fs::write(folder.join("rsyncd.conf"), text).unwrap();
        let daemon = Command::new("rsync")
            .args(["--daemon", "--no-detach", "--address=127.0.0.1"])
            .arg(format!("--port={port}"))
            .arg(format!("--config={}/rsyncd.conf", folder.display()))
            .stdin(Stdio::null())
            .spawn();
        Daemon(daemon.expect("rsync is installed: setup/install --test"))
    }
}

/// A daemon that root starts would write as nobody.
fn ids() -> &'static str {
    let root = fs::read_to_string("/proc/self/status").unwrap().contains("Uid:\t0\t");
    if root { "uid = 0\ngid = 0\n" } else { "" }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn files_reach_a_peer_that_was_away_and_none_is_sent_twice() {
    let (data, there) = (node(&[1, 2]), tempfile::tempdir().unwrap());
    fs::write(data.path().join(format!("{}.part", name(Kind::Recording, 9))), "being written").unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let place: Place = format!("rsync://127.0.0.1:{port}/kept/node-1").parse().unwrap();
    // Nobody listens: nothing is lost, and it is said what waits and why.
    let files = Files::start(data.path(), hasty(std::slice::from_ref(&place))).unwrap();
    until("the peer to be missed", || state(&files).failed > 0);
    let away = state(&files);
    assert_eq!((away.copied, away.waiting, away.waiting_bytes, away.lost), (0, 2, 2_000, 0));
    assert!(away.problem.contains("rsync ended with 10"), "{}", away.problem);
    let daemon = Daemon::start(port, there.path());
    until("the files to arrive", || state(&files).waiting == 0);
    assert_eq!((state(&files).copied, state(&files).problem.as_str()), (2, ""));
    // One is finished while the daemon is gone; the control plane starts again meanwhile.
    drop(daemon);
    let packets = data.path().join(name(Kind::Capture, 3).to_string());
    fs::write(&packets, "packets").unwrap();
    until("the third to wait", || state(&files).waiting == 1);
    files.stop();
    let files = Files::start(data.path(), hasty(&[place])).unwrap();
    let _daemon = Daemon::start(port, there.path());
    until("the third to arrive", || state(&files).reached_us.is_some() && state(&files).waiting == 0);
    assert_eq!(state(&files).copied, 1, "the first two are known to be there");
    let kept = there.path().join("kept/node-1");
    assert_eq!(fs::read(kept.join(name(Kind::Recording, 2).to_string())).unwrap(), [2; 1_000]);
    assert_eq!(fs::read(kept.join(name(Kind::Capture, 3).to_string())).unwrap(), b"packets");
    assert_eq!(fs::read_dir(kept.join("recordings")).unwrap().count(), 2, "nothing half written");
    files.stop();
}

/// Lets sshd of Debian's openssh-server take who has a key, on a port of its own; gone with this value.
struct Shell {
    folder: tempfile::TempDir,
    daemon: Child,
}

impl Shell {
    fn start(port: u16) -> Shell {
        let folder = tempfile::Builder::new().prefix("a folder of sshd").tempdir().unwrap();
        let file = |name: &str| folder.path().join(name).display().to_string();
        for name in ["host", "own"] {
            let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f", &file(name)]).status();
            assert!(made.unwrap().success());
        }
        fs::copy(file("own.pub"), file("known")).unwrap();
        let host = fs::read_to_string(file("host.pub")).unwrap();
        fs::write(file("hosts"), format!("[127.0.0.1]:{port} {host}")).unwrap();
        let server = format!(
            "ListenAddress 127.0.0.1:{port}\nHostKey \"{}\"\nAuthorizedKeysFile \"{}\"\nStrictModes no\nUsePAM no\nPidFile none\n",
            file("host"),
            file("known")
        );
        fs::write(file("sshd"), server).unwrap();
        let peer = format!(
            "Host node-2\nHostName 127.0.0.1\nPort {port}\nIdentityFile \"{}\"\nUserKnownHostsFile \"{}\"\n",
            file("own"),
            file("hosts")
        );
        fs::write(file("peers"), peer).unwrap();
        // It wants this folder where nobody can write, and its own name with the whole path.
        fs::create_dir_all("/run/sshd").unwrap();
        let daemon =
            Command::new("/usr/sbin/sshd").args(["-D", "-e", "-f", &file("sshd")]).stdin(Stdio::null()).spawn();
        Shell { folder, daemon: daemon.expect("sshd is installed: apt-get install openssh-server") }
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

#[test]
#[ignore = "needs sshd: make test-ssh"]
fn files_reach_a_peer_over_ssh() {
    let (data, there) = (node(&[1, 2]), tempfile::tempdir().unwrap());
    // Below the ports that the kernel gives away.
    let shell = Shell::start(20_000 + u16::try_from(std::process::id() % 10_000).unwrap());
    let place: Place = format!("node-2:{}/kept", there.path().display()).parse().unwrap();
    let settings = Settings { ssh_file: Some(shell.folder.path().join("peers")), ..hasty(&[place]) };
    let files = Files::start(data.path(), settings).unwrap();
    until("the files to arrive", || state(&files).copied == 2);
    assert_eq!(fs::read(there.path().join("kept").join(name(Kind::Recording, 2).to_string())).unwrap(), [2; 1_000]);
    // Who has no key is told so, and nothing is lost.
    fs::write(shell.folder.path().join("known"), "").unwrap();
    record(data.path(), 3);
    until("the key to be missed", || state(&files).problem.contains("rsync ended with 255"));
    assert_eq!((state(&files).waiting, state(&files).lost), (1, 0));
    files.stop();
}

#[test]
fn rsync_takes_no_more_bytes_a_second_than_it_may() {
    let (data, there) = (node(&[]), tempfile::tempdir().unwrap());
    fs::write(data.path().join(name(Kind::Recording, 1).to_string()), vec![1; 600 << 10]).unwrap();
    let settings = Settings { rsync_kbps: Some(600), ..hasty(&[Place::Folder(there.path().to_owned())]) };
    let begun = Instant::now();
    let files = Files::start(data.path(), settings).unwrap();
    until("it to arrive", || state(&files).copied == 1);
    // A second by the bound, less what it may let through before it first waits; a busy machine takes only longer.
    assert!(begun.elapsed() > Duration::from_millis(500), "{:?}", begun.elapsed());
    files.stop();
}

#[test]
fn a_file_goes_here_only_when_every_place_holds_it() {
    let data = node(&[1]);
    let (near, far) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let far_folder = far.path().join("mounted");
    let places = [Place::Folder(near.path().to_owned()), Place::Folder(far_folder.clone())];
    let settings = Settings { keep_days: Some(0), ..hasty(&places) };
    let files = Files::start(data.path(), settings.clone()).unwrap();
    until("the first place to have it and the second to be missed", || {
        let states = files.states();
        states[0].copied == 1 && states[1].failed > 2
    });
    let here = data.path().join(name(Kind::Recording, 1).to_string());
    assert!(here.exists());
    fs::create_dir(&far_folder).unwrap();
    until("it to go", || !here.exists());
    assert_eq!(files.states().iter().map(|state| state.lost).sum::<u64>(), 0);
    // It is still found, and removed everywhere when somebody wants that.
    let found = files.find(name(Kind::Recording, 1)).unwrap();
    assert_eq!((found.bytes, found.finished, found.place.as_str()), (1_000, true, near.path().to_str().unwrap()));
    let mut part = Vec::new();
    std::io::Read::read_to_end(&mut found.read(10, 30).unwrap(), &mut part).unwrap();
    assert_eq!(part, [1; 20]);
    assert!(files.remove(name(Kind::Recording, 1)).unwrap());
    assert!(files.find(name(Kind::Recording, 1)).is_none());
    files.stop();
}

#[test]
fn a_file_that_goes_before_it_is_copied_is_counted() {
    let data = node(&[1]);
    let place = Place::Folder(data.path().join("not there"));
    let files = Files::start(data.path(), hasty(&[place])).unwrap();
    until("it to wait", || state(&files).waiting == 1);
    fs::remove_file(data.path().join(name(Kind::Recording, 1).to_string())).unwrap();
    until("it to be missed", || state(&files).lost == 1);
    assert_eq!(state(&files).waiting, 0);
    files.stop();
}

#[test]
fn files_of_peers_are_found_and_go_when_they_are_old() {
    let data = node(&[]);
    let folder = data.path().join("peers");
    fs::create_dir_all(folder.join("recordings")).unwrap();
    record(&folder, 7);
    let files = Files::reader(data.path(), Settings::default()).unwrap();
    assert_eq!(files.find(name(Kind::Recording, 7)).map(|found| found.place).as_deref(), Some("peers"));
    let settings = Settings { peers_days: Some(0), ..hasty(&[]) };
    let sweeping = Files::start(data.path(), settings).unwrap();
    until("it to go", || files.find(name(Kind::Recording, 7)).is_none());
    sweeping.stop();
}
