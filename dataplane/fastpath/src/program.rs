//! The program in the kernel: loaded once, put on interfaces, its tables handed out.

use std::io;

use aya::maps::{Array, MapData, MapError, PerCpuArray};
use aya::programs::{SchedClassifier, TcAttachType, Xdp, XdpMode, tc};
use aya::{Ebpf, EbpfLoader, Pod};

use crate::flow::{FLOW_BYTES, Flow, HEARD_BYTES, Heard};
use crate::hops::Hops;
use crate::links::Links;

static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/relay.o"));

/// Take the value's lock while it is written: a packet sees the old flow or the new one whole. `BPF_F_LOCK` of `linux/bpf.h`.
const LOCKED: u64 = 4;

/// How packets may be met.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// XDP in the driver where the interface takes it, tc otherwise. On virtual cables always tc: there XDP loses packets unless
    /// the other end has a program too, which nobody can see from here.
    #[default]
    Auto,
    /// Only XDP in the driver.
    Xdp,
    /// Only tc.
    Tc,
}

/// What is wanted.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How packets may be met.
    pub mode: Mode,
    /// Names of the interfaces that media comes in by; of VLANs their parents.
    pub interfaces: Vec<String>,
    /// First RTP port, even.
    pub port_low: u16,
    /// Last RTP or RTCP port.
    pub port_high: u16,
}

/// How packets are met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tier {
    /// In the driver, before the kernel makes a packet buffer.
    Xdp,
    /// At the first hook after that.
    Tc,
}

/// An interface that the program stands on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attached {
    /// Its name.
    pub interface: String,
    /// Where.
    pub tier: Tier,
}

/// Why there is no fast path. The socket relay carries all.
#[derive(Debug, thiserror::Error)]
pub enum Unavailable {
    /// This build has none.
    #[error("this build has no fast path: clang was not there when it was compiled")]
    NotBuilt,
    /// No interface was named.
    #[error("no interface for media is known")]
    NoInterface,
    /// The kernel did not take the program.
    #[error("the kernel did not take the program: {0}")]
    Load(String),
    /// An interface did not take it.
    #[error("interface {interface} did not take the program: {why}")]
    Attach {
        /// Its name.
        interface: String,
        /// The kernel's words.
        why: String,
    },
}

/// A call into the kernel failed that works while the program is loaded.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// On a table.
    #[error("table of the fast path: {0}")]
    Table(#[from] MapError),
    /// On a question about ways.
    #[error("ways of the fast path: {0}")]
    Ways(#[from] io::Error),
}

/// What became of packets, in the order of the kernel's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// Sent on.
    Relayed = 0,
    /// To one of our ports, but no flow was joined there.
    NotJoined = 1,
    /// Not from the flow's peer; user space judges them.
    Stranger = 2,
    /// RTCP, or neither; or RTP of a payload type that the flow does not name.
    NotRtp = 3,
    /// The way out was not known.
    NoHop = 4,
    /// Of a flow that user space still has packets of.
    Behind = 5,
}

/// The loaded program. Dropping it takes it off the interfaces; packets then go up.
#[derive(Debug)]
pub struct FastPath {
    // Declared first so that the program leaves before its tables.
    kernel: Ebpf,
    attached: Vec<Attached>,
    port_low: u16,
}

impl FastPath {
    /// Loads the program and puts it on the interfaces, all or none.
    pub fn load(settings: &Settings) -> Result<FastPath, Unavailable> {
        assert!(settings.port_low.is_multiple_of(2), "RTP ports are even (RFC 3550 §11)");
        if OBJECT.is_empty() {
            return Err(Unavailable::NotBuilt);
        }
        if settings.interfaces.is_empty() {
            return Err(Unavailable::NoInterface);
        }
        let pairs = u32::from(settings.port_high - settings.port_low) / 2 + 1;
        let kernel = EbpfLoader::new()
            .override_global("port_low", &settings.port_low, true)
            .map_max_entries("flows", pairs)
            .map_max_entries("heards", pairs)
            .map_max_entries("marks", pairs)
            .load(OBJECT)
            .map_err(|error| Unavailable::Load(words(&error)))?;
        let mut path = FastPath { kernel, attached: Vec::new(), port_low: settings.port_low };
        for interface in &settings.interfaces {
            let tier = path.attach(interface, settings.mode)?;
            path.attached.push(Attached { interface: interface.clone(), tier });
        }
        Ok(path)
    }

    fn attach(&mut self, interface: &str, mode: Mode) -> Result<Tier, Unavailable> {
        let refused = |why: String| Unavailable::Attach { interface: interface.to_owned(), why };
        let blind = mode == Mode::Auto && Links::open().and_then(|links| links.is_veth(interface)).unwrap_or(false);
        if mode != Mode::Tc && !blind {
            match self.attach_xdp(interface) {
                Ok(()) => return Ok(Tier::Xdp),
                Err(why) if mode == Mode::Xdp => return Err(refused(why)),
                Err(_) => {}
            }
        }
        self.attach_tc(interface).map(|()| Tier::Tc).map_err(refused)
    }

    fn attach_xdp(&mut self, interface: &str) -> Result<(), String> {
        let program: &mut Xdp = program(&mut self.kernel, "relay_xdp")?;
        if program.fd().is_err() {
            program.load().map_err(|error| words(&error))?;
        }
        program.attach(interface, XdpMode::Driver).map_err(|error| words(&error)).map(drop)
    }

    fn attach_tc(&mut self, interface: &str) -> Result<(), String> {
        // Kernels before 6.6 need the queueing discipline; it may be there already.
        let _ = tc::qdisc_add_clsact(interface);
        // There the program also outlives a process that was killed, with flows of calls that are no more.
        let _ = tc::qdisc_detach_program(interface, TcAttachType::Ingress, "relay_tc");
        let program: &mut SchedClassifier = program(&mut self.kernel, "relay_tc")?;
        if program.fd().is_err() {
            program.load().map_err(|error| words(&error))?;
        }
        program.attach(interface, TcAttachType::Ingress).map_err(|error| words(&error)).map(drop)
    }

    /// Where the program stands.
    pub fn attached(&self) -> &[Attached] {
        &self.attached
    }

    /// A handle on the flows for one thread; two threads may not use the same ports.
    pub fn flows(&self) -> Result<Flows, Broken> {
        let (flows, heards, marks) = (self.table("flows")?, self.table("heards")?, self.table("marks")?);
        Ok(Flows { flows, heards, marks, port_low: self.port_low })
    }

    /// The ways to peers. One thread keeps them.
    pub fn hops(&self) -> Result<Hops, Broken> {
        Ok(Hops::new(self.table("turns")?, self.table("hops")?))
    }

    /// What became of packets, for whoever prints it.
    pub fn counts(&self) -> Result<Counts, Broken> {
        Ok(Counts(PerCpuArray::try_from(self.map("counts")?)?))
    }

    fn table<V: Pod>(&self, name: &str) -> Result<Array<MapData, V>, Broken> {
        Ok(Array::try_from(self.map(name)?)?)
    }

    fn map(&self, name: &str) -> Result<aya::maps::Map, Broken> {
        own(&self.kernel, name)
    }
}

/// A table of its own descriptor, so that a thread may have it.
pub(crate) fn own(kernel: &Ebpf, name: &str) -> Result<aya::maps::Map, Broken> {
    let Some(map) = kernel.map(name) else { panic!("a program in bpf/ declares {name}") };
    let data = match map {
        aya::maps::Map::Array(data) | aya::maps::Map::PerCpuArray(data) | aya::maps::Map::SockMap(data) => data,
        other => panic!("{name} is neither array nor table of sockets, but {other:?}"),
    };
    let own = std::os::fd::AsFd::as_fd(data.fd()).try_clone_to_owned()?;
    Ok(aya::maps::Map::from_map_data(MapData::from_fd(own)?)?)
}

pub(crate) fn program<'a, P>(kernel: &'a mut Ebpf, name: &str) -> Result<&'a mut P, String>
where
    &'a mut P: TryFrom<&'a mut aya::programs::Program>,
{
    let found = kernel.program_mut(name).ok_or_else(|| format!("the object has no program {name}"))?;
    <&mut P>::try_from(found).map_err(|_| format!("{name} is of another type"))
}

/// The clock of [`Heard`]'s moments now, in nanoseconds.
pub fn now_ns() -> io::Result<u64> {
    let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC)?;
    Ok(now.tv_sec() as u64 * 1_000_000_000 + now.tv_nsec() as u64)
}

/// An error with its causes, on one line.
pub(crate) fn words(error: &dyn std::error::Error) -> String {
    let mut out = error.to_string();
    let mut cause = error.source();
    while let Some(deeper) = cause {
        out = format!("{out}: {deeper}");
        cause = deeper.source();
    }
    out.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ")
}

/// Joins and parts flows by the local port that they come to.
pub struct Flows {
    flows: Array<MapData, [u8; FLOW_BYTES]>,
    heards: Array<MapData, [u8; HEARD_BYTES]>,
    marks: Array<MapData, u64>,
    port_low: u16,
}

impl Flows {
    /// From now on the kernel relays what comes to `flow.local`'s port; what was heard there begins at nothing. False if such a flow
    /// has to stay in user space.
    pub fn join(&mut self, flow: &Flow) -> Result<bool, Broken> {
        let Some(bytes) = flow.bytes() else { return Ok(false) };
        let place = self.place(flow.local.port());
        self.heards.set(place, [0; HEARD_BYTES], 0)?;
        self.flows.set(place, bytes, LOCKED)?;
        Ok(true)
    }

    /// User space has passed on the packet with this [mark](crate::mark) of a flow that it still had packets of: if none came up since, the kernel
    /// begins with the next.
    pub fn passed(&mut self, port: u16, mark: u64) -> Result<(), Broken> {
        Ok(self.marks.set(self.place(port), mark, 0)?)
    }

    /// From now on packets to this RTP port go up again. What the kernel heard until now is complete.
    pub fn part(&mut self, port: u16) -> Result<Heard, Broken> {
        self.flows.set(self.place(port), [0; FLOW_BYTES], LOCKED)?;
        self.heard(port)
    }

    /// What was heard at this RTP port since its flow was joined.
    pub fn heard(&self, port: u16) -> Result<Heard, Broken> {
        Ok(Heard::read(&self.heards.get(&self.place(port), 0)?))
    }

    fn place(&self, port: u16) -> u32 {
        u32::from(port - self.port_low) / 2
    }
}

/// Totals since the program was loaded.
pub struct Counts(PerCpuArray<MapData, u64>);

impl Counts {
    /// Packets that met this end, of all cores.
    pub fn get(&self, what: Count) -> Result<u64, Broken> {
        Ok(self.0.get(&(what as u32), 0)?.iter().sum())
    }
}
