//! What a keeper tells of itself, under `/tandem/keeper/NODE` in etcd, as long as it lives.

use live::{Etcd, Lease, LiveError};
use serde::{Deserialize, Serialize};

/// Below it stands what keepers tell.
pub const KEEPERS: &str = "/tandem/keeper/";
/// A keeper that tells nothing for so many seconds is gone.
const LIVES_S: u64 = 5;

/// A keeper's word. Fields that are missing are empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Status {
    /// Its node.
    pub node: u16,
    /// What the database must be: `primary`, `replica`, `standby`, `frozen`, `stopped`, `clone`.
    pub role: String,
    /// What its process does: `running`, `silent`, `dead`.
    pub process: String,
    /// It takes writes.
    pub writable: bool,
    /// How many commits it has.
    pub position: u64,
    /// Of the primary: how many commits its replica has stored; 0: it has none.
    pub replica_stored: u64,
    /// It has commits that the primary lacks.
    pub diverged: bool,
    /// The shared address is up here.
    pub address: bool,
}

/// Writes statuses under one lease.
#[derive(Debug, Default)]
pub struct Teller {
    lease: Option<Lease>,
    told: Option<Status>,
}

impl Teller {
    /// Keeps the status alive, and writes it when it changed.
    pub fn tell(&mut self, etcd: &Etcd, status: &Status) -> Result<(), LiveError> {
        let lease = match self.lease {
            Some(lease) if etcd.keep(lease)? => lease,
            _ => {
                self.told = None;
                *self.lease.insert(etcd.grant(LIVES_S)?)
            }
        };
        if self.told.as_ref() != Some(status) {
            let text = serde_json::to_vec(status).expect("a status is plain data");
            etcd.put(&format!("{KEEPERS}{}", status.node), &text, Some(lease))?;
            self.told = Some(status.clone());
        }
        Ok(())
    }
}
