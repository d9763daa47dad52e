//! Subscribers who are called over the connections that they made.

use shard::{Effects, Flow};
use snapshot::policy::Transport as Choice;
use snapshot::{Account, Carrier, Model};
use units::{AccountId, CarrierId, EgressTrunkId, Money};

use crate::world::{HOME, Phone, World, model, registering, status};

const CONTACT: &str = "Contact: <sip:alice@10.0.0.2:5062;transport=tcp>\r\n";
/// Whose calls need no proof.
pub const CALLER: &str = "198.51.100.33:5060";
pub const SDP: &str =
    "v=0\r\no=- 1 1 IN IP4 198.51.100.33\r\ns=-\r\nc=IN IP4 198.51.100.33\r\nt=0 0\r\nm=audio 7000 RTP/AVP 8\r\n";

/// Calls go to alice, for nothing.
pub fn to_alice() -> Model {
    let mut model = model();
    // Nobody calls a terminator of its own.
    model.carriers.push(Carrier { id: CarrierId(2), code: "two".into(), ..Carrier::default() });
    model.accounts.push(Account { id: AccountId(2), carrier: CarrierId(2), ..Account::default() });
    let egress = &mut model.egress_trunks[0];
    (egress.carrier, egress.account) = (CarrierId(2), AccountId(2));
    egress.policy.subscriber = "alice".into();
    model.ingress_trunks[2].policy.digest = None;
    let rates = model.decks.iter_mut().flat_map(|deck| &mut deck.rates);
    rates.for_each(|rate| rate.per_minute = Money::ZERO);
    model
}

/// The only answer over a connection to what was said over it.
fn over(world: &mut World, flow: Flow, text: &str) -> String {
    let sent = world.hear_over(flow, &text.replace("SIP/2.0/UDP", "SIP/2.0/TCP"));
    assert!(sent.is_empty(), "nothing goes by datagram: {sent:?}");
    let said = std::mem::take(&mut world.said);
    let [(by, answer)] = said.as_slice() else { panic!("one answer to\n{text}\nand not {said:?}") };
    assert_eq!(*by, flow);
    answer.clone()
}

/// Alice registers over a connection.
pub fn registers(world: &mut World, flow: Flow) {
    let mut alice = Phone::new("alice", "wonderland");
    let request = alice.register(CONTACT);
    let refusal = over(world, flow, &request);
    assert_eq!(status(&refusal), 401, "{refusal}");
    let proof = alice.register_proof(&refusal, 1);
    let request = alice.register(&format!("{CONTACT}{proof}"));
    let answer = over(world, flow, &request);
    assert_eq!(status(&answer), 200, "{answer}");
}

/// A call of this number.
pub fn invite(number: u32) -> String {
    let called = format!("sip:4912{number:04}@voice.example");
    format!(
        "INVITE {called} SIP/2.0\r\nVia: SIP/2.0/UDP {CALLER};branch=z9hG4bK{number};rport\r\nMax-Forwards: 70\r\n\
         From: <sip:4930@voice.example>;tag=c{number}\r\nTo: <{called}>\r\nCall-ID: call-{number}\r\nCSeq: 1 INVITE\r\n\
         Contact: <sip:4930@{CALLER}>\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{SDP}",
        SDP.len()
    )
}

#[test]
fn a_subscriber_registers_over_tcp_and_every_shard_calls_over_that_connection() {
    let mut world = World::new(3, &to_alice());
    let flow = world.connect(1, HOME);
    registers(&mut world, flow);
    let targets = world.shards.iter().map(|shard| shard.ways().targets(EgressTrunkId(1)).unwrap()[0].flow);
    assert_eq!(targets.collect::<Vec<_>>(), [Some(flow); 3]);
    for number in 0..12 {
        let sent = world.hear(CALLER, &invite(number));
        assert!(sent.iter().all(|(to, _)| *to == CALLER.parse().unwrap()), "{sent:?}");
    }
    let invites = world.said.iter().filter(|(by, text)| *by == flow && text.starts_with("INVITE ")).count();
    assert_eq!((invites, world.connects), (12, 0));
    let held: Vec<_> = world.shards.iter().map(|shard| shard.calls_held()).collect();
    assert!(held.iter().all(|held| *held > 0), "each shard had some of them: {held:?}");
}

#[test]
fn a_trunk_whose_transport_is_tcp_is_registered_over_a_connection() {
    let mut model = registering();
    model.egress_trunks[0].policy.transport = Choice::Tcp;
    let mut world = World::new(1, &model);
    let sent = world.wait(100);
    assert_eq!((sent, world.connects), (Vec::new(), 1));
    let (clock, mut out) = (world.clock(), Effects::default());
    world.shards[0].on_connected(clock, Flow::new(0, 1), &mut out);
    let said = String::from_utf8(out.bytes).unwrap();
    assert!(said.starts_with("REGISTER ") && said.contains("Via: SIP/2.0/TCP "), "{said}");
}
