//! CDRs on their way in: one transaction writes a batch, moves its money and remembers how far the journal was read.

use std::collections::BTreeSet;

use cdr::segment::Cursor;
use cdr::{Cdr, Party, Priced, Quality};
use units::{AccountId, AttemptIndex, Money, NodeId, Suite};

use crate::Store;
use crate::error::{ConflictKind, Result, StoreError};
use crate::indexing;
use crate::ledger;
use crate::sql::{Arg, Dialect, Tx, args, listed, marks, now};
use crate::sums;
use crate::traces;

/// Records of one batch at most.
pub const BATCH_MAX: usize = 4_000;

/// What a collector read from a journal.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// Whose journal.
    pub node: NodeId,
    /// `journal` or `traces`.
    pub kind: &'a str,
    /// The random mark of the data folder: two folders must not write as the same node.
    pub folder: &'a str,
    /// The records.
    pub cdrs: &'a [Cdr],
    /// Captured calls: id bytes, start in microseconds, encoded messages.
    pub traces: &'a [(units::CallId, i64, Vec<u8>)],
    /// Where reading goes on afterwards.
    pub cursor: Cursor,
}

/// What a batch did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// Records that were not there before.
    pub inserted: u64,
    /// Of these, records that moved money.
    pub posted: u64,
}

impl Store {
    /// Where a node's collector goes on; `None` before its first batch. Refused when another data folder wrote as this node.
    pub async fn cursor(&self, node: NodeId, kind: &str, folder: &str) -> Result<Option<Cursor>> {
        let mut tx = self.read().await?;
        find_cursor(&mut tx, node, kind, folder, "").await
    }

    /// Those of these records that are not in the database, each once.
    pub async fn missing_cdrs(&self, cdrs: &[Cdr]) -> Result<Vec<Cdr>> {
        let mut tx = self.read().await?;
        Ok(unseen(&mut tx, cdrs).await?.into_iter().cloned().collect())
    }

    /// Writes a batch, its posts and the cursor, or nothing. Records that are there already are left alone and move no money again.
    ///
    /// Nearly always none is there: a batch is written as if all were new, and only if the database refuses one that is not, again with
    /// a look at each.
    pub async fn insert_cdrs(&self, batch: Batch<'_>) -> Result<Collected> {
        if batch.cdrs.len() > BATCH_MAX {
            return Err(StoreError::invalid("cdrs", format!("{BATCH_MAX} in a batch at most")));
        }
        let mut tx = self.write().await?;
        match write(&mut tx, &batch, Known::Refused).await {
            Ok(done) => {
                tx.commit().await?;
                Ok(done)
            }
            Err(StoreError::Conflict { kind: ConflictKind::Exists, what: "object", .. }) => {
                tx.rollback().await?;
                let mut tx = self.write().await?;
                let done = write(&mut tx, &batch, Known::LeftOut).await?;
                tx.commit().await?;
                Ok(done)
            }
            Err(error) => Err(error),
        }
    }
}

/// What happens to records that are there already.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Known {
    /// The database refuses them, and the batch with them.
    Refused,
    /// They are looked for and left out.
    LeftOut,
}

async fn write(tx: &mut Tx, batch: &Batch<'_>, known: Known) -> Result<Collected> {
    let ignore = tx.dialect().insert_ignore();
    let start = args![batch.node.0, batch.kind, batch.folder, 0_i64, 0_i64, 0_i64, now()];
    let columns = &["node", "kind", "folder", "boot", "segment", "position", "updated"];
    tx.insert_many(ignore, "collector_cursors", columns, vec![start]).await?;
    let lock = tx.dialect().for_update();
    find_cursor(tx, batch.node, batch.kind, batch.folder, lock).await?;
    // Accounts are locked before anything is read that posts depend on.
    let accounts: BTreeSet<u32> = batch.cdrs.iter().flat_map(paying_accounts).collect();
    let locked = ledger::lock_all(tx, &accounts).await?;
    let (fresh, verb) = match known {
        Known::Refused => (unpaid(tx, batch.cdrs).await?, "INSERT INTO"),
        Known::LeftOut => (unseen(tx, batch.cdrs).await?, ignore),
    };
    let inserted = tx.insert_each(verb, "cdrs", &COLUMNS, &fresh, |cdr| values(cdr)).await?;
    if inserted != fresh.len() as u64 {
        return Err(StoreError::Broken("the database left records out without saying why".into()));
    }
    sums::count(tx, &fresh).await?;
    let posted = ledger::post(tx, &fresh, &locked).await?;
    traces::keep(tx, batch.traces).await?;
    indexing::note(tx, &fresh).await?;
    let Cursor { boot, segment, offset } = batch.cursor;
    let sql = "UPDATE collector_cursors SET boot=?,segment=?,position=?,updated=? WHERE node=? AND kind=?";
    tx.run(sql, args![boot, segment, offset, now(), batch.node.0, batch.kind]).await?;
    Ok(Collected { inserted, posted })
}

async fn find_cursor(tx: &mut Tx, node: NodeId, kind: &str, folder: &str, lock: &str) -> Result<Option<Cursor>> {
    let sql = format!("SELECT * FROM collector_cursors WHERE node=? AND kind=?{lock}");
    let Some(row) = tx.row(sql, args![node.0, kind]).await? else { return Ok(None) };
    if row.text("folder")? != folder {
        let why =
            "another data folder has written to this database under this node number; give the node its own number";
        return Err(StoreError::conflict(ConflictKind::Exists, "node", node, why));
    }
    Ok(Some(Cursor { boot: row.num("boot")?, segment: row.num("segment")?, offset: row.num("position")? }))
}

/// The accounts whose rows a record changes, and what their carriers may be owed.
fn paying_accounts(cdr: &Cdr) -> impl Iterator<Item = u32> {
    let sell = cdr.sell.filter(|_| cdr.attempt == AttemptIndex(0)).map(|_| cdr.originator_account.0);
    let buy = cdr.buy.filter(|_| cdr.attempt == AttemptIndex(0)).map(|_| cdr.terminator_account.0);
    sell.into_iter().chain(buy).flat_map(|account| [account, AccountId(account).owed().0])
}

/// The records that are not in the database yet, each once. A record is looked for at its start, which is part of the journal's record and
/// never changes; one that moved money is known by its id alone, whatever start it claims.
async fn unseen<'a>(tx: &mut Tx, cdrs: &'a [Cdr]) -> Result<Vec<&'a Cdr>> {
    let mut seen = BTreeSet::new();
    for block in cdrs.chunks(500) {
        let starts = || block.iter().map(|cdr| cdr.started);
        let (Some(first), Some(last)) = (starts().min(), starts().max()) else { continue };
        let ids: Vec<Arg> = block.iter().map(|cdr| Arg::from(cdr.call.to_bytes(cdr.attempt))).collect();
        let wanted = marks(ids.len());
        let sql = format!(
            "SELECT id FROM cdrs{} WHERE started>=? AND started<=? AND id IN ({wanted}) \
             UNION SELECT id FROM posts WHERE id IN ({wanted})",
            tx.dialect().by_index(if tx.dialect() == Dialect::MySql { "cdrs_id" } else { "" })
        );
        let mut values = args![first, last];
        values.extend(ids.iter().cloned());
        values.extend(ids);
        for row in tx.rows(sql, values).await? {
            seen.insert(row.id16("id")?);
        }
    }
    Ok(cdrs.iter().filter(|cdr| seen.insert(cdr.call.to_bytes(cdr.attempt))).collect())
}

/// The records of which nothing is known, as far as an insert would not be refused for them: calls that move no money, and whose ids once
/// did, are left out. Ids of attempts never move money.
async fn unpaid<'a>(tx: &mut Tx, cdrs: &'a [Cdr]) -> Result<Vec<&'a Cdr>> {
    let moves = |cdr: &Cdr| cdr.sell.is_some_and(|sell| sell.price != Money::ZERO);
    let doubtful = cdrs.iter().filter(|cdr| cdr.attempt == AttemptIndex(0) && !moves(cdr));
    let ids: Vec<Arg> = doubtful.map(|cdr| Arg::from(cdr.call.to_bytes(cdr.attempt))).collect();
    let mut paid = BTreeSet::new();
    for block in ids.chunks(512) {
        let block = listed(block.to_vec());
        let sql = format!("SELECT id FROM posts WHERE id IN ({})", marks(block.len()));
        for row in tx.rows(sql, block).await? {
            paid.insert(row.id16("id")?);
        }
    }
    Ok(cdrs.iter().filter(|cdr| !paid.contains(&cdr.call.to_bytes(cdr.attempt))).collect())
}

/// All columns of `cdrs`, in the order of [`values`].
pub(crate) const COLUMNS: [&str; 110] = [
    "id",
    "attempt",
    "attempts",
    "revision",
    "originator",
    "originator_account",
    "ingress_trunk",
    "terminator",
    "terminator_account",
    "egress_trunk",
    "calling",
    "called",
    "called_routed",
    "lrn",
    "jurisdiction",
    "started",
    "ringing_ms",
    "answered_ms",
    "ended_ms",
    "duration_ms",
    "sip_status",
    "cause",
    "released_by",
    "sell_deck",
    "sell_currency",
    "sell_per_minute",
    "sell_connection_fee",
    "sell_minimum_s",
    "sell_increment_s",
    "sell_free_s",
    "sell_rounding",
    "sell_decimals",
    "sell_prefix_digits",
    "sell_billed_s",
    "sell_price",
    "sell_tax",
    "sell_tax_ppm",
    "sell_first_per_minute",
    "sell_steps_from_zero",
    "sell_deck_currency",
    "sell_exchange",
    "sell_hours",
    "sell_jurisdiction",
    "buy_deck",
    "buy_currency",
    "buy_per_minute",
    "buy_connection_fee",
    "buy_minimum_s",
    "buy_increment_s",
    "buy_free_s",
    "buy_rounding",
    "buy_decimals",
    "buy_prefix_digits",
    "buy_billed_s",
    "buy_price",
    "buy_tax",
    "buy_tax_ppm",
    "buy_first_per_minute",
    "buy_steps_from_zero",
    "buy_deck_currency",
    "buy_exchange",
    "buy_hours",
    "buy_jurisdiction",
    "grant_parts",
    "ingress_address",
    "egress_address",
    "ingress_call_id",
    "egress_call_id",
    "codec",
    "ingress_packets",
    "ingress_bytes",
    "ingress_lost",
    "ingress_strangers",
    "ingress_jitter_us",
    "ingress_mos_x100",
    "egress_packets",
    "egress_bytes",
    "egress_lost",
    "egress_strangers",
    "egress_jitter_us",
    "egress_mos_x100",
    "parse_us",
    "admit_us",
    "limits_us",
    "route_us",
    "egress_us",
    "answer_us",
    "pdd_us",
    "decision",
    "ingress_reordered",
    "ingress_duplicates",
    "ingress_burst_loss_permille",
    "ingress_burst_ms",
    "ingress_first_ms",
    "ingress_rtt_us",
    "egress_reordered",
    "egress_duplicates",
    "egress_burst_loss_permille",
    "egress_burst_ms",
    "egress_first_ms",
    "egress_rtt_us",
    "ingress_kernel_packets",
    "egress_kernel_packets",
    "ingress_suite",
    "egress_suite",
    "recorded",
    "identity",
    "attestation",
    "identity_doubt",
    "identity_origin",
];

fn values(cdr: &Cdr) -> Vec<Arg> {
    let mut all = args![
        cdr.call.to_bytes(cdr.attempt),
        cdr.attempt.0,
        cdr.attempts,
        cdr.revision.0,
        cdr.originator.0,
        cdr.originator_account.0,
        cdr.ingress_trunk.0,
        cdr.terminator.0,
        cdr.terminator_account.0,
        cdr.egress_trunk.0,
        cdr.calling.as_str(),
        cdr.called.as_str(),
        cdr.called_routed.as_str(),
        cdr.lrn.as_str(),
        cdr.jurisdiction as u8,
        cdr.started,
        cdr.ringing_ms,
        cdr.answered_ms,
        cdr.ended_ms,
        cdr.duration_ms,
        cdr.sip_status.min(999),
        cdr.cause.0.min(9_999),
        match cdr.released_by {
            Party::Ingress => 0_u8,
            Party::Egress => 1,
            Party::Switch => 2,
        },
    ];
    all.extend(priced_values(cdr.sell));
    all.extend(priced_values(cdr.buy));
    let parts = cdr.grants.iter().flat_map(|part| {
        let mut bytes = part.grant.to_bytes().to_vec();
        bytes.extend(part.amount.nanos().to_be_bytes());
        bytes
    });
    all.extend(args![
        parts.collect::<Vec<u8>>(),
        cdr.ingress_address.map(|a| a.to_string()),
        cdr.egress_address.map(|a| a.to_string()),
        clip(&cdr.ingress_call_id, 255),
        clip(&cdr.egress_call_id, 255),
        clip(&cdr.codec, 64),
    ]);
    all.extend(quality_values(&cdr.ingress_media));
    all.extend(quality_values(&cdr.egress_media));
    let s = &cdr.stages;
    all.extend(args![s.parse_us, s.admit_us, s.limits_us, s.route_us, s.egress_us, s.answer_us, s.pdd_us]);
    all.push(Arg::from(cdr.decision.clone()));
    all.extend(flow_values(&cdr.ingress_media));
    all.extend(flow_values(&cdr.egress_media));
    all.extend(args![cdr.ingress_media.kernel_packets, cdr.egress_media.kernel_packets]);
    let suite = |q: &Quality| q.suite.map_or("", Suite::name);
    all.extend(args![suite(&cdr.ingress_media), suite(&cdr.egress_media), cdr.recorded as u8]);
    let identity = &cdr.identity;
    let origin = if identity.origid == [0; 16] { Vec::new() } else { identity.origid.to_vec() };
    let attestation = identity.attest.map_or(0, |attest| attest as u8);
    all.extend(args![identity.vouched as u8, attestation, identity.doubt as u8, origin]);
    all
}

fn priced_values(priced: Option<Priced>) -> Vec<Arg> {
    let Some(Priced { terms, billed_s, price, tax }) = priced else {
        return (0..20)
            .map(|place| if matches!(place, 1 | 16) { Arg::OptText(None) } else { Arg::OptInt(None) })
            .collect();
    };
    args![
        terms.deck.0,
        terms.currency.as_str(),
        terms.per_minute,
        terms.connection_fee,
        terms.minimum_s,
        terms.increment_s,
        terms.free_s,
        terms.rounding as u8,
        terms.decimals,
        terms.prefix_digits,
        billed_s,
        price,
        tax,
        terms.tax_ppm,
        terms.first_per_minute,
        terms.steps_from_zero,
        terms.deck_currency.as_str(),
        terms.exchange,
        terms.class.hours as u8,
        terms.class.jurisdiction as u8
    ]
}

fn quality_values(q: &Quality) -> Vec<Arg> {
    args![q.packets, q.bytes, q.lost, q.strangers, q.jitter_us, q.mos_x100.min(500)]
}

fn flow_values(q: &Quality) -> Vec<Arg> {
    args![q.reordered, q.duplicates, q.burst_loss_permille.min(1_000), q.burst_ms, q.first_ms, q.rtt_us]
}

/// Text that peers sent: cut to what the column holds; NUL, which some tools stop at, becomes a space.
fn clip(text: &str, most: usize) -> String {
    text.chars().take(most).map(|c| if c == '\0' { ' ' } else { c }).collect()
}
