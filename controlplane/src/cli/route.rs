//! `tandem route`: what the data plane would do with a call, by the same code on the same snapshot file.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use clap::{Args, Subcommand};
use panel::wire::{Answer, Ask as Question};
use rating::policy::{Stage, stages};
use rating::{Admission, Arrival, Ask, Candidate, Policies, Routes, Verdict};
use serde_json::{Value, json};
use snapshot::policy::{RewriteField, Transport};
use snapshot::{Encoded, IngressView, Side, Snapshot, View, Wanted};
use units::{Cause, NodeId, Number, RateClass, Terms, WallTime};
use web::api::batch::{BatchForm, simulate_csv};
use web::api::simulate::hurdles::{Hurdle, Moment, Needs, refusal_now};
use web::api::simulate::{ANOTHER_MOMENT, NOT_ASKED};
use web::api::standings::{broken, of_the_moment};
use web::snapshot_files;

use super::{EXIT_NOT_FOUND, EXIT_REFUSED, Form, Misused, Output, Place, table};
use crate::link::ask_once;

/// How long the database is waited for; without it the decision is told all the same.
const STORE_MAX: Duration = Duration::from_secs(3);

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Rates and routes of a call that is not placed, and what limits and money say to it at this moment.
    ///
    /// Exits with 0 if the call would go out, with 5 if it would be refused: by the snapshot, or by what is sure to stand against it or all its
    /// routes now (capacity, CPS, balance, caps, what a terminator may be owed). What could not be looked at is told, and refuses nothing.
    Simulate(Simulate),
}

#[derive(Debug, Args)]
pub struct Simulate {
    /// The called number, without tech prefix.
    #[arg(required_unless_present = "batch", default_value = "", hide_default_value = true)]
    called: String,
    /// Code of the ingress trunk, or of the carrier whose first ingress trunk is meant.
    #[arg(
        long = "as",
        value_name = "CODE",
        required_unless_present = "batch",
        default_value = "",
        hide_default_value = true
    )]
    from: String,
    /// Simulates every row of a CSV instead and prints a row of CSV about each, or of NDJSON with -o json. Columns: called, and
    /// ingress_trunk or source (address:port); calling, lrn, at, seed and talk_ms may be left out.
    #[arg(long, value_name = "FILE.csv", conflicts_with_all = ["called", "from", "calling"])]
    batch: Option<std::path::PathBuf>,
    /// Decides from this revision, while its snapshot is kept; the newest if not given.
    #[arg(long, value_name = "N")]
    revision: Option<u64>,
    /// Decides as if this file had been applied; it is a file as for `tandem apply`.
    #[arg(long, value_name = "FILE.yaml", conflicts_with = "revision")]
    draft: Option<std::path::PathBuf>,
    /// The caller's number.
    #[arg(long, default_value = "")]
    calling: String,
    /// The location routing number that the call would come with.
    #[arg(long, default_value = "")]
    lrn: String,
    /// Decides as if it were this moment, such as 2026-12-25T08:30:00Z; now if not given.
    #[arg(long, value_name = "MOMENT")]
    at: Option<jiff::Timestamp>,
    /// Whether what is known at this moment counts: trunks that do not answer, rest or are throttled, limits, balances, caps. It does if not
    /// given, unless --at names another moment.
    #[arg(long, value_name = "true|false")]
    live: Option<bool>,
    /// The node that the call would come to.
    #[arg(long, default_value_t = 1)]
    node: u16,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    form: Form,
}

pub async fn run(verb: Verb) -> Result<ExitCode> {
    let Verb::Simulate(simulate) = verb;
    let snapshot = snapshot(&simulate).await?;
    if let Some(file) = &simulate.batch {
        return batch(&simulate, &snapshot, file).await;
    }
    let view = snapshot.view();
    let Some(trunk) = ingress(&view, &simulate.from) else {
        eprintln!("tandem: there is no ingress trunk {}, and no carrier of that code with one", simulate.from);
        return Ok(ExitCode::from(EXIT_NOT_FOUND));
    };
    let number = |text: &str| {
        let dialled = web::value::dialled(text);
        Number::parse(dialled.as_bytes()).map_err(|flaw| Misused(format!("{text:?} is no number: {flaw:?}")))
    };
    let (called, calling, lrn) = (number(&simulate.called)?, number(&simulate.calling)?, number(&simulate.lrn)?);
    let policies = Policies::compile(&view).map_err(|flaw| anyhow!("the current snapshot: {flaw}"))?;
    let at = WallTime::from_micros(simulate.at.unwrap_or_else(jiff::Timestamp::now).as_microsecond());
    let dialled = called.with_prefix(trunk.tech_prefix().as_bytes()).context("too long with the tech prefix")?;
    let arrival = Arrival {
        source: (std::net::Ipv4Addr::UNSPECIFIED, 0).into(),
        transport: Transport::Auto,
        node: NodeId(simulate.node),
        calling,
        asserted: None,
        called: dialled,
        lrn,
    };
    let mut moment = if simulate.is_live() { Some(moment(&simulate).await) } else { None };
    let mut told = Told::decide(view, policies, trunk, &arrival, (at, moment.as_mut()));
    told.stages = stages(&told.policies, trunk.id(), told.admission.plan, calling, called);
    told.now = match &mut moment {
        Some(moment) => told.meet(moment).await,
        None if simulate.at.is_some() => Now { unknown: Some(ANOTHER_MOMENT.to_owned()), ..Now::default() },
        None => Now { unknown: Some(NOT_ASKED.to_owned()), ..Now::default() },
    };
    if simulate.form.output == Output::Json {
        say!("{}", serde_json::to_string_pretty(&told.object())?);
    } else {
        told.print();
    }
    let goes = told.outcome.is_ok() && told.refusal_now().is_none();
    Ok(if goes { ExitCode::SUCCESS } else { ExitCode::from(EXIT_REFUSED) })
}

/// What stands at this moment, as far as data plane and database answer.
async fn moment(simulate: &Simulate) -> Moment {
    let place = &simulate.place;
    let ask = async |question: Question| match place.folder() {
        Ok(folder) => {
            let answer = ask_once(&folder.socket(), question).await;
            answer.map_err(|_| "the data plane does not answer".to_owned())
        }
        Err(flaw) => Err(format!("{flaw:#}")),
    };
    let (figures, rooms) = tokio::join!(ask(Question::Figures), ask(Question::Rooms));
    let figures = match figures {
        Ok(Answer::Figures(figures)) => Some(Arc::new(*figures)),
        _ => None,
    };
    let store = match tokio::time::timeout(STORE_MAX, place.store()).await {
        Ok(store) => store.map_err(|flaw| format!("{flaw:#}")),
        Err(_) => Err(format!("the database does not answer within {} s", STORE_MAX.as_secs())),
    };
    Moment::new(NodeId(simulate.node), (figures, rooms), store)
}

impl Simulate {
    fn is_live(&self) -> bool {
        self.live.unwrap_or(self.at.is_none())
    }
}

/// What the command line wants asked: the newest snapshot, an older one, or a draft.
async fn snapshot(simulate: &Simulate) -> Result<Snapshot> {
    if let Some(draft) = &simulate.draft {
        let model = crate::apply::draft(&simulate.place.store().await?, Some(&super::read(draft)?)).await?;
        let Encoded { main, decks, .. } = model.encode_apart().map_err(|flaw| anyhow!("the draft: {flaw}"))?;
        let find = |wanted: Wanted<'_>| decks.iter().find(|image| image.mark() == wanted.mark).cloned().ok_or("gone");
        return Snapshot::open(Arc::new(main), find).map_err(|flaw| anyhow!("the draft: {flaw}"));
    }
    let folder = simulate.place.folder()?.snapshots();
    let name = match simulate.revision {
        Some(revision) => format!("{revision}.snap"),
        None => std::fs::read_to_string(folder.join("current")).context("nothing has been published yet")?,
    };
    let read = snapshot_files::open(&folder.join(name.trim()), &[]);
    read.with_context(|| format!("the snapshot {} cannot be read", name.trim()))
}

async fn batch(simulate: &Simulate, snapshot: &Snapshot, file: &Path) -> Result<ExitCode> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let form = if simulate.form.output == Output::Json { BatchForm::Ndjson } else { BatchForm::Csv };
    let store = simulate.place.store().await?;
    let moment = if simulate.live == Some(false) { None } else { Some(moment(simulate).await) };
    let node = NodeId(simulate.node);
    let told = simulate_csv(&store, snapshot, node, (&text, form), (simulate.live, moment)).await;
    let told = told.map_err(|problem| match problem.errors.first() {
        Some(flaw) => anyhow!("{}:{}: {}", file.display(), flaw.pointer, flaw.message),
        None => anyhow!("{}: {}", file.display(), problem.detail),
    })?;
    say!("{}", told.trim_end());
    Ok(ExitCode::SUCCESS)
}

fn ingress<'a>(view: &View<'a>, code: &str) -> Option<IngressView<'a>> {
    let of_carrier =
        |trunk: &IngressView<'_>| view.carrier(trunk.carrier()).is_some_and(|carrier| carrier.code() == code);
    let mut trunks = view.ingress_trunks();
    trunks.find(|trunk| trunk.code() == code).or_else(|| view.ingress_trunks().find(of_carrier))
}

/// What the simulation found.
struct Told<'a> {
    view: View<'a>,
    policies: Policies,
    trunk: IngressView<'a>,
    admission: Admission,
    at: WallTime,
    stages: Vec<Stage>,
    sell: Option<Terms>,
    routes: Routes,
    outcome: Result<(), Cause>,
    /// Which floor each candidate's trunk is below, in words; empty where none.
    broken: Vec<String>,
    now: Now,
}

/// What stands against the call and its candidates at this moment.
#[derive(Debug, Default)]
struct Now {
    call: Vec<Hurdle>,
    /// In the order of candidates; empty if the call was refused before, or nothing was looked at.
    routes: Vec<Vec<Hurdle>>,
    unknown: Option<String>,
}

impl<'a> Told<'a> {
    /// What the data plane would decide, by what it knows of its trunks at this moment, if that is asked.
    fn decide(
        view: View<'a>,
        policies: Policies,
        trunk: IngressView<'a>,
        arrival: &Arrival,
        (at, moment): (WallTime, Option<&mut Moment>),
    ) -> Told<'a> {
        let mut admission = Admission::default();
        let admitted = rating::admit_by(&view, &policies, trunk.id(), arrival, &mut admission);
        let quote = admitted.and_then(|()| {
            let payer = (trunk.id(), trunk.account());
            rating::sell(&view, payer, admission.sell_deck, &admission.destination(), at)
        });
        let day = moment.as_ref().and_then(|moment| moment.day());
        let mut routes = Routes::default();
        let outcome = quote.and_then(|sell| {
            let ask = Ask {
                node: arrival.node,
                ingress: admission.ingress,
                plan: admission.plan,
                sell,
                originator: admission.carrier,
                calling: admission.calling,
                called: admission.called,
                lrn: admission.lrn,
                jurisdiction: admission.jurisdiction,
                at,
                seed: 0,
                ..Ask::default()
            };
            let ask = day.map_or(ask, |day| of_the_moment(day, &view, &policies, ask));
            rating::routes(&view, &policies, &ask, &mut routes)
        });
        let floor = |candidate: &Candidate| match candidate.verdict {
            Verdict::Dropped(Cause::TRUNK_RESTS) => day.and_then(|day| broken(day, candidate.egress.0)),
            _ => None,
        };
        let broken = routes.all().iter().map(|candidate| floor(candidate).unwrap_or("").to_owned()).collect();
        let (stages, sell, now) = (Vec::new(), quote.ok(), Now::default());
        Told { view, policies, trunk, admission, at, stages, sell, routes, outcome, broken, now }
    }

    /// What stands against the call and its candidates.
    async fn meet(&self, moment: &mut Moment) -> Now {
        let Some(sell) = &self.sell else { return Now::default() };
        let least = rating::first_slice(sell).0;
        let originator = self.admission.carrier;
        let needs = Needs::of_call(originator, self.trunk.id(), (self.admission.account, least));
        let call = moment.against(&self.view, &self.policies, &needs).await;
        let mut routes = Vec::new();
        for candidate in self.routes.all() {
            let account = self.view.egress(candidate.egress).map(|trunk| trunk.account());
            let owes = account.zip(candidate.buy.map(|terms| rating::first_slice(&terms).0));
            let needs = Needs::of_route((originator, candidate.carrier), candidate.egress, owes);
            routes.push(match candidate.verdict {
                Verdict::Dropped(_) => Vec::new(),
                Verdict::Kept | Verdict::Surplus => moment.against(&self.view, &self.policies, &needs).await,
            });
        }
        Now { call, routes, unknown: moment.unknown() }
    }

    /// What is sure to stand against the call, or against all its routes.
    fn refusal_now(&self) -> Option<&Hurdle> {
        let kept = self.routes.kept().len();
        refusal_now(&self.now.call, self.now.routes.iter().take(kept).map(Vec::as_slice))
    }

    /// What stands against a candidate, in words.
    fn passed_over(&self, place: usize) -> String {
        let hurdles = self.now.routes.get(place).map_or(&[][..], Vec::as_slice);
        hurdles.iter().map(words).collect::<Vec<_>>().join("; ")
    }

    fn object(&self) -> Value {
        let stage = |stage: &Stage| {
            let refused = stage.refusal.map(|cause| cause.0);
            json!({ "stage": whose(stage), "calling": stage.calling.to_string(), "called": stage.called.to_string(), "cause": refused })
        };
        json!({
            "revision": self.view.revision().0,
            "ingress_trunk": self.trunk.code(),
            "lrn": self.admission.lrn.as_str(),
            "jurisdiction": self.admission.jurisdiction.word(),
            "hours": self.hours(),
            "sell_deck": self.view.deck(self.admission.sell_deck).map(|deck| deck.code()),
            "plan": self.view.plan(self.admission.plan).map(|plan| plan.code()),
            "stages": self.stages.iter().map(stage).collect::<Vec<_>>(),
            "sell": self.sell.map(terms),
            "candidates": self.routes.all().iter().enumerate().map(|row| self.candidate(row)).collect::<Vec<_>>(),
            "refused": self.outcome.err().map(|cause| json!({ "cause": cause.0, "text": cause.text() })),
            "hurdles": self.now.call,
            "refused_now": self.refusal_now(),
            "limits_unknown": self.now.unknown,
        })
    }

    /// What the calendar of the sell deck makes of the moment.
    fn hours(&self) -> &'static str {
        self.view.deck(self.admission.sell_deck).map_or("any", |deck| deck.hours(self.at).word())
    }

    fn print(&self) {
        say!("revision {}, as {}", self.view.revision().0, self.trunk.code());
        let stage = |stage: &Stage| {
            let verdict = stage.refusal.map_or(String::new(), |cause| format!("refused: {cause}"));
            vec![whose(stage).to_owned(), stage.calling.to_string(), stage.called.to_string(), verdict]
        };
        table(&["numbers", "calling", "called", ""], &self.stages.iter().map(stage).collect::<Vec<_>>());
        let lrn = match self.admission.lrn {
            Number::EMPTY => String::new(),
            lrn => format!(", routing number {lrn}"),
        };
        say!("jurisdiction {}{lrn}, hours {}", self.admission.jurisdiction, self.hours());
        if let Some(sell) = self.sell {
            let steps = format!("{}/{}/{}", sell.minimum_s, sell.increment_s, sell.free_s);
            let first = sell.first_per_minute.map_or(String::new(), |first| format!(" ({first} within the minimum)"));
            let (minute, currency, fee) = (sell.per_minute, sell.deck_currency, sell.connection_fee);
            let tax = units::Percent::from_ppm(sell.tax_ppm as i32);
            say!("sell {minute} {currency} a minute{first}, {steps}, fee {fee}, tax {tax} %, {}", which(&sell));
        }
        let mut place = 0;
        let mut row = |(number, candidate): (usize, &Candidate)| {
            let (code, carrier) = named(&self.view, candidate);
            let order = match candidate.verdict {
                Verdict::Kept => {
                    place += 1;
                    place.to_string()
                }
                Verdict::Surplus | Verdict::Dropped(_) => "-".into(),
            };
            let buy = candidate.buy.map_or(String::new(), |buy| buy.per_minute.to_string());
            let rate = candidate.buy.map_or(String::new(), |buy| which(&buy));
            let margin = candidate.buy.map_or(String::new(), |_| candidate.margin.to_string());
            let (calling, called) = self.sent(candidate).unwrap_or_default();
            let (verdict, now) = (self.verdict(number, candidate), self.passed_over(number));
            vec![order, code, carrier, buy, rate, margin, calling, called, verdict, now]
        };
        let rows: Vec<Vec<String>> = self.routes.all().iter().enumerate().map(&mut row).collect();
        let head =
            ["#", "egress trunk", "terminator", "buy", "rate", "margin", "calling out", "called out", "verdict", "now"];
        table(&head, &rows);
        if let Err(cause) = self.outcome {
            say!("refused: {cause}");
        }
        for hurdle in &self.now.call {
            let would = if hurdle.certain { "would" } else { "may" };
            say!("at this moment the call {would} be refused: cause {}, {}", hurdle.cause, hurdle.reason);
        }
        if self.now.call.iter().all(|hurdle| !hurdle.certain) && self.refusal_now().is_some() {
            say!("at this moment every route would be passed over");
        }
        if let Some(why) = &self.now.unknown {
            say!("not looked at: {why}");
        }
    }

    /// The caller and the destination that a kept candidate's trunk is sent.
    fn sent(&self, candidate: &Candidate) -> Option<(String, String)> {
        let kept = candidate.verdict == Verdict::Kept;
        let (egress, rules) =
            (self.view.egress(candidate.egress).filter(|_| kept)?, self.policies.egress(candidate.egress));
        let Admission { plan, calling, called, .. } = self.admission;
        let (calling, called) = rating::numbers_of(&self.policies, (plan, candidate.plan), (calling, called)).ok()?;
        let calling = rules.rewrite_number(RewriteField::Calling, calling).ok()?;
        let called = rating::outbound_number(&egress, rules, &called)?;
        Some((calling.to_string(), called.to_string()))
    }

    fn candidate(&self, (place, candidate): (usize, &Candidate)) -> Value {
        let (code, carrier) = named(&self.view, candidate);
        let (calling, called) = self.sent(candidate).unzip();
        json!({
            "egress_trunk": code,
            "terminator": carrier,
            "buy": candidate.buy.map(terms),
            "margin": candidate.buy.map(|_| candidate.margin.to_string()),
            "kept": candidate.verdict == Verdict::Kept,
            "verdict": self.verdict(place, candidate),
            "because": candidate.reason.map(rating::Reason::word),
            "plan": self.view.plan(candidate.plan).map(|plan| plan.code()),
            "calling_out": calling,
            "called_out": called,
            "hurdles": self.now.routes.get(place).cloned().unwrap_or_default(),
        })
    }

    fn verdict(&self, place: usize, candidate: &Candidate) -> String {
        match self.broken.get(place).map_or("", String::as_str) {
            "" => verdict(candidate),
            floor => format!("{}: {floor}", verdict(candidate)),
        }
    }
}

/// A hurdle of a route, in a cell.
fn words(hurdle: &Hurdle) -> String {
    let would = if hurdle.certain { "" } else { "perhaps " };
    format!("{would}passed over: {}, {}", hurdle.cause, hurdle.reason)
}

/// Which rate of its deck counted.
fn which(terms: &Terms) -> String {
    let RateClass { hours, jurisdiction } = terms.class;
    match terms.class {
        RateClass::ANY => format!("{} digits", terms.prefix_digits),
        _ => format!("{} digits, {hours} hours, {jurisdiction} jurisdiction", terms.prefix_digits),
    }
}

/// Whose rules a stage applied.
fn whose(stage: &Stage) -> &'static str {
    match stage.side {
        None => "as they came",
        Some(Side::Ingress) => "after originator",
        Some(Side::Plan | Side::Egress) => "after plan",
    }
}

fn named(view: &View<'_>, candidate: &Candidate) -> (String, String) {
    let trunk = view.egress(candidate.egress).map_or(String::new(), |trunk| trunk.code().to_owned());
    let carrier = view.carrier(candidate.carrier).map_or(String::new(), |carrier| carrier.code().to_owned());
    (trunk, carrier)
}

fn verdict(candidate: &Candidate) -> String {
    let told: String = match candidate.verdict {
        Verdict::Kept => "kept".into(),
        Verdict::Surplus => "fits, but the plan tries no more routes".into(),
        Verdict::Dropped(cause) => format!("dropped: {cause}"),
    };
    candidate.reason.map_or(told.clone(), |reason| format!("{told} ({reason})"))
}

/// What a price follows from.
pub fn terms(terms: Terms) -> Value {
    json!({
        "currency": terms.currency.as_str(),
        "deck_currency": terms.deck_currency.as_str(),
        "exchange": units::Money::from_nanos(terms.exchange).to_string(),
        "per_minute": terms.per_minute.to_string(),
        "first_per_minute": terms.first_per_minute.map(|first| first.to_string()),
        "connection_fee": terms.connection_fee.to_string(),
        "minimum_s": terms.minimum_s,
        "increment_s": terms.increment_s,
        "steps_from_zero": terms.steps_from_zero,
        "tax_percent": units::Percent::from_ppm(terms.tax_ppm as i32).to_string(),
        "free_s": terms.free_s,
        "prefix_digits": terms.prefix_digits,
        "hours": terms.class.hours.word(),
        "jurisdiction": terms.class.jurisdiction.word(),
    })
}
