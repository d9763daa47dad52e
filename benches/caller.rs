//! Calls through one shard without sockets, whose journal and ledger answer at once.

use std::net::SocketAddr;

use panel::wire::{Reply, Want};
use shard::guard::Settings;
use shard::{Config, Effect, Effects, Loaded, Shard};
use sim::message::{self, Request};
use sim::prices;
use snapshot::Model;
use units::{Clock, Instant, WallTime};

/// Whom calls are for.
const TARGET: &str = "sip:331555555@127.0.0.1:5060";
/// Where every peer wants its media.
const PEER_PORT: u16 = 4_000;

/// The simulator's trunks and decks, without limits: nothing but memory may bound the calls.
pub fn model(revision: u64) -> Model {
    let mut model = prices::model(revision);
    model.egress_trunks.iter_mut().for_each(|trunk| trunk.capacity = 0);
    model.ingress_trunks.iter_mut().for_each(|trunk| (trunk.capacity, trunk.max_duration_s) = (0, 7_200));
    model
}

/// A shard, the time, and the INVITEs and answers that it sent and nobody took yet.
pub struct World {
    pub shard: Shard,
    /// Microseconds.
    pub now: u64,
    pub out: Effects,
    pub sent: Vec<(SocketAddr, String)>,
}

/// A call that was answered.
pub struct Answered {
    /// The answer's To.
    pub to: String,
    /// Our media port on each side, and who speaks to it.
    pub media: [(u16, SocketAddr); 2],
}

impl World {
    /// Of so many calls in a hundred the messages are captured.
    pub fn new(loaded: Loaded, trace_percent: u8) -> World {
        let guard = Settings { pair_waiting_max: 0, ..Settings::default() };
        let config = Config { port_low: 2_000, port_high: 65_533, guard, trace_percent, ..sim::plain_config() };
        let shard = Shard::new(config);
        let mut world = World { shard, now: 1_000_000, out: Effects::default(), sent: Vec::new() };
        world.turn(|shard, clock, out| drop(shard.on_snapshot(clock, loaded, out)));
        world
    }

    pub fn clock(&self) -> Clock {
        let wall = WallTime::from_micros(1_700_000_000_000_000 + self.now as i64);
        Clock { now: Instant::from_micros(self.now), wall }
    }

    pub fn turn(&mut self, act: impl FnOnce(&mut Shard, Clock, &mut Effects)) {
        let clock = self.clock();
        act(&mut self.shard, clock, &mut self.out);
        while !self.out.list.is_empty() {
            let (list, bytes) = (std::mem::take(&mut self.out.list), std::mem::take(&mut self.out.bytes));
            for effect in list {
                match effect {
                    Effect::Sip { to, bytes: range } => {
                        self.sent.push((to.remote, String::from_utf8_lossy(&bytes[range]).into_owned()));
                    }
                    Effect::Journal { ticket, .. } => self.shard.on_journaled(clock, ticket, &mut self.out),
                    Effect::Want(Want::Grant { grant, account, want, .. }) => {
                        self.shard.on_reply(
                            clock,
                            Reply::Granted { grant, account, amount: want, cause: 0 },
                            &mut self.out,
                        );
                    }
                    Effect::Want(Want::Close { grant, .. }) => {
                        self.shard.on_reply(clock, Reply::Closed { grant }, &mut self.out);
                    }
                    _ => {}
                }
            }
        }
    }

    pub fn hear(&mut self, from: SocketAddr, text: &str) -> Vec<(SocketAddr, String)> {
        self.turn(|shard, clock, out| shard.on_sip(clock, from.into(), text.as_bytes(), out));
        std::mem::take(&mut self.sent)
    }

    /// The text of an INVITE.
    pub fn invite(index: usize) -> String {
        request("INVITE", index, &format!("<{TARGET}>"), 1)
    }

    /// Answers an INVITE that was passed on and acknowledges the answer.
    pub fn answer(&mut self, index: usize, sent: &[(SocketAddr, String)]) -> Answered {
        let local = prices::originator_address(0);
        let (terminator, invite) = sent.iter().find(|(_, text)| text.starts_with("INVITE")).expect("it is passed on");
        let seen = message::read(invite.as_bytes()).expect("an INVITE");
        let peer = SocketAddr::new(terminator.ip(), PEER_PORT);
        let (egress, sdp) = ((our_port(&seen), peer), message::sdp(peer));
        let mut text = String::new();
        message::response(&mut text, &seen, 200, "t", &terminator.to_string(), &sdp);
        let sent = self.hear(*terminator, &text);
        let (_, answer) = sent.iter().find(|(to, _)| *to == local).expect("the answer is passed on");
        let seen = message::read(answer.as_bytes()).expect("an answer");
        let (to, ingress) = (seen.to.to_owned(), (our_port(&seen), SocketAddr::new(local.ip(), PEER_PORT)));
        self.hear(local, &request("ACK", index, &to, 1));
        Answered { to, media: [ingress, egress] }
    }

    /// Ends a call that was answered.
    pub fn bye(&mut self, index: usize, to: &str) {
        let sent = self.hear(prices::originator_address(0), &request("BYE", index, to, 2));
        let (terminator, bye) = sent.iter().find(|(_, text)| text.starts_with("BYE")).expect("it is passed on");
        let seen = message::read(bye.as_bytes()).expect("a BYE");
        let mut text = String::new();
        message::response(&mut text, &seen, 200, "", &terminator.to_string(), "");
        self.hear(*terminator, &text);
    }

    pub fn pass(&mut self, micros: u64) {
        let end = self.now + micros;
        while let Some(due) = self.shard.deadline().map(Instant::micros).filter(|due| *due <= end) {
            self.now = due.max(self.now);
            self.turn(|shard, clock, out| shard.on_time(clock, out));
            self.sent.clear();
        }
        self.now = end;
    }
}

/// The port of ours that a message tells its hearer.
fn our_port(message: &message::Message<'_>) -> u16 {
    message::media_address(message.body).expect("a description").port()
}

/// A request of the originator's.
fn request(method: &str, index: usize, to: &str, cseq: u32) -> String {
    let local = prices::originator_address(0);
    let sdp = message::sdp(SocketAddr::new(local.ip(), PEER_PORT));
    let mut text = String::new();
    let ask = Request {
        method,
        uri: TARGET,
        local: &local.to_string(),
        branch: &format!("{}{index}", &method[..1]),
        from: &format!("<sip:1646{index:08}@{local}>;tag=c{index}"),
        to,
        call_id: &format!("{index}-bench@{local}"),
        cseq,
        routes: "",
        body: if method == "INVITE" { &sdp } else { "" },
    };
    message::request(&mut text, &ask);
    text
}
