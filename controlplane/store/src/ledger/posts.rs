//! Money of collected records: what originators pay leaves what is held for its grants, what terminators are owed is added up.

use std::collections::{BTreeMap, BTreeSet};

use ::ledger::{Balance, Call, Grant};
use cdr::Cdr;
use units::{AccountId, AttemptIndex, GrantId, Money, WallTime};

use crate::caps;
use crate::error::Result;
use crate::ledger::{CUT, ENTRY_COLUMNS, WrittenOff, apply_all, entry_values, grant_row, hex, owe};
use crate::sql::{Arg, Key, Tx, args, listed, marks, now};

/// Moves the money of records that were not in the database before; accounts that are not `known` have no rows to change. Returns how
/// many records moved money.
pub(crate) async fn post(tx: &mut Tx, cdrs: &[&Cdr], known: &BTreeSet<u32>) -> Result<u64> {
    let mut grants = needed_grants(tx, cdrs).await?;
    let before: BTreeMap<GrantId, Money> = grants.iter().map(|(id, grant)| (*id, grant.posted)).collect();
    let mut changes: BTreeMap<u32, Balance> = BTreeMap::new();
    let (mut posts, mut entries) = (Vec::new(), Vec::new());
    let at = now();
    let accounts = known.iter().copied().filter(|account| !AccountId(*account).is_owed());
    let manners = caps::manners(tx, accounts).await?;
    let is_netted = |account: AccountId| manners.get(&account.0).is_some_and(|manner| manner.netted);
    let mut note = |account: u32, kind: &str, id: &[u8; 16], change: Balance| {
        *changes.entry(account).or_default() += change;
        entries.push(entry_values(account, at, format!("{kind}:{}", hex(id)), kind, change, None, ""));
    };
    for cdr in cdrs.iter().filter(|cdr| cdr.attempt == AttemptIndex(0)) {
        let id = cdr.call.to_bytes(cdr.attempt);
        if let Some(sell) = cdr.sell.filter(|sell| sell.price != Money::ZERO)
            && known.contains(&cdr.originator_account.0)
        {
            let call = Call { account: cdr.originator_account, price: sell.price, parts: &cdr.grants };
            // Records that were there before are not among these.
            let Some(posted) = ::ledger::post(call, false, &mut grants) else { continue };
            note(call.account.0, "post", &id, posted.change);
            let purse = call.account.owed();
            if known.contains(&purse.0) && is_netted(call.account) {
                // What the carrier's own calls cost, it is owed less.
                let price = call.price;
                note(purse.0, "netted", &id, Balance { available: price, funds: price, ..Balance::default() });
            }
            posts.push(args![id, call.account.0, call.price, posted.uncovered, at]);
        }
        if let Some(buy) = cdr.buy.filter(|buy| buy.price != Money::ZERO)
            && known.contains(&cdr.terminator_account.0)
        {
            let account = cdr.terminator_account;
            note(account.0, "cost", &id, owe(buy.price, is_netted(account)));
            let call = Call { account: account.owed(), price: buy.price, parts: &cdr.owed_grants };
            if known.contains(&call.account.0)
                && let Some(posted) = ::ledger::post(call, false, &mut grants)
            {
                note(call.account.0, "owed", &id, posted.change);
            }
        }
    }
    write_off(cdrs, known, at, (&mut posts, &mut entries));
    let posted = posts.len() as u64;
    tx.insert_many("INSERT INTO", "posts", &["id", "account", "price", "uncovered", "posted"], posts).await?;
    tx.insert_many("INSERT INTO", "ledger_entries", ENTRY_COLUMNS, entries).await?;
    apply_all(tx, &changes).await?;
    let spent =
        changes.iter().filter(|(account, change)| change.settled != Money::ZERO && !AccountId(**account).is_owed());
    let spent: Vec<_> = spent.map(|(account, change)| (*account, change.settled)).collect();
    caps::spend_all(tx, &spent, &manners, at).await?;
    let more =
        grants.iter().map(|(id, grant)| (id, grant.posted - before[id])).filter(|(_, more)| *more != Money::ZERO);
    let more: Vec<Vec<Arg>> = more.map(|(id, more)| args![id.to_bytes(), more]).collect();
    tx.add_each(("grants", Key::Id16("id")), &["posted"], more).await?;
    Ok(posted)
}

/// Notes what crashes kept from the bill, in posts and entries: it moves nothing.
fn write_off(
    cdrs: &[&Cdr],
    known: &BTreeSet<u32>,
    at: WallTime,
    (posts, entries): (&mut Vec<Vec<Arg>>, &mut Vec<Vec<Arg>>),
) {
    let cut = cdrs.iter().filter_map(|cdr| Some((cdr, ::ledger::lost(cdr.written_off, false)?)));
    for (cdr, amount) in cut.filter(|(cdr, _)| known.contains(&cdr.originator_account.0)) {
        let (account, id) = (cdr.originator_account.0, cdr.call.to_bytes(cdr.attempt));
        let lost = Some(WrittenOff { amount, call: Some(cdr.call), node: cdr.call.node });
        let (entry, why) = (format!("{CUT}{}", hex(&id)), "talk of a call that a crash cut, at most");
        entries.push(entry_values(account, at, entry, "write_off", Balance::default(), lost, why));
        if cdr.sell.is_none_or(|sell| sell.price == Money::ZERO) {
            // Known by its id for good, like records that moved money.
            posts.push(args![id, account, Money::ZERO, Money::ZERO, at]);
        }
    }
}

/// The grants that these records name.
async fn needed_grants(tx: &mut Tx, cdrs: &[&Cdr]) -> Result<BTreeMap<GrantId, Grant>> {
    let wanted: BTreeSet<GrantId> =
        cdrs.iter().flat_map(|cdr| cdr.grants.iter().chain(&cdr.owed_grants)).map(|part| part.grant).collect();
    let wanted: Vec<GrantId> = wanted.into_iter().collect();
    let mut found = BTreeMap::new();
    for block in wanted.chunks(512) {
        let block = listed(block.iter().map(|id| Arg::from(id.to_bytes())).collect());
        let sql = format!("SELECT * FROM grants WHERE id IN ({})", marks(block.len()));
        for row in tx.rows(sql, block).await? {
            let grant = grant_row(&row)?;
            found.insert(grant.id, grant);
        }
    }
    Ok(found)
}
