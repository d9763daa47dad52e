//! Media between user space and the kernel: what the relay wants changed goes out, what the kernel counted comes in.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use call::Call;
use media::{Carried, Change, Path};
use units::Clock;

use crate::{Effect, Effects, Shard};

impl Shard {
    /// From now on media streams are handed to the kernel by [`Effect::Media`] where they may be.
    pub fn use_kernel(&mut self) {
        self.relay.use_kernel(true);
    }

    /// Where a call's media is relayed, and why it stays here, in words.
    pub(crate) fn media_path(&self, call: &Call) -> (String, Vec<String>) {
        let Some((path, stays)) = call.media_path(&self.relay) else { return Default::default() };
        let path = if path == Path::Kernel { "kernel" } else { "sockets" };
        (path.to_string(), stays.each().map(|why| why.name().to_string()).collect())
    }

    /// Hands on what the relay wants changed.
    pub(crate) fn move_media(&mut self, out: &mut Effects) {
        while let Some(change) = self.relay.change() {
            match change {
                Change::Join { .. } => self.counters.fastpath_joined += 1,
                Change::Part { .. } => self.counters.fastpath_parted += 1,
                Change::Passed { .. } => {}
            }
            out.list.push(Effect::Media(change));
        }
    }

    /// The kernel goes on relaying what comes to this RTP port, and counted this much since it was joined.
    pub fn on_carried(&mut self, port: u16, carried: Carried) {
        self.relay.on_carried(port, carried);
    }

    /// The kernel relays no longer what comes to this RTP port; these are its last counts.
    pub fn on_parted(&mut self, clock: Clock, port: u16, carried: Carried, out: &mut Effects) {
        self.relay.on_parted(port, carried);
        if let Some(at) = self.ports.get(&port).copied() {
            self.with_call(clock, at, out, |call, ctx| call.on_parted(ctx));
        }
    }

    /// The kernel could not take over what comes to this RTP port.
    pub fn on_unjoined(&mut self, port: u16) {
        self.counters.fastpath_refused += 1;
        self.relay.on_unjoined(port);
    }
}
