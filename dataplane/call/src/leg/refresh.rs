//! Session timers (RFC 4028): each leg has its own, so that a peer which vanished is noticed although nothing is heard of it.
//!
//! ```text
//!   2xx with Session-Expires ─▶ running ──ours: half time──▶ UPDATE or re-INVITE ──2xx──▶ running
//!                                  └──the peer's: expiry less min(32 s, a third)──▶ released     RFC 4028 §10
//! ```

use alloc::vec::Vec;

use sip::{Message, Method, Name, Printer, lex};
use snapshot::policy::{Refresher, SessionTimer, TimerMode};
use units::Instant;

use crate::bridge::{Body, Event, Events};
use crate::leg::reliable::names_tag;
use crate::leg::send::HOPS;
use crate::leg::{Desk, Leg, Offering, StandsFor};

/// The option tag of RFC 4028.
pub const TAG: &[u8] = b"timer";
/// The shortest interval that may be asked for, in seconds (RFC 4028 §5).
const SHORTEST_S: u32 = 90;
/// The longest interval that we take, in seconds.
const LONGEST_S: u32 = 86_400;
/// The interval that we ask for where the policy does not say, in seconds (RFC 4028 §4).
const USUAL_S: u32 = 1_800;
/// How much earlier than its end a call without refresh is released at most, in seconds (RFC 4028 §10).
const EARLY_S: u32 = 32;
/// How long a refresh waits for a transaction that is under way, in milliseconds.
const BUSY_MS: u64 = 2_000;

/// A running session timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timer {
    /// Seconds from one refresh to the end of the call if no other comes.
    pub interval_s: u32,
    /// We refresh.
    pub ours: bool,
    /// When we refresh, if it is ours.
    pub refresh_at: Instant,
    /// When the call is released.
    pub ends_at: Instant,
    /// The peer knows no timers: whatever it answers to a refresh shows that it lives.
    pub alone: bool,
}

impl Timer {
    fn running(now: Instant, interval_s: u32, ours: bool, alone: bool) -> Timer {
        let interval_s = interval_s.clamp(SHORTEST_S, LONGEST_S);
        let seconds = |seconds: u32| now.plus_millis(u64::from(seconds) * 1_000);
        let ends_at = seconds(interval_s - EARLY_S.min(interval_s / 3));
        Timer { interval_s, ours, refresh_at: seconds(interval_s / 2), ends_at, alone }
    }

    /// When `on_time` is due.
    pub fn deadline(&self) -> Instant {
        if self.ours { self.refresh_at.min(self.ends_at) } else { self.ends_at }
    }
}

/// What an INVITE or UPDATE of the peer says of a session timer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked {
    /// It knows timers.
    required: bool,
    /// Its Session-Expires.
    told: Option<(u32, Option<Side>)>,
}

impl Asked {
    pub(super) fn by(request: &Message<'_>) -> Asked {
        let required = names_tag(request, Name::Supported, TAG) || names_tag(request, Name::Require, TAG);
        Asked { required, told: expires(request) }
    }
}

/// What an answer to the peer says of its session timer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Agreed {
    interval_s: u32,
    peer_refreshes: bool,
    required: bool,
}

impl Agreed {
    pub(super) fn write(&self, printer: &mut Printer<'_>) {
        // RFC 4028 §9: the peer that refreshes must know timers, and is told that it depends on it.
        if self.required {
            printer.line(Name::Require, &[TAG]);
        }
        write_expires(printer, self.interval_s, Some(if self.peer_refreshes { "uac" } else { "uas" }));
    }
}

impl Leg {
    fn timer_policy(&self) -> &SessionTimer {
        &self.ways.timer
    }

    /// The interval that the peer must respect, if its INVITE or UPDATE asks for a shorter one and may be told so: 422 then
    /// (RFC 4028 §8).
    pub fn shorter_than(&self, request: &Message<'_>) -> Option<u32> {
        let policy = self.timer_policy();
        let (asked_s, _) = expires(request).filter(|_| policy.mode != TimerMode::Off)?;
        let least_s = policy.min_s.max(SHORTEST_S);
        (asked_s < least_s && names_tag(request, Name::Supported, TAG)).then_some(least_s)
    }

    /// What an INVITE or UPDATE of ours says of timers, and of reliable responses if it is the first INVITE.
    pub(super) fn write_extensions(&self, printer: &mut Printer<'_>, first: bool) {
        let policy = self.timer_policy();
        self.write_supported(printer, first && self.offers_reliable());
        let Some(interval_s) = self.asked_s() else { return };
        let refresher = match (self.timer, policy.refresher) {
            (Some(timer), _) => Some(if timer.ours { "uac" } else { "uas" }),
            (None, Refresher::Any) => None,
            (None, Refresher::Us) => Some("uac"),
            (None, Refresher::Peer) => Some("uas"),
        };
        write_expires(printer, interval_s, refresher);
        if policy.min_s > SHORTEST_S {
            printer.number(Name::MinSe, u64::from(policy.min_s));
        }
    }

    /// What we know beyond RFC 3261 (§13.2.1, §13.3.1.4).
    pub(super) fn write_supported(&self, printer: &mut Printer<'_>, reliable: bool) {
        match (reliable, self.timer_policy().mode != TimerMode::Off) {
            (true, true) => printer.line(Name::Supported, &[super::reliable::TAG, b", ", TAG]),
            (true, false) => printer.line(Name::Supported, &[super::reliable::TAG]),
            (false, true) => printer.line(Name::Supported, &[TAG]),
            (false, false) => printer,
        };
    }

    /// The interval that we ask for: the running one, or the policy's where it wants one.
    fn asked_s(&self) -> Option<u32> {
        let policy = self.timer_policy();
        let wanted = if policy.expires_s == 0 { USUAL_S } else { policy.expires_s }.max(policy.min_s);
        match (policy.mode, self.timer) {
            (TimerMode::Off, _) | (TimerMode::Accept, None) => None,
            (TimerMode::Accept | TimerMode::On, Some(timer)) => Some(timer.interval_s.max(policy.min_s)),
            (TimerMode::On, None) => Some(wanted),
        }
    }

    /// We accept the peer's INVITE or UPDATE: its session timer starts again (RFC 4028 §9).
    pub(super) fn agree_timer(&mut self, now: Instant, asked: Asked) -> Option<Agreed> {
        let policy = self.timer_policy();
        let Asked { required, told } = asked;
        let interval_s = match (policy.mode, told, self.timer) {
            (TimerMode::Off, _, _) => None,
            (_, Some((interval_s, _)), _) => Some(interval_s.clamp(SHORTEST_S, LONGEST_S)),
            (_, None, Some(timer)) if required => Some(timer.interval_s),
            (TimerMode::Accept, None, _) => None,
            (TimerMode::On, None, _) => self.asked_s(),
        };
        let Some(interval_s) = interval_s else {
            self.timer = None;
            return None;
        };
        let named = told.and_then(|(_, refresher)| refresher).filter(|_| required);
        let peer_refreshes = match (named, policy.refresher, self.timer) {
            (Some(Side::Sender), _, _) => true,
            (Some(Side::Receiver), _, _) => false,
            (None, _, Some(timer)) => required && !timer.ours,
            (None, Refresher::Peer, None) => required,
            (None, Refresher::Us | Refresher::Any, None) => false,
        };
        self.timer = Some(Timer::running(now, interval_s, !peer_refreshes, !required));
        Some(Agreed { interval_s, peer_refreshes, required })
    }

    /// The peer accepted our INVITE or UPDATE: its answer says who refreshes, or that nobody must (RFC 4028 §7.2).
    pub(super) fn heed_timer(&mut self, now: Instant, answer: &Message<'_>) {
        self.timer = match (self.timer_policy().mode, expires(answer)) {
            (TimerMode::Off, _) | (TimerMode::Accept, None) => None,
            (TimerMode::Accept | TimerMode::On, Some((interval_s, refresher))) => {
                Some(Timer::running(now, interval_s, refresher != Some(Side::Receiver), false))
            }
            // The peer knows no timers: we refresh alone.
            (TimerMode::On, None) => self.asked_s().map(|interval_s| Timer::running(now, interval_s, true, true)),
        };
    }

    /// A peer that wants a longer interval is obeyed (RFC 4028 §7.4). False if its answer does not say so in earnest.
    pub(super) fn obey_interval(&mut self, refusal: &Message<'_>) -> bool {
        let least = refusal.number(Name::MinSe, u64::from(LONGEST_S)).ok().flatten();
        let Some(least_s) = least.map(|least| least as u32).filter(|least| *least > self.asked_s().unwrap_or(0)) else {
            return false;
        };
        self.ways.timer.min_s = least_s;
        true
    }

    pub(super) fn timer_on_time(&mut self, desk: &mut Desk<'_>, index: u8, events: &mut Events) {
        let now = desk.clock.now;
        if self.timer.is_none_or(|timer| timer.deadline() > now) {
            return;
        }
        let busy = self.has_open_invite() || self.has_open_update() || self.open_offer() != Offering::Nobody;
        let Some(timer) = &mut self.timer else { return };
        if self.gone || timer.ends_at <= now {
            self.timer = None;
            if !self.gone {
                events.push(Event::RefreshMissing);
            }
        } else if busy {
            timer.refresh_at = now.plus_millis(BUSY_MS);
        } else {
            timer.refresh_at = timer.ends_at;
            self.refresh(desk, index);
        }
    }

    /// By UPDATE if the peer takes it, else by a re-INVITE that describes what was described before (RFC 4028 §7.4).
    fn refresh(&mut self, desk: &mut Desk<'_>, index: u8) {
        if self.peer_updates || self.last_sdp.is_empty() {
            return self.send_request(desk, index, b"UPDATE", &Body::default(), None, None);
        }
        let body = self.last_description();
        self.send_invite(desk, index, &body, HOPS);
        if let Some(invite) = &mut self.invite_out {
            invite.stands_for = StandsFor::Refresh;
        }
    }

    /// Offers what was described last: the peer took an earlier description for the answer (RFC 6337 §3.1).
    pub(super) fn describe_again(&mut self, desk: &mut Desk<'_>, index: u8) {
        if !core::mem::take(&mut self.redescribe) || self.gone || self.last_sdp.is_empty() {
            return;
        }
        if !self.peer_updates {
            return self.refresh(desk, index);
        }
        let body = self.last_description();
        self.send_request(desk, index, b"UPDATE", &body, None, None);
    }

    fn last_description(&self) -> Body {
        Body::sdp(self.last_sdp.clone())
    }

    /// The peer refused our refresh, or did not answer it.
    pub(super) fn on_refresh_refused(
        &mut self,
        desk: &mut Desk<'_>,
        (method, status): (Method, u16),
        refusal: Option<&Message<'_>>,
        events: &mut Events,
    ) {
        let longer = status == 422 && refusal.is_some_and(|refusal| self.obey_interval(refusal));
        let (now, fraction) = (desk.clock.now, desk.random.bits() % 200);
        let owns_call_id =
            self.dialog.call_id().ends_with(&desk.switch.shard_mark) && !desk.switch.shard_mark.is_empty();
        // RFC 4028 §10.
        if matches!(status, 408 | 481) {
            return events.push(Event::Lost);
        }
        let Some(timer) = &mut self.timer else { return };
        match status {
            // RFC 3261 §14.1: whoever made the Call-ID waits longer.
            491 => timer.refresh_at = now.plus_millis(if owns_call_id { 2_100 + fraction * 9 } else { fraction * 10 }),
            405 | 501 if method == Method::Update && !self.last_sdp.is_empty() => {
                self.peer_updates = false;
                timer.refresh_at = now;
            }
            _ if longer => timer.refresh_at = now,
            _ if timer.alone => *timer = Timer::running(now, timer.interval_s, true, true),
            // It lives; the refresh is tried once more in half of the time that is left.
            _ => timer.refresh_at = now.plus_millis((timer.ends_at.millis_since(now) / 2).max(BUSY_MS)),
        }
    }
}

/// Who refreshes, seen from the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    /// `uac`
    Sender,
    /// `uas`
    Receiver,
}

/// Seconds and refresher of Session-Expires (RFC 4028 §4); a malformed one is none.
fn expires(message: &Message<'_>) -> Option<(u32, Option<Side>)> {
    let value = message.header(Name::SessionExpires)?;
    let end = value.iter().position(|byte| *byte == b';').unwrap_or(value.len());
    let seconds = lex::number(lex::trim(&value[..end]), u64::from(u32::MAX))? as u32;
    let refresher = lex::param(&value[end..], b"refresher").flatten();
    let side = refresher.and_then(|side| match () {
        () if side.eq_ignore_ascii_case(b"uac") => Some(Side::Sender),
        () if side.eq_ignore_ascii_case(b"uas") => Some(Side::Receiver),
        () => None,
    });
    Some((seconds, side))
}

fn write_expires(printer: &mut Printer<'_>, interval_s: u32, refresher: Option<&str>) {
    let mut digits = Vec::with_capacity(8);
    sip::print::decimal(&mut digits, u64::from(interval_s));
    match refresher {
        Some(side) => printer.line(Name::SessionExpires, &[&digits, b";refresher=", side.as_bytes()]),
        None => printer.line(Name::SessionExpires, &[&digits]),
    };
}
