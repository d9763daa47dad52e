//! By which index a search of CDRs goes: the keys of a page first, from an index that holds all that is needed, then their rows.
//!
//! The choice is made here and not by the database: with a `LIMIT` both optimizers like to walk a whole day in the order of time when a
//! rare number is asked for.

use units::AttemptIndex;

use crate::Store;
use crate::error::{Result, StoreError};
use crate::search::{CdrFilter, CdrKind, SEARCH_ROWS_MAX};
use crate::sql::{Arg, Dialect, Row, Tx, args};

/// A number's prefix of so many digits is asked for before a carrier or a trunk is.
const NARROW_DIGITS: usize = 5;
/// Shorter ones are looked for in the newest part of the window first: one of so many. Whole rows are read there, and for a rare number in
/// vain; in the index that is asked then a row is a hundredth of that.
const NEWEST_PART: i64 = 256;

/// One step of what the database says it would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlanStep {
    /// The index that it goes by; empty where it uses none.
    pub index: String,
    /// Rows that it expects to look at; 0 where the database does not say.
    pub rows: u64,
    /// All that it says, for people.
    pub text: String,
}

impl Store {
    /// How the database would search: its own `EXPLAIN`, step by step.
    pub async fn explain_cdr_search(&self, filter: &CdrFilter) -> Result<Vec<PlanStep>> {
        let mut tx = self.read().await?;
        let (sql, values) = statement(filter, tx.dialect(), index(filter, tx.dialect()))?;
        let mut steps = Vec::new();
        match tx.dialect() {
            Dialect::Sqlite => {
                for row in tx.rows(format!("EXPLAIN QUERY PLAN {sql}"), values).await? {
                    let text = row.text("detail")?;
                    let index = text.split("INDEX ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap_or_default();
                    steps.push(PlanStep { index: index.to_owned(), rows: 0, text });
                }
            }
            Dialect::MySql => {
                for row in tx.rows(format!("EXPLAIN PARTITIONS {sql}"), values).await? {
                    let of = |name: &str| Ok::<_, StoreError>(row.opt_text(name)?.unwrap_or_default());
                    let (index, kind, extra) = (of("key")?, of("type")?, of("Extra")?);
                    let text = format!("{} {kind} {index} [{}] {extra}", of("table")?, of("partitions")?);
                    steps.push(PlanStep { index, rows: row.opt_num("rows")?.unwrap_or(0), text });
                }
            }
        }
        Ok(steps)
    }
}

/// The newest part of a window, ending at its newest record, in which a page of numbers with a short beginning is looked for in the order of
/// time: numbers that are so frequent fill the page there, and of others the index holds few. `None` where the search is narrow anyway.
async fn newest(tx: &mut Tx, filter: &CdrFilter) -> Result<Option<CdrFilter>> {
    let dialect = tx.dialect();
    let short =
        |digits: &Option<String>| digits.as_ref().is_some_and(|d| d.trim_start_matches('+').len() < NARROW_DIGITS);
    let by_number = matches!(index(filter, dialect), "cdrs_called" | "cdrs_calling");
    if filter.exact || !by_number || !(short(&filter.called) || short(&filter.calling)) {
        return Ok(None);
    }
    let end = filter.after.map_or(filter.till, |(started, _)| started + 1).min(filter.till);
    // A window may reach beyond what was collected, or end in a quiet night.
    let index = dialect.by_index(by_time(dialect));
    let sql = format!("SELECT started FROM cdrs{index} WHERE started>=? AND started<? ORDER BY started DESC LIMIT 1");
    let Some(row) = tx.row(sql, args![filter.from, end]).await? else { return Ok(None) };
    let end = row.time("started")?;
    let part = filter.till.micros().saturating_sub(filter.from.micros()) / NEWEST_PART;
    let from = units::WallTime::from_micros(end.micros().saturating_sub(part)).max(filter.from);
    Ok(Some(CdrFilter { from, ..filter.clone() }))
}

/// The rows of a page, newest first.
pub(crate) async fn page(tx: &mut Tx, filter: &CdrFilter) -> Result<Vec<Row>> {
    let dialect = tx.dialect();
    let limit = filter.limit.clamp(1, SEARCH_ROWS_MAX);
    if let Some(newest) = newest(tx, filter).await? {
        let (sql, values) = statement(&newest, dialect, by_time(dialect))?;
        let rows = tx.rows(sql, values).await?;
        if rows.len() == limit as usize {
            return Ok(rows);
        }
    }
    let (sql, values) = statement(filter, dialect, index(filter, dialect))?;
    tx.rows(sql, values).await
}

fn by_time(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::MySql => "PRIMARY",
        Dialect::Sqlite => "cdrs_started",
    }
}

/// The statement that finds a page by an index, newest first, and its values.
fn statement(filter: &CdrFilter, dialect: Dialect, index: &str) -> Result<(String, Vec<Arg>)> {
    if filter.till <= filter.from {
        return Err(StoreError::invalid("from", "a window is needed: from must be earlier than till"));
    }
    let (wanted, values) = conditions(filter);
    let order = "ORDER BY started DESC,id DESC LIMIT ?";
    let limit = Arg::from(filter.limit.clamp(1, SEARCH_ROWS_MAX));
    let mut all = Vec::new();
    let by = |index: &str, more: &str| {
        format!("SELECT started,id FROM cdrs{} WHERE {wanted}{more}", dialect.by_index(index))
    };
    let keys = if let Some(header) = &filter.sip_call_id {
        // A header of either leg: two indexes, each asked for itself.
        for _ in 0..2 {
            all.extend(values.iter().cloned());
            all.push(Arg::from(header.as_str()));
        }
        let (one, two) =
            (by("cdrs_ingress_call_id", " AND ingress_call_id=?"), by("cdrs_egress_call_id", " AND egress_call_id=?"));
        format!("SELECT started,id FROM ({one} UNION {two}) AS either {order}")
    } else {
        all.extend(values);
        format!("{} {order}", by(index, ""))
    };
    all.push(limit);
    all.extend(args![filter.from, filter.till]);
    // The window stands here again, so that MariaDB looks into the days of the window only.
    let sql = format!(
        "SELECT cdrs.* FROM ({keys}) AS page {} cdrs ON cdrs.started=page.started AND cdrs.id=page.id \
         WHERE cdrs.started>=? AND cdrs.started<? ORDER BY cdrs.started DESC,cdrs.id DESC",
        dialect.join_in_order()
    );
    Ok((sql, all))
}

/// The index by which few keys are looked at.
fn index(filter: &CdrFilter, dialect: Dialect) -> &'static str {
    let narrow = |number: &Option<String>| {
        number.as_ref().is_some_and(|digits| filter.exact || digits.trim_start_matches('+').len() >= NARROW_DIGITS)
    };
    match filter {
        f if f.call.is_some() && dialect == Dialect::MySql => "cdrs_id",
        f if f.call.is_some() => "",
        f if narrow(&f.calling) => "cdrs_calling",
        f if narrow(&f.called) => "cdrs_called",
        f if f.ingress_trunk.is_some() => "cdrs_ingress_trunk",
        f if f.egress_trunk.is_some() => "cdrs_egress_trunk",
        f if f.terminator.is_some() => "cdrs_terminator",
        f if f.originator.is_some() => "cdrs_originator",
        f if f.called.is_some() => "cdrs_called",
        f if f.calling.is_some() => "cdrs_calling",
        _ => by_time(dialect),
    }
}

/// What a record must be, the Call-ID headers aside.
fn conditions(filter: &CdrFilter) -> (String, Vec<Arg>) {
    let mut wanted = vec!["started>=? AND started<?".to_owned()];
    let mut values = args![filter.from, filter.till];
    if let Some((started, id)) = filter.after {
        wanted.push("started<=? AND (started<? OR id<?)".into());
        values.extend(args![started, started, id]);
    }
    match filter.kind {
        CdrKind::Calls => wanted.push("attempt=0".into()),
        CdrKind::Attempts => wanted.push("attempt>0".into()),
        CdrKind::All => {}
    }
    let same = [
        ("originator", filter.originator.map(Arg::from)),
        ("terminator", filter.terminator.map(Arg::from)),
        ("ingress_trunk", filter.ingress_trunk.map(Arg::from)),
        ("egress_trunk", filter.egress_trunk.map(Arg::from)),
        ("cause", filter.cause.map(Arg::from)),
        ("sip_status", filter.sip_status.map(Arg::from)),
        ("identity", filter.identity.map(Arg::from)),
    ];
    for (column, value) in same {
        if let Some(value) = value {
            wanted.push(format!("{column}=?"));
            values.push(value);
        }
    }
    for (column, start) in [("calling", &filter.calling), ("called_routed", &filter.called)] {
        let Some(start) = start else { continue };
        let start = start.strip_prefix('+').unwrap_or(start);
        if filter.exact {
            wanted.push(format!("{column} IN (?,?)"));
            values.extend(args![start, format!("+{start}")]);
        } else {
            wanted.push(format!("(({column}>=? AND {column}<?) OR ({column}>=? AND {column}<?))"));
            values.extend(args![start, format!("{start}~"), format!("+{start}"), format!("+{start}~")]);
        }
    }
    if let Some(digits) = &filter.digits {
        wanted.push("(INSTR(calling,?)>0 OR INSTR(called_routed,?)>0)".into());
        values.extend(args![digits.as_str(), digits.as_str()]);
    }
    match filter.answered {
        Some(true) => wanted.push("answered_ms IS NOT NULL".into()),
        Some(false) => wanted.push("answered_ms IS NULL".into()),
        None => {}
    }
    if let Some(call) = filter.call {
        wanted.push("id BETWEEN ? AND ?".into());
        values.extend(args![call.to_bytes(AttemptIndex(0)), call.to_bytes(AttemptIndex(u8::MAX))]);
    }
    (wanted.join(" AND "), values)
}
