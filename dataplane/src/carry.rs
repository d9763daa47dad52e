//! What earlier lives left in the journal, settled before the first call: bills for calls that were cut, money that is still lent.

use std::collections::BTreeMap;

use anyhow::Context;
use cdr::horizon::{Horizon, Place};
use cdr::recover::{Books, replay};
use cdr::segment::{Break, Reader, frame_bytes};
use cdr::{Priced, Record};
use panel::wire::Want;
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
pub fn carry(folder: &Folder, node: NodeId, wall: WallTime) -> anyhow::Result<Carried> {
    let journal = folder.path.join("journal");
    let earlier: Vec<Found> = segments::list(&journal).context("cannot list the journal")?;
    let mut closing = Closing::default();
    let records = earlier.iter().flat_map(read).inspect(|record| closing.see(record));
    let books = replay(records, &mut price);
    let closing = closing.wants(&books);
    if !books.cut.is_empty() {
        tracing::warn!(records = books.cut.len(), "calls that an earlier start cut are billed");
    }
    let (mut bytes, mut payload, mut horizon) = (Vec::new(), Vec::new(), Horizon::default());
    let mut sequence = 1;
    for record in records_of(&books, folder.boot, wall) {
        payload.clear();
        record.encode(&mut payload);
        horizon.see(Place { segment: CARRIED_SEGMENT, offset: 0 }, &payload);
        frame_bytes(sequence, &payload, &mut bytes);
        sequence += 1;
    }
    let (file, length) = segments::create(&journal, node, folder.boot, CARRIED_SEGMENT)?;
    disk::write_at(&file, &bytes, length).and_then(|()| disk::sync(&file)).context("cannot write the first segment")?;
    let grants = books.grants.iter().map(|open| (open.grant, open.account, open.amount, open.used)).collect();
    let place = segments::Place { node, boot: folder.boot, segment: CARRIED_SEGMENT + 1, sequence };
    Ok(Carried { place, horizon, grants, closing })
}

fn records_of(books: &Books, boot: u32, wall: WallTime) -> impl Iterator<Item = Record> {
    let cut = books.cut.iter().map(|cdr| Record::Cdr(Box::new(cdr.clone())));
    let open = books.grants.iter();
    let open = open.map(|open| Record::GrantCarried {
        grant: open.grant,
        account: open.account,
        amount: open.amount,
        used: open.used,
    });
    let lost = books.unanswered.iter();
    let lost = lost.flat_map(|&(grant, account)| {
        [Record::GrantAsked { grant, account }, Record::GrantClosed { grant, used: Money::ZERO }]
    });
    cut.chain(open).chain(lost).chain([Record::Boot { boot, wall }])
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
    let Some(reader) = Reader::new(&bytes) else {
        tracing::error!(%path, "a journal segment has no sound header; nothing is read from it");
        return Vec::new();
    };
    let mut records = Vec::new();
    for entry in reader {
        match entry {
            Ok(entry) => records.push(entry.record),
            Err(Break::Torn { at }) => tracing::info!(%path, at, "a journal segment ends in the middle of a record"),
            Err(Break::Corrupt { at }) => {
                tracing::error!(%path, at, "a journal segment is damaged; the rest is not read")
            }
        }
    }
    records
}

/// Grants that an earlier life closed or never got: closing twice is harmless, not closing keeps money from its account.
#[derive(Default)]
struct Closing {
    accounts: BTreeMap<GrantId, AccountId>,
    closed: BTreeMap<GrantId, Money>,
}

impl Closing {
    fn see(&mut self, record: &Record) {
        match record {
            Record::GrantAsked { grant, account }
            | Record::Granted { grant, account, .. }
            | Record::GrantCarried { grant, account, .. } => {
                self.accounts.insert(*grant, *account);
            }
            Record::GrantClosed { grant, used } => {
                self.closed.insert(*grant, *used);
            }
            Record::Boot { .. } | Record::Start(_) | Record::Paid { .. } | Record::Mark { .. } | Record::Cdr(_) => {}
        }
    }

    fn wants(self, books: &Books) -> Vec<Want> {
        let lost = books.unanswered.iter().map(|(grant, _)| (*grant, Money::ZERO));
        let grants = self.closed.into_iter().chain(lost);
        let wants = grants.filter_map(|(grant, used)| {
            let account = self.accounts.get(&grant)?.0;
            Some(Want::Close { grant: hexadecimal(grant), account, used: used.nanos() })
        });
        wants.collect()
    }
}

fn hexadecimal(grant: GrantId) -> String {
    grant.to_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}
