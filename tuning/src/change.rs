//! What can be changed on a host, how it is read, how it is set.

use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::ethtool::{self, Part};
use crate::host::Host;

/// How files of ours begin; no other file is ever replaced or removed.
pub const OURS: &str = "# Written by tandem-tune; `tandem-tune revert` takes it away.";

/// How long the link of a card that restarts is waited for.
const LINK_PATIENCE: Duration = Duration::from_secs(10);
/// Between two looks at it.
const LINK_LOOK: Duration = Duration::from_millis(20);

/// Something that has a value, by a name that lasts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Target {
    /// A file of /proc or /sys that holds one value; its path without the first slash.
    Kernel(String),
    /// What `ethtool` shows and sets of a network card.
    Nic {
        /// The card.
        nic: String,
        /// The page.
        part: Part,
        /// The row.
        name: String,
    },
    /// A whole file of ours; its path without the first slash.
    File(String),
}

/// When a change takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum When {
    /// At once.
    Now,
    /// At the next login or start of the service: only `persist` makes it.
    NextStart,
}

/// One value that should be another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Where.
    pub target: Target,
    /// What is there; `None` for a file that is missing.
    pub before: Option<String>,
    /// What should be there.
    pub after: String,
    /// When it takes effect.
    pub when: When,
    /// The network card that it touches.
    pub nic: Option<String>,
    /// What may go wrong meanwhile.
    pub risk: &'static str,
}

impl Change {
    /// A value of /proc/sys or /sys.
    pub fn kernel(host: &Host, path: &str, after: impl ToString) -> Change {
        Change {
            target: Target::Kernel(path.to_owned()),
            before: host.read(path).map(|text| plain(&text)),
            after: after.to_string(),
            when: When::Now,
            nic: None,
            risk: "none",
        }
    }

    /// A value of /proc or /sys that belongs to a network card.
    pub fn of_nic(host: &Host, nic: &str, path: &str, after: impl ToString) -> Change {
        Change { nic: Some(nic.to_owned()), risk: "packets may change order", ..Change::kernel(host, path, after) }
    }

    /// A row of `ethtool`.
    pub fn card(nic: &str, part: Part, name: &str, before: &str, after: impl ToString) -> Change {
        let risk = match part {
            Part::Rings | Part::Queues | Part::Pause => "the card restarts: up to seconds without packets",
            Part::Hash | Part::Feature | Part::Coalesce => "packets may change order",
        };
        Change {
            target: Target::Nic { nic: nic.to_owned(), part, name: name.to_owned() },
            before: Some(before.to_owned()),
            after: after.to_string(),
            when: When::Now,
            nic: Some(nic.to_owned()),
            risk,
        }
    }

    /// A file of ours with this text below its heading.
    pub fn file(host: &Host, path: &str, text: &str) -> Change {
        Change {
            target: Target::File(path.to_owned()),
            before: host.read(path),
            after: format!("{OURS}\n{}", text.trim_end()),
            when: When::NextStart,
            nic: None,
            risk: "none",
        }
    }
}

impl Target {
    /// The value; `None` where there is none.
    pub fn value(&self, host: &Host) -> Option<String> {
        match self {
            Target::Kernel(path) => host.read(path).map(|text| plain(&text)),
            Target::File(path) => host.read(path),
            Target::Nic { nic, part, name } => ethtool::get(host, nic, *part, name).ok(),
        }
    }

    /// Whether what it belongs to is there at all.
    pub fn exists(&self, host: &Host) -> bool {
        match self {
            Target::Kernel(path) => host.exists(path),
            // In a network namespace /sys may still show the cards of another.
            Target::Nic { nic, .. } => host.exists(&format!("sys/class/net/{nic}")) || self.value(host).is_some(),
            Target::File(_) => true,
        }
    }

    /// The card that it belongs to, where its name tells.
    pub fn nic(&self) -> Option<&str> {
        match self {
            Target::Nic { nic, .. } => Some(nic),
            Target::Kernel(path) => path.strip_prefix("sys/class/net/")?.split('/').next(),
            Target::File(_) => None,
        }
    }

    /// Sets it; `None` removes a file.
    pub fn set(&self, host: &Host, value: Option<&str>) -> Result<(), String> {
        match (self, value) {
            (Target::Kernel(path), Some(value)) => {
                // Created never: a file that the kernel does not have is not known here.
                let file = std::fs::OpenOptions::new().write(true).truncate(true).open(host.path(path));
                // With the line's end, because nothing written changes nothing: so an empty list can be put back.
                file.and_then(|mut file| file.write_all(format!("{value}\n").as_bytes()))
                    .map_err(|flaw| format!("/{path}: {flaw}"))
            }
            (Target::Nic { nic, part, name }, Some(value)) => {
                host.forget_answers();
                let linked = linked(host, nic);
                host.ask("ethtool", &ethtool::words(nic, *part, name, value))?;
                let began = Instant::now();
                // Once its link is back a card settles pause frames by what it had offered: what was set meanwhile would be lost.
                while linked && !self::linked(host, nic) && began.elapsed() < LINK_PATIENCE {
                    std::thread::sleep(LINK_LOOK);
                }
                Ok(())
            }
            (Target::File(path), value) => replace(&host.path(path), value).map_err(|flaw| format!("/{path}: {flaw}")),
            (_, None) => Err(format!("{self} had no value before")),
        }
    }

    /// The line of a shell script that sets it.
    pub fn script(&self, value: &str) -> String {
        match self {
            Target::Kernel(path) => format!("printf '%s\\n' {} > /{path}", quoted(value)),
            Target::Nic { nic, part, name } => {
                let words = ethtool::words(nic, *part, name, value);
                format!("ethtool {}", words.into_iter().map(quoted).collect::<Vec<_>>().join(" "))
            }
            Target::File(path) => format!("printf '%s\\n' {} > /{path}", quoted(value)),
        }
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, out: &mut std::fmt::Formatter) -> std::fmt::Result {
        match self {
            Target::Kernel(path) | Target::File(path) => write!(out, "/{path}"),
            Target::Nic { nic, part, name } => {
                let part = format!("{part:?}").to_lowercase();
                write!(out, "ethtool {nic} {part} {name}")
            }
        }
    }
}

/// Whether the card's link is up; no where nobody tells.
fn linked(host: &Host, nic: &str) -> bool {
    host.number(&format!("sys/class/net/{nic}/carrier")) == Some(1)
}

/// A kernel's value as it is compared and written: single blanks, and of `a [b] c` the chosen word.
pub fn plain(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let chosen = words.iter().find_map(|word| word.strip_prefix('[')?.strip_suffix(']'));
    chosen.map_or_else(|| words.join(" "), str::to_owned)
}

/// A file of ours is there whole or not at all; somebody else's is refused.
fn replace(path: &Path, text: Option<&str>) -> std::io::Result<()> {
    if std::fs::read_to_string(path).is_ok_and(|there| !there.starts_with(OURS)) {
        return Err(std::io::Error::other("somebody else's file is there"));
    }
    let Some(text) = text else { return std::fs::remove_file(path) };
    let folder = path.parent().unwrap_or(Path::new("/"));
    std::fs::create_dir_all(folder)?;
    let beside = path.with_extension("tandem-tune-part");
    let mut file = std::fs::File::create(&beside)?;
    writeln!(file, "{text}")?;
    file.sync_all()?;
    std::fs::rename(&beside, path)?;
    std::fs::File::open(folder)?.sync_all()
}

fn quoted(word: &str) -> String {
    let simple = word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-/,:".contains(&byte));
    if simple && !word.is_empty() { word.to_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}
