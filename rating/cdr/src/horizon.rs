//! Which segments a running data plane still needs: those that a restart would bill its open calls from.
//!
//! Grants and unanswered questions are few, so each segment begins by telling them again ([`Horizon::checkpoint`]). Calls are many and
//! mostly short, so a segment is kept while a call that it tells the start of is open; a call that outlives that is told again.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use units::{AccountId, AttemptIndex, CallId, GrantId, Money, WallTime};

use crate::encoding::{Glimpse, parts_used};
use crate::record::Record;

/// Where a frame stands within the journal of one boot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The segment's number, from 1.
    pub segment: u32,
    /// Where the frame begins, in bytes of the segment.
    pub offset: u64,
}

/// A call that has started and not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenCall {
    /// Where its start is told.
    pub start: Place,
    /// Where its reserve was told last, if it grew.
    pub paid: Option<Place>,
    /// Its attempt that was put on record last, 0 for none.
    pub attempt: AttemptIndex,
}

/// A grant that is open.
#[derive(Clone, Copy, Debug)]
struct Lent {
    account: AccountId,
    amount: Money,
    used: Money,
}

/// What of the journal is still needed. Fed with every record in the order of writing.
#[derive(Clone, Debug, Default)]
pub struct Horizon {
    calls: BTreeMap<CallId, OpenCall>,
    /// How many open calls start in each segment.
    homes: BTreeMap<u32, u32>,
    grants: BTreeMap<GrantId, Lent>,
    asked: BTreeMap<GrantId, AccountId>,
    /// Grants that are over, and the ledger has not said that it knows.
    closing: BTreeMap<GrantId, (AccountId, Money)>,
}

impl Horizon {
    /// Takes note of an encoded record that is written at this place. Bytes that are no record are nobody's need.
    pub fn see(&mut self, place: Place, payload: &[u8]) {
        match Glimpse::of(payload) {
            Glimpse::Start(call) => {
                self.forget(call);
                *self.homes.entry(place.segment).or_default() += 1;
                self.calls.insert(call, OpenCall { start: place, paid: None, attempt: AttemptIndex(0) });
            }
            Glimpse::Paid(call) => {
                if let Some(open) = self.calls.get_mut(&call) {
                    open.paid = Some(place);
                }
            }
            Glimpse::Cdr(call, AttemptIndex(0)) => {
                // A call without a start was never answered and used no money.
                if self.forget(call) {
                    self.use_up(payload);
                }
            }
            Glimpse::Cdr(call, attempt) => {
                if let Some(open) = self.calls.get_mut(&call) {
                    open.attempt = attempt;
                }
            }
            Glimpse::Other => self.see_grant(payload),
        }
    }

    fn see_grant(&mut self, payload: &[u8]) {
        match Record::decode(payload) {
            Ok(Record::GrantAsked { grant, account }) => {
                self.asked.insert(grant, account);
            }
            Ok(Record::Granted { grant, account, amount }) => {
                self.asked.remove(&grant);
                if amount.is_positive() {
                    self.grants.entry(grant).or_insert(Lent { account, amount, used: Money::ZERO });
                }
            }
            Ok(Record::GrantCarried { grant, account, amount, used }) => {
                self.grants.insert(grant, Lent { account, amount, used });
            }
            Ok(Record::GrantClosed { grant, used }) => {
                let asked = self.asked.remove(&grant);
                let account = self.grants.remove(&grant).map(|lent| lent.account).or(asked);
                self.closing.extend(account.map(|account| (grant, (account, used))));
            }
            Ok(Record::GrantReturned { grant }) => {
                self.closing.remove(&grant);
            }
            _ => {}
        }
    }

    /// Takes note of what the record of a finished call used.
    fn use_up(&mut self, payload: &[u8]) {
        let mut used = Vec::new();
        if !parts_used(payload, |part| used.push(part)) {
            used.clear();
            if let Ok(Record::Cdr(cdr)) = Record::decode(payload) {
                used.extend(cdr.grants.iter().chain(&cdr.owed_grants));
            }
        }
        for part in used {
            if let Some(lent) = self.grants.get_mut(&part.grant) {
                lent.used += part.amount;
            }
        }
    }

    fn forget(&mut self, call: CallId) -> bool {
        let Some(open) = self.calls.remove(&call) else { return false };
        if let Some(count) = self.homes.get_mut(&open.start.segment) {
            *count -= 1;
            if *count == 0 {
                self.homes.remove(&open.start.segment);
            }
        }
        true
    }

    /// The first segment that is needed while `present` is written and begins with a [`Horizon::checkpoint`].
    pub fn first_needed(&self, present: u32) -> u32 {
        self.homes.keys().next().map_or(present, |oldest| present.min(*oldest))
    }

    /// Open calls.
    pub fn calls(&self) -> usize {
        self.calls.len()
    }

    /// Open calls whose start is told before this segment, in order of their ids.
    pub fn started_before(&self, segment: u32) -> Vec<(CallId, OpenCall)> {
        if self.first_needed(segment) >= segment {
            return Vec::new();
        }
        self.calls.iter().filter(|(_, open)| open.start.segment < segment).map(|(call, open)| (*call, *open)).collect()
    }

    /// What a segment begins with, so that nothing before it is needed for boots and money.
    pub fn checkpoint(&self, boot: u32, wall: WallTime) -> Vec<Record> {
        let asked = self.asked.iter().map(|(grant, account)| Record::GrantAsked { grant: *grant, account: *account });
        let open = self.grants.iter().map(|(grant, lent)| Record::GrantCarried {
            grant: *grant,
            account: lent.account,
            amount: lent.amount,
            used: lent.used,
        });
        let closing = self.closing.iter().flat_map(|(grant, (account, used))| {
            let (grant, account, used) = (*grant, *account, *used);
            [Record::GrantAsked { grant, account }, Record::GrantClosed { grant, used }]
        });
        [Record::Boot { boot, wall }].into_iter().chain(asked).chain(open).chain(closing).collect()
    }
}
