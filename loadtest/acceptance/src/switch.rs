//! `tandem up` on addresses of its own, with carriers around it, asked the way operators ask.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use crate::books::{BUY, Line, Record, SELL, exact, nanos};
use crate::sipp::{Scenario, Sipp};
use crate::{Net, PATIENCE, figures, is_taken, program, signal, until};

/// SIP's own port, on addresses of our own.
pub const SIP: u16 = 5060;
/// What the originator paid ahead.
pub const PAID: &str = "5000.00";

/// A running node with its data folder; gone with this value.
#[derive(Debug)]
pub struct Switch {
    net: Net,
    folder: tempfile::TempDir,
    child: Child,
    cookie: String,
    /// What changes by the API must carry beside the cookie.
    token: String,
}

impl Switch {
    /// Starts a node, on SQLite unless a database is named.
    pub fn up(database: Option<String>) -> Switch {
        let net = Net::draw();
        Switch::up_as(net, &declaration(net), database)
    }

    /// Starts a node on these addresses with this to apply; SQLite unless a database is named.
    pub fn up_as(net: Net, declared: &str, database: Option<String>) -> Switch {
        Switch::up_with(net, declared, database, &[])
    }

    /// The same on SQLite, with more in its environment.
    pub fn up_knowing(net: Net, declared: &str, environment: &[(&str, &str)]) -> Switch {
        Switch::up_in(net, declared, environment, &[])
    }

    /// The same with more words for `tandem up`.
    pub fn up_with(net: Net, declared: &str, database: Option<String>, words: &[&str]) -> Switch {
        let environment: Vec<(&str, &str)> = database.iter().map(|url| ("TANDEM_DATABASE", url.as_str())).collect();
        Switch::up_in(net, declared, &environment, words)
    }

    fn up_in(net: Net, declared: &str, environment: &[(&str, &str)], words: &[&str]) -> Switch {
        let folder = tempfile::Builder::new().prefix("tandem-accept-").tempdir().expect("a temporary folder");
        let file = folder.path().join("switch.yaml");
        std::fs::write(&file, declared).expect("the folder is writable");
        let log = std::fs::File::create(folder.path().join("log")).expect("the folder is writable");
        let out = std::fs::File::create(folder.path().join("out")).expect("the folder is writable");
        let mut command = Command::new(program("tandem"));
        command.arg("up").arg("--data").arg(folder.path().join("data"));
        command.args(["--sip", &format!("{}:{SIP}", net.host(1)), "--http", &format!("{}:8080", net.host(1))]);
        command.args(["--shards", "2", "--log", "info"]).args(words).arg("--apply").arg(&file);
        command.envs(environment.iter().copied());
        // What the node remembers of the user's last one stays in the test's folder.
        command.env("HOME", folder.path()).env_remove("XDG_STATE_HOME");
        let child = command.stdin(Stdio::null()).stdout(out).stderr(log).spawn().expect("tandem starts");
        let mut switch = Switch { net, folder, child, cookie: String::new(), token: String::new() };
        switch.ready();
        switch
    }

    fn ready(&mut self) {
        let said = |switch: &Switch| std::fs::read_to_string(switch.folder.path().join("out")).unwrap_or_default();
        until(PATIENCE, "the node is up", || {
            let ended = self.child.try_wait().expect("the node was started here");
            assert!(ended.is_none(), "the node stays up: {ended:?}\n{}", self.log());
            said(self).contains("tandem is up").then_some(())
        });
        let said = said(self);
        let token =
            said.split("/?t=").nth(1).and_then(|rest| rest.split_whitespace().next()).expect("a one-time log-in");
        let body = format!("{{\"token\":\"{token}\"}}");
        let (head, _) = self.http("POST", "/api/v1/sessions", &body);
        let cookie = head.lines().find_map(|line| line.strip_prefix("set-cookie: ")).expect("the log-in sets a cookie");
        self.cookie = cookie.split(';').next().unwrap_or_default().to_owned();
        let me: Value = serde_json::from_str(&self.http("GET", "/api/v1/me", "").1).expect("JSON");
        self.token = me["csrf_token"].as_str().expect("the token of this log-in").to_owned();
    }

    /// Where SIP is heard.
    pub fn sip(&self) -> SocketAddr {
        (self.net.host(1), SIP).into()
    }

    /// Where the originator calls from.
    pub fn originator(&self) -> Ipv4Addr {
        self.net.host(2)
    }

    /// Where the terminator listens.
    pub fn terminator(&self) -> SocketAddr {
        (self.net.host(3), SIP).into()
    }

    /// The test's folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// SIPp's built-in `uas` as the terminator, with more words for its command line.
    pub fn taking(&self, words: &[&str]) -> Sipp {
        self.taking_at(self.terminator(), words)
    }

    /// The same at an address of the test's choice.
    pub fn taking_at(&self, at: SocketAddr, words: &[&str]) -> Sipp {
        let words: Vec<String> = words.iter().map(ToString::to_string).collect();
        let sipp = Sipp::start(self.folder(), at, Scenario::BuiltIn("uas"), &words);
        until(PATIENCE, "the terminator listens", || is_taken("udp", at).then_some(()));
        sipp
    }

    /// SIPp's built-in `uac` as the originator.
    pub fn calling(&self, calls: u32, cps: u32, talk_ms: u32, called: &str, words: &[&str]) -> Sipp {
        self.placing(Scenario::BuiltIn("uac"), calls, cps, talk_ms, called, words)
    }

    /// SIPp as the originator, by any scenario.
    pub fn placing(
        &self,
        scenario: Scenario,
        calls: u32,
        cps: u32,
        talk_ms: u32,
        called: &str,
        words: &[&str],
    ) -> Sipp {
        let mut line: Vec<String> = vec![self.sip().to_string(), "-s".into(), called.into()];
        for (option, value) in [("-m", calls), ("-r", cps), ("-d", talk_ms), ("-l", calls)] {
            line.extend([option.to_owned(), value.to_string()]);
        }
        line.extend(words.iter().map(ToString::to_string));
        Sipp::start(self.folder(), (self.originator(), SIP).into(), scenario, &line)
    }

    /// All calls' records so far, as `tandem cdr search` prints them; `None` while the database does not answer.
    pub fn records(&self) -> Option<Vec<Record>> {
        self.searched(&[])
    }

    /// The records of all calls and of all their attempts so far.
    pub fn records_and_attempts(&self) -> Option<Vec<Record>> {
        self.searched(&["--attempts"])
    }

    fn searched(&self, words: &[&str]) -> Option<Vec<Record>> {
        let output = self.asked(&[&["cdr", "search", "--limit", "0", "-o", "json"], words].concat());
        let rows: Vec<Value> = output.status.success().then(|| serde_json::from_slice(&output.stdout).ok())??;
        Some(rows.into_iter().map(Record).collect())
    }

    /// What `tandem` with these words prints as JSON about this node.
    ///
    /// # Panics
    /// When it fails, or prints something else.
    pub fn tandem(&self, words: &[&str]) -> Value {
        let output = self.asked(words);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "tandem {words:?}: {said}");
        serde_json::from_slice(&output.stdout).unwrap_or_else(|flaw| panic!("tandem {words:?}: {flaw}: {said}"))
    }

    fn asked(&self, words: &[&str]) -> Output {
        let mut command = Command::new(program("tandem"));
        command.args(words).arg("--data").arg(self.folder.path().join("data")).output().expect("tandem starts")
    }

    /// Waits until as many calls have their records, as long as more of them come.
    ///
    /// # Panics
    /// When none comes any more.
    pub fn collected(&self, calls: usize) -> Vec<Record> {
        let mut had = 0;
        loop {
            let more = until(PATIENCE, "more calls have their records", || {
                self.records().filter(|records| records.len() >= calls || records.len() > had)
            });
            if more.len() >= calls {
                return more;
            }
            had = more.len();
            eprintln!("{had} of {calls} records");
        }
    }

    /// Waits until the originator's account was charged so much, and not a nano-unit more.
    pub fn charged(&self, nano_units: i64) {
        self.charged_of("acme", PAID, nano_units);
    }

    /// The same of any account, and of what was paid for it in all.
    pub fn charged_of(&self, account: &str, paid: &str, nano_units: i64) {
        let mut seen = Value::Null;
        let late = std::time::Instant::now() + PATIENCE;
        loop {
            if let Some(account) = self.account(account) {
                let of = |field: &str| nanos(account[field].as_str().expect("an amount"));
                assert_eq!(
                    of("available") + of("held") + of("settled"),
                    nanos(paid),
                    "no money is made or lost: {account}"
                );
                if of("settled") == nano_units {
                    return;
                }
                seen = account;
            }
            assert!(std::time::Instant::now() < late, "charged {nano_units} nano-units: {seen:#}\n{}", self.log());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Waits until the originator's account was charged what all records cost together: of calls that a kill cut, some come late.
    pub fn charged_as_recorded(&self) {
        until(PATIENCE, "the account was charged what the records say", || {
            let due = exact(&self.records()?);
            (nanos(self.account("acme")?["settled"].as_str()?) == due).then_some(())
        });
        self.charged(exact(&self.records().expect("the database answered a moment ago")));
    }

    /// Books a payment by the API.
    pub fn pay(&self, account: &str, amount: &str, reference: &str) {
        let account = self.account(account).expect("the account is there");
        let path = format!("/api/v1/accounts/{}/payments", account["id"].as_str().expect("it has an id"));
        let paid = serde_json::json!({ "amount": amount, "reference": reference, "note": "" });
        let (head, body) = self.http("POST", &path, &paid.to_string());
        assert!(head.contains(" 200 "), "the payment is booked: {body}");
    }

    /// What the API shows there.
    ///
    /// # Panics
    /// When it shows something else than JSON.
    pub fn shown(&self, path: &str) -> Value {
        let (head, body) = self.http("GET", path, "");
        assert!(head.contains(" 200 "), "GET {path}: {head}\n{body}");
        serde_json::from_str(&body).expect("the API answers JSON")
    }

    /// Sends a change to the API, which must do it.
    ///
    /// # Panics
    /// When it does not.
    pub fn change(&self, path: &str, body: &Value) {
        let (head, told) = self.http("POST", path, &body.to_string());
        assert!(head.contains(" 200 ") || head.contains(" 204 "), "POST {path}: {head}\n{told}");
    }

    /// How many calls the node has, as the API says.
    pub fn running(&self) -> Option<usize> {
        let (head, body) = self.http("GET", "/api/v1/calls", "");
        let list: Value = head.contains(" 200 ").then(|| serde_json::from_str(&body).ok())??;
        list["data"].as_array().map(Vec::len)
    }

    fn account(&self, code: &str) -> Option<Value> {
        let (head, body) = self.http("GET", "/api/v1/accounts", "");
        let list: Value = head.contains(" 200 ").then(|| serde_json::from_str(&body).ok())??;
        list["data"].as_array()?.iter().find(|account| account["code"] == code).cloned()
    }

    /// The process of the data plane.
    pub fn data_plane(&self) -> Option<u32> {
        self.program("tandem-datap")
    }

    /// The process of the control plane.
    pub fn control_plane(&self) -> Option<u32> {
        self.program("tandem-contr")
    }

    fn program(&self, begins: &str) -> Option<u32> {
        let mut all = children(self.child.id());
        all.find(|pid| std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.starts_with(begins)))
    }

    /// The data plane's latencies by stage since it started, asked over its own socket: upper bound in nanoseconds, count.
    pub fn stages(&self) -> BTreeMap<String, Vec<(u64, u64)>> {
        serde_json::from_value(self.figures()["stages"].clone())
            .map(|all: Vec<(String, Vec<(u64, u64)>)>| all.into_iter().collect())
            .expect("stages")
    }

    /// One of the data plane's counters, asked the same way.
    pub fn counter(&self, name: &str) -> u64 {
        let counters: Vec<(String, u64)> =
            serde_json::from_value(self.figures()["counters"].clone()).expect("names and values");
        counters.into_iter().find(|(found, _)| found == name).expect("the counter is known").1
    }

    fn figures(&self) -> Value {
        let socket = self.folder.path().join("data/run/dataplane.sock");
        until(PATIENCE, "the data plane answers", || figures(&socket))
    }

    /// The API listens.
    pub fn serves(&self) -> bool {
        TcpStream::connect((self.net.host(1), 8080)).is_ok()
    }

    /// Segments of the journal that are on the disk.
    pub fn segments(&self) -> usize {
        let files = std::fs::read_dir(self.folder.path().join("data/journal")).into_iter().flatten().flatten();
        files.filter(|file| file.path().extension().is_some_and(|kind| kind == "seg")).count()
    }

    /// What a command of `tandem journal` says, which must succeed.
    pub fn journal(&self, verb: &str) -> String {
        let data = self.folder.path().join("data");
        let output = Command::new(program("tandem")).args(["journal", verb]).arg("--data").arg(data).output();
        let output = output.expect("tandem starts");
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "tandem journal {verb}: {said}");
        said
    }

    /// The end of the planes' log.
    pub fn log(&self) -> String {
        let text = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }

    fn http(&self, method: &str, path: &str, body: &str) -> (String, String) {
        let host = self.net.host(1);
        let mut stream = TcpStream::connect((host, 8080)).expect("the API listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a limit can be set");
        // HTTP/1.0: the answer ends where the connection does.
        let request = format!(
            "{method} {path} HTTP/1.0\r\nhost: {host}:8080\r\ncookie: {}\r\nx-csrf-token: {}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            self.cookie,
            self.token,
            body.len()
        );
        stream.write_all(request.as_bytes()).expect("the API reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("the API answers");
        let (head, body) = answer.split_once("\r\n\r\n").expect("an HTTP answer");
        (head.to_owned(), body.to_owned())
    }
}

/// A process's children, whichever of its threads started them.
fn children(parent: u32) -> impl Iterator<Item = u32> {
    let threads = std::fs::read_dir(format!("/proc/{parent}/task")).into_iter().flatten().flatten();
    let lists = threads.map(|thread| std::fs::read_to_string(thread.path().join("children")).unwrap_or_default());
    lists.flat_map(|list| list.split_whitespace().filter_map(|word| word.parse().ok()).collect::<Vec<u32>>())
}

impl Drop for Switch {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the node's log ends with:\n{}", self.log());
        }
        signal(self.child.id(), Signal::TERM);
        let _ = self.child.wait();
    }
}

/// A deck of these lines, as `tandem apply` reads it.
pub fn deck(text: &mut String, code: &str, lines: &[Line]) {
    let _ = writeln!(text, "  - code: {code}\n    currency: USD\n    rates:");
    for Line { prefix, per_minute, fee, minimum_s, step_s } in lines {
        let _ = writeln!(
            text,
            "      - {{ prefix: \"{prefix}\", destination: \"to {prefix}\", rate: \"{per_minute}\", connection_fee: \"{fee}\", \
             increments: {minimum_s}/{step_s} }}"
        );
    }
}

/// One originator, one terminator: what [`Switch::up`] declares.
pub fn declaration(net: Net) -> String {
    declaration_of(net.host(2), net.host(3))
}

/// The same of carriers elsewhere.
pub fn declaration_of(originator: Ipv4Addr, terminator: Ipv4Addr) -> String {
    let mut text = format!(
        "carriers:\n  - {{ code: acme, name: Acme }}\n  - {{ code: oria, name: Oria }}\n\
         accounts:\n  - code: acme\n    carrier: acme\n    currency: USD\n    kind: prepaid\n    payments:\n      \
         - {{ reference: opening, amount: \"{PAID}\" }}\n  - {{ code: oria, carrier: oria, currency: USD, kind: postpaid }}\n\
         decks:\n"
    );
    deck(&mut text, "sell", SELL);
    deck(&mut text, "buy", BUY);
    let _ = write!(
        text,
        "egress_trunks:\n  - {{ code: oria, carrier: oria, account: oria, address: \"{terminator}:{SIP}\", buy_deck: buy, \
         capacity: 5000 }}\n\
         plans:\n  - code: main\n    order: lcr\n    margin_min: \"0\"\n    routes:\n      - {{ egress_trunk: oria }}\n\
         ingress_trunks:\n  - code: acme\n    carrier: acme\n    account: acme\n    sources: [{originator}]\n    plan: main\n    \
         sell_deck: sell\n    capacity: 5000\n    cps: 2000\n"
    );
    text
}
