//! The program, loaded, with its tables.

use std::net::SocketAddrV4;
use std::os::fd::AsFd;
use std::sync::Arc;

use aya::maps::{Array, HashMap, Map, MapData, MapError, PerCpuArray};
use aya::programs::{ProgramError, TestRun, TestRunAttrs, TestRunOptions, TestRunResult, Xdp, XdpMode};
use aya::{Ebpf, EbpfLoader};

use crate::delays::{Delays, STEPS};
use crate::layout::{AT_BYTES, EAR_BYTES, FRAME_BYTES, Heard, Hears, STREAM_BYTES, Speaks, TURN_BYTES, at};

static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/mill.o"));

/// Read and write a value under its lock. `BPF_F_LOCK` of `linux/bpf.h`.
const LOCKED: u64 = 4;
/// Frames that the kernel makes before it lets others run: what a turn of receiving takes at once, so that no queue of a cable (256) fills.
const BATCH: u32 = 64;
/// Cores that packets may be made on.
pub(crate) const CORES_MAX: u32 = 256;
/// `XDP_PASS` of `linux/bpf.h`.
const PASSED: u32 = 2;
/// Silence of A-law.
const SILENCE: u8 = 0xD5;

/// Why media cannot be made or heard by the kernel.
#[derive(Debug, thiserror::Error)]
pub enum Unavailable {
    /// There was no compiler.
    #[error("this build has no media by the kernel: clang was not there when it was compiled")]
    NotBuilt,
    /// The interface is none that can be used.
    #[error("interface {0}: {1}")]
    Interface(String, String),
    /// The program was not taken, for want of rights for one.
    #[error("the kernel did not take the program (it wants root, or CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON): {0}")]
    Load(String),
    /// The kernel makes no live frames.
    #[error("the kernel did not make packets (it can from Linux 5.18 on): {0}")]
    Frames(String),
    /// A table or a thread.
    #[error("media by the kernel: {0}")]
    Broken(String),
}

impl From<MapError> for Unavailable {
    fn from(error: MapError) -> Unavailable {
        Unavailable::Broken(words(&error))
    }
}

/// An error with its causes.
pub(crate) fn words(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let lines: Vec<String> = causes.map(|error| error.to_string().replace('\n', "; ")).collect();
    lines.join(": ")
}

/// The loaded program. The last to let go of it takes it off its interface.
#[derive(Clone)]
struct Program(Arc<Ebpf>);

/// What is set before loading.
pub(crate) struct Facts {
    /// Where packets leave and come.
    pub(crate) interface: u32,
    /// Its link address.
    pub(crate) link: [u8; 6],
    /// What the run's clock counts from, on the monotonic clock.
    pub(crate) epoch_ns: u64,
    /// Places for streams.
    pub(crate) places: u32,
    /// Cores that packets are made on, from the first on.
    pub(crate) cores: u32,
    /// Ends that may listen at a time.
    pub(crate) ears: u32,
}

impl Program {
    /// Loads it, and puts it on the interface of this name if there is one.
    fn load(facts: &Facts, interface: Option<&str>) -> Result<Program, Unavailable> {
        if OBJECT.is_empty() {
            return Err(Unavailable::NotBuilt);
        }
        let mut loader = EbpfLoader::new();
        loader.override_global("interface", &facts.interface, true).override_global("link_from", &facts.link, true);
        loader.override_global("epoch_ns", &facts.epoch_ns, true).map_max_entries("streams", facts.places);
        loader.map_max_entries("turns", facts.cores).map_max_entries("ears", facts.ears);
        let refused = |error: &dyn std::error::Error| Unavailable::Load(words(error));
        let mut kernel = loader.load(OBJECT).map_err(|error| refused(&error))?;
        let program: &mut Xdp = kernel
            .program_mut("mill")
            .expect("bpf/mill.c has it")
            .try_into()
            .map_err(|error: ProgramError| refused(&error))?;
        program.load().map_err(|error| refused(&error))?;
        if let Some(name) = interface {
            let attached = program.attach(name, XdpMode::Driver);
            attached.map_err(|error| Unavailable::Interface(name.into(), words(&error)))?;
        }
        Ok(Program(Arc::new(kernel)))
    }

    fn run(&self, options: TestRunOptions<'_>) -> Result<TestRunResult, ProgramError> {
        let program: &Xdp = self.0.program("mill").expect("bpf/mill.c has it").try_into()?;
        program.test_run(options)
    }

    /// A table of its own descriptor, so that a thread may have it.
    fn table(&self, name: &str) -> Result<Map, Unavailable> {
        let (Map::Array(data) | Map::HashMap(data) | Map::PerCpuArray(data)) =
            self.0.map(name).expect("bpf/mill.c has it")
        else {
            panic!("{name} is a table of another kind");
        };
        let own = data.fd().as_fd().try_clone_to_owned();
        let own = own.map_err(|error| Unavailable::Broken(error.to_string()))?;
        Ok(Map::from_map_data(MapData::from_fd(own)?)?)
    }
}

/// Loads the program for one who listens and one who speaks on each of the cores.
pub(crate) fn load(facts: &Facts, interface: Option<&str>) -> Result<(Listener, Vec<Speaker>), Unavailable> {
    let program = Program::load(facts, interface)?;
    let listener = Listener {
        ears: HashMap::try_from(program.table("ears")?)?,
        delays: PerCpuArray::try_from(program.table("delays")?)?,
        program: program.clone(),
    };
    let speaker = |core| -> Result<Speaker, Unavailable> {
        let streams = Array::try_from(program.table("streams")?)?;
        Ok(Speaker { program: program.clone(), core, streams, turns: Array::try_from(program.table("turns")?)? })
    };
    Ok((listener, (0..facts.cores).map(speaker).collect::<Result<_, _>>()?))
}

/// Makes packets. It has to stay on its core.
pub(crate) struct Speaker {
    program: Program,
    core: u32,
    pub(crate) streams: Array<MapData, [u8; STREAM_BYTES]>,
    turns: Array<MapData, [u8; TURN_BYTES]>,
}

impl Speaker {
    /// Makes the next packet of each of these places and sends it. How many of the places are left, because a signal came.
    pub(crate) fn speak(&mut self, from: u32, count: u32) -> Result<u32, Unavailable> {
        self.set_turn(from, from + count)?;
        let data = [SILENCE; FRAME_BYTES];
        let attrs = TestRunAttrs::new().xdp_live_frames(BATCH);
        match self.program.run(TestRunOptions { data_in: Some(&data), repeat: count, attrs, ..TestRunOptions::new() }) {
            Ok(_) => Ok(0),
            Err(error) => {
                let turn = self.turns.get(&self.core, 0)?;
                let next = u32::from_ne_bytes([turn[0], turn[1], turn[2], turn[3]]);
                if next == from { Err(Unavailable::Frames(words(&error))) } else { Ok(from + count - next) }
            }
        }
    }

    fn set_turn(&mut self, next: u32, end: u32) -> Result<(), Unavailable> {
        let mut turn = [0; TURN_BYTES];
        turn[..4].copy_from_slice(&next.to_ne_bytes());
        turn[4..8].copy_from_slice(&end.to_ne_bytes());
        Ok(self.turns.set(self.core, turn, 0)?)
    }
}

/// Who listens.
pub(crate) struct Listener {
    program: Program,
    ears: HashMap<MapData, [u8; AT_BYTES], [u8; EAR_BYTES]>,
    delays: PerCpuArray<MapData, u64>,
}

impl Listener {
    pub(crate) fn open(&mut self, local: SocketAddrV4, hears: &Hears) -> Result<(), Unavailable> {
        Ok(self.ears.insert(at(local), hears.bytes(), 0)?)
    }

    pub(crate) fn close(&mut self, local: SocketAddrV4) -> Result<Heard, Unavailable> {
        let heard = Heard::read(&self.ears.get(&at(local), LOCKED)?);
        self.ears.remove(&at(local))?;
        Ok(heard)
    }

    /// All delays heard.
    pub(crate) fn delays(&self) -> Result<Delays, Unavailable> {
        let mut counts = [0; STEPS];
        for (step, count) in (0..).zip(&mut counts) {
            *count = self.delays.get(&step, 0)?.iter().sum();
        }
        Ok(Delays::of(counts))
    }
}

/// The program without an interface of its own: packets are made and heard one by one, by hand.
pub struct Rehearsal {
    speaker: Speaker,
    listener: Listener,
}

impl Rehearsal {
    /// Loads it. Moments count from the system's start.
    ///
    /// # Errors
    /// Why it is not possible here.
    pub fn load() -> Result<Rehearsal, Unavailable> {
        // What is run by hand seems to come by the loopback interface, which is the first everywhere.
        let part = |interface| {
            load(
                &Facts { interface, link: [2, 0, 0, 0, 0, 1], epoch_ns: 0, places: 1, cores: CORES_MAX, ears: 1 },
                None,
            )
        };
        let (listener, _) = part(1)?;
        let (_, speakers) = part(2)?;
        let Some(speaker) = speakers.into_iter().next() else { panic!("one for each core") };
        Ok(Rehearsal { speaker, listener })
    }

    /// The first few packets of one who speaks.
    ///
    /// # Errors
    /// The kernel failed.
    pub fn speak(
        &mut self,
        speaks: &Speaks,
        (from, to): (SocketAddrV4, SocketAddrV4),
        count: u32,
    ) -> Result<Vec<[u8; FRAME_BYTES]>, Unavailable> {
        self.speaker.streams.set(0, speaks.bytes(from, to, [2, 0, 0, 0, 0, 2]), 0)?;
        let data = [SILENCE; FRAME_BYTES];
        let mut frames = Vec::new();
        for _ in 0..count {
            let mut frame = [0; FRAME_BYTES];
            // Whichever core this runs on.
            for core in 0..CORES_MAX {
                self.speaker.core = core;
                self.speaker.set_turn(0, 1)?;
            }
            let options = TestRunOptions { data_in: Some(&data), data_out: Some(&mut frame), ..TestRunOptions::new() };
            self.speaker.program.run(options).map_err(|error| Unavailable::Frames(words(&error)))?;
            frames.push(frame);
        }
        Ok(frames)
    }

    /// What an end at this address hears of these frames; and how many of them were left for others.
    ///
    /// # Errors
    /// The kernel failed.
    pub fn hear(
        &mut self,
        local: SocketAddrV4,
        hears: &Hears,
        frames: &[[u8; FRAME_BYTES]],
    ) -> Result<(Heard, usize), Unavailable> {
        self.listener.open(local, hears)?;
        let mut left = 0;
        for frame in frames {
            let run = self.listener.program.run(TestRunOptions { data_in: Some(frame), ..TestRunOptions::new() });
            let run = run.map_err(|error| Unavailable::Frames(words(&error)))?;
            left += usize::from(run.return_value == PASSED);
        }
        Ok((self.listener.close(local)?, left))
    }
}
