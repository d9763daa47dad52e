//! Answers without a transaction: what a peer asks for and does not get.

use alloc::vec::Vec;

use sip::{Hop, Message, Method, Name};

use crate::leg::Desk;

/// An answer without a transaction: a repeat is answered again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// With this status.
    Plain(u16),
    /// 420: this extension is not offered here (RFC 3261 §8.2.2.3).
    Unsupported(&'static [u8]),
    /// 422: the interval between refreshes is shorter than these seconds (RFC 4028 §6).
    Shorter(u32),
    /// 500: another transaction is under way, try again after these seconds (RFC 3261 §14.2, RFC 3311 §5.2).
    Soon(u8),
}

impl Refusal {
    /// 500 with a random time from 0 to 10 seconds.
    pub(super) fn soon(desk: &mut Desk<'_>) -> Refusal {
        Refusal::Soon((desk.random.bits() % 11) as u8)
    }

    /// Its status.
    pub fn status(&self) -> u16 {
        match self {
            Refusal::Plain(status) => *status,
            Refusal::Unsupported(_) => 420,
            Refusal::Shorter(_) => 422,
            Refusal::Soon(_) => 500,
        }
    }

    /// Sends it.
    pub fn send(&self, desk: &mut Desk<'_>, index: u8, request: &Message<'_>, source: Hop, tag: &[u8]) {
        let mut answer = Vec::with_capacity(512);
        let (status, phrase) = (self.status(), sip::print::reason_phrase(self.status()));
        let mut printer = sip::Printer::reply(&mut answer, request, status, phrase, tag, source.remote);
        match self {
            // RFC 3261 §11.2, §21.4.6: what we take is told to whom asks, and to whom asked for something else.
            Refusal::Plain(200 | 405) if request.method() != Method::Cancel => {
                printer.line(Name::Allow, &[super::send::ALLOW]);
                if request.method() == Method::Options {
                    printer.line(Name::Accept, &[super::send::ACCEPT]);
                    printer.line("Accept-Encoding", &[b"identity"]).line("Accept-Language", &[b"en"]);
                }
            }
            Refusal::Plain(_) => {}
            Refusal::Unsupported(extension) => {
                printer.line(Name::Unsupported, &[extension]);
            }
            Refusal::Shorter(seconds) => {
                printer.number(Name::MinSe, u64::from(*seconds));
            }
            Refusal::Soon(seconds) => {
                printer.number(Name::RetryAfter, u64::from(*seconds));
            }
        }
        printer.finish_empty();
        let to = super::send::reply_hop(request, source);
        desk.send(index, to, &answer);
    }
}

/// Answers a request without keeping a transaction.
pub(super) fn refuse(desk: &mut Desk<'_>, index: u8, request: &Message<'_>, source: Hop, status: u16, tag: &[u8]) {
    Refusal::Plain(status).send(desk, index, request, source, tag);
}
