//! kill -9 of a data plane that has a call in every state: afterwards as many calls fit as ever, those that were answered are billed once,
//! and no other.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use acceptance::books::exact;
use acceptance::hand::{Phone, line};
use acceptance::switch::{SIP, Switch, declaration};
use acceptance::{Net, PATIENCE, signal, until};
use rustix::process::Signal;

/// Calls that the ingress trunk may have at a time: more than there are states.
const CAPACITY: usize = 16;
/// A call that talks so long has marks in the journal, which come once a second.
const MARKED: Duration = Duration::from_millis(2_500);
const CALLED: &str = "4420790012";

/// The switch, the caller, and two terminators that do what they are told.
struct Scene {
    switch: Switch,
    caller: Phone,
    callees: [Phone; 2],
    placed: u32,
}

/// A call that a terminator has.
struct Call {
    name: String,
    /// As the caller sent it.
    sent: String,
    /// As the terminator heard it.
    heard: String,
    /// Which terminator.
    at: usize,
}

impl Scene {
    fn new() -> Scene {
        let net = Net::draw();
        let declared = declaration(net)
            .replace("capacity: 5000\n    cps", &format!("capacity: {CAPACITY}\n    cps"))
            .replace(
                "plans:\n",
                &format!(
                    "  - {{ code: spare, carrier: oria, account: oria, address: \"{}:{SIP}\", buy_deck: buy }}\nplans:\n",
                    net.host(4)
                ),
            )
            .replace("- { egress_trunk: oria }", "- { egress_trunk: oria }\n      - { egress_trunk: spare }");
        let switch = Switch::up_as(net, &declared, None);
        let caller = Phone::at((switch.originator(), SIP).into());
        let callees = [3, 4].map(|host| Phone::at((net.host(host), SIP).into()));
        Scene { switch, caller, callees, placed: 0 }
    }

    /// Sends an INVITE; the call's name and the message.
    fn invites(&mut self) -> (String, String) {
        self.placed += 1;
        let name = format!("49301000{:02}", self.placed);
        let invite = self.caller.invite(&name, CALLED, self.switch.sip());
        self.caller.say(self.switch.sip(), &invite);
        (name, invite)
    }

    /// Sends one until a terminator has the call or it is refused: then the status.
    fn places(&mut self) -> Result<Call, u16> {
        let (name, sent) = self.invites();
        let mut due = Instant::now() + Duration::from_millis(500);
        until(PATIENCE, "the call is placed or refused", || {
            if Instant::now() > due {
                self.caller.say(self.switch.sip(), &sent);
                due += Duration::from_millis(500);
            }
            for (at, callee) in self.callees.iter_mut().enumerate() {
                if let Some(heard) = callee.heard(|text| is_invite_of(text, &name)) {
                    return Some(Ok(Call { name: name.clone(), sent: sent.clone(), heard, at }));
                }
            }
            let refused = |text: &str| text.contains(&format!("Call-ID: {name}@hand")) && status(text) >= 300;
            self.caller.heard(refused).map(|text| Err(status(&text)))
        })
    }

    fn has(&mut self) -> Call {
        self.places().unwrap_or_else(|status| panic!("refused with {status}\n{}", self.switch.log()))
    }

    /// The terminator says this, and the caller hears it.
    fn replies(&mut self, call: &Call, status: &str) -> String {
        self.callees[call.at].reply(&call.heard, status, self.switch.sip());
        self.caller.hears(&format!("SIP/2.0 {}", &status[..3]), &format!("Call-ID: {}@hand", call.name))
    }

    /// A call that is up, and its 200.
    fn talks(&mut self) -> (Call, String) {
        let call = self.has();
        let answer = self.replies(&call, "200 OK");
        self.says(&call, &answer, "ACK", 1);
        self.callees[call.at].hears("ACK ", line(&call.heard, "Call-ID:"));
        (call, answer)
    }

    /// The caller says this within the call.
    fn says(&self, call: &Call, answer: &str, method: &str, sequence: u32) {
        let text = self.caller.within(answer, &call.name, method, sequence);
        self.caller.say(self.switch.sip(), &text);
    }

    /// The caller says this within the call, and the terminator hears it and stays silent.
    fn passes(&mut self, call: &Call, answer: &str, method: &str) {
        self.says(call, answer, method, 2);
        self.callees[call.at].hears(&format!("{method} "), line(&call.heard, "Call-ID:"));
    }

    fn cancels(&self, call: &Call) {
        self.caller.say(self.switch.sip(), &self.caller.cancel(&call.sent));
    }

    /// kill -9, and until another data plane runs.
    fn kills(&self) {
        let killed = self.switch.data_plane().expect("a data plane runs");
        signal(killed, Signal::KILL);
        until(PATIENCE, "another data plane runs", || self.switch.data_plane().filter(|pid| *pid != killed));
    }

    /// What the ingress trunk has, as `tandem limits` says.
    fn held(&self) -> u64 {
        let rows = self.switch.tandem(&["limits", "-o", "json"]);
        let of = rows.as_array().and_then(|rows| rows.iter().find(|row| row["of"] == "ingress trunk"));
        of.expect("the trunk has a limit")["calls"].as_u64().expect("calls are counted")
    }
}

fn status(text: &str) -> u16 {
    text.strip_prefix("SIP/2.0 ").and_then(|rest| rest.get(..3)?.parse().ok()).unwrap_or(0)
}

fn is_invite_of(text: &str, name: &str) -> bool {
    text.starts_with("INVITE ") && text.contains(&format!("{name}@"))
}

/// Holds calls in every state and kills. Returns the calls that were answered, and those that may have been.
fn killed_in_every_state(scene: &mut Scene) -> (BTreeSet<String>, BTreeSet<String>) {
    let (marked, _) = scene.talks();
    let began = Instant::now();
    let sip = scene.switch.sip();
    // One that only got a 100.
    scene.has();
    let ringing = scene.has();
    scene.replies(&ringing, "180 Ringing");
    let early = scene.has();
    scene.replies(&early, "183 Session Progress");
    let hunting = scene.has();
    scene.callees[hunting.at].reply(&hunting.heard, "503 Service Unavailable", sip);
    let other = &mut scene.callees[1 - hunting.at];
    until(PATIENCE, "the other terminator is tried", || other.heard(|text| is_invite_of(text, &hunting.name)));
    let cancelled = scene.has();
    scene.replies(&cancelled, "180 Ringing");
    scene.cancels(&cancelled);
    scene.callees[cancelled.at].hears("CANCEL ", line(&cancelled.heard, "Call-ID:"));
    let unacked = scene.has();
    scene.replies(&unacked, "200 OK");
    let (again, answer) = scene.talks();
    scene.passes(&again, &answer, "INVITE");
    let (ended, answer) = scene.talks();
    scene.passes(&ended, &answer, "BYE");
    // What is on its way when the kill comes.
    let (answering, cancelling) = (scene.has(), scene.has());
    scene.replies(&cancelling, "180 Ringing");
    let (leaving, leaving_answer) = scene.talks();
    until(PATIENCE, "the first call has marks", || (began.elapsed() > MARKED).then_some(()));
    let (unmarked, _) = scene.talks();
    assert!(scene.held() >= 11, "calls in all these states have their room");
    scene.invites();
    scene.callees[answering.at].reply(&answering.heard, "200 OK", sip);
    scene.cancels(&cancelling);
    scene.says(&leaving, &leaving_answer, "BYE", 2);
    scene.kills();
    let answered = [marked, unacked, again, ended, leaving, unmarked].map(|call| call.name);
    (answered.into(), [answering.name].into())
}

#[test]
fn a_kill_in_every_state_costs_no_room_and_no_record() {
    let mut scene = Scene::new();
    let (mut answered, perhaps) = killed_in_every_state(&mut scene);
    // The first of them is sent again until the data plane is back.
    let calls: Vec<Call> = (0..CAPACITY).map(|_| scene.has()).collect();
    assert_eq!(scene.places().err(), Some(503), "{CAPACITY} calls and no more");
    assert_eq!(scene.held(), CAPACITY as u64);
    for call in calls.iter().take(2) {
        let answer = scene.replies(call, "200 OK");
        scene.says(call, &answer, "ACK", 1);
        scene.says(call, &answer, "BYE", 2);
        scene.caller.hears("SIP/2.0 200", "CSeq: 2 BYE");
        answered.insert(call.name.clone());
    }
    let has = |records: &[acceptance::books::Record]| -> BTreeSet<String> {
        let of = records.iter().filter(|record| record.answered());
        of.map(|record| record.text("ingress_call_id").trim_end_matches("@hand").to_owned()).collect()
    };
    let records = until(PATIENCE, "every answered call has its record", || {
        let records = scene.switch.records()?;
        answered.is_subset(&has(&records)).then_some(records)
    });
    let made_up: Vec<String> =
        has(&records).into_iter().filter(|name| !answered.contains(name) && !perhaps.contains(name)).collect();
    assert!(made_up.is_empty(), "nobody answered {made_up:?}");
    let longest = records.iter().map(|record| record.number("duration_ms")).max();
    assert!(longest >= Some(1_000), "what was marked is paid: {longest:?}");
    scene.switch.charged(exact(&records));
    eprintln!("{} records, {} answered; {}", records.len(), has(&records).len(), scene.switch.journal("verify"));
}
