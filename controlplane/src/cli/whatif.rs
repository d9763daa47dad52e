//! `tandem whatif`: recorded calls decided again under a draft, before anybody applies it.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use cdr::Cdr;
use clap::Args;
use rating::decision::decode;
use rating::whatif::{BATCH, Fate, Past as Calls, WhatIf};
use rating::{Ask, Policies, Verdict};
use serde::Serialize;
use snapshot::{Encoded, Model};
use units::{Cause, Currency, Money, NodeId};

use super::past::{Past, Window};
use super::{Form, Output, Place, table};
use crate::apply::{self, ApplyError};

/// Makes a draft, decides the recorded calls of a window under it, and says what would have been otherwise.
///
/// The day is taken as it was: numbers as they were routed, trunks that could not be reached, routes that were tried in vain, and how
/// long each answered call was talked. Rewrites of numbers are not made again. Nothing is changed.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The draft: a file as for `tandem apply`; what it does not name stays as it stands.
    #[arg(long, visible_alias = "draft", short = 'f', value_name = "FILE.yaml")]
    plan: Option<std::path::PathBuf>,
    /// The rates of this deck come from a CSV with the columns of a deck.
    #[arg(long, value_name = "CODE=FILE.csv")]
    deck: Vec<String>,
    #[command(flatten)]
    window: Window,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    form: Form,
}

pub async fn run(arguments: Arguments) -> Result<ExitCode> {
    let model = drafted(&arguments).await?;
    let draft = model.encode_apart().map_err(|flaw| anyhow::anyhow!("the draft: {flaw}"))?;
    let policies = Policies::compile(&draft.view()).map_err(|flaw| anyhow::anyhow!("the draft: {flaw}"))?;
    let mut past = Past::open(&arguments.window, &arguments.place).await?;
    let mut trial = Trial {
        draft: &draft,
        policies,
        what_if: WhatIf::default(),
        calls: Calls::default(),
        fates: Vec::new(),
        sums: Sums::default(),
    };
    let mut batch = Vec::new();
    loop {
        let page = past.page().await?;
        let is_last = page.is_empty();
        batch.extend(page);
        if is_last || batch.len() >= BATCH {
            trial.decide(&batch);
            batch.clear();
        }
        if is_last {
            break;
        }
    }
    let report = trial.sums.report(&model);
    match arguments.form.output {
        Output::Json => say!("{}", serde_json::to_string_pretty(&report)?),
        Output::Table => report.print(),
    }
    Ok(ExitCode::SUCCESS)
}

/// The switch with the draft's plans, trunks and rates.
async fn drafted(arguments: &Arguments) -> Result<Model> {
    let store = arguments.place.store().await?;
    let input = arguments.plan.as_deref().map(super::read).transpose()?;
    let mut model = apply::draft(&store, input.as_ref()).await?;
    for named in &arguments.deck {
        let (code, file) = named.split_once('=').context("--deck wants CODE=FILE.csv")?;
        let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {file}"))?;
        let deck = model.decks.iter_mut().find(|deck| deck.code == code);
        let deck = deck.with_context(|| format!("there is no deck {code}"))?;
        deck.packed = None;
        deck.rates = apply::rates_of_csv(file, &text, &deck.zone).map_err(ApplyError::Mistakes)?;
    }
    ensure!(!model.ingress_trunks.is_empty(), "the draft has no ingress trunk");
    Ok(model)
}

/// Calls on their way through the draft.
struct Trial<'a> {
    draft: &'a Encoded,
    policies: Policies,
    what_if: WhatIf,
    calls: Calls,
    fates: Vec<Fate>,
    sums: Sums,
}

impl Trial<'_> {
    fn decide(&mut self, batch: &[Cdr]) {
        self.calls.clear();
        let mut before = Vec::with_capacity(batch.len());
        for cdr in batch {
            self.sums.calls += 1;
            match self.read(cdr) {
                Some(row) => before.push((row, cdr)),
                None => self.sums.undecided += 1,
            }
        }
        let view = self.draft.view();
        let began = Instant::now();
        self.what_if.decide_all(&view, &self.policies, &self.calls, &mut self.fates);
        self.sums.took += began.elapsed();
        for ((is_blocked, cdr), fate) in before.into_iter().zip(&self.fates) {
            self.sums.add(cdr, is_blocked, *fate);
        }
    }

    /// Reads a call for the draft and says whether it was blocked on its day; `None` if it never came as far as rates and routes.
    fn read(&mut self, cdr: &Cdr) -> Option<bool> {
        if let Some(decision) = decode(&cdr.decision) {
            let talked_ms = cdr.answered_ms.map(|_| cdr.duration_ms);
            self.calls.add(&decision, cdr.egress_trunk, talked_ms);
            return Some(!decision.candidates.iter().any(|candidate| candidate.verdict == Verdict::Kept));
        }
        // Refused for want of a sell rate: the draft may have one.
        let unsold = [Cause::ORIGINATOR_RATE_NOT_FOUND, Cause::BLOCKED_BY_ORIGINATOR_DECK].contains(&cdr.cause);
        if !unsold || cdr.ingress_trunk.0 == 0 {
            return None;
        }
        self.calls.add_refused(Ask {
            node: NodeId(cdr.call.node.0),
            ingress: cdr.ingress_trunk,
            originator: cdr.originator,
            calling: cdr.calling,
            called: cdr.called_routed,
            lrn: cdr.lrn,
            jurisdiction: cdr.jurisdiction,
            at: cdr.started,
            seed: cdr.call.sequence,
            ..Ask::default()
        });
        Some(true)
    }
}

/// What one terminator took.
#[derive(Clone, Copy, Debug, Default)]
struct Share {
    calls: u64,
    talked_ms: u64,
}

/// One side of the comparison.
#[derive(Debug, Default)]
struct Side {
    blocked: u64,
    failed: u64,
    causes: BTreeMap<u16, u64>,
    money: BTreeMap<[u8; 3], (Money, Money)>,
    terminators: BTreeMap<u32, Share>,
}

impl Side {
    fn priced(&mut self, currency: Currency, revenue: Money, cost: Money) {
        let (revenues, costs) = self.money.entry(currency.bytes()).or_default();
        *revenues += revenue;
        *costs += cost;
    }

    fn took(&mut self, carrier: u32, talked_ms: u64) {
        let share = self.terminators.entry(carrier).or_default();
        share.calls += 1;
        share.talked_ms += talked_ms;
    }

    fn refused(&mut self, cause: Cause) {
        self.blocked += 1;
        *self.causes.entry(cause.0).or_default() += 1;
    }
}

#[derive(Debug, Default)]
struct Sums {
    calls: u64,
    undecided: u64,
    moved: u64,
    before: Side,
    after: Side,
    took: Duration,
}

impl Sums {
    fn add(&mut self, cdr: &Cdr, is_blocked: bool, fate: Fate) {
        let talked_ms = cdr.answered_ms.map_or(0, |_| cdr.duration_ms);
        if is_blocked {
            self.before.refused(cdr.cause);
        } else if cdr.terminator.0 != 0 {
            self.before.took(cdr.terminator.0, talked_ms);
        } else {
            self.before.failed += 1;
        }
        if let Some(sell) = &cdr.sell {
            self.before.priced(sell.terms.currency, sell.price - sell.tax, Money::ZERO);
        }
        if let Some(buy) = &cdr.buy {
            self.before.priced(buy.terms.currency, Money::ZERO, buy.price - buy.tax);
        }
        match fate {
            Fate::Blocked(cause) => self.after.refused(cause),
            Fate::Failed => self.after.failed += 1,
            Fate::Taken { carrier, revenue, currency, cost, cost_currency, .. } => {
                self.after.took(carrier.0, talked_ms);
                self.after.priced(currency, revenue, Money::ZERO);
                self.after.priced(cost_currency, Money::ZERO, cost);
                self.moved += u64::from(carrier != cdr.terminator && cdr.terminator.0 != 0);
            }
        }
    }

    fn report(&self, model: &Model) -> Report {
        let decided = self.calls - self.undecided;
        let code =
            |id: u32| model.carriers.iter().find(|carrier| carrier.id.0 == id).map(|carrier| carrier.code.clone());
        let ids = self.before.terminators.keys().chain(self.after.terminators.keys()).copied();
        let ids: std::collections::BTreeSet<u32> = ids.collect();
        let share = |side: &Side, id| side.terminators.get(&id).copied().unwrap_or_default();
        let terminators = ids.into_iter().map(|id| {
            let (before, after) = (share(&self.before, id), share(&self.after, id));
            let percent = |share: Share| (share.calls as f64 * 10_000.0 / decided.max(1) as f64).round() / 100.0;
            TerminatorRow {
                terminator: code(id).unwrap_or_else(|| format!("#{id}")),
                calls_before: before.calls,
                calls_after: after.calls,
                percent_before: percent(before),
                percent_after: percent(after),
                minutes_before: before.talked_ms / 60_000,
                minutes_after: after.talked_ms / 60_000,
            }
        });
        Report {
            calls: self.calls,
            undecided: self.undecided,
            moved: self.moved,
            before: SideReport::of(&self.before),
            after: SideReport::of(&self.after),
            terminators: terminators.collect(),
            decisions_per_second: (decided as f64 / self.took.as_secs_f64().max(1e-9)) as u64,
        }
    }
}

/// What would have been otherwise.
#[derive(Debug, Serialize)]
struct Report {
    /// Calls of the window.
    calls: u64,
    /// Calls that were refused before rates and routes, and are in neither side.
    undecided: u64,
    /// Calls that another terminator would have taken.
    moved: u64,
    /// As it was.
    before: SideReport,
    /// Under the draft.
    after: SideReport,
    /// Who took how many, and would have taken.
    terminators: Vec<TerminatorRow>,
    /// How fast the draft decided, on one core.
    decisions_per_second: u64,
}

#[derive(Debug, Serialize)]
struct SideReport {
    /// Calls for which there was no route.
    blocked: u64,
    /// Calls all of whose routes were tried in vain.
    failed: u64,
    /// Blocked calls by cause.
    causes: BTreeMap<u16, u64>,
    /// By currency.
    money: Vec<MoneyRow>,
}

#[derive(Debug, Serialize)]
struct MoneyRow {
    currency: String,
    revenue: String,
    cost: String,
    margin: String,
}

#[derive(Debug, Serialize)]
struct TerminatorRow {
    terminator: String,
    calls_before: u64,
    calls_after: u64,
    percent_before: f64,
    percent_after: f64,
    minutes_before: u64,
    minutes_after: u64,
}

impl SideReport {
    fn of(side: &Side) -> SideReport {
        let money = side.money.iter().map(|(currency, (revenue, cost))| MoneyRow {
            currency: String::from_utf8_lossy(currency).into_owned(),
            revenue: revenue.to_string(),
            cost: cost.to_string(),
            margin: (*revenue - *cost).to_string(),
        });
        SideReport { blocked: side.blocked, failed: side.failed, causes: side.causes.clone(), money: money.collect() }
    }
}

impl Report {
    fn print(&self) {
        say!("{} calls, {} refused before rates and routes", self.calls, self.undecided);
        let (before, after) = (&self.before, &self.after);
        let mut rows = vec![
            vec!["blocked".to_owned(), before.blocked.to_string(), after.blocked.to_string()],
            vec!["failed".to_owned(), before.failed.to_string(), after.failed.to_string()],
            vec!["with another terminator".to_owned(), String::new(), self.moved.to_string()],
        ];
        let currencies = before.money.iter().chain(&after.money).map(|row| row.currency.as_str());
        for currency in currencies.collect::<std::collections::BTreeSet<_>>() {
            let of = |side: &SideReport| {
                let row = side.money.iter().find(|row| row.currency == currency);
                row.map_or_else(
                    || ["0.00"; 3].map(str::to_owned),
                    |row| [&row.revenue, &row.cost, &row.margin].map(Clone::clone),
                )
            };
            for (what, (before, after)) in
                ["revenue", "cost", "margin"].iter().zip(of(before).into_iter().zip(of(after)))
            {
                rows.push(vec![format!("{what} {currency}"), before, after]);
            }
        }
        table(&["", "as it was", "draft"], &rows);
        let cells = |row: &TerminatorRow| {
            vec![
                row.terminator.clone(),
                format!("{} ({} %)", row.calls_before, row.percent_before),
                format!("{} ({} %)", row.calls_after, row.percent_after),
                row.minutes_before.to_string(),
                row.minutes_after.to_string(),
            ]
        };
        let head = ["terminator", "calls as it was", "calls draft", "minutes as it was", "minutes draft"];
        table(&head, &self.terminators.iter().map(cells).collect::<Vec<_>>());
        say!("{} decisions a second", self.decisions_per_second);
    }
}
