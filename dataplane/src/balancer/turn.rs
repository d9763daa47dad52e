//! The balancer's loop: datagrams in, decided, out.

use std::sync::mpsc;
use std::time::Duration;

use balance::{Balancer, Verdict};
use panel::balancer::{Answer, Ask};
use tokio::sync::oneshot;
use units::Instant;
use uring::{Event, Packet, Ring, SocketId};

use super::follow::Follow;
use super::rows;
use crate::clocks;

/// The longest sleep; whatever comes wakes us earlier.
const SLEEP_MAX: Duration = Duration::from_secs(1);

/// What the control thread wants.
pub enum Order {
    /// An operator asks.
    Ask(Ask, oneshot::Sender<Answer>),
    /// The end.
    Stop,
}

/// The loop's whole world.
pub struct Turn {
    pub ring: Ring,
    /// Where peers speak.
    pub outer: SocketId,
    /// Where cores speak.
    pub inner: SocketId,
    pub balancer: Balancer,
    /// Cores that tell of themselves.
    pub follow: Option<Follow>,
    pub orders: mpsc::Receiver<Order>,
    pub scratch: Vec<u8>,
    pub stopping: bool,
}

impl Turn {
    /// Turns until stopped. The kernel's refusal to wait is the only error.
    pub fn run(mut self) -> std::io::Result<()> {
        while !self.stopping {
            self.ring.fall_asleep();
            self.obey();
            self.ring.wait(self.sleep())?;
            let now = clocks::read().now;
            while let Some(event) = self.ring.event() {
                if let Event::Datagram(packet) = event {
                    self.pass_on(now, packet);
                }
            }
            if let Some(follow) = &mut self.follow {
                follow.look(now, self.balancer.cores_mut());
            }
            let (ring, inner) = (&mut self.ring, self.inner);
            if self.balancer.deadline().is_some_and(|at| at <= now) {
                self.balancer.on_time(now, &mut |to, bytes| _ = ring.send(inner, to, bytes));
            }
        }
        // The last messages are orders in the ring; this hands them to the kernel.
        self.ring.wait(Duration::ZERO)
    }

    fn sleep(&self) -> Duration {
        let now = clocks::read().now;
        let left = self.balancer.deadline().map(|at| Duration::from_micros(at.micros_since(now)));
        left.unwrap_or(SLEEP_MAX).min(SLEEP_MAX)
    }

    fn pass_on(&mut self, now: Instant, mut packet: Packet) {
        self.scratch.clear();
        let from = packet.from;
        let verdict = match packet.socket == self.outer {
            true => self.balancer.on_peer(now, from, self.ring.bytes(&packet), &mut self.scratch),
            false => {
                let (room, length) = self.ring.room_of(&mut packet);
                self.balancer.on_core(now, from, &mut room[..length], &mut self.scratch)
            }
        };
        match verdict {
            // What the ring has no room for is lost as in any network, and counted there.
            Verdict::Core(to) => _ = self.ring.send(self.inner, to, &self.scratch),
            Verdict::Peer(to) => _ = self.ring.send(self.outer, to, &self.scratch),
            Verdict::Drop => {}
        }
        self.ring.release(packet);
    }

    fn obey(&mut self) {
        while let Ok(order) = self.orders.try_recv() {
            match order {
                // Whoever asked may have gone.
                Order::Ask(ask, answer) => drop(answer.send(rows::answer(&mut self.balancer, &self.ring.tally(), ask))),
                Order::Stop => self.stopping = true,
            }
        }
    }
}
