//! `tandem demo`: a whole switch with traffic on one machine, gone afterwards.
//!
//! Everything is on 127.0.0.0/8 in one folder: the node that `tandem up` runs, decks of made-up prices, and the bundled load test that
//! plays three originators and five terminators. At its end the switch's books are compared with what the load test saw.

mod books;
mod decks;
mod load;
mod scene;

use std::io::{IsTerminal, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use clap::Args;
use store::{AccountDraft, Side, Store};
use tokio::signal::unix::{Signal, SignalKind, signal};
use units::{Money, WallTime};

use crate::apply::Input;
use crate::up::{Node, Options, beside};
use books::{Noted, Verdict};
use load::{Counts, Line, Load};
use scene::{Play, Scene};

/// How long a demo without `--for` may run.
const SPAN_MAX: Duration = Duration::from_secs(24 * 3_600);
/// How long the last CDRs are waited for.
const BOOKS_PATIENCE: Duration = Duration::from_secs(30);

/// A whole switch with traffic on this machine, gone on Ctrl-C.
#[derive(Args, Clone, Debug)]
pub struct Arguments {
    /// Ends by itself after this long, and compares the books: 30s, 5m.
    #[arg(long = "for", value_name = "SPAN", value_parser = span)]
    span: Option<Duration>,
    /// Keeps the data in this folder.
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// New calls a second.
    #[arg(long, default_value_t = 20.0)]
    cps: f64,
    /// The switch's SIP address; another port is taken if this one is in use.
    #[arg(long, default_value = "127.0.0.1:5060", value_name = "ADDRESS:PORT")]
    sip: SocketAddr,
    /// The address of API and GUI; another port is taken if this one is in use.
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDRESS:PORT")]
    http: SocketAddr,
    /// No calls: only the switch and its sample data.
    #[arg(long)]
    no_load: bool,
}

/// Reads `30s`, `5m`, `2h`; a bare number is seconds.
fn span(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let scale = match &text[digits.len()..] {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3_600,
        unit => return Err(format!("'{unit}' is no unit of time: s, m or h")),
    };
    let number: u64 = digits.parse().map_err(|_| format!("'{text}' is no span of time"))?;
    number.checked_mul(scale).map(Duration::from_secs).ok_or_else(|| format!("'{text}' is too long"))
}

/// Runs the demo. Exit code 1 when the books do not agree.
pub async fn run(arguments: Arguments) -> Result<ExitCode> {
    // Heard from the first moment on: the planes are children of ours and must not be left behind.
    let mut interrupt = Interrupt::listen()?;
    let folder = Folder::new(arguments.keep.as_deref())?;
    say!("tandem {} demo: everything on 127.0.0.0/8, in {}", env!("CARGO_PKG_VERSION"), folder.path.display());
    let scene = scene::write(&folder.path.join("samples"))?;
    let sip = free_sip(arguments.sip)?;
    let mut options = Options::new(&folder.path, sip, free_http(arguments.http)?);
    options.log_file = Some(folder.path.join("tandem.log"));
    options.media = vec![own_media_address(sip)];
    let node = tokio::select! {
        node = Node::start(options) => node?,
        () = interrupt.heard() => return Ok(ExitCode::SUCCESS),
    };
    let outcome = play(&arguments, &node, &scene, &folder.path, sip, &mut interrupt).await;
    node.stop().await;
    outcome
}

async fn play(
    arguments: &Arguments,
    node: &Node,
    scene: &Scene,
    folder: &Path,
    sip: SocketAddr,
    interrupt: &mut Interrupt,
) -> Result<ExitCode> {
    let input = Input::read(&scene.file).with_context(|| format!("cannot read {}", scene.file.display()))?;
    tokio::select! {
        report = node.apply(&input) => report.map(|_| ())?,
        () = interrupt.heard() => return Ok(ExitCode::SUCCESS),
    }
    let store = node.store().await?;
    introduce(node, scene, sip);
    if arguments.no_load {
        say!("No calls are placed (--no-load). Ctrl-C ends it.");
        interrupt.heard_within(arguments.span).await;
        return Ok(ExitCode::SUCCESS);
    }
    let charged_before = charged(&store).await?;
    let from = wall_now();
    let notes = folder.join("calls.ndjson");
    let span = arguments.span.unwrap_or(SPAN_MAX);
    let play = Play { target: sip, cps: arguments.cps, span, port: scene.port, notes: notes.clone() };
    let mut load = Load::start(&beside("tandem-loadtest")?, &scene::arguments(&play))?;
    say!("  \u{2714} load test      {} calls a second, Poisson, RTP on 5 % of calls", arguments.cps);
    hints(folder, node);
    let ended = watch(&mut load, &store, from, interrupt).await?;
    say!("\nReleasing the calls and closing the books …");
    let last = load.end().await?.or(ended);
    let notes = books::read_notes(&notes)?;
    let verdict = settle(&store, &notes, scene, from, charged_before).await?;
    Ok(summarise(last, &verdict))
}

/// Prints a line a second until the load test ends, or someone presses Ctrl-C; the load test's summary if it has given it.
async fn watch(load: &mut Load, store: &Store, from: WallTime, interrupt: &mut Interrupt) -> Result<Option<Line>> {
    loop {
        let line = tokio::select! {
            line = load.next() => line?,
            () = interrupt.heard() => return Ok(None),
        };
        match line {
            Some(Line::Live { calls, cps, counts }) => live(store, from, calls, cps, &counts).await,
            Some(Line::Ready {}) => {}
            ended @ (Some(Line::Summary { .. }) | None) => return Ok(ended),
        }
    }
}

async fn live(store: &Store, from: WallTime, calls: u64, cps: u64, counts: &Counts) {
    let ended = counts.answered + counts.refused + counts.unheard;
    let asr = 100.0 * counts.answered as f64 / ended.max(1) as f64;
    // The figures of the books are shown when the database answers; calls do not wait for it, and neither does this line.
    let rows = store.overview(Side::Originator, from, wall_now() + 1_000_000).await.unwrap_or_default();
    let (mut cdrs, mut revenue, mut cost) = (0, Money::ZERO, Money::ZERO);
    for row in rows {
        (cdrs, revenue, cost) = (cdrs + row.calls, revenue + row.revenue, cost + row.cost);
    }
    let text = format!(
        "{cps:4} CPS  {calls:5} calls in progress  placed {}  answered {}  ASR {asr:.1} %  CDRs {cdrs}  revenue {revenue}  margin {}",
        counts.placed,
        counts.answered,
        revenue - cost
    );
    if std::io::stdout().is_terminal() {
        let mut out = std::io::stdout();
        // A terminal that went away is noticed by the next line.
        let _ = write!(out, "\r\x1b[K {text}").and_then(|()| out.flush());
    } else {
        say!(" {text}");
    }
}

fn introduce(node: &Node, scene: &Scene, sip: SocketAddr) {
    say!("  \u{2714} data plane     SIP {sip}");
    say!(
        "  \u{2714} sample data    3 originators, 5 terminators (1 flaky, 1 overpriced), 6 decks, {} rates",
        scene.rates
    );
    say!("  \u{2714} GUI            {}   (one-time login link)", node.login_url());
    say!("  \u{2714} API docs       {}/api/docs", node.http_url());
}

fn hints(folder: &Path, node: &Node) {
    let (data, url) = (folder.display(), node.http_url());
    say!("Try: the GUI: overview, one call's page, and Routing, Simulate with 447712345678 as acme");
    say!("     tandem top --data {data}, tandem doctor --data {data}, tandem trace 447712345678 --data {data}");
    say!("     edit {data}/samples/sell.csv, then tandem apply -f {data}/samples/demo.yaml --data {data}:");
    say!("     the next call has the rate");
    say!("     curl {url}/metrics");
    say!("Ctrl-C ends it: every call is released and the books are compared. Logs: {data}/tandem.log");
}

/// Waits until every call's CDR is in the database, then compares.
async fn settle(store: &Store, notes: &[Noted], scene: &Scene, from: WallTime, before: Money) -> Result<Verdict> {
    let deadline = tokio::time::Instant::now() + BOOKS_PATIENCE;
    loop {
        let calls = books::read_calls(store, from, wall_now() + 1_000_000).await?;
        let verdict = books::compare(notes, &calls, &scene.sell, charged(store).await? - before);
        if verdict.agrees() || tokio::time::Instant::now() > deadline {
            return Ok(verdict);
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}

fn summarise(last: Option<Line>, verdict: &Verdict) -> ExitCode {
    let mut wrong = verdict.wrong;
    say!("Summary");
    if let Some(Line::Summary { planned, unplaced, counts, faults }) = last {
        say!("  calls     planned {}  placed {}  answered {}", planned - unplaced, counts.placed, counts.answered);
        say!(
            "  media     sent {}  received {}  misrouted {}",
            counts.rtp_sent,
            counts.rtp_received,
            counts.rtp_misrouted
        );
        for fault in &faults {
            say!("  FAULT     {fault}");
        }
        wrong += faults.len();
    } else {
        say!("  FAULT     the load test ended without a summary");
        wrong += 1;
    }
    say!("  CDRs      expected {}  collected {}", verdict.expected, verdict.collected);
    let expected = Money::from_nanos(verdict.money_expected as i64 * 1_000);
    say!("  money     expected {expected} USD  charged {} USD", verdict.money_charged);
    for text in &verdict.disagreements {
        say!("  WRONG     {text}");
    }
    if verdict.wrong > verdict.disagreements.len() {
        say!("  WRONG     and {} more", verdict.wrong - verdict.disagreements.len());
    }
    say!("{}", if wrong == 0 { "The books are exact." } else { "The books do NOT agree." });
    if wrong == 0 { ExitCode::SUCCESS } else { ExitCode::from(1) }
}

/// What originators' accounts have been charged so far.
async fn charged(store: &Store) -> Result<Money> {
    let mut sum = Money::ZERO;
    for code in scene::originator_accounts() {
        let account = store.by_code::<AccountDraft>(code).await.with_context(|| format!("account {code}"))?;
        sum += store.balance(account.id).await?.settled;
    }
    Ok(sum)
}

fn wall_now() -> WallTime {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    WallTime::from_micros(since.as_micros() as i64)
}

/// The address, or another port of it when that one is taken.
fn free_sip(wanted: SocketAddr) -> Result<SocketAddr> {
    let free = |address: &SocketAddr| UdpSocket::bind(address).is_ok() && TcpListener::bind(address).is_ok();
    let others = (0..200).map(|step| SocketAddr::new(wanted.ip(), wanted.port().saturating_add(step)));
    others.into_iter().find(free).with_context(|| format!("{wanted} and the 199 ports above it are taken"))
}

fn free_http(wanted: SocketAddr) -> Result<SocketAddr> {
    let free = |address: &SocketAddr| TcpListener::bind(address).is_ok();
    let others = (0..200).map(|step| SocketAddr::new(wanted.ip(), wanted.port().saturating_add(step)));
    others.into_iter().find(free).with_context(|| format!("{wanted} and the 199 ports above it are taken"))
}

/// Ctrl-C, or the wish of whoever started us.
struct Interrupt {
    signals: [Signal; 2],
}

impl Interrupt {
    fn listen() -> Result<Interrupt> {
        let hear = |kind| signal(kind).context("cannot listen for signals");
        Ok(Interrupt { signals: [hear(SignalKind::interrupt())?, hear(SignalKind::terminate())?] })
    }

    async fn heard(&mut self) {
        let [pressed, asked] = &mut self.signals;
        tokio::select! {
            _ = pressed.recv() => {}
            _ = asked.recv() => {}
        }
    }

    /// Until a signal, or as long as this if it is given.
    async fn heard_within(&mut self, span: Option<Duration>) {
        // A span that passed without a signal ends the wait as well.
        let _ = tokio::time::timeout(span.unwrap_or(SPAN_MAX), self.heard()).await;
    }
}

/// On loopback an address for media that no other switch on this machine uses, so that two demos do not fight for ports.
fn own_media_address(sip: SocketAddr) -> IpAddr {
    match sip.ip() {
        IpAddr::V4(ip) if ip.is_loopback() => IpAddr::from([127, 0, 3, 1 + (std::process::id() % 254) as u8]),
        other => other,
    }
}

/// Where the demo keeps its data.
struct Folder {
    path: PathBuf,
    temporary: bool,
}

impl Folder {
    /// The folder to keep, or one that goes away with this value.
    fn new(keep: Option<&Path>) -> Result<Folder> {
        let (path, temporary) = match keep {
            Some(path) => (path.to_owned(), false),
            None => (std::env::temp_dir().join(format!("tandem-demo-{}", std::process::id())), true),
        };
        std::fs::create_dir_all(&path).with_context(|| format!("cannot create {}", path.display()))?;
        Ok(Folder { path, temporary })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.temporary && std::fs::remove_dir_all(&self.path).is_err() {
            eprintln!("{} could not be removed", self.path.display());
        }
    }
}
