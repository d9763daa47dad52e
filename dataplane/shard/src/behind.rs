//! What a core says to the balancers before it: that it is there, who it is, how much it carries.

use alloc::vec::Vec;
use core::net::SocketAddr;

use call::leg::send::reply_hop;
pub use sip::behind::{Key, Way, unwrap, wrap};
use sip::print::reason_phrase;
use sip::{Hop, Message, Name, Printer};
use units::{Clock, Instant};

use crate::guard::Load;
use crate::{CALLS_MAX, Effects, Shard};

/// How long a balancer is to leave a node alone that takes no calls, in seconds. It asks again all the while.
const RETRY_AFTER_S: u64 = 1;
/// After so long every balancer knows that the node drains: it asks twice a second, and an answer may get lost.
const TOLD_MS: u64 = 1_500;

/// The balancers before a node.
#[derive(Clone, Debug, Default)]
pub struct Behind {
    /// What they and this node share; `None` if there are none.
    pub key: Option<Key>,
    /// Where they ask from.
    pub balancers: Vec<SocketAddr>,
    /// The listener by which nodes that share the key speak to each other, and where others reach it; `None`: they do not.
    pub across: Option<(u8, SocketAddr)>,
}

impl Behind {
    /// How long balancers may take to know that the node drains.
    pub(crate) fn told_ms(&self) -> u64 {
        if self.balancers.is_empty() { 0 } else { TOLD_MS }
    }
}

impl Shard {
    /// Is this one of our balancers itself, not a peer that it speaks for?
    pub(crate) fn is_balancer(&self, from: Hop) -> bool {
        self.config.behind.balancers.contains(&from.remote)
    }

    /// May calls begin here?
    pub(crate) fn takes_calls(&self, now: Instant) -> bool {
        let drained = self.draining && now >= self.refuses_from;
        !drained && !self.disk_full && self.loaded.is_some() && self.table.len() < CALLS_MAX
    }

    /// A balancer asks by OPTIONS whether it may send calls. Shards carry about the same, so this one speaks for all.
    pub(crate) fn on_balancer_asks(&mut self, clock: Clock, from: Hop, request: &Message<'_>, out: &mut Effects) {
        let takes = !self.draining && self.takes_calls(clock.now) && self.guard.load(clock.now) != Load::Over;
        let status = if takes { 200 } else { 503 };
        let calls = u64::from(self.running()) * u64::from(self.config.shards);
        let node = u64::from(self.config.node.0);
        let tag = self.random.token(b"");
        let bytes = out.append(|bytes| {
            let mut printer = Printer::reply(bytes, request, status, reason_phrase(status), &tag, from.remote);
            printer.number("X-Tandem-Node", node).number("X-Tandem-Calls", calls);
            if !takes {
                printer.number(Name::RetryAfter, RETRY_AFTER_S);
            }
            printer.finish_empty();
        });
        self.emit(reply_hop(request, from), bytes, out);
    }
}
