//! `tandem route`: what the data plane would do with a call, by the same code on the same snapshot file.

use std::process::ExitCode;

use anyhow::{Context, Result, anyhow};
use clap::{Args, Subcommand};
use rating::{Admission, Arrival, Ask, Candidate, Policies, Routes, Verdict};
use serde_json::{Value, json};
use snapshot::policy::Transport;
use snapshot::{IngressView, View};
use units::{Cause, NodeId, Number, Terms, WallTime};

use super::{EXIT_NOT_FOUND, EXIT_REFUSED, Form, Output, Place, table};

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Rates and routes of a call that is not placed.
    Simulate(Simulate),
}

#[derive(Debug, Args)]
pub struct Simulate {
    /// The called number, without tech prefix.
    called: String,
    /// Code of the ingress trunk, or of the carrier whose first ingress trunk is meant.
    #[arg(long = "as", value_name = "CODE")]
    from: String,
    /// The caller's number.
    #[arg(long, default_value = "")]
    calling: String,
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
    let folder = simulate.place.folder()?.snapshots();
    let name = std::fs::read_to_string(folder.join("current")).context("nothing has been published yet")?;
    let bytes = std::fs::read(folder.join(name.trim())).context("the current snapshot cannot be read")?;
    View::check(&bytes).map_err(|flaw| anyhow!("the current snapshot is damaged: {flaw}"))?;
    let view = View::open(&bytes);
    let Some(trunk) = ingress(&view, &simulate.from) else {
        eprintln!("tandem: there is no ingress trunk {}, and no carrier of that code with one", simulate.from);
        return Ok(ExitCode::from(EXIT_NOT_FOUND));
    };
    let number = |text: &str| Number::parse(text.as_bytes()).map_err(|flaw| anyhow!("{text:?} is no number: {flaw:?}"));
    let (called, calling) = (number(&simulate.called)?, number(&simulate.calling)?);
    let policies = Policies::compile(&view).map_err(|flaw| anyhow!("the current snapshot: {flaw}"))?;
    let at = WallTime::from_micros(jiff::Timestamp::now().as_microsecond());
    let dialled = called.with_prefix(trunk.tech_prefix().as_bytes()).context("too long with the tech prefix")?;
    let arrival = Arrival {
        source: (std::net::Ipv4Addr::UNSPECIFIED, 0).into(),
        transport: Transport::Auto,
        node: NodeId(simulate.node),
        calling,
        asserted: None,
        called: dialled,
    };
    let mut admission = Admission::default();
    let admitted = rating::admit_by(&view, &policies, trunk.id(), &arrival, &mut admission);
    let quote = admitted.and_then(|()| rating::quote(&view, trunk.sell_deck(), &admission.called, at));
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
            at,
            seed: 0,
            unreachable: 0,
        };
        rating::routes(&view, &policies, &ask, &mut routes)
    });
    show(&view, &trunk, quote.ok(), &routes, outcome, simulate.form)?;
    Ok(if outcome.is_ok() { ExitCode::SUCCESS } else { ExitCode::from(EXIT_REFUSED) })
}

fn ingress<'a>(view: &View<'a>, code: &str) -> Option<IngressView<'a>> {
    let of_carrier =
        |trunk: &IngressView<'_>| view.carrier(trunk.carrier()).is_some_and(|carrier| carrier.code() == code);
    let mut trunks = view.ingress_trunks();
    trunks.find(|trunk| trunk.code() == code).or_else(|| view.ingress_trunks().find(of_carrier))
}

fn show(
    view: &View<'_>,
    trunk: &IngressView<'_>,
    sell: Option<Terms>,
    routes: &Routes,
    outcome: Result<(), Cause>,
    form: Form,
) -> Result<()> {
    if form.output == Output::Json {
        let said = json!({
            "revision": view.revision().0,
            "ingress_trunk": trunk.code(),
            "sell": sell.map(terms),
            "candidates": routes.all().iter().map(|candidate| object(view, candidate)).collect::<Vec<_>>(),
            "refused": outcome.err().map(|cause| json!({ "cause": cause.0, "text": cause.text() })),
        });
        println!("{}", serde_json::to_string_pretty(&said)?);
        return Ok(());
    }
    println!("revision {}, as {}", view.revision().0, trunk.code());
    if let Some(sell) = sell {
        let steps = format!("{}/{}/{}", sell.minimum_s, sell.increment_s, sell.free_s);
        println!("sell {} {} a minute, {steps}, fee {}", sell.per_minute, sell.currency, sell.connection_fee);
    }
    let mut place = 0;
    let rows: Vec<Vec<String>> = routes
        .all()
        .iter()
        .map(|candidate| {
            let (code, carrier) = named(view, candidate);
            let order = match candidate.verdict {
                Verdict::Kept => {
                    place += 1;
                    place.to_string()
                }
                Verdict::Surplus | Verdict::Dropped(_) => "-".into(),
            };
            let buy = candidate.buy.map_or(String::new(), |buy| buy.per_minute.to_string());
            let margin = candidate.buy.map_or(String::new(), |_| candidate.margin.to_string());
            vec![order, code, carrier, buy, margin, verdict(candidate.verdict)]
        })
        .collect();
    table(&["#", "egress trunk", "terminator", "buy", "margin", "verdict"], &rows);
    if let Err(cause) = outcome {
        println!("refused: {cause}");
    }
    Ok(())
}

fn named(view: &View<'_>, candidate: &Candidate) -> (String, String) {
    let trunk = view.egress(candidate.egress).map_or(String::new(), |trunk| trunk.code().to_owned());
    let carrier = view.carrier(candidate.carrier).map_or(String::new(), |carrier| carrier.code().to_owned());
    (trunk, carrier)
}

fn verdict(verdict: Verdict) -> String {
    match verdict {
        Verdict::Kept => "kept".into(),
        Verdict::Surplus => "fits, but the plan tries no more routes".into(),
        Verdict::Dropped(cause) => format!("dropped: {cause}"),
    }
}

fn object(view: &View<'_>, candidate: &Candidate) -> Value {
    let (code, carrier) = named(view, candidate);
    json!({
        "egress_trunk": code,
        "terminator": carrier,
        "buy": candidate.buy.map(terms),
        "margin": candidate.buy.map(|_| candidate.margin.to_string()),
        "kept": candidate.verdict == Verdict::Kept,
        "verdict": verdict(candidate.verdict),
    })
}

fn terms(terms: Terms) -> Value {
    json!({
        "currency": terms.currency.as_str(),
        "per_minute": terms.per_minute.to_string(),
        "connection_fee": terms.connection_fee.to_string(),
        "minimum_s": terms.minimum_s,
        "increment_s": terms.increment_s,
        "free_s": terms.free_s,
        "prefix_digits": terms.prefix_digits,
    })
}
