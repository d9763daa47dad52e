//! Who is registered where, and who was refused, as operators read it.

use alloc::string::{String, ToString};

use panel::wire::{BindingRow, Peers, RegistrationRow, StrangerRow};
use units::{Clock, Instant};

use crate::Shard;
use crate::guard::{Reason, Refused};
use crate::registrar::home;
use crate::registrations::Standing;

impl Shard {
    /// This shard's part: its own strangers and registrations, and the bindings whose home it is.
    pub fn peers(&self, clock: Clock) -> Peers {
        let ours = |record: &str| {
            let (user, realm) = record.split_once('@').unwrap_or((record, ""));
            home(user.as_bytes(), realm, self.config.shards) == self.config.shard
        };
        let bindings = self.registrar().all().filter(|(record, binding)| ours(record) && binding.until > clock.now);
        let binding = |(record, binding): (&str, &crate::registrar::Binding)| BindingRow {
            record: record.to_string(),
            contact: String::from_utf8_lossy(&binding.contact).into_owned(),
            from: binding.hop.remote.to_string(),
            since: binding.since.micros(),
            until: wall(clock, binding.until),
            node: binding.node.0,
            reached: binding.is_reached(),
        };
        let registration = |(trunk, standing): (units::EgressTrunkId, Standing)| {
            let (state, until, status) = match standing {
                Standing::Out => ("out", None, None),
                Standing::Registered { until } => ("registered", Some(wall(clock, until)), None),
                Standing::Failed { status } => ("failed", None, Some(status)),
            };
            RegistrationRow { egress_trunk: trunk.0, state: state.to_string(), until, status }
        };
        Peers {
            strangers: self.refused().map(stranger).collect(),
            bindings: bindings.map(binding).collect(),
            registrations: self.registrations().standings(clock.now).into_iter().map(registration).collect(),
        }
    }
}

fn stranger(refused: &Refused) -> StrangerRow {
    let reason = match refused.reason {
        Reason::Unknown => "unknown",
        Reason::Intruder => "intruder",
    };
    StrangerRow {
        at: refused.at.micros(),
        from: refused.from.to_string(),
        method: refused.method.as_str().to_string(),
        user: refused.user().to_string(),
        reason: reason.to_string(),
    }
}

/// The date of a moment.
fn wall(clock: Clock, at: Instant) -> i64 {
    clock.wall.micros().saturating_add_unsigned(at.micros()).saturating_sub_unsigned(clock.now.micros())
}
