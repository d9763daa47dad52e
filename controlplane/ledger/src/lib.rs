//! What the ledger decides, without a database: rows in, an answer and the rows to write out.
//!
//! The database hands over what it knows of an account and of a grant, locked, and writes what comes back in the same transaction;
//! the simulator does the same with rows in memory. For each account `available + held + settled = funds` after every step. Each
//! operation carries a globally unique id, and a repetition is answered as the first time.
#![no_std]

extern crate alloc;

mod posts;
mod watch;

use core::ops::AddAssign;

use units::mutant::{self, Mutant};
use units::{AccountId, Cause, GrantId, Money};

pub use posts::{Call, Posted, lost, post};
pub use watch::Watched;

/// An account's row, or a change of one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Balance {
    /// May be lent to nodes. Negative only for postpaid accounts without a limit, or when a limit was lowered below what is spent.
    pub available: Money,
    /// Lent to nodes and not yet spent or returned.
    pub held: Money,
    /// Spent on calls.
    pub settled: Money,
    /// Payments and credit limit.
    pub funds: Money,
    /// What we owe the carrier for calls that it took. Not part of `funds`.
    pub owed: Money,
}

impl Balance {
    /// True when nothing is lost or made: `available + held + settled = funds`.
    pub fn adds_up(&self) -> bool {
        self.available + self.held + self.settled == self.funds
    }
}

impl AddAssign for Balance {
    fn add_assign(&mut self, more: Balance) {
        self.available += more.available;
        self.held += more.held;
        self.settled += more.settled;
        self.funds += more.funds;
        self.owed += more.owed;
    }
}

/// What the ledger must know of an account to lend from it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// It can run out of money: prepaid, or postpaid with a credit limit.
    pub limited: bool,
    /// What may be lent at this moment.
    pub available: Money,
    /// It keeps a minimum: what is available counts from there.
    pub keeps: bool,
    /// What the cap of the day still lets be lent, whatever is available; `None` without one.
    pub day: Option<Money>,
    /// What the cap of the month still lets be lent.
    pub month: Option<Money>,
}

impl Account {
    /// What may be lent in all; `None` where nothing limits it.
    pub fn left(&self) -> Option<Money> {
        let available = Some(self.available).filter(|_| self.limited);
        [available, self.day, self.month].into_iter().flatten().min()
    }

    /// Why nothing may be lent: the balance before the caps, since a payment changes it sooner than time.
    pub fn objection(&self) -> Cause {
        let is_used_up = |left: Option<Money>| left.is_some_and(|left| !left.is_positive());
        match self {
            _ if self.limited && self.keeps && is_used_up(Some(self.available)) => Cause::MINIMUM_KEPT,
            _ if self.limited && is_used_up(Some(self.available)) => Cause::ORIGINATOR_BALANCE,
            _ if is_used_up(self.day) => Cause::DAY_CAP,
            _ if is_used_up(self.month) => Cause::MONTH_CAP,
            _ => Cause::ORIGINATOR_BALANCE,
        }
    }

    /// Why what may be lent is not enough for a call to begin: nothing is left, or what leaves the least.
    pub fn shortage(&self) -> Cause {
        let left = self.left().filter(|left| left.is_positive());
        match left {
            Some(left) if self.limited && !self.keeps && left == self.available => Cause::BALANCE_TOO_LOW,
            Some(left) if self.limited && left == self.available => Cause::MINIMUM_KEPT,
            Some(left) if Some(left) == self.day => Cause::DAY_CAP,
            Some(_) => Cause::MONTH_CAP,
            None => self.objection(),
        }
    }
}

/// A node that was written off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fence {
    /// Its boots up to this one had started before; what they were lent is void, and they are lent nothing more.
    pub boot: u32,
    /// Nobody has admitted the node again: no boot of it is lent anything.
    pub barred: bool,
}

impl Fence {
    /// True if a boot of the node may be lent nothing.
    pub fn holds(&self, boot: u32) -> bool {
        boot <= self.boot || self.barred
    }
}

/// What a node that asked for money is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// How much is lent; zero is a refusal.
    pub amount: Money,
    /// Why it was refused. A refusal is never taken back, but a repeated question hears what stands against it by then.
    pub cause: Option<Cause>,
}

/// Where a grant stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// Lent.
    #[default]
    Open,
    /// Handed back; posts of its calls may still be on their way.
    Closed,
    /// It was asked for when there was nothing to lend.
    Refused,
    /// It was closed before it was ever asked for: the request is late, or was lost.
    Tombstone,
    /// Its node fell silent and was fenced; an operator gave the money back to the account.
    WrittenOff,
}

/// A grant's row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Grant {
    /// Its identity: node, boot and number.
    pub id: GrantId,
    /// Whose money.
    pub account: AccountId,
    /// How much was lent.
    pub amount: Money,
    /// What the node said that calls used; known once it is closed.
    pub used: Money,
    /// What has been posted on it.
    pub posted: Money,
    /// Where it stands.
    pub state: State,
}

impl Grant {
    /// What is still held for posts of this grant.
    pub fn held(&self) -> Money {
        match self.state {
            State::Open => self.amount - self.posted,
            State::Closed => self.used - self.posted,
            State::Refused | State::Tombstone | State::WrittenOff => Money::ZERO,
        }
    }

    /// What whoever asks for it is told. A tombstone or a refusal lends nothing, however often it is asked for.
    pub fn answer(&self) -> Money {
        match self.state {
            State::Open | State::Closed => self.amount,
            State::Refused | State::Tombstone | State::WrittenOff => Money::ZERO,
        }
    }
}

/// How much a node asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ask {
    /// What would carry it for a while.
    pub want: Money,
    /// The slice that waits: near the end of the money slices go out one by one.
    pub slice: Money,
}

/// What is to be written: the grant's row, put in or replaced, and what the account's row changes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The row.
    pub grant: Grant,
    /// The change; it adds up by itself.
    pub change: Balance,
}

/// A request that contradicts what is written: some node's or our own mistake, never an ordinary event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flaw {
    /// Whose the grant is.
    pub account: AccountId,
}

/// A node asks for money under an id of its own: the answer, and what to write if this is the first time.
///
/// `fenced` says that the node's boot was written off: it gets nothing more.
///
/// # Errors
/// The id belongs to another account.
pub fn grant(
    id: GrantId,
    account: AccountId,
    known: Option<&Grant>,
    funds: &Account,
    ask: Ask,
    fenced: bool,
) -> Result<(Answer, Option<Step>), Flaw> {
    let answer = |amount: Money| Answer {
        amount,
        cause: (!amount.is_positive()).then(|| match () {
            () if fenced => Cause::NODE_WRITTEN_OFF,
            () if account.is_owed() => Cause::TERMINATOR_BALANCE,
            () => funds.objection(),
        }),
    };
    if let Some(known) = known.filter(|_| !mutant::is(Mutant::LentTwice)) {
        return if known.account == account {
            Ok((answer(known.answer()), None))
        } else {
            Err(Flaw { account: known.account })
        };
    }
    let amount = if fenced { Money::ZERO } else { lend(funds, ask) };
    // A refusal is written down too: a doubled request that comes after a payment must not lend what nobody waits for.
    let state = if amount.is_positive() { State::Open } else { State::Refused };
    if state == State::Refused && mutant::is(Mutant::RefusalForgotten) {
        return Ok((answer(amount), None));
    }
    let change = Balance { available: -amount, held: amount, ..Balance::default() };
    let grant = Grant { id, account, amount, state, ..Grant::default() };
    Ok((answer(amount), Some(Step { grant, change })))
}

/// How much a node may have: half of what is available and caps allow, so that others find something too; the slice that waits if half does not
/// cover it; all if that does not either. At 0 or below nothing: a prepaid account at exactly 0 starts no call.
fn lend(funds: &Account, ask: Ask) -> Money {
    let want = ask.want.max(ask.slice).max(Money::ZERO);
    if mutant::is(Mutant::LentBeyondFunds) {
        return want;
    }
    let most = match funds.left() {
        None => want,
        Some(left) if !left.is_positive() => Money::ZERO,
        Some(left) => Money::from_nanos(left.nanos() / 2).max(ask.slice).max(SMALLEST).min(left),
    };
    want.min(most)
}

/// A grant holds a thousandth of a unit of the currency at least, if there is as much: halves of less would be lent without end.
const SMALLEST: Money = Money::from_nanos(1_000_000);

/// A node hands a grant back and says what its calls used of it; `None` if that had been done before.
///
/// Posts of its calls may still be on their way: what `used` covers stays held until they come. An unknown grant is remembered as
/// closed, so that a late request for it lends nothing.
///
/// # Errors
/// The id belongs to another account.
pub fn close(id: GrantId, account: AccountId, known: Option<&Grant>, used: Money) -> Result<Option<Step>, Flaw> {
    let Some(known) = known else {
        if mutant::is(Mutant::NoTombstone) {
            return Ok(None);
        }
        let grant = Grant { id, account, state: State::Tombstone, ..Grant::default() };
        return Ok(Some(Step { grant, change: Balance::default() }));
    };
    if known.account != account {
        return Err(Flaw { account: known.account });
    }
    match known.state {
        State::Open => {}
        State::Closed | State::Refused | State::Tombstone | State::WrittenOff => return Ok(None),
    }
    // What was posted is used, whatever the node says; more than was lent cannot be used.
    let used = if mutant::is(Mutant::ClosedBeforePosts) { Money::ZERO } else { used };
    let used = used.max(known.posted).min(known.amount);
    let rest = known.amount - used;
    let change = Balance { available: rest, held: -rest, ..Balance::default() };
    Ok(Some(Step { grant: Grant { used, state: State::Closed, ..*known }, change }))
}

/// The node that holds it is gone for good: what is held goes back to the account; `None` if nothing is held.
///
/// Only after fencing: a node that lives on would spend the money a second time.
pub fn write_off(known: &Grant) -> Option<Step> {
    let back = known.held();
    if !back.is_positive() && known.state != State::Open {
        return None;
    }
    let change = Balance { available: back, held: -back, ..Balance::default() };
    Some(Step { grant: Grant { used: known.posted, state: State::WrittenOff, ..*known }, change })
}
