//! What the control thread may order of a shard's pump.

use units::{CallId, Clock};

use crate::mail::{Counts, Order, Part, Report};
use crate::pump::Pump;

/// How long a stopping shard waits for its calls' last messages, in milliseconds.
const STOP_MS: u64 = 3_000;

impl Pump {
    /// Does what the control thread orders.
    pub fn obey(&mut self, clock: Clock, order: Order) {
        let (question, part) = match order {
            Order::Snapshot { question, loaded } => {
                let revision = loaded.view().revision().0;
                let before = self.shard.on_snapshot(clock, loaded, &mut self.out);
                (question, Part::Loaded(revision, before))
            }
            Order::Calls { question, limit } => {
                let mut rows = Vec::new();
                self.shard.calls(clock, limit, &mut rows);
                (question, Part::Calls(rows))
            }
            Order::Release { question, call } => {
                (question, Part::Found(self.shard.on_release(clock, call, &mut self.out)))
            }
            Order::Capture { question, call, what } => {
                (question, Part::Found(self.shard.on_capture(call, what, &mut self.out)))
            }
            Order::Record { question, call, on } => {
                (question, Part::Found(self.shard.on_record(call, on, &mut self.out)))
            }
            Order::Figures { question } => (question, Part::Figures(Box::new(self.counts()))),
            Order::Peers { question } => (question, Part::Peers(Box::new(self.shard.peers(clock)))),
            Order::Rooms { question } => (question, Part::Rooms(self.shard.rooms(clock))),
            Order::Parts { question, parts } => (question, Part::Used(self.shard.on_parts(clock, parts))),
            Order::Running { question } => (question, Part::Running(self.shard.running())),
            Order::Targets { trunk, targets } => return self.shard.on_targets(trunk, &targets),
            Order::Bindings(changes) => return self.shard.on_bindings(clock, &changes),
            Order::Address { listener, here } => return self.shard.on_address(clock, listener, here),
            Order::Drain(on) => return self.shard.on_drain(clock, on),
            Order::Fence { boot, barred } => return self.shard.on_fence(clock, boot, barred, &mut self.out),
            Order::DiskFull(full) => {
                self.disk_full = full;
                return self.shard.on_disk_full(full);
            }
            Order::Keys(keys) => return self.streams.renew(keys),
            Order::Certificate(certificate) => return self.shard.on_certificate(clock, certificate, &mut self.out),
            Order::Reply(reply) => return self.shard.on_reply(clock, reply, &mut self.out),
            Order::Stop => return self.stop(clock),
        };
        self.mail.report(Report::Part { question, part });
    }

    fn stop(&mut self, clock: Clock) {
        self.shard.on_stop(clock);
        self.stop_at = Some(clock.now.plus_millis(STOP_MS));
        let mut rows = Vec::new();
        self.shard.calls(clock, usize::MAX, &mut rows);
        for call in rows.iter().filter_map(|row| CallId::parse(&row.call)) {
            self.shard.on_release(clock, call, &mut self.out);
        }
    }

    fn counts(&self) -> Counts {
        let mut counts = Counts { figures: self.shard.figures(), counters: Vec::new(), stages: Vec::new() };
        self.shard.counters(&mut |name, value| counts.counters.push((name, value)));
        self.shard.stages(&mut |name, stage| counts.stages.push((name, stage.clone())));
        let tally = self.ring.tally();
        counts.counters.extend([
            ("tape_lost", self.mail.tape.lost()),
            ("socket_received", tally.received),
            ("socket_sent", tally.sent),
            ("socket_send_failed", tally.send_failed),
            ("socket_truncated", tally.truncated),
            ("socket_starved", tally.starved),
            ("socket_accepted", tally.accepted),
            ("socket_unaccepted", tally.unaccepted),
            ("socket_connected", tally.connected),
            ("socket_broken", tally.broken),
        ]);
        counts
    }
}
