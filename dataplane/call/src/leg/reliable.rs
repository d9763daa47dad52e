//! Reliable provisional responses (RFC 3262): ours until the PRACK comes, the peer's until we send it.
//!
//! ```text
//!   18x ─▶ Waiting ──PRACK──▶ the next of the queue     our side, RFC 3262 §3
//!             └──64·T1──▶ the INVITE is refused
//! ```

use alloc::vec::Vec;

use sip::effect::{GIVE_UP_MS, T1_MS};
use sip::{Message, Method, Name, lex};
use units::Instant;

use crate::bridge::{Body, Event, Events};
use crate::leg::{Desk, InviteIn, Leg};
use crate::limits::PROGRESS_QUEUE_MAX;

/// The option tag of RFC 3262.
pub const TAG: &[u8] = b"100rel";
/// RSeq is below 2^32 and begins below 2^31 (RFC 3262 §7.1).
const RSEQ_MAX: u64 = u32::MAX as u64;

/// A reliable response of a terminator whose PRACK we still owe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owed {
    /// Its leg.
    pub leg: u8,
    /// Which of the leg's early dialogs sent it.
    pub early: usize,
    /// Its RSeq.
    pub number: u32,
    /// CSeq of the INVITE that it answers.
    pub invite: u32,
}

/// One provisional response on its way to the originator.
#[derive(Clone, Debug)]
pub struct Progress {
    /// 180 to 198.
    pub status: u16,
    /// Its description, perhaps.
    pub body: Body,
    /// What its PRACK stands for on the other leg.
    pub owed: Option<Owed>,
}

/// Our reliable responses to one INVITE.
#[derive(Clone, Debug, Default)]
pub struct Reliably {
    /// RSeq of the last one; 0 before the first.
    number: u32,
    waiting: Option<Waiting>,
    queue: Vec<Progress>,
}

/// One that has no PRACK yet.
#[derive(Clone, Debug)]
struct Waiting {
    /// `None` once a final answer went out, or over a transport that loses nothing.
    resend_at: Option<Instant>,
    resend_ms: u64,
    give_up_at: Option<Instant>,
    response: Vec<u8>,
    described: bool,
    owed: Option<Owed>,
}

impl Reliably {
    /// When `on_time` is due.
    pub fn deadline(&self) -> Option<Instant> {
        let waiting = self.waiting.as_ref()?;
        [waiting.resend_at, waiting.give_up_at].into_iter().flatten().min()
    }

    /// Every one has its PRACK, and none waits to be sent.
    pub fn is_settled(&self) -> bool {
        self.waiting.is_none() && self.queue.is_empty()
    }

    /// RFC 3262 §3: a 2xx waits for the PRACK of a response that had a description.
    pub fn holds_answer(&self) -> bool {
        self.waiting.as_ref().is_some_and(|waiting| waiting.described)
    }

    /// A final answer went out: nothing is repeated any more, a late PRACK still finds its response.
    pub fn rest(&mut self) {
        self.queue = Vec::new();
        if let Some(waiting) = &mut self.waiting {
            (waiting.resend_at, waiting.give_up_at) = (None, None);
            waiting.response = Vec::new();
        }
    }
}

impl Leg {
    /// Passes a provisional response on to the originator: reliably if `wanted` and the originator takes it so, or if it requires
    /// it. What cannot be sent reliably is sent plainly, or left out where the originator requires it. Returns what must be
    /// acknowledged at once, since no PRACK of the originator will do it.
    pub fn send_progress(&mut self, desk: &mut Desk<'_>, index: u8, progress: Progress, wanted: bool) -> Option<Owed> {
        let Some(invite) = self.invite_in.as_mut().filter(|invite| invite.machine.is_pending()) else {
            return progress.owed;
        };
        let reliably = invite.requires_reliable || (wanted && invite.takes_reliable);
        // RFC 3262 §5: the first reliable response to an INVITE without an offer carries one.
        let offers = invite.offered || invite.settled.is_some() || progress.body.is_sdp();
        match (reliably, offers) {
            (true, false) if invite.requires_reliable => progress.owed,
            (false, _) | (true, false) => {
                self.answer_invite(desk, index, progress.status, &progress.body, None);
                progress.owed
            }
            (true, true) if invite.reliably.waiting.is_none() => {
                self.send_reliably(desk, index, progress);
                None
            }
            (true, true) => invite.reliably.put_off(progress),
        }
    }

    /// RFC 3262 §3: our 2xx waits for a PRACK.
    pub fn holds_answer(&self) -> bool {
        self.invite_in.as_ref().is_some_and(|invite| invite.reliably.holds_answer())
    }

    fn send_reliably(&mut self, desk: &mut Desk<'_>, index: u8, progress: Progress) {
        let Some(invite) = &mut self.invite_in else { return };
        let first = (desk.random.bits() as u32 & 0x7fff_ffff).max(1);
        let number = if invite.reliably.number == 0 { first } else { invite.reliably.number + 1 };
        invite.reliably.number = number;
        // RFC 3262 §5: the answer was given; further descriptions would say nothing.
        let repeated = invite.settled == Some(self.sdp_version);
        let body = if repeated { &Body::default() } else { &progress.body };
        let described = body.is_sdp();
        if described && invite.offered {
            invite.settled = Some(self.sdp_version);
        }
        let source = invite.source;
        self.answer_invite_as(desk, index, progress.status, body, None, Some(number));
        let Some(invite) = &mut self.invite_in else { return };
        let now = desk.clock.now;
        let resend_at = (!source.is_reliable()).then(|| now.plus_millis(T1_MS));
        invite.reliably.waiting = Some(Waiting {
            resend_at,
            resend_ms: T1_MS,
            give_up_at: Some(now.plus_millis(GIVE_UP_MS)),
            response: invite.last.clone(),
            described,
            owed: progress.owed,
        });
    }

    /// Sends the next response that waited for the one before. Returns what no PRACK will stand for.
    pub fn send_put_off(&mut self, desk: &mut Desk<'_>, index: u8) -> Option<Owed> {
        let invite = self.invite_in.as_mut().filter(|invite| invite.machine.is_pending())?;
        if invite.reliably.waiting.is_some() || invite.reliably.queue.is_empty() {
            return None;
        }
        let next = invite.reliably.queue.remove(0);
        self.send_progress(desk, index, next, true)
    }

    /// A PRACK came: the response that it names is taken as received.
    pub(super) fn on_prack(&mut self, request: &Message<'_>, number: u32, body: Body) -> Option<Event> {
        let named = request.header(Name::RAck).and_then(rack)?;
        let invite = self.invite_in.as_mut()?;
        let own = (invite.reliably.number, invite.number());
        let waiting = invite.reliably.waiting.take_if(|_| named == own)?;
        // RFC 3262 §5: our response had the offer, so this is its answer.
        if waiting.described && !invite.offered && body.is_sdp() {
            invite.settled = Some(self.sdp_version);
        }
        Some(Event::Pracked { number, body, owed: waiting.owed })
    }

    pub(super) fn reliable_on_time(&mut self, desk: &mut Desk<'_>, index: u8, events: &mut Events) {
        let Some(invite) = &mut self.invite_in else { return };
        let (now, due) = (desk.clock.now, invite.reliably.deadline());
        if due.is_none_or(|at| at > now) {
            return;
        }
        let to = invite.reply_hop();
        let Some(waiting) = &mut invite.reliably.waiting else { return };
        if waiting.give_up_at.is_some_and(|at| at <= now) {
            invite.reliably.rest();
            events.push(Event::PrackMissing);
        } else if waiting.resend_at.is_some_and(|at| at <= now) {
            // RFC 3262 §3: the interval doubles without bound until 64·T1.
            waiting.resend_ms *= 2;
            waiting.resend_at = Some(now.plus_millis(waiting.resend_ms));
            desk.send(index, to, &waiting.response);
        }
    }

    /// The peer's provisional response claims to be reliable: `Err` if it came before, or before its turn (RFC 3262 §4).
    pub(super) fn take_reliable(&mut self, response: &Message<'_>, early: usize) -> Result<u32, ()> {
        let number = response.number(Name::RSeq, RSEQ_MAX).ok().flatten().ok_or(())? as u32;
        let early = self.early.get_mut(early).ok_or(())?;
        match early.heard {
            Some(last) if last.checked_add(1) != Some(number) => Err(()),
            Some(_) | None => {
                early.heard = Some(number);
                Ok(number)
            }
        }
    }

    /// Acknowledges a reliable response; with a body it answers an offer, or makes one. `passes_on` is the number of the PRACK on
    /// the other leg that waits for the answer.
    pub fn send_prack(&mut self, desk: &mut Desk<'_>, owed: Owed, body: &Body, passes_on: Option<u32>) {
        let early = if self.dialog.stands() { usize::MAX } else { owed.early };
        if let Some(invite) = self.invite_out.as_mut().filter(|invite| !invite.offered && body.is_sdp()) {
            invite.settled = true;
        }
        self.swap_early(early);
        self.send_request_with(desk, owed.leg, b"PRACK", body, passes_on, |printer| {
            let (mut number, mut invite) = (Vec::new(), Vec::new());
            sip::print::decimal(&mut number, u64::from(owed.number));
            sip::print::decimal(&mut invite, u64::from(owed.invite));
            printer.line(Name::RAck, &[&number, b" ", &invite, b" INVITE"]);
        });
        self.swap_early(early);
    }
}

impl Reliably {
    /// Keeps a response until the one before has its PRACK; of many only the first few, and none that says what is said already.
    fn put_off(&mut self, progress: Progress) -> Option<Owed> {
        let last = self.queue.last();
        let repeats = last.is_some_and(|last| last.status == progress.status && last.body == progress.body);
        if self.queue.len() >= PROGRESS_QUEUE_MAX || (repeats && progress.owed.is_none()) {
            return progress.owed;
        }
        self.queue.push(progress);
        None
    }
}

/// True if a message requires (or supports, as `name` says) an extension.
pub fn names_tag(message: &Message<'_>, name: Name, tag: &[u8]) -> bool {
    message.list(name).any(|named| named.eq_ignore_ascii_case(tag))
}

/// RSeq and the INVITE's CSeq of a RAck (RFC 3262 §7.2); `None` if it is malformed or speaks of another method.
fn rack(value: &[u8]) -> Option<(u32, u32)> {
    let mut words = value.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let mut number = || lex::number(words.next()?, RSEQ_MAX).map(|number| number as u32);
    let (response, invite) = (number()?, number()?);
    (words.next()? == Method::Invite.as_str().as_bytes() && words.next().is_none()).then_some((response, invite))
}

impl InviteIn {
    /// Where its answers go.
    pub(super) fn reply_hop(&self) -> sip::Hop {
        self.request.reply_hop(self.source)
    }
}
