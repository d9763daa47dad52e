//! `tandem rerate`: calls of a period priced once more after a deck was corrected.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Subcommand};
use serde_json::json;
use store::{AccountDraft, AuditEntry, DeckDraft, RerateAsk, RerateItem, RerateLine, RerateNear, RerateSums, Rerating};
use units::Money;
use web::invoice;
use web::value::ReratingRef;

use super::cdr::when;
use super::{ListForm, ListOutput, Misused, Place, moment};

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Re-ratings, the newest first.
    #[command(alias = "ls")]
    List {
        /// Only of the account with this code.
        #[arg(long)]
        account: Option<String>,
        /// Rows at most.
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000))]
        limit: u32,
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        form: ListForm,
    },
    /// Prices the calls of a period once more, by the rates that stand now, and keeps the report. No money moves.
    Report(Box<Report>),
    /// Shows a report again.
    Show {
        /// Its number.
        number: u32,
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        form: ListForm,
    },
    /// Books the difference of a report as one correction of the account, once.
    Book {
        /// Its number.
        number: u32,
        #[command(flatten)]
        place: Place,
    },
    /// Books back what was booked: another report of the calls may be booked then.
    Undo {
        /// Its number.
        number: u32,
        #[command(flatten)]
        place: Place,
    },
}

#[derive(Debug, Args)]
pub struct Report {
    /// The account's code.
    account: String,
    /// Calls that began in this month, in the account's zone: 2026-10.
    #[arg(long, required_unless_present = "from", conflicts_with_all = ["from", "till"])]
    month: Option<String>,
    /// Calls that began at or after: a moment, a date (UTC), or a span back from now such as 30d.
    #[arg(long, requires = "till")]
    from: Option<String>,
    /// Calls that began before; 92 days after that at most.
    #[arg(long, requires = "from")]
    till: Option<String>,
    /// Only calls that were charged by the deck with this code.
    #[arg(long)]
    deck: Option<String>,
    /// Priced by the deck with this code, instead of the one that each was charged by.
    #[arg(long)]
    priced_by: Option<String>,
    /// Why; it stands in the ledger.
    #[arg(long)]
    why: String,
    #[command(flatten)]
    pub place: Place,
    #[command(flatten)]
    form: ListForm,
}

pub async fn run(verb: Verb) -> Result<ExitCode> {
    match verb {
        Verb::List { account, limit, place, form } => list(account.as_deref(), limit, &place, form).await?,
        Verb::Report(wanted) => report(*wanted).await?,
        Verb::Show { number, place, form } => show(&place.store().await?.rerating(number).await?, form)?,
        Verb::Book { number, place } => {
            let store = place.store().await?;
            let booked = store.book_rerating(number, ACTOR).await?;
            store.audit(&act("book", number)).await?;
            say!("re-rating {number}: {} {} booked on {}", booked.sums.back(), booked.currency, booked.account_code);
        }
        Verb::Undo { number, place } => {
            let store = place.store().await?;
            let undone = store.undo_rerating(number, ACTOR).await?;
            store.audit(&act("undo", number)).await?;
            let back = Money::ZERO - undone.sums.back();
            say!("re-rating {number}: {back} {} booked on {}", undone.currency, undone.account_code);
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn report(wanted: Report) -> Result<()> {
    let store = wanted.place.store().await?;
    let account = store.by_code::<AccountDraft>(&wanted.account).await?;
    let (from, till) = match (&wanted.month, &wanted.from, &wanted.till) {
        (None, Some(from), Some(till)) => (when(from)?, when(till)?),
        (month, ..) => {
            let month = month.clone().unwrap_or_default();
            let wrong = || Misused(format!("{month:?} is no month such as 2026-10"));
            invoice::month(&month, &account.caps.zone).ok_or_else(wrong)?
        }
    };
    let mut decks = [None, None];
    for (id, code) in decks.iter_mut().zip([wanted.deck, wanted.priced_by]) {
        if let Some(code) = code {
            *id = Some(store.by_code::<DeckDraft>(&code).await?.id);
        }
    }
    let ([deck, instead], made_by) = (decks, ACTOR.to_owned());
    let ask = RerateAsk { account: account.id, deck, instead, from, till, why: wanted.why, made_by };
    let (made, _) = store.rerate(&ask).await?;
    store.audit(&act("create", made.number)).await?;
    show(&store.rerating(made.number).await?, wanted.form)
}

/// Who does what is done here.
const ACTOR: &str = "tandem rerate";

fn act(action: &str, number: u32) -> AuditEntry {
    let object = ReratingRef(number).to_string();
    AuditEntry { actor: ACTOR.to_owned(), action: action.to_owned(), object, ..AuditEntry::default() }
}

async fn list(account: Option<&str>, limit: u32, place: &Place, form: ListForm) -> Result<()> {
    let store = place.store().await?;
    let account = match account {
        Some(code) => Some(store.by_code::<AccountDraft>(code).await?.id),
        None => None,
    };
    let all = store.reratings(account, None, limit).await?;
    let cells = |row: &Rerating| {
        let money = sums(&row.sums);
        let head = [row.number.to_string(), row.account_code.clone(), moment(row.ask.from), moment(row.ask.till)];
        [head.to_vec(), money, vec![row.currency.clone(), state(row), row.ask.why.clone()]].concat()
    };
    let rows: Vec<_> = all.iter().map(cells).collect();
    let head = [
        "number",
        "account",
        "from",
        "till",
        "calls",
        "minutes",
        "was",
        "is",
        "difference",
        "currency",
        "state",
        "why",
    ];
    form.show(&head, &rows, || all.iter().map(object).collect::<Vec<_>>())
}

fn state(row: &Rerating) -> String {
    match (&row.booked, &row.undone) {
        (_, Some(act)) => format!("undone {} by {}", moment(act.at), act.by),
        (Some(act), None) => format!("booked {} by {}", moment(act.at), act.by),
        (None, None) => "not booked".to_owned(),
    }
}

/// Calls, minutes, what was charged, what it is now, and the difference.
fn sums(sums: &RerateSums) -> Vec<String> {
    let minutes = format!("{:.1}", sums.talked_ms as f64 / 60_000.0);
    let money = [sums.before, sums.after, sums.after - sums.before].map(|money| money.to_string());
    [vec![sums.calls.to_string(), minutes], money.to_vec()].concat()
}

fn object(row: &Rerating) -> serde_json::Value {
    json!({ "number": row.number, "account": row.account_code, "from": moment(row.ask.from),
        "till": moment(row.ask.till), "why": row.ask.why, "currency": row.currency, "sums": told(&row.sums),
        "made_at": moment(row.made), "made_by": row.ask.made_by,
        "booked_at": row.booked.as_ref().map(|act| moment(act.at)),
        "undone_at": row.undone.as_ref().map(|act| moment(act.at)) })
}

fn told(sums: &RerateSums) -> serde_json::Value {
    json!({ "calls": sums.calls, "talked_ms": sums.talked_ms, "before": sums.before.to_string(),
        "before_tax": sums.before_tax.to_string(), "after": sums.after.to_string(),
        "after_tax": sums.after_tax.to_string(), "difference": (sums.after - sums.before).to_string() })
}

fn show((found, lines, near): &(Rerating, Vec<RerateLine>, RerateNear), form: ListForm) -> Result<()> {
    let cells = |line: &RerateLine| {
        let (destination, prices) = match line.item {
            RerateItem::Changed => (line.destination.clone(), line.per_minute.map(|price| price.to_string())),
            RerateItem::Unrated => {
                (format!("no rate now: {}", line.destination), line.per_minute.map(|price| price.to_string()))
            }
            RerateItem::Same => ("all others, as they were".to_owned(), [String::new(), String::new()]),
        };
        let head = [vec![destination], line.prefixes.to_vec(), prices.to_vec()].concat();
        [head, sums(&line.sums)].concat()
    };
    let mut rows: Vec<_> = lines.iter().map(cells).collect();
    let empty = vec![String::new(); 4];
    rows.push([vec![format!("sum, {}", found.currency)], empty, sums(&found.sums)].concat());
    let head = [
        "destination",
        "prefix was",
        "prefix is",
        "a minute was",
        "a minute is",
        "calls",
        "minutes",
        "was",
        "is",
        "difference",
    ];
    if form.once.output == ListOutput::Table {
        say!("re-rating {} of {}: {}", found.number, found.account_code, state(found));
        near.invoices.iter().for_each(|number| {
            say!("invoice {number} has calls of that time: it keeps the prices that they were charged");
        });
        near.booked.iter().for_each(|number| {
            say!("re-rating {number} of such calls is booked: while it is, this one cannot be");
        });
    }
    let line = |line: &RerateLine| {
        json!({ "kind": format!("{:?}", line.item).to_lowercase(), "destination": line.destination,
            "prefix_before": line.prefixes[0], "prefix_after": line.prefixes[1],
            "per_minute_before": line.per_minute[0].to_string(), "per_minute_after": line.per_minute[1].to_string(),
            "rate_currency": line.rate_currency, "sums": told(&line.sums) })
    };
    form.show(&head, &rows, || {
        json!({ "rerating": object(found), "lines": lines.iter().map(line).collect::<Vec<_>>(),
            "invoices": near.invoices, "booked_before": near.booked })
    })
}
