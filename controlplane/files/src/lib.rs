//! Finished recordings and captures leave the node: to a folder, to peers by rsync, to a bucket of S3; and are found there again.
//!
//! Each place has a thread of its own and a list of what it holds ([`ledger`]), so one that is away delays nobody, and a restart copies
//! nothing twice. Calls never meet any of it: the data plane has closed a file before it is looked at.

mod bucket;
mod copy;
mod find;
mod ledger;
mod place;
mod rsync;
mod stop;
mod sweep;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use units::CallId;

use crate::bucket::Bucket;
use crate::copy::Copier;
use crate::ledger::Ledger;
use crate::stop::Stop;

pub use crate::bucket::tls;
pub use crate::find::Found;
pub use crate::place::{Place, Unreadable};

/// Places that files go to at most.
pub const PLACES_MAX: usize = 8;
/// How long a thread may take to notice that all ends.
const END_MAX: Duration = Duration::from_secs(3);

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// How a call sounded, `recordings/CALL.wav`.
    Recording,
    /// Its packets, `captures/CALL.pcapng`.
    Capture,
}

impl Kind {
    /// Both.
    pub const ALL: [Kind; 2] = [Kind::Recording, Kind::Capture];

    /// The folder that they stand in, here and at every place.
    pub const fn folder(self) -> &'static str {
        match self {
            Kind::Recording => "recordings",
            Kind::Capture => "captures",
        }
    }

    const fn extension(self) -> &'static str {
        match self {
            Kind::Recording => "wav",
            Kind::Capture => "pcapng",
        }
    }
}

/// A finished file. It is called the same everywhere: `recordings/CALL.wav`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    /// What it is.
    pub kind: Kind,
    /// Whose.
    pub call: CallId,
}

impl Name {
    /// The name of a folder's entry; `None` for what is not ours or not finished.
    pub fn read(kind: Kind, entry: &str) -> Option<Name> {
        let (call, extension) = entry.split_once('.')?;
        let name = Name { kind, call: CallId::parse(call)? };
        // Capital digits would be a second name of the same call.
        (extension == kind.extension() && call == name.call.to_string()).then_some(name)
    }

    fn parse(text: &str) -> Option<Name> {
        let (folder, entry) = text.split_once('/')?;
        Name::read(Kind::ALL.into_iter().find(|kind| kind.folder() == folder)?, entry)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}.{}", self.kind.folder(), self.call, self.kind.extension())
    }
}

/// What goes where, and how.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// The places; none: files stay where they are.
    pub to: Vec<Place>,
    /// Where other nodes' files come in; `peers` in the data folder if `None`.
    pub peers: Option<PathBuf>,
    /// Days after which files of peers are removed from there; never if `None`.
    pub peers_days: Option<u32>,
    /// Days after which a file that every place holds is removed here, 0 for at once; left to the data plane's bounds if `None`.
    pub keep_days: Option<u32>,
    /// Kilobytes a second that rsync may use, each place by itself; no bound if `None`.
    pub rsync_kbps: Option<u32>,
    /// A file with the password that rsync daemons ask for.
    pub rsync_secret: Option<PathBuf>,
    /// A file for the option `-F` of ssh: ports, users, keys and known hosts of peers; the user's own if `None`.
    pub ssh_file: Option<PathBuf>,
    /// The S3 server, `https://HOST[:PORT]`; Amazon's of the region if `None`.
    pub s3_address: Option<String>,
    /// The region that requests are signed for.
    pub s3_region: String,
    /// A PEM file with the authority behind the server's certificate, where it is none of the web's.
    pub s3_ca: Option<PathBuf>,
    /// Access key and secret.
    pub s3_keys: Option<[String; 2]>,
    /// How often folders are looked at.
    #[serde(skip)]
    pub look: Duration,
    /// The first pause after a place did not answer; doubled up to `pause_max`.
    #[serde(skip)]
    pub pause: Duration,
    /// The longest.
    #[serde(skip)]
    pub pause_max: Duration,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            to: Vec::new(),
            peers: None,
            peers_days: Some(30),
            keep_days: None,
            rsync_kbps: None,
            rsync_secret: None,
            ssh_file: None,
            s3_address: None,
            s3_region: "us-east-1".to_owned(),
            s3_ca: None,
            s3_keys: None,
            look: Duration::from_secs(2),
            pause: Duration::from_secs(1),
            pause_max: Duration::from_secs(300),
        }
    }
}

impl Settings {
    fn peers_folder(&self, data: &Path) -> PathBuf {
        self.peers.clone().unwrap_or_else(|| data.join("peers"))
    }
}

/// How copying to one place goes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// The place, as it was set.
    pub to: String,
    /// Files copied since the program's start, and their bytes.
    pub copied: u64,
    /// Bytes of them.
    pub copied_bytes: u64,
    /// Tries that failed since then.
    pub failed: u64,
    /// Files that were removed here before they were copied, since then.
    pub lost: u64,
    /// Files that wait.
    pub waiting: u64,
    /// Bytes of them.
    pub waiting_bytes: u64,
    /// When the oldest of them was finished, in microseconds since 1970.
    pub oldest_us: Option<i64>,
    /// When the place last took something, in microseconds since 1970.
    pub reached_us: Option<i64>,
    /// Why the last try failed; empty if it did not.
    pub problem: String,
}

/// The files of a node and what becomes of them. Cheap to clone.
#[derive(Clone)]
pub struct Files {
    inner: Arc<Inner>,
}

struct Inner {
    data: PathBuf,
    settings: Settings,
    bucket: Vec<Bucket>,
    states: Vec<Arc<Mutex<State>>>,
    stop: Arc<Stop>,
}

impl fmt::Debug for Files {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Files({})", self.inner.data.display())
    }
}

impl Files {
    /// Finds files, of this node and of others, and copies nothing.
    pub fn reader(data: &Path, settings: Settings) -> io::Result<Files> {
        let buckets = settings.to.iter().filter_map(|place| match place {
            Place::Bucket { bucket, prefix } => Some(Bucket::new(&settings, bucket, prefix)),
            _ => None,
        });
        let bucket = buckets.collect::<io::Result<Vec<Bucket>>>()?;
        let states = settings.to.iter().map(|place| State { to: place.to_string(), ..State::default() });
        let states = states.map(|state| Arc::new(Mutex::new(state))).collect();
        Ok(Files { inner: Arc::new(Inner { data: data.to_owned(), settings, bucket, states, stop: Arc::default() }) })
    }

    /// Copies from here on, until [`Files::stop`].
    pub fn start(data: &Path, settings: Settings) -> io::Result<Files> {
        let files = Files::reader(data, settings)?;
        let Inner { settings, states, stop, bucket, .. } = &*files.inner;
        let mut buckets = bucket.iter();
        let mut ledgers = Vec::new();
        for (place, state) in settings.to.iter().zip(states) {
            let bucket = if matches!(place, Place::Bucket { .. }) { buckets.next().cloned() } else { None };
            let ledger = Arc::new(Mutex::new(Ledger::open(data, place)?));
            ledgers.push(Arc::clone(&ledger));
            let copier = Copier::new(data, settings, place.clone(), bucket, ledger, Arc::clone(state));
            let stop = Arc::clone(stop);
            thread::Builder::new().name("files".to_owned()).spawn(move || copier.run(&stop))?;
        }
        let (data, settings, stop) = (data.to_owned(), settings.clone(), Arc::clone(stop));
        thread::Builder::new().name("files-sweep".to_owned()).spawn(move || {
            sweep::run(&data, &settings, &ledgers, &stop);
        })?;
        Ok(files)
    }

    /// How copying goes, place by place.
    pub fn states(&self) -> Vec<State> {
        let read = |state: &Arc<Mutex<State>>| state.lock().unwrap_or_else(PoisonError::into_inner).clone();
        self.inner.states.iter().map(read).collect()
    }

    /// Ends copying. What was under way is copied again by the next start.
    pub fn stop(&self) {
        self.inner.stop.order(END_MAX);
    }
}

/// Microseconds since 1970.
fn micros(at: SystemTime) -> i64 {
    i64::try_from(at.duration_since(UNIX_EPOCH).unwrap_or_default().as_micros()).unwrap_or(i64::MAX)
}
