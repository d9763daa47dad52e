//! Prices of finished calls leave what is held for their grants.

use alloc::collections::BTreeMap;

use cdr::GrantPart;
use units::mutant::{self, Mutant};
use units::{AccountId, GrantId, Money};

use crate::{Balance, Grant};

/// What a finished call says about money.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// Who pays.
    pub account: AccountId,
    /// How much.
    pub price: Money,
    /// Which grants the node took it from.
    pub parts: &'a [GrantPart],
}

/// What a post did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Posted {
    /// The account's change.
    pub change: Balance,
    /// What no grant covered: it was taken from what is available.
    pub uncovered: Money,
}

/// Takes a call's price from what its grants still hold, and the rest from what is available. `grants` are those that the call names,
/// as far as the ledger knows them; their rows are changed in place.
///
/// `known` says that a record of this id is written already: a repetition moves nothing.
pub fn post(call: Call<'_>, known: bool, grants: &mut BTreeMap<GrantId, Grant>) -> Option<Posted> {
    if known && !mutant::is(Mutant::PostedTwice) {
        return None;
    }
    let mut covered = Money::ZERO;
    for part in call.parts {
        let Some(grant) = grants.get_mut(&part.grant).filter(|grant| grant.account == call.account) else { continue };
        let take = part.amount.min(grant.held()).min(call.price - covered).max(Money::ZERO);
        grant.posted += take;
        covered += take;
    }
    let uncovered = call.price - covered;
    let change = Balance { available: -uncovered, held: -covered, settled: call.price, ..Balance::default() };
    Some(Posted { change, uncovered })
}

/// What is to be noted of talk that a crash kept from the bill: money that nobody pays, so that nothing moves; `None` if there is none.
///
/// `known` says that a record of this id is written already: a repetition notes nothing.
pub fn lost(written_off: Money, known: bool) -> Option<Money> {
    Some(written_off).filter(|amount| amount.is_positive() && (!known || mutant::is(Mutant::PostedTwice)))
}
