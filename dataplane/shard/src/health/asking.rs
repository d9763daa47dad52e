//! The shard asks the trunks that live with it, and tells the other shards what it learns.

use alloc::boxed::Box;
use alloc::vec::Vec;

use call::ways::Places;
use panel::wire::TrunkFigures;
use sip::client::Client;
use sip::dialog::{Dialog, Peer, Told};
use sip::effect::{Effect as Order, Effects as Orders};
use sip::print::write_uri;
use sip::{Hop, Message};
use units::{Clock, EgressTrunkId, Instant};

use super::{Probe, Question, Word};
use crate::book::home;
use crate::{Effect, Effects, Parcel, Shard, steer};

/// Max-Forwards of a question: the peer itself is meant, and proxies of its own before it.
const HOPS: u8 = 70;

impl Shard {
    /// Another snapshot: which trunks are asked here, and what is still true of the others.
    pub(crate) fn watch(&mut self, clock: Clock) {
        let Some(loaded) = self.loaded.clone() else { return };
        let (view, policies) = (loaded.view(), &loaded.policies);
        let node = self.config.node;
        let probed = |trunk| {
            let rules = policies.egress(trunk);
            let used = rules.serves(node) && view.egress(trunk).is_some_and(|trunk| trunk.active());
            used && rules.policy.probe.interval_s > 0
        };
        self.ways.retain(probed, |trunk| policies.egress(trunk).is_looked_up());
        let mut known = core::mem::take(&mut self.probes);
        for (trunk, rules) in policies.egress_trunks() {
            if rules.is_looked_up() && self.ways.targets(trunk).is_none() {
                self.ways.set_targets(trunk, Vec::new());
            }
            if !probed(trunk) || home(trunk.0, self.config.shards) != self.config.shard {
                continue;
            }
            let (interval_s, failures) = (rules.policy.probe.interval_s, rules.policy.probe.failures);
            let probe = match known.iter().position(|probe| probe.trunk == trunk) {
                Some(place) => {
                    let mut probe = known.swap_remove(place);
                    probe.set(interval_s, failures);
                    probe
                }
                None => Probe::new(clock, trunk, (interval_s, failures), self.random.bits()),
            };
            self.probes.push(probe);
        }
        self.file_probes();
    }

    /// No questions while the node drains.
    pub(crate) fn hold_probes(&mut self) {
        if self.draining {
            self.probes.iter_mut().for_each(|probe| probe.question = None);
        }
        self.file_probes();
    }

    fn file_probes(&mut self) {
        let asking = !self.draining;
        self.probes_at = self.probes.iter().filter_map(|probe| probe.deadline(asking)).min();
    }

    /// Time went on.
    pub(crate) fn ask_trunks(&mut self, clock: Clock, out: &mut Effects) {
        if self.probes_at.is_none_or(|at| at > clock.now) {
            return;
        }
        let mut probes = core::mem::take(&mut self.probes);
        probes.iter_mut().for_each(|probe| self.tend(clock, probe, out));
        self.probes = probes;
        self.file_probes();
    }

    fn tend(&mut self, clock: Clock, probe: &mut Probe, out: &mut Effects) {
        if let Some(question) = &mut probe.question {
            let mut orders = Orders::new();
            question.machine.on_time(clock.now, &mut orders);
            if orders.contains(&Order::TimedOut) || question.give_up_at <= clock.now {
                let places = question.places;
                self.ask_trunk(clock, probe, places, out);
            } else if orders.contains(&Order::Resend) {
                self.counters.sip_resent += 1;
                let (to, request) = (question.to, question.request.clone());
                self.send(to, &request, out);
            }
        } else if probe.is_due(clock.now) && !self.draining {
            probe.schedule(clock.now, self.random.bits());
            let chance = self.random.bits();
            let places = self.loaded.as_ref().map(|loaded| {
                let (view, policies) = (loaded.view(), &loaded.policies);
                self.ways.places(&view, policies, probe.trunk, chance)
            });
            let places = places.unwrap_or_default();
            probe.patience_ms = probe.patience_for(places.left() as u64);
            self.ask_trunk(clock, probe, places, out);
        }
    }

    /// Asks the first of these places that can be reached; without one the trunk has failed once more.
    fn ask_trunk(&mut self, clock: Clock, probe: &mut Probe, mut places: Places, out: &mut Effects) {
        probe.question = None;
        let loaded = self.loaded.clone();
        let listener = loaded.as_ref().map_or("", |loaded| &loaded.policies.egress(probe.trunk).policy.listener);
        let by = |transport, address| self.switch.hop(transport, listener, address);
        let hop = core::iter::from_fn(|| places.take())
            .find_map(|place| Some(Hop { flow: place.flow, ..by(place.transport, place.address)? }));
        match hop {
            Some(to) => probe.question = Some(self.options(clock, to, places, probe.patience_ms, out)),
            None if probe.fail(clock.wall) => self.tell_all(clock, probe, out),
            None => {}
        }
    }

    fn options(&mut self, clock: Clock, to: Hop, places: Places, patience_ms: u64, out: &mut Effects) -> Question {
        let own = self.switch.sent_by(to);
        let (mut local, mut remote) = (Vec::new(), Vec::new());
        write_uri(&mut local, b"", own.1);
        write_uri(&mut remote, b"", to.remote);
        let mut target = remote.clone();
        target.extend_from_slice(to.transport.uri_param());
        let mut call_id = self.random.token(b"").to_vec();
        call_id.extend_from_slice(&steer::mark(self.config.shard));
        let branch = self.random.token(b"z9hG4bK").to_vec();
        let tag = self.random.tag();
        let mut dialog = Dialog::ours(call_id.len() + tag.len() + local.len() + remote.len());
        dialog.peer = Peer::at(target);
        let (ours, theirs) = ((Told::LocalUri, &local[..]), (Told::RemoteUri, &remote[..]));
        for (what, text) in [(Told::CallId, &call_id[..]), (Told::LocalTag, &tag[..]), ours, theirs] {
            dialog.write(what, |out| out.extend_from_slice(text));
        }
        let mut request = Vec::with_capacity(512);
        let mut printer = dialog.request(&mut request, b"OPTIONS", 1, &branch, own, HOPS);
        printer.line("Contact", &[b"<", &local, own.0.uri_param(), b">"]);
        printer.line("Accept", &[b"application/sdp"]);
        printer.finish_empty();
        self.send(to, &request, out);
        Question {
            machine: Client::new(clock.now, to.is_reliable()),
            names: [call_id, branch],
            request,
            to,
            give_up_at: clock.now.plus_millis(patience_ms),
            places,
        }
    }

    /// A response that belongs to no call: it may answer one of our questions.
    pub(crate) fn on_trunk_answered(&mut self, clock: Clock, from: Hop, response: &Message<'_>, out: &mut Effects) {
        let mut probes = core::mem::take(&mut self.probes);
        for probe in &mut probes {
            match probe.on_response(clock.now, from, response) {
                Some(true) if probe.revive(clock.wall) => self.tell_all(clock, probe, out),
                Some(false) => self.ask_elsewhere(clock, probe, out),
                Some(true) | None => {}
            }
        }
        self.probes = probes;
        self.file_probes();
    }

    /// A question could not be sent.
    pub(crate) fn on_question_unsent(&mut self, clock: Clock, call_id: &[u8], out: &mut Effects) {
        let mut probes = core::mem::take(&mut self.probes);
        let asked = |probe: &&mut Probe| probe.question.as_ref().is_some_and(|asked| asked.names[0] == call_id);
        if let Some(probe) = probes.iter_mut().find(asked) {
            self.ask_elsewhere(clock, probe, out);
        }
        self.probes = probes;
        self.file_probes();
    }

    fn ask_elsewhere(&mut self, clock: Clock, probe: &mut Probe, out: &mut Effects) {
        let places = probe.question.as_ref().map_or(Places::default(), |question| question.places);
        self.ask_trunk(clock, probe, places, out);
    }

    /// An INVITE of one of our calls met no answer of any kind.
    pub(crate) fn report_silence(&mut self, clock: Clock, trunk: EgressTrunkId, since: Instant, out: &mut Effects) {
        let (home, word) = (home(trunk.0, self.config.shards), Word::Silent { trunk, since });
        if home == self.config.shard {
            self.on_word(clock, word, out);
        } else {
            out.list.push(Effect::Parcel { to: home, parcel: Box::new(Parcel::Trunk(word)) });
        }
    }

    /// What another shard, or this one, says of a trunk.
    pub(crate) fn on_word(&mut self, clock: Clock, word: Word, out: &mut Effects) {
        match word {
            Word::Down { trunk, since } => self.ways.set_down(trunk, since),
            Word::Silent { trunk, since } => {
                let mut probes = core::mem::take(&mut self.probes);
                let asked = probes.iter_mut().find(|probe| probe.trunk == trunk && probe.is_silent_since(since));
                if let Some(probe) = asked
                    && probe.fail(clock.wall)
                {
                    self.tell_all(clock, probe, out);
                }
                self.probes = probes;
            }
        }
    }

    /// The trunk is down or up: all shards must know.
    fn tell_all(&mut self, clock: Clock, probe: &Probe, out: &mut Effects) {
        let counter = if probe.down { &mut self.counters.trunks_lost } else { &mut self.counters.trunks_found };
        *counter += 1;
        let word = Word::Down { trunk: probe.trunk, since: probe.down.then_some(probe.since) };
        self.tell_others(out, || Parcel::Trunk(word));
        self.on_word(clock, word, out);
    }

    /// The trunks that this shard asks.
    pub(crate) fn trunk_figures(&self) -> Vec<TrunkFigures> {
        let row = |probe: &Probe| TrunkFigures {
            egress_trunk: probe.trunk.0,
            up: !probe.down,
            since: probe.since.micros(),
            failures: probe.failures(),
        };
        self.probes.iter().map(row).collect()
    }
}
