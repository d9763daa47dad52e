//! A REGISTER on its way through a shard.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;

use sip::print::decimal;
use sip::{Hop, Message, Name};
use units::{Clock, IngressTrunkId, Instant};

use super::{Binding, Change, EXPIRES_MIN_S, Refusal, Registrar, home};
use crate::across::Place;
use crate::identity::Question;
use crate::proof::Proof;
use crate::{Effect, Effects, Parcel, Shard, steer, vet};

impl Shard {
    /// A REGISTER: proved at the home shard of its address of record, then carried out.
    pub(crate) fn on_register(&mut self, clock: Clock, from: Hop, request: &Message<'_>, out: &mut Effects) {
        let to = request.to().uri().ok();
        let Some((user, host)) = to.and_then(|uri| Some((uri.number()?, uri.host))) else {
            self.answer(from, request, 404, out, |_| {});
            return;
        };
        let realm = self.identity.subscribers.realm_for(host).to_owned();
        let home = home(user.as_bytes(), &realm, self.config.shards);
        if home != self.config.shard {
            self.counters.sip_steered += 1;
            let parcel = Parcel::Datagram { from, bytes: request.text().to_vec() };
            return out.list.push(Effect::Parcel { to: home, parcel: parcel.into() });
        }
        if self.identity.proofs.is_silent(clock.now, from.remote.ip()) {
            self.counters.proofs_silenced += 1;
            return;
        }
        let transaction = (from.remote, steer::hash(&transaction(request)));
        if let Some(answer) = self.identity.answered.get_mut(clock.now, &transaction) {
            let bytes = out.append(|bytes| bytes.extend_from_slice(answer));
            self.counters.sip_sent += 1;
            return self.emit(call::leg::send::reply_hop(request, from), bytes, out);
        }
        if vet::is_exposed(request, from.transport) {
            self.answer(from, request, 416, out, |_| {});
            return;
        }
        // RFC 3261 §10.3 step 2. Path (RFC 3327), outbound (RFC 5626) and GRUU (RFC 5627) are not served.
        if let Some(wanted) = request.header(Name::Require).filter(|wanted| !wanted.is_empty()) {
            self.answer(from, request, 420, out, |printer| {
                printer.line(Name::Unsupported, &[wanted]);
            });
            return;
        }
        let Some(trunk) = self.proved(clock, from, request, &realm, out) else { return };
        let start = out.bytes.len();
        self.carry_out_register(clock, from, request, (trunk, user.as_bytes()), out);
        self.identity.answered.put(clock.now, transaction, out.bytes[start..].into());
        self.spread_bindings(out);
        self.find_subscribers(clock);
    }

    /// Who sent a REGISTER; if it did not prove it, it is asked.
    fn proved(
        &mut self,
        clock: Clock,
        from: Hop,
        request: &Message<'_>,
        realm: &str,
        out: &mut Effects,
    ) -> Option<IngressTrunkId> {
        let (names, proofs) = (&self.identity.subscribers, &mut self.identity.proofs);
        let asked = (Name::Authorization, realm);
        let proof = proofs.check(clock.now, from.remote.ip(), request, asked, |credentials| {
            let found = names.find(realm, credentials.user)?;
            Some((found.secret(), found.trunk))
        });
        self.spread_news(out);
        match proof {
            Proof::Right(trunk) => return Some(trunk),
            Proof::Broken => {
                self.answer(from, request, 400, out, |_| {});
            }
            Proof::Ask { stale } => {
                self.ask(clock, from, request, Question { status: 401, realm, stale }, out);
            }
        }
        None
    }

    /// The proved REGISTER of the subscriber of `trunk` for the address of record of `user`.
    fn carry_out_register(
        &mut self,
        clock: Clock,
        from: Hop,
        request: &Message<'_>,
        (trunk, user): (IngressTrunkId, &[u8]),
        out: &mut Effects,
    ) {
        let Some(record) = self.record_of(from, trunk, user) else {
            self.answer(from, request, 403, out, |_| {});
            return;
        };
        match self.identity.registrar.register(clock, &record, from, request) {
            Ok(()) => {
                self.counters.registered += 1;
                let contacts = contacts(&self.identity.registrar, clock.now, &record);
                self.answer(from, request, 200, out, |printer| {
                    for contact in &contacts {
                        printer.line(Name::Contact, &[contact]);
                    }
                });
            }
            Err(Refusal::TooBrief) => {
                self.answer(from, request, 423, out, |printer| {
                    printer.number(Name::MinExpires, u64::from(EXPIRES_MIN_S));
                });
            }
            Err(Refusal::Bad) => drop(self.answer(from, request, 400, out, |_| {})),
            Err(Refusal::OutOfOrder) => drop(self.answer(from, request, 500, out, |_| {})),
        }
    }

    /// The address of record that a subscriber may bind: its own, from where its trunk may come, while the trunk is active.
    fn record_of(&self, from: Hop, trunk: IngressTrunkId, user: &[u8]) -> Option<String> {
        let subscriber = self.identity.subscribers.of_trunk(trunk)?;
        let view = self.loaded.as_ref()?.view();
        let is_active = view.ingress(trunk)?.active();
        let comes_right = subscriber.roams || view.at_address(from.remote.ip()).any(|(found, _)| found.id() == trunk);
        (is_active && comes_right && subscriber.user.as_bytes() == user).then(|| subscriber.record())
    }

    /// Hands changes of bindings to the other shards and nodes, so that each finds every subscriber.
    pub(crate) fn spread_bindings(&mut self, out: &mut Effects) {
        for change in self.identity.registrar.take_changes() {
            self.tell_others(out, || Parcel::Binding(change.clone()));
            out.list.push(Effect::Binding(change.into()));
        }
    }

    /// Other nodes changed bindings.
    pub fn on_bindings(&mut self, clock: Clock, changes: &[Change]) {
        for change in changes {
            if let Some(at) = change.binding.via {
                self.nodes.learn(Place { node: change.binding.node, at });
            }
            self.identity.registrar.hear(change.clone());
        }
        self.find_subscribers(clock);
    }

    /// Bindings end; every shard sees that by its own clock, so nobody needs to be told.
    pub(crate) fn end_bindings(&mut self, clock: Clock) {
        self.identity.registrar.on_time(clock.now);
        if !self.identity.registrar.take_changes().is_empty() {
            self.find_subscribers(clock);
        }
    }
}

/// What tells a transaction from others of its source (RFC 3261 §17.2.3).
fn transaction(request: &Message<'_>) -> Vec<u8> {
    let mut key = [request.via().branch, b"\0", request.via().host, b"\0", request.call_id(), b"\0"].concat();
    decimal(&mut key, u64::from(request.cseq().number));
    key
}

/// The contacts of a record as they stand in a 200, each with the seconds that are left to it.
fn contacts(registrar: &Registrar, now: Instant, record: &str) -> Vec<Vec<u8>> {
    let line = |binding: &Binding| {
        let mut line = [b"<", binding.contact.as_slice(), b">;expires="].concat();
        decimal(&mut line, binding.until.millis_since(now).div_ceil(1_000));
        line
    };
    registrar.find(now, record).into_iter().map(line).collect()
}
