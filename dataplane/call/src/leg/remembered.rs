//! What remains of a leg when its call is over: enough to know what comes again and to answer it as before.

use alloc::vec::Vec;

use sip::client::Client;
use sip::dialog::{Dialog, Peer};
use sip::invite_client::InviteClient;
use sip::invite_server::InviteServer;
use sip::packed::{Reader, put, put_hop, put_moment, put_option, put_text};
use sip::server::Server;
use sip::{Hop, Stored};
use units::Instant;

use crate::leg::early::Early;
use crate::leg::refresh::Asked;
use crate::leg::reliable::Reliably;
use crate::leg::{InviteIn, InviteOut, Leg, RequestIn, RequestOut, StandsFor};
use crate::release::Why;

impl Leg {
    /// True if all its transactions are only remembered, and nothing waits for any of them.
    pub(crate) fn only_remembers(&self) -> bool {
        self.pair.is_none()
            && self.bye_wanted.is_none()
            && !self.redescribe
            && (self.gone || self.timer.is_none())
            && self.invite_in.iter().all(|invite| invite.machine.only_remembers() && invite.reliably.is_settled())
            && self.invite_out.iter().chain(&self.past_invites).all(InviteOut::only_remembers)
            && self.requests_in.iter().all(|request| request.machine.only_remembers())
            && self.requests_out.iter().all(|request| request.machine.only_remembers())
    }

    /// Appends what remains. Descriptions, media and policies serve running calls alone.
    pub(crate) fn pack(&self, out: &mut Vec<u8>) {
        self.dialog.pack(out);
        put_hop(out, self.peer);
        let flags = [self.media_ipv6, self.nat, self.gone, self.left];
        out.push(flags.iter().rev().fold(0, |byte, flag| byte << 1 | u8::from(*flag)));
        put_option(out, self.bye_status.map(u64::from));
        put(out, self.sdp_session);
        put(out, self.sdp_version);
        put(out, self.early.len() as u64);
        for Early { peer, remote_cseq, heard: _ } in &self.early {
            peer.pack(out);
            put_option(out, remote_cseq.map(u64::from));
        }
        put(out, u64::from(self.invite_in.is_some()));
        if let Some(invite) = &self.invite_in {
            put_deadline(out, invite.machine.deadline());
            invite.request.pack_branch(out);
            put_hop(out, invite.source);
        }
        put(out, u64::from(self.invite_out.is_some()));
        put(out, self.past_invites.len() as u64);
        self.invite_out.iter().chain(&self.past_invites).for_each(|invite| invite.pack(out));
        put(out, self.requests_in.len() as u64);
        for request in &self.requests_in {
            put_deadline(out, request.machine.deadline());
            request.request.pack_branch(out);
            put_hop(out, request.source);
            put_text(out, &request.last);
        }
        put(out, self.requests_out.len() as u64);
        for request in &self.requests_out {
            put_deadline(out, request.machine.deadline());
            request.request.pack_branch(out);
            put_hop(out, request.to);
        }
    }

    /// What was appended by [`Leg::pack`].
    pub(crate) fn unpack(from: &mut Reader<'_>) -> Option<Leg> {
        let (dialog, peer, flags) = (Dialog::unpack(from)?, from.hop()?, from.byte()?);
        let flag = |place: u32| flags >> place & 1 == 1;
        let bye_status = from.option()?.map(|status| status as u16);
        let mut leg = Leg::bare(dialog, peer, from.number()?);
        (leg.media_ipv6, leg.nat, leg.gone, leg.left) = (flag(0), flag(1), flag(2), flag(3));
        (leg.bye_status, leg.sdp_version) = (bye_status, from.number()?);
        for _ in 0..from.number()? {
            let (peer, remote_cseq) = (Peer::unpack(from)?, from.option()?.map(|number| number as u32));
            leg.early.push(Early { peer, remote_cseq, heard: None });
        }
        if from.truth()? {
            let (machine, request) = (InviteServer::remembered(from.moment()?), Stored::unpack_branch(from)?);
            leg.invite_in = Some(InviteIn::remembered(machine, request, from.hop()?));
        }
        let (has_invite, past) = (from.truth()?, from.number()?);
        if has_invite {
            leg.invite_out = Some(InviteOut::unpack(from)?);
        }
        for _ in 0..past {
            leg.past_invites.push(InviteOut::unpack(from)?);
        }
        for _ in 0..from.number()? {
            let (machine, request) = (Server::remembered(from.moment()?), Stored::unpack_branch(from)?);
            let (source, number, last) = (from.hop()?, request.number(), from.text()?.to_vec());
            leg.requests_in.push(RequestIn { machine, request, source, number, last });
        }
        for _ in 0..from.number()? {
            let (machine, request) = (Client::remembered(from.moment()?), Stored::unpack_branch(from)?);
            let (to, number) = (from.hop()?, request.number());
            leg.requests_out.push(RequestOut { machine, request, to, number, passes_on: None, proven: true });
        }
        Some(leg)
    }
}

impl InviteIn {
    /// One that was answered and acknowledged.
    fn remembered(machine: InviteServer, request: Stored, source: Hop) -> InviteIn {
        InviteIn {
            machine,
            request,
            source,
            last: Vec::new(),
            asked: Asked::default(),
            offered: true,
            settled: None,
            told: true,
            takes_reliable: false,
            requires_reliable: false,
            reliably: Reliably::default(),
        }
    }
}

impl InviteOut {
    fn only_remembers(&self) -> bool {
        self.machine.only_remembers() && !self.awaits_our_ack() && self.cancel_at.is_none()
    }

    /// A refusal is acknowledged by what the request says, a 2xx by the ACK of before.
    fn pack(&self, out: &mut Vec<u8>) {
        put(out, u64::from(self.machine.is_accepted()));
        put_deadline(out, self.machine.deadline());
        match self.machine.is_accepted() {
            true => self.request.pack_branch(out),
            false => self.request.pack_head(out),
        }
        put_hop(out, self.to);
        put(out, u64::from(self.initial) | u64::from(self.offered || self.settled) << 1);
        put_text(out, &self.ack);
        put_text(out, &self.proof);
    }

    fn unpack(from: &mut Reader<'_>) -> Option<InviteOut> {
        let (accepted, forget_at) = (from.truth()?, from.moment()?);
        let request = if accepted { Stored::unpack_branch(from)? } else { Stored::unpack_head(from)? };
        let (to, flags) = (from.hop()?, from.number()?);
        Some(InviteOut {
            machine: InviteClient::remembered(accepted, forget_at),
            request,
            to,
            repeats: 0,
            ack: from.text()?.to_vec(),
            proof: from.text()?.to_vec(),
            asks: Vec::new(),
            cancel_wanted: false,
            cancelled_for: Why::default(),
            cancelled: false,
            initial: flags & 1 == 1,
            offered: flags & 2 == 2,
            settled: false,
            described: true,
            stands_for: StandsFor::Invite,
            cancel_at: None,
        })
    }
}

/// When a transaction that is only remembered is forgotten.
fn put_deadline(out: &mut Vec<u8>, at: Option<Instant>) {
    put_moment(out, at.unwrap_or_default());
}
