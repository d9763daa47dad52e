//! Trunks that are found by name: by what the resolver says of their host, or where their subscriber registered.

use alloc::vec::Vec;

use units::{Clock, EgressTrunkId};

use crate::{Loaded, Shard, Target, registrations};

impl Shard {
    /// What a trunk's host name stands for, as the resolver has it; empty when there is no such name.
    pub fn on_targets(&mut self, trunk: EgressTrunkId, targets: &[Target]) {
        let named = |loaded: &Loaded| !loaded.policies.egress(trunk).policy.host.is_empty();
        if self.loaded.as_ref().is_some_and(named) {
            self.ways.set_targets(trunk, targets.to_vec());
            self.map_addresses();
        }
    }

    /// Calls to a trunk with a subscriber go to its latest binding, back to where its REGISTER came from.
    pub(crate) fn find_subscribers(&mut self, clock: Clock) {
        let Some(loaded) = &self.loaded else { return };
        let mut moved = false;
        for (trunk, rules) in loaded.policies.egress_trunks().filter(|(_, rules)| !rules.policy.subscriber.is_empty()) {
            let bindings = self.identity.registrar.find(clock.now, &rules.policy.subscriber);
            let latest = bindings.iter().find(|binding| binding.is_reached()).map(|binding| binding.hop);
            let target = latest.map(|hop| Target {
                transport: hop.transport,
                addresses: [hop.remote].into(),
                flow: hop.flow,
                ..Target::default()
            });
            if self.ways.targets(trunk) != Some(target.as_slice()) {
                self.ways.set_targets(trunk, target.into_iter().collect::<Vec<_>>());
                moved = true;
            }
        }
        // Who registered with another node has proved nothing here, but is called from here.
        if moved {
            self.map_addresses();
        }
    }

    /// Whose responses and requests are known: trunks by address and by name, and peers' registrars.
    pub(crate) fn map_addresses(&mut self) {
        let Some(loaded) = &self.loaded else { return };
        let trunks = loaded.view().egress_trunks().map(|trunk| trunk.address().ip());
        let all = trunks.chain(self.ways.addresses()).chain(registrations::registrars(loaded));
        self.egress_addresses.clear();
        self.egress_addresses.extend(all.map(|address| address.to_canonical()));
        self.egress_addresses.sort_unstable();
    }
}
