//! What earlier lives left in the journal, settled before the first call: bills for calls that were cut, money that is still lent.

use anyhow::Context;
use cdr::horizon::{Horizon, Place};
use cdr::recover::{Books, Crash, replay};
use cdr::segment::{Break, Frames, frame_bytes};
use cdr::{Priced, Record};
use panel::wire::Want;
use shard::book::grant_text;
use units::{AccountId, GrantId, Money, NodeId, Terms, WallTime};

use crate::boot::Folder;
use crate::disk;
use crate::segments::{self, Found};

/// The segment that the carried-over records fill; the spool begins the next one.
const CARRIED_SEGMENT: u32 = 1;

/// What this life begins with.
pub struct Carried {
    /// Where the spool goes on.
    pub place: segments::Place,
    /// What of this life's journal is needed so far.
    pub horizon: Horizon,
    /// Grants still open: id, account, amount, used.
    pub grants: Vec<(GrantId, AccountId, Money, Money)>,
    /// Grants that the ledger must close, although it may have done so: the answer was lost with the earlier life.
    pub closing: Vec<Want>,
}

/// Reads all earlier journals and writes this life's first segment: the cut calls' records, the open grants, then the start itself.
pub fn carry(folder: &Folder, node: NodeId, wall: WallTime, crash: Crash) -> anyhow::Result<Carried> {
    let journal = folder.path.join("journal");
    let earlier: Vec<Found> = segments::list(&journal).context("cannot list the journal")?;
    let books = replay(earlier.iter().flat_map(read), crash, &mut price);
    let closing = wants(&books);
    if !books.cut.is_empty() {
        tracing::warn!(records = books.cut.len(), "calls that an earlier start cut are billed");
    }
    for lost in books.cut.iter().filter(|cdr| cdr.written_off.is_positive()) {
        let (account, amount) = (lost.originator_account, lost.written_off);
        tracing::warn!(call = %lost.call, %account, %amount, "talk after the last mark is written off, this at most");
    }
    let (mut bytes, mut payload, mut horizon) = (Vec::new(), Vec::new(), Horizon::default());
    let mut sequence = 1;
    for record in books.records(folder.boot, wall) {
        payload.clear();
        record.encode(&mut payload);
        horizon.see(Place { segment: CARRIED_SEGMENT, offset: 0 }, &payload);
        frame_bytes(sequence, &payload, &mut bytes);
        sequence += 1;
    }
    let (file, length) = segments::create(&journal, node, folder.boot, CARRIED_SEGMENT, true)?;
    disk::write_at(&file, &bytes, length).and_then(|()| disk::sync(&file)).context("cannot write the first segment")?;
    let grants = books.grants.iter().map(|open| (open.grant, open.account, open.amount, open.used)).collect();
    let place = segments::Place { node, boot: folder.boot, segment: CARRIED_SEGMENT + 1, sequence };
    Ok(Carried { place, horizon, grants, closing })
}

fn price(terms: &Terms, duration_ms: u64) -> Priced {
    let charge = rating::charge(terms, duration_ms);
    Priced { terms: *terms, billed_s: charge.billed_s, price: charge.price, tax: charge.tax }
}

/// All readable records of a segment.
fn read(found: &Found) -> Vec<Record> {
    let path = found.path.display();
    let bytes = match std::fs::read(&found.path) {
        Ok(bytes) => bytes,
        // Nobody needs a segment that was removed a moment ago.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Vec::new(),
        Err(error) => {
            tracing::error!(%path, %error, "a journal segment cannot be read; calls that only it knows are not billed");
            return Vec::new();
        }
    };
    let Some(mut frames) = Frames::of_segment(&bytes) else {
        tracing::error!(%path, "a journal segment has no sound header; nothing is read from it");
        return Vec::new();
    };
    let (mut records, mut last) = (Vec::new(), 0);
    while let Some(frame) = frames.next() {
        match frame {
            Ok(frame) => {
                last = frame.sequence;
                match Record::decode(frame.payload) {
                    Ok(record) => records.push(record),
                    Err(flaw) => tracing::error!(%path, %flaw, "a journal record cannot be read and is left out"),
                }
            }
            Err(Break::Torn { at }) => tracing::info!(%path, at, "a journal segment ends in the middle of a record"),
            Err(Break::Corrupt { at }) => {
                let passed = frames.resume(last);
                tracing::error!(%path, at, ?passed, "a journal segment is damaged; reading goes on behind it if it can");
            }
        }
    }
    records
}

/// What the ledger must hear of grants that are over.
fn wants(books: &Books) -> Vec<Want> {
    let each = books.closing.iter();
    each.map(|end| Want::Close { grant: grant_text(end.grant), account: end.account.0, used: end.used.nanos() })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

    use cdr::{Cdr, Start};
    use units::CallId;

    use super::*;
    use crate::disk::faults::{Faults, disarm};

    const CALL: CallId = CallId { node: NodeId(1), boot: 1, shard: units::ShardId(0), sequence: 1 };

    /// A first life that lent from a grant and was cut in the middle of a call.
    fn first_life(path: &std::path::Path) {
        let mut folder = Folder::open(path).unwrap();
        folder.begin_life().unwrap();
        let journal = path.join("journal");
        let (file, length) = segments::create(&journal, NodeId(1), folder.boot, 1, true).unwrap();
        let grant = GrantId { node: NodeId(1), boot: 1, sequence: 1 };
        let whole = Cdr { call: CALL, ..Cdr::default() };
        let start = Start {
            call: whole.clone(),
            attempt: Cdr { attempt: units::AttemptIndex(1), ..whole },
            ..Start::default()
        };
        let mut bytes = Vec::new();
        let lent = Record::Granted { grant, account: AccountId(7), amount: Money::from_nanos(90) };
        for (place, record) in [lent, Record::Start(Box::new(start))].iter().enumerate() {
            cdr::segment::frame(place as u64 + 1, record, &mut bytes);
        }
        disk::write_at(&file, &bytes, length).unwrap();
    }

    /// All that a start does with the disk; the boot that it got.
    fn start(path: &std::path::Path) -> anyhow::Result<(u32, usize)> {
        let mut folder = Folder::open(path)?;
        folder.begin_life()?;
        let carried = carry(&folder, NodeId(1), WallTime::default(), Crash::AtMark)?;
        Ok((folder.boot, carried.grants.len()))
    }

    /// The records of the cut call, and the boots whose segments there are.
    fn told(path: &std::path::Path) -> (usize, Vec<u32>) {
        let files = segments::list(&path.join("journal")).unwrap();
        let cut = |record: &Record| matches!(record, Record::Cdr(cdr) if cdr.call == CALL && cdr.attempt.0 == 0);
        (files.iter().flat_map(read).filter(cut).count(), files.iter().map(|file| file.boot).collect())
    }

    #[test]
    fn a_start_that_the_disk_fails_is_made_up_for_by_the_next() {
        let mut met = 0;
        for first in 0.. {
            let data = tempfile::tempdir().unwrap();
            first_life(data.path());
            let faults = Faults::from(first, 1);
            faults.arm();
            let failed = start(data.path());
            disarm();
            if faults.struck() == 0 {
                assert_eq!(failed.unwrap(), (2, 1), "a sound disk");
                break;
            }
            met += 1;
            assert!(failed.is_err(), "touch {first} is needed");
            let (boot, grants) = start(data.path()).unwrap();
            let (cut, boots) = told(data.path());
            assert_eq!((cut, grants), (1, 1), "touch {first}: billed once, its money is still lent");
            let earlier = boots.iter().filter(|other| **other == boot).count();
            assert_eq!(earlier, 1, "touch {first}: no other start had this number: {boots:?}");
        }
        assert!(met >= 10, "{met} touches of the disk");
    }
}
