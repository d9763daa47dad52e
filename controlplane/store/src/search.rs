//! CDRs on their way out: one call's story, a window searched by keyset, sums for the overview.

use core::net::SocketAddr;

use cdr::{Attest, Cdr, Doubt, GrantPart, Identity, Party, Priced, Quality, Recorded, Stages, Vouched};
use units::{
    AccountId, AttemptIndex, CallId, CarrierId, Cause, DeckId, EXCHANGE_ONE, EgressTrunkId, GrantId, IngressTrunkId,
    Money, Number, RateClass, Revision, Rounding, Suite, Terms, WallTime,
};

use crate::Store;
use crate::accounts::currency;
use crate::error::{Result, StoreError};
use crate::sql::{Row, args};
use crate::ways;

/// Rows of one page at most.
pub const SEARCH_ROWS_MAX: u32 = 1_000;
/// The longest window that the overview sums up: 25 hours, in microseconds.
const OVERVIEW_WINDOW_MAX: i64 = 25 * 3_600 * 1_000_000;
/// Groups in an overview at most.
const OVERVIEW_ROWS_MAX: i64 = 1_000;

/// Whole calls, single attempts, or both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CdrKind {
    /// One row a call.
    #[default]
    Calls,
    /// One row a try.
    Attempts,
    /// Both.
    All,
}

/// Which CDRs. The window is half open and mandatory; everything else narrows it.
#[derive(Clone, Debug, Default)]
pub struct CdrFilter {
    /// Started at or after.
    pub from: WallTime,
    /// Started before.
    pub till: WallTime,
    /// Rows of the last page's end: start and 16 id bytes.
    pub after: Option<(WallTime, [u8; 16])>,
    /// Rows at most, 1 to [`SEARCH_ROWS_MAX`].
    pub limit: u32,
    /// Calls or attempts.
    pub kind: CdrKind,
    /// The caller's number starts with this, `+` ignored.
    pub calling: Option<String>,
    /// The routed destination starts with this.
    pub called: Option<String>,
    /// `calling` and `called` are whole numbers, not their beginnings.
    pub exact: bool,
    /// These digits stand somewhere in the caller's number or in the routed destination. No index helps: the whole window is read.
    pub digits: Option<String>,
    /// Carrier that sent the call.
    pub originator: Option<u32>,
    /// Carrier that took it.
    pub terminator: Option<u32>,
    /// Where it came in.
    pub ingress_trunk: Option<u32>,
    /// Where it went out.
    pub egress_trunk: Option<u32>,
    /// Why it ended.
    pub cause: Option<u16>,
    /// Final SIP status.
    pub sip_status: Option<u16>,
    /// What became of the signed identity: the number of a `cdr::Vouched`. The database alone knows it.
    pub identity: Option<u8>,
    /// Answered, or not.
    pub answered: Option<bool>,
    /// One call by its id.
    pub call: Option<CallId>,
    /// A Call-ID header of either leg.
    pub sip_call_id: Option<String>,
}

/// All that is known of one call.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CallStory {
    /// The call's own record; `None` while only attempts have been collected.
    pub call: Option<Cdr>,
    /// Its attempts in order.
    pub attempts: Vec<Cdr>,
    /// Captured messages in `cdr::trace`'s encoding, if the call was captured and is still kept.
    pub trace: Option<Vec<u8>>,
}

/// Whose sums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// By originator: one count a call.
    Originator,
    /// By terminator: one count an attempt.
    Terminator,
}

/// Sums of one carrier in one currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OverviewRow {
    /// The carrier; 0 for calls of nobody we know.
    pub carrier: u32,
    /// The currency of `revenue`, or of `cost` for terminators; empty where nothing was priced.
    pub currency: String,
    /// Attempts made (originator: over all its calls).
    pub attempts: u64,
    /// Calls (terminator: the attempts that were the last of their call).
    pub calls: u64,
    /// Answered ones of `calls`.
    pub answered: u64,
    /// Talking time in milliseconds.
    pub duration_ms: u64,
    /// What originators pay.
    pub revenue: Money,
    /// What terminators are owed.
    pub cost: Money,
    /// Sum of post-dial delays in microseconds.
    pub pdd_us: u64,
    /// How many had one.
    pub pdd_count: u64,
}

impl Store {
    /// CDRs of a window, newest first. There is no count: ask for the next page with the last row's start and id.
    pub async fn search_cdrs(&self, filter: &CdrFilter) -> Result<Vec<Cdr>> {
        let mut tx = self.read().await?;
        ways::page(&mut tx, filter).await?.iter().map(read).collect()
    }

    /// One call with its attempts and, if captured, its messages. Not found when nothing of it has been collected.
    pub async fn story(&self, call: CallId) -> Result<CallStory> {
        let mut tx = self.read().await?;
        let key = call.to_bytes(AttemptIndex(0));
        let last = call.to_bytes(AttemptIndex(u8::MAX));
        let mut story = CallStory::default();
        for row in tx.rows("SELECT * FROM cdrs WHERE id BETWEEN ? AND ? ORDER BY id", args![key, last]).await? {
            let cdr = read(&row)?;
            match cdr.attempt {
                AttemptIndex(0) => story.call = Some(cdr),
                _ => story.attempts.push(cdr),
            }
        }
        let trace = tx.row("SELECT messages FROM traces WHERE call_id=?", args![key]).await?;
        story.trace = trace.map(|row| row.bytes("messages")).transpose()?;
        if story.call.is_none() && story.attempts.is_empty() && story.trace.is_none() {
            return Err(StoreError::missing("call", call));
        }
        Ok(story)
    }

    /// Sums by carrier and currency over a window of 25 hours at most.
    pub async fn overview(&self, side: Side, from: WallTime, till: WallTime) -> Result<Vec<OverviewRow>> {
        if till <= from || till - from > OVERVIEW_WINDOW_MAX {
            return Err(StoreError::invalid("from", "the window must be longer than nothing and 25 hours at most"));
        }
        let (carrier, priced, kind, attempts, calls) = match side {
            Side::Originator => ("originator", "sell_currency", "attempt=0", "SUM(attempts)", "COUNT(*)"),
            Side::Terminator => ("terminator", "buy_currency", "attempt>0", "COUNT(*)", "SUM(attempts)"),
        };
        let sql = format!(
            "SELECT {carrier} AS carrier, COALESCE({priced},'') AS currency, \
             CAST({attempts} AS SIGNED) AS attempts, CAST({calls} AS SIGNED) AS calls, \
             CAST(SUM(CASE WHEN answered_ms IS NULL THEN 0 ELSE 1 END) AS SIGNED) AS answered, \
             CAST(SUM(duration_ms) AS SIGNED) AS duration_ms, \
             CAST(COALESCE(SUM(sell_price),0) AS SIGNED) AS revenue, CAST(COALESCE(SUM(buy_price),0) AS SIGNED) AS cost, \
             CAST(SUM(pdd_us) AS SIGNED) AS pdd_us, CAST(SUM(CASE WHEN pdd_us>0 THEN 1 ELSE 0 END) AS SIGNED) AS pdd_count \
             FROM cdrs WHERE started>=? AND started<? AND {kind} \
             GROUP BY {carrier}, COALESCE({priced},'') ORDER BY 4 DESC,1,2 LIMIT ?"
        );
        let rows = self.read().await?.rows(sql, args![from, till, OVERVIEW_ROWS_MAX]).await?;
        rows.iter().map(overview_row).collect()
    }
}

fn overview_row(row: &Row) -> Result<OverviewRow> {
    Ok(OverviewRow {
        carrier: row.num("carrier")?,
        currency: row.text("currency")?,
        attempts: row.num("attempts")?,
        calls: row.num("calls")?,
        answered: row.num("answered")?,
        duration_ms: row.num("duration_ms")?,
        revenue: row.money("revenue")?,
        cost: row.money("cost")?,
        pdd_us: row.num("pdd_us")?,
        pdd_count: row.num("pdd_count")?,
    })
}

pub(crate) fn read(row: &Row) -> Result<Cdr> {
    let (call, attempt) = CallId::from_bytes(row.id16("id")?);
    Ok(Cdr {
        call,
        attempt,
        attempts: row.num("attempts")?,
        revision: Revision(row.num("revision")?),
        originator: CarrierId(row.num("originator")?),
        originator_account: AccountId(row.num("originator_account")?),
        ingress_trunk: IngressTrunkId(row.num("ingress_trunk")?),
        terminator: CarrierId(row.num("terminator")?),
        terminator_account: AccountId(row.num("terminator_account")?),
        egress_trunk: EgressTrunkId(row.num("egress_trunk")?),
        calling: number(row, "calling")?,
        called: number(row, "called")?,
        called_routed: number(row, "called_routed")?,
        // Records from before these columns were not judged.
        lrn: row.opt_text("lrn")?.map_or(Ok(Number::EMPTY), |_| number(row, "lrn"))?,
        jurisdiction: class(row, None)?.jurisdiction,
        started: row.time("started")?,
        ringing_ms: row.opt_num("ringing_ms")?,
        answered_ms: row.opt_num("answered_ms")?,
        ended_ms: row.num("ended_ms")?,
        duration_ms: row.num("duration_ms")?,
        sip_status: row.num("sip_status")?,
        cause: Cause(row.num("cause")?),
        released_by: match row.int("released_by")? {
            0 => Party::Ingress,
            1 => Party::Egress,
            _ => Party::Switch,
        },
        sell: priced(row, "sell")?,
        buy: priced(row, "buy")?,
        grants: grant_parts(&row.bytes("grant_parts")?),
        owed_grants: Vec::new(),
        // It stands in the ledger.
        written_off: Money::ZERO,
        ingress_address: address(row, "ingress_address")?,
        egress_address: address(row, "egress_address")?,
        ingress_call_id: row.text("ingress_call_id")?,
        egress_call_id: row.text("egress_call_id")?,
        codec: row.text("codec")?,
        ingress_media: quality(row, "ingress")?,
        egress_media: quality(row, "egress")?,
        recorded: Recorded::from_code(row.num("recorded")?).unwrap_or_default(),
        identity: identity(row)?,
        stages: stages(row)?,
        decision: row.bytes("decision")?,
    })
}

fn identity(row: &Row) -> Result<Identity> {
    Ok(Identity {
        vouched: Vouched::from_code(row.num("identity")?).unwrap_or_default(),
        attest: Attest::from_letter(row.num("attestation")?),
        origid: row.bytes("identity_origin")?.try_into().unwrap_or_default(),
        doubt: Doubt::from_code(row.num("identity_doubt")?).unwrap_or_default(),
    })
}

pub(crate) fn number(row: &Row, column: &str) -> Result<Number> {
    let text = row.text(column)?;
    Number::parse(text.as_bytes()).map_err(|_| StoreError::Broken(format!("column {column} holds {text:?}")))
}

fn address(row: &Row, column: &str) -> Result<Option<SocketAddr>> {
    let Some(text) = row.opt_text(column)? else { return Ok(None) };
    text.parse().map(Some).map_err(|_| StoreError::Broken(format!("column {column} holds {text:?}")))
}

pub(crate) fn priced(row: &Row, side: &str) -> Result<Option<Priced>> {
    let column = |name: &str| format!("{side}_{name}");
    let Some(price) = row.opt_int(&column("price"))? else { return Ok(None) };
    let rounding = match row.int(&column("rounding"))? {
        0 => Rounding::Ceil,
        1 => Rounding::Round,
        _ => Rounding::Floor,
    };
    let paid_in = currency(row, &column("currency"))?;
    // Records from before these columns had no tax and no exchange.
    let exchange = row.opt_int(&column("exchange"))?;
    let terms = Terms {
        deck: DeckId(row.num(&column("deck"))?),
        currency: paid_in,
        deck_currency: if exchange.is_some() { currency(row, &column("deck_currency"))? } else { paid_in },
        exchange: exchange.unwrap_or(EXCHANGE_ONE),
        per_minute: row.money(&column("per_minute"))?,
        first_per_minute: row.opt_int(&column("first_per_minute"))?.map(Money::from_nanos),
        connection_fee: row.money(&column("connection_fee"))?,
        minimum_s: row.num(&column("minimum_s"))?,
        increment_s: row.num(&column("increment_s"))?,
        steps_from_zero: row.opt_int(&column("steps_from_zero"))?.is_some_and(|flag| flag != 0),
        free_s: row.num(&column("free_s"))?,
        rounding,
        decimals: row.num(&column("decimals"))?,
        tax_ppm: row.opt_num(&column("tax_ppm"))?.unwrap_or(0),
        prefix_digits: row.num(&column("prefix_digits"))?,
        class: class(row, Some(side))?,
    };
    let tax = Money::from_nanos(row.opt_int(&column("tax"))?.unwrap_or(0));
    Ok(Some(Priced { terms, billed_s: row.num(&column("billed_s"))?, price: Money::from_nanos(price), tax }))
}

/// The class of the rate of one side, or what was judged of the call; any in records from before these columns.
pub(crate) fn class(row: &Row, side: Option<&str>) -> Result<RateClass> {
    let column = |name: &str| side.map_or(name.to_owned(), |side| format!("{side}_{name}"));
    let hours = if side.is_some() { row.opt_int(&column("hours"))? } else { None };
    crate::rates::class(hours.unwrap_or(0), row.opt_int(&column("jurisdiction"))?.unwrap_or(0))
}

fn quality(row: &Row, side: &str) -> Result<Quality> {
    let column = |name: &str| format!("{side}_{name}");
    Ok(Quality {
        packets: row.num(&column("packets"))?,
        kernel_packets: row.num(&column("kernel_packets"))?,
        bytes: row.num(&column("bytes"))?,
        lost: row.num(&column("lost"))?,
        strangers: row.num(&column("strangers"))?,
        jitter_us: row.num(&column("jitter_us"))?,
        mos_x100: row.num(&column("mos_x100"))?,
        reordered: row.num(&column("reordered"))?,
        duplicates: row.num(&column("duplicates"))?,
        burst_loss_permille: row.num(&column("burst_loss_permille"))?,
        burst_ms: row.num(&column("burst_ms"))?,
        first_ms: row.opt_num(&column("first_ms"))?,
        rtt_us: row.num(&column("rtt_us"))?,
        suite: Suite::named(row.text(&column("suite"))?.as_bytes()),
    })
}

fn stages(row: &Row) -> Result<Stages> {
    Ok(Stages {
        parse_us: row.num("parse_us")?,
        admit_us: row.num("admit_us")?,
        limits_us: row.num("limits_us")?,
        route_us: row.num("route_us")?,
        egress_us: row.num("egress_us")?,
        answer_us: row.num("answer_us")?,
        pdd_us: row.num("pdd_us")?,
    })
}

/// Grants and amounts, 24 bytes each.
fn grant_parts(bytes: &[u8]) -> Vec<GrantPart> {
    let part = |part: &[u8]| {
        let (mut grant, mut amount) = ([0; 16], [0; 8]);
        grant.copy_from_slice(&part[..16]);
        amount.copy_from_slice(&part[16..]);
        GrantPart { grant: GrantId::from_bytes(grant), amount: Money::from_nanos(i64::from_be_bytes(amount)) }
    };
    bytes.chunks_exact(24).map(part).collect()
}
