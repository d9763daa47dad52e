//! What a start of the data plane owes to its earlier lives: bills for the calls that died with them, and the money they held.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use units::{AccountId, CallId, Cause, GrantId, Instant, Money, ShardId, Terms};

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

/// What the earlier lives left.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Books {
    /// Records of calls that were cut: the attempt's, unless it was written, then the call's; calls in order of their id.
    pub cut: Vec<Cdr>,
    /// Grants that are still open, in order of their id.
    pub grants: Vec<OpenGrant>,
    /// Grants that were asked for without an answer: the ledger may have lent them, so they must be closed with nothing used.
    pub unanswered: Vec<(GrantId, AccountId)>,
}

/// Goes through all records of all earlier lives, oldest first. `price` turns terms and milliseconds into money.
///
/// A call that was answered and has no record ended at its shard's last mark after the answer, or at once, and never after the
/// time that was paid for. Records that are repeated, such as grants carried over into a later life, count once.
pub fn replay(records: impl IntoIterator<Item = Record>, price: &mut dyn FnMut(&Terms, u64) -> Priced) -> Books {
    let mut past = Past::default();
    for record in records {
        past.take(record);
    }
    let mut books = Books::default();
    for open in core::mem::take(&mut past.calls).into_values() {
        let (call, attempt) = past.cut(&open, price);
        past.use_up(&call.grants);
        books.cut.extend(attempt);
        books.cut.push(call);
    }
    let used = |grant: &GrantId| past.used.get(grant).copied().unwrap_or(Money::ZERO);
    let open = past.granted.iter().filter(|(grant, (_, amount))| amount.is_positive() && !past.closed.contains(*grant));
    books.grants = open
        .map(|(grant, (account, amount))| OpenGrant {
            grant: *grant,
            account: *account,
            amount: *amount,
            used: used(grant),
        })
        .collect();
    let known = |grant: &GrantId| past.granted.contains_key(grant) || past.closed.contains(grant);
    books.unanswered =
        past.asked.iter().filter(|(grant, _)| !known(grant)).map(|(grant, account)| (*grant, *account)).collect();
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
    closed: BTreeSet<GrantId>,
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
            Record::Paid { call, reserved, paid_ms } => {
                if let Some(open) = self.calls.get_mut(&call) {
                    open.start.reserved = reserved;
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
            Record::GrantClosed { grant, .. } => {
                self.closed.insert(grant);
            }
        }
    }

    fn on_cdr(&mut self, cdr: Box<Cdr>) {
        if cdr.attempt.0 == 0 {
            self.calls.remove(&cdr.call);
            if self.ended.insert(cdr.call) {
                self.use_up(&cdr.grants);
            }
        } else if let Some(open) = self.calls.get_mut(&cdr.call)
            && open.start.attempt.attempt == cdr.attempt
        {
            open.attempt = Some(cdr);
        }
    }

    fn use_up(&mut self, parts: &[GrantPart]) {
        for part in parts {
            *self.used.entry(part.grant).or_default() += part.amount;
        }
    }

    /// How long the call is known to have lasted.
    fn duration_ms(&self, start: &Start) -> u64 {
        let call = start.call.call;
        let last = self.marks.get(&(call.boot, call.shard)).copied().unwrap_or_default();
        last.millis_since(start.answered).min(start.paid_ms)
    }

    /// The call's record, and the attempt's unless it stands in the journal.
    fn cut(&self, open: &Open, price: &mut dyn FnMut(&Terms, u64) -> Priced) -> (Cdr, Option<Cdr>) {
        let start = &open.start;
        let (duration_ms, cause, by) = match &open.attempt {
            Some(written) => (written.duration_ms, written.cause, written.released_by),
            None => (self.duration_ms(start), Cause::SWITCH_RESTARTED, Party::Switch),
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
        call.grants = parts_for(call.sell.map_or(Money::ZERO, |sell| sell.price), &start.reserved);
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
