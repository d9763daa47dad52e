//! What a keeper tells Prometheus: its text format over HTTP, at an address that only the cluster's own network reaches.

use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use cluster::{Book, Outcome, PairReport};
use live::KeeperStatus;

use crate::remote::RemoteView;

/// Bytes of a question at most.
const QUESTION_MAX: usize = 4_096;
/// How long somebody may take to ask, and to take the answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// What a database may have to be, and what its process does, as [`KeeperStatus`] words them.
const ROLES: [&str; 7] = ["primary", "frozen", "replica", "remote", "clone", "standby", "stopped"];
const PROCESSES: [&str; 3] = ["running", "silent", "dead"];

/// What a keeper counts, from its start.
#[derive(Debug, Default)]
pub struct Counts {
    /// Processes of the database that were started.
    pub starts: AtomicU64,
    /// Times that the database began to take writes.
    pub promotions: AtomicU64,
    /// Fresh copies of the primary that were begun.
    pub copies: AtomicU64,
    written: AtomicU64,
    refused: AtomicU64,
    unknown: AtomicU64,
}

impl Counts {
    /// One more.
    pub fn add(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// What became of a write into the book.
    pub fn asked(&self, outcome: &Outcome) {
        Counts::add(match outcome {
            Outcome::Written(_) => &self.written,
            Outcome::Refused(..) => &self.refused,
            Outcome::Unknown => &self.unknown,
        });
    }
}

/// Everything that is told, at one moment.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// This keeper's word.
    pub status: &'a KeeperStatus,
    /// The book of the database, if it is known.
    pub book: Option<Book>,
    /// Of a replica in another data centre.
    pub remote: Option<RemoteView>,
    /// What was counted.
    pub counts: &'a Counts,
    /// What this server knows, where two decide without a third.
    pub pair: Option<&'a PairReport>,
}

type Single = (&'static str, &'static str, &'static str, fn(&View) -> Option<u64>);

/// Metrics with one value: name, kind, help, value if there is one.
const SINGLES: [Single; 20] = [
    ("keeper_database_writable", "gauge", "The database on this node takes writes.", |view| {
        of_database(view, |status| u64::from(status.writable))
    }),
    ("keeper_database_commits", "gauge", "Commits that the database on this node has.", |view| {
        of_database(view, |status| status.position)
    }),
    ("keeper_database_diverged", "gauge", "It has commits that the primary lacks, and is copied anew.", |view| {
        of_database(view, |status| u64::from(status.diverged))
    }),
    (
        "keeper_database_troubled",
        "gauge",
        "It is not what it must be, or waits for an operator; status says why.",
        |view| of_database(view, |status| u64::from(!status.why.is_empty() || !status.doubt.is_empty())),
    ),
    ("keeper_database_disk_percent", "gauge", "How much of the disk under it is used, in per cent.", |view| {
        of_database(view, |status| u64::from(status.disk_percent))
    }),
    ("keeper_database_role_since_seconds", "gauge", "When it got its role: seconds since 1970.", |view| {
        of_database(view, |status| status.since.unsigned_abs())
    }),
    ("keeper_replica_behind_seconds", "gauge", "Of a replica that follows: how far it is behind.", |view| {
        view.status.behind_s.map(u64::from)
    }),
    ("keeper_replica_missing_commits", "gauge", "Of the primary: commits that its replica has not stored.", |view| {
        let stored = view.status.replica_stored;
        (stored > 0).then(|| view.status.position.saturating_sub(stored))
    }),
    ("keeper_book_epoch", "gauge", "Raised whenever the database gets a primary.", |view| {
        view.book.map(|book| book.epoch)
    }),
    ("keeper_book_held", "gauge", "Some database is primary, as this node knows.", |view| {
        view.book.map(|book| u64::from(book.held))
    }),
    ("keeper_book_in_sync", "gauge", "A replica has every acknowledged commit and may take over.", |view| {
        view.book.map(|book| u64::from(book.sync.is_some()))
    }),
    ("keeper_database_starts_total", "counter", "Processes of the database that were started.", |view| {
        of_database(view, |_| view.counts.starts.load(Ordering::Relaxed))
    }),
    ("keeper_database_promotions_total", "counter", "Times that it began to take writes.", |view| {
        of_database(view, |_| view.counts.promotions.load(Ordering::Relaxed))
    }),
    ("keeper_database_copies_total", "counter", "Fresh copies of the primary that were begun.", |view| {
        of_database(view, |_| view.counts.copies.load(Ordering::Relaxed))
    }),
    ("keeper_takeover_seconds", "gauge", "Without a sign of the primary for so long another takes over.", |view| {
        of_database(view, |status| status.takeover_s)
    }),
    ("keeper_remote_missing_commits", "gauge", "Of a remote replica: commits of the primary that it lacks.", |view| {
        view.remote?.missing
    }),
    ("keeper_remote_primary_heard_seconds", "gauge", "When it last heard the primary: seconds since 1970.", |view| {
        view.remote?.heard_s.map(i64::unsigned_abs)
    }),
    ("keeper_remote_promoted", "gauge", "An operator made the remote replica primary.", |view| {
        view.remote.map(|remote| u64::from(remote.promoted))
    }),
    ("keeper_remote_primaries", "gauge", "Databases of the other data centre that take writes, as heard.", |view| {
        view.remote.map(|remote| remote.primaries)
    }),
    ("keeper_node", "gauge", "This node's number.", |view| Some(u64::from(view.status.node))),
];

fn of_database(view: &View, value: impl Fn(&KeeperStatus) -> u64) -> Option<u64> {
    (!view.status.role.is_empty()).then(|| value(view.status))
}

/// All of it, in Prometheus' text format.
pub fn text(view: &View) -> String {
    let mut out = String::with_capacity(4 << 10);
    for (name, kind, help, value) in SINGLES {
        if let Some(value) = value(view) {
            header(&mut out, name, kind, help);
            line(&mut out, name, "", value);
        }
    }
    let status = view.status;
    if !status.role.is_empty() {
        chosen(&mut out, ("keeper_database_role", "What the database must be.", "role"), &ROLES, &status.role);
        let process = ("keeper_database_process", "What its process does.", "state");
        chosen(&mut out, process, &PROCESSES, &status.process);
        let counts = view.counts;
        let rows = [("written", &counts.written), ("refused", &counts.refused), ("unknown", &counts.unknown)];
        header(&mut out, "keeper_asks_total", "counter", "Writes into the book, by what became of them.");
        for (outcome, count) in rows {
            let labels = format!("{{outcome=\"{outcome}\"}}");
            line(&mut out, "keeper_asks_total", &labels, count.load(Ordering::Relaxed));
        }
    }
    addresses(&mut out, status);
    if let Some(pair) = view.pair {
        of_pair(&mut out, pair);
    }
    out
}

/// The arbiter of two servers without a third.
fn of_pair(out: &mut String, pair: &PairReport) {
    let single = [
        ("keeper_pair_together", "Both servers decide together.", pair.is_together()),
        ("keeper_pair_lost", "The other server is not heard.", pair.lost),
        ("keeper_pair_split", "Both went on alone: an operator must empty one of them.", pair.split),
    ];
    for (name, help, value) in single {
        header(out, name, "gauge", help);
        line(out, name, "", u64::from(value));
    }
    let rows = [
        ("keeper_path_up", "The other server is heard on this path.", &pair.paths),
        ("keeper_tie_breaker_up", "This tie-breaker answers.", &pair.tie_breakers),
    ];
    for (name, help, paths) in rows {
        header(out, name, "gauge", help);
        for path in paths {
            // An address, with a port or without.
            line(out, name, &format!("{{to=\"{}\"}}", path.there), u64::from(!pair.is_silent(path)));
        }
    }
}

fn addresses(out: &mut String, status: &KeeperStatus) {
    type Row = (&'static str, &'static str, fn(&live::AddressStatus) -> bool);
    let rows: [Row; 3] = [
        ("keeper_address_contested", "It is here, and somebody else answers for it as well.", |address| {
            !address.other.is_empty()
        }),
        ("keeper_address_up", "The shared address is on this node's interface.", |address| address.up),
        ("keeper_address_works", "What is served at it works on this node.", |address| address.works),
    ];
    for (name, help, value) in rows {
        if !status.addresses.is_empty() {
            header(out, name, "gauge", help);
        }
        for address in &status.addresses {
            // A name consists of small letters, digits and `-`.
            line(out, name, &format!("{{address=\"{}\"}}", address.name), u64::from(value(address)));
        }
    }
}

/// One of a few words, each with 1 or 0.
fn chosen(out: &mut String, (name, help, label): (&str, &str, &str), words: &[&str], is: &str) {
    header(out, name, "gauge", help);
    for word in words {
        line(out, name, &format!("{{{label}=\"{word}\"}}"), u64::from(*word == is));
    }
}

fn header(out: &mut String, name: &str, kind: &str, help: &str) {
    // Writing to a string cannot fail.
    let _ = write!(out, "# HELP tandem_{name} {help}\n# TYPE tandem_{name} {kind}\n");
}

fn line(out: &mut String, name: &str, labels: &str, value: u64) {
    let _ = writeln!(out, "tandem_{name}{labels} {value}");
}

/// Whether nobody outside of the operator's own networks reaches this address: loopback, RFC 1918, RFC 6598, link-local, RFC 4193.
pub fn is_private(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            let shared = ip.octets()[0] == 100 && ip.octets()[1] & 0xc0 == 64;
            ip.is_loopback() || ip.is_private() || ip.is_link_local() || shared
        }
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

/// Answers there until the program ends. An address that is not there yet is waited for: a keeper has more to do than to tell.
pub fn start(at: SocketAddr, text: impl Fn() -> String + Send + 'static) -> io::Result<()> {
    let run = move || {
        let mut said = false;
        loop {
            match TcpListener::bind(at) {
                Ok(listener) => serve(&listener, &text),
                Err(error) if !said => {
                    tracing::warn!(%at, error = error.to_string(), "nobody is told metrics: the address cannot be used");
                    said = true;
                }
                Err(_) => {}
            }
            thread::sleep(PATIENCE);
        }
    };
    thread::Builder::new().name("metrics".to_owned()).spawn(run).map(drop)
}

/// Answers `GET /metrics`, one after the other, as long as there is a listener.
pub fn serve(listener: &TcpListener, text: impl Fn() -> String) {
    for stream in listener.incoming().flatten() {
        // Whoever goes before the answer has no use for it.
        let _ = answer(stream, &text);
    }
}

fn answer(mut stream: TcpStream, text: impl Fn() -> String) -> io::Result<()> {
    stream.set_write_timeout(Some(PATIENCE))?;
    let late = Instant::now() + PATIENCE;
    let mut question = Vec::new();
    while !question.windows(4).any(|bytes| bytes == b"\r\n\r\n") {
        let left = late.saturating_duration_since(Instant::now());
        if left.is_zero() || question.len() >= QUESTION_MAX {
            return Err(io::ErrorKind::InvalidData.into());
        }
        stream.set_read_timeout(Some(left))?;
        let mut bytes = [0; 512];
        match stream.read(&mut bytes)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            length => question.extend(&bytes[..length]),
        }
    }
    let line = question.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let (status, body) = match line.strip_prefix(b"GET /metrics") {
        Some(rest) if rest.starts_with(b" HTTP/1.") || rest.starts_with(b"?") => ("200 OK", text()),
        _ => ("404 Not Found", "there is nothing but /metrics\n".to_owned()),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: text/plain; version=0.0.4; charset=utf-8\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body.as_bytes())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a surprise ends the test")]
mod tests {
    use super::*;
    use cluster::PathReport;
    use live::AddressStatus;
    use units::NodeId;

    fn status() -> KeeperStatus {
        KeeperStatus {
            node: 2,
            role: "primary".to_owned(),
            process: "running".to_owned(),
            writable: true,
            position: 100,
            replica_stored: 97,
            addresses: vec![AddressStatus { name: "database".to_owned(), up: true, ..AddressStatus::default() }],
            ..KeeperStatus::default()
        }
    }

    #[test]
    fn a_primary_tells_of_its_replica_and_its_address() {
        let (status, counts) = (status(), Counts::default());
        counts.asked(&Outcome::Unknown);
        let book = Book { epoch: 3, held: true, sync: Some(NodeId(1)), ..Book::default() };
        let told = text(&View { status: &status, book: Some(book), remote: None, counts: &counts, pair: None });
        for line in [
            "tandem_keeper_database_role{role=\"primary\"} 1",
            "tandem_keeper_database_role{role=\"replica\"} 0",
            "tandem_keeper_replica_missing_commits 3",
            "tandem_keeper_book_epoch 3",
            "tandem_keeper_book_in_sync 1",
            "tandem_keeper_asks_total{outcome=\"unknown\"} 1",
            "tandem_keeper_address_up{address=\"database\"} 1",
            "tandem_keeper_address_works{address=\"database\"} 0",
        ] {
            assert!(told.lines().any(|told| told == line), "{line} in\n{told}");
        }
        assert!(!told.contains("behind_seconds"), "who follows nobody is not behind");
        assert!(!told.contains("keeper_pair"), "etcd decides");
    }

    #[test]
    fn two_servers_without_a_third_tell_of_paths_and_tie_breakers() {
        let path = |there: &str, heard_ms| PathReport { there: there.to_owned(), heard_ms };
        let pair = PairReport {
            lost: true,
            paths: vec![path("10.0.0.2", Some(3_001)), path("fd00::2", Some(40))],
            tie_breakers: vec![path("10.0.0.254", None)],
            silent_ms: 3_000,
            ..PairReport::default()
        };
        let (status, counts) = (status(), Counts::default());
        let told = text(&View { status: &status, book: None, remote: None, counts: &counts, pair: Some(&pair) });
        for line in [
            "tandem_keeper_pair_together 0",
            "tandem_keeper_pair_lost 1",
            "tandem_keeper_pair_split 0",
            "tandem_keeper_path_up{to=\"10.0.0.2\"} 0",
            "tandem_keeper_path_up{to=\"fd00::2\"} 1",
            "tandem_keeper_tie_breaker_up{to=\"10.0.0.254\"} 0",
        ] {
            assert!(told.lines().any(|told| told == line), "{line} in\n{told}");
        }
    }

    #[test]
    fn every_metric_stands_in_the_readme() {
        let readme = include_str!("../README.md");
        let (status, counts) = (KeeperStatus { behind_s: Some(1), ..status() }, Counts::default());
        let remote = Some(RemoteView { missing: Some(1), heard_s: Some(1), ..RemoteView::default() });
        let pair = PairReport::default();
        let view = View { status: &status, book: Some(Book::default()), remote, counts: &counts, pair: Some(&pair) };
        let told = text(&view);
        assert!(told.contains("tandem_keeper_remote_missing_commits 1\n"), "{told}");
        for name in told.lines().filter_map(|line| line.strip_prefix("# TYPE tandem_")?.split(' ').next()) {
            assert!(readme.contains(&format!("`{name}`")), "{name}");
        }
    }

    #[test]
    fn whoever_asks_for_metrics_gets_them_and_nothing_else() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        thread::spawn(move || serve(&listener, || "tandem_keeper_node 2\n".to_owned()));
        let ask = |question: &str| {
            let mut stream = TcpStream::connect(at).unwrap();
            stream.write_all(question.as_bytes()).unwrap();
            let mut told = String::new();
            // A question that is none is closed.
            let _ = stream.read_to_string(&mut told);
            told
        };
        let told = ask("GET /metrics HTTP/1.1\r\nHost: here\r\n\r\n");
        assert!(told.starts_with("HTTP/1.1 200 OK\r\n") && told.ends_with("\r\n\r\ntandem_keeper_node 2\n"), "{told}");
        assert!(ask("GET /metricsandmore HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 404"));
        assert!(ask("POST /metrics HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 404"));
        assert_eq!(ask(&"x".repeat(5_000)), "");
    }

    #[test]
    fn metrics_are_told_on_private_addresses_alone() {
        for private in ["127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "100.64.0.1", "::1", "fd00::1", "fe80::1"]
        {
            assert!(is_private(private.parse().unwrap()), "{private}");
        }
        for public in ["0.0.0.0", "203.0.113.1", "172.32.0.1", "100.128.0.1", "::", "2001:db8::1", "::ffff:8.8.8.8"] {
            assert!(!is_private(public.parse().unwrap()), "{public}");
        }
    }
}
