//! The data folder as both planes know it.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::disk::replace;

/// Bytes of entropy in a folder's mark.
const MARK_BYTES: usize = 16;

/// The file that a data plane holds while it works in the folder, with its process.
const DATA_LOCK: &str = "run/dataplane.lock";
/// The same of a control plane.
const CONTROL_LOCK: &str = "run/control.lock";

/// A node's data folder.
#[derive(Clone, Debug)]
pub struct Folder {
    path: PathBuf,
}

/// One segment file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SegmentFile {
    /// Which start of the data plane wrote it.
    pub boot: u32,
    /// Which of that start's, from 1.
    pub number: u32,
    /// Where it is.
    pub path: PathBuf,
}

impl Folder {
    /// Makes what is missing of it.
    pub fn open(path: &Path) -> io::Result<Folder> {
        for name in ["run", "snapshots/decks", "journal", "traces", "inbox", "peers"] {
            fs::create_dir_all(path.join(name))?;
        }
        // Children of this program may have another working folder.
        Ok(Folder { path: fs::canonicalize(path)? })
    }

    /// Whether this is a node's data folder, or nothing yet: nobody's files come between somebody else's.
    pub fn may_be(path: &Path) -> bool {
        let known = ["mark", "snapshots", "tandem.sqlite"].iter().any(|name| path.join(name).exists());
        known || fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none())
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the data plane listens.
    pub fn socket(&self) -> PathBuf {
        self.path.join("run/dataplane.sock")
    }

    /// Snapshot files and the name of the current one.
    pub fn snapshots(&self) -> PathBuf {
        self.path.join("snapshots")
    }

    /// The journal's segments.
    pub fn journal(&self) -> PathBuf {
        self.path.join("journal")
    }

    /// Where mail and file servers drop rate sheets, in a folder for each deck.
    pub fn inbox(&self) -> PathBuf {
        self.path.join("inbox")
    }

    /// Captured calls.
    pub fn traces(&self) -> PathBuf {
        self.path.join("traces")
    }

    /// Recorded calls.
    pub fn recordings(&self) -> PathBuf {
        self.path.join("recordings")
    }

    /// The database that is used when no other is named.
    pub fn default_database(&self) -> String {
        format!("sqlite:{}", self.path.join("tandem.sqlite").display())
    }

    /// A token that logs a browser in once; the control plane writes it at its start, for the owner of the folder alone.
    pub fn login(&self) -> PathBuf {
        self.path.join("run/login")
    }

    /// The URL of the database that the control plane works with, for the owner of the folder alone: it may hold a password.
    pub fn database(&self) -> PathBuf {
        self.path.join("run/database")
    }

    /// Where files go, with S3's keys, for the owner of the folder alone.
    pub fn files(&self) -> PathBuf {
        self.path.join("run/files")
    }

    /// How copying files goes, in JSON.
    pub fn files_state(&self) -> PathBuf {
        self.path.join("run/files.json")
    }

    /// Where the search engine is; `null` without one.
    pub fn search(&self) -> PathBuf {
        self.path.join("run/search")
    }

    /// The file that the data plane holds while it works here, with its process.
    pub fn data_lock(&self) -> PathBuf {
        self.path.join(DATA_LOCK)
    }

    /// The same of the control plane.
    pub fn control_lock(&self) -> PathBuf {
        self.path.join(CONTROL_LOCK)
    }

    /// Makes the caller the folder's control plane as long as the value lives; an error while another program is it.
    pub fn own(&self) -> io::Result<fs::File> {
        let mut file =
            fs::OpenOptions::new().create(true).truncate(false).write(true).open(self.path.join(CONTROL_LOCK))?;
        file.try_lock()?;
        // Only for people who find it held: a full disk is nothing to fail for here.
        let _ = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
        Ok(file)
    }

    /// Which program works in the folder, if one does: a plane that outlived whoever started it, or another node's.
    pub fn taken(&self) -> io::Result<Option<String>> {
        for (name, plane) in [(DATA_LOCK, "a data plane"), (CONTROL_LOCK, "a control plane")] {
            let file = match fs::OpenOptions::new().read(true).open(self.path.join(name)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                file => file?,
            };
            if file.try_lock_shared().is_err() {
                let process = io::read_to_string(file).unwrap_or_default();
                return Ok(Some(format!("{plane} (process {})", process.trim())));
            }
        }
        Ok(None)
    }

    /// Makes this the folder that the command line works on when none is named.
    pub fn remember(&self) {
        if let Some(file) = remembered_in() {
            // Only a comfort: without it the folder must be named.
            let _ = file.parent().map(fs::create_dir_all);
            let _ = fs::write(file, self.path.display().to_string());
        }
    }

    /// A random mark that the folder keeps for ever: a database can tell by it that two folders write as the same node.
    pub fn mark(&self) -> io::Result<String> {
        let path = self.path.join("mark");
        match fs::read_to_string(&path) {
            Ok(mark) => Ok(mark.trim().to_owned()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let mark: String =
                    rand::random::<[u8; MARK_BYTES]>().iter().map(|byte| format!("{byte:02x}")).collect();
                replace(&path, format!("{mark}\n").as_bytes())?;
                Ok(mark)
            }
            Err(error) => Err(error),
        }
    }
}

/// The folder of the node that was started last by this user.
pub fn remembered() -> Option<PathBuf> {
    let path = PathBuf::from(fs::read_to_string(remembered_in()?).ok()?.trim());
    path.is_dir().then_some(path)
}

fn remembered_in() -> Option<PathBuf> {
    let state = match std::env::var_os("XDG_STATE_HOME") {
        Some(state) => PathBuf::from(state),
        None => PathBuf::from(std::env::var_os("HOME")?).join(".local/state"),
    };
    Some(state.join("tandem/folder"))
}

/// Writes a file that only its owner may read.
pub fn write_secret(path: &Path, text: &str) -> io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    // Rights count when a file is made, so an older one goes first.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?.write_all(text.as_bytes())
}

/// The segments of a folder, oldest first.
pub fn segments(folder: &Path) -> io::Result<Vec<SegmentFile>> {
    let mut found = Vec::new();
    for file in fs::read_dir(folder)? {
        let path = file?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        let Some((boot, number)) = name.strip_suffix(".seg").and_then(|stem| stem.split_once('-')) else { continue };
        if let (Ok(boot), Ok(number)) = (boot.parse(), number.parse()) {
            found.push(SegmentFile { boot, number, path });
        }
    }
    found.sort();
    Ok(found)
}
