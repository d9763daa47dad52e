//! One call: ingress leg, bridge, egress legs, and the deadlines that end every state.

mod carry;
mod crypt;
mod detour;
mod dtmf;
mod finish;
mod heard;
mod offer;
pub mod outbound;
mod owed;
mod places;
mod progress;
mod record;
mod remembered;
mod setup;
mod state;
mod summary;
mod talk;
mod vouch;

use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

pub use remembered::Remembered;
pub use state::StateFlaw;
pub use summary::Summary;

use cdr::{GrantPart, Identity, Quality, Recorded, Stages};
use media::Relay;
use rating::quality::Over;
use rating::{Admission, Candidate, Policies};
use sip::{Hop, Message};
use snapshot::View;
use units::{CallId, Cause, Clock, Instant, Money, Number, Revision, Terms};

use crate::bridge::{Body, Event, Events};
use crate::leg::{Desk, Earliest, InviteOut, Leg};
use crate::limits::{FORGET_STEP_US, PRACK_TIMEOUT_MS, SETUP_TIMEOUT_S, TIMER_STEP_US};
use crate::release::Release;
use crate::stir::Keys;
use crate::ways::{Places, Ways};
use outbound::Caller;
use owed::Owed;

/// What a call works with during one step.
pub struct Context<'a> {
    /// Clocks, identifiers, orders.
    pub desk: Desk<'a>,
    /// The snapshot in force.
    pub view: View<'a>,
    /// Its policies.
    pub policies: &'a Policies,
    /// What is known of the ways out besides the snapshot.
    pub ways: &'a Ways,
    /// What signs and verifies, and whose keys are known.
    pub keys: &'a Keys,
    /// The shard's media streams.
    pub relay: &'a mut Relay,
    /// What routes are found in; its memory serves all calls.
    pub routes: &'a mut rating::Routes,
    /// Reads nanoseconds for stage latencies; decides nothing.
    pub ticks: fn() -> u64,
}

/// Where a call stands; each state owns its deadline.
///
/// ```text
///  Taking ─▶ (Vouching ─▶) Reserving ─▶ TakingEgress ─▶ Owing ─▶ Trying ─▶ Ringing ─▶ Answering ─▶ Up ─▶ (Parting ─▶) Over
///                                           ▲             │         │          │
///                                           └─ next route ┴─────────┴──────────┘                  any state ─▶ Over
/// ```
#[derive(Clone, Debug, PartialEq)]
enum State {
    /// Waits for room on the ingress trunk.
    Taking { give_up_at: Instant },
    /// Waits for the certificate of the identity that it came with.
    Vouching { give_up_at: Instant },
    /// Waits for the first slice of money.
    Reserving { give_up_at: Instant },
    /// Waits for room on the egress trunk of the next route.
    TakingEgress { give_up_at: Instant },
    /// Waits until the terminator of the next route may be owed the first slice.
    Owing { give_up_at: Instant },
    /// The INVITE is out; nothing but 100 came.
    Trying { progress_at: Instant },
    /// A 18x came.
    Ringing { give_up_at: Instant },
    /// The terminator answered; the start record is on its way to the journal, or is there and a PRACK is awaited.
    Answering { give_up_at: Instant, body: Body, began_ns: u64, journaled: bool },
    /// Both sides talk.
    Up(Talk),
    /// Both sides have heard goodbye; the kernel's last counts of their media are awaited.
    Parting { release: Release, ended: Clock, give_up_at: Instant },
    /// The record is written; transactions run out. BYEs wait until it is safe, and go unanswered if it never is: `waits_till` is when
    /// their peers have given them up.
    Over { waits_till: Option<Instant> },
}

/// The deadlines of an answered call.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Talk {
    /// Paid time ends.
    paid_until: Option<Instant>,
    /// The next slice is asked for.
    extend_at: Option<Instant>,
    /// The trunk's longest call ends.
    end_at: Instant,
    /// Media is looked at.
    media_at: Option<Instant>,
}

/// One try of a route.
#[derive(Clone, Debug)]
struct Attempt {
    leg: u8,
    candidate: Candidate,
    started: Clock,
    ringing: Option<Instant>,
    address: SocketAddr,
    challenges: u8,
    redirects: u8,
    /// Places that redirections named and that were not tried yet, best first: values of Contact.
    contacts: Vec<Vec<u8>>,
    /// Addresses of the trunk that were not tried.
    places: Places,
    /// When the next of them is tried if nothing was heard.
    hurry_at: Option<Instant>,
    /// The signed identity that its INVITE carries.
    identity: Identity,
    written: bool,
}

/// What a call began with.
#[derive(Clone, Debug)]
pub struct Opening {
    /// Its identity.
    pub id: CallId,
    /// Where it came in and what that allows; zeros where it did not get so far.
    pub admission: Admission,
    /// The caller.
    pub calling: Number,
    /// The destination as received.
    pub called: Number,
    /// Max-Forwards of the INVITE.
    pub hops: u8,
    /// Who sent it, how.
    pub source: Hop,
    /// Microseconds spent on reading and admitting it.
    pub stages: Stages,
}

/// One call.
#[derive(Clone, Debug)]
pub struct Call {
    opening: Opening,
    state: State,
    legs: Vec<Leg>,
    /// The egress leg that is or was bridged; 0 while there is none.
    current: u8,
    revision: Revision,
    started: Clock,
    began_ns: u64,
    /// While not answered: no later than this.
    setup_at: Instant,
    /// It is the originator's own Expires that says so.
    expires: bool,
    /// When the originator hears a 180 of our own.
    ring_at: Option<Instant>,
    sell: Option<Terms>,
    offer: Body,
    /// Who calls, as the INVITE says.
    caller: Caller,
    routes: Vec<Candidate>,
    next_route: usize,
    attempts_max: u8,
    attempts: Vec<Attempt>,
    last_refusal: Option<Release>,
    reserved: Vec<GrantPart>,
    reserving: bool,
    owed: Owed,
    paid_ms: u64,
    ringing: Option<Instant>,
    answered: Option<Instant>,
    codec: String,
    /// When a peer last said where it wants media: nobody is silent before.
    described_at: Instant,
    stages: Stages,
    ingress_media: Quality,
    egress_media: Quality,
    /// What became of the wish to record it.
    pub recorded: Recorded,
    /// What became of the signed identity that it came with.
    identity: Identity,
    ingress_taken: bool,
    egress_taken: Option<Candidate>,
    /// How the attempt ended that still holds its room.
    over: Over,
    seed: u64,
    decision: Vec<u8>,
    /// Records that it waits for.
    unjournaled: u8,
}

impl Call {
    /// A call that was admitted, or that is to be refused with a record: says 100 and goes on.
    pub fn begin(ctx: &mut Context<'_>, opening: Opening, invite: &Message<'_>, admitted: Result<(), Cause>) -> Call {
        let mut leg = Leg::ingress(&mut ctx.desk, invite, opening.source);
        leg.nat = ctx.policies.ingress(opening.admission.ingress).policy.nat;
        let clock = ctx.desk.clock;
        let seed = ctx.desk.random.bits();
        // Most calls take their first route: room for more legs and attempts would be held for as long as they talk.
        let mut legs = Vec::with_capacity(2);
        legs.push(leg);
        let stages = opening.stages;
        let mut call = Call {
            state: State::Taking { give_up_at: clock.now },
            revision: ctx.view.revision(),
            began_ns: (ctx.ticks)(),
            setup_at: clock.now.plus_millis(u64::from(SETUP_TIMEOUT_S) * 1_000),
            stages,
            seed,
            ..Call::blank(opening, legs, clock)
        };
        call.legs[0].answer_invite(&mut ctx.desk, 0, 100, &Body::default(), None);
        match admitted {
            Ok(()) => call.enter(ctx, invite),
            Err(cause) => call.fail(ctx, Release::by_switch(cause)),
        }
        call
    }

    /// A call of which nothing is known but its legs, and that is over.
    fn blank(opening: Opening, legs: Vec<Leg>, started: Clock) -> Call {
        Call {
            state: State::Over { waits_till: None },
            legs,
            current: 0,
            revision: Revision::default(),
            started,
            began_ns: 0,
            setup_at: started.now,
            expires: false,
            ring_at: None,
            sell: None,
            offer: Body::default(),
            caller: Caller::default(),
            routes: Vec::new(),
            next_route: 0,
            attempts_max: 0,
            attempts: Vec::new(),
            last_refusal: None,
            reserved: Vec::new(),
            reserving: false,
            owed: Owed::default(),
            paid_ms: 0,
            ringing: None,
            answered: None,
            codec: String::new(),
            described_at: started.now,
            stages: Stages::default(),
            ingress_media: Quality::default(),
            egress_media: Quality::default(),
            recorded: Recorded::No,
            identity: Identity::default(),
            ingress_taken: false,
            egress_taken: None,
            over: Over::Void,
            seed: 0,
            decision: Vec::new(),
            unjournaled: 0,
            opening,
        }
    }

    /// The call's identity.
    pub fn id(&self) -> CallId {
        self.opening.id
    }

    /// A request that belongs to one of the call's legs.
    pub fn on_request(&mut self, ctx: &mut Context<'_>, leg: u8, request: &Message<'_>, source: Hop) {
        let mut events = core::mem::take(&mut ctx.desk.out.events);
        if let Some(heard) = self.legs.get_mut(usize::from(leg)) {
            heard.on_request(&mut ctx.desk, leg, request, source, &mut events);
        }
        self.on_events(ctx, leg, events);
    }

    /// An answer that belongs to one of the call's legs.
    pub fn on_response(&mut self, ctx: &mut Context<'_>, leg: u8, response: &Message<'_>) {
        let mut events = core::mem::take(&mut ctx.desk.out.events);
        if let Some(heard) = self.legs.get_mut(usize::from(leg)) {
            heard.on_response(&mut ctx.desk, leg, response, &mut events);
        }
        self.on_events(ctx, leg, events);
    }

    /// A request of one of the call's legs could not be sent: no connection could be made.
    pub fn on_unsent(&mut self, ctx: &mut Context<'_>, leg: u8, request: &Message<'_>) {
        let mut events = core::mem::take(&mut ctx.desk.out.events);
        if let Some(speaker) = self.legs.get_mut(usize::from(leg)) {
            speaker.on_unsent(&mut ctx.desk, leg, request, &mut events);
        }
        self.on_events(ctx, leg, events);
    }

    fn on_events(&mut self, ctx: &mut Context<'_>, leg: u8, mut events: Events) {
        for event in events.drain(..) {
            let event = match event {
                Event::Unproven { number, response } => match self.prove_request(ctx, leg, number, &response) {
                    Some(event) => event,
                    None => continue,
                },
                event => event,
            };
            match (leg, &self.state) {
                (_, State::Parting { .. } | State::Over { .. }) => self.on_late_event(ctx, leg, event),
                (0, _) => self.on_ingress_event(ctx, event),
                (leg, _) if leg == self.current => self.on_egress_event(ctx, event),
                (leg, _) => self.on_retired_event(ctx, leg, event),
            }
        }
        ctx.desk.out.events = events;
    }

    fn on_ingress_event(&mut self, ctx: &mut Context<'_>, event: Event) {
        match event {
            Event::Cancelled { why } if !self.is_up() => self.on_cancelled(ctx, why),
            Event::Bye { why } => self.on_bye(ctx, 0, why),
            Event::Pracked { number, body, owed } => self.on_pracked(ctx, number, body, owed),
            Event::PrackMissing => self.on_prack_missing(ctx),
            Event::Acked { body } => self.on_acked(ctx, 0, body),
            Event::AckMissing => self.end(ctx, Release::by_switch(Cause::ACK_MISSING)),
            Event::Cancelled { .. } => self.on_offer_cancelled(ctx, 0),
            Event::Lost => self.end(ctx, Release::by_switch(Cause::TIMER_EXPIRED)),
            Event::RefreshMissing => self.end(ctx, Release::by_switch(Cause::REFRESH_MISSING)),
            other => self.on_bridge_event(ctx, 0, other),
        }
    }

    fn on_egress_event(&mut self, ctx: &mut Context<'_>, event: Event) {
        match event {
            Event::Progress { status, body, owed } => self.on_progress(ctx, status, body, owed),
            Event::Answered { body, described } => self.on_answered(ctx, body, described),
            Event::Refused(release) => self.on_refused(ctx, release),
            Event::Detour { release, response } => self.on_detour(ctx, release, &response),
            Event::Bye { why } => self.on_bye(ctx, self.current, why),
            Event::Acked { body } => self.on_acked(ctx, self.current, body),
            Event::AckMissing => self.end(ctx, Release::by_switch(Cause::ACK_MISSING)),
            Event::Cancelled { .. } => self.on_offer_cancelled(ctx, self.current),
            Event::Lost => self.end(ctx, Release::by_switch(Cause::TIMER_EXPIRED)),
            Event::RefreshMissing => self.end(ctx, Release::by_switch(Cause::REFRESH_MISSING)),
            other => self.on_bridge_event(ctx, self.current, other),
        }
    }

    /// A leg that was given up speaks: a late answer is acknowledged (the leg did) and released.
    fn on_retired_event(&mut self, ctx: &mut Context<'_>, leg: u8, event: Event) {
        let index = leg;
        let Some(leg) = self.legs.get_mut(usize::from(index)) else { return };
        match event {
            // Accepted after the end, and with an offer of its own perhaps: acknowledged like any other.
            Event::Answered { .. } | Event::OfferAccepted { .. } => {
                if leg.invite_out.as_ref().is_some_and(InviteOut::awaits_our_ack) {
                    leg.send_last_ack(&mut ctx.desk, index);
                }
                leg.send_bye(&mut ctx.desk, index, Cause::NORMAL);
            }
            Event::Bye { .. } => answer_byes(leg, ctx, index),
            Event::Request { number, .. } => leg.answer_request(&mut ctx.desk, index, number, 481, &Body::default()),
            Event::Offer { .. } => leg.answer_invite(&mut ctx.desk, index, 481, &Body::default(), None),
            Event::Pracked { number, .. } => leg.answer_request(&mut ctx.desk, index, number, 200, &Body::default()),
            // What the originator asked of this leg is answered without it.
            Event::Response { number, status, .. } if index != 0 => {
                self.legs[0].answer_request(&mut ctx.desk, 0, number, status, &Body::default());
            }
            _ => {}
        }
    }

    /// The call is over, its peers may not know yet.
    fn on_late_event(&mut self, ctx: &mut Context<'_>, leg: u8, event: Event) {
        // It waits for the record.
        let unsafe_yet = matches!(self.state, State::Parting { .. }) || self.unjournaled > 0;
        if unsafe_yet && matches!(event, Event::Bye { .. }) {
            return;
        }
        self.on_retired_event(ctx, leg, event);
    }

    /// The record that this call waited for is durable.
    pub fn on_journaled(&mut self, ctx: &mut Context<'_>) {
        self.unjournaled = self.unjournaled.saturating_sub(1);
        match core::mem::replace(&mut self.state, State::Over { waits_till: None }) {
            // RFC 3262 §3: the 2xx waits for the PRACK of a response that had a description.
            State::Answering { body, began_ns, .. } if self.legs[0].holds_answer() => {
                let give_up_at = ctx.desk.clock.now.plus_millis(PRACK_TIMEOUT_MS);
                self.state = State::Answering { give_up_at, body, began_ns, journaled: true };
            }
            State::Answering { body, began_ns, .. } => self.pass_answer_on(ctx, body, began_ns),
            // A record before the last one was safe; the last one is not yet.
            over @ State::Over { .. } if self.unjournaled > 0 => self.state = over,
            State::Over { .. } => {
                for (index, leg) in self.legs.iter_mut().enumerate() {
                    answer_byes(leg, ctx, index as u8);
                }
            }
            // The next slice is safe in the journal: from here on it counts.
            State::Up(mut talk) => {
                self.set_paid(&mut talk);
                self.state = State::Up(talk);
            }
            other => self.state = other,
        }
    }

    /// An operator releases the call.
    pub fn on_operator_release(&mut self, ctx: &mut Context<'_>) {
        self.end(ctx, Release::by_switch(Cause::OPERATOR_RELEASED));
    }

    /// Something failed underneath (a port could not be opened): the call ends.
    pub fn on_resource_lost(&mut self, ctx: &mut Context<'_>) {
        self.end(ctx, Release::by_switch(Cause::NO_RESOURCES));
    }

    /// The earliest moment at which something must happen.
    pub fn deadline(&self) -> Option<Instant> {
        let own = match &self.state {
            State::Taking { give_up_at }
            | State::Vouching { give_up_at }
            | State::Reserving { give_up_at }
            | State::TakingEgress { give_up_at }
            | State::Owing { give_up_at }
            | State::Trying { progress_at: give_up_at }
            | State::Ringing { give_up_at } => Some((*give_up_at).min(self.setup_at)),
            State::Answering { give_up_at, .. } | State::Parting { give_up_at, .. } => Some(*give_up_at),
            State::Up(talk) => {
                let mut first = Earliest::default();
                first.note(talk.paid_until);
                first.note(talk.extend_at);
                first.note(talk.media_at);
                first.note(Some(talk.end_at));
                first.at()
            }
            State::Over { waits_till } => *waits_till,
        };
        let (mut due, mut remembered) = (Earliest::default(), None);
        let goes_on = !self.is_over();
        self.legs.iter().for_each(|leg| leg.note_deadlines(goes_on, &mut due, &mut remembered));
        // A transaction may be a little late: then many share one wake-up. All that are only remembered are forgotten together.
        let step = |at: Option<Instant>, us: u64| at.map(|at| Instant::from_micros(at.micros().next_multiple_of(us)));
        let (legs, forget_at) = (step(due.at(), TIMER_STEP_US), step(remembered, FORGET_STEP_US));
        let ring = self.ring_at.filter(|_| self.is_setting_up());
        let mut first = Earliest::default();
        first.note(legs);
        first.note(forget_at);
        first.note(own);
        first.note(ring);
        first.note(self.hurry_deadline());
        first.at()
    }

    /// Time went on.
    pub fn on_time(&mut self, ctx: &mut Context<'_>) {
        for index in 0..self.legs.len() {
            let mut events = core::mem::take(&mut ctx.desk.out.events);
            self.legs[index].on_time(&mut ctx.desk, index as u8, &mut events);
            self.on_events(ctx, index as u8, events);
        }
        self.ring_on_time(ctx);
        self.hurry(ctx);
        let now = ctx.desk.clock.now;
        match &self.state {
            State::Taking { give_up_at } | State::Reserving { give_up_at } if *give_up_at <= now => {
                self.fail(ctx, Release::by_switch(Cause::TEMPORARY));
            }
            State::Vouching { give_up_at } if *give_up_at <= now => self.judge(ctx, true),
            State::TakingEgress { give_up_at } if *give_up_at <= now => self.advance(ctx),
            State::Owing { give_up_at } if *give_up_at <= now => self.on_owed_missing(ctx),
            State::Trying { progress_at } if *progress_at <= now => {
                self.give_up_attempt(ctx, Release::by_switch(Cause::TIMER_EXPIRED));
            }
            State::Ringing { give_up_at } if *give_up_at <= now => {
                let release = Release { by: cdr::Party::Egress, cause: Cause::NO_ANSWER, status: 0 };
                self.give_up_attempt(ctx, release);
            }
            State::Answering { give_up_at, .. } if *give_up_at <= now => {
                self.end(ctx, Release::by_switch(Cause::START_NOT_RECORDED));
            }
            State::Over { waits_till: Some(at) } if *at <= now => self.state = State::Over { waits_till: None },
            State::Up(_) => self.talk_on_time(ctx),
            State::Parting { release, ended, give_up_at } if *give_up_at <= now => self.part(ctx, *release, *ended),
            _ if self.is_setting_up() && self.setup_at <= now => self.on_setup_over(ctx),
            _ => {}
        }
    }

    /// True before an answer came.
    fn is_setting_up(&self) -> bool {
        !matches!(self.state, State::Answering { .. } | State::Up(_) | State::Parting { .. } | State::Over { .. })
    }

    /// True when the call may be forgotten: it is over and no transaction is left.
    pub fn is_done(&self) -> bool {
        matches!(self.state, State::Over { waits_till: None }) && self.legs.iter().all(Leg::is_quiet)
    }

    /// True while both sides talk.
    pub fn is_up(&self) -> bool {
        matches!(self.state, State::Up(_))
    }

    /// True while both sides talk, and until what they said to each other is counted.
    fn has_talked(&self) -> bool {
        matches!(self.state, State::Up(_) | State::Parting { .. })
    }

    /// True once its record is written: it holds no room, no money, no ports.
    pub fn is_over(&self) -> bool {
        matches!(self.state, State::Over { .. })
    }

    /// Rooms on trunks that it holds, 0 to 2: for audits.
    pub fn rooms_held(&self) -> u32 {
        u32::from(self.ingress_taken) + u32::from(self.egress_taken.is_some())
    }

    /// The policy of the leg's trunk; `None` for an egress leg before there is a route.
    fn rules<'a>(&self, ctx: &Context<'a>, leg: u8) -> Option<&'a rating::Rules> {
        // While an attempt begins, the last one that is written down is the one before it.
        let egress = self.egress_taken.as_ref().map(|candidate| candidate.egress);
        let egress = egress.or(self.attempts.last().map(|attempt| attempt.candidate.egress));
        match leg {
            0 => Some(ctx.policies.ingress(self.opening.admission.ingress)),
            _ => egress.map(|egress| ctx.policies.egress(egress)),
        }
    }

    /// The leg's Call-ID and tags, for the shard's table.
    pub fn dialog(&self, leg: u8) -> Option<&sip::dialog::Dialog> {
        self.legs.get(usize::from(leg)).map(|leg| &leg.dialog)
    }

    /// True if the leg's peer may speak from this address.
    pub fn is_heard_from(&self, leg: u8, ip: IpAddr) -> bool {
        self.legs.get(usize::from(leg)).is_some_and(|leg| leg.is_heard_from(ip))
    }

    /// The way to the leg's peer.
    pub fn peer(&self, leg: u8) -> Option<Hop> {
        self.legs.get(usize::from(leg)).map(|leg| leg.peer)
    }

    /// How many legs the call has had.
    pub fn legs(&self) -> u8 {
        self.legs.len() as u8
    }

    /// True if this is the INVITE that began the call, or a repeat of it.
    pub fn is_first_invite(&self, invite: &Message<'_>) -> bool {
        self.legs[0].invite_in.as_ref().is_some_and(|stored| stored.request.is_branch_of(invite))
    }

    fn reserved_sum(&self) -> Money {
        self.reserved.iter().fold(Money::ZERO, |sum, part| sum + part.amount)
    }
}

/// Answers every BYE of a leg that still waits.
fn answer_byes(leg: &mut Leg, ctx: &mut Context<'_>, index: u8) {
    while let Some(number) = leg.waiting_bye() {
        leg.answer_request(&mut ctx.desk, index, number, 200, &Body::default());
    }
}
