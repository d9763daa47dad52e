//! The disk under the primary's database is full: commits wait for room, the server answers nobody who asks how far it is, and is given up.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::database::Scene;
use crate::world::{SILENT_S, may_run, run, until};

/// Room beside what a new database takes.
const ROOM_MB: u64 = 48;

/// A small disk of its own under a folder, as long as this value is there.
struct Disk(PathBuf);

impl Disk {
    /// Takes what the folder has.
    fn under(folder: &Path) -> Disk {
        let before = folder.with_extension("before");
        fs::rename(folder, &before).unwrap();
        fs::create_dir(folder).unwrap();
        let used = Command::new("du").args(["-sm", &before.display().to_string()]).output().unwrap();
        let used: u64 = String::from_utf8_lossy(&used.stdout).split_whitespace().next().unwrap().parse().unwrap();
        let (place, size) = (folder.display().to_string(), format!("size={}m", used + ROOM_MB));
        run("mount", &["-t", "tmpfs", "-o", &size, "tmpfs", &place]);
        run("cp", &["-a", &format!("{}/.", before.display()), &place]);
        Disk(folder.to_owned())
    }

    fn fill(&self) {
        let mut file = File::create(self.0.join("filler")).unwrap();
        let done = io::copy(&mut io::repeat(0), &mut file);
        assert_eq!(done.unwrap_err().kind(), io::ErrorKind::StorageFull);
    }

    fn make_room(&self) {
        fs::remove_file(self.0.join("filler")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
        // The hosts' folder could not be removed while this was in it.
        let _ = fs::remove_dir_all(self.0.parent().unwrap());
    }
}

#[test]
#[ignore = "takes minutes on a busy machine: make cluster-test"]
fn a_database_on_a_full_disk_is_given_up_and_comes_back_when_there_is_room() {
    if !may_run() {
        return;
    }
    let mut disk = None;
    let mut scene = Scene::prepared(1, |world| disk = Some(Disk::under(&world.data(1))));
    let disk = disk.unwrap();
    // A second passes until it is noticed that the disk is full.
    scene.taken_over("the primary's disk is full", SILENT_S + 1, |_| disk.fill());
    until("it is told that the disk is full", || {
        let status = scene.world.status();
        (status["keepers"][0]["disk_percent"].as_u64()? >= 99).then_some(())
    });
    let said = scene.world.cluster(&["status"]);
    assert!(said.contains("the disk under the database on node 1 is 100 % full"), "{said}");
    scene.returned("there is room again", |_| disk.make_room());
    scene.end();
}
