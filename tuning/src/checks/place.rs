//! Clock, disk and log.

use super::{Change, Check, Fatal, Found, Info, Sight, Warn};
use crate::wants::Profile;

/// Clocks that are read without a system call. Hypervisors offer their own.
const CHEAP_CLOCKS: &[&str] = &["tsc", "kvm-clock", "hyperv_clocksource_tsc_page", "arch_sys_counter"];
/// Who keeps a clock, and the file that shows it.
const KEEPERS: &[(&str, &str)] = &[
    ("run/systemd/timesync/synchronized", "systemd-timesyncd, synchronized"),
    ("run/chrony/chronyd.pid", "chronyd runs"),
    ("run/chronyd.pid", "chronyd runs"),
    ("run/ntpd.pid", "ntpd runs"),
    ("run/openntpd/ntpd.pid", "openntpd runs"),
];
const JOURNALD: &str = "etc/systemd/journald.conf";
const JOURNALD_OURS: &str = "etc/systemd/journald.conf.d/60-tandem.conf";
/// What journald lets a service write in 30 seconds unless told otherwise, by journald.conf(5).
const BURST: u64 = 10_000;

/// Clock and disk.
pub const CHECKS: &[Check] = &[
    Check {
        name: "clocksource",
        asks: "is reading the clock cheap?",
        why: "The clock is read once a turn of each shard; without tsc or the hypervisor's clock each reading is a system call of a microsecond.",
        mend: "Remove clocksource= and tsc= from the kernel's command line; ask the hypervisor for an invariant TSC.",
        severity: Warn,
        in_a_lab: Warn,
        look: clocksource,
    },
    Check {
        name: "time-sync",
        asks: "is the clock kept right by NTP?",
        why: "CDRs carry wall-clock times and rates change at them: a clock that is off makes disputes with carriers.",
        mend: "apt-get install chrony, or systemctl enable --now systemd-timesyncd",
        severity: Fatal,
        in_a_lab: Warn,
        look: time_sync,
    },
    Check {
        name: "time-offset",
        asks: "is the clock right?",
        why: "A CDR's time decides which rate applies and is what carriers compare.",
        mend: "chronyc makestep; look at `chronyc sources`",
        severity: Fatal,
        in_a_lab: Warn,
        look: time_offset,
    },
    Check {
        name: "disk-space",
        asks: "is there room for the journal while the database is away?",
        why: "No call is taken without a place for its CDR: at 95 % of the disk new calls are refused.",
        mend: "Give the data folder a larger file system of its own.",
        severity: Fatal,
        in_a_lab: Warn,
        look: disk_space,
    },
    Check {
        name: "disk-sync",
        asks: "is a synchronous write fast enough for the answer of a call?",
        why: "With --journal-sync fdatasync each 200 OK waits for the disk.",
        mend: "Put the data folder on a disk with power-loss protection, or keep --journal-sync written.",
        severity: Warn,
        in_a_lab: Warn,
        look: disk_sync,
    },
    Check {
        name: "journald",
        asks: "does the log keep what the switch says in a storm?",
        why: "Beyond its rate journald drops lines: those of the minute that will be asked about.",
        mend: "RateLimitBurst=100000 in /etc/systemd/journald.conf.d/60-tandem.conf",
        severity: Info,
        in_a_lab: Info,
        look: journald,
    },
];

fn clocksource(sight: &Sight) -> Found {
    let metal = sight.profile == Profile::Metal && !sight.host.virtual_machine;
    let want = if metal { "tsc" } else { "tsc or the hypervisor's" };
    let path = "sys/devices/system/clocksource/clocksource0/current_clocksource";
    match sight.host.read(path) {
        Some(clock) => {
            let ok = if metal {
                clock == "tsc" || clock == "arch_sys_counter"
            } else {
                CHEAP_CLOCKS.contains(&clock.as_str())
            };
            Found::compared(want, clock, ok)
        }
        None => Found::not_applicable(want, "cannot be read"),
    }
}

fn time_sync(sight: &Sight) -> Found {
    let want = "kept by NTP";
    if let Some((_, found)) = KEEPERS.iter().find(|(path, _)| sight.host.exists(path)) {
        return Found::compared(want, *found, true);
    }
    if sight.host.container {
        return Found::not_applicable(want, "in a container the host keeps the clock");
    }
    Found::compared(want, "no NTP daemon found", false)
}

/// `chronyc -c tracking`: the fifth field is how far the clock is off, in seconds, the last one tells of leap seconds.
fn time_offset(sight: &Sight) -> Found {
    let most = f64::from(sight.wants.clock_ms) / 1e3;
    let want = format!("within {} ms", sight.wants.clock_ms);
    let text = match sight.host.ask("chronyc", &["-c", "tracking"]) {
        Ok(text) => text,
        Err(flaw) => return Found::not_applicable(want, flaw),
    };
    let fields: Vec<&str> = text.trim().split(',').collect();
    let (Some(Ok(off)), Some(leap)) = (fields.get(4).map(|word| word.parse::<f64>()), fields.last()) else {
        return Found::not_applicable(want, "chronyc says what we do not know");
    };
    let found = format!("{:.3} ms, leap: {leap}", off.abs() * 1e3);
    Found::compared(want, found, off.abs() <= most && *leap != "Not synchronised")
}

fn disk_space(sight: &Sight) -> Found {
    let (mib, percent) = (u64::from(sight.wants.disk_free_mib), u64::from(sight.wants.disk_free_percent));
    let want = format!("{mib} MiB and {percent} % free");
    let Some((free, all)) = sight.host.space else {
        return Found::not_applicable(want, format!("{} tells nothing", sight.host.disk.display()));
    };
    let share = free * 100 / all.max(1);
    let found = format!("{} MiB, {share} % free at {}", free >> 20, sight.host.disk.display());
    Found::compared(want, found, free >> 20 >= mib && share >= percent)
}

fn disk_sync(sight: &Sight) -> Found {
    let want = format!("{} ms or less", sight.wants.fsync_ms);
    match &sight.host.sync {
        Ok(time) => {
            let found = format!("{:.2} ms at {}", time.as_secs_f64() * 1e3, sight.host.disk.display());
            Found::compared(want, found, time.as_micros() <= u128::from(sight.wants.fsync_ms) * 1_000)
        }
        Err(flaw) => Found::not_applicable(want, flaw.clone()),
    }
}

fn journald(sight: &Sight) -> Found {
    let least = u64::from(sight.wants.log_burst);
    let want = format!("{least} lines or more in its interval");
    if !sight.host.exists("run/systemd/journal") {
        return Found::not_applicable(want, "no journald here");
    }
    let burst = |path: &&str| {
        let text = sight.host.read(path)?;
        text.lines().find_map(|line| line.trim().strip_prefix("RateLimitBurst=")?.trim().parse::<u64>().ok())
    };
    // A file of the folder counts more than the main one; 0 means no limit.
    let found = [JOURNALD_OURS, JOURNALD].iter().find_map(burst).unwrap_or(BURST);
    let change = Change::file(sight.host, JOURNALD_OURS, &format!("[Journal]\nRateLimitBurst={least}"));
    Found::compared(want, found.to_string(), found == 0 || found >= least).with([change])
}
