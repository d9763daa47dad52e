//! The money of one account on this node: grants, what calls hold of them, and who waits for more.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use cdr::{GrantPart, Record};
use panel::wire::Want;
use units::mutant::{self, Mutant};
use units::{AccountId, Cause, GrantId, Instant, Money, ShardId};

use crate::book::{Entry, Order, grant_text};
use crate::table::CallRef;

/// Milliseconds that the ledger may take before those who wait are refused.
const LEDGER_TIMEOUT_MS: u64 = 1_000;
/// Milliseconds that a refusal stands before the ledger is asked again.
const REFUSAL_MS: u64 = 500;
/// Milliseconds without use after which a grant goes back where the ledger had less than was asked for: others wait for it.
const IDLE_MS: u64 = 30_000;
/// The same where it had plenty: who calls now and then must have money when the ledger is away.
const IDLE_RICH_MS: u64 = 900_000;
/// Slices that are asked for at least, so that not each call asks.
const SLICES_AHEAD: i64 = 1_024;
/// Milliseconds over which spending is measured.
const PACE_MS: u64 = 10_000;
/// What is asked for lasts this many times as long: twenty minutes. More is asked for when half is left, so ten minutes without the
/// ledger are covered at any time, as far as the account's money goes: it lends half of what is left at most.
const PACES_AHEAD: i64 = 120;

#[derive(Debug)]
struct Grant {
    id: GrantId,
    amount: Money,
    reserved: Money,
    used: Money,
    touched: Instant,
}

impl Grant {
    fn free(&self) -> Money {
        self.amount - self.reserved - self.used
    }
}

#[derive(Debug)]
struct Waiting {
    from: ShardId,
    call: CallRef,
    want: Money,
    least: Money,
}

/// One account's money on this node.
#[derive(Debug)]
pub struct Purse {
    account: AccountId,
    grants: Vec<Grant>,
    waiting: VecDeque<Waiting>,
    asked: Option<(GrantId, Instant)>,
    /// Until when a refusal stands, and why.
    refused: Option<(Instant, Cause)>,
    ask_size: Money,
    /// The ledger had less than was asked for.
    scarce: bool,
    pace: Pace,
}

/// How fast money is spent.
#[derive(Debug, Default)]
struct Pace {
    /// Since when it is measured, and what calls have taken since, less what they gave back.
    window: Option<(Instant, Money)>,
    /// Spent in [`PACE_MS`]; falls by an eighth in that time when calls cease.
    spent: Money,
}

impl Pace {
    /// Calls took money, or gave it back.
    fn count(&mut self, now: Instant, amount: Money) {
        let (began, taken) = self.window.unwrap_or((now, Money::ZERO));
        let (taken, span) = (taken + amount, now.millis_since(began));
        self.window = Some((began, taken));
        if span >= PACE_MS {
            // The span is no shorter, so it fits.
            let spent = (i128::from(taken.nanos()) * i128::from(PACE_MS) / i128::from(span)) as i64;
            let before = (0..(span / PACE_MS).min(64)).fold(self.spent.nanos(), |spent, _| spent / 8 * 7);
            self.spent = Money::from_nanos(spent.max(before));
            self.window = Some((now, Money::ZERO));
        }
    }
}

impl Purse {
    /// Without money.
    pub fn new(account: AccountId) -> Purse {
        Purse {
            account,
            grants: Vec::new(),
            waiting: VecDeque::new(),
            asked: None,
            refused: None,
            ask_size: Money::ZERO,
            scarce: false,
            pace: Pace::default(),
        }
    }

    /// Takes over a grant of an earlier boot.
    pub fn adopt(&mut self, id: GrantId, amount: Money, used: Money) {
        self.grants.push(Grant { id, amount, reserved: Money::ZERO, used, touched: Instant::default() });
    }

    /// One call wants money. Returns true if `next` was used to ask the ledger.
    pub fn reserve(
        &mut self,
        now: Instant,
        from: ShardId,
        call: CallRef,
        (want, least): (Money, Money),
        next: GrantId,
        out: &mut Vec<Order>,
    ) -> bool {
        let first_in_line = self.waiting.is_empty();
        if first_in_line && self.free() >= least {
            let parts = self.take(now, want);
            out.push(Order::Tell(from, Entry::Reserved { call, account: self.account, reserved: Ok(parts) }));
            return self.low(want) && self.ask(now, want, next, out);
        }
        let late = self.asked.is_some_and(|(_, at)| now.millis_since(at) >= LEDGER_TIMEOUT_MS);
        if let Some(cause) = self.refusal(now).or(late.then_some(Cause::TEMPORARY)) {
            let cause = self.told(cause);
            out.push(Order::Tell(from, Entry::Reserved { call, account: self.account, reserved: Err(cause) }));
            return false;
        }
        self.waiting.push_back(Waiting { from, call, want, least });
        self.ask(now, want, next, out)
    }

    /// Why the ledger refused a moment ago.
    fn refusal(&self, now: Instant) -> Option<Cause> {
        self.refused.filter(|(until, _)| now < *until).map(|(_, cause)| cause)
    }

    /// What a call hears for which there is no money: of an account that is not empty, that it is too little.
    fn told(&self, cause: Cause) -> Cause {
        let has_some = self.free().is_positive();
        if has_some && cause == Cause::ORIGINATOR_BALANCE { Cause::BALANCE_TOO_LOW } else { cause }
    }

    fn free(&self) -> Money {
        self.grants.iter().fold(Money::ZERO, |sum, grant| sum + grant.free())
    }

    /// What the ledger is asked for at a time.
    fn goal(&self, want: Money) -> Money {
        let least = want.nanos().saturating_mul(SLICES_AHEAD);
        Money::from_nanos(self.pace.spent.nanos().saturating_mul(PACES_AHEAD).max(least))
    }

    /// Less is free than half of that.
    fn low(&self, want: Money) -> bool {
        self.free().nanos() < self.goal(want).nanos() / 2
    }

    /// Takes up to `want` from the free parts, oldest grant first.
    fn take(&mut self, now: Instant, want: Money) -> Vec<GrantPart> {
        let (mut open, mut parts) = (want, Vec::new());
        for grant in &mut self.grants {
            let amount = grant.free().min(open);
            if amount.is_positive() {
                grant.reserved += amount;
                grant.touched = now;
                open -= amount;
                parts.push(GrantPart { grant: grant.id, amount });
            }
        }
        self.pace.count(now, want - open);
        parts
    }

    /// Asks the ledger, unless it was asked or has just refused.
    fn ask(&mut self, now: Instant, want: Money, next: GrantId, out: &mut Vec<Order>) -> bool {
        if self.asked.is_some() || self.refusal(now).is_some() {
            return false;
        }
        self.ask_size = self.goal(want);
        self.asked = Some((next, now));
        out.push(Order::JournalThenWant(
            Record::GrantAsked { grant: next, account: self.account },
            Want::Grant {
                grant: grant_text(next),
                account: self.account.0,
                want: self.ask_size.nanos(),
                slice: want.nanos(),
            },
        ));
        true
    }

    /// The ledger lent money, or refused with zero. Returns true if `next` was used to ask again.
    pub fn on_granted(
        &mut self,
        now: Instant,
        grant: GrantId,
        (amount, cause): (Money, Cause),
        next: GrantId,
        out: &mut Vec<Order>,
    ) -> bool {
        if self.asked.is_none_or(|(asked, _)| asked != grant && !mutant::is(Mutant::LateReplyTaken)) {
            return false;
        }
        self.asked = None;
        out.push(Order::Journal(Record::Granted { grant, account: self.account, amount }));
        self.scarce = amount < self.ask_size;
        if amount.is_positive() {
            self.refused = None;
            let (reserved, used) = (Money::ZERO, Money::ZERO);
            self.grants.push(Grant { id: grant, amount, reserved, used, touched: now });
        } else {
            self.refused = Some((now.plus_millis(REFUSAL_MS), cause));
        }
        self.serve(now, out);
        let Some(first) = self.waiting.front() else { return false };
        let want = first.want;
        if let Some((_, cause)) = self.refused {
            self.refuse_waiting(cause, out);
            return false;
        }
        self.ask(now, want, next, out)
    }

    /// Serves those who wait, in order, as long as the money lasts.
    fn serve(&mut self, now: Instant, out: &mut Vec<Order>) {
        while self.waiting.front().is_some_and(|first| self.free() >= first.least) {
            let Some(first) = self.waiting.pop_front() else { return };
            let parts = self.take(now, first.want);
            out.push(Order::Tell(
                first.from,
                Entry::Reserved { call: first.call, account: self.account, reserved: Ok(parts) },
            ));
        }
    }

    fn refuse_waiting(&mut self, cause: Cause, out: &mut Vec<Order>) {
        let (account, cause) = (self.account, self.told(cause));
        for waiting in self.waiting.drain(..) {
            out.push(Order::Tell(waiting.from, Entry::Reserved { call: waiting.call, account, reserved: Err(cause) }));
        }
    }

    /// What boots up to this one were lent is void: it is handed back, whatever calls hold of it. Who waits is refused if nothing more
    /// may be used.
    pub fn void(&mut self, boot: u32, barred: bool, out: &mut Vec<Order>) {
        let account = self.account;
        self.grants.retain(|grant| {
            let stays = grant.id.boot > boot;
            if !stays {
                out.push(closing(account, grant));
            }
            stays
        });
        if barred {
            self.refuse_waiting(Cause::NODE_WRITTEN_OFF, out);
        }
    }

    /// A call is over.
    pub fn settle(&mut self, now: Instant, reserved: &[GrantPart], used: &[GrantPart], out: &mut Vec<Order>) {
        let all = |parts: &[GrantPart]| parts.iter().fold(Money::ZERO, |sum, part| sum + part.amount);
        self.pace.count(now, all(used) - all(reserved));
        for part in reserved {
            if let Some(grant) = self.grants.iter_mut().find(|grant| grant.id == part.grant) {
                grant.reserved -= if mutant::is(Mutant::RestKept) { Money::ZERO } else { part.amount };
                grant.touched = now;
                assert!(grant.reserved >= Money::ZERO, "what is freed was reserved");
            }
        }
        for part in used {
            if let Some(grant) = self.grants.iter_mut().find(|grant| grant.id == part.grant) {
                grant.used += part.amount;
                assert!(grant.used + grant.reserved <= grant.amount, "use stays within the reserve");
            }
        }
        self.close_where(|grant| grant.used == grant.amount, out);
        self.serve(now, out);
    }

    fn close_where(&mut self, closes: impl Fn(&Grant) -> bool, out: &mut Vec<Order>) {
        let account = self.account;
        self.grants.retain(|grant| {
            let close = grant.reserved == Money::ZERO && closes(grant);
            if close {
                out.push(closing(account, grant));
            }
            !close
        });
    }

    /// Milliseconds that a grant may be without use.
    fn idle_ms(&self) -> u64 {
        if self.scarce { IDLE_MS } else { IDLE_RICH_MS }
    }

    /// Time went on.
    pub fn on_time(&mut self, now: Instant, out: &mut Vec<Order>) {
        if self.asked.is_some_and(|(_, at)| now.millis_since(at) >= LEDGER_TIMEOUT_MS) {
            self.refuse_waiting(Cause::TEMPORARY, out);
        }
        if !mutant::is(Mutant::IdleGrantKept) {
            let idle_ms = self.idle_ms();
            self.close_where(|grant| now.millis_since(grant.touched) >= idle_ms, out);
        }
    }

    /// When `on_time` is due.
    pub fn deadline(&self) -> Option<Instant> {
        let ledger = self.asked.filter(|_| !self.waiting.is_empty()).map(|(_, at)| at.plus_millis(LEDGER_TIMEOUT_MS));
        let kept = mutant::is(Mutant::IdleGrantKept);
        let idle = self.grants.iter().filter(|grant| grant.reserved == Money::ZERO && !kept);
        let idle = idle.map(|grant| grant.touched.plus_millis(self.idle_ms())).min();
        [ledger, idle].into_iter().flatten().min()
    }

    /// Each grant: how much it is, and how much of it calls hold or have used.
    pub fn grants(&self) -> impl Iterator<Item = (GrantId, Money, Money)> {
        self.grants.iter().map(|grant| (grant.id, grant.amount, grant.reserved + grant.used))
    }

    /// What calls hold at this moment.
    pub fn reserved(&self) -> Money {
        self.grants.iter().fold(Money::ZERO, |sum, grant| sum + grant.reserved)
    }
}

/// A grant goes back.
fn closing(account: AccountId, grant: &Grant) -> Order {
    let want = Want::Close { grant: grant_text(grant.id), account: account.0, used: grant.used.nanos() };
    Order::JournalThenWant(Record::GrantClosed { grant: grant.id, used: grant.used }, want)
}
