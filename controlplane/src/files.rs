//! Where finished recordings and captures go: the program's options, and what the command line reads of them.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use files::{Files, PLACES_MAX, Place, Settings, State};

use crate::disk::replace;
use crate::folder::{Folder, write_secret};

/// How often the command line's view is written.
const TELL: Duration = Duration::from_secs(2);

/// What goes where.
#[derive(Clone, Debug, Default, Args)]
pub struct FilesOptions {
    /// Where finished recordings and captures are copied to, 8 at most: /FOLDER, rsync://HOST/MODULE[/PATH], [USER@]HOST:PATH (rsync
    /// over ssh) or s3://BUCKET[/PREFIX]. They stay here alone if not given.
    #[arg(long, value_name = "PLACE", env = "TANDEM_FILES_TO", value_delimiter = ',')]
    pub files_to: Vec<Place>,
    /// Days after which a file that every place holds is removed here, 0 for at once; left to --recording-days and its like if not given.
    #[arg(long, value_name = "DAYS", env = "TANDEM_FILES_KEEP_DAYS", value_parser = clap::value_parser!(u32).range(..=3_650))]
    pub files_keep_days: Option<u32>,
    /// Where other nodes' files come in by rsync, and are found by this one; `peers` in the data folder if not given.
    #[arg(long, value_name = "DIR", env = "TANDEM_FILES_PEERS")]
    pub files_peers: Option<PathBuf>,
    /// Days after which other nodes' files are removed from there.
    #[arg(long, value_name = "DAYS", env = "TANDEM_FILES_PEERS_DAYS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=3_650))]
    pub files_peers_days: u32,
    /// Kilobytes a second that rsync may use for each place.
    #[arg(long, value_name = "KB", env = "TANDEM_FILES_KBPS", value_parser = clap::value_parser!(u32).range(1..))]
    pub files_kbps: Option<u32>,
    /// A file with the password of rsync daemons, readable by its owner alone.
    #[arg(long, value_name = "FILE", env = "TANDEM_FILES_RSYNC_SECRET")]
    pub files_rsync_secret: Option<PathBuf>,
    /// A file for the option -F of ssh, with ports, users, keys and known hosts of peers; the user's own if not given.
    #[arg(long, value_name = "FILE", env = "TANDEM_FILES_SSH")]
    pub files_ssh: Option<PathBuf>,
    /// The S3 server, http[s]://HOST[:PORT]; Amazon's of the region if not given.
    #[arg(long, value_name = "URL", env = "TANDEM_S3_ADDRESS")]
    pub s3_address: Option<String>,
    /// The region that requests to S3 are signed for.
    #[arg(long, value_name = "REGION", env = "TANDEM_S3_REGION", default_value = "us-east-1")]
    pub s3_region: String,
    /// A PEM file with the authority behind that server's certificate, where it is none of the web's.
    #[arg(long, value_name = "FILE", env = "TANDEM_S3_CA")]
    pub s3_ca: Option<PathBuf>,
    /// A file with S3's access key in its first line and the secret in its second; the environment's AWS_ACCESS_KEY_ID and
    /// AWS_SECRET_ACCESS_KEY if not given.
    #[arg(long, value_name = "FILE", env = "TANDEM_S3_KEYS")]
    pub s3_keys: Option<PathBuf>,
}

impl FilesOptions {
    fn settings(&self) -> Result<Settings> {
        anyhow::ensure!(self.files_to.len() <= PLACES_MAX, "--files-to: {PLACES_MAX} places at most");
        let needs_keys = self.files_to.iter().any(|place| matches!(place, Place::Bucket { .. }));
        Ok(Settings {
            to: self.files_to.clone(),
            peers: self.files_peers.clone(),
            peers_days: Some(self.files_peers_days),
            keep_days: self.files_keep_days,
            rsync_kbps: self.files_kbps,
            rsync_secret: self.files_rsync_secret.clone(),
            ssh_file: self.files_ssh.clone(),
            s3_address: self.s3_address.clone(),
            s3_region: self.s3_region.clone(),
            s3_ca: self.s3_ca.clone(),
            s3_keys: if needs_keys { Some(self.keys()?) } else { None },
            ..Settings::default()
        })
    }

    fn keys(&self) -> Result<[String; 2]> {
        let Some(path) = &self.s3_keys else {
            let of = |name: &str| std::env::var(name).with_context(|| format!("{name} is not set, nor --s3-keys"));
            return Ok([of("AWS_ACCESS_KEY_ID")?, of("AWS_SECRET_ACCESS_KEY")?]);
        };
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let mut lines = text.lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty());
        let both = lines.next().zip(lines.next()).map(|(key, secret)| [key, secret]);
        both.with_context(|| format!("{} wants the access key in one line and the secret in the next", path.display()))
    }
}

/// Copies from here on, and keeps the command line told.
pub fn start(folder: &Folder, options: &FilesOptions) -> Result<Files> {
    let settings = options.settings()?;
    let text = serde_json::to_string(&settings)?;
    write_secret(&folder.files(), &text).context("cannot write run/files")?;
    let files = Files::start(folder.path(), settings).context("files cannot be copied (--files-to)")?;
    let (told, path) = (files.clone(), folder.files_state());
    tokio::spawn(async move {
        let mut last = None;
        loop {
            let states = told.states();
            if last.as_ref() != Some(&states) {
                let text = serde_json::to_string(&states).unwrap_or_default();
                if let Err(error) = replace(&path, text.as_bytes()) {
                    tracing::debug!(%error, "how copying goes cannot be written down");
                }
                last = Some(states);
            }
            tokio::time::sleep(TELL).await;
        }
    });
    Ok(files)
}

/// Finds the files that the folder's control plane finds, without it.
pub fn reader(folder: &Folder) -> Result<Files> {
    let settings = fs::read_to_string(folder.files()).ok().and_then(|text| serde_json::from_str(&text).ok());
    Files::reader(folder.path(), settings.unwrap_or_default()).context("cannot look for files")
}

/// How copying goes, as the control plane wrote it last.
pub fn states(folder: &Folder) -> Vec<State> {
    let text = fs::read_to_string(folder.files_state()).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}
