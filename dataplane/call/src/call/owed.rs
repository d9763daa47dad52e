//! What the terminator may be owed: where an account limits that, an attempt goes out only when its first slice is reserved, and a call
//! lasts no longer than both sides are paid for.
//!
//! It is the same reserve as the originator's, from another purse: it is asked for when room was taken on the egress trunk, goes back
//! when the attempt fails, grows while the call runs, and is used up by what the terminator is owed in the end.

use alloc::vec::Vec;

use cdr::GrantPart;
use units::mutant::{self, Mutant};
use units::{AccountId, Cause, Money, Terms};

use crate::call::setup::{add, used_of};
use crate::call::{Call, Context, State};
use crate::effect::Effect;
use crate::limits::{BOOK_TIMEOUT_MS, SLICE_MS};
use crate::release::Release;

/// What the present attempt has reserved of what its terminator may be owed.
#[derive(Clone, Debug, Default)]
pub(super) struct Owed {
    /// Whose; `None` where nothing limits it.
    pub purse: Option<AccountId>,
    /// The cost's terms.
    pub terms: Option<Terms>,
    /// What is reserved.
    pub parts: Vec<GrantPart>,
    /// The home shard was asked for more.
    pub asking: bool,
    /// Purses whose answers are for attempts that are over.
    pub late: Vec<AccountId>,
}

impl Owed {
    fn sum(&self) -> Money {
        self.parts.iter().fold(Money::ZERO, |sum, part| sum + part.amount)
    }

    /// Milliseconds of talk that may be owed; `u64::MAX` where nothing limits that.
    pub fn paid_ms(&self) -> u64 {
        match (self.purse, &self.terms) {
            (Some(_), Some(terms)) if !mutant::is(Mutant::TalksBeyondOwed) => rating::paid_ms(terms, self.sum()),
            _ => u64::MAX,
        }
    }

    /// What is wanted for talk of so many milliseconds, and one second of the last slice at least; `None` if that is there.
    pub fn more(&self, paid_ms: u64) -> Option<(AccountId, Money, Money)> {
        let (purse, terms) = (self.purse.filter(|_| !self.asking)?, self.terms?);
        let held = self.sum();
        let least = rating::reserve(&terms, paid_ms + 1_000) - held;
        let want = rating::reserve(&terms, paid_ms + SLICE_MS) - held;
        want.is_positive().then_some((purse, want.max(least), least.max(Money::ZERO)))
    }
}

impl Call {
    /// Room was taken on the egress trunk of the next route: its terminator must be allowed to earn the first slice.
    pub(super) fn reserve_owed(&mut self, ctx: &mut Context<'_>) {
        let candidate = self.routes[self.next_route];
        self.next_route += 1;
        self.egress_taken = Some(candidate);
        let limited = ctx.view.account(candidate.account).is_some_and(|account| account.owed_limited());
        let skipped = mutant::is(Mutant::OwedNotReserved);
        let Some(terms) = candidate.buy.filter(|_| limited && !skipped) else { return self.attempt(ctx, candidate) };
        let (least, least_ms) = rating::first_slice(&terms);
        let want = rating::reserve(&terms, least_ms.max(SLICE_MS)).max(least);
        self.owed.purse = Some(candidate.account.owed());
        self.owed.terms = Some(terms);
        if !want.is_positive() {
            return self.attempt(ctx, candidate);
        }
        self.state = State::Owing { give_up_at: ctx.desk.clock.now.plus_millis(BOOK_TIMEOUT_MS) };
        self.owed.asking = true;
        ctx.desk.out.list.push(Effect::Reserve { account: candidate.account.owed(), want, least });
    }

    /// The home shard of what the terminator may be owed decided.
    pub(super) fn on_owed(&mut self, ctx: &mut Context<'_>, purse: AccountId, answer: Result<Vec<GrantPart>, Cause>) {
        if let Some(late) = self.owed.late.iter().position(|late| *late == purse) {
            self.owed.late.remove(late);
            return give_back(ctx, purse, answer.unwrap_or_default());
        }
        self.owed.asking = false;
        match (&self.state, answer) {
            (State::Owing { .. }, Ok(parts)) => {
                add(&mut self.owed.parts, parts);
                if let Some(candidate) = self.egress_taken {
                    self.attempt(ctx, candidate);
                }
            }
            (State::Owing { .. }, Err(cause)) => self.skip(ctx, cause),
            (State::Up(_), answer) => {
                if let Ok(parts) = answer {
                    add(&mut self.owed.parts, parts);
                    self.on_extended(ctx);
                }
            }
            (_, answer) => give_back(ctx, purse, answer.unwrap_or_default()),
        }
    }

    /// The home shard did not answer in time.
    pub(super) fn on_owed_missing(&mut self, ctx: &mut Context<'_>) {
        self.skip(ctx, Cause::TEMPORARY);
    }

    /// The attempt is over and nobody answered it: its terminator is owed nothing.
    pub(super) fn free_owed(&mut self, ctx: &mut Context<'_>) {
        let Owed { purse, asking, parts, .. } = &mut self.owed;
        let (Some(account), parts) = (purse.take(), core::mem::take(parts)) else { return };
        if core::mem::take(asking) {
            self.owed.late.push(account);
        }
        self.owed.terms = None;
        if !mutant::is(Mutant::OwedRestKept) {
            give_back(ctx, account, parts);
        }
    }

    /// The call is over, and its record safe soon: what the terminator is owed is used up, the rest is free.
    pub(super) fn settle_owed(&mut self, ctx: &mut Context<'_>, used: Vec<GrantPart>) {
        let (Some(account), reserved) = (self.owed.purse.take(), core::mem::take(&mut self.owed.parts)) else { return };
        if core::mem::take(&mut self.owed.asking) {
            self.owed.late.push(account);
        }
        if !reserved.is_empty() {
            ctx.desk.out.list.push(Effect::Settle { account, reserved, used });
        }
    }

    /// Which of the reserved parts a cost is taken from.
    pub(super) fn owed_parts(&self, cost: Money) -> Vec<GrantPart> {
        if self.owed.purse.is_some() { used_of(&self.owed.parts, cost) } else { Vec::new() }
    }

    /// True if a price of other terms may be owed for a first slice out of what is reserved: a redirection asks for no more.
    pub(super) fn may_owe(&self, terms: &Terms) -> bool {
        self.owed.purse.is_none() || rating::first_slice(terms).0 <= self.owed.sum()
    }

    /// Why a call ends whose paid time is over.
    pub(super) fn end_of_money(&self) -> Release {
        let owed = self.owed.purse.is_some() && self.owed.paid_ms() <= self.paid_ms;
        Release::by_switch(if owed { Cause::TERMINATOR_BALANCE } else { Cause::MONEY_EXHAUSTED })
    }
}

/// What nobody waits for goes back at once.
fn give_back(ctx: &mut Context<'_>, account: AccountId, reserved: Vec<GrantPart>) {
    if !reserved.is_empty() {
        ctx.desk.out.list.push(Effect::Settle { account, reserved, used: Vec::new() });
    }
}
