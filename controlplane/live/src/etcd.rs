//! Questions to etcd's members, one after the other until one answers.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use cluster::words::{FORMAT, FORMAT_KNOWN};
use serde_json::{Value, json};
use thiserror::Error;
use ureq::Timeout;

use crate::way::Way;
use crate::wire::{self, Compare, Entry, Lease, Page, Write};

/// An answer that is longer is none of etcd's to us.
const ANSWER_BYTES_MAX: u64 = 64 << 20;
/// etcd's code for a token that it does not know (gRPC `Unauthenticated`).
const UNAUTHENTICATED: i64 = 16;

/// Where etcd is and who asks.
#[derive(Clone, Debug, Default)]
pub struct Members {
    /// Base addresses, such as `https://10.0.0.1:2379`.
    pub urls: Vec<String>,
    /// User and password, where etcd asks for them.
    pub user: Option<(String, String)>,
    /// The certificates (PEM) that members' must be signed by; those of the web if not given.
    pub ca: Option<PathBuf>,
    /// Our certificate and key (PEM), where members ask for one.
    pub certificate: Option<(PathBuf, PathBuf)>,
    /// How long a question to one member may take.
    pub patience: Duration,
}

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum LiveError {
    /// No member was reached: nothing happened.
    #[error("no member of etcd is reached: {0}")]
    Away(String),
    /// The question was sent and no answer came: it may have been done, or may still be.
    #[error("etcd does not answer: {0}")]
    Unknown(String),
    /// etcd said no: nothing happened.
    #[error("etcd refuses: {0}")]
    Refused(String),
    /// The settings cannot work.
    #[error("{0}")]
    Settings(String),
}

/// How one member was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemberState {
    /// Its base address.
    pub url: String,
    /// It answers.
    pub reached: bool,
    /// It leads the others.
    pub leads: bool,
}

/// A way to etcd. Calls block; each may be made from any thread.
#[derive(Debug)]
pub struct Etcd {
    way: Way,
    members: Members,
    /// The member that answered last.
    current: AtomicUsize,
    /// What stands there is known to be of the form that this program knows.
    agreed: AtomicBool,
    token: Mutex<Option<String>>,
}

impl Etcd {
    /// Reads the certificates. Asks nobody yet.
    pub fn new(members: Members) -> Result<Etcd, LiveError> {
        if members.urls.is_empty() {
            return Err(LiveError::Settings("etcd has no members".to_owned()));
        }
        Ok(Etcd {
            way: Way::open(&members)?,
            members,
            current: AtomicUsize::new(0),
            agreed: AtomicBool::new(false),
            token: Mutex::new(None),
        })
    }

    /// The entry under a key.
    pub fn get(&self, key: &str) -> Result<Option<Entry>, LiveError> {
        let answer = self.ask("kv/range", &json!({ "key": wire::base64(key.as_bytes()) }))?;
        Ok(read(wire::page(&answer))?.entries.into_iter().next())
    }

    /// Everything below a prefix, as a majority knows it at this moment.
    pub fn list(&self, prefix: &str) -> Result<Page, LiveError> {
        read(wire::page(&self.ask("kv/range", &wire::range(prefix))?))
    }

    /// What below a prefix was written by this revision of the store or a later one.
    pub fn list_since(&self, prefix: &str, revision: i64) -> Result<Page, LiveError> {
        let mut question = wire::range(prefix);
        question["min_mod_revision"] = json!(revision.to_string());
        read(wire::page(&self.ask("kv/range", &question)?))
    }

    /// Everything below several prefixes, one after the other: not of one moment.
    pub fn list_all(&self, prefixes: &[&str]) -> Result<Vec<Entry>, LiveError> {
        let pages = prefixes.iter().map(|prefix| self.list(prefix)).collect::<Result<Vec<Page>, LiveError>>()?;
        Ok(pages.into_iter().flat_map(|page| page.entries).collect())
    }

    /// Writes a key. The result is the store's revision.
    pub fn put(&self, key: &str, value: &[u8], lease: Option<Lease>) -> Result<i64, LiveError> {
        let answer = self.ask("kv/put", &wire::put(key, value, lease))?;
        Ok(wire::number(&answer["header"]["revision"]))
    }

    /// Removes a key. True if it was there.
    pub fn delete(&self, key: &str) -> Result<bool, LiveError> {
        let answer = self.ask("kv/deleterange", &json!({ "key": wire::base64(key.as_bytes()) }))?;
        Ok(wire::number(&answer["deleted"]) > 0)
    }

    /// Writes everything if everything is as compared, else nothing. `None`: nothing was written. Else the store's revision.
    pub fn change(&self, compare: &[Compare<'_>], then: &[Write<'_>]) -> Result<Option<i64>, LiveError> {
        let compare: Vec<Value> = compare.iter().map(|compare| compare.json()).collect();
        let then: Vec<Value> = then.iter().map(|write| write.json()).collect();
        let answer = self.ask("kv/txn", &json!({ "compare": compare, "success": then }))?;
        let done = answer["succeeded"].as_bool().unwrap_or(false);
        Ok(done.then(|| wire::number(&answer["header"]["revision"])))
    }

    /// A lease of so many seconds. etcd may give a longer one, of two seconds at least.
    pub fn grant(&self, seconds: u64) -> Result<Lease, LiveError> {
        let answer = self.ask("lease/grant", &json!({ "TTL": seconds.to_string() }))?;
        match wire::number(&answer["ID"]) {
            0 => Err(LiveError::Refused(format!("no lease: {answer}"))),
            id => Ok(Lease(id)),
        }
    }

    /// Begins the lease anew. False: it has ended.
    pub fn keep(&self, lease: Lease) -> Result<bool, LiveError> {
        let answer = self.ask("lease/keepalive", &json!({ "ID": lease.0.to_string() }))?;
        // A stream's answers stand in an envelope.
        Ok(wire::number(&answer["result"]["TTL"]) > 0)
    }

    /// Ends the lease and removes its keys.
    pub fn revoke(&self, lease: Lease) -> Result<(), LiveError> {
        self.ask("lease/revoke", &json!({ "ID": lease.0.to_string() })).map(drop)
    }

    /// Waits until something below the prefix is written by `from` or a later revision of the store, at most so long. False: nothing was.
    pub fn wait(&self, prefix: &str, from: i64, at_most: Duration) -> Result<bool, LiveError> {
        let mut create = wire::range(prefix);
        create["start_revision"] = json!(from.to_string());
        let text = json!({ "create_request": create }).to_string();
        let member = self.member();
        let config = self.way.agent().post(&self.url(member, "watch")).config().timeout_global(Some(at_most));
        let mut request = config.build().header("content-type", "application/json");
        if let Some(token) = self.token() {
            request = request.header("authorization", &token);
        }
        let answer = match request.send(&text) {
            Ok(answer) => answer,
            Err(error) => return Err(self.moved_on(member, error)),
        };
        for line in BufReader::new(answer.into_body().into_reader()).lines() {
            // The time is over, or the member went: the next question will tell.
            let Ok(line) = line else { return Ok(false) };
            let told: Value = serde_json::from_str(&line).map_err(|error| LiveError::Refused(error.to_string()))?;
            if let Some(error) = told.get("error") {
                self.forget_token();
                return Err(LiveError::Refused(error.to_string()));
            }
            let changed = told["result"]["events"].as_array().is_some_and(|events| !events.is_empty());
            // Cancelled: what we asked for is compacted away. Reading everything anew helps.
            if changed || told["result"]["canceled"].as_bool().unwrap_or(false) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Asks each member how it is, one after the other.
    pub fn members(&self) -> Vec<MemberState> {
        let urls = self.members.urls.iter();
        urls.map(|url| {
            let status = self.status(url).unwrap_or_default();
            // Numbers of 64 bits without a sign: only whether they are the same matters.
            let own = status["header"]["member_id"].as_str();
            MemberState {
                url: url.clone(),
                reached: own.is_some(),
                leads: own.is_some() && own == status["leader"].as_str(),
            }
        })
        .collect()
    }

    /// One member's word about itself; `None`: it does not answer.
    fn status(&self, url: &str) -> Option<Value> {
        let url = format!("{}/v3/maintenance/status", url.trim_end_matches('/'));
        let mut request = self.way.agent().post(&url).header("content-type", "application/json");
        if let Some(token) = self.token() {
            request = request.header("authorization", &token);
        }
        let mut answer = request.send("{}").ok()?;
        let body = answer.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec().ok()?;
        serde_json::from_slice(&body).ok()
    }

    /// Looks once whether this program may read and write there: versions of it may differ, what they write may not. Who is first says in
    /// which form. Refused: it is another form.
    pub fn agree(&self) -> Result<(), LiveError> {
        if self.agreed.load(Ordering::Relaxed) {
            return Ok(());
        }
        let page = read(wire::page(&self.ask_any("kv/range", &json!({ "key": wire::base64(FORMAT.as_bytes()) }))?))?;
        let Some(entry) = page.entries.first() else {
            let known = FORMAT_KNOWN.to_string();
            let (compare, write) = (Compare::WrittenBy(FORMAT, 0), Write::Put(FORMAT, known.as_bytes(), None));
            // Another one may have been first: the next question sees what it wrote.
            let question = json!({ "compare": [compare.json()], "success": [write.json()] });
            return self.ask_any("kv/txn", &question).map(drop);
        };
        let found = String::from_utf8_lossy(&entry.value);
        if found == FORMAT_KNOWN.to_string() {
            self.agreed.store(true, Ordering::Relaxed);
            return Ok(());
        }
        Err(LiveError::Refused(format!(
            "it holds the cluster in format {found}, and this program knows format {FORMAT_KNOWN}: run the version that the other nodes run"
        )))
    }

    fn ask(&self, path: &str, question: &Value) -> Result<Value, LiveError> {
        self.agree()?;
        self.ask_any(path, question)
    }

    /// Asks the member that answered last, and the others as long as none was reached.
    fn ask_any(&self, path: &str, question: &Value) -> Result<Value, LiveError> {
        let text = question.to_string();
        let mut last = LiveError::Away("nobody was asked".to_owned());
        for _ in &self.members.urls {
            match self.ask_one(self.member(), path, &text) {
                Err(LiveError::Away(why)) => last = LiveError::Away(why),
                settled => return settled,
            }
        }
        Err(last)
    }

    fn ask_one(&self, member: usize, path: &str, text: &str) -> Result<Value, LiveError> {
        let first = self.send(member, path, text, self.login(member, false)?.as_deref())?;
        let forgotten = self.members.user.is_some() && wire::number(&first["code"]) == UNAUTHENTICATED;
        // Tokens go with a member's memory: nothing was done, so asking again is safe.
        let answer =
            if forgotten { self.send(member, path, text, self.login(member, true)?.as_deref())? } else { first };
        match answer.get("error") {
            None => Ok(answer),
            // A member that lost the others, or has no leader (gRPC `Unavailable`): what it was asked may be done later.
            Some(error) if wire::number(&answer["code"]) == 14 => {
                self.leave(member);
                Err(LiveError::Unknown(error.to_string()))
            }
            Some(error) => Err(LiveError::Refused(error.to_string())),
        }
    }

    /// The token to ask with, of a fresh login if need be.
    fn login(&self, member: usize, anew: bool) -> Result<Option<String>, LiveError> {
        let Some((name, password)) = &self.members.user else { return Ok(None) };
        if anew {
            self.forget_token();
        }
        if let Some(token) = self.token() {
            return Ok(Some(token));
        }
        let text = json!({ "name": name, "password": password }).to_string();
        let answer = self.send(member, "auth/authenticate", &text, None)?;
        let token = answer["token"].as_str().map(str::to_owned);
        let token = token.ok_or_else(|| LiveError::Refused(format!("login as {name}: {}", answer["error"])))?;
        *self.token.lock().expect("nobody panics with the token") = Some(token.clone());
        Ok(Some(token))
    }

    fn token(&self) -> Option<String> {
        self.token.lock().expect("nobody panics with the token").clone()
    }

    fn forget_token(&self) {
        *self.token.lock().expect("nobody panics with the token") = None;
    }

    fn send(&self, member: usize, path: &str, text: &str, token: Option<&str>) -> Result<Value, LiveError> {
        let mut request = self.way.agent().post(&self.url(member, path)).header("content-type", "application/json");
        if let Some(token) = token {
            request = request.header("authorization", token);
        }
        let mut answer = request.send(text).map_err(|error| self.moved_on(member, error))?;
        let body = answer.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec();
        let body = body.map_err(|error| self.unknown(member, &error))?;
        serde_json::from_slice(&body).map_err(|error| LiveError::Unknown(format!("{}: {error}", answer.status())))
    }

    fn url(&self, member: usize, path: &str) -> String {
        let url = &self.members.urls[member % self.members.urls.len()];
        format!("{}/v3/{path}", url.trim_end_matches('/'))
    }

    /// Whom the next question goes to.
    fn member(&self) -> usize {
        self.current.load(Ordering::Relaxed)
    }

    /// The next question goes to another than this member. Several threads that wait for the same one leave it once: they do not go on until
    /// they are back at it.
    fn leave(&self, member: usize) {
        // Somebody else has left it already.
        let _ = self.current.compare_exchange(member, member.wrapping_add(1), Ordering::Relaxed, Ordering::Relaxed);
    }

    /// The next question goes to another member. Whether this one was sent decides what may be said of it.
    fn moved_on(&self, member: usize, error: ureq::Error) -> LiveError {
        use std::io::ErrorKind::{ConnectionRefused, HostUnreachable, NetworkUnreachable};
        let unsent = match &error {
            ureq::Error::Timeout(at) => matches!(at, Timeout::Connect | Timeout::Resolve),
            ureq::Error::Io(io) => matches!(io.kind(), ConnectionRefused | HostUnreachable | NetworkUnreachable),
            ureq::Error::HostNotFound | ureq::Error::ConnectionFailed | ureq::Error::BadUri(_) => true,
            ureq::Error::Tls(_) | ureq::Error::Rustls(_) => true,
            _ => false,
        };
        if unsent {
            self.leave(member);
            return LiveError::Away(error.to_string());
        }
        self.unknown(member, &error)
    }

    fn unknown(&self, member: usize, error: &ureq::Error) -> LiveError {
        self.leave(member);
        LiveError::Unknown(error.to_string())
    }
}

fn read<T>(told: Option<T>) -> Result<T, LiveError> {
    told.ok_or_else(|| LiveError::Refused("an answer that etcd would not write".to_owned()))
}
