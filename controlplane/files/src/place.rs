//! Where files go: read from an operator's word.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Bytes of a ledger's name at most: what file systems allow, with room for an ending.
const LEDGER_BYTES_MAX: usize = 240;

/// One place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Place {
    /// A folder of this machine, which may be another's disk (NFS).
    Folder(PathBuf),
    /// What `rsync` takes: `rsync://HOST[:PORT]/MODULE[/PATH]`, or `[USER@]HOST:PATH` over ssh.
    Peer(String),
    /// A bucket of S3.
    Bucket {
        /// Its name.
        bucket: String,
        /// What keys begin with, without a slash at its ends; may be empty.
        prefix: String,
    },
}

/// A word that names no place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable(String);

impl fmt::Display for Unreadable {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wanted = "/FOLDER, rsync://HOST/MODULE[/PATH], [USER@]HOST:PATH or s3://BUCKET[/PREFIX]";
        write!(out, "{:?} names no place; wanted: {wanted}", self.0)
    }
}

impl std::error::Error for Unreadable {}

impl FromStr for Place {
    type Err = Unreadable;

    fn from_str(text: &str) -> Result<Place, Unreadable> {
        let place = read(text.trim()).filter(|place| place.ledger().len() <= LEDGER_BYTES_MAX);
        place.ok_or_else(|| Unreadable(text.to_owned()))
    }
}

fn read(text: &str) -> Option<Place> {
    // It becomes an argument of a program and a part of an address.
    if text.bytes().any(|byte| byte.is_ascii_control() || byte == b' ') || text.starts_with('-') {
        return None;
    }
    if let Some(rest) = text.strip_prefix("s3://") {
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let prefix = prefix.trim_matches('/');
        let plain = |part: &str| !part.is_empty() && part != "." && part != "..";
        let sound = bucket.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b)) && plain(bucket);
        let sound = sound && (prefix.is_empty() || prefix.split('/').all(plain));
        return sound.then(|| Place::Bucket { bucket: bucket.to_owned(), prefix: prefix.to_owned() });
    }
    if text.starts_with('/') {
        return Some(Place::Folder(PathBuf::from(text)));
    }
    if let Some(rest) = text.strip_prefix("rsync://") {
        let (host, module) = rest.split_once('/')?;
        return (!host.is_empty() && !module.is_empty()).then(|| Place::Peer(text.to_owned()));
    }
    // A colon within brackets belongs to the address.
    let after_host = text.rfind(']').map_or(0, |end| end + 1);
    let colon = after_host + text[after_host..].find(':')?;
    let (host, path) = (&text[..colon], &text[colon + 1..]);
    let sound = !host.is_empty() && !host.contains('/') && !path.is_empty() && !path.starts_with([':', '/', '-']);
    let sound = sound || (path.starts_with('/') && !path.starts_with("//") && !host.is_empty() && !host.contains('/'));
    sound.then(|| Place::Peer(text.to_owned()))
}

impl Place {
    /// The name of the list of what the place holds; another place has another.
    pub(crate) fn ledger(&self) -> String {
        let mut name = String::new();
        for byte in self.to_string().bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' => name.push(char::from(byte)),
                other => name.push_str(&format!("_{other:02x}")),
            }
        }
        name
    }
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Folder(path) => write!(out, "{}", path.display()),
            Place::Peer(text) => out.write_str(text),
            Place::Bucket { bucket, prefix } if prefix.is_empty() => write!(out, "s3://{bucket}"),
            Place::Bucket { bucket, prefix } => write!(out, "s3://{bucket}/{prefix}"),
        }
    }
}

impl TryFrom<String> for Place {
    type Error = Unreadable;

    fn try_from(text: String) -> Result<Place, Unreadable> {
        text.parse()
    }
}

impl From<Place> for String {
    fn from(place: Place) -> String {
        place.to_string()
    }
}
