//! One registration of ours with a peer: asked for, proved, refreshed, taken back (RFC 3261 §10.2).
//!
//! ```text
//!  Waiting ──time──▶ Asking ──2xx──▶ Waiting (half the granted time)
//!     ▲                │  └──401, 407, 423──▶ Asking, better
//!     └── back-off ◀───┴── refused, silent        leaving: ──any end──▶ Gone
//! ```

use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddr;

use call::Random;
use sip::auth::{Request, answer, challenge_of};
use sip::effect::{Effect, Effects};
use sip::print::write_socket_addr;
use sip::{Hop, Message, Name, Printer, Transport};
use snapshot::policy::Digest;
use units::{EgressTrunkId, Instant};

use crate::subscribers::secret_of;

/// How long a refused registration rests at first, in milliseconds; doubled with each refusal.
pub const REST_MS: u64 = 30_000;
/// How long it rests at most, in milliseconds.
pub const REST_MAX_MS: u64 = 900_000;
/// The soonest refresh after a success, in milliseconds, if the peer grants more than that.
pub const REFRESH_MIN_MS: u64 = 30_000;
/// Seconds that a peer may ask us to register for at least (Min-Expires); more is a refusal.
pub const EXPIRES_MAX_S: u32 = 604_800;
/// Challenges answered in one go at most: the first, and stale ones.
const CHALLENGES_MAX: u8 = 3;

/// Whom we register as, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The trunk that wants it.
    pub trunk: EgressTrunkId,
    /// Where REGISTER goes.
    pub registrar: Hop,
    /// Our address on that way: Via and Contact.
    pub own: SocketAddr,
    /// The user part of our address of record.
    pub user: String,
    /// Its domain.
    pub domain: String,
    /// What challenges are answered with.
    pub digest: Option<Digest>,
    /// Seconds asked for.
    pub expires_s: u32,
}

/// How it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Not yet, or no longer wanted.
    Out,
    /// The peer sends us calls.
    Registered {
        /// Until then, if nothing is refreshed.
        until: Instant,
    },
    /// The last try failed; the next one comes by itself.
    Failed {
        /// What the peer said; 408 if nothing.
        status: u16,
    },
}

#[derive(Debug)]
enum Phase {
    Waiting {
        at: Instant,
    },
    Asking {
        transaction: sip::client::Client,
        request: Vec<u8>,
        branch: Vec<u8>,
        challenges: u8,
        nonce: Vec<u8>,
        asked_s: u32,
    },
    Gone,
}

/// One registration.
#[derive(Debug)]
pub struct Registration {
    account: Account,
    call_id: Vec<u8>,
    tag: Vec<u8>,
    cseq: u32,
    expires_s: u32,
    leaving: bool,
    until: Option<Instant>,
    failed: Option<u16>,
    rest_ms: u64,
    phase: Phase,
}

impl Registration {
    /// One that begins at `at`. Call-ID and tag stay the same for its life (RFC 3261 §10.2).
    pub fn new(account: Account, call_id: Vec<u8>, tag: Vec<u8>, at: Instant) -> Registration {
        Registration {
            expires_s: account.expires_s,
            account,
            call_id,
            tag,
            cseq: 0,
            leaving: false,
            until: None,
            failed: None,
            rest_ms: REST_MS,
            phase: Phase::Waiting { at },
        }
    }

    /// Whom we register as, and where.
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// The Call-ID of its requests.
    pub fn call_id(&self) -> &[u8] {
        &self.call_id
    }

    /// How it stands.
    pub fn standing(&self, now: Instant) -> Standing {
        match (self.until.filter(|until| *until > now), self.failed) {
            (Some(until), None) => Standing::Registered { until },
            (_, Some(status)) => Standing::Failed { status },
            (None, None) => Standing::Out,
        }
    }

    /// The peer shall forget us, or know us again.
    pub fn leave(&mut self, now: Instant, leaving: bool) {
        if self.leaving == leaving {
            return;
        }
        self.leaving = leaving;
        match self.phase {
            Phase::Waiting { .. } if leaving && self.until.is_none_or(|until| until <= now) => self.phase = Phase::Gone,
            Phase::Waiting { .. } | Phase::Gone => self.phase = Phase::Waiting { at: now },
            Phase::Asking { .. } => {}
        }
    }

    /// Nothing is said from here on, not even that we leave.
    pub fn rest(&mut self) {
        (self.until, self.failed, self.phase) = (None, None, Phase::Gone);
    }

    /// Begins anew after a rest.
    pub fn wake(&mut self, at: Instant) {
        if !self.leaving && self.is_gone() {
            self.phase = Phase::Waiting { at };
        }
    }

    /// Nothing more will happen.
    pub fn is_gone(&self) -> bool {
        matches!(self.phase, Phase::Gone)
    }

    /// When `on_time` is due.
    pub fn deadline(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Waiting { at } => Some(*at),
            Phase::Asking { transaction, .. } => transaction.deadline(),
            Phase::Gone => None,
        }
    }

    /// Time went on: what must be sent.
    pub fn on_time(&mut self, now: Instant, random: &mut Random) -> Option<Vec<u8>> {
        match &mut self.phase {
            Phase::Waiting { at } if *at <= now => Some(self.ask(now, random)),
            Phase::Asking { transaction, request, .. } => {
                let mut effects = Effects::new();
                transaction.on_time(now, &mut effects);
                match effects.first() {
                    Some(Effect::TimedOut) => {
                        self.fail(now, 408, None);
                        None
                    }
                    Some(Effect::Resend) => Some(request.clone()),
                    _ => None,
                }
            }
            Phase::Waiting { .. } | Phase::Gone => None,
        }
    }

    /// A response came from the registrar's address: what must be sent.
    pub fn on_response(&mut self, now: Instant, response: &Message<'_>, random: &mut Random) -> Option<Vec<u8>> {
        let Phase::Asking { transaction, branch, .. } = &mut self.phase else { return None };
        let status = response.status()?;
        if response.via().branch != branch.as_slice() || response.cseq().number != self.cseq {
            return None;
        }
        transaction.on_response(now, status, &mut Effects::new());
        match status {
            ..200 => None,
            200..300 => {
                self.succeed(now, response);
                None
            }
            401 | 407 => self.prove(now, response, random),
            423 => self.ask_longer(now, response, random),
            _ => {
                self.fail(now, status, response.number(Name::RetryAfter, REST_MAX_MS / 1_000).ok().flatten());
                None
            }
        }
    }

    fn succeed(&mut self, now: Instant, response: &Message<'_>) {
        let Phase::Asking { asked_s, .. } = self.phase else { return };
        self.failed = None;
        self.rest_ms = REST_MS;
        if asked_s == 0 {
            self.until = None;
            self.phase = if self.leaving { Phase::Gone } else { Phase::Waiting { at: now } };
            return;
        }
        let granted_ms = u64::from(self.granted_s(response, asked_s)) * 1_000;
        self.until = Some(now.plus_millis(granted_ms));
        let refresh_ms = (granted_ms / 2).max(REFRESH_MIN_MS).min(granted_ms * 9 / 10);
        // A peer that grants next to nothing is not asked without end.
        let refresh_ms = if self.leaving { 0 } else { refresh_ms.max(1_000) };
        self.phase = Phase::Waiting { at: now.plus_millis(refresh_ms) };
    }

    /// RFC 3261 §10.2.4: what our contact's `expires` says, else Expires, else what we asked for.
    fn granted_s(&self, response: &Message<'_>, asked_s: u32) -> u32 {
        let own = self.contact();
        let seconds = |text: &[u8]| sip::lex::number(text, u64::from(u32::MAX)).map(|s| s as u32);
        let ours = response.list(Name::Contact).find_map(|element| {
            let address = sip::Address::parse(element).ok()?;
            (address.uri_text == own.as_slice()).then(|| address.param(b"expires").flatten().and_then(seconds))
        });
        let general = || response.header(Name::Expires).and_then(seconds);
        ours.flatten().or_else(general).unwrap_or(asked_s).min(asked_s.max(EXPIRES_MAX_S))
    }

    fn prove(&mut self, now: Instant, refusal: &Message<'_>, random: &mut Random) -> Option<Vec<u8>> {
        let status = refusal.status()?;
        let Phase::Asking { challenges, nonce: answered, asked_s, .. } = &self.phase else { return None };
        let (round, asked_s) = (*challenges + 1, *asked_s);
        let secret = self.account.digest.as_ref().and_then(secret_of);
        let asked = secret.as_ref().and_then(|secret| challenge_of(refusal, secret.realm).ok());
        let (Some(secret), Some(asked)) = (secret, asked) else {
            self.fail(now, status, None);
            return None;
        };
        let nonce = asked.challenge.nonce.raw();
        // The same nonce again, or a new one that is not merely fresher: the password is wrong.
        if nonce == answered.as_slice() || (round > 1 && !asked.challenge.stale) || round > CHALLENGES_MAX {
            self.fail(now, status, None);
            return None;
        }
        let (uri, cnonce) = (self.uri(), random.token(b""));
        let request = Request { method: b"REGISTER", uri: &uri, cnonce: &cnonce, count: 1, body: b"" };
        let mut value = Vec::with_capacity(256);
        answer(&mut value, &asked.challenge, &secret, &request);
        let nonce = nonce.to_vec();
        Some(self.send(now, random, (round, nonce, asked_s), Some((asked.answer_in, &value))))
    }

    /// RFC 3261 §21.4.17: Min-Expires says how long it must be.
    fn ask_longer(&mut self, now: Instant, refusal: &Message<'_>, random: &mut Random) -> Option<Vec<u8>> {
        let least = refusal.number(Name::MinExpires, u64::from(EXPIRES_MAX_S)).ok().flatten().unwrap_or(0) as u32;
        if least <= self.expires_s || self.leaving {
            self.fail(now, 423, None);
            return None;
        }
        self.expires_s = least;
        Some(self.ask(now, random))
    }

    fn fail(&mut self, now: Instant, status: u16, retry_after_s: Option<u64>) {
        if self.leaving {
            self.until = None;
            self.phase = Phase::Gone;
            return;
        }
        self.failed = Some(status);
        let rest_ms = self.rest_ms.max(retry_after_s.unwrap_or(0) * 1_000);
        self.rest_ms = (self.rest_ms * 2).min(REST_MAX_MS);
        self.phase = Phase::Waiting { at: now.plus_millis(rest_ms) };
    }

    fn ask(&mut self, now: Instant, random: &mut Random) -> Vec<u8> {
        let asked_s = if self.leaving { 0 } else { self.expires_s };
        self.send(now, random, (0, Vec::new(), asked_s), None)
    }

    fn send(
        &mut self,
        now: Instant,
        random: &mut Random,
        (challenges, nonce, asked_s): (u8, Vec<u8>, u32),
        answer: Option<(Name, &[u8])>,
    ) -> Vec<u8> {
        self.cseq += 1;
        let branch = random.token(b"z9hG4bK").to_vec();
        let request = self.print(&branch, asked_s, answer);
        let transaction = sip::client::Client::new(now, self.account.registrar.transport.is_reliable());
        self.phase = Phase::Asking { transaction, request: request.clone(), branch, challenges, nonce, asked_s };
        request
    }

    fn print(&self, branch: &[u8], asked_s: u32, answer: Option<(Name, &[u8])>) -> Vec<u8> {
        let Account { user, domain, own, registrar, .. } = &self.account;
        let mut out = Vec::with_capacity(768);
        let mut sent_by = Vec::new();
        write_socket_addr(&mut sent_by, *own);
        let record = alloc::format!("<sip:{user}@{domain}>");
        let mut printer = Printer::request(&mut out, b"REGISTER", &self.uri());
        printer.line(
            Name::Via,
            &[b"SIP/2.0/", registrar.transport.as_bytes(), b" ", &sent_by, b";branch=", branch, b";rport"],
        );
        printer.number(Name::MaxForwards, 70);
        printer.line(Name::From, &[record.as_bytes(), b";tag=", &self.tag]);
        printer.line(Name::To, &[record.as_bytes()]);
        printer.line(Name::CallId, &[&self.call_id]);
        printer.cseq(self.cseq, b"REGISTER");
        printer.line(Name::Contact, &[b"<", &self.contact(), b">"]);
        printer.number(Name::Expires, u64::from(asked_s));
        if let Some((header, value)) = answer {
            printer.line(header, &[value]);
        }
        printer.finish_empty();
        out
    }

    /// RFC 3261 §10.2: the domain, without a user.
    fn uri(&self) -> Vec<u8> {
        [b"sip:", self.account.domain.as_bytes()].concat()
    }

    fn contact(&self) -> Vec<u8> {
        let mut contact = Vec::with_capacity(64);
        sip::print::write_uri(&mut contact, self.account.user.as_bytes(), self.account.own);
        contact.extend_from_slice(Transport::uri_param(self.account.registrar.transport));
        contact
    }
}
