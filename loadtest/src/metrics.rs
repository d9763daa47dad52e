//! A run's counters for Prometheus: over HTTP while it goes on, or as a text file at its end.

use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::heat;
use crate::load::Progress;

/// Bytes of a request that are read.
const REQUEST_MAX: usize = 4_096;
/// How long who asks may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// What is told to who asks.
#[derive(Clone, Debug, Default)]
pub struct Metrics(Arc<Mutex<String>>);

impl Metrics {
    /// Listens, and answers from a thread of its own as long as the program runs.
    pub fn open(at: SocketAddr) -> io::Result<Metrics> {
        let (listener, board) = (TcpListener::bind(at)?, Metrics::default());
        let told = board.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // Who goes away before the answer has none.
                let _ = told.answer(stream);
            }
        });
        Ok(board)
    }

    /// What is told from now on.
    pub fn put(&self, text: String) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = text;
    }

    fn answer(&self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let (mut asked, mut length) = ([0; REQUEST_MAX], 0);
        while !asked[..length].windows(4).any(|end| end == b"\r\n\r\n") {
            match stream.read(&mut asked[length..])? {
                0 => return Ok(()),
                some => length += some,
            }
        }
        let known = asked.starts_with(b"GET /metrics ");
        let status = if known { "200 OK" } else { "404 Not Found" };
        let body = if known { self.0.lock().unwrap_or_else(PoisonError::into_inner).clone() } else { String::new() };
        write!(
            stream,
            "HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )
    }
}

/// Writes them where others read them: never half a file.
pub fn write(path: &Path, progress: &Progress) -> Result<()> {
    let beside = path.with_extension("half");
    std::fs::write(&beside, text(progress))
        .and_then(|()| std::fs::rename(&beside, path))
        .with_context(|| format!("cannot write {}", path.display()))
}

/// The text that Prometheus reads.
pub fn text(progress: &Progress) -> String {
    let (mut out, counts) = (String::with_capacity(4_096), &progress.counts);
    let mut one = |kind: &str, name: &str, help: &str, value: u64| {
        // Writing to a text cannot fail.
        let _ = write!(
            out,
            "# HELP tandem_loadtest_{name} {help}\n# TYPE tandem_loadtest_{name} {kind}\ntandem_loadtest_{name} {value}\n"
        );
    };
    one("counter", "offered_total", "Calls that were due.", progress.due);
    one("gauge", "concurrent", "Calls of callers in progress.", progress.calls);
    let rows = [
        ("started_total", "INVITEs sent for the first time.", counts.placed),
        ("late_total", "Of these, sent more than a millisecond after they were due.", counts.late),
        ("skipped_total", "Due calls that were not sent because of --calls-max.", counts.skipped),
        ("answered_total", "Calls that got a 200.", counts.answered),
        ("completed_total", "Answered calls that both ends ended.", counts.completed),
        ("cancelled_total", "Calls that their caller cancelled.", counts.cancelled),
        ("attempts_total", "INVITEs that reached terminators.", counts.attempts),
        ("resent_total", "Datagrams sent again.", counts.resent),
        ("rtp_sent_total", "RTP packets sent.", counts.rtp_sent),
        ("rtp_received_total", "RTP packets received by the end that they were meant for.", counts.rtp_received),
        ("rtp_lost_total", "RTP packets that never came, of ended calls.", counts.rtp_lost),
        ("rtp_misrouted_total", "RTP packets received by an end that they were not meant for.", counts.rtp_misrouted),
        ("rtp_ends_total", "Ends of ended calls whose hearing was judged.", counts.rtp_ends),
        ("rtp_poor_total", "Of these, those with a mean opinion score below 3.6.", counts.rtp_poor),
        ("dtmf_sent_total", "Digits dialled in answered calls.", counts.dtmf_sent),
        ("dtmf_heard_total", "Digits that came in their order.", counts.dtmf_heard),
    ];
    rows.into_iter().for_each(|(name, help, value)| one("counter", name, help, value));
    failed(&mut out, progress);
    ringing(&mut out, progress);
    out
}

fn failed(out: &mut String, progress: &Progress) {
    out.push_str("# HELP tandem_loadtest_failed_total Calls without an answer, by final response; 0 for none.\n");
    out.push_str("# TYPE tandem_loadtest_failed_total counter\n");
    for (code, count) in progress.codes.iter().filter(|(code, _)| **code != 200) {
        let _ = writeln!(out, "tandem_loadtest_failed_total{{code=\"{code}\"}} {count}");
    }
}

fn ringing(out: &mut String, progress: &Progress) {
    let name = "tandem_loadtest_ringing_seconds";
    let _ = write!(out, "# HELP {name} From when a call was due to its first 18x.\n# TYPE {name} histogram\n");
    let mut upto = 0;
    for (step, count) in progress.rang.steps.iter().enumerate() {
        upto += count;
        let _ = writeln!(out, "{name}_bucket{{le=\"{:.6}\"}} {upto}", heat::from_ms(step + 1) / 1e3);
    }
    let _ = write!(out, "{name}_bucket{{le=\"+Inf\"}} {upto}\n{name}_sum {:.6}\n", progress.rang.sum_ns as f64 / 1e9);
    let _ = writeln!(out, "{name}_count {upto}");
}
