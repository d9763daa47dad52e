//! What calls cost an account in a day and in a month of its zone, and how much more they may.

use std::collections::{BTreeMap, BTreeSet};

use ::ledger::Balance;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use units::{Money, WallTime};

use crate::Store;
use crate::accounts::{Account, AccountDraft};
use crate::error::Result;
use crate::sql::{Arg, Tx, args, listed, marks, now};

/// The day and the month of a moment in a zone, as `2026-11-21` and `2026-11`. An unknown zone is UTC.
pub(crate) fn periods(zone: &str, at: WallTime) -> [String; 2] {
    let moment = zoned(zone, at);
    let (year, month, day) = (moment.year(), moment.month(), moment.day());
    [format!("{year:04}-{month:02}-{day:02}"), format!("{year:04}-{month:02}")]
}

/// What calls cost an account in the day and the month of this moment.
pub(crate) async fn spent(tx: &mut Tx, account: u32, zone: &str, at: WallTime) -> Result<[Money; 2]> {
    let mut spent = [Money::ZERO; 2];
    for (sum, period) in spent.iter_mut().zip(periods(zone, at)) {
        let sql = "SELECT settled FROM spending WHERE account=? AND period=?";
        if let Some(row) = tx.row(sql, args![account, period]).await? {
            *sum = row.money("settled")?;
        }
    }
    Ok(spent)
}

/// What calls cost each of these accounts in the day and the month of this moment; nothing for those that are missing.
pub(crate) async fn spent_by(tx: &mut Tx, accounts: &[Account], at: WallTime) -> Result<BTreeMap<u32, [Money; 2]>> {
    let mut spent: BTreeMap<u32, [Money; 2]> = BTreeMap::new();
    for block in accounts.chunks(512) {
        let own: BTreeMap<u32, [String; 2]> =
            block.iter().map(|account| (account.id, periods(&account.caps.zone, at))).collect();
        // Zones share their few days and months.
        let all: BTreeSet<&String> = own.values().flatten().collect();
        let ids = listed(own.keys().map(|id| Arg::from(*id)).collect());
        let all = listed(all.into_iter().map(|period| Arg::from(period.as_str())).collect());
        let (accounts, periods) = (marks(ids.len()), marks(all.len()));
        let sql = format!("SELECT * FROM spending WHERE account IN ({accounts}) AND period IN ({periods})");
        for row in tx.rows(sql, [ids, all].concat()).await? {
            let (account, period): (u32, String) = (row.num("account")?, row.text("period")?);
            let place = own.get(&account).and_then(|own| own.iter().position(|one| *one == period));
            if let Some(place) = place {
                spent.entry(account).or_default()[place] = row.money("settled")?;
            }
        }
    }
    Ok(spent)
}

/// How much more may be lent today by the caps of day and month; `None` without one.
///
/// What is held may be spent today, so it counts as spent: no day's posts exceed the cap, however many nodes lend at once.
pub(crate) async fn allowances(
    tx: &mut Tx,
    account: u32,
    draft: &AccountDraft,
    balance: &Balance,
    at: WallTime,
) -> Result<[Option<Money>; 2]> {
    let caps = [draft.caps.day, draft.caps.month];
    if caps == [None, None] {
        return Ok(caps);
    }
    let spent = spent(tx, account, &draft.caps.zone, at).await?;
    let [day, month] = spent.map(|spent| spent + balance.held);
    Ok([draft.caps.day.map(|cap| cap - day), draft.caps.month.map(|cap| cap - month)])
}

/// What an account's calls cost lately, and how long its money lasts if they go on so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spending {
    /// In this day of its zone.
    pub day: Money,
    /// In this month of its zone.
    pub month: Money,
    /// Seconds until what is available is spent at the pace of yesterday and today; `None` if nothing is spent or it cannot run out.
    pub runway_s: Option<u64>,
    /// What its carrier may still be owed, what is lent to nodes apart; `None` where nothing limits it.
    pub may_owe: Option<Money>,
}

impl Store {
    /// What these accounts' calls cost lately, in their order: by as many questions for all as for one.
    pub async fn spending(&self, accounts: &[Account]) -> Result<Vec<Spending>> {
        let at = now();
        let before = WallTime::from_micros(at.micros() - 86_400_000_000);
        let mut tx = self.read().await?;
        let (lately, earlier) = (spent_by(&mut tx, accounts, at).await?, spent_by(&mut tx, accounts, before).await?);
        let owed = may_owe(&mut tx, accounts).await?;
        let each = accounts.iter().map(|account| {
            let of = |spent: &BTreeMap<u32, [Money; 2]>| spent.get(&account.id).copied().unwrap_or_default();
            let ([day, month], [yesterday, _]) = (of(&lately), of(&earlier));
            let elapsed_s = 86_400 + since_midnight_s(&account.caps.zone, at);
            let (left, pace) = (account.facts.available.nanos().max(0), (day + yesterday).nanos());
            let runs_out = account.is_limited() && pace > 0;
            let seconds = || i128::from(left) * i128::from(elapsed_s) / i128::from(pace);
            let runway_s = runs_out.then(|| i64::try_from(seconds()).unwrap_or(i64::MAX).unsigned_abs());
            let may_owe = account.owed_limit.and_then(|_| owed.get(&account.id).copied());
            Spending { day, month, runway_s, may_owe }
        });
        Ok(each.collect())
    }
}

/// What the carriers of these accounts may still be owed, where something limits it.
async fn may_owe(tx: &mut Tx, accounts: &[Account]) -> Result<BTreeMap<u32, Money>> {
    let limited: Vec<Arg> =
        accounts.iter().filter(|account| account.owed_limit.is_some()).map(|account| Arg::from(account.id)).collect();
    let mut left = BTreeMap::new();
    for block in limited.chunks(512) {
        let block = listed(block.to_vec());
        let sql = format!("SELECT account,available FROM ledger_debts WHERE account IN ({})", marks(block.len()));
        for row in tx.rows(sql, block).await? {
            left.insert(row.num("account")?, row.money("available")?);
        }
    }
    Ok(left)
}

fn zoned(zone: &str, at: WallTime) -> Zoned {
    let zone = if zone.is_empty() { TimeZone::UTC } else { TimeZone::get(zone).unwrap_or(TimeZone::UTC) };
    Timestamp::from_microsecond(at.micros()).unwrap_or(Timestamp::UNIX_EPOCH).to_zoned(zone)
}

fn since_midnight_s(zone: &str, at: WallTime) -> i64 {
    let moment = zoned(zone, at);
    i64::from(moment.hour()) * 3_600 + i64::from(moment.minute()) * 60 + i64::from(moment.second())
}

/// What the money of posted calls does besides: whose debts are netted, and in whose zone days begin.
#[derive(Clone, Debug, Default)]
pub(crate) struct Manner {
    pub(crate) netted: bool,
    zone: String,
}

/// The manners of these accounts.
pub(crate) async fn manners(tx: &mut Tx, accounts: impl Iterator<Item = u32>) -> Result<BTreeMap<u32, Manner>> {
    let wanted: Vec<u32> = accounts.collect();
    let mut found = BTreeMap::new();
    for block in wanted.chunks(512) {
        let block = listed(block.iter().map(|id| Arg::from(*id)).collect());
        let sql = format!("SELECT id,zone,netted FROM accounts WHERE id IN ({})", marks(block.len()));
        for row in tx.rows(sql, block).await? {
            let manner = Manner { netted: row.flag("netted")?, zone: row.text("zone")? };
            found.insert(row.num("id")?, manner);
        }
    }
    Ok(found)
}

/// Adds to what calls cost accounts in the day and the month of this moment.
pub(crate) async fn spend_all(
    tx: &mut Tx,
    spent: &[(u32, Money)],
    manners: &BTreeMap<u32, Manner>,
    at: WallTime,
) -> Result<()> {
    let of_account = |(account, price): &(u32, Money)| {
        let zone = manners.get(account).map_or("", |manner| manner.zone.as_str());
        periods(zone, at).map(|period| args![*account, period, *price])
    };
    let rows: Vec<Vec<Arg>> = spent.iter().flat_map(of_account).collect();
    let add = tx.dialect().or_add(&["account", "period"], &["settled"]);
    tx.insert_many_or("INSERT INTO", "spending", &["account", "period", "settled"], rows, &add).await.map(drop)
}
