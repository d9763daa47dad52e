//! Early dialogs: what a terminator, or several behind a fork, said of themselves before the answer (RFC 3261 §12.1.2).

use alloc::vec::Vec;

use sip::{Message, Name};

use crate::leg::Leg;
use crate::limits::EARLY_DIALOGS_MAX;

/// One early dialog of our INVITE.
#[derive(Clone, Debug)]
pub struct Early {
    /// The peer's tag.
    pub tag: Vec<u8>,
    /// Its Contact, or our own target while it named none.
    pub target: Vec<u8>,
    /// Its route set.
    pub routes: Vec<Vec<u8>>,
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
        let at = match self.early.iter().position(|early| early.tag == tag) {
            Some(at) => at,
            None if self.early.len() >= EARLY_DIALOGS_MAX => return None,
            None => {
                let (target, routes) = (self.dialog.target.clone(), Vec::new());
                self.early.push(Early { tag: tag.to_vec(), target, routes, remote_cseq: None, heard: None });
                self.early.len() - 1
            }
        };
        let early = &mut self.early[at];
        if let Some(target) = response.target() {
            early.target = target.to_vec();
        }
        if early.routes.is_empty() && response.header(Name::RecordRoute).is_some() {
            let routes = response.record_routes().take(sip::dialog::ROUTES_MAX);
            early.routes = routes.map(<[u8]>::to_vec).collect();
            early.routes.reverse();
        }
        self.early_at = at;
        Some(at)
    }

    /// A branch of a fork is over (RFC 6228).
    pub(crate) fn part_early(&mut self, response: &Message<'_>) {
        // The place stays, so that references to others hold; a tag that nobody has matches nothing.
        let gone = response.to().tag().and_then(|tag| self.early.iter_mut().find(|early| early.tag == tag));
        if let Some(early) = gone {
            early.tag.clear();
        }
        let alive = self.early.iter().rposition(|early| !early.tag.is_empty());
        self.early_at = alive.unwrap_or(self.early_at);
    }

    /// True if a request of ours would find its peer: the dialog stands, or an early one does.
    pub fn has_dialog(&self) -> bool {
        !self.dialog.remote_tag.is_empty() || self.early.get(self.early_at).is_some_and(|early| !early.tag.is_empty())
    }

    /// Puts an early dialog in the place of the dialog, or takes it out again: its owner speaks within it meanwhile.
    pub(crate) fn swap_early(&mut self, at: usize) {
        if let Some(early) = self.early.get_mut(at) {
            core::mem::swap(&mut self.dialog.remote_tag, &mut early.tag);
            core::mem::swap(&mut self.dialog.target, &mut early.target);
            core::mem::swap(&mut self.dialog.routes, &mut early.routes);
        }
    }

    /// The place of the number of the peer's last request: each branch of a fork counts on its own.
    pub(crate) fn remote_cseq_of(&mut self, request: &Message<'_>) -> &mut Option<u32> {
        let tag = request.from().tag().unwrap_or(b"");
        let early = self.early.iter_mut().find(|early| early.tag == tag);
        early.map_or(&mut self.dialog.remote_cseq, |early| &mut early.remote_cseq)
    }

    /// Takes a new target from an UPDATE of the peer, or from its answer to ours (RFC 3311 §5.2).
    pub(crate) fn refresh_target(&mut self, message: &Message<'_>) {
        let sender = if message.is_request() { message.from() } else { message.to() };
        let tag = sender.tag().unwrap_or(b"");
        match (self.early.iter_mut().find(|early| early.tag == tag), message.target()) {
            (Some(early), Some(target)) => early.target = target.to_vec(),
            (Some(_), None) => {}
            (None, _) => self.dialog.refresh(message),
        }
    }

    /// The peer of one early dialog answered: the others are over.
    pub(crate) fn settle_early(&mut self, answer: &Message<'_>) {
        let tag = answer.to().tag().unwrap_or(b"");
        if let Some(early) = self.early.iter().find(|early| early.tag == tag) {
            self.dialog.remote_cseq = early.remote_cseq;
        }
        self.early = Vec::new();
        self.early_at = 0;
    }
}
