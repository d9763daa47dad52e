//! Metrics of the machine that the node runs on.

use std::fmt::Write;

use cluster::MachineStatus;

use super::{gauge, header, line};

/// A metric's name and help, and where its value stands.
type Row<T, V> = (&'static str, &'static str, fn(&T) -> V);

/// What was read last; nothing where that never was.
pub fn machine(out: &mut String, seen: &MachineStatus) {
    if seen.at == 0 {
        return;
    }
    gauge(out, "machine_uptime_seconds", "Seconds since the machine's start.", seen.uptime_s);
    gauge(out, "machine_cores", "Cores of the machine.", u64::from(seen.cores));
    let name = "machine_load";
    header(out, name, "Threads that ran, or waited for a core or a disk: means over minutes.", "gauge");
    for (minutes, load) in [1, 5, 15].into_iter().zip(seen.load_x100) {
        part(out, name, &format!("{{minutes=\"{minutes}\"}}"), f64::from(load) / 100.0);
    }
    let shares = [
        ("machine_cpu_ratio", "Share of all cores' time that was worked.", seen.cpu_permille),
        ("machine_stolen_ratio", "Share of all cores' time that the host gave to others.", seen.stolen_permille),
    ];
    for (name, help, share) in shares {
        if let Some(share) = share {
            header(out, name, help, "gauge");
            part(out, name, "", f64::from(share) / 1e3);
        }
    }
    gauge(out, "machine_memory_bytes", "Memory of the machine.", seen.memory_bytes);
    gauge(out, "machine_memory_free_bytes", "Memory that programs may still have.", seen.memory_free_bytes);
    disks(out, seen);
    programs(out, seen);
    shards(out, seen);
    if let Some(off) = seen.clock_off_us {
        let name = "machine_clock_off_seconds";
        header(out, name, "How far the clock is ahead of the right time, as chrony says.", "gauge");
        part(out, name, "", off as f64 / 1e6);
    }
}

fn disks(out: &mut String, seen: &MachineStatus) {
    let rows: [Row<cluster::DiskStatus, u64>; 2] = [
        ("machine_disk_bytes", "Size of a file system that calls depend on.", |disk| disk.bytes),
        ("machine_disk_free_bytes", "What may still be written to it.", |disk| disk.free_bytes),
    ];
    for (name, help, value) in rows {
        header(out, name, help, "gauge");
        seen.disks.iter().for_each(|disk| line(out, name, &format!("{{holds=\"{}\"}}", disk.holds), value(disk)));
    }
}

fn programs(out: &mut String, seen: &MachineStatus) {
    let rows: [Row<cluster::ProgramStatus, u64>; 2] = [
        ("program_uptime_seconds", "Seconds since a program's start.", |program| program.uptime_s),
        ("program_memory_bytes", "Memory that a program holds.", |program| program.memory_bytes),
    ];
    for (name, help, value) in rows {
        header(out, name, help, "gauge");
        let each = seen.programs.iter();
        each.for_each(|program| line(out, name, &format!("{{program=\"{}\"}}", program.name), value(program)));
    }
}

fn shards(out: &mut String, seen: &MachineStatus) {
    let rows: [Row<cluster::ShardLoad, u32>; 2] = [
        ("shard_cpu_ratio", "Share of the time that a shard ran on its core.", |load| load.cpu_permille),
        ("shard_wait_ratio", "Share of the time that it had work and got no core.", |load| load.wait_permille),
    ];
    for (name, help, value) in rows {
        header(out, name, help, "gauge");
        for load in &seen.shards {
            part(out, name, &format!("{{shard=\"{}\"}}", load.shard), f64::from(value(load)) / 1e3);
        }
    }
}

/// A figure that is no whole number.
fn part(out: &mut String, name: &str, labels: &str, value: f64) {
    // Writing to a string cannot fail.
    let _ = writeln!(out, "tandem_{name}{labels} {value}");
}
