//! What carriers may be owed, where an account limits it: a purse beside the account's own, lent from like money.
//!
//! It is what calls to the carrier may still cost: the limit, plus what we paid it, less what its calls cost. Where both directions are
//! netted, what the carrier pays us makes it smaller, and what its own calls cost makes it larger.

use ::ledger::Balance;
use units::{AccountId, Money};

use crate::accounts::AccountDraft;
use crate::error::Result;
use crate::ledger::{apply, enter, lock};
use crate::sql::{Tx, args};

/// The account was written: its limit may be another one, and netting may have begun or ended. `old` is what stood before, if anything did.
pub(crate) async fn change(
    tx: &mut Tx,
    id: u32,
    old: Option<&AccountDraft>,
    new: &AccountDraft,
    version: i64,
) -> Result<()> {
    let purse = AccountId(id).owed();
    let before = old.map(|old| (old.netted, old.owed_limit));
    if before.unwrap_or_default() == (new.netted, new.owed_limit) {
        return Ok(());
    }
    let Some(row) = lock(tx, id).await? else { return Ok(()) };
    // The row as it stands now, so with what we owe in its funds if it is netted now.
    let plain = row.funds - new.credit_limit.unwrap_or(Money::ZERO) - row.settled;
    let all = if new.netted { plain } else { plain + row.owed };
    let debt = |netted: bool| if netted { all } else { row.owed };
    let more = match (lock(tx, purse.0).await?, new.owed_limit) {
        (None, None) => return Ok(()),
        (None, Some(limit)) => {
            let sql = "INSERT INTO ledger_debts (account,available,held,settled,funds,owed) VALUES (?,0,0,0,0,0)";
            tx.run(sql, args![id]).await?;
            limit - debt(new.netted)
        }
        (Some(_), limit) => {
            let (netted, stood) = before.unwrap_or_default();
            limit.unwrap_or_default() - stood.unwrap_or_default() + debt(netted) - debt(new.netted)
        }
    };
    may_owe(tx, purse, more, (&format!("limit:{purse}:{version}"), "limit")).await
}

/// A carrier may be owed more, or, negative, less; `id` and `kind` are the entry's. Nothing if nothing limits it.
pub(crate) async fn may_owe(tx: &mut Tx, purse: AccountId, more: Money, (id, kind): (&str, &str)) -> Result<()> {
    if more == Money::ZERO || lock(tx, purse.0).await?.is_none() {
        return Ok(());
    }
    let change = Balance { available: more, funds: more, ..Balance::default() };
    apply(tx, purse.0, change).await?;
    enter(tx, purse.0, id.to_owned(), kind, change, "").await.map(drop)
}
