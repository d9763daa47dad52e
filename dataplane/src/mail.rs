//! What threads hand each other: single-producer rings, and a bell only for a consumer that sleeps.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use panel::metrics::Histogram;
use panel::wire::{CallRow, Certificate, Peers, Reply, RoomRow, ShardFigures, Want};
use rtrb::{Consumer, Producer};
use shard::parts::{Parts, Used};
use shard::registrar::Change;
use shard::{Loaded, Parcel, Target};
use snapshot::policy::Captured;
use tokio::sync::mpsc;
use units::{CallId, EgressTrunkId};
use uring::Doorbell;

use crate::bell::SpoolBell;
use crate::tape::TapeOutlet;
use crate::tls::Keys;

/// Records that may wait to be kept before the shard refuses new calls.
pub const JOURNAL_BACKLOG_MAX: u64 = 65_536;
/// Room for the records of a usual turn.
const RECORDS_BYTES: usize = 4 << 10;
/// Slots of the ring between two threads; what does not fit waits with the sender.
pub const RING_SLOTS: usize = 4_096;

/// The control thread's word to a shard. A `question` is answered by a [`Report`] under the same number.
pub enum Order {
    /// Swap to this checked snapshot.
    Snapshot { question: u64, loaded: Loaded },
    /// List running calls.
    Calls { question: u64, limit: usize },
    /// Release one call.
    Release { question: u64, call: CallId },
    /// What a trunk's host name stands for.
    Targets { trunk: EgressTrunkId, targets: Arc<[Target]> },
    /// Other nodes' subscribers registered.
    Bindings(Arc<[Change]>),
    /// Capture a running call from here on.
    Capture { question: u64, call: CallId, what: Captured },
    /// Record a running call from here on, or no longer.
    Record { question: u64, call: CallId, on: bool },
    /// Count.
    Figures { question: u64 },
    /// Tell who is registered where, and who was refused.
    Peers { question: u64 },
    /// Tell what calls hold of limits.
    Rooms { question: u64 },
    /// Use no more than these parts of limits, and tell what calls use of them.
    Parts { question: u64, parts: Parts },
    /// Count the calls that run.
    Running { question: u64 },
    /// This machine has a listener's shared address, or has it no longer.
    Address { listener: u8, here: bool },
    /// Refuse new calls or take them again.
    Drain(bool),
    /// What boots up to this one were lent is void; `barred`: nothing more may be used.
    Fence { boot: u32, barred: bool },
    /// The journal's disk is nearly full, or has room again.
    DiskFull(bool),
    /// The ledger's answer.
    Reply(Reply),
    /// What came of a certificate that a shard wanted.
    Certificate(Certificate),
    /// What TLS listeners prove themselves with from now on.
    Keys(Keys),
    /// Release all calls and end.
    Stop,
}

/// A shard's word to the control thread.
pub enum Report {
    /// Something for the ledger.
    Want { shard: u16, want: Want },
    /// A call needs this certificate.
    Fetch { shard: u16, x5u: String },
    /// Something for the other nodes.
    Binding(Box<Change>),
    /// This shard's part of an answer.
    Part { question: u64, part: Part },
    /// The shard has ended as ordered.
    Stopped,
    /// The shard is broken; the program must start anew.
    Broken { shard: u16, reason: String },
}

/// One shard's part of an answer.
pub enum Part {
    /// Running calls.
    Calls(Vec<CallRow>),
    /// Whether the call was there, and is released, captured or recorded as asked.
    Found(bool),
    /// What it counts.
    Figures(Box<Counts>),
    /// Who is registered where, and who was refused.
    Peers(Box<Peers>),
    /// What calls hold of limits.
    Rooms(Vec<RoomRow>),
    /// What calls use of limits that are shared.
    Used(Vec<Used>),
    /// Calls that run.
    Running(u32),
    /// The revision that it decides from, and the snapshot that it decided from before: taken apart where nobody waits.
    Loaded(u64, Option<Loaded>),
}

/// What one shard counts.
pub struct Counts {
    /// Gauges.
    pub figures: ShardFigures,
    /// Counters by name.
    pub counters: Vec<(&'static str, u64)>,
    /// Latencies by stage.
    pub stages: Vec<(&'static str, Histogram)>,
}

/// What a shard hands the spool.
pub enum Entry {
    /// Journal records of one turn, each behind its length, and the last one's place in the shard's row.
    Records { ticket: u64, bytes: Vec<u8> },
    /// A captured call, in pieces.
    Trace(Vec<Vec<u8>>),
}

/// Bytes that the length of a record takes in front of it.
const LENGTH_BYTES: usize = size_of::<u32>();

/// Puts a record behind others of its turn.
pub fn put_record(record: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&(record.len() as u32).to_le_bytes());
    out.extend_from_slice(record);
}

/// The first of such records; what follows stays.
pub fn take_record<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, rest) = bytes.split_first_chunk::<LENGTH_BYTES>()?;
    let (record, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    *bytes = rest;
    Some(record)
}

/// The sending end of a ring, with room for what does not fit at once.
pub struct Outlet<T> {
    ring: Producer<T>,
    backlog: VecDeque<T>,
    fresh: bool,
}

impl<T> Outlet<T> {
    /// Sends through this ring.
    pub fn new(ring: Producer<T>) -> Outlet<T> {
        Outlet { ring, backlog: VecDeque::new(), fresh: false }
    }

    /// Sends in order; never loses.
    pub fn send(&mut self, value: T) {
        self.backlog.push_back(value);
        self.drain();
    }

    /// Moves what waits; true if the consumer has something it may not have seen.
    pub fn flush(&mut self) -> bool {
        self.drain();
        std::mem::take(&mut self.fresh)
    }

    /// How much did not fit.
    pub fn backlog(&self) -> usize {
        self.backlog.len()
    }

    fn drain(&mut self) {
        while let Some(value) = self.backlog.pop_front() {
            match self.ring.push(value) {
                Ok(()) => self.fresh = true,
                Err(rtrb::PushError::Full(value)) => {
                    self.backlog.push_front(value);
                    return;
                }
            }
        }
    }
}

/// Everything that one shard's thread hears and says.
pub struct Mail {
    /// From the control thread.
    pub orders: Consumer<Order>,
    /// From the other shards.
    pub parcels: Vec<Consumer<Box<Parcel>>>,
    /// To shard 0, 1, …; our own place is never used.
    pub outlets: Vec<(Outlet<Box<Parcel>>, Doorbell)>,
    /// To the spool.
    pub journal: Outlet<Entry>,
    /// To the tape.
    pub tape: TapeOutlet,
    /// Wakes the spool.
    pub spool_bell: Arc<SpoolBell>,
    /// The last ticket that the spool has kept.
    pub kept: Arc<AtomicU64>,
    /// The last ticket that the shard was told of.
    pub kept_told: u64,
    /// The records of this turn.
    pub records: Vec<u8>,
    /// The last ticket that was given out.
    pub ticket: u64,
    /// The spool was given records since this thread last thought of waiting.
    pub given: bool,
    /// To the control thread.
    pub reports: mpsc::Sender<Report>,
    /// Reports that did not fit.
    pub reports_left: VecDeque<Report>,
}

impl Mail {
    /// Is there anything to read?
    pub fn waiting(&self) -> bool {
        !self.orders.is_empty()
            || self.parcels.iter().any(|parcels| !parcels.is_empty())
            || self.kept.load(Ordering::Acquire) != self.kept_told
    }

    /// Is there anything that could not be sent?
    pub fn stuck(&self) -> bool {
        self.journal.backlog() > 0
            || !self.reports_left.is_empty()
            || self.outlets.iter().any(|(outlet, _)| outlet.backlog() > 0)
    }

    /// A record for the journal, and its place in the shard's row.
    pub fn keep(&mut self, ticket: u64, record: &[u8]) {
        if self.records.is_empty() {
            self.records.reserve(RECORDS_BYTES);
        }
        self.ticket = ticket;
        put_record(record, &mut self.records);
    }

    /// Records that nobody knows to be kept.
    pub fn unkept(&self) -> u64 {
        self.ticket - self.kept.load(Ordering::Acquire)
    }

    /// Will records that were given since this was asked last be kept in a moment? A disk that stands still is not asked again and again.
    pub fn awaits_journal(&mut self) -> bool {
        std::mem::take(&mut self.given)
    }

    /// The ticket up to which records are kept, if it rose.
    pub fn kept(&mut self) -> Option<u64> {
        let kept = self.kept.load(Ordering::Acquire);
        (kept != self.kept_told).then(|| {
            self.kept_told = kept;
            kept
        })
    }

    /// Tells the control thread.
    pub fn report(&mut self, report: Report) {
        self.reports_left.push_back(report);
    }

    /// Moves everything and wakes who sleeps.
    pub fn flush(&mut self) {
        for (outlet, bell) in &mut self.outlets {
            if outlet.flush() {
                bell.ring();
            }
        }
        self.tape.flush();
        if !self.records.is_empty() {
            let (ticket, bytes) = (self.ticket, std::mem::take(&mut self.records));
            self.journal.send(Entry::Records { ticket, bytes });
            self.given = true;
        }
        if self.journal.flush() {
            self.spool_bell.ring();
        }
        while let Some(report) = self.reports_left.pop_front() {
            if let Err(mpsc::error::TrySendError::Full(report)) = self.reports.try_send(report) {
                self.reports_left.push_front(report);
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_records_of_a_turn_come_out_one_by_one() {
        let (mut bytes, records) = (Vec::new(), [&b"one"[..], b"", b"three"]);
        records.iter().for_each(|record| put_record(record, &mut bytes));
        let mut rest = &bytes[..];
        let taken: Vec<&[u8]> = std::iter::from_fn(|| take_record(&mut rest)).collect();
        assert_eq!((taken, rest), (records.to_vec(), &b""[..]));
        assert_eq!(take_record(&mut &bytes[..6]), None, "a part of a record is none");
    }
}
