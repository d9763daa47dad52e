//! Where a file is: on this node, among those of peers, in a folder that files go to, in S3; in this order.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::PathBuf;

use crate::bucket::Bucket;
use crate::place::Place;
use crate::{Files, Name};

/// A file that was found.
pub struct Found {
    /// Bytes of it, as far as it is written.
    pub bytes: u64,
    /// Its call is over, and it is whole.
    pub finished: bool,
    /// Where, in words: `here`, `peers`, or the place as it was set.
    pub place: String,
    at: At,
}

enum At {
    Disk(PathBuf),
    Bucket(Box<Bucket>, Name),
}

impl Found {
    /// Its bytes from the first on up to the one before `end`. Blocks.
    pub fn read(&self, first: u64, end: u64) -> io::Result<Box<dyn Read + Send>> {
        match &self.at {
            At::Disk(path) => {
                let mut file = File::open(path)?;
                file.seek(SeekFrom::Start(first))?;
                Ok(Box::new(file.take(end - first)))
            }
            At::Bucket(..) if first == end => Ok(Box::new(io::empty())),
            At::Bucket(bucket, name) => Ok(Box::new(bucket.read(*name, first, end)?.take(end - first))),
        }
    }
}

impl Files {
    /// Looks for a file. Blocks: S3 may be asked. `None` also while a place that may have it does not answer, which is logged.
    pub fn find(&self, name: Name) -> Option<Found> {
        self.find_here(name).or_else(|| self.find_elsewhere(name))
    }

    /// Looks on this machine's disks alone, but for the folders that files go to: these may be another's.
    pub fn find_here(&self, name: Name) -> Option<Found> {
        let data = &self.inner.data;
        let (whole, part) = (data.join(name.to_string()), data.join(format!("{name}.part")));
        let peers = self.inner.settings.peers_folder(data).join(name.to_string());
        [(whole, true, "here"), (part, false, "here"), (peers, true, "peers")]
            .into_iter()
            .find_map(|(path, finished, place)| on_disk(path, finished, place))
    }

    fn find_elsewhere(&self, name: Name) -> Option<Found> {
        let folders = self.inner.settings.to.iter().filter_map(|place| match place {
            Place::Folder(folder) => Some((folder.join(name.to_string()), place.to_string())),
            _ => None,
        });
        folders.into_iter().find_map(|(path, place)| on_disk(path, true, &place)).or_else(|| self.find_in_bucket(name))
    }

    fn find_in_bucket(&self, name: Name) -> Option<Found> {
        self.inner.bucket.iter().find_map(|bucket| match bucket.bytes(name) {
            Ok(bytes) => {
                let at = At::Bucket(Box::new(bucket.clone()), name);
                bytes.map(|bytes| Found { bytes, finished: true, place: "s3".to_owned(), at })
            }
            Err(error) => {
                tracing::warn!(%error, file = %name, "S3 cannot be asked for a file");
                None
            }
        })
    }

    /// Removes a file wherever this node can: here, among those of peers, in folders that files go to, in S3. At other nodes a copy by
    /// rsync stays until that node's bounds remove it. Blocks. The answer: whether there was one on a disk.
    pub fn remove(&self, name: Name) -> io::Result<bool> {
        let settings = &self.inner.settings;
        let folders = settings.to.iter().filter_map(|place| match place {
            Place::Folder(folder) => Some(folder.clone()),
            _ => None,
        });
        let mut there = false;
        for folder in [self.inner.data.clone(), settings.peers_folder(&self.inner.data)].into_iter().chain(folders) {
            match fs::remove_file(folder.join(name.to_string())) {
                Ok(()) => there = true,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        for bucket in &self.inner.bucket {
            bucket.remove(name)?;
        }
        Ok(there)
    }
}

fn on_disk(path: PathBuf, finished: bool, place: &str) -> Option<Found> {
    let known = fs::metadata(&path).ok().filter(fs::Metadata::is_file)?;
    Some(Found { bytes: known.len(), finished, place: place.to_owned(), at: At::Disk(path) })
}
