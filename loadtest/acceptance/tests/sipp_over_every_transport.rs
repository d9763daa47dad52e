//! SIPp, unmodified, over UDP, TCP and TLS, IPv4 and IPv6, with the switch in between bridging each to each.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use acceptance::Net;
use acceptance::plane::{self, Plane};
use acceptance::sipp::{Scenario, Sipp};
use snapshot::Policy;
use snapshot::policy::Transport;

/// Calls of each run.
const CALLS: u32 = 40;

fn words(listens: &[String]) -> Vec<String> {
    listens.iter().flat_map(|listen| ["--listen".to_owned(), listen.clone()]).collect()
}

fn over(transport: Transport) -> Policy {
    Policy { transport, ..Policy::default() }
}

/// Calls from an originator by one transport to a terminator by another, all on IPv4. Says how many connections were accepted and
/// made.
fn bridge(caller: &str, taker: &str, egress: Transport) -> (u64, u64) {
    let net = Net::draw();
    let at = |host: u8| SocketAddr::from((net.host(host), 5_060));
    let (switch, originator, terminator) = (at(1), at(2), at(3));
    let listens = words(&[format!("udp:{switch}"), format!("tcp:{switch}")]);
    let plane = Plane::start(&listens, &[originator.ip()], terminator, over(egress));
    let _terminator = plane::taking(plane.folder(), terminator, taker);
    plane::calling(plane.folder(), originator, switch, caller, CALLS);
    (plane.counted("streams_accepted"), plane.counted("streams_connected"))
}

#[test]
fn tcp_calls_reach_a_tcp_terminator_over_one_connection_and_one_of_each_shard() {
    let (accepted, connected) = bridge("t1", "t1", Transport::Tcp);
    assert!(accepted == 1 && (1..=2).contains(&connected), "{accepted} accepted, {connected} made");
}

#[test]
fn tcp_calls_with_a_connection_each_reach_a_udp_terminator() {
    assert_eq!(bridge("tn", "u1", Transport::Udp), (u64::from(CALLS), 0));
}

#[test]
fn udp_calls_reach_a_tcp_terminator() {
    let (accepted, connected) = bridge("u1", "tn", Transport::Tcp);
    assert!(accepted == 0 && (1..=2).contains(&connected), "{accepted} accepted, {connected} made");
}

#[test]
fn voice_from_ipv6_is_heard_on_ipv4_and_its_echo_comes_back() {
    const VOICES: u64 = 5;
    let (v4, v6) = (IpAddr::from(Net::draw().host(1)), IpAddr::from(Ipv6Addr::LOCALHOST));
    let (near, far) = (plane::free_port(v6), plane::free_port(v4));
    let (originator, terminator) = (plane::free_port(v6), plane::free_port(v4));
    let listens = words(&[format!("udp:{near}"), format!("udp:{far}")]);
    let plane = Plane::start(&listens, &[v6], terminator, over(Transport::Udp));
    // Two seconds of G.711: a hundred packets a call.
    std::fs::write(plane.folder().join("tone.alaw"), [0xd5; 16_000]).expect("the folder is writable");
    let line = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
    let echo = line(&["-rtp_echo", "-mp", "46000"]);
    let _terminator = Sipp::start(plane.folder(), terminator, Scenario::BuiltIn("uas"), &echo);
    let calls = line(&[&near.to_string(), "-s", plane::CALLED, "-m", "5", "-l", "5", "-mp", "47000", "-timeout", "60"]);
    Sipp::start(plane.folder(), originator, Scenario::Ours("rtp.xml"), &calls).all_calls_succeed();
    let relayed = plane.counted("media_relayed");
    assert!(relayed >= 2 * 95 * VOICES, "a hundred packets of each call, and their echo: {relayed}");
}

/// The switch hears both families; calls come from one and go to the other.
fn bridge_families(v6_calls: bool, sipp: &str, egress: Transport) {
    let (v4, v6) = (IpAddr::from(Net::draw().host(1)), IpAddr::from(Ipv6Addr::LOCALHOST));
    let switch = [v4, v6].map(plane::free_port);
    let (from, to) = if v6_calls { (v6, v4) } else { (v4, v6) };
    let (originator, terminator) = (plane::free_port(from), plane::free_port(to));
    let listens: Vec<String> =
        switch.iter().flat_map(|at| ["udp", "tcp"].map(|transport| format!("{transport}:{at}"))).collect();
    let plane = Plane::start(&words(&listens), &[from], terminator, over(egress));
    let _terminator = plane::taking(plane.folder(), terminator, sipp);
    plane::calling(plane.folder(), originator, switch[usize::from(v6_calls)], sipp, CALLS);
}

#[test]
fn calls_from_ipv6_reach_a_terminator_of_ipv4() {
    bridge_families(true, "u1", Transport::Udp);
}

#[test]
fn calls_from_ipv4_reach_a_terminator_of_ipv6() {
    bridge_families(false, "u1", Transport::Udp);
}

#[test]
fn tcp_calls_from_ipv6_reach_a_tcp_terminator_of_ipv4() {
    bridge_families(true, "t1", Transport::Tcp);
}

/// Two switches, TLS between them: each proves to the other who it is.
#[test]
fn calls_cross_a_tls_trunk_whose_sides_prove_who_they_are() {
    let net = Net::draw();
    let at = |host: u8, port: u16| SocketAddr::from((net.host(host), port));
    let (near, far, terminator) = (at(1, 5_060), at(2, 5_060), at(3, 5_060));
    let folders = [(near, "near"), (far, "far")].map(|(at, _)| {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let files = plane::certificates(folder.path(), at.ip());
        (folder, files)
    });
    let tls = |own: usize, at: SocketAddr, options: &str| {
        let ((_, (_, cert, key)), (_, (ca, ..))) = (&folders[own], &folders[1 - own]);
        let (cert, key, ca) = (cert.display(), key.display(), ca.display());
        format!("tls:{}:5061,cert={cert},key={key},ca={ca}{options}", at.ip())
    };
    let far_words = words(&[format!("udp:{far}"), tls(1, far, ",mutual=yes")]);
    let far_plane = Plane::start(&far_words, &[near.ip()], terminator, over(Transport::Udp));
    let near_words = words(&[format!("udp:{near}"), tls(0, near, "")]);
    let near_plane = Plane::start(&near_words, &[at(4, 0).ip()], at(2, 5_061), over(Transport::Tls));
    let _terminator = plane::taking(far_plane.folder(), terminator, "u1");
    plane::calling(near_plane.folder(), at(4, 5_060), near, "u1", CALLS);
}
