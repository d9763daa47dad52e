//! Every touch of the disk by the collector fails once, and for good until it is mended: each record is in the database once, and what
//! had to be set aside can be read.
#![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

use cdr::segment;
use units::{AccountId, Money};

use super::*;
use crate::disk::faults::Faults;
use crate::sample::{World, call, grant_id, money};
use crate::{databases, sample};

const NODE: NodeId = NodeId(1);

/// A segment of three calls, the second of which is damaged, and a record that nobody can read; another segment of one call follows.
fn damaged(w: World, data: &std::path::Path) -> Folder {
    let folder = Folder::open(data).unwrap();
    let mut number = 0;
    let mut frame = |sequence: u64| {
        number += 1;
        let mut bytes = Vec::new();
        let record = Record::Cdr(Box::new(call(w, sequence, "0.01", &[(grant_id(1), "0.01")])));
        segment::frame(number, &record, &mut bytes);
        bytes
    };
    let mut frames: Vec<Vec<u8>> = (0..4).map(&mut frame).collect();
    let place = frames[1].len() - 30;
    frames[1][place] ^= 1;
    let mut unreadable = Vec::new();
    segment::frame_bytes(9, &[0xee, 1, 2, 3], &mut unreadable);
    for (segment, frames) in [(1, &frames[..3]), (2, &frames[3..])] {
        let mut bytes = Vec::new();
        segment::header(NODE, 1, segment, &mut bytes);
        frames.iter().for_each(|frame| bytes.extend_from_slice(frame));
        if segment == 2 {
            bytes.extend_from_slice(&unreadable);
        }
        std::fs::write(folder.journal().join(segment::file_name(1, segment)), bytes).unwrap();
    }
    folder
}

async fn funded() -> (databases::Database, World) {
    let database = databases::sqlite().await;
    let w = sample::world(&database.store).await;
    database.store.payment(w.payer, money("100"), "opening", "").await.unwrap();
    let want = store::Ask { want: money("40"), slice: Money::ZERO };
    database.store.grant(grant_id(1), AccountId(w.payer), want).await.unwrap();
    (database, w)
}

/// A collector that the test drives step by step.
fn work(store: &Store, folder: &Folder) -> Work {
    Work::new(
        store.clone(),
        folder,
        NODE,
        Link::start(folder.socket(), store.clone(), Default::default()),
        folder.mark().unwrap(),
    )
}

/// Steps until nothing is left to read; the first complaint on the way.
async fn drained(work: &mut Work, tries_max: usize) -> Option<String> {
    let mut complaint = None;
    for _ in 0..tries_max {
        match work.step().await {
            Ok(true) => {}
            Ok(false) => break,
            Err(error) => {
                work.complain(&error);
                complaint.get_or_insert(work.progress.borrow().problem.clone());
                work.position = None;
            }
        }
    }
    complaint
}

#[tokio::test]
async fn whichever_touch_of_the_disk_fails_each_record_is_collected_once_and_nothing_is_set_aside_unseen() {
    let mut met = 0;
    for (first, count) in (0..).flat_map(|first| [(first, 1), (first, u64::MAX)]) {
        let (database, w) = funded().await;
        let data = tempfile::tempdir().unwrap();
        let folder = damaged(w, data.path());
        let mut collector = work(&database.store, &folder);
        let faults = Faults::below(&folder.journal(), first, count);
        let complaint = drained(&mut collector, 4).await;
        let struck = faults.struck();
        drop(faults);
        let what = format!("{count} touches fail from {first} on: {complaint:?}");
        let settled = database.store.balance(w.payer).await.unwrap().settled;
        assert!(settled <= money("0.03"), "{what}");
        // A failure that a second way made good is none to complain of.
        assert!(struck == 0 || complaint.is_some() || settled == money("0.03"), "{what}");
        // Mended: the same program goes on, or one that starts anew.
        if first % 2 == 0 {
            collector = work(&database.store, &folder);
        }
        assert_eq!(drained(&mut collector, 4).await, None, "{what}");
        let balance = database.store.balance(w.payer).await.unwrap();
        assert_eq!((balance.settled, balance.held), (money("0.03"), money("39.97")), "{what}");
        let aside = AsideFile::beside(&folder.journal()).read().unwrap();
        assert_eq!(aside.iter().map(|one| one.segment).collect::<Vec<_>>(), [1, 2], "{what}: {aside:?}");
        let copy = folder.journal().join(segment::file_name(1, 1)).with_extension("damaged");
        assert_eq!(
            std::fs::read(copy).unwrap(),
            std::fs::read(&segments(&folder.journal()).unwrap()[0].path).unwrap(),
            "{what}"
        );
        if struck == 0 {
            break;
        }
        met = first + 1;
    }
    println!("{met} touches");
    assert!(met >= 8, "a copy of the damaged segment, the lines of both segments: {met}");
}

#[test]
fn what_is_added_while_a_person_deals_with_the_rest_is_not_put_away() {
    let data = tempfile::tempdir().unwrap();
    let file = AsideFile::beside(data.path());
    let one = |offset| Aside { boot: 1, segment: 1, offset, bytes: 9, reason: "odd".into(), record: String::new() };
    file.append(&[one(10), one(20)]).unwrap();
    let seen = file.read().unwrap();
    file.append(&[one(30)]).unwrap();
    let done = file.put_away(7, &seen).unwrap();
    assert_eq!(file.read().unwrap(), [one(30)]);
    let seen = file.read().unwrap();
    assert_ne!(file.put_away(7, &seen).unwrap(), done, "neither takes the other's place");
    assert_eq!(file.read().unwrap(), []);
}
