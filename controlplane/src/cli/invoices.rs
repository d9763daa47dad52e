//! `tandem invoices`: what carriers were told that their calls cost.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Subcommand, ValueEnum};
use serde_json::json;
use store::{AccountDraft, AuditEntry, Invoice, InvoiceAsk};
use web::invoice::{self, InvoiceForm};
use web::value::InvoiceRef;

use super::{ListForm, Misused, Place, moment};

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Invoices, the newest first.
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
    /// Makes the invoice of a month that is over.
    Make {
        /// The account's code.
        account: String,
        /// The month, in the account's zone: 2026-10.
        #[arg(long)]
        month: String,
        /// In which the month begins and dates are written, as IANA names it; the account's own otherwise.
        #[arg(long)]
        zone: Option<String>,
        /// Name and address of whom it is for; the carrier's name otherwise.
        #[arg(long, default_value = "", hide_default_value = true)]
        addressed_to: String,
        /// What else stands on it.
        #[arg(long, default_value = "", hide_default_value = true)]
        note: String,
        #[command(flatten)]
        place: Place,
    },
    /// Writes one to standard output.
    Get {
        /// Its number.
        number: u32,
        /// How it is written.
        #[arg(long, value_enum, default_value_t = Written::Html)]
        format: Written,
        #[command(flatten)]
        place: Place,
    },
    /// Declares the newest of its account void: its calls may be invoiced again.
    Void {
        /// Its number.
        number: u32,
        #[command(flatten)]
        place: Place,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Written {
    /// A page that a browser shows and prints.
    Html,
    /// A PDF.
    Pdf,
    /// A line for each destination and price.
    Csv,
}

pub async fn run(verb: Verb) -> Result<ExitCode> {
    match verb {
        Verb::List { account, limit, place, form } => list(account.as_deref(), limit, &place, form).await?,
        Verb::Make { account, month, zone, addressed_to, note, place } => {
            let store = place.store().await?;
            let found = store.by_code::<AccountDraft>(&account).await?;
            let zone = zone.unwrap_or_else(|| found.caps.zone.clone());
            let wrong =
                || Misused(format!("{month:?} in {zone:?} is no month such as 2026-10 of a zone such as Europe/Paris"));
            let (from, till) = invoice::month(&month, &zone).ok_or_else(wrong)?;
            let made_by = ACTOR.to_owned();
            let ask = InvoiceAsk { account: found.id, from, till, zone, with_fees: true, addressed_to, note, made_by };
            let (made, lines) = store.make_invoice(&ask).await?;
            store.audit(&act("create", made.number)).await?;
            let (total, currency) = (made.sums.total(), &made.currency);
            say!("invoice {}: {} calls, {} lines, {total} {currency}", made.number, made.sums.calls, lines.len());
        }
        Verb::Get { number, format, place } => {
            let (found, lines) = place.store().await?.invoice(number).await?;
            let form = match format {
                Written::Html => InvoiceForm::Html,
                Written::Pdf => InvoiceForm::Pdf,
                Written::Csv => InvoiceForm::Csv,
            };
            let bytes = invoice::written(&found, &lines, form);
            crate::said(std::io::Write::write_all(&mut std::io::stdout(), &bytes));
        }
        Verb::Void { number, place } => {
            let store = place.store().await?;
            store.void_invoice(number).await?;
            store.audit(&act("void", number)).await?;
            say!("invoice {number} is void");
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Who makes what is made here.
const ACTOR: &str = "tandem invoices";

fn act(action: &str, number: u32) -> AuditEntry {
    let object = InvoiceRef(number).to_string();
    AuditEntry { actor: ACTOR.to_owned(), action: action.to_owned(), object, ..AuditEntry::default() }
}

async fn list(account: Option<&str>, limit: u32, place: &Place, form: ListForm) -> Result<()> {
    let store = place.store().await?;
    let account = match account {
        Some(code) => Some(store.by_code::<AccountDraft>(code).await?.id),
        None => None,
    };
    let all = store.invoices(account, None, limit).await?;
    let cells = |row: &Invoice| {
        let sums = &row.sums;
        let state = row.voided.map_or_else(|| "counts".to_owned(), |at| format!("void since {}", moment(at)));
        let money = [sums.net, sums.tax, sums.total()].map(|money| money.to_string());
        let head = [row.number.to_string(), row.account_code.clone(), moment(row.ask.from), moment(row.ask.till)];
        let tail = [row.currency.clone(), state];
        [head.to_vec(), vec![sums.calls.to_string()], money.to_vec(), tail.to_vec()].concat()
    };
    let object = |row: &Invoice| {
        let sums = &row.sums;
        json!({ "number": row.number, "account": row.account_code, "from": moment(row.ask.from),
            "till": moment(row.ask.till), "calls": sums.calls, "billed_s": sums.billed_s,
            "net": sums.net.to_string(), "tax": sums.tax.to_string(), "total": sums.total().to_string(),
            "currency": row.currency, "made_at": moment(row.made), "voided_at": row.voided.map(moment) })
    };
    let rows: Vec<_> = all.iter().map(cells).collect();
    let head = ["number", "account", "from", "till", "calls", "net", "tax", "total", "currency", "state"];
    form.show(&head, &rows, || all.iter().map(object).collect::<Vec<_>>())
}
