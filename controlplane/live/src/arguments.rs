//! How a program is told where etcd is.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use crate::etcd::{Etcd, LiveError, Members};

/// Where etcd is and who asks.
#[derive(Clone, Debug, Default, Args)]
pub struct EtcdArguments {
    /// Members of the etcd by which nodes know each other, such as https://10.0.0.1:2379. None: this node knows of no other.
    #[arg(long, value_name = "URL,…", value_delimiter = ',')]
    pub etcd: Vec<String>,
    /// A file with USER:PASSWORD, where etcd asks for that.
    #[arg(long, value_name = "FILE", requires = "etcd")]
    pub etcd_login: Option<PathBuf>,
    /// Who signed the members' certificates (PEM); those that sign for the web if not given.
    #[arg(long, value_name = "FILE", requires = "etcd")]
    pub etcd_ca: Option<PathBuf>,
    /// Our certificate (PEM), where members ask for one.
    #[arg(long, value_name = "FILE", requires = "etcd_key")]
    pub etcd_certificate: Option<PathBuf>,
    /// Its key (PEM).
    #[arg(long, value_name = "FILE", requires = "etcd_certificate")]
    pub etcd_key: Option<PathBuf>,
}

impl EtcdArguments {
    /// The same for the command line of another program of ours.
    pub fn words(&self) -> Vec<(&'static str, String)> {
        let file = |name, file: &Option<PathBuf>| file.as_ref().map(|file| (name, file.display().to_string()));
        let members = (!self.etcd.is_empty()).then(|| ("--etcd", self.etcd.join(",")));
        let files = [
            file("--etcd-login", &self.etcd_login),
            file("--etcd-ca", &self.etcd_ca),
            file("--etcd-certificate", &self.etcd_certificate),
            file("--etcd-key", &self.etcd_key),
        ];
        members.into_iter().chain(files.into_iter().flatten()).collect()
    }

    /// The way to etcd, on which one answer may take so long; `None` if no member is named. Asks nobody yet.
    pub fn open(&self, patience: Duration) -> Result<Option<Arc<Etcd>>, LiveError> {
        if self.etcd.is_empty() {
            return Ok(None);
        }
        let user = self.etcd_login.as_ref().map(|file| {
            let flaw = |why: &str| LiveError::Settings(format!("{}: {why}", file.display()));
            let text = std::fs::read_to_string(file).map_err(|error| flaw(&error.to_string()))?;
            let (user, password) = text.trim().split_once(':').ok_or_else(|| flaw("USER:PASSWORD is wanted"))?;
            Ok((user.to_owned(), password.to_owned()))
        });
        let members = Members {
            urls: self.etcd.clone(),
            user: user.transpose()?,
            ca: self.etcd_ca.clone(),
            certificate: self.etcd_certificate.clone().zip(self.etcd_key.clone()),
            patience,
        };
        Ok(Some(Arc::new(Etcd::new(members)?)))
    }
}
