//! The engine's end of the wire: what it is asked over HTTP, and what its answers mean.

use std::fmt;
use std::fs;
use std::io;
use std::time::Duration;

use base64ct::{Base64, Encoding};
use cdr::Cdr;
use serde_json::Value;
use store::{CdrFilter, CdrKey};
use ureq::Agent;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

use crate::Settings;
use crate::document;
use crate::query;

/// How long a connection, a bulk of records and a question may take.
const CONNECT_MAX: Duration = Duration::from_secs(3);
const WRITE_MAX: Duration = Duration::from_secs(30);
const ASK_MAX: Duration = Duration::from_secs(5);
/// Records of one bulk: less than a megabyte, which every proxy lets through.
const BULK_MAX: usize = 1_000;
/// Bytes of an answer at most.
const ANSWER_BYTES_MAX: u64 = 16 << 20;
/// Characters of what the engine says that are kept.
const SAID_CHARS: usize = 300;
/// Characters of a prefix at most: the name of an index has 255 bytes.
const PREFIX_CHARS_MAX: usize = 100;

/// The engine does not do what it should, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble(pub String);

impl fmt::Display for Trouble {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::error::Error for Trouble {}

/// What became of records that were told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// It has them.
    pub taken: u64,
    /// It refused these by themselves.
    pub refused: u64,
    /// Why the last of those; empty if none was refused.
    pub why: String,
}

/// An engine. Cheap to clone; every question blocks.
#[derive(Clone)]
pub struct Engine {
    agent: Agent,
    url: String,
    prefix: String,
    authorization: Option<String>,
}

impl fmt::Debug for Engine {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Engine({})", self.url)
    }
}

impl Engine {
    /// One that was asked nothing yet. The secret's file is read once.
    pub fn new(settings: &Settings) -> io::Result<Engine> {
        let wrong = |why: String| Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        let Settings { url, prefix, .. } = settings;
        let host = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
        if host.is_none_or(|host| host.is_empty() || host.contains('@')) {
            return wrong("the address is wanted as http[s]://HOST[:PORT], and a password in the secret's file".into());
        }
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
        let fits = (1..=PREFIX_CHARS_MAX).contains(&prefix.len()) && prefix.bytes().all(plain);
        if !fits || prefix.starts_with(['-', '_']) {
            return wrong(format!("{prefix:?} is no beginning of an index: a-z, 0-9, - and _ are"));
        }
        let agent = Agent::config_builder().http_status_as_error(false).max_redirects(0);
        let agent = agent.timeout_connect(Some(CONNECT_MAX)).tls_config(tls(settings)?).build();
        Ok(Engine {
            agent: Agent::new_with_config(agent),
            url: url.trim_end_matches('/').to_owned(),
            prefix: prefix.clone(),
            authorization: authorization(settings)?,
        })
    }

    /// Where it is.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Says what the fields of records are, for all indexes that it makes from here on. Said twice it is said once.
    pub fn prepare(&self) -> Result<(), Trouble> {
        let path = format!("_index_template/{}", self.prefix);
        self.ask("PUT", &path, "application/json", &document::template(&self.prefix).to_string(), ASK_MAX).map(drop)
    }

    /// Tells it of records; one that it has already is replaced by itself. An error means that some may not be there: tell all again.
    pub fn write(&self, cdrs: &[Cdr]) -> Result<Written, Trouble> {
        let mut written = Written::default();
        for part in cdrs.chunks(BULK_MAX) {
            let mut lines = String::new();
            part.iter().for_each(|cdr| document::write(cdr, &self.prefix, &mut lines));
            let told = self.ask("POST", "_bulk", "application/x-ndjson", &lines, WRITE_MAX)?;
            let items = told["items"].as_array().filter(|items| items.len() == part.len());
            let items = items.ok_or_else(|| Trouble("it did not say what became of each record".to_owned()))?;
            items.iter().try_for_each(|item| written.add(&item["index"]))?;
        }
        Ok(written)
    }

    /// Keys of the records that fit, newest first, `filter.limit` at most.
    pub fn find(&self, filter: &CdrFilter) -> Result<Vec<CdrKey>, Trouble> {
        // Days without a record have no index.
        let path = format!("{}-*/_search?ignore_unavailable=true&allow_no_indices=true", self.prefix);
        let told = self.ask("POST", &path, "application/json", &query::body(filter).to_string(), ASK_MAX)?;
        if told["timed_out"] == true || told["_shards"]["failed"].as_u64().is_some_and(|failed| failed > 0) {
            return Err(Trouble("a part of it did not answer".to_owned()));
        }
        let hits = told["hits"]["hits"].as_array().filter(|hits| hits.len() <= filter.limit as usize);
        let keys = hits.and_then(|hits| hits.iter().map(query::key).collect::<Option<Vec<CdrKey>>>());
        keys.ok_or_else(|| Trouble("its answer is none of a search for our records".to_owned()))
    }

    /// How many records it has.
    pub fn count(&self) -> Result<u64, Trouble> {
        let path = format!("{}-*/_count?ignore_unavailable=true&allow_no_indices=true", self.prefix);
        let told = self.ask("GET", &path, "", "", ASK_MAX)?;
        told["count"].as_u64().ok_or_else(|| Trouble("it did not say how many records it has".to_owned()))
    }

    /// Removes the days before this one, in days since 1970. The answer: how many.
    pub fn forget_before(&self, day: i64) -> Result<u64, Trouble> {
        let path = format!("_cat/indices/{}-*?h=index&format=json", self.prefix);
        let told = self.ask("GET", &path, "", "", ASK_MAX)?;
        let names = told.as_array().map(Vec::as_slice).unwrap_or_default();
        let mut gone = 0;
        for name in names.iter().filter_map(|row| row["index"].as_str()) {
            if document::day_of(&self.prefix, name).is_some_and(|known| known < day) {
                self.ask("DELETE", name, "", "", WRITE_MAX)?;
                gone += 1;
            }
        }
        Ok(gone)
    }

    fn ask(&self, method: &str, path: &str, kind: &str, body: &str, most: Duration) -> Result<Value, Trouble> {
        let url = format!("{}/{path}", self.url);
        let request = ureq::http::Request::builder().method(method).uri(&url);
        let request = if kind.is_empty() { request } else { request.header("content-type", kind) };
        let request = match &self.authorization {
            Some(authorization) => request.header("authorization", authorization),
            None => request,
        };
        let trouble = |error: &dyn fmt::Display| Trouble(clip(&error.to_string()));
        let answer = match kind {
            "" => self.run(request.body(()).map_err(|error| trouble(&error))?, most),
            _ => self.run(request.body(body).map_err(|error| trouble(&error))?, most),
        };
        let mut answer = answer.map_err(|error| trouble(&error))?;
        let text = answer.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_string();
        let text = text.map_err(|error| trouble(&error))?;
        if !answer.status().is_success() {
            return Err(Trouble(clip(&format!("it answered {}: {}", answer.status().as_u16(), refusal(&text)))));
        }
        serde_json::from_str(&text).map_err(|error| Trouble(format!("its answer is no JSON: {error}")))
    }

    fn run<B: ureq::AsSendBody>(
        &self,
        request: ureq::http::Request<B>,
        most: Duration,
    ) -> Result<ureq::http::Response<ureq::Body>, ureq::Error> {
        let request = self.agent.configure_request(request).timeout_global(Some(most)).build();
        self.agent.run(request)
    }
}

impl Written {
    /// Adds what a bulk says of one record.
    fn add(&mut self, done: &Value) -> Result<(), Trouble> {
        let why = || clip(&format!("{}: {}", word(&done["error"]["type"]), word(&done["error"]["reason"])));
        match done["status"].as_u64() {
            Some(200..=299) => self.taken += 1,
            // It will not take this one at another time either, which is not so when it is busy.
            Some(status @ 400..=499) if status != 429 => {
                self.refused += 1;
                self.why = why();
            }
            Some(status) => {
                return Err(Trouble(clip(&format!("it took some records and not others: {status} {}", why()))));
            }
            None => return Err(Trouble("it did not say what became of a record".to_owned())),
        }
        Ok(())
    }
}

/// A refusal in the engine's words.
fn refusal(text: &str) -> String {
    let told: Value = serde_json::from_str(text).unwrap_or_default();
    match &told["error"] {
        Value::Object(error) => format!("{}: {}", word(&error["type"]), word(&error["reason"])),
        Value::String(error) => error.clone(),
        _ => text.to_owned(),
    }
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or("it does not say")
}

fn clip(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(SAID_CHARS).collect()
}

fn authorization(settings: &Settings) -> io::Result<Option<String>> {
    let Some(path) = &settings.secret else { return Ok(None) };
    let text = fs::read_to_string(path).map_err(|error| about(path, &error.to_string()))?;
    let secret = text.trim();
    if secret.is_empty() || secret.chars().any(char::is_control) {
        return Err(about(path, "one line is wanted: USER:PASSWORD, or ApiKey and the key"));
    }
    let scheme = secret.split_once(' ').filter(|(scheme, _)| !scheme.contains(':'));
    Ok(Some(match scheme {
        Some(_) => secret.to_owned(),
        None => format!("Basic {}", Base64::encode_string(secret.as_bytes())),
    }))
}

fn about(path: &std::path::Path, why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, format!("{}: {why}", path.display()))
}

fn tls(settings: &Settings) -> io::Result<TlsConfig> {
    let Some(path) = &settings.ca else { return Ok(TlsConfig::default()) };
    let pem = fs::read(path).map_err(|error| about(path, &error.to_string()))?;
    let found = parse_pem(&pem).filter_map(|item| match item {
        Ok(PemItem::Certificate(certificate)) => Some(certificate),
        _ => None,
    });
    let found: Vec<Certificate<'static>> = found.collect();
    if found.is_empty() {
        return Err(about(path, "no certificate stands in it"));
    }
    Ok(TlsConfig::builder().root_certs(RootCerts::new_with_certs(&found)).build())
}
