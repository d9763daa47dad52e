//! Session descriptions on their way across the bridge: our addresses and ports in them, and only the codecs that both trunks allow.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use rating::Rules;
use sdp::{Filter, Order};

use crate::bridge::Body;
use crate::call::{Call, Context};

impl Call {
    /// A body from one leg as the other leg may see it: SDP gets our address and ports, and the relay learns the peer's.
    pub(super) fn carry(&mut self, ctx: &mut Context<'_>, from: u8, to: u8, body: &Body) -> Result<Body, sdp::Flaw> {
        if !body.is_sdp() {
            return Ok(body.clone());
        }
        let session = sdp::parse(&body.bytes)?;
        let active = session.first_active();
        let from_pair = self.legs[usize::from(from)].pair;
        let to_port = self.legs[usize::from(to)].pair.map_or(0, |pair| pair.rtp_port);
        if let (Some(index), Some(pair)) = (active, from_pair) {
            let address = session.address(index).filter(|address| !address.ip().is_unspecified());
            if let Some(rtp) = address {
                let own = ctx.desk.switch.media_address(rtp.is_ipv6()) == Some(rtp.ip()) && ctx.relay.owns(rtp.port());
                if own || sdp::address_refused(rtp.ip(), &[]) {
                    return Err(sdp::Flaw::REFUSED_ADDRESS);
                }
                let rtcp = session.rtcp_address(index).unwrap_or(rtp);
                ctx.relay.expect(pair.id, rtp, rtcp);
            }
        }
        let count = session.media_count();
        let ports: Vec<u16> = (0..count).map(|index| if Some(index) == active { to_port } else { 0 }).collect();
        let leg = &mut self.legs[usize::from(to)];
        let address = ctx.desk.switch.media_address(leg.peer.remote.is_ipv6()).ok_or(sdp::Flaw::REFUSED_ADDRESS)?;
        leg.sdp_version += 1;
        let rewrite = sdp::Rewrite { address, ports: &ports, session_id: leg.sdp_session, version: leg.sdp_version };
        let [first, second] = self.filters(ctx, from);
        let mut bytes = Vec::with_capacity(body.bytes.len() + 64);
        sdp::rewrite_filtered(&body.bytes, &rewrite, &first, &mut bytes)?;
        if second != Filter::NONE {
            let once = core::mem::take(&mut bytes);
            sdp::rewrite_filtered(&once, &rewrite, &second, &mut bytes)?;
        }
        let carried = sdp::parse(&bytes)?;
        let codec = carried.first_active().and_then(|index| carried.codec(index));
        self.codec = codec.map_or_else(String::new, |codec| codec.as_str().to_string());
        Ok(Body { kind: body.kind.clone(), bytes })
    }

    /// What the trunk that a description comes from lets pass, and what the other one does.
    fn filters<'a>(&self, ctx: &Context<'a>, from: u8) -> [Filter<'a>; 2] {
        let ingress = ctx.policies.ingress(self.opening.admission.ingress);
        let egress = self.egress_taken.as_ref().map(|candidate| ctx.policies.egress(candidate.egress));
        // The answer to the offer that came with the originator's INVITE.
        let answers = from != 0 && !self.is_up() && self.offer.is_sdp();
        let filter = |rules: Option<&'a Rules>| {
            rules.map_or(Filter::NONE, |rules| {
                let codecs = &rules.policy.codecs;
                Filter {
                    codecs: &rules.codecs,
                    order: if codecs.reorder { Order::List } else { Order::Peer },
                    single_codec: codecs.single && answers,
                    audio_only: codecs.audio_only,
                    rtcp_mux: true,
                }
            })
        };
        if from == 0 { [filter(Some(ingress)), filter(egress)] } else { [filter(egress), filter(Some(ingress))] }
    }
}
