//! The HTTP agent on the way to etcd's members, with certificates as they stand on the disk: renewed ones are used without a restart.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use ureq::Agent;
use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem};

use crate::etcd::{LiveError, Members};

/// Between two looks whether the files were replaced.
const LOOK: Duration = Duration::from_secs(2);

/// A file as it was found: number, length, time of its last change. `None`: it was not there.
type Stamp = Option<(u64, u64, i64, i64)>;

/// See the module.
#[derive(Debug)]
pub(crate) struct Way {
    members: Members,
    now: Mutex<Now>,
}

#[derive(Debug)]
struct Now {
    agent: Agent,
    stamps: Vec<Stamp>,
    looked: Instant,
}

impl Way {
    /// Reads the certificates.
    pub(crate) fn open(members: &Members) -> Result<Way, LiveError> {
        let stamps = stamps(members);
        let now = Now { agent: agent(members)?, stamps, looked: Instant::now() };
        Ok(Way { members: members.clone(), now: Mutex::new(now) })
    }

    /// The HTTP agent to ask with.
    pub(crate) fn agent(&self) -> Agent {
        let mut now = self.now.lock().expect("nobody panics with the agent");
        if now.looked.elapsed() >= LOOK {
            now.looked = Instant::now();
            let stamps = stamps(&self.members);
            if stamps != now.stamps {
                now.stamps = stamps;
                match agent(&self.members) {
                    Ok(agent) => {
                        now.agent = agent;
                        tracing::info!("etcd's certificates were read again");
                    }
                    // Whoever writes them may not be done: the next change is looked at again.
                    Err(error) => {
                        tracing::warn!(error = error.to_string(), "etcd is asked with the certificates of before")
                    }
                }
            }
        }
        now.agent.clone()
    }
}

fn agent(members: &Members) -> Result<Agent, LiveError> {
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .proxy(None)
        .timeout_connect(Some(members.patience / 2))
        .timeout_global(Some(members.patience))
        .tls_config(tls(members)?);
    Ok(config.build().new_agent())
}

fn stamps(members: &Members) -> Vec<Stamp> {
    let (certificate, key) = members.certificate.as_ref().map(|(certificate, key)| (certificate, key)).unzip();
    let files: [Option<&PathBuf>; 3] = [members.ca.as_ref(), certificate, key];
    let stamp = |path: &PathBuf| {
        let found = std::fs::metadata(path).ok()?;
        Some((found.ino(), found.len(), found.mtime(), found.mtime_nsec()))
    };
    files.into_iter().flatten().map(stamp).collect()
}

fn tls(members: &Members) -> Result<TlsConfig, LiveError> {
    let mut config = TlsConfig::builder();
    if let Some(ca) = &members.ca {
        let roots = certificates(ca)?;
        config = config.root_certs(RootCerts::new_with_certs(&roots));
    }
    if let Some((certificate, key)) = &members.certificate {
        let pem = pem_of(key)?;
        let key = PrivateKey::from_pem(&pem).map_err(|error| flaw(key, &error.to_string()))?;
        config = config.client_cert(Some(ClientCert::new_with_certs(&certificates(certificate)?, key)));
    }
    Ok(config.build())
}

fn certificates(path: &Path) -> Result<Vec<Certificate<'static>>, LiveError> {
    let pem = pem_of(path)?;
    let found: Vec<Certificate<'static>> = parse_pem(&pem)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect();
    if found.is_empty() { Err(flaw(path, "no certificate stands there")) } else { Ok(found) }
}

fn pem_of(path: &Path) -> Result<Vec<u8>, LiveError> {
    std::fs::read(path).map_err(|error| flaw(path, &error.to_string()))
}

fn flaw(path: &Path, why: &str) -> LiveError {
    LiveError::Settings(format!("{}: {why}", path.display()))
}
