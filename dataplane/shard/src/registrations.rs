//! Our registrations with peers: those of the egress trunks whose home this shard is.

mod machine;

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use call::Switch;
use sip::{Hop, Message, Transport};
use snapshot::policy;
use units::{Clock, EgressTrunkId, Instant};

pub use machine::{Account, EXPIRES_MAX_S, REFRESH_MIN_MS, REST_MAX_MS, REST_MS, Registration, Standing};

use crate::{Config, Effects, Loaded, Shard, book, steer};

/// Registrations of one shard at most.
pub const REGISTRATIONS_MAX: usize = 4_096;
/// Seconds asked for where the policy does not say.
const EXPIRES_S: u32 = 3_600;
/// Milliseconds between the first requests of two registrations, so that a start is no flood.
const STAGGER_MS: u64 = 20;

/// All of a shard, by Call-ID.
#[derive(Debug, Default)]
pub struct Registrations {
    all: BTreeMap<Vec<u8>, Registration>,
    wanted: Vec<EgressTrunkId>,
    /// Listeners whose shared address another machine has, a bit each: they register nothing.
    away: u32,
    /// The earliest deadline; kept, since it is asked for at every turn.
    next: Option<Instant>,
}

impl Registrations {
    /// How each stands, by trunk.
    pub fn standings(&self, now: Instant) -> Vec<(EgressTrunkId, Standing)> {
        let wanted = |one: &&Registration| self.wanted.binary_search(&one.account().trunk).is_ok();
        let mut rows: Vec<_> =
            self.all.values().filter(wanted).map(|one| (one.account().trunk, one.standing(now))).collect();
        rows.sort_by_key(|(trunk, _)| *trunk);
        rows
    }

    /// When something is due.
    pub fn deadline(&self) -> Option<Instant> {
        self.next
    }

    /// Says nothing by listeners that are away: the peer hears of whoever has the address.
    fn hush(&mut self) {
        let away = self.away;
        self.all.values_mut().filter(|one| is_of(one, away)).for_each(Registration::rest);
    }

    fn note_deadline(&mut self) {
        self.hush();
        self.next = self.all.values().filter_map(Registration::deadline).min();
    }
}

/// Does it go out by one of these listeners?
fn is_of(one: &Registration, listeners: u32) -> bool {
    listeners & 1_u32.checked_shl(one.account().registrar.listener.into()).unwrap_or(0) != 0
}

impl Shard {
    /// This machine has a listener's shared address from here on, or has it no longer: one node alone registers by it.
    pub fn on_address(&mut self, clock: Clock, listener: u8, here: bool) {
        let bit = 1_u32.checked_shl(listener.into()).unwrap_or(0);
        let Registrations { all, wanted, away, .. } = &mut self.registrations;
        let was_here = *away & bit == 0;
        *away = if here { *away & !bit } else { *away | bit };
        if here && !was_here && !self.draining {
            let of_listener = all.values_mut().filter(|one| is_of(one, bit));
            let mine = of_listener.filter(|one| wanted.binary_search(&one.account().trunk).is_ok());
            mine.enumerate().for_each(|(place, one)| one.wake(clock.now.plus_millis(place as u64 * STAGGER_MS)));
        }
        self.registrations.note_deadline();
    }

    /// Begins the registrations that a snapshot wants, and ends those that it does not want any more.
    pub(crate) fn want_registrations(&mut self, clock: Clock, loaded: &Loaded) {
        let mut wanted = accounts(loaded, &self.config, &self.switch);
        self.registrations.wanted = wanted.iter().map(|account| account.trunk).collect();
        for one in self.registrations.all.values_mut() {
            match wanted.iter().position(|account| account == one.account()) {
                Some(place) => {
                    wanted.remove(place);
                    one.leave(clock.now, self.draining);
                }
                None => one.leave(clock.now, true),
            }
        }
        let room = REGISTRATIONS_MAX.saturating_sub(self.registrations.all.len());
        for (index, account) in wanted.into_iter().take(room).enumerate() {
            // Answers find this shard by the mark in their Call-ID.
            let call_id = [&*self.random.token(b""), &steer::mark(self.config.shard)].concat();
            let at = clock.now.plus_millis(index as u64 * STAGGER_MS);
            let one = Registration::new(account, call_id.clone(), self.random.tag().to_vec(), at);
            self.registrations.all.insert(call_id, one);
        }
        self.registrations.note_deadline();
    }

    /// Refuse new calls or take them again: our registrations tell the peers, as soon as the next turn.
    pub(crate) fn drain_registrations(&mut self, on: bool) {
        let Registrations { all, wanted, .. } = &mut self.registrations;
        for one in all.values_mut().filter(|one| wanted.binary_search(&one.account().trunk).is_ok()) {
            one.leave(Instant::default(), on);
        }
        self.registrations.note_deadline();
    }

    /// Sends what is due.
    pub(crate) fn refresh_registrations(&mut self, clock: Clock, out: &mut Effects) {
        if self.registrations.next.is_none_or(|next| next > clock.now) {
            return;
        }
        let mut due = Vec::new();
        for one in self.registrations.all.values_mut() {
            let to = one.account().registrar;
            due.extend(one.on_time(clock.now, &mut self.random).map(|request| (to, request)));
        }
        due.iter().for_each(|(to, request)| self.send(*to, request, out));
        let draining = self.draining;
        let Registrations { all, wanted, away, .. } = &mut self.registrations;
        let waits = |one: &Registration| is_of(one, *away) && wanted.binary_search(&one.account().trunk).is_ok();
        all.retain(|_, one| draining || !one.is_gone() || waits(one));
        self.registrations.note_deadline();
    }

    /// A response to a REGISTER of ours.
    pub(crate) fn on_registered(&mut self, clock: Clock, from: Hop, response: &Message<'_>, out: &mut Effects) {
        let Some(one) = self.registrations.all.get_mut(response.call_id()) else { return };
        let to = one.account().registrar;
        if to.remote.ip() != from.remote.ip() {
            self.counters.sip_strangers += 1;
            return;
        }
        if let Some(request) = one.on_response(clock.now, response, &mut self.random) {
            self.send(to, &request, out);
        }
        self.registrations.note_deadline();
    }
}

/// Where peers' registrars are, if not where their trunks are.
pub(crate) fn registrars(loaded: &Loaded) -> impl Iterator<Item = IpAddr> {
    let wishes = loaded.policies.egress_trunks().filter_map(|(_, rules)| rules.policy.registration.as_ref());
    wishes.filter_map(|wish| Some(wish.registrar.parse::<SocketAddr>().ok()?.ip().to_canonical()))
}

/// The accounts that this shard registers: of active trunks that this node serves, in order of trunk.
fn accounts(loaded: &Loaded, config: &Config, switch: &Switch) -> Vec<Account> {
    let view = loaded.view();
    let mut found = Vec::new();
    for (trunk, rules) in loaded.policies.egress_trunks() {
        let policy = &rules.policy;
        let Some(wish) = &policy.registration else { continue };
        let ours = policy.nodes.is_empty() || policy.nodes.contains(&config.node.0);
        if !ours || book::home(trunk.0, config.shards) != config.shard {
            continue;
        }
        let Some(trunk_view) = view.egress(trunk).filter(|trunk| trunk.active()) else { continue };
        let remote = wish.registrar.parse().unwrap_or(trunk_view.address());
        let transport = match policy.transport {
            policy::Transport::Auto | policy::Transport::Udp => Transport::Udp,
            policy::Transport::Tcp => Transport::Tcp,
            policy::Transport::Tls => Transport::Tls,
        };
        let fits = |listener: &&call::Listener| {
            listener.transport == transport
                && listener.address.is_ipv4() == remote.is_ipv4()
                && (policy.listener.is_empty() || listener.name == policy.listener)
        };
        let Some(place) = switch.listeners.iter().position(|listener| fits(&listener)) else { continue };
        found.push(Account {
            trunk,
            registrar: Hop { transport, listener: place as u8, remote, flow: None },
            own: switch.listeners[place].address,
            user: wish.user.clone(),
            domain: wish.domain.clone(),
            digest: policy.digest.clone(),
            expires_s: if wish.expires_s == 0 { EXPIRES_S } else { wish.expires_s },
        });
    }
    found
}
