//! The oracle's sums: what the switch delivered, by the peers' clock and the oracle's own prices, against what was paid.
//!
//! What is delivered only grows, and what is billed of it is known when a call ends, so the sums are compared at each end, at each kill
//! and at the end of the run: nothing in between is higher.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use cdr::{Cdr, Record, Start};
use units::{AccountId, CallId};

use crate::node::Ticks;
use crate::prices::{self, Line};
use crate::story::MS;

/// One side of a call that has started and not ended: the originator's, or what a terminator may be owed.
#[derive(Clone, Debug)]
struct Running {
    account: AccountId,
    line: Option<Line>,
    ingress_call_id: String,
    node: usize,
    /// When its answer left for the caller, by its node's clock.
    answered: Option<u64>,
    /// Its node stood still for a while: it delivered nothing then, so that its own record must be believed.
    stood_still: bool,
}

impl Running {
    /// What it has delivered.
    fn cost(&self, now: u64) -> i64 {
        let (Some(line), Some(answered)) = (&self.line, self.answered) else { return 0 };
        prices::price(line, (now - answered) / MS).1
    }
}

/// What one side of a call has delivered that is over, until its record is safe.
#[derive(Clone, Copy, Debug)]
struct Ended {
    account: AccountId,
    node: usize,
    delivered: i64,
    /// The caller heard an answer.
    answered: bool,
}

/// One account.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    funds: i64,
    /// By calls whose record is safe.
    delivered: i64,
    /// Of that, what a crash left unbilled.
    lost: i64,
    /// What records write off of such talk.
    written_off: i64,
    /// By the safe records of calls.
    billed: i64,
}

/// The sums of all accounts.
#[derive(Clone, Debug, Default)]
pub struct Sums {
    accounts: BTreeMap<AccountId, Sum>,
    running: BTreeMap<(CallId, AccountId), Running>,
    ended: BTreeMap<(CallId, AccountId), Ended>,
    /// How each node's clock runs.
    clocks: BTreeMap<usize, Ticks>,
}

impl Sums {
    /// A payment.
    pub fn fund(&mut self, account: AccountId, amount: i64) {
        self.accounts.entry(account).or_default().funds += amount;
    }

    /// A node hands this to its journal.
    pub fn on_record(&mut self, now: u64, node: usize, record: &Record) {
        match record {
            Record::Start(start) => self.on_start(node, start),
            Record::Cdr(cdr) if cdr.attempt.0 == 0 => {
                for side in sides(cdr) {
                    self.on_end(now, node, cdr, side);
                }
            }
            _ => {}
        }
    }

    fn on_end(&mut self, now: u64, node: usize, cdr: &Cdr, side: Side) {
        let key = (cdr.call, side.account);
        let Some(running) = self.running.remove(&key) else { return };
        let answered = running.answered.is_some();
        let believed = running.stood_still || cdr.answered_ms.is_none();
        let delivered = if believed { side.price } else { running.cost(self.by_clock(node, now)) };
        self.ended.insert(key, Ended { account: side.account, node, delivered, answered });
    }

    fn on_start(&mut self, node: usize, start: &Start) {
        let call = &start.call;
        for Side { account, deck, .. } in sides(call) {
            let line = prices::line_of(deck, call.revision.0, call.called_routed.as_str());
            let ingress_call_id = call.ingress_call_id.clone();
            let running = Running { account, line, ingress_call_id, node, answered: None, stood_still: false };
            self.running.insert((call.call, account), running);
        }
    }

    /// An answer leaves for the caller with this Call-ID.
    pub fn on_answer(&mut self, now: u64, call_id: &str) {
        let own = self.running.iter_mut().filter(|(_, running)| running.ingress_call_id == call_id);
        let own: Vec<_> = own.collect();
        let Some(last) = own.last().map(|((call, _), _)| *call) else { return };
        for (_, running) in own.into_iter().filter(|((call, _), _)| *call == last) {
            let now = self.clocks.get(&running.node).map_or(now, |ticks| ticks.at(now));
            running.answered.get_or_insert(now);
        }
    }

    /// A record is safe in a node's journal; `cut` says that it was made of what an earlier life left, and may leave talk unbilled.
    pub fn on_safe(&mut self, now: u64, record: &Record, cut: bool) -> Result<(), String> {
        let Record::Cdr(cdr) = record else { return Ok(()) };
        if cdr.attempt.0 > 0 {
            return Ok(());
        }
        let sum = self.accounts.entry(cdr.originator_account).or_default();
        sum.written_off += cdr.written_off.nanos();
        sides(cdr).into_iter().try_for_each(|side| self.on_side_safe(now, cdr.call, side, cut))
    }

    fn on_side_safe(&mut self, now: u64, call: CallId, side: Side, cut: bool) -> Result<(), String> {
        let Side { account, price, written_off, .. } = side;
        let delivered = self.ended.remove(&(call, account)).map_or(price, |ended| ended.delivered);
        let sum = self.accounts.entry(account).or_default();
        sum.billed += price;
        sum.delivered += delivered;
        if cut {
            sum.lost += (delivered - price).max(0);
            if written_off.is_some_and(|written_off| delivered - price > written_off) {
                return Err(format!(
                    "call {call} delivered {delivered}, is billed {price}, and {side:?} is written off"
                ));
            }
        } else if delivered > price {
            return Err(format!("call {call} delivered {delivered} to {account} and is billed {price}"));
        }
        self.check(now, account)
    }

    /// A node is dead: what its calls have delivered by this moment is all that they will.
    pub fn on_kill(&mut self, now: u64, node: usize) -> Result<(), String> {
        let accounts: Vec<AccountId> = self.accounts.keys().copied().collect();
        accounts.into_iter().try_for_each(|account| self.check(now, account))?;
        let own = self.running.iter().filter(|(_, running)| running.node == node).map(|(key, _)| *key);
        for key in own.collect::<Vec<_>>() {
            let Some(running) = self.running.remove(&key) else { continue };
            let (account, answered) = (running.account, running.answered.is_some());
            self.ended
                .insert(key, Ended { account, node, delivered: running.cost(self.by_clock(node, now)), answered });
        }
        Ok(())
    }

    /// A node lives again and has written what it found. Whoever heard an answer must have been found.
    pub fn on_restart(&mut self, node: usize, ticks: Ticks) -> Result<(), String> {
        self.clocks.insert(node, ticks);
        let lost = self.ended.iter().find(|(_, ended)| ended.node == node && ended.answered);
        if let Some((call, ended)) = lost {
            return Err(format!("call {call:?} was answered and is forgotten: {ended:?}"));
        }
        self.ended.retain(|_, ended| ended.node != node);
        Ok(())
    }

    /// A node stands still.
    pub fn on_pause(&mut self, node: usize) {
        self.running.values_mut().filter(|running| running.node == node).for_each(|running| running.stood_still = true);
    }

    /// I1: no account was delivered more than it has paid for, but for what a crash left unbilled.
    fn check(&self, now: u64, account: AccountId) -> Result<(), String> {
        let sum = self.accounts.get(&account).copied().unwrap_or_default();
        let own = self.running.values().filter(|running| running.account == account && !running.stood_still);
        let under_way: i64 = own.map(|running| running.cost(self.by_clock(running.node, now))).sum();
        let over: i64 = self.ended.values().filter(|ended| ended.account == account).map(|ended| ended.delivered).sum();
        let all = sum.delivered + under_way + over;
        if all - sum.lost > sum.funds {
            return Err(format!("account {account}: {all} are delivered, which is more than its funds: {sum:?}"));
        }
        Ok(())
    }

    fn by_clock(&self, node: usize, now: u64) -> u64 {
        self.clocks.get(&node).map_or(now, |ticks| ticks.at(now))
    }

    /// What all records together bill an account.
    pub fn billed(&self, account: AccountId) -> i64 {
        self.accounts.get(&account).map_or(0, |sum| sum.billed)
    }

    /// What all records together write off of an account's cut calls.
    pub fn written_off(&self, account: AccountId) -> i64 {
        self.accounts.get(&account).map_or(0, |sum| sum.written_off)
    }

    /// Talk that crashes left unbilled.
    pub fn lost(&self) -> i64 {
        self.accounts.values().map(|sum| sum.lost).sum()
    }

    /// Calls that were started and have no safe record.
    pub fn unfinished(&self) -> usize {
        self.running.len() + self.ended.len()
    }
}

/// Who pays a call's price, or is owed its cost up to a limit, by which deck, and what its record says.
#[derive(Clone, Copy, Debug)]
struct Side {
    account: AccountId,
    deck: u32,
    price: i64,
    /// What may have been talked beyond it; the originator's side alone says so.
    written_off: Option<i64>,
}

fn sides(cdr: &Cdr) -> Vec<Side> {
    let price = |priced: Option<cdr::Priced>| priced.map_or(0, |priced| priced.price.nanos());
    let (account, company) = (cdr.originator_account, cdr.terminator_account);
    let written_off = Some(cdr.written_off.nanos());
    let mut sides = alloc::vec![Side { account, deck: prices::SELL_DECK, price: price(cdr.sell), written_off }];
    if prices::is_limited(company.0) {
        sides.push(Side { account: company.owed(), deck: company.0, price: price(cdr.buy), written_off: None });
    }
    sides
}
