//! Who is who, beyond addresses: names proved by digest, and where their owners are.

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use core::net::SocketAddr;

use call::leg::send::reply_hop;
use rating::{Admission, Arrival};
use sip::auth::nonce::Key;
use sip::auth::{Algorithm, Challenge};
use sip::effect::GIVE_UP_MS;
use sip::print::{reason_phrase, shortened};
use sip::{Hop, Message, Method, Name, Printer};
use units::{Cause, Clock, IngressTrunkId, NodeId, ShardId};

use crate::proof::{LADDER_MAX, News, Proof, Proofs};
use crate::recent::Recent;
use crate::registrar::Registrar;
use crate::subscribers::Subscribers;
use crate::{Effect, Effects, Loaded, Parcel, Shard};

/// Answers to REGISTER that are kept for repeats, at most.
const ANSWERS_MAX: usize = 4_096;
/// Bytes that an unproved source gets for ten of its own at most: who forges a source gains nothing by us.
const ECHO_BYTES_MAX: usize = 12;

/// What is asked for, by how often the address was asked in vain. The best is on top first (RFC 8760 §2.3); many programs read the topmost
/// challenge only, so the other one is next; and some give up wherever they find one that they do not know, so it is left out at last.
const OFFERED: [&[Algorithm]; LADDER_MAX as usize + 1] =
    [&[Algorithm::Sha256, Algorithm::Md5], &[Algorithm::Md5, Algorithm::Sha256], MD5];
/// What every program knows.
const MD5: &[Algorithm] = &[Algorithm::Md5];

/// What a shard knows of names.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) subscribers: Subscribers,
    pub(crate) registrar: Registrar,
    pub(crate) proofs: Proofs,
    /// Final answers by the source and a hash of the transaction: RFC 3261 §17.2.2, timer J.
    pub(crate) answered: Recent<(SocketAddr, u64), Box<[u8]>>,
}

impl Identity {
    pub(crate) fn new(key: Key, (node, shard): (NodeId, ShardId), decoy: [u8; 32]) -> Identity {
        let half = core::array::from_fn(|at| decoy[at]);
        Identity {
            subscribers: Subscribers::default(),
            registrar: Registrar::new(node),
            proofs: Proofs::new(key, shard, (half, decoy)),
            answered: Recent::new(ANSWERS_MAX, GIVE_UP_MS),
        }
    }
}

/// How a proof is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Question<'a> {
    /// 401 or 407.
    pub status: u16,
    /// Where.
    pub realm: &'a str,
    /// The last answer was right, but too late or used before.
    pub stale: bool,
}

impl Shard {
    /// A snapshot came into force.
    pub(crate) fn learn_names(&mut self, loaded: &Loaded) {
        self.identity.subscribers = Subscribers::of(&loaded.view(), &loaded.policies);
    }

    /// May somebody at an unknown address prove who it is by such a request?
    pub(crate) fn may_prove(&self, method: Method) -> bool {
        match method {
            Method::Invite => self.identity.subscribers.roam(),
            Method::Register => !self.identity.subscribers.is_empty(),
            _ => false,
        }
    }

    /// Which ingress trunk an INVITE comes by: its address says so, and its digest where the trunk wants one. `None` if it
    /// was answered, or left without an answer.
    pub(crate) fn admit(
        &mut self,
        clock: Clock,
        from: Hop,
        invite: &Message<'_>,
        (loaded, arrival): (&Loaded, &Arrival),
        out: &mut Effects,
    ) -> Option<(Admission, Result<(), Cause>)> {
        let (view, mut admission) = (loaded.view(), Admission::default());
        let refusal = rating::admit(&view, &loaded.policies, arrival, &mut admission);
        let names = &self.identity.subscribers;
        // A trunk that wants a proof wants it before it says why it refuses.
        let wanted = match refusal {
            _ if admission.ingress != IngressTrunkId::default() => Some(names.of_trunk(admission.ingress)),
            Err(Cause::ORIGINATOR_NOT_FOUND) if names.roam() => None,
            Ok(()) | Err(_) => Some(None),
        };
        let (trunk, realm) = match wanted {
            Some(None) => return Some((admission, refusal)),
            Some(Some(subscriber)) => (Some(subscriber.trunk), subscriber.realm.as_str()),
            None => (None, names.realm_for(invite.from().uri().map_or(b"", |uri| uri.host))),
        };
        let source = from.remote.ip();
        if self.identity.proofs.is_silent(clock.now, source) {
            self.counters.proofs_silenced += 1;
            return None;
        }
        let asked = (Name::ProxyAuthorization, realm);
        let proof = self.identity.proofs.check(clock.now, source, invite, asked, |credentials| {
            let found = names.find(realm, credentials.user)?;
            let fits = trunk.map_or(found.roams, |trunk| trunk == found.trunk);
            fits.then(|| (found.secret(), found.trunk))
        });
        match proof {
            Proof::Right(proved) => {
                self.spread_news(out);
                if trunk.is_some() {
                    return Some((admission, refusal));
                }
                let refusal = rating::admit_by(&view, &loaded.policies, proved, arrival, &mut admission);
                Some((admission, refusal))
            }
            Proof::Broken => {
                self.answer(from, invite, 400, out, |_| {});
                None
            }
            Proof::Ask { stale } => {
                let realm = realm.to_owned();
                self.spread_news(out);
                self.ask(clock, from, invite, Question { status: 407, realm: &realm, stale }, out);
                None
            }
        }
    }

    /// Asks for a proof, strongest hash first unless that was in vain, as long as the question is hardly longer than what
    /// came. MD5 alone is asked for otherwise, in the fewest bytes if need be, and nothing of a stranger if even that is too
    /// long: then the request's repetition (RFC 3261 §17.1.2.2: timer E) is asked, since both together are long enough.
    pub(crate) fn ask(
        &mut self,
        clock: Clock,
        from: Hop,
        request: &Message<'_>,
        question: Question<'_>,
        out: &mut Effects,
    ) {
        let source = from.remote.ip();
        let nonce = self.identity.proofs.mint(clock.now, source, self.random.bits());
        let header = if question.status == 401 { Name::WwwAuthenticate } else { Name::ProxyAuthenticate };
        let (step, unanswered) = self.identity.proofs.asked_before(clock.now, source);
        let bytes_max = (request.text().len() + unanswered) * ECHO_BYTES_MAX / 10;
        let proven = self.identity.proofs.is_proven(clock.now, source);
        self.counters.proofs_asked += 1;
        for (algorithms, short) in [(OFFERED[usize::from(step)], false), (MD5, false), (MD5, true)] {
            let start = out.bytes.len();
            self.answer(from, request, question.status, out, |printer| {
                for algorithm in algorithms {
                    let mut value = alloc::vec::Vec::with_capacity(128);
                    let named = (!short).then_some(*algorithm);
                    Challenge::write(&mut value, question.realm, &nonce, named, question.stale);
                    printer.line(header, &[&value]);
                }
            });
            if short {
                self.shorten_last(from, request, start, out);
            }
            // Whoever has a connection has shown that its address is its own.
            let shown = from.transport.is_reliable();
            if shown || out.bytes.len() - start <= bytes_max || (proven && algorithms.len() == 1) {
                self.identity.proofs.note_question(clock.now, source, None);
                return;
            }
            out.list.pop();
            out.bytes.truncate(start);
            self.counters.sip_sent -= 1;
        }
        self.identity.proofs.note_question(clock.now, source, Some(request.text().len()));
        self.counters.proofs_silenced += 1;
    }

    /// Says what was just answered in the fewest bytes.
    fn shorten_last(&mut self, from: Hop, request: &Message<'_>, start: usize, out: &mut Effects) {
        let short = shortened(&out.bytes[start..]);
        out.list.pop();
        out.bytes.truncate(start);
        out.bytes.extend_from_slice(&short);
        self.emit(reply_hop(request, from), start..out.bytes.len(), out);
    }

    /// Answers a request without keeping anything; says which bytes that are.
    pub(crate) fn answer(
        &mut self,
        from: Hop,
        request: &Message<'_>,
        status: u16,
        out: &mut Effects,
        more: impl FnOnce(&mut Printer<'_>),
    ) -> core::ops::Range<usize> {
        self.counters.sip_sent += 1;
        let tag = self.random.token(b"");
        let bytes = out.append(|bytes| {
            let mut printer = Printer::reply(bytes, request, status, reason_phrase(status), &tag, from.remote);
            more(&mut printer);
            printer.finish_empty();
        });
        self.emit(reply_hop(request, from), bytes.clone(), out);
        bytes
    }

    /// Tells the other shards what a check showed: guesses are counted over all of them.
    pub(crate) fn spread_news(&mut self, out: &mut Effects) {
        let Some(news) = self.identity.proofs.take_news() else { return };
        self.counters.proofs_failed += u64::from(matches!(news, News::Failed(_)));
        self.tell_others(out, || Parcel::Proof(news));
    }

    pub(crate) fn tell_others(&mut self, out: &mut Effects, parcel: impl Fn() -> Parcel) {
        let own = self.config.shard;
        let others = (0..self.config.shards).map(ShardId).filter(|shard| *shard != own);
        out.list.extend(others.map(|to| Effect::Parcel { to, parcel: Box::new(parcel()) }));
    }
}
