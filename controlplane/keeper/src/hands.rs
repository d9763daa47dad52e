//! What a keeper acts with: guard, agent and shared address of one database.

use cluster::{Local, Process, Role};
use live::{AddressStatus, DATABASE};
use tokio::sync::watch;
use units::Instant;

use crate::agent::{Seen, Slot, Wanted};
use crate::neighbours::Berth;
use crate::settings::Driver;
use crate::status::Told;

/// What the keeper acts with.
#[derive(Debug)]
pub struct Hands {
    /// The database's process.
    pub slot: Slot,
    /// What the agent is told.
    pub wanted: watch::Sender<Wanted>,
    /// The database's shared address.
    pub berth: Option<Berth>,
    /// It is on this node's interface.
    pub address_up: bool,
    /// Nobody of this cluster had it before.
    pub founds: bool,
    /// Who is told what the database is.
    pub told: Told,
    /// The database is a replica in another data centre.
    pub remote: bool,
}

impl Hands {
    /// What the database says, and whether it said so since it was last told to be something else. Before that nobody may count on it
    /// being frozen, waiting, or receiving no more.
    pub fn known(&self, seen: Seen) -> (Local, bool) {
        let fresh = seen.number == self.wanted.borrow().number;
        let Local { frozen, waits, drained, .. } = seen.local;
        let local = Local { frozen: frozen && fresh, waits: waits && fresh, drained: drained && fresh, ..seen.local };
        (local, fresh)
    }

    /// Lets guard, agent and address be what the role takes, in an order in which nothing takes writes that should not.
    pub fn carry_out(&mut self, role: Role, address: bool, local: &Local, fresh: bool) {
        if !address {
            self.move_address(false);
        }
        if let Some(guard) = self.slot.alive() {
            match role {
                Role::Stopped => guard.kill(),
                // First the guard, then the agent: nothing is promoted that the guard would not kill.
                Role::Primary { until, .. } | Role::Frozen { until, .. } => guard.set_until(Some(until)),
                Role::Standby | Role::Replica(_) | Role::Clone(_) if fresh && !local.writable => guard.set_until(None),
                Role::Standby | Role::Replica(_) | Role::Clone(_) => {}
            }
        }
        self.wanted.send_if_modified(|wanted| {
            let changed = timeless(wanted.role) != timeless(role);
            *wanted = Wanted { role, number: wanted.number + u64::from(changed) };
            if changed {
                tracing::info!(?role, "the database must be");
            }
            changed
        });
        if address {
            self.move_address(true);
        }
    }

    /// Tells the status what the database must be and is.
    pub fn tell(&self, role: Role, here: bool, local: &Local, behind_s: Option<u32>) {
        self.told.database(|status| {
            status.role = word(role, self.remote).to_owned();
            status.process = process(local.process).to_owned();
            (status.writable, status.position, status.diverged) = (local.writable, local.position, local.diverged);
            (status.replica_stored, status.behind_s) = (local.replica.stored, behind_s);
        });
        let Some(berth) = &self.berth else { return };
        let address = berth.address();
        let runs = local.process == Process::Running;
        self.told.address(AddressStatus {
            name: DATABASE.to_owned(),
            ip: address.ip.to_string(),
            driver: address.driver.word().to_owned(),
            here,
            up: self.address_up,
            works: runs && berth.failed().is_empty(),
            why: if runs { berth.failed() } else { "the database does not answer" }.to_owned(),
            other: berth.other(),
            ..AddressStatus::default()
        });
    }

    fn move_address(&mut self, up: bool) {
        let moved = self.berth.as_mut().filter(|berth| berth.address().driver == Driver::Agent);
        let Some(berth) = moved.filter(|_| up != self.address_up) else { return };
        let done = if up { berth.put_up(self.founds) } else { berth.put_down() };
        if done {
            self.address_up = up;
            tracing::info!(ip = %berth.address().ip, "the address is here{}", if up { "" } else { " no more" });
        }
    }
}

/// The role without its deadline.
fn timeless(role: Role) -> Role {
    let until = Instant::default();
    match role {
        Role::Primary { wait, .. } => Role::Primary { wait, until },
        Role::Frozen { wait, .. } => Role::Frozen { wait, until },
        Role::Stopped | Role::Standby | Role::Replica(_) | Role::Clone(_) => role,
    }
}

fn word(role: Role, remote: bool) -> &'static str {
    match role {
        Role::Stopped => "stopped",
        Role::Standby => "standby",
        Role::Replica(_) if remote => "remote",
        Role::Replica(_) => "replica",
        Role::Clone(_) => "clone",
        Role::Primary { .. } => "primary",
        Role::Frozen { .. } => "frozen",
    }
}

fn process(process: Process) -> &'static str {
    match process {
        Process::Dead => "dead",
        Process::Running => "running",
        Process::Silent => "silent",
    }
}
