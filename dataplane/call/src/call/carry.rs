//! Session descriptions on their way across the bridge: our addresses and ports in them, and only the codecs that both trunks allow.

use alloc::string::String;
use alloc::vec::Vec;

use media::{FORMATS_MAX, Format, Sound, Voice};
use rating::Rules;
use sdp::{Crypt, Filter, Order};

use crate::bridge::Body;
use crate::call::{Call, Context};
use crate::leg::Offering;

impl Call {
    /// A body from one leg as the other leg may see it: SDP gets our address and ports, and the relay learns the peer's.
    pub(super) fn carry(&mut self, ctx: &mut Context<'_>, from: u8, to: u8, body: &Body) -> Result<Body, sdp::Flaw> {
        if !body.is_sdp() {
            return Ok(body.clone());
        }
        let mut description = sdp::parse(&body.bytes)?;
        let answers = self.legs[usize::from(to)].open_offer() == Offering::Peer;
        let offered = Some(&self.legs[usize::from(from)].last_sdp).filter(|offered| answers && !offered.is_empty());
        let fitted = offered.and_then(|offered| sdp::fitted(&description, offered));
        if let Some(fitted) = &fitted {
            description = sdp::parse(fitted)?;
        }
        let [first, second] = self.filters(ctx, from, to, answers);
        let speaker = &self.legs[usize::from(from)];
        let active =
            relayed(&description, [&first, &second], |ipv6| speaker.pair.is_none() || ipv6 == speaker.media_ipv6);
        let heard = active.or(description.first_active());
        let meant = self.hear_media(ctx, from, &description, heard, answers)?.filter(|_| heard == active);
        let leg = &self.legs[usize::from(to)];
        let (direct, port) = leg.pair.map_or((true, u16::MAX), |pair| (false, pair.rtp_port));
        let mut ports = [0; sdp::MEDIA_MAX];
        for (_, slot) in ports.iter_mut().enumerate().filter(|(index, _)| direct || Some(*index) == active) {
            *slot = port;
        }
        let ports = &ports[..description.media_count()];
        let address = ctx.desk.switch.media_address(leg.media_ipv6).ok_or(sdp::Flaw::REFUSED_ADDRESS)?;
        let events = self.events_for(ctx, from, to, answers, &description);
        let keys = self.keys_for(ctx, to, answers, active.and_then(|index| description.get(index)));
        let crypt = keys.as_ref().map(|(profile, lines)| Crypt { profile: *profile, lines });
        let leg = &self.legs[usize::from(to)];
        let (session_id, known) = (leg.sdp_session, leg.sdp_version);
        let written = |version: u64| {
            let rewrite = sdp::Rewrite { address, ports, session_id, version, direct, events, crypt };
            let mut bytes = Vec::with_capacity(body.bytes.len() + 64);
            sdp::rewrite_parsed(&description, &rewrite, &first, &mut bytes)?;
            if !leaves_formats(&second) {
                let once = core::mem::take(&mut bytes);
                sdp::rewrite_filtered(&once, &rewrite, &second, &mut bytes)?;
            }
            Ok(bytes)
        };
        // RFC 3264 §8: the version rises with each description that differs from the one before.
        let same = Some(known).filter(|known| *known > 0).map(&written).transpose()?;
        let bytes = match same.filter(|bytes| *bytes == leg.last_sdp) {
            Some(bytes) => bytes,
            None => written(known + 1)?,
        };
        self.legs[usize::from(to)].describe(&bytes);
        self.convert_digits(ctx);
        if answers {
            self.seal(ctx, to);
        }
        // Where nothing is left out, what is on and what it means stands in what was read already.
        let same = leaves_formats(&first) && leaves_formats(&second) && events == sdp::Events::Keep;
        let carried = if same { None } else { Some(sdp::parse(&bytes)?) };
        let agreed = match &carried {
            Some(carried) => carried.first_active().and_then(|index| carried.get(index)),
            None => active.and_then(|index| description.get(index)),
        };
        if answers && agreed.is_some_and(|media| !(media.rtcp_mux && first.rtcp_mux)) {
            self.part_rtcp(ctx, to);
        }
        let meant = meant.filter(|_| carried.is_none());
        self.codec.clear();
        if let Some(media) = &agreed {
            name_codec(media, meant.as_ref(), &mut self.codec);
        }
        self.tell_formats(ctx, (from, to), agreed.as_ref(), meant);
        Ok(Body { kind: body.kind.clone(), bytes })
    }

    /// The family that the originator's media is met in: that of the section which is relayed (RFC 8866 §5.7: its own connection address, else
    /// the whole description's), whatever the family of signalling (RFC 6157 §4).
    pub(super) fn offered_ipv6(&self, ctx: &Context<'_>) -> bool {
        let signalled = self.legs[0].media_ipv6;
        let has = |ipv6| ctx.desk.switch.media_address(ipv6).is_some();
        // Nearly always there is one family.
        let other: &[u8] = if signalled { b"c=IN IP4" } else { b"c=IN IP6" };
        if !has(!signalled) || !self.offer.bytes.windows(other.len()).any(|window| window == other) {
            return signalled;
        }
        let Ok(description) = sdp::parse(&self.offer.bytes) else { return signalled };
        let [first, second] = self.filters(ctx, 0, 0, false);
        let section = relayed(&description, [&first, &second], has).and_then(|index| description.get(index));
        let address = section.and_then(|section| section.connection).or(description.connection);
        address.map_or(signalled, |address| address.is_ipv6())
    }

    /// The relay learns what payload types mean, which may be known already, and which of them pass.
    fn tell_formats(
        &mut self,
        ctx: &mut Context<'_>,
        (from, to): (u8, u8),
        agreed: Option<&sdp::Media<'_>>,
        meant: Option<sdp::Maps<'_>>,
    ) {
        let types = agreed.map_or(0, |media| media.payload_types().fold(0, |types, format| types | 1 << format));
        self.legs[usize::from(from)].media.types = types;
        self.allow_types(ctx);
        if let (Some(media), Some(pair)) = (agreed, self.legs[usize::from(to)].pair) {
            let maps = meant.unwrap_or_else(|| media.maps());
            ctx.relay.formats(pair.id, media.payload_types().take(FORMATS_MAX).map(|format| format_of(&maps, format)));
        }
    }

    /// What the trunk that a description comes from lets pass, and what the other one does.
    fn filters<'a>(&self, ctx: &Context<'a>, from: u8, to: u8, answers: bool) -> [Filter<'a>; 2] {
        let ingress = ctx.policies.ingress(self.opening.admission.ingress);
        let egress = self.egress_taken.as_ref().map(|candidate| ctx.policies.egress(candidate.egress));
        // RFC 5761 §5.1.1: an answer may not share the port where the offer did not.
        let rtcp_mux = !answers || self.legs[usize::from(to)].media.mux;
        // The answer to the offer that came with the originator's INVITE.
        let answers = from != 0 && !self.is_up() && self.offer.is_sdp();
        let filter = |rules: Option<&'a Rules>| {
            rules.map_or(Filter { rtcp_mux, ..Filter::NONE }, |rules| {
                let codecs = &rules.policy.codecs;
                Filter {
                    codecs: &rules.codecs,
                    order: if codecs.reorder { Order::List } else { Order::Peer },
                    single_codec: codecs.single && answers,
                    audio_only: codecs.audio_only,
                    rtcp_mux,
                }
            })
        };
        if from == 0 { [filter(Some(ingress)), filter(egress)] } else { [filter(egress), filter(Some(ingress))] }
    }
}

/// The section that is relayed: voice, or the image that takes its place, before all else; of several the first of a family by which
/// it reaches us, as where one stream is offered in both (RFC 4091).
fn relayed(description: &sdp::Session<'_>, filters: [&Filter<'_>; 2], reaches: impl Fn(bool) -> bool) -> Option<usize> {
    let kept = |media: &sdp::Media<'_>| media.port != 0 && filters.iter().all(|filter| filter.keeps(media));
    let voice =
        |media: &sdp::Media<'_>| [&b"audio"[..], b"image"].iter().any(|kind| media.kind.eq_ignore_ascii_case(kind));
    let near = |media: &sdp::Media<'_>| {
        media.connection.or(description.connection).is_none_or(|address| reaches(address.is_ipv6()))
    };
    let some = description.media().enumerate().filter(|(_, media)| kept(media));
    // Of equal ones the first.
    some.min_by_key(|(_, media)| (!voice(media), !near(media))).map(|(index, _)| index)
}

/// True if it takes no section and no format out. Whether RTCP may share a port is the same matter for both filters: the first sees to it.
fn leaves_formats(filter: &Filter<'_>) -> bool {
    Filter { rtcp_mux: true, ..*filter } == Filter::NONE
}

/// Appends what a record calls the codec of a section: as in its `a=rtpmap`, or `t38` where images are sent.
fn name_codec(media: &sdp::Media<'_>, meant: Option<&sdp::Maps<'_>>, out: &mut String) {
    let first = media.payload_types().next();
    let codec = first.and_then(|first| meant.map_or_else(|| media.rtpmap(first), |maps| maps.get(first)));
    match codec {
        Some(codec) => out.push_str(codec.as_str()),
        None if !media.is_rtp() => {
            let format = media.formats().next().unwrap_or(b"");
            out.push_str(core::str::from_utf8(format).unwrap_or(""));
        }
        None => {}
    }
}

/// What a payload type of a section means to whoever measures it.
fn format_of(maps: &sdp::Maps<'_>, payload_type: u8) -> Format {
    let Some(codec) = maps.get(payload_type) else { return Format { payload_type, ..Format::default() } };
    // Those of nearly every call; what follows says the same of them.
    let known = |voice, sound| Format { payload_type, clock_hz: 8_000, voice, sound };
    match codec.as_bytes() {
        b"PCMA/8000" => return known(Voice::Plain, Sound::Alaw),
        b"PCMU/8000" => return known(Voice::Plain, Sound::Ulaw),
        b"telephone-event/8000" => return known(Voice::Mute, Sound::Unknown),
        _ => {}
    }
    let called = |name: &str| codec.name().eq_ignore_ascii_case(name.as_bytes());
    let voice = match () {
        () if !codec.is_voice() => Voice::Mute,
        () if called("G729") => Voice::G729,
        () if called("G723") => Voice::G723,
        () if called("GSM-EFR") || called("AMR") => Voice::Efr,
        () => Voice::Plain,
    };
    let sound = match () {
        () if codec.is_called(b"PCMU/8000/1") => Sound::Ulaw,
        () if codec.is_called(b"PCMA/8000/1") => Sound::Alaw,
        () => Sound::Unknown,
    };
    Format { payload_type, clock_hz: codec.clock_hz(), voice, sound }
}
