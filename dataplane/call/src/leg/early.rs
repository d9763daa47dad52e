//! Early dialogs: what a terminator, or several behind a fork, said of themselves before the answer (RFC 3261 §12.1.2).

use alloc::vec::Vec;

use sip::dialog::Peer;
use sip::{Message, Name};

use crate::leg::Leg;
use crate::limits::EARLY_DIALOGS_MAX;

/// One early dialog of our INVITE.
#[derive(Clone, Debug)]
pub struct Early {
    /// Who the peer is; its target is our own while it named none.
    pub peer: Peer,
    /// The number of its last request; `None` before the first.
    pub remote_cseq: Option<u32>,
    /// RSeq of its last reliable response that was taken (RFC 3262 §4).
    pub heard: Option<u32>,
}

impl Leg {
    /// The early dialog that a provisional response belongs to, made if there is none: the latest speaker is remembered. `None`
    /// for a response without a tag, and for one branch of a fork too many.
    pub(crate) fn meet_early(&mut self, response: &Message<'_>) -> Option<usize> {
        let tag = response.to().tag()?;
        let target = response.target();
        let at = match self.early.iter().position(|early| early.peer.tag() == tag) {
            Some(at) => {
                if let Some(target) = target {
                    self.early[at].peer.set_target(target);
                }
                at
            }
            None if self.early.len() >= EARLY_DIALOGS_MAX => return None,
            None => {
                let peer = Peer::of(tag, target.unwrap_or(self.dialog.peer.target()));
                // Behind most terminators there is one.
                self.early.reserve_exact(1);
                self.early.push(Early { peer, remote_cseq: None, heard: None });
                self.early.len() - 1
            }
        };
        let peer = &mut self.early[at].peer;
        if peer.routes.is_empty() && response.header(Name::RecordRoute).is_some() {
            peer.learn_routes(response);
        }
        self.early_at = at;
        Some(at)
    }

    /// A branch of a fork is over (RFC 6228).
    pub(crate) fn part_early(&mut self, response: &Message<'_>) {
        // The place stays, so that references to others hold; a tag that nobody has matches nothing.
        let gone = response.to().tag().and_then(|tag| self.early.iter_mut().find(|early| early.peer.tag() == tag));
        if let Some(early) = gone {
            early.peer.set_tag(b"");
        }
        let alive = self.early.iter().rposition(|early| !early.peer.tag().is_empty());
        self.early_at = alive.unwrap_or(self.early_at);
    }

    /// True if a request of ours would find its peer: the dialog stands, or an early one does.
    pub fn has_dialog(&self) -> bool {
        self.dialog.stands() || self.early.get(self.early_at).is_some_and(|early| !early.peer.tag().is_empty())
    }

    /// Puts an early dialog in the place of the dialog, or takes it out again: its owner speaks within it meanwhile.
    pub(crate) fn swap_early(&mut self, at: usize) {
        if let Some(early) = self.early.get_mut(at) {
            core::mem::swap(&mut self.dialog.peer, &mut early.peer);
        }
    }

    /// The place of the number of the peer's last request: each branch of a fork counts on its own.
    pub(crate) fn remote_cseq_of(&mut self, request: &Message<'_>) -> &mut Option<u32> {
        let tag = request.from().tag().unwrap_or(b"");
        let early = self.early.iter_mut().find(|early| early.peer.tag() == tag);
        early.map_or(&mut self.dialog.remote_cseq, |early| &mut early.remote_cseq)
    }

    /// Takes a new target from an UPDATE of the peer, or from its answer to ours (RFC 3311 §5.2).
    pub(crate) fn refresh_target(&mut self, message: &Message<'_>) {
        let sender = if message.is_request() { message.from() } else { message.to() };
        let tag = sender.tag().unwrap_or(b"");
        match (self.early.iter_mut().find(|early| early.peer.tag() == tag), message.target()) {
            (Some(early), Some(target)) => early.peer.set_target(target),
            (Some(_), None) => {}
            (None, _) => self.dialog.refresh(message),
        }
    }

    /// The peer of one early dialog answered: the others are over.
    pub(crate) fn settle_early(&mut self, answer: &Message<'_>) {
        let tag = answer.to().tag().unwrap_or(b"");
        if let Some(early) = self.early.iter().find(|early| early.peer.tag() == tag) {
            self.dialog.remote_cseq = early.remote_cseq;
        }
        self.early = Vec::new();
        self.early_at = 0;
    }
}
