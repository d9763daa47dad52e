//! A peer without sockets: RTP made and taken by a program in the kernel (`frames.c`), so that a relay gets packets as from the driver of a card, and
//! what comes back costs nobody but the peer's core.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use aya::maps::{Array, MapData};
use aya::programs::{TestRun, TestRunAttrs, TestRunOptions, Xdp, XdpMode};
use aya::{Ebpf, EbpfLoader};

use crate::cable::{Cable, PEER, SWITCH};

/// The port that every relay sends back to.
pub const PEER_PORT: u16 = 4_000;
/// Bytes of a frame: Ethernet, IPv4, UDP, RTP and 20 ms of G.711.
const FRAME_BYTES: usize = 214;
/// Silence of A-law.
const SILENCE: u8 = 0xD5;
/// What comes within this time leaves at once: cards ask for the processor some thousand times a second, not once a packet.
const AT_ONCE_A_SECOND: u64 = 5_000;
/// And so many at most, as a turn of receiving takes (`NAPI_POLL_WEIGHT`); the kernel makes as many before it lets others run.
const AT_ONCE_MAX: u32 = 64;
/// The kernel is asked for so many frames at a time, those included that are dropped while none is due: for about a tenth of a second.
const FRAMES: u32 = 1 << 21;
/// Delays told apart, in microseconds, and the last for those beyond.
const DELAYS: u32 = 20_001;
/// Windows of time whose packets are told apart, the last with all from there on.
const WINDOWS: u32 = 32;
/// How long a window is.
pub const WINDOW: Duration = Duration::from_millis(250);
/// Bytes of `struct state`, and where it has what came back.
const STATE_BYTES: usize = 128;
const HEARD: usize = 64;

/// A peer at work.
pub struct Frames {
    states: Array<MapData, [u8; STATE_BYTES]>,
    delays: Array<MapData, u64>,
    begun: Instant,
    over: Arc<AtomicBool>,
    maker: Option<JoinHandle<()>>,
}

impl Frames {
    /// Begins to send so many packets a second, to one port after the other; `summed` with UDP checksums. A socket gets packets that a card has
    /// looked at, so that nobody computes their checksums again: here those without one are such.
    pub fn start(cable: &Cable, ports: &[SocketAddr], rate: u64, summed: bool) -> Frames {
        let together = (rate / AT_ONCE_A_SECOND).clamp(1, AT_ONCE_MAX.into());
        let (interface, link_from) = cable.peer_link();
        let (_, link_to) = cable.switch_link();
        let word = |ip: &str| u32::from_ne_bytes(ip.parse::<Ipv4Addr>().expect("an address").octets());
        let mut loader = EbpfLoader::new();
        loader.override_global("interface", &interface, true);
        loader.override_global("link_from", &link_from, true).override_global("link_to", &link_to, true);
        let (from, to, from_port) = (word(PEER), word(SWITCH), PEER_PORT.to_be());
        loader.override_global("from", &from, true).override_global("to", &to, true);
        let (count, batch, sums) = (ports.len() as u32, together as u32, u32::from(summed));
        let gap = 1_000_000_000 * together / rate;
        loader.override_global("from_port", &from_port, true).override_global("ports_count", &count, true);
        loader.override_global("together", &batch, true).override_global("gap_ns", &gap, true);
        loader.override_global("summed", &sums, true).map_max_entries("ports", count);
        let object = compile("frames.c");
        let mut kernel = loader.load_file(&object).expect("the kernel takes the tables");
        std::fs::remove_file(&object).expect("written just now");
        let program: &mut Xdp = kernel.program_mut("frames").expect("declared").try_into().expect("of XDP");
        program.load().expect("the kernel takes the program");
        let mut table: Array<_, u32> = take(&mut kernel, "ports");
        for (place, port) in (0..).zip(ports) {
            table.set(place, u32::from(port.port().to_be()), 0).expect("written");
        }
        let (states, delays) = (take(&mut kernel, "states"), take(&mut kernel, "delays"));
        let over = Arc::new(AtomicBool::new(false));
        let known = Arc::clone(&over);
        // The thread stands at the peer before it puts the program on the interface there.
        let place = cable.peer();
        let maker = std::thread::spawn(move || {
            place.stand();
            make(&mut kernel, &known);
        });
        Frames { states, delays, begun: Instant::now(), over, maker: Some(maker) }
    }

    fn state(&self, at: usize) -> u64 {
        let state = self.states.get(&0, 0).expect("read");
        u64::from_ne_bytes(state[at..at + 8].try_into().expect("eight bytes"))
    }

    /// Packets made so far.
    pub fn made(&self) -> u64 {
        self.state(0)
    }

    /// Packets that came back so far.
    pub fn heard(&self) -> u64 {
        self.state(HEARD)
    }

    /// Sends no more and waits for what is on its way: packets made and heard, and of those that left in each [`WINDOW`], by microseconds of
    /// delay, how many had it.
    pub fn stop(mut self) -> (u64, u64, Vec<Vec<u64>>) {
        let maker = self.maker.take().expect("stopped once");
        self.over.store(true, Ordering::Relaxed);
        // The program takes what comes back until its thread ends.
        let made = loop {
            let before = (self.made(), self.heard());
            std::thread::sleep(Duration::from_millis(300));
            if (self.made(), self.heard()) == before {
                break before.0;
            }
        };
        let (heard, begun) = (self.heard(), self.begun.elapsed().as_nanos() / WINDOW.as_nanos());
        let window = |window: u32| {
            (window * DELAYS..).take(DELAYS as usize).map(|key| self.delays.get(&key, 0).expect("read")).collect()
        };
        let delays = (0..WINDOWS.min(begun as u32 + 1)).map(window).collect();
        maker.thread().unpark();
        maker.join().expect("the maker ends");
        (made, heard, delays)
    }
}

impl Drop for Frames {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(maker) = self.maker.take() {
            maker.thread().unpark();
            // One that broke has said so.
            let _ = maker.join();
        }
    }
}

/// Makes frames until it is over, then waits until nobody needs the program any more.
fn make(kernel: &mut Ebpf, over: &AtomicBool) {
    let program: &mut Xdp = kernel.program_mut("frames").expect("declared").try_into().expect("of XDP");
    program.attach("a1", XdpMode::Driver).expect("the interface takes it");
    let data = [SILENCE; FRAME_BYTES];
    while !over.load(Ordering::Relaxed) {
        let attrs = TestRunAttrs::new().xdp_live_frames(AT_ONCE_MAX);
        let options = TestRunOptions { data_in: Some(&data), repeat: FRAMES, attrs, ..TestRunOptions::new() };
        program.test_run(options).expect("the kernel makes live frames (Linux 5.18)");
    }
    std::thread::park();
}

/// A table of the program's.
fn take<V: aya::Pod>(kernel: &mut Ebpf, name: &str) -> Array<MapData, V> {
    Array::try_from(kernel.take_map(name).expect("declared")).expect("an array of such values")
}

/// Compiles one of this folder's programs for the kernel; where its object is.
pub fn compile(name: &str) -> PathBuf {
    let object = std::env::temp_dir().join(format!("tandem-{name}-{}.o", std::process::id()));
    let source = format!("{}/{name}", env!("CARGO_MANIFEST_DIR"));
    let headers = format!("/usr/include/{}-linux-gnu", std::env::consts::ARCH);
    let built = Command::new("clang")
        .args(["-O2", "-g", "-target", "bpf", "-mcpu=v3", "-I", &headers, "-c", &source, "-o"])
        .arg(&object)
        .status();
    assert!(built.is_ok_and(|status| status.success()), "clang compiles {name}");
    object
}
