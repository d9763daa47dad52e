//! `tandem balancer`: the cores behind the balancer on this machine.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use panel::balancer::{Answer, Ask, CoreRow};

use super::{EXIT_REFUSED, Form, Output, Watch, table};

/// How long a balancer may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// The cores: what they carry, who comes and who goes. What is changed here holds until the balancer starts again; write it into
    /// its `--cores` as well.
    #[command(subcommand)]
    Cores(Cores),
    /// What it has done, in Prometheus' text format.
    Metrics {
        #[command(flatten)]
        place: BalancerPlace,
    },
}

#[derive(Debug, Subcommand)]
pub enum Cores {
    /// Lists them.
    Ls {
        #[command(flatten)]
        place: BalancerPlace,
        #[command(flatten)]
        form: Form,
        #[command(flatten)]
        watch: Watch,
    },
    /// Adds one; it gets calls as soon as it answered.
    Add {
        /// Where its listener behind balancers is bound.
        #[arg(value_name = "ADDR:PORT")]
        at: SocketAddr,
        /// Its share of the calls against those of the others.
        #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=100))]
        share: u8,
        #[command(flatten)]
        place: BalancerPlace,
    },
    /// Gives a core no new calls; those that run on it go on.
    Drain {
        /// The core.
        #[arg(value_name = "ADDR:PORT")]
        at: SocketAddr,
        /// Gives it calls again.
        #[arg(long)]
        off: bool,
        #[command(flatten)]
        place: BalancerPlace,
    },
    /// Forgets a core that carries no calls.
    Remove {
        /// The core.
        #[arg(value_name = "ADDR:PORT")]
        at: SocketAddr,
        /// Though it carries calls, whose peers do not reach it any more.
        #[arg(long)]
        force: bool,
        #[command(flatten)]
        place: BalancerPlace,
    },
}

/// Which balancer.
#[derive(Clone, Debug, Args)]
pub struct BalancerPlace {
    /// The balancer's data folder.
    #[arg(long, value_name = "DIR", env = "TANDEM_BALANCER")]
    data: PathBuf,
}

pub fn run(verb: Verb) -> Result<ExitCode> {
    let (place, ask, form) = match verb {
        Verb::Metrics { place } => (place, Ask::Metrics, None),
        Verb::Cores(Cores::Ls { place, form, watch }) => (place, Ask::Cores, Some((form, watch))),
        Verb::Cores(Cores::Add { at, share, place }) => (place, Ask::Add { at: at.to_string(), weight: share }, None),
        Verb::Cores(Cores::Drain { at, off, place }) => (place, Ask::Drain { at: at.to_string(), on: !off }, None),
        Verb::Cores(Cores::Remove { at, force, place }) => (place, Ask::Remove { at: at.to_string(), force }, None),
    };
    let answer = place.ask(&ask)?;
    let form = form.map(|(form, watch)| {
        watch.shows();
        form
    });
    match answer {
        Answer::Done => {}
        Answer::Refused { reason } => {
            eprintln!("tandem: {reason}");
            return Ok(ExitCode::from(EXIT_REFUSED));
        }
        Answer::Metrics { text } => say!("{}", text.trim_end()),
        Answer::Cores(rows) if form.is_some_and(|form| form.output == Output::Json) => {
            say!("{}", serde_json::to_string_pretty(&rows)?);
        }
        Answer::Cores(rows) => {
            let head = ["core", "node", "state", "share", "calls", "given"];
            table(&head, &rows.iter().map(cells).collect::<Vec<_>>());
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn cells(row: &CoreRow) -> Vec<String> {
    let node = row.node.map_or_else(|| "-".to_owned(), |node| node.to_string());
    let numbers = [u64::from(row.weight), row.calls, row.begun].map(|number| number.to_string());
    [row.at.clone(), node, row.state.clone()].into_iter().chain(numbers).collect()
}

impl BalancerPlace {
    fn ask(&self, ask: &Ask) -> Result<Answer> {
        let socket = self.data.join("run/balancer.sock");
        let stream = UnixStream::connect(&socket);
        let stream = stream.with_context(|| format!("no balancer answers at {}", socket.display()))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut question = serde_json::to_vec(ask)?;
        question.push(b'\n');
        (&stream).write_all(&question)?;
        let mut line = String::new();
        if BufReader::new(&stream).read_line(&mut line)? == 0 {
            bail!("the balancer closed the connection");
        }
        serde_json::from_str(&line).context("the balancer's answer cannot be read")
    }
}
