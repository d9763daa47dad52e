//! A thread that lets the kernel speak for many ends of calls: each millisecond those whose packet is due.

use std::net::SocketAddrV4;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicU32};
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::Duration;

use crate::delays::Delays;
use crate::kernel::{Speaker, Unavailable};
use crate::layout::{Speaks, made, turn};
use crate::mill::now_ns;

/// Between two looks.
const TICK_NS: u64 = 1_000_000;
/// Looks between two packets of a stream: 20 ms.
pub(crate) const TICKS: usize = 20;
/// Looks that are made up for after a stall, as sockets would: five packets.
const BEHIND_MAX: u64 = 5 * TICKS as u64;
/// No place.
const NOWHERE: u32 = u32::MAX;

/// What a stream has come to; its end of the call and its pacer share it.
#[derive(Debug)]
pub(crate) struct Stand {
    place: AtomicU32,
    sent: AtomicU32,
    over: AtomicBool,
}

impl Stand {
    pub(crate) fn new() -> Arc<Stand> {
        Arc::new(Stand { place: AtomicU32::new(NOWHERE), sent: AtomicU32::new(0), over: AtomicBool::new(false) })
    }

    /// Packets sent, once its pacer has let it go.
    pub(crate) fn sent(&self) -> Option<u32> {
        self.over.load(Acquire).then(|| self.sent.load(Relaxed))
    }
}

/// A wish of an end of a call.
pub(crate) enum Order {
    /// Speak from this moment of the run's clock on.
    Speak { stand: Arc<Stand>, speaks: Speaks, ends: (SocketAddrV4, SocketAddrV4), link_to: [u8; 6], due_ns: u64 },
    /// Go on, to somebody else.
    Turn { stand: Arc<Stand>, to: SocketAddrV4, link_to: [u8; 6] },
    /// Be silent from now on.
    Hush { stand: Arc<Stand>, speaks: Speaks },
}

/// What a pacer did.
#[derive(Clone, Debug, Default)]
pub(crate) struct Paced {
    /// How late packets left, at most: from when they were due to when the last one of their look had.
    pub(crate) lateness: Delays,
    pub(crate) left_out: u64,
    pub(crate) homeless: u64,
}

/// Streams whose packets are due in the same millisecond of each 20.
#[derive(Default)]
struct Slot {
    /// Places up to here have been used.
    upto: u32,
    free: Vec<u32>,
}

pub(crate) type Publish = dyn Fn(Speaks, u32) + Send + Sync;

pub(crate) struct Pacer {
    speaker: Speaker,
    slots: [Slot; TICKS],
    /// Its first place in the kernel's table, and how many each slot has from there on.
    places: (u32, u32),
    orders: Receiver<Order>,
    stop: Arc<AtomicBool>,
    publish: Arc<Publish>,
    epoch_ns: u64,
    /// The look that comes next, counted on the run's clock.
    tick: u64,
    paced: Paced,
}

impl Pacer {
    pub(crate) fn new(
        speaker: Speaker,
        places: (u32, u32),
        orders: Receiver<Order>,
        stop: Arc<AtomicBool>,
        publish: Arc<Publish>,
        epoch_ns: u64,
    ) -> Pacer {
        let slots = std::array::from_fn(|_| Slot::default());
        Pacer { speaker, slots, places, orders, stop, publish, epoch_ns, tick: 0, paced: Paced::default() }
    }

    /// A kernel that makes no live frames fails here. Nobody has this place yet.
    pub(crate) fn try_out(&mut self) -> Result<(), Unavailable> {
        self.speaker.speak(self.places.0, 1).map(drop)
    }

    /// Until it is to end. One that fails lets the others end too.
    pub(crate) fn play(mut self) -> Result<Paced, Unavailable> {
        let stop = self.stop.clone();
        self.pace().inspect_err(|_| stop.store(true, Relaxed))?;
        Ok(self.paced)
    }

    fn pace(&mut self) -> Result<(), Unavailable> {
        self.tick = self.now()? / TICK_NS + 1;
        loop {
            let (due, now) = (self.tick * TICK_NS, self.now()?);
            if now < due {
                thread::sleep(Duration::from_nanos(due - now));
            }
            while let Ok(order) = self.orders.try_recv() {
                self.obey(order)?;
            }
            if self.stop.load(Relaxed) {
                return Ok(());
            }
            self.catch_up(self.now()?.saturating_sub(due) / TICK_NS);
            self.look()?;
        }
    }

    /// The run's clock.
    fn now(&self) -> Result<u64, Unavailable> {
        Ok(now_ns().map_err(|error| Unavailable::Broken(error.to_string()))?.saturating_sub(self.epoch_ns))
    }

    /// After a long stall packets are left out, never a part of a round.
    fn catch_up(&mut self, behind: u64) {
        if behind > BEHIND_MAX {
            let rounds = behind / TICKS as u64;
            self.tick += rounds * TICKS as u64;
            let streams: u64 = self.slots.iter().map(|slot| u64::from(slot.upto) - slot.free.len() as u64).sum();
            self.paced.left_out += rounds * streams;
            self.paced.lateness.add(behind * TICK_NS, rounds * streams);
        }
    }

    /// Sends what is due in this millisecond.
    fn look(&mut self) -> Result<(), Unavailable> {
        let slot = (self.tick % TICKS as u64) as usize;
        let first = self.places.0 + slot as u32 * self.places.1;
        let (all, mut left) = (self.slots[slot].upto, self.slots[slot].upto);
        while left > 0 {
            left = self.speaker.speak(first + all - left, left)?;
        }
        if all > 0 {
            let late = self.now()?.saturating_sub(self.tick * TICK_NS);
            self.paced.lateness.add(late, u64::from(all) - self.slots[slot].free.len() as u64);
        }
        self.tick += 1;
        Ok(())
    }

    fn obey(&mut self, order: Order) -> Result<(), Unavailable> {
        match order {
            Order::Speak { stand, speaks, ends: (from, to), link_to, due_ns } => {
                let Some(place) = self.seat(due_ns.div_ceil(TICK_NS).max(self.tick)) else {
                    self.paced.homeless += 1;
                    return Ok(());
                };
                stand.place.store(place, Relaxed);
                self.speaker.streams.set(place, speaks.bytes(from, to, link_to), 0)?;
            }
            Order::Turn { stand, to, link_to } => {
                let place = stand.place.load(Relaxed);
                if place != NOWHERE {
                    let mut stream = self.speaker.streams.get(&place, 0)?;
                    turn(&mut stream, to, link_to);
                    self.speaker.streams.set(place, stream, 0)?;
                }
            }
            Order::Hush { stand, speaks } => {
                let place = stand.place.swap(NOWHERE, Relaxed);
                if place != NOWHERE {
                    let sent = made(&self.speaker.streams.get(&place, 0)?);
                    self.leave(place)?;
                    (self.publish)(speaks, sent);
                    stand.sent.store(sent, Relaxed);
                }
                stand.over.store(true, Release);
            }
        }
        Ok(())
    }

    /// A place whose packets are due in this millisecond of each 20, or soon after it where that is full.
    fn seat(&mut self, tick: u64) -> Option<u32> {
        for later in 0..TICKS as u64 {
            let number = ((tick + later) % TICKS as u64) as usize;
            let slot = &mut self.slots[number];
            if let Some(place) = slot.free.pop() {
                return Some(place);
            }
            if slot.upto < self.places.1 {
                slot.upto += 1;
                return Some(self.places.0 + number as u32 * self.places.1 + slot.upto - 1);
            }
        }
        None
    }

    fn leave(&mut self, place: u32) -> Result<(), Unavailable> {
        let slot = &mut self.slots[((place - self.places.0) / self.places.1) as usize];
        slot.free.push(place);
        // Nobody is left: no place has to be gone through.
        if slot.free.len() as u32 == slot.upto {
            slot.free.clear();
            slot.upto = 0;
        }
        self.speaker.streams.set(place, [0; crate::layout::STREAM_BYTES], 0)?;
        Ok(())
    }
}
