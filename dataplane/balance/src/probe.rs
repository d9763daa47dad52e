//! The questions to cores, and what their answers say.

use alloc::vec::Vec;
use core::net::SocketAddr;

use sip::{Name, Printer, Transport, parse, print};
use units::{Instant, NodeId};

use crate::health::ASK_MS;
use crate::{Balancer, CoreId, pick};

/// How many calls a core carries, in its answer.
const CALLS: &[u8] = b"X-Tandem-Calls";
/// Its number in the cluster.
const NODE: &[u8] = b"X-Tandem-Node";

impl Balancer {
    /// When `on_time` is due; `None` without cores.
    pub fn deadline(&self) -> Option<Instant> {
        self.cores().all().iter().map(|core| core.ask_at).min()
    }

    /// Asks the cores whose time has come: each question goes to its core from our inner address.
    pub fn on_time(&mut self, now: Instant, send: &mut dyn FnMut(SocketAddr, &[u8])) {
        let mut message = Vec::with_capacity(512);
        let mut chance = self.chance;
        for core in self.cores.all_mut().iter_mut().filter(|core| core.ask_at <= now) {
            chance = pick::hash(chance, &core.id.0.to_be_bytes());
            core.health.ask(now, chance);
            core.ask_at = now.plus_millis(ASK_MS);
            message.clear();
            print_question(&mut message, self.inside, core.at, chance);
            send(core.at, &message);
        }
        self.chance = chance;
    }

    /// A core answered a question.
    pub(crate) fn on_answer(&mut self, now: Instant, core: CoreId, message: &[u8]) {
        let Ok(message) = parse::message(message) else { return };
        let (Some(status), Some(core)) = (message.status(), self.cores.get_mut(core)) else { return };
        let number =
            |name: &[u8]| message.header_named(name).and_then(|text| sip::lex::number(text, u64::from(u32::MAX)));
        let wait_s = message.number(Name::RetryAfter, u64::from(u32::MAX)).ok().flatten().unwrap_or(0);
        let Some(question) = core::str::from_utf8(message.call_id()).ok() else { return };
        let Ok(question) = u64::from_str_radix(question, 16) else { return };
        if core.health.answered(now, question, status, wait_s) {
            (core.calls, core.fresh) = (number(CALLS).unwrap_or(0), 0);
            core.node = number(NODE).and_then(|node| u16::try_from(node).ok()).map(NodeId).or(core.node);
        }
    }
}

/// OPTIONS (RFC 3261 §11.1); its Call-ID tells the answer.
fn print_question(out: &mut Vec<u8>, inside: SocketAddr, core: SocketAddr, question: u64) {
    let (mut ours, mut theirs) = (Vec::with_capacity(64), Vec::with_capacity(64));
    print::write_uri(&mut ours, b"", inside);
    print::write_uri(&mut theirs, b"", core);
    let id = question
        .to_be_bytes()
        .map(|byte| [b"0123456789abcdef"[usize::from(byte >> 4)], b"0123456789abcdef"[usize::from(byte & 15)]]);
    let id = id.as_flattened();
    let mut printer = Printer::request(out, b"OPTIONS", &theirs);
    printer.via(Transport::Udp, inside, &[b"z9hG4bK", id].concat());
    printer.number("Max-Forwards", 1);
    printer.line("From", &[b"<", &ours, b">;tag=", id]).line("To", &[b"<", &theirs, b">"]);
    printer.line("Call-ID", &[id]).cseq(1, b"OPTIONS");
    printer.finish_empty();
}
