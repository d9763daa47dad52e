//! `tandem-loadtest agent`: waits for a controller, plays its share of a run, hands over what it brought home, and waits again.

use std::ffi::OsString;
use std::io::Write;
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand};

use super::line::{Line, Role};
use super::{Order, Prepare, Report, Takings, ssh};
use crate::pacer::Reins;
use crate::tally::Told;
use crate::{find, load, overload, run};

/// How long a controller may be silent before it begins.
const PATIENCE: Duration = Duration::from_secs(60);
/// Calls told at once.
const CALLS: usize = 1_000;

/// Plays a share of the runs that controllers ask for, one after the other.
#[derive(clap::Args, Debug)]
pub struct Arguments {
    /// Where controllers come.
    #[arg(long, value_name = "ADDRESS:PORT", required_unless_present = "stdio")]
    listen: Option<SocketAddr>,
    /// The file with the token that controller and agents have in common, at least 16 bytes.
    #[arg(long, value_name = "FILE", required_unless_present = "stdio")]
    token_file: Option<PathBuf>,
    /// Speaks with one controller over standard input, whose first line is the token, and standard output: how --agents ssh:HOST starts it.
    #[arg(long, conflicts_with_all = ["listen", "token_file"])]
    stdio: bool,
    /// The address that originators' calls come from on this machine, whatever the controller says.
    #[arg(long, value_name = "ADDRESS")]
    from: Option<IpAddr>,
    /// Allows targets that are not on this machine.
    #[arg(long)]
    allow_target: bool,
}

/// The words of a controller, without the program's name.
#[derive(Parser)]
#[command(no_binary_name = true)]
struct Words {
    #[command(subcommand)]
    verb: Verb,
}

/// What a controller may be asked to play.
#[derive(Subcommand)]
enum Verb {
    Run(Box<run::Arguments>),
    FindMax(Box<find::Arguments>),
    Overload(Box<overload::Arguments>),
}

/// Runs it until the program is ended.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let (Some(listen), Some(token)) = (arguments.listen, &arguments.token_file) else { return obey_one(arguments) };
    let token = super::token(token)?;
    let listener = TcpListener::bind(listen).with_context(|| format!("cannot listen on {listen}"))?;
    say(format_args!("agent listens on {}", listener.local_addr().context("no address")?));
    for stream in listener.incoming() {
        let Ok(stream) = stream else { continue };
        let who = stream.peer_addr().map_or_else(|_| "a controller".into(), |at| at.to_string());
        match serve(arguments, &token, stream) {
            Ok(calls) => say(format_args!("{who}: {calls} calls placed")),
            Err(why) => say(format_args!("{who}: {why:#}")),
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// One run for the controller that started this program, over its standard input and output.
fn obey_one(arguments: &Arguments) -> Result<ExitCode> {
    let mut token = String::new();
    std::io::stdin().read_line(&mut token).context("no token came")?;
    let (pipes, line) = ssh::pair().context("no line on this machine")?;
    let end = line.try_clone().context("no line on this machine")?;
    let all_said = ssh::join(pipes, std::io::stdin(), std::io::stdout()).context("no line on this machine")?;
    let served = serve(arguments, token.trim(), line);
    // Others may still wait for what the controller says; it hears the rest of what was said to it all the same.
    let _ = end.shutdown(Shutdown::Both);
    let _ = all_said.join();
    served.map(|_| ExitCode::SUCCESS)
}

/// Says it to whoever still listens.
fn say(what: std::fmt::Arguments<'_>) {
    let _ = writeln!(std::io::stdout(), "{what}");
}

/// One run for one controller. Returns how many calls were placed.
pub(super) fn serve(arguments: &Arguments, token: &str, stream: TcpStream) -> Result<u64> {
    let mut line = Line::open(stream, token, Role::Agent)?;
    line.patience(Some(PATIENCE))?;
    let Order::Prepare(whole) = line.hear()? else { bail!("it gave an order before the plan") };
    match play(arguments, &mut line, *whole) {
        Ok(takings) => {
            let placed = takings.counts.placed;
            line.say(&Report::Done(Box::new(takings)))?;
            Ok(placed)
        }
        Err(why) => {
            line.say(&Report::Refused(format!("{why:#}")))?;
            Err(why)
        }
    }
}

fn play(arguments: &Arguments, line: &mut Line, whole: Prepare) -> Result<Takings> {
    let Prepare { words, seed, part, cps, span, lines } = whole;
    let words =
        Words::try_parse_from(words.into_iter().map(OsString::from)).context("words that it does not understand")?;
    let (load, arrivals) = match &words.verb {
        Verb::Run(run) => run.load(),
        Verb::FindMax(find) => find.load(),
        Verb::Overload(overload) => overload.load(),
    };
    let films = if let Verb::Run(run) = &words.verb { run.films() } else { 0 };
    let (load, pace) = (load.seeded(seed).filmed(films), load::Pace { arrivals, cps, span });
    if !load.target.ip().is_loopback() && !arguments.allow_target {
        bail!("{} is not on this machine: the agent was not started with --allow-target", load.target);
    }
    let mut plan = load.plan(&pace).map_err(anyhow::Error::msg)?;
    if let Some(from) = arguments.from {
        plan.originators.iter_mut().for_each(|originator| originator.from = from);
    }
    let reins = Reins::default();
    reins.hold.store(true, Relaxed);
    let (mut reports, orders, hands) = (line.split()?, line.split()?, reins.clone());
    let (tell, told) = channel();
    let mut watch = |progress: Option<&load::Progress>| {
        let said = match progress {
            Some(progress) => {
                hand_over(&mut reports, &told).and_then(|()| reports.say(&Report::Live(Box::new(progress.clone()))))
            }
            None => reports.say(&Report::Ready(load::machine())).and_then(|()| begin(line, &reins)),
        };
        // A controller that went away ends the run.
        if said.is_err() {
            end(&reins);
        } else if progress.is_none() {
            let (mut orders, hands) = (orders.split(), hands.clone());
            thread::spawn(move || {
                if let Ok(orders) = &mut orders {
                    obey(orders, &hands);
                }
            });
        }
    };
    let takings = load.perform(&Arc::new(plan), part, lines.then_some(tell), &reins, &mut watch)?;
    hand_over(line, &told)?;
    Ok(takings)
}

/// Tells the calls that ended meanwhile.
fn hand_over(line: &mut Line, told: &Receiver<Told>) -> Result<()> {
    loop {
        let part: Vec<Told> = told.try_iter().take(CALLS).collect();
        if part.is_empty() {
            return Ok(());
        }
        line.say(&Report::Calls(part))?;
    }
}

/// Waits for the common beginning.
fn begin(line: &mut Line, reins: &Reins) -> Result<()> {
    loop {
        match line.hear()? {
            Order::Clock => line.say(&Report::Clock(reins.clock.wall_us(reins.clock.now()).unwrap_or_default()))?,
            Order::Begin { after_us } => {
                thread::sleep(Duration::from_micros(after_us));
                return line.patience(None);
            }
            Order::Stop => {
                end(reins);
                return line.patience(None);
            }
            Order::Prepare(_) | Order::Finish | Order::Pace(_) => bail!("an order out of its turn"),
        }
    }
}

/// Does what the controller says while calls are played.
fn obey(orders: &mut Line, reins: &Reins) {
    while !reins.stop.load(Relaxed) {
        match orders.hear() {
            Ok(Order::Pace(speed)) => reins.pace(speed),
            Ok(Order::Finish) => reins.hold.store(false, Relaxed),
            // A line that broke too: calls that nobody asked for any more are not gone on with.
            Ok(Order::Stop | Order::Prepare(_) | Order::Clock | Order::Begin { .. }) | Err(_) => end(reins),
        }
    }
}

fn end(reins: &Reins) {
    reins.hold.store(false, Relaxed);
    reins.stop.store(true, Relaxed);
}
