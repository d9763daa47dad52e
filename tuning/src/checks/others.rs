//! Other machines that this one leans on.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::{Check, Fatal, Found, Info, Sight, Warn};
use crate::nics;

/// Connections that the database is asked for; the median counts.
const CONNECTS: usize = 5;
/// How long one of them may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// Other machines that this one leans on; asked with --vip-nic, --peer and --database.
pub const CHECKS: &[Check] = &[
    Check {
        name: "vip-nic",
        asks: "is the card of the service address up?",
        why: "A service address on a card without a link is no address.",
        mend: "ip link set NIC up; look at the cable",
        severity: Fatal,
        in_a_lab: Fatal,
        look: vip_nic,
    },
    Check {
        name: "peer-wire",
        asks: "is the other node on the same wire?",
        why: "A service address moves by ARP, which does not cross a router.",
        mend: "Put both nodes into one network, or announce the address by routing.",
        severity: Fatal,
        in_a_lab: Warn,
        look: peer_wire,
    },
    Check {
        name: "database-latency",
        asks: "is the database near?",
        why: "Every grant of money waits for it; core and database belong into one data centre.",
        mend: "Move one of them; until then expect slower first calls of each account.",
        severity: Warn,
        in_a_lab: Info,
        look: database_latency,
    },
];

fn vip_nic(sight: &Sight) -> Found {
    let want = "there, and up";
    let Some(nic) = sight.vip_nic else { return Found::not_applicable(want, "no --vip-nic given") };
    match sight.host.read(&format!("sys/class/net/{nic}/operstate")) {
        Some(state) => Found::compared(want, format!("{nic} is {state}"), state == "up"),
        None => Found::compared(want, format!("there is no {nic}"), false),
    }
}

fn peer_wire(sight: &Sight) -> Found {
    let want = "reached without a router";
    let Some(peer) = sight.peer else { return Found::not_applicable(want, "no --peer given") };
    match nics::same_wire(sight.host, peer) {
        Some(direct) => Found::compared(want, if direct { "on the same wire" } else { "behind a router" }, direct),
        None => Found::compared(want, format!("no route to {peer}"), false),
    }
}

fn database_latency(sight: &Sight) -> Found {
    let want = format!("{} ms or less", sight.wants.database_ms);
    let Some(address) = sight.database else { return Found::not_applicable(want, "no --database given") };
    let connect = |_| {
        let began = Instant::now();
        TcpStream::connect_timeout(&address, PATIENCE).map(|_| began.elapsed())
    };
    let mut times = match (0..CONNECTS).map(connect).collect::<Result<Vec<Duration>, _>>() {
        Ok(times) => times,
        Err(flaw) => return Found::compared(want, format!("{address}: {flaw}"), false).at(Fatal),
    };
    times.sort();
    let median = times[CONNECTS / 2];
    let found = format!("{:.2} ms to connect", median.as_secs_f64() * 1e3);
    Found::compared(want, found, median.as_millis() <= u128::from(sight.wants.database_ms))
}
