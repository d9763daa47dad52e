//! What a start of the data plane owes to its earlier lives: bills for the calls that died with them, and the money they held.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use units::mutant::{self, Mutant};
use units::{AccountId, CallId, Cause, GrantId, Instant, Money, ShardId, Terms, WallTime};

use crate::record::{Cdr, GrantPart, Party, Priced, Record, Start};

/// A grant that was lent and not handed back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenGrant {
    /// The grant.
    pub grant: GrantId,
    /// Whose money.
    pub account: AccountId,
    /// How much was lent.
    pub amount: Money,
    /// What all ended calls used of it, cut ones included.
    pub used: Money,
}

/// A grant that must be handed back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closing {
    /// The grant.
    pub grant: GrantId,
    /// Whose money.
    pub account: AccountId,
    /// What calls used of it; nothing if it was asked for and nobody heard an answer.
    pub used: Money,
}

/// How long a call is taken to have lasted that a crash cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Crash {
    /// Until its shard's last mark; what it talked after that is written off.
    #[default]
    AtMark,
    /// Until the end of its paid time: nothing is written off, the originator may pay for a little that it did not get.
    AtPaidTime,
}

/// What the earlier lives left.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Books {
    /// Records of calls that were cut: the attempt's, unless it was written, then the call's; calls in order of their id.
    pub cut: Vec<Cdr>,
    /// Grants that are still open, in order of their id.
    pub grants: Vec<OpenGrant>,
    /// Grants that the ledger may not know to be closed, in order of their id: closing one twice is harmless, not closing it keeps
    /// money from its account. Those that were asked for without an answer are among them.
    pub closing: Vec<Closing>,
}

impl Books {
    /// What a life writes before anything else, so that it needs no earlier segment again.
    pub fn records(&self, boot: u32, wall: WallTime) -> impl Iterator<Item = Record> {
        let cut = self.cut.iter().map(|cdr| Record::Cdr(Box::new(cdr.clone())));
        let open = self.grants.iter().map(|open| {
            let OpenGrant { grant, account, amount, used } = *open;
            Record::GrantCarried { grant, account, amount, used }
        });
        let closing = self.closing.iter().flat_map(|closing| {
            let Closing { grant, account, used } = *closing;
            [Record::GrantAsked { grant, account }, Record::GrantClosed { grant, used }]
        });
        cut.chain(open).chain(closing).chain([Record::Boot { boot, wall }])
    }
}

/// Goes through all records of all earlier lives, oldest first. `price` turns terms and milliseconds into money.
///
/// A call that was answered and has no record ended at its shard's last mark after the answer, or at once, or with its paid time, as
/// `crash` says; never later. Records that are repeated count once.
pub fn replay(
    records: impl IntoIterator<Item = Record>,
    crash: Crash,
    price: &mut dyn FnMut(&Terms, u64) -> Priced,
) -> Books {
    let mut past = Past::default();
    for record in records {
        past.take(record);
    }
    let mut books = Books::default();
    let calls = core::mem::take(&mut past.calls).into_values();
    for open in calls.filter(|_| !mutant::is(Mutant::CutCallForgotten)) {
        let (call, attempt) = past.cut(&open, crash, price);
        past.use_up(&call);
        books.cut.extend(attempt);
        books.cut.push(call);
    }
    let counts = !mutant::is(Mutant::UseForgotten);
    let used = |grant: &GrantId| past.used.get(grant).copied().filter(|_| counts).unwrap_or(Money::ZERO);
    let open = past.granted.iter();
    let open = open.filter(|(grant, (_, amount))| amount.is_positive() && !past.closed.contains_key(*grant));
    books.grants =
        open.map(|(&grant, &(account, amount))| OpenGrant { grant, account, amount, used: used(&grant) }).collect();
    books.closing = past.closing();
    books
}

/// A call that was started.
struct Open {
    start: Box<Start>,
    /// Its answered attempt's record, if it was written.
    attempt: Option<Box<Cdr>>,
}

#[derive(Default)]
struct Past {
    calls: BTreeMap<CallId, Open>,
    ended: BTreeSet<CallId>,
    /// The last sign of life of each shard of each boot.
    marks: BTreeMap<(u32, ShardId), Instant>,
    boot: u32,
    asked: BTreeMap<GrantId, AccountId>,
    granted: BTreeMap<GrantId, (AccountId, Money)>,
    closed: BTreeMap<GrantId, Money>,
    returned: BTreeSet<GrantId>,
    used: BTreeMap<GrantId, Money>,
}

impl Past {
    fn take(&mut self, record: Record) {
        match record {
            Record::Boot { boot, .. } => self.boot = boot,
            Record::Start(start) => {
                // Calls of one shard are numbered by their boot, whatever records say about boots.
                self.boot = self.boot.max(start.call.call.boot);
                if !self.ended.contains(&start.call.call) {
                    self.calls.insert(start.call.call, Open { start, attempt: None });
                }
            }
            Record::Paid { call, reserved, owed_reserved, paid_ms } => {
                if let Some(open) = self.calls.get_mut(&call) {
                    open.start.reserved = reserved;
                    open.start.owed_reserved = owed_reserved;
                    open.start.paid_ms = paid_ms;
                }
            }
            Record::Mark { shard, now, .. } => {
                let mark = self.marks.entry((self.boot, shard)).or_default();
                *mark = now.max(*mark);
            }
            Record::Cdr(cdr) => self.on_cdr(cdr),
            Record::GrantAsked { grant, account } => {
                self.asked.insert(grant, account);
            }
            Record::Granted { grant, account, amount } => {
                self.granted.entry(grant).or_insert((account, amount));
            }
            Record::GrantCarried { grant, account, amount, used } => {
                // The sum so far, whether or not the records that it comes from are still there.
                self.granted.insert(grant, (account, amount));
                self.used.insert(grant, used);
            }
            Record::GrantClosed { grant, used } => {
                self.closed.insert(grant, used);
            }
            Record::GrantReturned { grant } => {
                self.returned.insert(grant);
            }
        }
    }

    fn on_cdr(&mut self, cdr: Box<Cdr>) {
        if cdr.attempt.0 == 0 {
            self.calls.remove(&cdr.call);
            if self.ended.insert(cdr.call) {
                self.use_up(&cdr);
            }
        } else if let Some(open) = self.calls.get_mut(&cdr.call)
            && open.start.attempt.attempt == cdr.attempt
        {
            open.attempt = Some(cdr);
        }
    }

    /// Grants that were closed, or asked for without an answer, and not taken back yet.
    fn closing(&self) -> Vec<Closing> {
        let account = |grant: &GrantId| {
            let lent = self.granted.get(grant).map(|(account, _)| *account);
            lent.or_else(|| self.asked.get(grant).copied())
        };
        let known = |grant: &GrantId| self.granted.contains_key(grant) || self.closed.contains_key(grant);
        let lost = self.asked.keys().filter(|grant| !known(grant)).map(|grant| (*grant, Money::ZERO));
        let mut ends: BTreeMap<GrantId, Money> = self.closed.iter().map(|(grant, used)| (*grant, *used)).collect();
        ends.extend(lost.filter(|_| !mutant::is(Mutant::UnansweredForgotten)));
        let ends = ends.into_iter().filter(|(grant, _)| !self.returned.contains(grant));
        ends.filter_map(|(grant, used)| Some(Closing { grant, account: account(&grant)?, used })).collect()
    }

    fn use_up(&mut self, call: &Cdr) {
        let counts = !mutant::is(Mutant::OwedForgotten);
        for part in call.grants.iter().chain(call.owed_grants.iter().filter(|_| counts)) {
            *self.used.entry(part.grant).or_default() += part.amount;
        }
    }

    /// How long the call is known to have lasted.
    fn duration_ms(&self, start: &Start, crash: Crash) -> u64 {
        if crash == Crash::AtPaidTime && start.paid_ms < u64::MAX {
            return start.paid_ms;
        }
        let call = start.call.call;
        let last = self.marks.get(&(call.boot, call.shard)).copied().unwrap_or_default();
        last.millis_since(start.answered).min(start.paid_ms)
    }

    /// The call's record, and the attempt's unless it stands in the journal.
    fn cut(&self, open: &Open, crash: Crash, price: &mut dyn FnMut(&Terms, u64) -> Priced) -> (Cdr, Option<Cdr>) {
        let start = &open.start;
        let (duration_ms, cause, by) = match &open.attempt {
            Some(written) => (written.duration_ms, written.cause, written.released_by),
            None => (self.duration_ms(start, crash), Cause::SWITCH_RESTARTED, Party::Switch),
        };
        let mut end = |record: &Cdr| Cdr {
            duration_ms,
            ended_ms: u64::from(record.answered_ms.unwrap_or(0)) + duration_ms,
            cause,
            released_by: by,
            sell: record.sell.map(|sell| price(&sell.terms, duration_ms)),
            buy: record.buy.map(|buy| price(&buy.terms, duration_ms)),
            ..record.clone()
        };
        let mut call = end(&start.call);
        let attempt = if open.attempt.is_some() { None } else { Some(end(&start.attempt)) };
        // What is known to the end has no tail; of the others, more than was paid for cannot have been talked.
        if let Some(sell) = call.sell.filter(|_| attempt.is_some() && !mutant::is(Mutant::WriteOffForgotten)) {
            call.written_off = (price(&sell.terms, start.paid_ms).price - sell.price).max(Money::ZERO);
        }
        call.grants = parts_for(call.sell.map_or(Money::ZERO, |sell| sell.price), &start.reserved);
        call.owed_grants = parts_for(call.buy.map_or(Money::ZERO, |buy| buy.price), &start.owed_reserved);
        (call, attempt)
    }
}

/// Takes a price from what was reserved, in its order.
fn parts_for(price: Money, reserved: &[GrantPart]) -> Vec<GrantPart> {
    let mut rest = price;
    let mut parts = Vec::new();
    for part in reserved {
        let amount = part.amount.min(rest);
        if amount.is_positive() {
            parts.push(GrantPart { grant: part.grant, amount });
            rest -= amount;
        }
    }
    parts
}
