//! Names looked up at a small name server of our own: RFC 3263's order, what outlives a silence, what is asked again.
#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up has failed")]

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use hickory_resolver::proto::op::{Message, MessageType, ResponseCode};
use hickory_resolver::proto::rr::rdata::{NAPTR, SRV};
use hickory_resolver::proto::rr::{Name, RData, Record};
use hickory_resolver::proto::serialize::binary::{BinDecodable, BinEncodable};
use shard::Transport;
use snapshot::policy;
use tokio::net::UdpSocket;
use units::EgressTrunkId;

use super::{Found, Resolver, Wanted, believed};

type Zone = Arc<Mutex<Option<Vec<(Name, RData)>>>>;

fn name(text: &str) -> Name {
    Name::from_ascii(text).unwrap()
}

fn srv(priority: u16, weight: u16, port: u16, target: &str) -> RData {
    RData::SRV(SRV::new(priority, weight, port, name(target)))
}

fn address(text: &str) -> RData {
    match text.parse().unwrap() {
        IpAddr::V4(v4) => RData::A(v4.into()),
        IpAddr::V6(v6) => RData::AAAA(v6.into()),
    }
}

fn naptr(order: u16, preference: u16, service: &str, replacement: &str) -> RData {
    let bytes = |text: &str| text.as_bytes().into();
    RData::NAPTR(NAPTR::new(order, preference, bytes("s"), bytes(service), bytes(""), name(replacement)))
}

/// A name server with these records; `None` makes it silent.
async fn serve(zone: Zone) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let at = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut bytes = [0; 4_096];
        while let Ok((length, from)) = socket.recv_from(&mut bytes).await {
            let asked = Message::from_bytes(&bytes[..length]).unwrap();
            let answer = zone.lock().unwrap().as_ref().map(|records| answer(&asked, records));
            if let Some(answer) = answer {
                socket.send_to(&answer, from).await.unwrap();
            }
        }
    });
    at
}

fn answer(asked: &Message, records: &[(Name, RData)]) -> Vec<u8> {
    let query = &asked.queries[0];
    let mut answer = asked.clone();
    answer.metadata.message_type = MessageType::Response;
    answer.metadata.authoritative = true;
    let fits = |(owner, data): &&(Name, RData)| owner == query.name() && data.record_type() == query.query_type();
    let found: Vec<_> = records.iter().filter(fits).collect();
    answer.metadata.response_code = match records.iter().any(|(owner, _)| owner == query.name()) {
        true => ResponseCode::NoError,
        false => ResponseCode::NXDomain,
    };
    answer.add_answers(found.into_iter().map(|(owner, data)| Record::from_rdata(owner.clone(), 60, data.clone())));
    answer.to_bytes().unwrap()
}

const OURS: [Transport; 2] = [Transport::Udp, Transport::Tcp];

/// The hosts of a name as text: transport, priority, weight, addresses.
async fn hosts(records: Vec<(Name, RData)>, host: &str, transport: policy::Transport) -> Vec<String> {
    let at = serve(Arc::new(Mutex::new(Some(records)))).await;
    let (mut resolver, mut found) = Resolver::new(Some(at), &OURS);
    resolver.want(&[(EgressTrunkId(1), Wanted::new(host, transport))]);
    let Found { targets, .. } = found.recv().await.unwrap();
    let targets = targets.unwrap();
    let show = |one: &shard::Target| format!("{:?} {} {} {:?}", one.transport, one.priority, one.weight, one.addresses);
    targets.iter().map(show).collect()
}

#[tokio::test]
async fn naptr_leads_to_srv_and_that_to_addresses() {
    let records = vec![
        (name("sip.example."), naptr(20, 1, "SIP+D2U", "_sip._udp.late.example.")),
        (name("sip.example."), naptr(10, 2, "SIP+D2T", "_sip._tcp.example.")),
        (name("sip.example."), naptr(10, 1, "SIPS+D2T", "_sips._tcp.example.")),
        (name("_sip._tcp.example."), srv(1, 5, 5070, "a.example.")),
        (name("_sip._udp.late.example."), srv(2, 0, 5080, "b.example.")),
        (name("_sips._tcp.example."), srv(1, 1, 5061, "a.example.")),
        (name("a.example."), address("192.0.2.1")),
        (name("a.example."), address("2001:db8::1")),
        (name("b.example."), address("192.0.2.2")),
    ];
    let found = hosts(records, "sip.example", policy::Transport::Auto).await;
    // We have no listener of TLS, so that its service is passed over.
    assert_eq!(found, ["Tcp 1 5 [192.0.2.1:5070, [2001:db8::1]:5070]", "Udp 65538 0 [192.0.2.2:5080]"]);
}

#[tokio::test]
async fn without_naptr_the_transports_that_we_have_are_asked_for() {
    let records = || {
        vec![
            (name("_sip._udp.sip.example."), srv(1, 70, 5062, "a.example.")),
            (name("_sip._udp.sip.example."), srv(1, 30, 5063, "b.example.")),
            (name("_sip._tcp.sip.example."), srv(0, 0, 5064, "a.example.")),
            (name("a.example."), address("192.0.2.1")),
            (name("b.example."), address("192.0.2.2")),
            (name("sip.example."), address("192.0.2.9")),
        ]
    };
    let mut found = hosts(records(), "sip.example", policy::Transport::Auto).await;
    found.sort();
    let all = ["Tcp 65536 0 [192.0.2.1:5064]", "Udp 1 30 [192.0.2.2:5063]", "Udp 1 70 [192.0.2.1:5062]"];
    assert_eq!(found, all);
    assert_eq!(hosts(records(), "sip.example", policy::Transport::Tcp).await, ["Tcp 0 0 [192.0.2.1:5064]"]);
}

#[tokio::test]
async fn without_srv_the_name_itself_has_the_address_and_the_port_is_the_usual_one() {
    let records = || vec![(name("sip.example."), address("192.0.2.9"))];
    assert_eq!(hosts(records(), "sip.example", policy::Transport::Auto).await, ["Udp 0 0 [192.0.2.9:5060]"]);
    assert_eq!(hosts(records(), "sip.example", policy::Transport::Tls).await, ["Tls 0 0 [192.0.2.9:5061]"]);
    assert_eq!(hosts(records(), "sip.example:5099", policy::Transport::Auto).await, ["Udp 0 0 [192.0.2.9:5099]"]);
    assert_eq!(hosts(records(), "192.0.2.7", policy::Transport::Tcp).await, ["Tcp 0 0 [192.0.2.7:5060]"]);
    assert_eq!(hosts(records(), "other.example", policy::Transport::Auto).await, [""; 0], "there is no such name");
    let absent =
        vec![(name("_sip._udp.sip.example."), srv(0, 0, 0, ".")), (name("sip.example."), address("192.0.2.9"))];
    assert_eq!(
        hosts(absent, "sip.example", policy::Transport::Udp).await,
        [""; 0],
        "the service is decidedly not there"
    );
}

#[tokio::test]
async fn a_silent_name_server_is_an_error_and_never_an_empty_answer() {
    let zone: Zone = Arc::new(Mutex::new(None));
    let at = serve(zone.clone()).await;
    let (mut resolver, mut found) = Resolver::new(Some(at), &OURS);
    resolver.want(&[(EgressTrunkId(4), Wanted::new("sip.example:5060", policy::Transport::Udp))]);
    let first = found.recv().await.unwrap();
    assert!(first.trunk == EgressTrunkId(4) && first.targets.is_err());
    *zone.lock().unwrap() = Some(vec![(name("sip.example."), address("192.0.2.9"))]);
    let second = found.recv().await.unwrap().targets.expect("it is asked again soon");
    assert_eq!(second[0].addresses, ["192.0.2.9:5060".parse().unwrap()]);
}

#[tokio::test]
async fn what_is_no_longer_wanted_is_no_longer_asked() {
    let at = serve(Arc::new(Mutex::new(Some(Vec::new())))).await;
    let (mut resolver, mut found) = Resolver::new(Some(at), &OURS);
    let wanted = |host: &str| [(EgressTrunkId(1), Wanted::new(host, policy::Transport::Udp))];
    resolver.want(&wanted("192.0.2.1"));
    assert!(found.recv().await.unwrap().targets.is_ok());
    resolver.want(&wanted("192.0.2.1"));
    resolver.want(&wanted("192.0.2.2"));
    let second = found.recv().await.unwrap().targets.unwrap();
    assert_eq!(second[0].addresses, ["192.0.2.2:5060".parse().unwrap()], "the same wish asks once, another one anew");
    resolver.want(&[]);
    assert!(resolver.tasks.is_empty());
}

#[test]
fn answers_are_asked_for_again_before_they_grow_old() {
    let seconds = [0, 60, 1_000, 100_000].map(|ttl_s| believed(ttl_s).as_secs());
    assert_eq!(seconds, [30, 54, 900, 3_600]);
}

#[tokio::test]
async fn names_wait_for_a_name_server_to_be_known() {
    let at = serve(Arc::new(Mutex::new(Some(vec![(name("sip.example."), address("192.0.2.7"))])))).await;
    let (mut resolver, mut found) = Resolver::new(Some(at), &OURS);
    let make = std::mem::replace(&mut resolver.make, |_| anyhow::bail!("the network is not up"));
    let wanted = [(EgressTrunkId(1), Wanted::new("sip.example:5060", policy::Transport::Auto))];
    assert!(!resolver.want(&wanted), "nobody is known who could be asked");
    resolver.make = make;
    assert!(resolver.want(&wanted));
    assert_eq!(found.recv().await.unwrap().targets.unwrap().len(), 1);
}
