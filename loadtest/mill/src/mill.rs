//! The mill: the program on one interface, the threads that pace, and the ends of calls that listen and speak by them.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::sched::{CpuSet, sched_setaffinity};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;

use crate::delays::Delays;
use crate::kernel::{CORES_MAX, Facts, Listener, Unavailable, load};
use crate::layout::{Heard, Hears, Speaks};
use crate::links::Interface;
use crate::pacer::{Order, Paced, Pacer, Publish, Stand, TICKS};
use crate::ports::Ports;

/// Ends of calls at most that speak or listen at a time.
const STREAMS_MAX: u32 = 65_536;
/// How long a pacer that stands still is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is wanted.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The interface that leads to the switch and back.
    pub interface: String,
    /// Threads that pace; each stays on a core of its own, from core 0 on.
    pub pacers: usize,
    /// How long ago the run's clock began.
    pub age: Duration,
}

/// The mill at work. Dropping it takes the program off the interface.
pub struct Mill {
    shared: Arc<Shared>,
    pacers: Vec<JoinHandle<Result<Paced, Unavailable>>>,
    orders: Vec<Sender<Order>>,
}

/// What it did.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// How late packets left, at most: from when they were due to when the last of those due in the same millisecond had left. Of those that
    /// were left out, how late they would have been.
    pub lateness: Delays,
    /// From end to end.
    pub delays: Delays,
    /// Packets that were due and not made, because the generator had stood still.
    pub left_out: u64,
    /// Ends of calls that could not speak: nobody answers at the other side of the interface, or there was no place left.
    pub silenced: u64,
}

struct Shared {
    interface: Interface,
    listener: Mutex<Listener>,
    ports: Mutex<Ports>,
    ways: Mutex<HashMap<Ipv4Addr, Option<[u8; 6]>>>,
    next: AtomicUsize,
    lost: AtomicUsize,
    /// The pacers are to end, or one of them has.
    stop: Arc<AtomicBool>,
}

/// Nanoseconds of the monotonic clock, which the kernel's programs read too.
pub(crate) fn now_ns() -> nix::Result<u64> {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC)?;
    Ok(now.tv_sec() as u64 * 1_000_000_000 + now.tv_nsec() as u64)
}

fn sure<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("nobody breaks while holding it")
}

impl Mill {
    /// Starts it in the network namespace of this thread. `publish` hears of each stream that has ended how many packets it sent.
    ///
    /// # Errors
    /// Why it is not possible here.
    pub fn start(
        settings: &Settings,
        publish: impl Fn(Speaks, u32) + Send + Sync + 'static,
    ) -> Result<Mill, Unavailable> {
        let broken = |error: nix::Error| Unavailable::Broken(error.to_string());
        let epoch_ns = now_ns().map_err(broken)?.saturating_sub(settings.age.as_nanos() as u64);
        let interface = Interface::find(&settings.interface)?;
        let pacers = (settings.pacers as u32).clamp(1, CORES_MAX);
        let slot_places = STREAMS_MAX.div_ceil(TICKS as u32 * pacers) + 16;
        let part = slot_places * TICKS as u32;
        let (index, link) = (interface.index, interface.link);
        let facts = Facts { interface: index, link, epoch_ns, places: part * pacers, cores: pacers, ears: STREAMS_MAX };
        let (listener, speakers) = load(&facts, Some(&interface.name))?;
        let (stop, publish): (_, Arc<Publish>) = (Arc::new(AtomicBool::new(false)), Arc::new(publish));
        let (mut orders, mut threads) = (Vec::new(), Vec::new());
        let (ready, started) = channel();
        for (core, speaker) in speakers.into_iter().enumerate() {
            let (order, wishes) = channel();
            let first = core as u32 * part;
            let pacer = Pacer::new(speaker, (first, slot_places), wishes, stop.clone(), publish.clone(), epoch_ns);
            let ready = ready.clone();
            let thread = thread::Builder::new().name("pacer".into()).spawn(move || pace(core, pacer, &ready));
            threads.push(thread.map_err(|error| Unavailable::Broken(error.to_string()))?);
            orders.push(order);
        }
        // One that ends without a word has panicked.
        let silent = |_| Unavailable::Broken("a pacer is gone".into());
        orders.iter().try_for_each(|_| started.recv().map_err(silent)?)?;
        let shared = Shared {
            interface,
            listener: Mutex::new(listener),
            ports: Mutex::default(),
            ways: Mutex::default(),
            next: AtomicUsize::new(0),
            lost: AtomicUsize::new(0),
            stop,
        };
        Ok(Mill { shared: Arc::new(shared), pacers: threads, orders })
    }

    /// A handle for one thread.
    pub fn hand(&self) -> Hand {
        Hand { shared: self.shared.clone(), orders: self.orders.clone() }
    }

    /// Ends it.
    ///
    /// # Errors
    /// A thread of it has failed on its way.
    pub fn stop(self) -> Result<Report, Unavailable> {
        self.shared.stop.store(true, Relaxed);
        let silenced = self.shared.lost.load(Relaxed) as u64;
        let mut report = Report { delays: sure(&self.shared.listener).delays()?, silenced, ..Report::default() };
        for pacer in self.pacers {
            let paced = pacer.join().map_err(|_| Unavailable::Broken("a pacer panicked".into()))??;
            report.lateness.merge(&paced.lateness);
            report.left_out += paced.left_out;
            report.silenced += paced.homeless;
        }
        Ok(report)
    }
}

/// The life of a pacer's thread: it tries whether the kernel makes packets, and says so, before anybody counts on it.
fn pace(core: usize, mut pacer: Pacer, ready: &Sender<Result<(), Unavailable>>) -> Result<Paced, Unavailable> {
    let tried = stay_on(core).and_then(|()| pacer.try_out());
    let stays = tried.is_ok();
    // Who does not listen any more has given up because of another one.
    let _ = ready.send(tried);
    if stays { pacer.play() } else { Ok(Paced::default()) }
}

/// Packets that one thread makes are received on its core, in a queue of that core: two never meet in one.
fn stay_on(core: usize) -> Result<(), Unavailable> {
    let mut cores = CpuSet::new();
    let set = cores.set(core).and_then(|()| sched_setaffinity(Pid::from_raw(0), &cores));
    set.map_err(|error| Unavailable::Broken(format!("core {core}: {error}")))
}

/// What one thread opens, lets speak and closes ends of calls with.
#[derive(Clone)]
pub struct Hand {
    shared: Arc<Shared>,
    orders: Vec<Sender<Order>>,
}

/// One end of one call, on a port of its own that no socket has.
pub struct Voice {
    local: SocketAddrV4,
    pacer: usize,
    speaks: Option<(Speaks, Arc<Stand>)>,
    hushed: bool,
}

impl Voice {
    /// Where it listens, and from where it speaks.
    pub fn address(&self) -> SocketAddr {
        self.local.into()
    }
}

/// What an end of a call came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// Packets that it sent.
    pub sent: u32,
    /// What it heard.
    pub heard: Heard,
}

impl Hand {
    /// An end that listens at this address; none if the interface does not have it, or has no port left.
    pub fn listen(&self, local: IpAddr, hears: &Hears) -> Option<Voice> {
        let IpAddr::V4(address) = local else { return None };
        if !self.shared.interface.addresses.contains(&address) {
            return None;
        }
        let port = sure(&self.shared.ports).take(address)?;
        let local = SocketAddrV4::new(address, port);
        sure(&self.shared.listener).open(local, hears).ok()?;
        let pacer = self.shared.next.fetch_add(1, Relaxed) % self.orders.len();
        Some(Voice { local, pacer, speaks: None, hushed: false })
    }

    /// Lets an end speak to this address, from this moment of the run's clock on; or, if it speaks already, to this address from now on.
    pub fn speak(&self, voice: &mut Voice, speaks: Speaks, to: SocketAddr, due_ns: u64) {
        let SocketAddr::V4(to) = to else { return self.lose() };
        let Ok(Some(link_to)) = self.way(*voice.local.ip(), *to.ip()) else { return self.lose() };
        let order = match &voice.speaks {
            Some((_, stand)) => Order::Turn { stand: stand.clone(), to, link_to },
            None => {
                let stand = Stand::new();
                voice.speaks = Some((speaks, stand.clone()));
                Order::Speak { stand, speaks, ends: (voice.local, to), link_to, due_ns }
            }
        };
        self.order(voice.pacer, order);
    }

    /// Lets it be silent.
    pub fn hush(&self, voice: &mut Voice) {
        if let (Some((speaks, stand)), false) = (&voice.speaks, voice.hushed) {
            self.order(voice.pacer, Order::Hush { stand: stand.clone(), speaks: *speaks });
        }
        voice.hushed = true;
    }

    /// Ends it and tells what it came to.
    pub fn close(&self, mut voice: Voice) -> Said {
        self.hush(&mut voice);
        let sent = voice.speaks.as_ref().map_or(0, |(_, stand)| self.settled(stand));
        let heard = sure(&self.shared.listener).close(voice.local).unwrap_or_default();
        sure(&self.shared.ports).give_back(*voice.local.ip(), voice.local.port());
        Said { sent, heard }
    }

    fn order(&self, pacer: usize, order: Order) {
        // A pacer that has failed says why at the end.
        let _ = self.orders[pacer].send(order);
    }

    fn lose(&self) {
        self.shared.lost.fetch_add(1, Relaxed);
    }

    fn way(&self, from: Ipv4Addr, to: Ipv4Addr) -> io::Result<Option<[u8; 6]>> {
        let mut ways = sure(&self.shared.ways);
        if let Some(known) = ways.get(&to) {
            return Ok(*known);
        }
        let found = self.shared.interface.neighbour(from, to)?;
        ways.insert(to, found);
        Ok(found)
    }

    /// What one sent, once its pacer has heard that it is silent: usually long ago. Nothing if the pacer has failed.
    fn settled(&self, stand: &Stand) -> u32 {
        let until = Instant::now() + PATIENCE;
        loop {
            match stand.sent() {
                Some(sent) => return sent,
                None if self.shared.stop.load(Relaxed) || Instant::now() > until => return 0,
                None => thread::sleep(Duration::from_micros(100)),
            }
        }
    }
}
