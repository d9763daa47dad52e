//! Offers and answers of a call that has two ends: re-INVITE, UPDATE and INFO cross the bridge, and so do their answers.

use alloc::boxed::Box;
use core::net::SocketAddr;

use media::{Carries, Seal, Stay};
use sip::Method;

use crate::bridge::{Body, Event};
use crate::call::{Call, Context};
use crate::leg::send::HOPS;
use crate::leg::{Offering, RequestIn, StandsFor};

impl Call {
    /// What one leg asks of the other, and what the other answers.
    pub(super) fn on_bridge_event(&mut self, ctx: &mut Context<'_>, leg: u8, event: Event) {
        let other = self.other(leg);
        match event {
            Event::Offer { body } if self.is_up() && other != leg => self.pass_offer_on(ctx, leg, other, &body),
            Event::Offer { .. } => {
                self.legs[usize::from(leg)].answer_invite(&mut ctx.desk, leg, 491, &Body::default(), None);
            }
            Event::OfferAccepted { body, stands_for: StandsFor::Refresh } => {
                // Its answer concerns nobody but our relay.
                let _ = sdp::parse(&body.bytes)
                    .and_then(|description| self.hear_media(ctx, leg, &description, description.first_active(), true));
            }
            Event::OfferAccepted { body, stands_for } => {
                let carried = self.carry(ctx, leg, other, &body);
                let (status, body) = carried.map_or((488, Body::default()), |body| (200, body));
                self.answer_offer(ctx, other, stands_for, status, &body);
            }
            Event::OfferRefused { stands_for: StandsFor::Refresh, .. } => {}
            Event::OfferRefused { status, stands_for } => {
                let status = if matches!(status, 300..=399 | 401 | 407) { 488 } else { status };
                self.answer_offer(ctx, other, stands_for, status, &Body::default());
            }
            Event::Request { method, number, body } if method == b"UPDATE" => {
                self.pass_update_on(ctx, leg, number, &body);
            }
            Event::Request { method, number, body } if method == b"INFO" && self.is_digit(ctx, leg, &body) => {
                self.hear_digit(ctx, leg, number, &body);
            }
            Event::Request { method, number, body } => self.pass_request_on(ctx, leg, &method, number, &body),
            Event::Response { number, status, body } => {
                let body = if status < 300 { self.carry(ctx, leg, other, &body) } else { Ok(Body::default()) };
                let asked = &self.legs[usize::from(other)].requests_in;
                let info = |request: &RequestIn| request.number == number && request.request.method() == Method::Info;
                // An INFO offers nothing: a re-INVITE beside it goes on.
                if !asked.iter().any(info) {
                    self.settle_media(ctx, other, status < 300);
                }
                self.legs[usize::from(other)].answer_request(
                    &mut ctx.desk,
                    other,
                    number,
                    status,
                    &body.unwrap_or_default(),
                );
            }
            _ => {}
        }
    }

    pub(super) fn other(&self, leg: u8) -> u8 {
        if leg == 0 { self.current } else { 0 }
    }

    fn pass_offer_on(&mut self, ctx: &mut Context<'_>, leg: u8, other: u8, body: &Body) {
        // RFC 3261 §14.1, RFC 3264 §4: one offer at a time on a leg; the peer tries again after 491.
        let carried = if self.is_busy(other) { Err(491) } else { self.offer_on(ctx, leg, other, body) };
        match carried {
            Ok(body) => self.legs[usize::from(other)].send_invite(&mut ctx.desk, other, &body, HOPS),
            Err(status) => {
                self.legs[usize::from(leg)].answer_invite(&mut ctx.desk, leg, status, &Body::default(), None);
            }
        }
    }

    /// An UPDATE with an offer crosses as what the other peer takes: UPDATE, or a re-INVITE once both talk.
    pub(super) fn pass_update_on(&mut self, ctx: &mut Context<'_>, leg: u8, number: u32, body: &Body) {
        let (other, up) = (self.other(leg), self.is_up());
        let peer = &self.legs[usize::from(other)];
        let carried = match () {
            () if other == leg || !peer.has_dialog() => Err(491),
            () if self.is_busy(other) => Err(491),
            () if !peer.peer_updates && !up => Err(488),
            () => self.offer_on(ctx, leg, other, body),
        };
        let peer = &mut self.legs[usize::from(other)];
        match carried {
            Ok(body) if peer.peer_updates => {
                peer.send_request(&mut ctx.desk, other, b"UPDATE", &body, Some(number), None);
            }
            Ok(body) => {
                peer.send_invite(&mut ctx.desk, other, &body, HOPS);
                if let Some(invite) = &mut peer.invite_out {
                    invite.stands_for = StandsFor::Update(number);
                }
            }
            Err(status) => {
                self.legs[usize::from(leg)].answer_request(&mut ctx.desk, leg, number, status, &Body::default());
            }
        }
    }

    /// INFO and the like; before the answer too, where the other peer has opened an early dialog.
    fn pass_request_on(&mut self, ctx: &mut Context<'_>, leg: u8, method: &[u8], number: u32, body: &Body) {
        let other = self.other(leg);
        let peer = &self.legs[usize::from(other)];
        let told = peer.invite_in.as_ref().is_none_or(|invite| invite.told || !invite.machine.is_pending());
        let carried = match () {
            // No dialog on the other side yet: the peer may try again.
            () if other == leg || !peer.has_dialog() || !told => Err(500),
            () => self.carry(ctx, leg, other, body).map_err(|_| 488),
        };
        match carried {
            Ok(body) => {
                let peer = &mut self.legs[usize::from(other)];
                peer.send_request(&mut ctx.desk, other, method, &body, Some(number), None);
            }
            Err(status) => {
                self.legs[usize::from(leg)].answer_request(&mut ctx.desk, leg, number, status, &Body::default());
            }
        }
    }

    /// True while a leg can take no offer of ours. Before the answer its first INVITE is no obstacle by itself.
    fn is_busy(&self, leg: u8) -> bool {
        let peer = &self.legs[usize::from(leg)];
        let inviting = self.is_up() && peer.has_open_invite();
        inviting || peer.has_open_update() || peer.open_offer() != Offering::Nobody
    }

    /// Carries an offer, and remembers where media went before it, in case that it is refused.
    fn offer_on(&mut self, ctx: &mut Context<'_>, leg: u8, other: u8, body: &Body) -> Result<Body, u16> {
        let offering = &mut self.legs[usize::from(leg)];
        offering.media_before = Some(Box::new(offering.media));
        self.carry(ctx, leg, other, body).map_err(|_| 488)
    }

    fn answer_offer(&mut self, ctx: &mut Context<'_>, leg: u8, stands_for: StandsFor, status: u16, body: &Body) {
        self.settle_media(ctx, leg, status < 300);
        let offering = &mut self.legs[usize::from(leg)];
        match stands_for {
            StandsFor::Update(number) => offering.answer_request(&mut ctx.desk, leg, number, status, body),
            StandsFor::Invite | StandsFor::Refresh => offering.answer_invite(&mut ctx.desk, leg, status, body, None),
        }
    }

    /// An offer was answered. RFC 3261 §14.1: after a refusal everything is as it was before, so media is too.
    fn settle_media(&mut self, ctx: &mut Context<'_>, leg: u8, accepted: bool) {
        let offering = &mut self.legs[usize::from(leg)];
        if let Some(before) = offering.media_before.take().filter(|_| !accepted) {
            offering.media = *before;
            self.described_at = ctx.desk.clock.now;
            self.point_media(ctx, leg);
            self.seal(ctx, leg);
            self.allow_types(ctx);
        }
        let other = self.other(leg);
        self.legs[usize::from(other)].media.asked = false;
        self.mute_media(ctx);
    }

    /// The peer took its re-INVITE back: so do we; the refusal of ours answers it.
    pub(super) fn on_offer_cancelled(&mut self, ctx: &mut Context<'_>, leg: u8) {
        let other = self.other(leg);
        let peer = &mut self.legs[usize::from(other)];
        let passed_on = peer.invite_out.as_ref().is_some_and(|invite| {
            invite.machine.is_pending() && !invite.initial && invite.stands_for == StandsFor::Invite
        });
        if passed_on && other != leg {
            peer.send_cancel(&mut ctx.desk, other);
        } else {
            self.legs[usize::from(leg)].answer_invite(&mut ctx.desk, leg, 487, &Body::default(), None);
        }
    }

    /// The relay learns what a peer wants of media: of its section with this index, or nothing where none is on.
    /// Says what the section's payload types mean.
    pub(super) fn hear_media<'d>(
        &mut self,
        ctx: &mut Context<'_>,
        from: u8,
        description: &sdp::Session<'d>,
        index: Option<usize>,
        answers: bool,
    ) -> Result<Option<sdp::Maps<'d>>, sdp::Flaw> {
        let Some((index, section)) = index.and_then(|index| Some((index, description.get(index)?))) else {
            return Ok(None);
        };
        let keys = self.hear_keys(ctx, from, &section, answers)?;
        self.described_at = ctx.desk.clock.now;
        let leg = &mut self.legs[usize::from(from)];
        leg.media.keys = keys;
        if !answers {
            leg.media.profile = sdp::Profile::of(section.proto).unwrap_or_default();
        }
        leg.media.mux = section.rtcp_mux;
        (leg.media.direction, leg.media.asked) = (description.direction(index), false);
        let maps = section.maps();
        leg.media.events = events_of(&section, &maps);
        leg.media.carries = match section.carried_by() {
            sdp::CarriedBy::Rtp if !section.names_keys() => Carries::Rtp,
            sdp::CarriedBy::Rtp | sdp::CarriedBy::Srtp => Carries::Srtp,
            sdp::CarriedBy::DtlsSrtp => Carries::RtpAndDtls,
            sdp::CarriedBy::Datagrams => Carries::Datagrams,
        };
        if let Some(rtp) = description.address(index) {
            // RFC 6157 §4: who has not the family of our media address cannot hear us, nor we it.
            let unheard = leg.pair.is_some() && rtp.is_ipv6() != leg.media_ipv6;
            let rtcp = description.rtcp_address(index).unwrap_or(rtp);
            if unheard || [rtp, rtcp].iter().any(|to| is_ours(ctx, *to) || sdp::address_refused(to.ip(), &[])) {
                return Err(sdp::Flaw::REFUSED_ADDRESS);
            }
            leg.media.to = Some((rtp, rtcp));
        }
        self.point_media(ctx, from);
        if answers {
            self.seal(ctx, from);
        }
        let other = self.other(from);
        if !answers && other != from {
            self.legs[usize::from(other)].media.asked = true;
        }
        self.mute_media(ctx);
        Ok(Some(maps))
    }

    /// RFC 3264 §5.1, §8.4: nobody is passed on who said that it would be silent, or whom the other one does not want to hear. What
    /// holds is each side's last word, and from an offer on that its answerer may speak.
    fn mute_media(&self, ctx: &mut Context<'_>) {
        for (leg, other) in [(0, self.current), (self.current, 0)] {
            let (speaker, listener) = (&self.legs[usize::from(leg)], &self.legs[usize::from(other)]);
            if let Some(pair) = speaker.pair.filter(|_| leg != other) {
                ctx.relay.mute(pair.id, !(speaker.media.speaks() && listener.media.hears()));
            }
        }
    }

    /// The relay is told which payload types were described: a peer may send those of its own description and those of the other's.
    pub(super) fn allow_types(&self, ctx: &mut Context<'_>) {
        let legs = [0, self.current].map(|leg| &self.legs[usize::from(leg)]);
        let types = legs[0].media.types | legs[1].media.types;
        for pair in legs.into_iter().filter_map(|leg| leg.pair) {
            ctx.relay.allow(pair.id, types);
        }
    }

    /// The relay is told what the leg's peer wants.
    fn point_media(&self, ctx: &mut Context<'_>, leg: u8) {
        let leg = &self.legs[usize::from(leg)];
        let (Some(pair), Some((rtp, rtcp))) = (leg.pair, leg.media.to) else { return };
        ctx.relay.stay(pair.id, Stay::Hold, leg.media.is_held());
        ctx.relay.carry(pair.id, leg.media.carries);
        ctx.relay.open_with(pair.id, leg.media.keys.map(|keys| keys.theirs));
        if leg.media.keys.is_some() && !leg.seals {
            ctx.relay.seal_with(pair.id, Seal::Wait);
        }
        ctx.relay.expect(pair.id, rtp, rtcp);
    }

    /// The peer's offer was to have RTCP on the RTP port, and the answer to it does not say so: RTCP has the port above
    /// (RFC 5761 §5.1.1).
    pub(super) fn part_rtcp(&mut self, ctx: &mut Context<'_>, leg: u8) {
        let wanted = &mut self.legs[usize::from(leg)].media;
        let Some((rtp, rtcp)) = wanted.to.filter(|_| core::mem::take(&mut wanted.mux)) else { return };
        if let Some(port) = rtp.port().checked_add(1).filter(|_| rtp == rtcp) {
            wanted.to = Some((rtp, SocketAddr::new(rtp.ip(), port)));
            self.point_media(ctx, leg);
        }
    }
}

/// The telephone events of a section.
fn events_of(section: &sdp::Media<'_>, maps: &sdp::Maps<'_>) -> Option<(u8, u32)> {
    let codec = |format: u8| maps.get(format).filter(sdp::Codec::is_events).map(|codec| (format, codec.clock_hz()));
    section.payload_types().find_map(codec)
}

/// Is this address one of ours, so that media sent there would come back? On loopback, where everybody lives, the port decides.
fn is_ours(ctx: &Context<'_>, address: SocketAddr) -> bool {
    let switch = ctx.desk.switch;
    let listens = |port: bool| {
        switch
            .listeners
            .iter()
            .any(|own| own.address.ip() == address.ip() && (!port || own.address.port() == address.port()))
    };
    let media = switch.media_address(address.is_ipv6()) == Some(address.ip());
    if address.ip().is_loopback() {
        return (media && ctx.relay.owns(address.port())) || listens(true);
    }
    media || listens(false)
}
