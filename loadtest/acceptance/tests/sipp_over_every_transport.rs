//! SIPp, unmodified, over UDP, TCP and TLS, IPv4 and IPv6, with the switch in between bridging each to each.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::path::Path;

use acceptance::plane::{self, Plane};
use acceptance::sipp::{Player, Scenario, Sipp};
use acceptance::{Net, PATIENCE, baresip, is_taken, until};
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
    // Below the ports that the kernel gives to whoever asks for any.
    let echo = line(&["-rtp_echo", "-mp", "7000"]);
    let _terminator = Sipp::start(plane.folder(), terminator, Scenario::BuiltIn("uas"), &echo);
    until(PATIENCE, "the terminator listens", || is_taken("udp", terminator).then_some(()));
    let calls = line(&[&near.to_string(), "-s", plane::CALLED, "-m", "5", "-l", "5", "-mp", "7400", "-timeout", "180"]);
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

/// Two switches, TLS between them, and SIPp at either end. Each wants proof of who the other is.
struct Chain {
    near: Plane,
    originator: SocketAddr,
    switch: SocketAddr,
    _far: Plane,
    _terminator: Sipp,
    _folder: tempfile::TempDir,
}

/// What the far side's certificate says (its address if empty), and whether the near side believes the authority behind it.
fn chain(san: &str, believed: bool) -> Chain {
    let net = Net::draw();
    let at = |host: u8, port: u16| SocketAddr::from((net.host(host), port));
    let (near, far, originator, terminator) = (at(1, 5_060), at(2, 5_060), at(4, 5_060), at(3, 5_060));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let files = |name: &str, san: &str| {
        let folder = folder.path().join(name);
        std::fs::create_dir(&folder).expect("the folder is writable");
        plane::certificates(&folder, san)
    };
    let san = if san.is_empty() { format!("IP:{}", far.ip()) } else { san.to_owned() };
    let (near_ca, near_cert, near_key) = files("near", &format!("IP:{}", near.ip()));
    let (far_ca, far_cert, far_key) = files("far", &san);
    let tls = |at: SocketAddr, cert: &Path, key: &Path, ca: &Path, options: &str| {
        let (cert, key, ca) = (cert.display(), key.display(), ca.display());
        format!("tls:{}:5061,cert={cert},key={key},ca={ca}{options}", at.ip())
    };
    let far_words = words(&[format!("udp:{far}"), tls(far, &far_cert, &far_key, &near_ca, ",mutual=yes")]);
    let far_plane = Plane::start(&far_words, &[near.ip()], terminator, over(Transport::Udp));
    let ca = if believed { &far_ca } else { &near_ca };
    let near_words = words(&[format!("udp:{near}"), tls(near, &near_cert, &near_key, ca, "")]);
    let near_plane = Plane::start(&near_words, &[originator.ip()], at(2, 5_061), over(Transport::Tls));
    let taking = plane::taking(far_plane.folder(), terminator, "u1");
    Chain { near: near_plane, originator, switch: near, _far: far_plane, _terminator: taking, _folder: folder }
}

#[test]
fn calls_cross_a_tls_trunk_whose_sides_prove_who_they_are() {
    let chain = chain("", true);
    plane::calling(chain.near.folder(), chain.originator, chain.switch, "u1", CALLS);
    assert!((1..=2).contains(&chain.near.counted("streams_connected")));
}

/// Debian's SIPp has no TLS; our runner of its scenarios has, and proves who it is on both sides.
#[test]
fn our_runner_calls_over_tls_with_one_connection_or_one_a_call_and_is_called_over_tls() {
    let net = Net::draw();
    let at = |host: u8, port: u16| SocketAddr::from((net.host(host), port));
    let (switch, originator, terminator) = (at(1, 5_061), at(2, 5_060), at(3, 5_061));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (ca, cert, key) = plane::certificates(folder.path(), &format!("IP:{}", terminator.ip()));
    let [ca, cert, key] = [ca, cert, key].map(|path| path.display().to_string());
    let tls = format!("tls:{switch},cert={cert},key={key},ca={ca},mutual=yes");
    let listens = words(&[format!("udp:{}", at(1, 5_060)), tls]);
    let plane = Plane::start(&listens, &[originator.ip()], terminator, over(Transport::Tls));
    let play = |at: SocketAddr, name: &'static str, transport: &str, more: &[&str]| {
        let own = ["-t", transport, "-tls_cert", &cert, "-tls_key", &key, "-tls_ca", &ca];
        let line: Vec<String> = own.iter().chain(more).map(ToString::to_string).collect();
        Sipp::start_as(Player::Ours, plane.folder(), at, Scenario::BuiltIn(name), &line)
    };
    let _terminator = play(terminator, "uas", "l1", &[]);
    until(PATIENCE, "the terminator listens", || is_taken("tcp", terminator).then_some(()));
    let to = switch.to_string();
    // Greetings cost a busy machine more than calls: a few are enough.
    for (transport, calls) in [("l1", "10"), ("ln", "6")] {
        let more = [&to, "-s", plane::CALLED, "-m", calls, "-r", "10", "-d", "300", "-timeout", "180"];
        play(originator, "uac", transport, &more).all_calls_succeed();
    }
    assert_eq!(plane.counted("streams_accepted"), 1 + 6);
    assert!((1..=2).contains(&plane.counted("streams_connected")));
}

#[test]
fn no_call_goes_to_a_tls_peer_that_cannot_prove_who_it_is() {
    for (san, believed) in [("", false), ("DNS:east.example.net", true), ("IP:127.0.0.99", true)] {
        let chain = chain(san, believed);
        assert!(call_in_vain(&chain.near, chain.originator, chain.switch), "{san}");
        assert_eq!(chain.near.counted("streams_connected"), 0);
        assert!(chain.near.counted("streams_failed") > 0, "the call heard at once: {san}");
    }
}

#[test]
fn a_tls_peer_that_never_greets_is_given_up() {
    let net = Net::draw();
    let at = |host: u8, port: u16| SocketAddr::from((net.host(host), port));
    let silent = TcpListener::bind(at(2, 5_061)).expect("the address is ours");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (_, cert, key) = plane::certificates(folder.path(), "IP:127.0.0.1");
    let tls = format!("tls:{},cert={},key={}", at(1, 5_061), cert.display(), key.display());
    let listens = words(&[format!("udp:{}", at(1, 5_060)), tls]);
    let plane = Plane::start(&listens, &[at(4, 0).ip()], silent.local_addr().expect("bound"), over(Transport::Tls));
    assert!(call_in_vain(&plane, at(4, 5_060), at(1, 5_060)));
    until(PATIENCE, "the greeting is given up", || (plane.counted("streams_expired") == 1).then_some(()));
    assert_eq!(plane.counted("streams_connected"), 0);
}

/// One call, which must not be answered.
fn call_in_vain(plane: &Plane, originator: SocketAddr, switch: SocketAddr) -> bool {
    let words = [&switch.to_string(), "-s", plane::CALLED, "-m", "1", "-timeout", "20", "-trace_msg"];
    let line: Vec<String> = words.iter().map(ToString::to_string).collect();
    Sipp::start(plane.folder(), originator, Scenario::BuiltIn("uac"), &line).placed_and_answered().1.is_empty()
}

/// A foreign TLS stack calls, is answered and releases; it believes the switch's authority.
#[test]
fn baresip_calls_over_tls() {
    let net = Net::draw();
    let at = |host: u8, port: u16| SocketAddr::from((net.host(host), port));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (ca, cert, key) = plane::certificates(folder.path(), &format!("IP:{}", net.host(1)));
    let tls = format!("tls:{},cert={},key={}", at(1, 5_061), cert.display(), key.display());
    let listens = words(&[format!("udp:{}", at(1, 5_060)), tls]);
    // baresip leaves the address of its connections to the kernel.
    let plane = Plane::start(&listens, &[Ipv4Addr::LOCALHOST.into()], at(3, 5_060), over(Transport::Udp));
    let _terminator = plane::taking(plane.folder(), at(3, 5_060), "u1");
    let believes = format!("sip_cafile {}\n", ca.display());
    let folder = baresip::furnish(plane.folder(), net.host(2), ";transport=tls", &believes);
    let uri = format!("sip:{}@{};transport=tls", plane::CALLED, at(1, 5_061));
    baresip::call(&folder, &uri, || plane.counted("calls_answered") == 1);
    until(PATIENCE, "its BYE ends the call", || (plane.counted("calls_finished") == 1).then_some(()));
    assert_eq!(plane.counted("calls_answered"), 1);
}
