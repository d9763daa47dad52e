//! How the nodes' machines do.

use cluster::MachineStatus;
use serde::{Deserialize, Serialize};
use units::WallTime;
use utoipa::ToSchema;

use crate::services::Inner;
use crate::value::Time;

/// How a node's machine does, by its own control plane.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Machine {
    /// When it was read, by its own clock.
    pub read_at: Time,
    /// Seconds since the machine's start.
    pub uptime_s: u64,
    /// Cores that it has.
    pub cores: u16,
    /// Threads that ran, or waited for a core or a disk: means over 1, 5 and 15 minutes.
    pub load: [f64; 3],
    /// Share of all cores' time that was worked, in per cent; absent at the first look.
    pub cpu_percent: Option<f64>,
    /// Share of all cores' time that the host of a virtual machine gave to others, in per cent.
    pub stolen_percent: Option<f64>,
    /// Memory that it has.
    pub memory_bytes: u64,
    /// Memory that programs may still have.
    pub memory_free_bytes: u64,
    /// File systems that calls depend on.
    pub disks: Vec<MachineDisk>,
    /// The switch's programs that run on it: `dataplane`, `controlplane`.
    pub programs: Vec<MachineProgram>,
    /// What shards had of their cores.
    pub shards: Vec<MachineShard>,
    /// How far its clock is off, in milliseconds, as chrony says; ahead of the right time if above 0, absent where nobody says.
    pub clock_off_ms: Option<f64>,
}

/// A file system.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct MachineDisk {
    /// What is on it: `data` (snapshots, recordings, captures, a database of the folder's own) or `journal`.
    pub holds: String,
    /// Its size.
    pub bytes: u64,
    /// What may still be written.
    pub free_bytes: u64,
    /// Share in use, per cent, as df tells it.
    pub used_percent: u8,
}

/// A program of the switch.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct MachineProgram {
    /// `dataplane` or `controlplane`.
    pub name: String,
    /// Seconds since its start.
    pub uptime_s: u64,
    /// Memory that it holds.
    pub memory_bytes: u64,
}

/// What a shard had of its core since the look before.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct MachineShard {
    /// Its number.
    pub shard: u16,
    /// Share of the time that it ran, per cent.
    pub cpu_percent: f64,
    /// Share of the time that it had work and got no core, per cent.
    pub wait_percent: f64,
}

/// A node's machine.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct NodeMachine {
    /// The node.
    pub node: u16,
    /// How its machine does.
    pub machine: Machine,
}

impl Machine {
    /// As the API tells it; `None` where it was never read.
    pub fn of(seen: &MachineStatus) -> Option<Machine> {
        let tenths = |permille: u32| f64::from(permille) / 10.0;
        let disk = |disk: &cluster::DiskStatus| MachineDisk {
            holds: disk.holds.clone(),
            bytes: disk.bytes,
            free_bytes: disk.free_bytes,
            used_percent: disk.used_percent,
        };
        let program = |program: &cluster::ProgramStatus| MachineProgram {
            name: program.name.clone(),
            uptime_s: program.uptime_s,
            memory_bytes: program.memory_bytes,
        };
        let shard = |load: &cluster::ShardLoad| MachineShard {
            shard: load.shard,
            cpu_percent: tenths(load.cpu_permille),
            wait_percent: tenths(load.wait_permille),
        };
        (seen.at != 0).then(|| Machine {
            read_at: Time(WallTime::from_micros(seen.at)),
            uptime_s: seen.uptime_s,
            cores: seen.cores,
            load: seen.load_x100.map(|load| f64::from(load) / 100.0),
            cpu_percent: seen.cpu_permille.map(tenths),
            stolen_percent: seen.stolen_permille.map(tenths),
            memory_bytes: seen.memory_bytes,
            memory_free_bytes: seen.memory_free_bytes,
            disks: seen.disks.iter().map(disk).collect(),
            programs: seen.programs.iter().map(program).collect(),
            shards: seen.shards.iter().map(shard).collect(),
            clock_off_ms: seen.clock_off_us.map(|off| off as f64 / 1e3),
        })
    }

    /// This node's own.
    pub(crate) fn here(app: &Inner) -> Option<Machine> {
        Machine::of(&app.machine.borrow())
    }
}

impl NodeMachine {
    /// Those of all nodes that tell, by number.
    pub(crate) fn all(app: &Inner) -> Vec<NodeMachine> {
        let others = app.cluster.as_ref().map(|cluster| cluster.seen().sight.nodes).unwrap_or_default();
        let others = others.iter().filter(|node| node.number != app.node.0);
        let told = others.filter_map(|node| Some((node.number, Machine::of(&node.machine)?)));
        let here = Machine::here(app).map(|machine| (app.node.0, machine));
        let mut all: Vec<_> = told.chain(here).map(|(node, machine)| NodeMachine { node, machine }).collect();
        all.sort_by_key(|row| row.node);
        all
    }
}
