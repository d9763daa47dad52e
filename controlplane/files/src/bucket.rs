//! A bucket of S3: requests are signed by a library and sent by another; keys never leave this room.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use rusty_s3::{Credentials, S3Action, UrlStyle};
use ureq::http::Response;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body};

use crate::copy::Outcome;
use crate::ledger::Here;
use crate::stop::Stop;
use crate::{Name, Settings};

/// How long a signed request is good for: clocks may differ a little.
const SIGNED: Duration = Duration::from_secs(900);
/// How long a connection and a question without a body may take.
const CONNECT_MAX: Duration = Duration::from_secs(10);
const ASK_MAX: Duration = Duration::from_secs(5);
/// How long an upload or a download may take, whatever it carries; and the bytes a second that are thought to pass at least.
const BODY_MIN: Duration = Duration::from_secs(60);
const BYTES_A_SECOND_MIN: u64 = 64 << 10;
/// Uploads at once.
const PUTS_AT_ONCE: usize = 4;
/// Bytes of a refusal that are read.
const REFUSAL_MAX: u64 = 4 << 10;

/// A bucket and how it is asked.
#[derive(Clone)]
pub(crate) struct Bucket {
    bucket: rusty_s3::Bucket,
    keys: Credentials,
    prefix: String,
    agent: Agent,
}

/// Why it did not take a file.
enum Refusal {
    /// It does not want this one.
    File(String),
    /// It takes nothing at the moment.
    Away(String),
}

impl Bucket {
    pub(crate) fn new(settings: &Settings, name: &str, prefix: &str) -> io::Result<Bucket> {
        let wrong = |why: String| io::Error::new(io::ErrorKind::InvalidInput, why);
        let Some([key, secret]) = &settings.s3_keys else {
            return Err(wrong(format!("s3://{name} needs an access key and its secret")));
        };
        // An address of one's own is rarely behind a name for each bucket.
        let (address, style) = match &settings.s3_address {
            Some(address) => (address.clone(), UrlStyle::Path),
            None => (format!("https://s3.{}.amazonaws.com", settings.s3_region), UrlStyle::VirtualHost),
        };
        let address = address.parse().map_err(|error| wrong(format!("{address:?} is no address: {error}")))?;
        let bucket = rusty_s3::Bucket::new(address, style, name.to_owned(), settings.s3_region.clone());
        let bucket = bucket.map_err(|error| wrong(format!("s3://{name}: {error}")))?;
        let agent = Agent::config_builder().http_status_as_error(false).max_redirects(0);
        let agent = agent.timeout_connect(Some(CONNECT_MAX)).tls_config(tls(settings.s3_ca.as_deref())?).build();
        let keys = Credentials::new(key, secret);
        Ok(Bucket { bucket, keys, prefix: prefix.to_owned(), agent: Agent::new_with_config(agent) })
    }

    fn key(&self, name: Name) -> String {
        if self.prefix.is_empty() { name.to_string() } else { format!("{}/{name}", self.prefix) }
    }

    /// Copies a batch, several files at once.
    pub(crate) fn put_all(&self, data: &Path, batch: &[Here], stop: &Stop) -> Outcome {
        let (next, outcome) = (AtomicUsize::new(0), Mutex::new(Outcome::default()));
        let work = || {
            while let Some(file) = batch.get(next.fetch_add(1, Ordering::Relaxed)) {
                let done = self.put(data, file);
                let mut outcome = outcome.lock().unwrap_or_else(PoisonError::into_inner);
                match done {
                    Ok(true) => outcome.copied.push(*file),
                    // The next look misses it.
                    Ok(false) => {}
                    Err(Refusal::File(why)) => outcome.refused = Some((*file, why)),
                    Err(Refusal::Away(why)) => outcome.away = Some(why),
                }
                if outcome.refused.is_some() || outcome.away.is_some() || stop.ordered() {
                    return;
                }
            }
        };
        thread::scope(|scope| {
            for _ in 0..PUTS_AT_ONCE.min(batch.len()) {
                scope.spawn(work);
            }
        });
        outcome.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// Copies one file; `false` if it was removed meanwhile.
    fn put(&self, data: &Path, file: &Here) -> Result<bool, Refusal> {
        let opened = File::open(data.join(file.name.to_string()));
        let opened = match opened {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            opened => opened.map_err(|error| Refusal::File(error.to_string()))?,
        };
        let key = self.key(file.name);
        let url = self.bucket.put_object(Some(&self.keys), &key).sign(SIGNED);
        let request = self.agent.put(url.as_str()).header("content-length", file.bytes);
        let request = request.config().timeout_global(Some(body_time(file.bytes))).build();
        let mut answer = request.send(opened).map_err(|error| Refusal::Away(error.to_string()))?;
        match answer.status().as_u16() {
            200..=299 => Ok(true),
            // Not authorised, no such bucket, too slow, too often: true of every file.
            code @ (401 | 403 | 404 | 408 | 429) => Err(Refusal::Away(refusal(code, &mut answer))),
            code @ 400..=499 => Err(Refusal::File(refusal(code, &mut answer))),
            code => Err(Refusal::Away(refusal(code, &mut answer))),
        }
    }

    /// Bytes of a file; `None` if it is not there.
    pub(crate) fn bytes(&self, name: Name) -> io::Result<Option<u64>> {
        let key = self.key(name);
        let url = self.bucket.head_object(Some(&self.keys), &key).sign(SIGNED);
        let request = self.agent.head(url.as_str()).config().timeout_global(Some(ASK_MAX)).build();
        let answer = request.call().map_err(io::Error::other)?;
        let length = answer.headers().get("content-length").and_then(|value| value.to_str().ok()?.parse().ok());
        match answer.status().as_u16() {
            200..=299 => Ok(length),
            404 => Ok(None),
            code => Err(io::Error::other(format!("S3 answered {code}"))),
        }
    }

    /// The bytes from the first on up to the one before `end`.
    pub(crate) fn read(&self, name: Name, first: u64, end: u64) -> io::Result<impl Read + Send + use<>> {
        let key = self.key(name);
        let url = self.bucket.get_object(Some(&self.keys), &key).sign(SIGNED);
        let request = self.agent.get(url.as_str()).header("range", format!("bytes={first}-{}", end.saturating_sub(1)));
        let request = request.config().timeout_global(Some(body_time(end - first))).build();
        let mut answer = request.call().map_err(io::Error::other)?;
        match answer.status().as_u16() {
            206 => Ok(answer.into_body().into_reader()),
            200 if first == 0 => Ok(answer.into_body().into_reader()),
            code => Err(io::Error::other(refusal(code, &mut answer))),
        }
    }

    /// Removes a file, there or not.
    pub(crate) fn remove(&self, name: Name) -> io::Result<()> {
        let key = self.key(name);
        let url = self.bucket.delete_object(Some(&self.keys), &key).sign(SIGNED);
        let request = self.agent.delete(url.as_str()).config().timeout_global(Some(ASK_MAX)).build();
        let mut answer = request.call().map_err(io::Error::other)?;
        match answer.status().as_u16() {
            200..=299 | 404 => Ok(()),
            code => Err(io::Error::other(refusal(code, &mut answer))),
        }
    }
}

fn body_time(bytes: u64) -> Duration {
    BODY_MIN + Duration::from_secs(bytes / BYTES_A_SECOND_MIN)
}

/// A refusal in the server's words: the code and message of its XML.
fn refusal(code: u16, answer: &mut Response<Body>) -> String {
    let mut text = Vec::new();
    // Without words the code must do.
    let _ = answer.body_mut().as_reader().take(REFUSAL_MAX).read_to_end(&mut text);
    let text = String::from_utf8_lossy(&text);
    let part = |tag: &str| text.split_once(&format!("<{tag}>")).and_then(|(_, rest)| rest.split('<').next());
    format!("S3 answered {code} {}: {}", part("Code").unwrap_or("?"), part("Message").unwrap_or("?"))
}

/// How https is spoken where the server's certificate is by an authority in this PEM file; by one of the web's without a file.
///
/// # Errors
/// The file cannot be read, or no certificate stands in it.
pub fn tls(ca: Option<&Path>) -> io::Result<TlsConfig> {
    let Some(path) = ca else { return Ok(TlsConfig::default()) };
    let pem = fs::read(path)?;
    let certificates = parse_pem(&pem).filter_map(|item| match item {
        Ok(PemItem::Certificate(certificate)) => Some(certificate),
        _ => None,
    });
    let certificates: Vec<Certificate<'static>> = certificates.collect();
    if certificates.is_empty() {
        let why = format!("no certificate stands in {}", path.display());
        return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    }
    Ok(TlsConfig::builder().root_certs(RootCerts::new_with_certs(&certificates)).build())
}
