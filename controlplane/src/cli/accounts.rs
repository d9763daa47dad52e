//! `tandem accounts`: balances, statements, payments and notices.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Subcommand, ValueEnum};
use serde_json::{Value, json};
use store::{AccountDraft, AuditEntry, Booking};
use units::Money;

use super::{ListForm, Listing, Misused, Place, moment};

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// All balances, with what calls cost today and how long the money lasts.
    #[command(alias = "ls")]
    List(Listing),
    /// What came in and went out of an account, newest first, with the balance after each entry.
    Entries {
        /// Its code.
        account: String,
        /// Rows at most.
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000))]
        limit: u32,
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        form: ListForm,
    },
    /// Books money.
    Pay {
        /// The account's code.
        account: String,
        /// How much, in the account's currency; negative goes the other way.
        #[arg(allow_hyphen_values = true)]
        amount: String,
        /// Booked once, however often it is tried.
        #[arg(long)]
        reference: String,
        /// What it is.
        #[arg(long, value_enum, default_value_t = Kind::Payment)]
        kind: Kind,
        /// For people.
        #[arg(long, default_value = "")]
        note: String,
        #[command(flatten)]
        place: Place,
    },
    /// Draws the secret that an account's notices are signed with from now on (Standard Webhooks), and shows it this once.
    NoticeSecret {
        /// The account's code.
        account: String,
        #[command(flatten)]
        place: Place,
    },
    /// Tells a notice again, by mail and POST as its account has them by now.
    Replay {
        /// Its id, as `notices` shows it.
        notice: String,
        #[command(flatten)]
        place: Place,
    },
    /// Every try to tell somebody of a notice.
    Tries {
        /// Its id, as `notices` shows it.
        notice: String,
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        form: ListForm,
    },
    /// Thresholds that balances crossed, newest first.
    Notices {
        /// Rows at most.
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000))]
        limit: u32,
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        form: ListForm,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// The carrier paid us.
    Payment,
    /// A credit note; negative, a debit note.
    Correction,
    /// We paid the carrier.
    Payout,
}

pub async fn run(verb: Verb) -> Result<ExitCode> {
    match verb {
        Verb::List(Listing { place, form }) => list(&place, form).await?,
        Verb::Entries { account, limit, place, form } => entries(&account, limit, &place, form).await?,
        Verb::Pay { account, amount, reference, kind, note, place } => {
            pay(&place, &account, &amount, &reference, kind, &note).await?;
        }
        Verb::NoticeSecret { account, place } => {
            let store = place.store().await?;
            let found = store.by_code::<AccountDraft>(&account).await?;
            let secret = store::draw_secret();
            store.set_notice_secret(found.id, &secret).await?;
            say!("{}", store::secret_text(&secret));
        }
        Verb::Replay { notice, place } => place.store().await?.replay_notice(&notice).await?,
        Verb::Tries { notice, place, form } => tries(&notice, &place, form).await?,
        Verb::Notices { limit, place, form } => notices(limit, &place, form).await?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Rows as a table, as JSON or as CSV, under the same names.
fn show(form: ListForm, head: &[&str], rows: &[Vec<String>]) -> Result<()> {
    let object = |row: &Vec<String>| {
        let fields = head.iter().zip(row).map(|(name, cell)| ((*name).to_owned(), json!(cell)));
        Value::Object(fields.collect())
    };
    form.show(head, rows, || rows.iter().map(object).collect::<Vec<_>>())
}

async fn list(place: &Place, form: ListForm) -> Result<()> {
    let store = place.store().await?;
    let mut rows = Vec::new();
    let accounts = store.all::<AccountDraft>().await?;
    for (account, spent) in accounts.iter().zip(store.spending(&accounts).await?) {
        let balance = account.facts.funds - account.credit_limit.unwrap_or_default() - account.facts.settled;
        let cap = account.caps.day.map_or_else(|| "-".to_owned(), |cap| cap.to_string());
        let runway = spent.runway_s.map_or_else(|| "-".to_owned(), |s| format!("{}:{:02}", s / 3_600, s / 60 % 60));
        let figures = [balance, account.facts.available, account.facts.held, account.facts.owed, spent.day];
        let mut row = vec![account.code.clone(), account.currency.code()];
        row.extend(figures.iter().map(Money::to_string));
        let may_owe = spent.may_owe.map_or_else(|| "-".to_owned(), |left| left.to_string());
        row.extend([cap, runway, may_owe]);
        rows.push(row);
    }
    let head = ["account", "currency", "balance", "available", "held", "owed", "today", "day_cap", "runway", "may_owe"];
    show(form, &head, &rows)
}

async fn entries(account: &str, limit: u32, place: &Place, form: ListForm) -> Result<()> {
    let store = place.store().await?;
    let id = store.by_code::<AccountDraft>(account).await?.id;
    let entries = store.statement(id, None, limit).await?;
    let row = |(entry, after): &(store::Entry, Money)| {
        let reference = entry.id.split_once(':').map_or("", |(_, rest)| rest).to_owned();
        let figures = [entry.moved(), *after, entry.change.owed].map(|money| money.to_string());
        let given_up = entry.written_off.map_or_else(String::new, |lost| lost.amount.to_string());
        let texts = [given_up, reference, entry.note.clone()];
        [moment(entry.at), entry.kind.clone()].into_iter().chain(figures).chain(texts).collect()
    };
    let rows: Vec<Vec<String>> = entries.iter().map(row).collect();
    show(form, &["at", "kind", "amount", "balance", "owed", "written_off", "reference", "note"], &rows)
}

async fn pay(place: &Place, code: &str, amount: &str, reference: &str, kind: Kind, note: &str) -> Result<()> {
    let amount = Money::parse(amount).ok_or_else(|| Misused(format!("{amount:?} is no amount such as 12.50")))?;
    let kind = match kind {
        Kind::Payment => Booking::Payment,
        Kind::Correction => Booking::Correction,
        Kind::Payout => Booking::Payout,
    };
    let store = place.store().await?;
    let account = store.by_code::<AccountDraft>(code).await?;
    let mut edit = store.edit().await?;
    let booked = edit.book(kind, account.id, amount, reference, note).await?;
    if booked.booked {
        let after = json!({ "kind": kind.name(), "amount": amount.to_string(), "reference": reference, "note": note });
        edit.audit(&AuditEntry {
            actor: "tandem accounts pay".to_owned(),
            action: "payment".to_owned(),
            object: format!("account {code}"),
            after: after.to_string(),
            ..AuditEntry::default()
        })
        .await?;
    }
    edit.commit().await?;
    let done = if booked.booked { "booked" } else { "was booked before" };
    say!("{} of {amount} {} on {code} {done}", kind.name(), account.currency);
    Ok(())
}

async fn tries(notice: &str, place: &Place, form: ListForm) -> Result<()> {
    let row = |tried: store::NoticeTry| {
        let number = tried.number.to_string();
        vec![number, tried.way, moment(tried.at), tried.took_ms.to_string(), tried.problem]
    };
    let rows: Vec<_> = place.store().await?.notice_tries(notice).await?.into_iter().map(row).collect();
    show(form, &["number", "way", "at", "took_ms", "problem"], &rows)
}

async fn notices(limit: u32, place: &Place, form: ListForm) -> Result<()> {
    let store = place.store().await?;
    let codes: std::collections::BTreeMap<u32, String> =
        store.all::<AccountDraft>().await?.into_iter().map(|account| (account.id, account.draft.code)).collect();
    let row = |notice: &store::Notice| {
        let told = if notice.mail_tries.is_some() || notice.url_tries.is_some() { "pending" } else { "done" };
        vec![
            moment(notice.raised),
            codes.get(&notice.account).cloned().unwrap_or_default(),
            notice.kind.clone(),
            notice.value.to_string(),
            notice.threshold.to_string(),
            notice.cleared.map_or_else(String::new, moment),
            told.to_owned(),
            notice.problem.clone(),
            notice.id.clone(),
        ]
    };
    let rows: Vec<_> = store.notices(None, None, limit).await?.iter().map(row).collect();
    show(form, &["raised", "account", "kind", "value", "threshold", "cleared", "told", "problem", "id"], &rows)
}
