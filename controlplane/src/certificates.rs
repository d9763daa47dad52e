//! Certificates of those who sign for callers (RFC 8226): fetched from where a call says, believed if an authority of the operator's
//! signed them, remembered as long as their server allows.

mod chain;

use std::collections::{HashMap, HashSet};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use panel::wire::{Certificate, CertificateKey};
use tokio::sync::mpsc;

use crate::posts::{Posts, Room};

pub use chain::{Authorities, Unfit};

/// How long a fetch may take, name and connection included. Calls wait for two seconds; what comes later serves those that follow.
const FETCH_MAX: Duration = Duration::from_secs(5);
/// Bytes of certificates at one address at most.
const BYTES_MAX: u64 = 64 << 10;
/// Addresses that are remembered at most; the one that ends first makes room.
const KNOWN_MAX: usize = 1_024;
/// How long a good one is believed where its server says nothing, and at least and at most whatever it says.
const GOOD: [Duration; 3] = [Duration::from_secs(3_600), Duration::from_secs(60), Duration::from_secs(86_400)];
/// How long one that is not accepted is not asked for again.
const REFUSED: Duration = Duration::from_secs(300);
/// The same of one that nobody has.
const UNREACHABLE: Duration = Duration::from_secs(30);

/// Who is believed that signs for callers.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct StirOptions {
    /// Certificates of the authorities whose signers are believed (STI-CA), PEM. It is read again for every certificate that is fetched.
    #[arg(long, value_name = "FILE", env = "TANDEM_STIR_ROOTS")]
    pub stir_roots: Option<PathBuf>,
    /// A private network that certificates of signers may be fetched from, by http too, once for each; by https from public addresses alone
    /// if not given. In TANDEM_STIR_FROM with commas between.
    #[arg(long, value_name = "ADDR[/BITS]", env = "TANDEM_STIR_FROM", value_delimiter = ',')]
    pub stir_from: Vec<String>,
    /// A PEM file with the authorities behind the https servers that certificates of signers come from, where they are none of the web's. It is read
    /// again for every certificate that is fetched.
    #[arg(long, value_name = "FILE", env = "TANDEM_STIR_HTTPS_CA")]
    pub stir_https_ca: Option<PathBuf>,
}

/// Fetches, judges and remembers. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Certificates {
    options: StirOptions,
    posts: Posts,
    known: Arc<Mutex<HashMap<String, Certificate>>>,
    /// Addresses that are being fetched.
    fetching: Arc<Mutex<HashSet<String>>>,
    /// The same by host.
    room: Room,
}

impl Certificates {
    /// Those that these options allow.
    ///
    /// # Errors
    /// A network that is none, or a file without authorities.
    pub fn of(options: &StirOptions) -> Result<Certificates> {
        let posts = Posts::to(&options.stir_from).map_err(anyhow::Error::msg).context("--stir-from")?;
        let posts = posts.named_by("--stir-from");
        if let Some(path) = &options.stir_roots {
            authorities(path)?;
        }
        posts.agent(FETCH_MAX, true, options.stir_https_ca.as_deref()).context("--stir-https-ca")?;
        Ok(Certificates { options: options.clone(), posts, ..Certificates::default() })
    }

    /// Tells what is known of a certificate, after it was fetched if need be. One that is being fetched is not fetched again: what comes of it is told
    /// to whoever asked first, for all. Too many at once are not begun, which is told at once, and holds for no later question.
    pub fn fetch(&self, x5u: String, tell: mpsc::Sender<Certificate>) {
        let mut known = self.remembered(&x5u);
        let host = x5u.split('/').nth(2).unwrap_or_default().to_owned();
        if known.is_none() {
            let mut fetching = self.fetching.lock().unwrap_or_else(PoisonError::into_inner);
            if fetching.contains(&x5u) {
                return;
            }
            if self.room.plan().has_room(&host) {
                fetching.insert(x5u.clone());
                self.room.begin(&host);
            } else {
                tracing::debug!(x5u, "too many certificates are being fetched");
                known = Some(Certificate { x5u: x5u.clone(), key: CertificateKey::Unreachable, until: 0 });
            }
        }
        let own = self.clone();
        tokio::spawn(async move {
            let certificate = match known {
                Some(known) => known,
                None => {
                    let certificate = own.fetched(x5u).await;
                    own.fetching.lock().unwrap_or_else(PoisonError::into_inner).remove(&certificate.x5u);
                    own.room.end(&host);
                    certificate
                }
            };
            // A connection that has gone took its data plane along.
            let _ = tell.send(certificate).await;
        });
    }

    fn remembered(&self, x5u: &str) -> Option<Certificate> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(x5u).filter(|known| micros(SystemTime::now()) < known.until).cloned()
    }

    async fn fetched(&self, x5u: String) -> Certificate {
        let (posts, options, url) = (self.posts.clone(), self.options.clone(), x5u.clone());
        let judged = tokio::task::spawn_blocking(move || judge(&posts, &options, &url)).await;
        let now = SystemTime::now();
        let (key, until) = match judged {
            Ok(Ok(good)) => (CertificateKey::Good { point: good.point }, good.until),
            Ok(Err(Unfit::Refused(why))) => {
                tracing::warn!(x5u, why, "a certificate that signs for callers is not accepted");
                (CertificateKey::Refused, now + REFUSED)
            }
            Ok(Err(Unfit::Unreachable(why))) => {
                tracing::warn!(x5u, why, "a certificate that signs for callers cannot be had");
                (CertificateKey::Unreachable, now + UNREACHABLE)
            }
            Err(flaw) => {
                tracing::error!(x5u, %flaw, "the look at a certificate broke off");
                (CertificateKey::Unreachable, now + UNREACHABLE)
            }
        };
        let certificate = Certificate { x5u, key, until: micros(until) };
        self.remember(&certificate);
        certificate
    }

    fn remember(&self, certificate: &Certificate) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let now = micros(SystemTime::now());
        known.retain(|_, known| now < known.until);
        let first = known.values().min_by_key(|known| known.until).filter(|_| known.len() >= KNOWN_MAX);
        if let Some(first) = first.map(|first| first.x5u.clone()) {
            known.remove(&first);
        }
        known.insert(certificate.x5u.clone(), certificate.clone());
    }
}

/// A certificate that is believed.
struct Good {
    /// Its public key as 130 hexadecimal digits.
    point: String,
    /// How long.
    until: SystemTime,
}

fn judge(posts: &Posts, options: &StirOptions, url: &str) -> Result<Good, Unfit> {
    let Some(roots) = &options.stir_roots else {
        return Err(Unfit::Unreachable("--stir-roots names no authorities".into()));
    };
    let authorities = authorities(roots).map_err(|error| Unfit::Unreachable(format!("{error:#}")))?;
    let (pem, age) = get(posts, options.stir_https_ca.as_deref(), url).map_err(Unfit::Unreachable)?;
    let now = SystemTime::now();
    let leaf = authorities.believe(&pem, now)?;
    let [usual, least, most] = GOOD;
    let until = now + age.unwrap_or(usual).clamp(least, most);
    Ok(Good { point: leaf.point, until: until.min(leaf.until) })
}

/// What is there, and how long its server lets it be kept (RFC 9111 §5.2.2.1).
fn get(posts: &Posts, ca: Option<&Path>, url: &str) -> Result<(Vec<u8>, Option<Duration>), String> {
    let secure = url.starts_with("https://");
    if !secure && !url.starts_with("http://") {
        return Err("it is at no https address".into());
    }
    let agent = posts.agent(FETCH_MAX, !secure, ca).map_err(|flaw| format!("--stir-https-ca: {flaw}"))?;
    let said = agent.get(url).call();
    let mut answer = said.map_err(|flaw| flaw.to_string())?;
    // A redirection is not followed: where it leads, nobody signed.
    if answer.status().as_u16() != 200 {
        return Err(format!("it was answered with {}", answer.status().as_u16()));
    }
    let control = answer.headers().get("cache-control").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut words = control.split(',').map(str::trim);
    let age = words.find_map(|word| word.strip_prefix("max-age=")?.parse().ok()).map(Duration::from_secs);
    let mut bytes = Vec::new();
    let body = answer.body_mut().as_reader();
    let length = body.take(BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|flaw| flaw.to_string())?;
    if length as u64 > BYTES_MAX { Err(format!("it has more than {BYTES_MAX} bytes")) } else { Ok((bytes, age)) }
}

fn authorities(path: &Path) -> Result<Authorities> {
    let pem = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    Authorities::read(&pem).with_context(|| format!("--stir-roots: {}", path.display()))
}

fn micros(at: SystemTime) -> i64 {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_addresses_keep_nobody_else_s_out() {
        let (all, now) = (Certificates::default(), micros(SystemTime::now()));
        let known = |name: String, minutes: i64| {
            let x5u = format!("https://{name}");
            Certificate { x5u, key: CertificateKey::Refused, until: now + minutes * 60_000_000 }
        };
        for place in 0..KNOWN_MAX as i64 {
            all.remember(&known(place.to_string(), 60 + place));
        }
        all.remember(&known("good".into(), 5_000));
        let has = |name: &str| all.remembered(&format!("https://{name}")).is_some();
        assert_eq!((has("0"), has("1"), has("good")), (false, true, true), "the one that ends first made room");
        assert_eq!(all.known.lock().expect("nobody panics with it").len(), KNOWN_MAX);
    }
}
