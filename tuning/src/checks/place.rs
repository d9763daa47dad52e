//! Clock and disk.

use super::{Found, Sight};
use crate::wants::Profile;

/// Clocks that are read without a system call. Hypervisors offer their own.
const CHEAP_CLOCKS: &[&str] = &["tsc", "kvm-clock", "hyperv_clocksource_tsc_page", "arch_sys_counter"];

pub fn clocksource(sight: &Sight) -> Found {
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

pub fn time_sync(sight: &Sight) -> Found {
    let want = "kept by NTP";
    let keepers = [
        ("run/systemd/timesync/synchronized", "systemd-timesyncd, synchronized"),
        ("run/chrony/chronyd.pid", "chronyd runs"),
        ("run/chronyd.pid", "chronyd runs"),
        ("run/ntpd.pid", "ntpd runs"),
        ("run/openntpd/ntpd.pid", "openntpd runs"),
    ];
    if let Some((_, found)) = keepers.iter().find(|(path, _)| sight.host.exists(path)) {
        return Found::compared(want, *found, true);
    }
    if sight.host.container {
        return Found::not_applicable(want, "in a container the host keeps the clock");
    }
    Found::compared(want, "no NTP daemon found", false)
}

pub fn disk_space(sight: &Sight) -> Found {
    let (mib, percent) = (u64::from(sight.wants.disk_free_mib), u64::from(sight.wants.disk_free_percent));
    let want = format!("{mib} MiB and {percent} % free");
    let Some((free, all)) = sight.host.space else {
        return Found::not_applicable(want, format!("{} tells nothing", sight.host.disk.display()));
    };
    let share = free * 100 / all.max(1);
    let found = format!("{} MiB, {share} % free at {}", free >> 20, sight.host.disk.display());
    Found::compared(want, found, free >> 20 >= mib && share >= percent)
}

pub fn disk_sync(sight: &Sight) -> Found {
    let want = format!("{} ms or less", sight.wants.fsync_ms);
    match &sight.host.sync {
        Ok(time) => {
            let found = format!("{:.2} ms at {}", time.as_secs_f64() * 1e3, sight.host.disk.display());
            Found::compared(want, found, time.as_micros() <= u128::from(sight.wants.fsync_ms) * 1_000)
        }
        Err(flaw) => Found::not_applicable(want, flaw.clone()),
    }
}
