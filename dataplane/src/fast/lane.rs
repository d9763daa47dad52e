//! One shard's streams in the kernel: joined, parted, and looked at about once a second.

use std::collections::HashMap;
use std::sync::Arc;

use fastpath::{Flow, Flows, Heard};
use shard::{Carried, Change};
use units::Instant;

use super::Fast;
use crate::sockets::MEDIA_TRAFFIC;

/// Each stream is looked at once in so many microseconds,
const ROUND_US: u64 = 1_000_000;
/// in so many parts at most.
const PARTS_MAX: usize = 64;

/// One shard's handle on the fast path.
pub struct Lane {
    fast: Arc<Fast>,
    flows: Flows,
    /// RTP ports whose flows are joined, and the clocks of their timestamps.
    joined: Vec<(u16, u32)>,
    /// By port where it stands among them: at 20,000 streams looking through all of them for each end of a call is felt.
    places: HashMap<u16, usize>,
    /// Who of them is looked at next.
    next: usize,
    look_at: Instant,
    /// Packets that the kernel let up and that leave with the next orders to it, by port and mark.
    passing: Vec<(u16, u64)>,
}

impl Lane {
    pub(super) fn new(fast: Arc<Fast>, flows: Flows) -> Lane {
        let (joined, places, passing) = (Vec::new(), HashMap::new(), Vec::new());
        Lane { fast, flows, joined, places, next: 0, look_at: Instant::default(), passing }
    }

    /// Tells the kernel; what it answers, if it does: its last counts of a stream that was parted, or none for one that it did not
    /// take.
    pub fn change(&mut self, now: Instant, change: Change) -> Option<(u16, Option<Carried>)> {
        match change {
            Change::Part { port } => Some((port, Some(self.part(port)))),
            Change::Passed { port, sequence, timestamp, source } => {
                self.passing.push((port, fastpath::mark(sequence, timestamp, source)));
                None
            }
            Change::Join { port, peer, from_port, to, clock_hz, types } => {
                if self.joined.is_empty() {
                    self.look_at = later(now, ROUND_US);
                }
                let joined = self.join(port, (peer, to), from_port, (clock_hz, types)).unwrap_or_else(|error| {
                    tracing::error!(%error, "the kernel does not take a stream");
                    false
                });
                if joined {
                    let place = *self.places.entry(port).or_insert(self.joined.len());
                    match self.joined.get_mut(place) {
                        Some(again) => again.1 = clock_hz,
                        None => self.joined.push((port, clock_hz)),
                    }
                }
                (!joined).then_some((port, None))
            }
        }
    }

    fn join(
        &mut self,
        port: u16,
        (peer, to): (std::net::SocketAddr, std::net::SocketAddr),
        from_port: u16,
        (clock_rate, types): (u32, u128),
    ) -> Result<bool, fastpath::Broken> {
        let Some(ours) = self.fast.media[usize::from(to.is_ipv6())] else { return Ok(false) };
        let Some(hop) = self.fast.way(ours, to.ip()) else { return Ok(false) };
        let (local, from) = ((ours, port).into(), (ours, from_port).into());
        self.flows.join(&Flow { local, peer, from, to, class: MEDIA_TRAFFIC, hop, clock_rate, types, behind: true })
    }

    fn part(&mut self, port: u16) -> Carried {
        let clock_hz = self.places.remove(&port).map_or(0, |place| {
            let (_, clock_hz) = self.joined.swap_remove(place);
            if let Some((moved, _)) = self.joined.get(place) {
                self.places.insert(*moved, place);
            }
            clock_hz
        });
        match self.flows.part(port) {
            Ok(heard) => carried(&heard, clock_hz, self.fast.epoch_ns),
            Err(error) => {
                tracing::error!(%error, port, "the kernel does not let go of a stream");
                Carried::default()
            }
        }
    }

    /// True if the kernel waits to hear that packets have left: [`Lane::tell`] is due as soon as they have.
    pub fn tells(&self) -> bool {
        !self.passing.is_empty()
    }

    /// All that was ordered to be sent has left: says so of the packets that the kernel waits for.
    pub fn tell(&mut self) {
        for (port, mark) in self.passing.drain(..) {
            if let Err(error) = self.flows.passed(port, mark) {
                tracing::error!(%error, port, "the kernel does not hear what was passed on");
            }
        }
    }

    /// When [`Lane::look`] is due; never while nothing is joined.
    pub fn deadline(&self) -> Option<Instant> {
        (!self.joined.is_empty()).then_some(self.look_at)
    }

    /// Reads the counts of a part of the streams if that is due.
    pub fn look(&mut self, now: Instant, mut each: impl FnMut(u16, Carried)) {
        if self.deadline().is_none_or(|at| at > now) {
            return;
        }
        let parts = self.joined.len().min(PARTS_MAX);
        self.look_at = later(now, ROUND_US / parts as u64);
        for _ in 0..self.joined.len().div_ceil(parts) {
            self.next = if self.next < self.joined.len() { self.next } else { 0 };
            let (port, clock_hz) = self.joined[self.next];
            self.next += 1;
            if let Ok(heard) = self.flows.heard(port) {
                each(port, carried(&heard, clock_hz, self.fast.epoch_ns));
            }
        }
    }
}

fn later(now: Instant, micros: u64) -> Instant {
    Instant::from_micros(now.micros() + micros)
}

fn carried(heard: &Heard, clock_hz: u32, epoch_ns: u64) -> Carried {
    let jitter_us = u64::from(heard.jitter) * 1_000_000 / u64::from(clock_hz.max(1));
    Carried {
        packets: heard.packets,
        bytes: heard.bytes,
        last: (heard.packets > 0).then(|| Instant::from_micros(heard.last_ns.saturating_sub(epoch_ns) / 1_000)),
        source: heard.ssrc,
        sources: heard.sources,
        sequences: heard.sequences,
        lost: heard.lost,
        reordered: heard.reordered,
        jitter_us: if clock_hz == 0 { 0 } else { jitter_us.min(u64::from(u32::MAX)) as u32 },
    }
}
