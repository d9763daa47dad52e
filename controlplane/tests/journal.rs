//! Stories about `tandem journal` and `tandem db`, by the program that operators run, on sound and on damaged segments.
#![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

#[path = "../store/tests/support/databases.rs"]
#[allow(dead_code, reason = "other test programs use the rest")]
mod databases;
#[path = "../store/tests/support/sample.rs"]
#[allow(dead_code, reason = "other test programs use the rest")]
mod sample;

use std::path::PathBuf;
use std::process::{Command, Output};

use cdr::{Cdr, Record, segment};
use sample::{World, attempt, call, call_id, grant_id, money, world};
use serde_json::Value;
use store::{Batch, Cursor, Store};
use tandem_controlplane::collect::aside::{self, Aside, AsideFile};
use tandem_controlplane::folder::Folder;
use units::{AccountId, NodeId, WallTime};

/// A node's folder with a journal of three segments over two boots, and a database.
struct Scene {
    folder: Folder,
    store: Store,
    world: World,
    _temporary: tempfile::TempDir,
}

impl Scene {
    async fn new() -> Scene {
        let temporary = tempfile::tempdir().unwrap();
        let folder = Folder::open(&temporary.path().join("node")).unwrap();
        let store = Store::open(&folder.default_database()).await.unwrap();
        let world = world(&store).await;
        store.payment(world.payer, money("100"), "opening", "").await.unwrap();
        store
            .grant(grant_id(1), AccountId(world.payer), store::Ask { want: money("40"), slice: units::Money::ZERO })
            .await
            .unwrap();
        let scene = Scene { folder, store, world, _temporary: temporary };
        scene.write(1, 1, 1, 0..3);
        scene.write(1, 2, 8, 3..5);
        scene.write(2, 1, 1, 5..6);
        scene
    }

    fn path(&self, boot: u32, number: u32) -> PathBuf {
        self.folder.journal().join(segment::file_name(boot, number))
    }

    /// A boot's note, then a call and its attempt for each of these.
    fn write(&self, boot: u32, number: u32, first_sequence: u64, calls: std::ops::Range<u64>) {
        let mut bytes = Vec::new();
        segment::header(NodeId(1), boot, number, &mut bytes);
        let mut records = vec![Record::Boot { boot, wall: WallTime::from_micros(1_700_000_000_000_000) }];
        records.extend(self.calls(calls).into_iter().map(|cdr| Record::Cdr(Box::new(cdr))));
        for (place, record) in records.iter().enumerate() {
            segment::frame(first_sequence + place as u64, record, &mut bytes);
        }
        std::fs::write(self.path(boot, number), bytes).unwrap();
    }

    fn calls(&self, sequences: std::ops::Range<u64>) -> Vec<Cdr> {
        let one = |sequence| {
            let call = call(self.world, sequence, "0.01", &[(grant_id(1), "0.01")]);
            [attempt(&call), call]
        };
        sequences.flat_map(one).collect()
    }

    /// Brings calls into the database as the collector would, up to this place.
    async fn collect(&self, sequences: std::ops::Range<u64>, cursor: Cursor) {
        let (cdrs, folder) = (self.calls(sequences), self.folder.mark().unwrap());
        let batch = Batch { node: NodeId(1), kind: "journal", folder: &folder, cdrs: &cdrs, traces: &[], cursor };
        self.store.insert_cdrs(batch).await.unwrap();
    }

    fn tandem(&self, words: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tandem"));
        command.arg("journal").args(words).arg("--data").arg(self.folder.path()).env_remove("TANDEM_DATABASE");
        command.output().unwrap()
    }

    fn json(&self, words: &[&str], code: i32) -> Value {
        let output = self.tandem(&[words, &["-o", "json"]].concat());
        assert_eq!(output.status.code(), Some(code), "{words:?}: {output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn damage(&self, boot: u32, number: u32, change: impl FnOnce(&mut Vec<u8>)) {
        let path = self.path(boot, number);
        let mut bytes = std::fs::read(&path).unwrap();
        change(&mut bytes);
        std::fs::write(path, bytes).unwrap();
    }
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn segments_are_listed_with_what_they_hold_and_whether_it_is_collected() {
    let scene = Scene::new().await;
    scene.collect(0..4, Cursor { boot: 1, segment: 2, offset: 100 }).await;
    let rows = scene.json(&["ls"], 0);
    let seen = rows.as_array().unwrap().iter().map(|row| {
        (
            row["file"].as_str().unwrap(),
            row["records"].as_u64().unwrap(),
            row["cdrs"].as_u64().unwrap(),
            row["state"].as_str().unwrap(),
        )
    });
    let seen: Vec<_> = seen.collect();
    assert_eq!(seen[0], ("00000001-00000001.seg", 7, 6, "collected"));
    assert_eq!(seen[1], ("00000001-00000002.seg", 5, 4, "in part"));
    assert_eq!(seen[2], ("00000002-00000001.seg", 3, 2, "waiting"));
    assert_eq!((rows[1]["first_sequence"].as_u64(), rows[1]["last_sequence"].as_u64()), (Some(8), Some(12)));
    assert!(text(&scene.tandem(&["ls"])).contains("8-12"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_are_shown_by_call_kind_and_time() {
    let scene = Scene::new().await;
    let lines = |words: &[&str]| -> Vec<Value> {
        let output = scene.tandem(&[&["cat"], words].concat());
        assert!(output.status.success(), "{output:?}");
        text(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    assert_eq!(lines(&[]).len(), 15);
    let one = lines(&["--call", &call_id(3).to_string()]);
    assert_eq!(one.len(), 2);
    assert_eq!((one[1]["kind"].as_str(), one[1]["record"]["sell"]["price"].as_str()), (Some("cdr"), Some("0.01")));
    assert_eq!(one[1]["at"]["segment"], 2);
    assert_eq!(lines(&["--kind", "boot"]).len(), 3);
    assert_eq!(lines(&["--kind", "boot,start", "--from", "2023-11-14", "--till", "2023-11-15"]).len(), 3);
    assert_eq!(lines(&["--kind", "boot", "--from", "2023-11-16"]).len(), 0);
    assert_eq!(scene.tandem(&["cat", "--kind", "nothing"]).status.code(), Some(2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_of_damage_is_found_with_its_file_and_place() {
    let scene = Scene::new().await;
    let sound = scene.json(&["verify"], 0);
    assert_eq!((sound["segments"].as_u64(), sound["records"].as_u64()), (Some(3), Some(15)));
    // Cut short where a writer may have died: said, and nothing is wrong.
    scene.damage(2, 1, |bytes| bytes.truncate(bytes.len() - 9));
    let torn = scene.json(&["verify"], 0);
    assert_eq!(torn["torn"][0]["file"], "00000002-00000001.seg");
    // A flipped bit in the middle of the second frame.
    scene.damage(1, 1, |bytes| bytes[120] ^= 4);
    let flipped = scene.json(&["verify"], 3);
    let fault = &flipped["faults"][0];
    assert_eq!((fault["file"].as_str(), fault["offset"].as_u64()), (Some("00000001-00000001.seg"), Some(62)));
    assert!(fault["what"].as_str().unwrap().contains("damaged"), "{fault}");
    assert!(flipped["faults"][1]["what"].as_str().unwrap().contains("number 3 follows 1"), "{flipped}");
    // A segment that another one follows must not end in the middle; a number is missing; a head is gone; a segment is gone.
    scene.write(1, 1, 1, 0..3);
    scene.damage(1, 1, |bytes| bytes.truncate(bytes.len() - 1));
    assert!(scene.json(&["verify"], 3)["faults"].to_string().contains("torn end"));
    scene.write(1, 1, 1, 0..3);
    scene.write(1, 2, 9, 3..5);
    assert!(scene.json(&["verify"], 3)["faults"].to_string().contains("number 9 follows 7"));
    scene.damage(1, 2, |bytes| bytes[3] = 0);
    assert!(scene.json(&["verify"], 3)["faults"].to_string().contains("no sound head"));
    scene.write(1, 3, 8, 3..5);
    std::fs::remove_file(scene.path(1, 2)).unwrap();
    let gone = scene.tandem(&["verify"]);
    assert_eq!(gone.status.code(), Some(3));
    assert!(text(&gone).contains("00000001-00000003.seg at 0: segment 3 follows segment 1"), "{}", text(&gone));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_database_lacks_is_said_and_brought_there_once() {
    let scene = Scene::new().await;
    scene.collect(0..2, Cursor { boot: 2, segment: 1, offset: 900 }).await;
    let dry = scene.json(&["replay"], 3);
    assert_eq!((dry["cdrs"].as_u64(), dry["missing"].as_u64(), dry["written"].as_u64()), (Some(12), Some(8), Some(0)));
    assert_eq!(scene.store.balance(scene.world.payer).await.unwrap().settled, money("0.02"), "it only looked");
    for (missing, written) in [(8, 8), (0, 0)] {
        let done = scene.json(&["replay", "--write"], 0);
        assert_eq!((done["missing"].as_u64(), done["written"].as_u64()), (Some(missing), Some(written)));
        assert_eq!(scene.store.balance(scene.world.payer).await.unwrap().settled, money("0.06"));
    }
    let cursor = scene.store.cursor(NodeId(1), "journal", &scene.folder.mark().unwrap()).await.unwrap().unwrap();
    assert_eq!((cursor.boot, cursor.offset), (2, 900), "the collector's own place stays");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_set_aside_is_tried_again_and_put_away() {
    let scene = Scene::new().await;
    let mut payload = Vec::new();
    let call = call(scene.world, 77, "0.01", &[(grant_id(1), "0.01")]);
    Record::Cdr(Box::new(call)).encode(&mut payload);
    let file = AsideFile::beside(&scene.folder.journal());
    let one = Aside { boot: 1, segment: 1, offset: 32, record: aside::digits(&payload), ..Aside::default() };
    // A program died while it wrote, and the next one wrote the line again.
    std::fs::write(file.path(), "{\"boot\":1,\"seg").unwrap();
    file.append(std::slice::from_ref(&one)).unwrap();
    file.append(&[one]).unwrap();
    assert_eq!(scene.json(&["replay", "--aside"], 3)["missing"], 1);
    assert_eq!(scene.json(&["replay", "--aside", "--write"], 0)["written"], 1);
    assert!(!file.path().exists(), "it is put away");
    assert_eq!(scene.store.balance(scene.world.payer).await.unwrap().settled, money("0.01"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_only_looks_makes_no_folder_no_database_and_no_table() {
    let scene = Scene::new().await;
    let strange = tempfile::tempdir().unwrap();
    std::fs::write(strange.path().join("letter.txt"), "mine").unwrap();
    let tandem = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tandem"));
        command.args(words).env("TANDEM_DATA", strange.path()).env_remove("TANDEM_DATABASE").output().unwrap()
    };
    let entries = || std::fs::read_dir(strange.path()).unwrap().count();
    let file = strange.path().join("typo.sqlite").display().to_string();
    for words in [&["accounts", "list"][..], &["accounts", "list", "--database", &format!("sqlite:{file}")]] {
        let refused = tandem(words);
        assert_eq!((refused.status.code(), entries()), (Some(1), 1), "{refused:?}");
    }
    // Segments that were copied somewhere are read there, and nothing is put beside them.
    let copied = strange.path().join("journal");
    std::fs::create_dir(&copied).unwrap();
    std::fs::copy(scene.path(1, 1), copied.join("00000001-00000001.seg")).unwrap();
    let listed = scene.tandem(&["ls", "--journal", &copied.display().to_string()]);
    assert!(listed.status.success() && text(&listed).contains("unknown"), "{listed:?}");
    assert_eq!(entries(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_is_not_replaced_under_its_control_plane() {
    let scene = Scene::new().await;
    let file = scene.folder.path().join("backup").display().to_string();
    let data = scene.folder.path().display().to_string();
    let db = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tandem"));
        command.arg("db").args(words).args(["--data", &data]).env_remove("TANDEM_DATABASE").output().unwrap()
    };
    assert!(db(&["backup", &file]).status.success());
    let own = scene.folder.own().unwrap();
    assert!(
        scene.folder.own().is_err() && scene.folder.taken().unwrap().is_some_and(|who| who.contains("control plane"))
    );
    let refused = db(&["restore", &file, "--replace"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("stop the node"), "{refused:?}");
    drop(own);
    assert_eq!(scene.folder.taken().unwrap(), None);
    assert!(db(&["restore", &file, "--replace"]).status.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_of_a_migration_says_what_would_be_done_and_does_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("empty.sqlite");
    std::fs::write(&file, "").unwrap();
    for url in [format!("sqlite:{}", file.display()), databases::empty_mariadb().await] {
        let migrate = |words: &[&str]| -> String {
            let mut command = Command::new(env!("CARGO_BIN_EXE_tandem"));
            let output = command.args(["db", "migrate", "--database", &url]).args(words).output().unwrap();
            assert!(output.status.success(), "{words:?}: {output:?}");
            text(&output)
        };
        let plan = || -> Value { serde_json::from_str(&migrate(&["--plan", "-o", "json"])).unwrap() };
        let before = plan();
        assert_eq!((before["current"].as_i64(), before["done"].as_bool()), (Some(0), Some(false)), "{before}");
        let makes = before["steps"][0]["makes"].as_array().unwrap();
        assert!(makes.iter().any(|table| table == "cdrs"), "{before}");
        assert!(migrate(&["--plan"]).contains("cdrs"));
        assert_eq!(plan(), before, "whoever looks changes nothing");
        assert!(migrate(&[]).ends_with("done\n"));
        let after = plan();
        assert_eq!((&after["current"], after["steps"].as_array().map(Vec::len)), (&before["known"], Some(0)));
        assert!(migrate(&[]).contains("nothing is to be done"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_standard_output_does_not_take_is_a_failure_and_a_reader_that_goes_is_none() {
    let scene = Scene::new().await;
    let data = scene.folder.path().display().to_string();
    let tandem = |words: &[&str], out: std::process::Stdio| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tandem"));
        command.args(words).args(["--data", &data]).env_remove("TANDEM_DATABASE").stdout(out);
        command.stderr(std::process::Stdio::piped()).spawn().unwrap().wait_with_output().unwrap()
    };
    for form in ["table", "json", "csv"] {
        let words = ["accounts", "list", "-o", form];
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let failed = tandem(&words, full.into());
        let said = String::from_utf8_lossy(&failed.stderr).into_owned();
        assert_eq!((failed.status.code(), said.contains("standard output")), (Some(1), true), "{form}: {said}");
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let left = tandem(&words, writer.into());
        assert!(left.status.success() && left.stderr.is_empty(), "{form}: {left:?}");
        assert!(!tandem(&words, std::process::Stdio::piped()).stdout.is_empty(), "{form}");
    }
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    assert_eq!(tandem(&["journal", "cat"], full.into()).status.code(), Some(1), "a journal is no shorter");
    let misused = tandem(&["stats", "show", "--by", "wheather"], std::process::Stdio::null());
    assert_eq!(misused.status.code(), Some(2), "{misused:?}");
}
