//! Certificates of signed identities: which calls wait for which, and what was told of them.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::string::String;

use call::stir::{KEY_TIMEOUT_MS, Keys, Seals, Told};
use panel::wire::{Certificate, CertificateKey};
use units::{Clock, Instant, WallTime, from_hex};

use crate::table::CallRef;
use crate::{Effect, Effects, Shard};

/// What one shard knows of certificates.
#[derive(Debug, Default)]
pub(crate) struct Certificates {
    /// Their keys.
    pub keys: Keys,
    /// Who waits for which, the one that waits longest first. Nobody does for longer than [`KEY_TIMEOUT_MS`].
    waiting: VecDeque<(Instant, String, CallRef)>,
}

impl Shard {
    /// What signs and verifies; before it is told, nothing is signed and nobody believed.
    pub fn seal_with(&mut self, seals: Seals) {
        self.certificates.keys.seals = seals;
    }

    /// A call waits for a certificate. It is asked for once, however many wait.
    pub(crate) fn want_certificate(&mut self, clock: Clock, at: CallRef, x5u: String, out: &mut Effects) {
        let old = |since: &Instant| since.plus_millis(KEY_TIMEOUT_MS) < clock.now;
        while self.certificates.waiting.front().is_some_and(|(since, _, _)| old(since)) {
            self.certificates.waiting.pop_front();
        }
        if self.certificates.keys.want(&x5u, clock.now) {
            self.counters.certificates_asked += 1;
            out.list.push(Effect::Fetch { x5u: x5u.clone() });
        }
        self.certificates.waiting.push_back((clock.now, x5u, at));
    }

    /// The control plane knows a certificate, or that it is none.
    pub fn on_certificate(&mut self, clock: Clock, certificate: Certificate, out: &mut Effects) {
        let Certificate { x5u, key, until } = certificate;
        let told = match &key {
            CertificateKey::Good { point } => from_hex(point).map_or(Told::Refused, |point| Told::Key(Box::new(point))),
            CertificateKey::Refused => Told::Refused,
            CertificateKey::Unreachable => Told::Unreachable,
        };
        let waits = |entry: &(Instant, String, CallRef)| entry.1 == x5u;
        let all = core::mem::take(&mut self.certificates.waiting);
        let (told_of, rest): (VecDeque<_>, VecDeque<_>) = all.into_iter().partition(waits);
        self.certificates.waiting = rest;
        self.certificates.keys.learn(x5u, told, WallTime::from_micros(until));
        for (_, _, at) in told_of {
            self.with_call(clock, at, out, |call, ctx| call.on_certificate(ctx));
        }
    }
}
