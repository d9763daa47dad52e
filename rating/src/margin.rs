//! Prices of different decks and accounts, compared in one currency.

use snapshot::{DeckView, EgressView, RateView, View};
use units::{AccountId, Cause, Currency, DeckId, EXCHANGE_ONE, IngressTrunkId, Money, Terms, WallTime};

use crate::charge::half_even;
use crate::destination::Destination;
use crate::routes::quote;

/// What a destination is sold at: by the trunk's override deck where that has a rate in force, otherwise by `deck`; in the currency
/// of the account that pays.
pub fn sell(
    view: &View<'_>,
    (trunk, account): (IngressTrunkId, AccountId),
    deck: DeckId,
    to: &Destination,
    at: WallTime,
) -> Result<Terms, Cause> {
    let over = view.ingress(trunk).and_then(|trunk| trunk.override_deck());
    let quoted = match over.map(|over| quote(view, over, to, at)) {
        None | Some(Err(Cause::ORIGINATOR_RATE_NOT_FOUND)) => quote(view, deck, to, at)?,
        Some(found) => found?,
    };
    // A call that cannot be priced is not routed.
    in_account(view, quoted, account, at).ok_or(Cause::ORIGINATOR_RATE_NOT_FOUND)
}

/// What a trunk asks for a destination, in the deck's own currency: by its override deck where that has a rate in force, otherwise by its buy deck.
pub fn asked<'a>(view: &View<'a>, trunk: &EgressView<'a>, to: &Destination, at: WallTime) -> Option<RateView<'a>> {
    let find = |deck: DeckView<'a>| to.rate(&deck, at);
    let over = trunk.override_deck().and_then(|over| view.deck(over)).and_then(find);
    over.or_else(|| view.deck(trunk.buy_deck()).and_then(find))
}

/// Terms that count in their deck's currency, turned into an account's; `None` where no exchange rates join the two.
pub fn in_account(view: &View<'_>, terms: Terms, account: AccountId, at: WallTime) -> Option<Terms> {
    in_currency(view, terms, view.account(account)?.currency(), at)
}

pub(crate) fn in_currency(view: &View<'_>, terms: Terms, currency: Currency, at: WallTime) -> Option<Terms> {
    let exchange = view.exchange(terms.deck_currency, currency, at)?;
    Some(Terms { currency, exchange, ..terms })
}

/// The price of a minute after the minimum, before tax, in the account's currency.
pub fn minute(terms: &Terms) -> Money {
    exchanged(terms.per_minute, terms.exchange)
}

/// The price of a minute where it is dearest, within the minimum or after it: before tax, in the account's currency.
pub fn dearest(terms: &Terms) -> Money {
    exchanged(dearest_own(terms), terms.exchange)
}

/// True if a terminator asks more for a minute than it may cost in this currency.
pub fn is_too_dear(view: &View<'_>, most: Option<Money>, buy: &Terms, currency: Currency, at: WallTime) -> bool {
    let asked = || view.exchange(buy.deck_currency, currency, at).map(|exchange| exchanged(dearest_own(buy), exchange));
    most.is_some_and(|most| asked().is_none_or(|asked| asked > most))
}

/// In the deck's currency.
fn dearest_own(terms: &Terms) -> Money {
    let first = terms.first_per_minute.filter(|_| terms.minimum_s > 0);
    first.map_or(terms.per_minute, |first| first.max(terms.per_minute))
}

/// What is left of the sell price of a minute when a terminator is paid its own: before tax, in the originator's currency.
pub fn margin(view: &View<'_>, sell: &Terms, buy: &Terms, at: WallTime) -> Option<Money> {
    let exchange = view.exchange(buy.deck_currency, sell.currency, at)?;
    Some(minute(sell) - exchanged(buy.per_minute, exchange))
}

fn exchanged(money: Money, exchange: i64) -> Money {
    if exchange == EXCHANGE_ONE {
        return money;
    }
    let nanos = half_even(i128::from(money.nanos()) * i128::from(exchange), i128::from(EXCHANGE_ONE));
    Money::from_nanos(nanos.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64)
}
