//! A call that was charged, priced once more by what a deck says now of the time at which it came.

use snapshot::View;
use units::{Cause, DeckId, Terms, WallTime};

use crate::charge::{Charge, charge};
use crate::destination::Destination;
use crate::margin::in_currency;
use crate::routes::quote;

/// What the call would have cost by this deck, in the currency that it was charged in. What its own deck's money was worth on that day stays
/// as the record has it: a price is corrected, not an exchange rate.
///
/// # Errors
/// 307 where the deck has no rate for that moment, or nothing joins the currencies; 330 where it blocks the destination.
pub fn rerate(
    view: &View<'_>,
    deck: DeckId,
    charged: &Terms,
    to: &Destination,
    (at, talked_ms): (WallTime, u64),
) -> Result<(Terms, Charge), Cause> {
    let quoted = quote(view, deck, to, at)?;
    let terms = if quoted.deck_currency == charged.deck_currency {
        Terms { currency: charged.currency, exchange: charged.exchange, ..quoted }
    } else {
        in_currency(view, quoted, charged.currency, at).ok_or(Cause::ORIGINATOR_RATE_NOT_FOUND)?
    };
    Ok((terms, charge(&terms, talked_ms)))
}
