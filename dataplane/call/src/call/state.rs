//! A stable call as a value: versioned bytes with absolute times and no pointers, so that it may outlive its process.
//!
//! Stable means that both sides talk and no transaction is open: then nothing but the dialogs, the money, the media ports and the
//! deadlines need to be carried over. What a record must say travels as the journal's own start record.

use alloc::vec::Vec;

use cdr::{Cdr, GrantPart, Record, Stages, Start};
use media::Pair;
use rating::{Admission, Candidate, Verdict};
use sdp::Direction;
use sip::dialog::{Dialog, Peer, Told};
use sip::{Hop, Transport};
use snapshot::policy::{Refresher, SessionTimer, TimerMode};
use units::{Clock, Instant, Money};

use crate::call::owed::Owed;
use crate::call::{Attempt, Call, Opening, State, Talk};
use crate::leg::Leg;
use crate::leg::refresh::Timer;
use crate::ways::Places;

/// The layout of [`Call::export`]; raised with every change.
const VERSION: u8 = 5;

/// Why exported bytes do not make a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateFlaw {
    /// Another release wrote them.
    Version,
    /// They end too early, or hold what cannot be.
    Malformed,
}

impl Call {
    /// True when both sides talk, nothing is under way, and media is not encrypted by us.
    pub fn is_stable(&self) -> bool {
        self.is_up()
            && self.current != 0
            && !self.reserving
            && !self.owed.asking
            && self.unjournaled == 0
            && self.legs.iter().all(Leg::is_quiet)
            // Which numbers a key has used is known to the relay alone, and no key may use one twice.
            && self.legs.iter().all(|leg| leg.media.keys.is_none())
    }

    /// The call as bytes; `None` unless it is stable. `clock` is the moment of the export.
    pub fn export(&self, clock: Clock) -> Option<Vec<u8>> {
        let State::Up(talk) = &self.state else { return None };
        let attempt = self.attempts.last().filter(|_| self.is_stable())?;
        let start = Start {
            answered: self.answered?,
            reserved: self.reserved.clone(),
            owed_reserved: self.owed.parts.clone(),
            ..self.start_record(clock, attempt)
        };
        let mut record = Vec::new();
        self.encode_start(&start, attempt, &mut record);
        let mut out = Vec::with_capacity(record.len() + 1_024);
        out.push(VERSION);
        put_bytes(&mut out, &record);
        put(&mut out, self.started.now.micros());
        put(&mut out, attempt.started.now.micros());
        put(&mut out, u64::from(self.opening.hops));
        put(&mut out, self.seed);
        put(&mut out, attempt.candidate.margin.nanos() as u64);
        put(&mut out, talk.end_at.micros());
        for at in [talk.paid_until, talk.extend_at, talk.media_at] {
            put(&mut out, at.map_or(u64::MAX, Instant::micros));
        }
        for leg in [&self.legs[0], &self.legs[usize::from(self.current)]] {
            put_leg(&mut out, leg);
        }
        Some(out)
    }

    /// The media ports of exported bytes: RTP port of the ingress and of the egress leg, for whoever opens them again.
    pub fn exported_ports(bytes: &[u8]) -> Result<(u16, u16), StateFlaw> {
        let (_, legs) = read(bytes)?;
        Ok((legs[0].port, legs[1].port))
    }

    /// The call again, with the media ports that were opened for it.
    pub fn import(bytes: &[u8], ingress: Pair, egress: Pair) -> Result<Call, StateFlaw> {
        let (head, legs) = read(bytes)?;
        let (record, attempt_record) = (head.start.call, head.start.attempt);
        let [first, second] = legs;
        let started = Clock { now: head.started, wall: record.started };
        let attempt = attempt_of(&attempt_record, head.attempt_started, head.margin)?;
        let after_ms = |at: Instant, ms: Option<u32>| ms.map(|ms| at.plus_millis(u64::from(ms)));
        let opening = opening_of(&record, head.hops, first.peer);
        let legs = alloc::vec![first.into_leg(ingress), second.into_leg(egress)];
        Ok(Call {
            state: State::Up(head.talk),
            current: 1,
            revision: record.revision,
            sell: record.sell.map(|sell| sell.terms),
            attempts_max: record.attempts,
            attempts: alloc::vec![attempt],
            reserved: head.start.reserved,
            owed: owed_of(&attempt_record, head.start.owed_reserved),
            paid_ms: head.start.paid_ms,
            ringing: after_ms(started.now, record.ringing_ms),
            answered: Some(head.start.answered),
            codec: record.codec.clone(),
            described_at: head.start.answered,
            stages: record.stages,
            ingress_media: record.ingress_media,
            egress_media: record.egress_media,
            recorded: record.recorded,
            identity: record.identity,
            ingress_taken: true,
            egress_taken: Some(candidate_of(&attempt_record, head.margin)),
            seed: head.seed,
            decision: record.decision.clone(),
            ..Call::blank(opening, legs, started)
        })
    }
}

/// What stands before the legs.
struct Head {
    start: Start,
    started: Instant,
    attempt_started: Instant,
    hops: u8,
    seed: u64,
    margin: Money,
    talk: Talk,
}

/// One leg as carried over.
struct LegState {
    dialog: Dialog,
    peer: Hop,
    port: u16,
    sdp_session: u64,
    sdp_version: u64,
    nat: bool,
    media_ipv6: bool,
    direction: Direction,
    types: u128,
    timer_policy: SessionTimer,
    timer: Option<Timer>,
    peer_updates: bool,
    last_sdp: Vec<u8>,
}

impl LegState {
    fn into_leg(self, pair: Pair) -> Leg {
        let mut leg = Leg::bare(self.dialog, self.peer, self.sdp_session);
        leg.pair = Some(pair);
        (leg.nat, leg.media_ipv6) = (self.nat, self.media_ipv6);
        (leg.media.direction, leg.media.types) = (self.direction, self.types);
        leg.sdp_version = self.sdp_version;
        leg.ways.timer = self.timer_policy;
        leg.timer = self.timer;
        leg.peer_updates = self.peer_updates;
        leg.last_sdp = self.last_sdp;
        leg
    }
}

fn opening_of(record: &Cdr, hops: u8, source: Hop) -> Opening {
    let admission = Admission {
        ingress: record.ingress_trunk,
        carrier: record.originator,
        account: record.originator_account,
        called: record.called_routed,
        lrn: record.lrn,
        jurisdiction: record.jurisdiction,
        ..Admission::default()
    };
    let stages = Stages { parse_us: record.stages.parse_us, admit_us: record.stages.admit_us, ..Stages::default() };
    Opening { id: record.call, admission, calling: record.calling, called: record.called, hops, source, stages }
}

fn candidate_of(record: &Cdr, margin: Money) -> Candidate {
    Candidate {
        egress: record.egress_trunk,
        carrier: record.terminator,
        account: record.terminator_account,
        buy: record.buy.map(|buy| buy.terms),
        margin,
        verdict: Verdict::Kept,
        ..Candidate::default()
    }
}

/// What is reserved says whether anything is limited: a call with a price that is limited has reserved something.
fn owed_of(record: &Cdr, parts: Vec<GrantPart>) -> Owed {
    let purse = (!parts.is_empty()).then(|| record.terminator_account.owed());
    Owed { purse, terms: record.buy.map(|buy| buy.terms), parts, ..Owed::default() }
}

fn attempt_of(record: &Cdr, started: Instant, margin: Money) -> Result<Attempt, StateFlaw> {
    Ok(Attempt {
        leg: 1,
        candidate: candidate_of(record, margin),
        started: Clock { now: started, wall: record.started },
        ringing: record.ringing_ms.map(|ms| started.plus_millis(u64::from(ms))),
        address: record.egress_address.ok_or(StateFlaw::Malformed)?,
        challenges: 0,
        redirects: 0,
        contacts: Vec::new(),
        places: Places::default(),
        hurry_at: None,
        identity: record.identity,
        written: false,
    })
}

fn read(bytes: &[u8]) -> Result<(Head, [LegState; 2]), StateFlaw> {
    let (version, rest) = bytes.split_first().ok_or(StateFlaw::Malformed)?;
    if *version != VERSION {
        return Err(StateFlaw::Version);
    }
    let mut input = rest;
    read_all(&mut input).filter(|_| input.is_empty()).ok_or(StateFlaw::Malformed)
}

fn read_all(input: &mut &[u8]) -> Option<(Head, [LegState; 2])> {
    let Ok(Record::Start(start)) = Record::decode(take_bytes(input)?) else { return None };
    let started = Instant::from_micros(take(input)?);
    let attempt_started = Instant::from_micros(take(input)?);
    let hops = u8::try_from(take(input)?).ok()?;
    let seed = take(input)?;
    let margin = Money::from_nanos(take(input)? as i64);
    let end_at = Instant::from_micros(take(input)?);
    let mut moment = || take(input).map(|at| (at != u64::MAX).then(|| Instant::from_micros(at)));
    let talk = Talk { end_at, paid_until: moment()?, extend_at: moment()?, media_at: moment()? };
    let legs = [take_leg(input)?, take_leg(input)?];
    Some((Head { start: *start, started, attempt_started, hops, seed, margin, talk }, legs))
}

fn put(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(&value.to_le_bytes());
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn put_leg(out: &mut Vec<u8>, leg: &Leg) {
    let (dialog, peer) = (&leg.dialog, &leg.dialog.peer);
    for text in [
        dialog.call_id(),
        dialog.local_tag(),
        peer.tag(),
        dialog.told(Told::LocalUri),
        dialog.told(Told::LocalDisplay),
        dialog.told(Told::RemoteUri),
        peer.target(),
    ] {
        put_bytes(out, text);
    }
    put(out, peer.routes.len() as u64);
    peer.routes.iter().for_each(|route| put_bytes(out, route));
    put(out, u64::from(dialog.local_cseq));
    put(out, dialog.remote_cseq.map_or(u64::MAX, u64::from));
    put(out, u64::from(leg.peer.transport as u8));
    put(out, u64::from(leg.peer.listener));
    put_bytes(out, alloc::format!("{}", leg.peer.remote).as_bytes());
    put(out, leg.pair.map_or(0, |pair| u64::from(pair.rtp_port)));
    put(out, leg.sdp_session);
    put(out, leg.sdp_version);
    put(out, u64::from(leg.nat) | (leg.media.direction as u64) << 1 | u64::from(leg.media_ipv6) << 3);
    put(out, leg.media.types as u64);
    put(out, (leg.media.types >> 64) as u64);
    put_timer(out, leg);
}

/// The session timer and what its refreshes need. The last description is needed only by a re-INVITE that refreshes.
fn put_timer(out: &mut Vec<u8>, leg: &Leg) {
    let policy = &leg.ways.timer;
    let flag = |flag: bool, bit: u32| u64::from(flag) << bit;
    let timer = leg.timer;
    put(
        out,
        policy.mode as u64
            | (policy.refresher as u64) << 2
            | flag(leg.peer_updates, 4)
            | flag(timer.is_some(), 5)
            | flag(timer.is_some_and(|timer| timer.ours), 6)
            | flag(timer.is_some_and(|timer| timer.alone), 7)
            | u64::from(policy.expires_s) << 32,
    );
    put(out, u64::from(policy.min_s) | timer.map_or(0, |timer| u64::from(timer.interval_s) << 32));
    put(out, timer.map_or(0, |timer| timer.refresh_at.micros()));
    put(out, timer.map_or(0, |timer| timer.ends_at.micros()));
    let by_invite = timer.is_some_and(|timer| timer.ours) && !leg.peer_updates;
    put_bytes(out, if by_invite { &leg.last_sdp } else { b"" });
}

fn take(input: &mut &[u8]) -> Option<u64> {
    let (head, rest) = input.split_first_chunk::<8>()?;
    *input = rest;
    Some(u64::from_le_bytes(*head))
}

fn take_bytes<'a>(input: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(take(input)?).ok()?;
    let (head, rest) = input.split_at_checked(length)?;
    *input = rest;
    Some(head)
}

/// The texts of a dialog.
fn take_dialog(input: &mut &[u8]) -> Option<Dialog> {
    let mut text = || take_bytes(input);
    let (call_id, local_tag, tag) = (text()?, text()?, text()?);
    let (local_uri, local_display, remote_uri) = (text()?, text()?, text()?);
    let told = [
        (Told::CallId, call_id),
        (Told::LocalTag, local_tag),
        (Told::LocalUri, local_uri),
        (Told::LocalDisplay, local_display),
        (Told::RemoteUri, remote_uri),
    ];
    let mut dialog = Dialog::ours(told.iter().map(|(_, text)| text.len()).sum());
    for (what, text) in told {
        dialog.write(what, |out| out.extend_from_slice(text));
    }
    dialog.peer = Peer::of(tag, text()?);
    Some(dialog)
}

fn take_leg(input: &mut &[u8]) -> Option<LegState> {
    let mut dialog = take_dialog(input)?;
    let routes = usize::try_from(take(input)?).ok().filter(|count| *count <= sip::dialog::ROUTES_MAX)?;
    for _ in 0..routes {
        dialog.peer.routes.push(take_bytes(input)?.to_vec());
    }
    dialog.local_cseq = u32::try_from(take(input)?).ok()?;
    dialog.remote_cseq = match take(input)? {
        u64::MAX => None,
        number => Some(u32::try_from(number).ok()?),
    };
    let transport = [Transport::Udp, Transport::Tcp, Transport::Tls];
    let transport = *transport.get(usize::try_from(take(input)?).ok()?)?;
    let listener = u8::try_from(take(input)?).ok()?;
    let remote = core::str::from_utf8(take_bytes(input)?).ok()?.parse().ok()?;
    let peer = Hop { transport, listener, remote, flow: None };
    let port = u16::try_from(take(input)?).ok()?;
    let (sdp_session, sdp_version) = (take(input)?, take(input)?);
    let flags = take(input)?;
    let (nat, media_ipv6) = (flags & 1 != 0, flags & 8 != 0);
    let directions = [Direction::SendRecv, Direction::SendOnly, Direction::RecvOnly, Direction::Inactive];
    let direction = directions[(flags >> 1 & 3) as usize];
    let types = u128::from(take(input)?) | u128::from(take(input)?) << 64;
    let (timer_policy, timer, peer_updates) = take_timer(input)?;
    let last_sdp = take_bytes(input)?.to_vec();
    Some(LegState {
        dialog,
        peer,
        port,
        sdp_session,
        sdp_version,
        nat,
        media_ipv6,
        direction,
        types,
        timer_policy,
        timer,
        peer_updates,
        last_sdp,
    })
}

fn take_timer(input: &mut &[u8]) -> Option<(SessionTimer, Option<Timer>, bool)> {
    let (flags, spans) = (take(input)?, take(input)?);
    let (refresh_at, ends_at) = (Instant::from_micros(take(input)?), Instant::from_micros(take(input)?));
    let flag = |bit: u32| flags >> bit & 1 == 1;
    let mode = [TimerMode::Accept, TimerMode::Off, TimerMode::On].get((flags & 3) as usize).copied()?;
    let refresher = [Refresher::Any, Refresher::Us, Refresher::Peer].get((flags >> 2 & 3) as usize).copied()?;
    let policy = SessionTimer { mode, expires_s: (flags >> 32) as u32, min_s: spans as u32, refresher };
    let timer = Timer { interval_s: (spans >> 32) as u32, ours: flag(6), refresh_at, ends_at, alone: flag(7) };
    Some((policy, flag(5).then_some(timer), flag(4)))
}
