//! Calls of one node to a subscriber whose connection is at another.

use std::collections::VecDeque;
use std::net::SocketAddr;

use shard::{Effects, Flow, Transport};
use units::{NodeId, ShardId};

use crate::connections::{CALLER, SDP, invite, registers, to_alice};
use crate::world::{HOME, World, status};

/// Where the nodes hear each other.
const ONE: &str = "192.0.2.1:5060";
const TWO: &str = "192.0.2.2:5060";

/// Two nodes; alice is connected with the second shard of the first one, and the other knows that.
struct Scene {
    one: World,
    two: World,
    flow: Flow,
}

impl Scene {
    fn new() -> Scene {
        let (mut one, mut two) = (World::of_node(1, 2, &to_alice()), World::of_node(2, 3, &to_alice()));
        let flow = one.connect(1, HOME);
        registers(&mut one, flow);
        let mut told = std::mem::take(&mut one.told);
        for change in &mut told {
            assert_eq!((change.binding.hop.transport, change.binding.hop.flow), (Transport::Tcp, Some(flow)));
            change.binding.hop.flow = Some(Flow::elsewhere(NodeId(1), ShardId(flow.shard())));
            change.binding.via = Some(ONE.parse().unwrap());
        }
        two.learn(&told);
        Scene { one, two, flow }
    }

    /// Carries what the nodes send each other until both are quiet; what goes to others comes back.
    fn settle(&mut self, sent: Vec<(SocketAddr, String)>) -> Vec<String> {
        let (mut out, mut waiting) = (Vec::new(), VecDeque::from(sent));
        while let Some((to, text)) = waiting.pop_front() {
            match to.to_string().as_str() {
                ONE => waiting.extend(self.one.hear_at(0, TWO, text.as_bytes())),
                TWO => waiting.extend(self.two.hear_at(0, ONE, text.as_bytes())),
                CALLER => out.push(text),
                other => panic!("nothing goes to {other}: {text}"),
            }
        }
        assert_eq!((self.one.connects, self.two.connects), (0, 0), "nobody makes a connection");
        out
    }

    /// The caller says something to the second node; what comes back to it.
    fn caller(&mut self, text: &str) -> Vec<String> {
        let sent = self.two.hear(CALLER, text);
        self.settle(sent)
    }

    /// Alice says something over her connection; what comes to the caller.
    fn alice(&mut self, text: &str) -> Vec<String> {
        let sent = self.one.hear_over(self.flow, text);
        self.settle(sent)
    }

    /// What alice heard since this was asked last.
    fn heard(&mut self) -> Vec<String> {
        let said = std::mem::take(&mut self.one.said);
        assert!(said.iter().all(|(flow, text)| *flow == self.flow && !text.contains("X-Tandem")), "{said:?}");
        said.into_iter().map(|(_, text)| text).collect()
    }

    /// A call that alice has heard of: her INVITE.
    fn called(&mut self) -> String {
        let answers = self.caller(&invite(7));
        assert_eq!(answers.iter().map(|answer| status(answer)).collect::<Vec<_>>(), [100]);
        let heard = self.heard();
        let [request] = heard.as_slice() else { panic!("one INVITE: {heard:?}") };
        assert!(request.starts_with("INVITE sip:49120007@") && request.contains("Via: SIP/2.0/TCP "), "{request}");
        request.clone()
    }
}

fn header<'a>(message: &'a str, name: &str) -> &'a str {
    message.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).unwrap()
}

/// Alice's answer to a request.
fn answer(request: &str, status: &str, body: &str) -> String {
    let copy = ["Via", "From", "Call-ID", "CSeq"].map(|name| format!("{name}: {}\r\n", header(request, name))).concat();
    let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    format!(
        "SIP/2.0 {status}\r\n{copy}To: {};tag=alice\r\nContact: <sip:alice@10.0.0.2:5062;transport=tcp>\r\n{kind}\
         Content-Length: {}\r\n\r\n{body}",
        header(request, "To"),
        body.len()
    )
}

/// Alice's request within the dialog of this INVITE.
fn request(invite: &str, method: &str, call_id: &str) -> String {
    format!(
        "{method} sip:4930@192.0.2.100:5060;transport=tcp SIP/2.0\r\nVia: SIP/2.0/TCP 10.0.0.2:5062;branch=z9hG4bK{method}{call_id}\r\n\
         Max-Forwards: 70\r\nFrom: {};tag=alice\r\nTo: {}\r\nCall-ID: {call_id}\r\nCSeq: 1 {method}\r\nContent-Length: 0\r\n\r\n",
        header(invite, "To"),
        header(invite, "From")
    )
}

#[test]
fn a_call_at_one_node_goes_over_the_connection_of_another_from_its_beginning_to_its_end() {
    let mut scene = Scene::new();
    let invite = scene.called();
    let ringing = scene.alice(&answer(&invite, "180 Ringing", ""));
    assert_eq!(ringing.iter().map(|text| status(text)).collect::<Vec<_>>(), [180]);
    let answered = scene.alice(&answer(&invite, "200 OK", SDP));
    let [accepted] = answered.as_slice() else { panic!("one answer: {answered:?}") };
    assert_eq!(status(accepted), 200);
    let ack = format!(
        "ACK sip:49120007@192.0.2.100:5060 SIP/2.0\r\nVia: SIP/2.0/UDP {CALLER};branch=z9hG4bKack;rport\r\nMax-Forwards: 70\r\n\
         From: <sip:4930@voice.example>;tag=c7\r\nTo: {}\r\nCall-ID: call-7\r\nCSeq: 1 ACK\r\nContent-Length: 0\r\n\r\n",
        header(accepted, "To")
    );
    scene.caller(&ack);
    let heard = scene.heard();
    assert!(heard.iter().any(|text| text.starts_with("ACK ")), "{heard:?}");
    let ended = scene.alice(&request(&invite, "BYE", header(&invite, "Call-ID")));
    assert!(ended.iter().any(|text| text.starts_with("BYE ")), "{ended:?}");
    let heard = scene.heard();
    assert!(matches!(&heard[..], [ok] if status(ok) == 200 && header(ok, "CSeq") == "1 BYE"), "{heard:?}");
    assert_eq!(
        (scene.one.counted("calls_begun"), scene.two.counted("calls_begun")),
        (0, 1),
        "it is a call of one node"
    );
    assert!(scene.one.counted("across_carried") >= 3 && scene.one.counted("across_heard") >= 3);
}

#[test]
fn who_gives_up_is_heard_across_nodes_and_lost_datagrams_are_sent_again() {
    let mut scene = Scene::new();
    let sent = scene.two.hear(CALLER, &invite(7));
    assert_eq!(sent.len(), 2, "the INVITE for the other node is lost: {sent:?}");
    let again = scene.two.wait(600);
    scene.one.wait(600);
    assert_eq!(scene.settle(again), [""; 0]);
    let heard = scene.heard();
    let [request] = heard.as_slice() else { panic!("one INVITE: {heard:?}") };
    scene.alice(&answer(request, "180 Ringing", ""));
    let cancel = invite(7).replace("INVITE", "CANCEL");
    let answers = scene.caller(&cancel);
    assert!(answers.iter().any(|text| status(text) == 200), "{answers:?}");
    let heard = scene.heard();
    assert!(matches!(&heard[..], [cancel] if cancel.starts_with("CANCEL ")), "{heard:?}");
}

#[test]
fn a_connection_that_is_gone_refuses_the_call_at_once() {
    let mut scene = Scene::new();
    let (clock, mut out) = (scene.one.clock(), Effects::default());
    scene.one.shards[1].on_stream_ended(clock, scene.flow, &mut out);
    let answers = scene.caller(&invite(7));
    let statuses: Vec<u16> = answers.iter().map(|answer| status(answer)).collect();
    assert!(matches!(statuses[..], [100, refusal] if refusal >= 400), "{answers:?}");
    assert_eq!((scene.heard(), scene.one.counted("across_carried")), (Vec::new(), 0));
}

#[test]
fn a_dialog_that_its_node_does_not_know_is_answered_and_goes_no_further() {
    let mut scene = Scene::new();
    let invite = scene.called();
    assert_eq!(scene.alice(&request(&invite, "BYE", "another")), [""; 0]);
    let heard = scene.heard();
    assert!(matches!(&heard[..], [refusal] if status(refusal) == 481), "{heard:?}");
    assert_eq!(scene.two.counted("across_heard"), 0);
}

#[test]
fn what_is_old_or_changed_or_for_another_node_or_of_nobody_is_not_carried() {
    let mut scene = Scene::new();
    let sent = scene.two.hear(CALLER, &invite(7));
    let marked = sent.iter().find(|(to, _)| to.to_string() == ONE).unwrap().1.clone();
    let refused = |world: &mut World, text: &str| {
        let before = world.counted("across_refused");
        assert!(world.hear(TWO, text).is_empty());
        assert!(world.said.is_empty(), "{:?}", world.said);
        world.counted("across_refused") - before
    };
    assert_eq!(refused(&mut scene.one, &marked.replace("Max-Forwards: 69", "Max-Forwards: 68")), 1);
    assert_eq!(refused(&mut scene.one, &marked.replace(HOME, "198.51.100.7:5063")), 1);
    assert_eq!(refused(&mut World::of_node(3, 2, &to_alice()), &marked), 1);
    assert!(scene.one.hear(TWO, &marked).is_empty());
    assert_eq!(scene.heard().len(), 1, "as it was, it is carried");
    scene.one.now_ms += 10_001;
    assert_eq!(refused(&mut scene.one, &marked), 1);
}

#[test]
fn who_sends_a_recorded_message_again_draws_no_answers() {
    let mut scene = Scene::new();
    let sent = scene.two.hear(CALLER, &invite(7));
    let marked = sent.iter().find(|(to, _)| to.to_string() == ONE).unwrap().1.clone();
    scene.settle(sent);
    assert!(scene.one.hear("198.51.100.66:5060", &marked).is_empty());
    let heard = scene.heard();
    let [request, again] = heard.as_slice() else { panic!("alice hears it twice: {heard:?}") };
    assert_eq!(request, again);
    // What goes elsewhere than to the other node ends the test.
    let ringing = scene.alice(&answer(request, "180 Ringing", ""));
    assert_eq!(ringing.iter().map(|text| status(text)).collect::<Vec<_>>(), [180]);
}
