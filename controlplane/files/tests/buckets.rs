//! Stories about files that go to S3: to a server that checks signatures, and by `make test-s3` to a foreign one.
#![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

#[path = "support/s3.rs"]
mod s3;
mod support;

use std::fs;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use files::{Files, Kind, Settings};
use support::{name, until};

const BYTES: usize = 200_000;

fn settings(address: String, keys: [&str; 2]) -> Settings {
    let short = Duration::from_millis(20);
    Settings {
        to: vec!["s3://calls/tandem/node-1".parse().unwrap()],
        s3_address: Some(address),
        s3_region: "eu-west-3".into(),
        s3_keys: Some(keys.map(str::to_owned)),
        keep_days: Some(0),
        look: short,
        pause: short,
        pause_max: short,
        ..Settings::default()
    }
}

fn record(data: &Path, call: u8) {
    fs::create_dir_all(data.join("recordings")).unwrap();
    fs::write(data.join(name(Kind::Recording, call).to_string()), vec![call; BYTES]).unwrap();
}

/// Five recordings go there, are gone here, are heard from there, and one is removed.
fn there_and_back(settings: Settings) -> Files {
    let data = tempfile::tempdir().unwrap();
    (1..=5).for_each(|call| record(data.path(), call));
    let files = Files::start(data.path(), settings).unwrap();
    until("all to be copied", || files.states()[0].copied == 5);
    until("none to be left here", || (1..=5).all(|call| files.find_here(name(Kind::Recording, call)).is_none()));
    let found = files.find(name(Kind::Recording, 4)).unwrap();
    assert_eq!((found.bytes, found.finished, found.place.as_str()), (BYTES as u64, true, "s3"));
    for (first, end) in [(0, BYTES), (0, 1), (BYTES / 2, BYTES), (7, 7)] {
        let mut part = Vec::new();
        found.read(first as u64, end as u64).unwrap().read_to_end(&mut part).unwrap();
        assert_eq!(part, vec![4; end - first], "{first}..{end}");
    }
    assert!(!files.remove(name(Kind::Recording, 4)).unwrap(), "none stood on a disk");
    assert!(files.find(name(Kind::Recording, 4)).is_none());
    assert!(files.find(name(Kind::Capture, 1)).is_none());
    assert!(files.find(name(Kind::Recording, 5)).is_some());
    files.stop();
    files
}

#[test]
fn files_go_to_a_bucket_that_is_busy_at_first_and_come_back_from_it() {
    let kept = Arc::new(s3::Kept::default());
    kept.busy.store(3, Ordering::SeqCst);
    let files = there_and_back(settings(s3::serve(&kept), s3::KEYS));
    assert!(files.states()[0].failed >= 1, "it was busy");
    let keys: Vec<String> = kept.objects.lock().unwrap().keys().cloned().collect();
    let wanted = [1, 2, 3, 5].map(|call| format!("/calls/tandem/node-1/{}", name(Kind::Recording, call)));
    assert_eq!(keys, wanted);
}

#[test]
fn nothing_goes_and_nothing_is_lost_with_a_wrong_secret() {
    let (data, kept) = (tempfile::tempdir().unwrap(), Arc::new(s3::Kept::default()));
    record(data.path(), 1);
    let files = Files::start(data.path(), settings(s3::serve(&kept), [s3::KEYS[0], "wrong"])).unwrap();
    until("it to be refused twice", || files.states()[0].failed >= 2);
    let state = files.states().swap_remove(0);
    assert_eq!((state.copied, state.waiting), (0, 1));
    assert!(state.problem.contains("403 SignatureDoesNotMatch"), "{}", state.problem);
    assert!(files.find_here(name(Kind::Recording, 1)).is_some());
    files.stop();
}

#[test]
#[ignore = "needs a foreign server: make test-s3"]
fn a_foreign_server_takes_them_too() {
    let told = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"));
    let keys = [told("AWS_ACCESS_KEY_ID"), told("AWS_SECRET_ACCESS_KEY")];
    there_and_back(settings(told("TANDEM_S3_ADDRESS"), keys.each_ref().map(String::as_str)));
}
