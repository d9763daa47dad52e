//! Who is registered where, in etcd: `/tandem/binding/RECORD/CONTACT/NODE`, each as its node heard it last.
//!
//! A node writes under its own number only, so nothing that two say can overwrite each other: readers take the later word. A binding that
//! was taken back stays as one that ended when it began, until no older word can be on its way. etcd forgets them when they are over.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

use anyhow::Context;
use live::{Entry, Etcd, Lease, LiveError};
use serde::{Deserialize, Serialize};
use shard::registrar::{Binding, Change, EXPIRES_MAX_S, What};
use shard::{Flow, Hop, Transport};
use tokio::sync::mpsc;
use units::{Clock, NodeId, ShardId, WallTime};

use super::Heard;
use crate::clocks;

/// Below it stand the bindings.
const BINDINGS: &str = "/tandem/binding/";
/// Bindings that wait for etcd at most; what is more is not told before it is refreshed.
const UNSENT_MAX: usize = 100_000;
/// Pause before etcd is tried again.
const PAUSE: Duration = Duration::from_millis(500);
/// Bindings that end within the same so many seconds share a lease.
const LEASE_STEP_S: i64 = 600;
/// How long a word outlives its end, in seconds: clocks differ a little.
const SLACK_S: i64 = 60;

/// One binding as it stands in etcd. Moments are microseconds since 1970 UTC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    record: String,
    contact: String,
    transport: String,
    from: SocketAddr,
    call_id: String,
    cseq: u32,
    since: i64,
    /// Not after `since`: it was taken back.
    until: i64,
    node: u16,
    /// How its connection is reached from another node, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    via: Option<Via>,
}

/// The connection of a binding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Via {
    /// Where its node takes what is for it.
    at: SocketAddr,
    /// The shard that holds it.
    shard: u16,
}

impl Told {
    /// What others are told of a change; `None` if its texts are none. `across` is where this node takes what others hand it.
    pub fn of(clock: Clock, change: &Change, across: Option<SocketAddr>) -> Option<Told> {
        let Binding { contact, hop, call_id, cseq, since, until, node, via: _ } = change.binding.clone();
        let own = hop.flow.filter(|flow| flow.holder().is_none());
        let since = since.micros();
        let until = clock.wall + until.micros_since(clock.now);
        Some(Told {
            record: change.record.clone(),
            contact: String::from_utf8(contact).ok()?,
            transport: String::from_utf8_lossy(hop.transport.as_bytes()).into_owned(),
            from: hop.remote,
            call_id: String::from_utf8(call_id).ok()?,
            cseq,
            since,
            until: if change.what == What::Removed { since } else { until.micros() },
            node: node.0,
            via: own.zip(across).map(|(flow, at)| Via { at, shard: flow.shard() }),
        })
    }

    /// What a shard hears of it. `own` is this node, if it can hand messages to others; its connections of an earlier life are gone.
    fn change(&self, clock: Clock, own: Option<NodeId>) -> Option<Change> {
        let node = NodeId(self.node);
        let via = self.via.as_ref().filter(|_| own.is_some_and(|own| own != node));
        let left_us = u64::try_from(WallTime::from_micros(self.until) - clock.wall).unwrap_or(0);
        let binding = Binding {
            contact: self.contact.clone().into_bytes(),
            hop: Hop {
                transport: Transport::from_bytes(self.transport.as_bytes())?,
                listener: 0,
                remote: self.from,
                flow: via.map(|via| Flow::elsewhere(node, ShardId(via.shard))),
            },
            call_id: self.call_id.clone().into_bytes(),
            cseq: self.cseq,
            since: WallTime::from_micros(self.since),
            until: clock.now.plus_millis(left_us / 1_000),
            node,
            via: via.map(|via| via.at),
        };
        let what = if self.is_removed() { What::Removed } else { What::Added };
        Some(Change { record: self.record.clone(), what, binding })
    }

    fn is_removed(&self) -> bool {
        self.until <= self.since
    }

    /// When nobody needs it any more.
    fn end(&self) -> i64 {
        let longest = i64::from(EXPIRES_MAX_S) * 1_000_000;
        if self.is_removed() { self.since.saturating_add(longest) } else { self.until }
    }

    /// What it is about, whoever says it.
    fn about(&self) -> String {
        format!("{}/{}", self.record, self.contact)
    }
}

/// Words on their way to etcd; of one binding the last alone.
#[derive(Debug)]
pub struct Outbox {
    etcd: Arc<Etcd>,
    unsent: BTreeMap<String, Told>,
    /// By the end of those that they are for, in steps.
    leases: BTreeMap<i64, Lease>,
}

impl Outbox {
    /// Tells whatever is sent to the result, until that is dropped.
    pub fn start(etcd: Arc<Etcd>) -> anyhow::Result<Sender<Told>> {
        let (words, told) = std::sync::mpsc::channel();
        let outbox = Outbox { etcd, unsent: BTreeMap::new(), leases: BTreeMap::new() };
        let thread = std::thread::Builder::new().name("bindings".to_owned());
        thread.spawn(move || outbox.run(&told)).context("cannot start the thread that tells of bindings")?;
        Ok(words)
    }

    fn run(mut self, told: &Receiver<Told>) {
        let mut reached = true;
        loop {
            let patience = if self.unsent.is_empty() { Duration::MAX } else { PAUSE };
            match told.recv_timeout(patience) {
                Ok(word) => self.take(word),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            told.try_iter().for_each(|word| self.take(word));
            let sent = self.send();
            if let Err(error) = &sent
                && reached
            {
                let error = error.to_string();
                tracing::warn!(error, waiting = self.unsent.len(), "the other nodes are not told of registrations");
            }
            reached = sent.is_ok();
        }
    }

    fn take(&mut self, word: Told) {
        let key = format!("{BINDINGS}{}/{}", word.about(), word.node);
        if self.unsent.len() < UNSENT_MAX || self.unsent.contains_key(&key) {
            self.unsent.insert(key, word);
        }
    }

    fn send(&mut self) -> Result<(), LiveError> {
        while let Some((key, word)) = self.unsent.first_key_value() {
            let now_s = clocks::read().wall.micros() / 1_000_000;
            let end_s = word.end() / 1_000_000 + SLACK_S;
            if end_s > now_s {
                let step = end_s / LEASE_STEP_S;
                self.leases.retain(|known, _| *known >= now_s / LEASE_STEP_S);
                let lease = match self.leases.get(&step) {
                    Some(lease) => *lease,
                    None => {
                        let lease = self.etcd.grant(((step + 1) * LEASE_STEP_S - now_s).unsigned_abs())?;
                        *self.leases.entry(step).or_insert(lease)
                    }
                };
                let text = serde_json::to_vec(word).expect("a binding is plain data");
                if let Err(error) = self.etcd.put(key, &text, Some(lease)) {
                    // Another etcd knows nothing of it.
                    self.leases.remove(&step);
                    return Err(error);
                }
            }
            self.unsent.pop_first();
        }
        Ok(())
    }
}

/// Listens to what the nodes say, this one before its restart included. `own` is this node, if it can hand messages to others.
pub fn listen(etcd: Arc<Etcd>, heard: mpsc::Sender<Heard>, own: Option<NodeId>) {
    let mut latest = Latest { own, ..Latest::default() };
    live::feed(etcd, BINDINGS, move |page| {
        let changes = latest.news(clocks::read(), page.unwrap_or_default());
        match changes.is_empty() {
            true => !heard.is_closed(),
            false => heard.blocking_send(Heard::Bindings(changes.into())).is_ok(),
        }
    });
}

/// The last word on each binding, with its end: an older one may come late, from a node that was cut off.
#[derive(Debug, Default)]
struct Latest {
    own: Option<NodeId>,
    known: BTreeMap<String, (i64, i64)>,
}

impl Latest {
    /// What of this is news, in the order in which it was said.
    fn news(&mut self, clock: Clock, page: Vec<Entry>) -> Vec<Change> {
        let mut words: Vec<Told> = page.iter().filter_map(|entry| serde_json::from_slice(&entry.value).ok()).collect();
        if words.is_empty() {
            return Vec::new();
        }
        let wall = clock.wall.micros();
        self.known.retain(|_, (_, end)| *end > wall);
        words.retain(|word| word.end() > wall);
        words.sort_by_key(|word| word.since);
        let own = self.own;
        let is_news = |word: &&Told| {
            let known = self.known.entry(word.about()).or_insert((i64::MIN, 0));
            let is_news = known.0 < word.since;
            if is_news {
                *known = (word.since, word.end());
            }
            is_news
        };
        words.iter().filter(is_news).filter_map(|word| word.change(clock, own)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START_US: i64 = 1_700_000_000_000_000;

    fn clock(after_s: i64) -> Clock {
        let now = units::Instant::from_micros(9_000_000 + after_s.unsigned_abs() * 1_000_000);
        Clock { now, wall: WallTime::from_micros(START_US + after_s * 1_000_000) }
    }

    fn word(node: u16, since_s: i64, lasts_s: i64) -> Told {
        let since = START_US + since_s * 1_000_000;
        Told {
            record: "alice@voice.example".to_owned(),
            contact: "sip:alice@10.0.0.2".to_owned(),
            transport: "UDP".to_owned(),
            from: "198.51.100.7:5062".parse().unwrap(),
            call_id: "one".to_owned(),
            cseq: 7,
            since,
            until: since + lasts_s * 1_000_000,
            node,
            via: None,
        }
    }

    fn page(words: &[Told]) -> Vec<Entry> {
        let entry = |word: &Told| Entry {
            key: String::new(),
            value: serde_json::to_vec(word).unwrap(),
            revision: 1,
            lease: None,
        };
        words.iter().map(entry).collect()
    }

    #[test]
    fn what_one_node_tells_another_hears() {
        let heard = Latest::default().news(clock(10), page(&[word(1, 0, 60)]));
        let [change] = heard.as_slice() else { panic!("one change: {heard:?}") };
        assert_eq!(change.what, What::Added);
        assert_eq!(change.binding.until, clock(60).now);
        assert_eq!(Told::of(clock(10), change, None), Some(word(1, 0, 60)));
        let removed = Change { what: What::Removed, ..change.clone() };
        assert_eq!(Told::of(clock(10), &removed, None), Some(word(1, 0, 0)));
    }

    #[test]
    fn a_connection_is_told_with_its_place_to_whoever_can_hand_something_there() {
        let mut own = word(1, 0, 60).change(clock(0), None).unwrap();
        own.binding.hop = Hop { transport: Transport::Tcp, flow: Some(Flow::new(3, 9)), ..own.binding.hop };
        let at: SocketAddr = "10.0.0.1:5060".parse().unwrap();
        let told = Told::of(clock(0), &own, Some(at)).unwrap();
        let heard = |own: Option<u16>| {
            let binding = told.change(clock(0), own.map(NodeId)).unwrap().binding;
            (binding.hop.flow.and_then(Flow::holder), binding.via)
        };
        assert_eq!(heard(Some(2)), (Some((NodeId(1), ShardId(3))), Some(at)));
        assert_eq!(heard(Some(1)), (None, None), "its own, of an earlier life");
        assert_eq!(heard(None), (None, None), "nobody would believe it");
        let again = told.change(clock(0), Some(NodeId(2))).unwrap();
        assert_eq!(Told::of(clock(0), &again, Some("10.0.0.2:5060".parse().unwrap())).unwrap().via, None);
        assert_eq!(Told::of(clock(0), &own, None).unwrap().via, None);
    }

    #[test]
    fn the_later_word_holds_though_it_comes_first_and_one_that_is_over_says_nothing() {
        let mut latest = Latest::default();
        let nodes = |heard: &[Change]| heard.iter().map(|change| change.binding.node.0).collect::<Vec<_>>();
        assert_eq!(nodes(&latest.news(clock(30), page(&[word(2, 20, 600), word(1, 10, 600), word(3, 0, 5)]))), [1, 2]);
        assert_eq!(nodes(&latest.news(clock(31), page(&[word(2, 20, 600), word(1, 15, 600)]))), [0; 0]);
        let gone = latest.news(clock(40), page(&[word(2, 40, 0)]));
        assert!(gone.len() == 1 && gone[0].what == What::Removed);
        assert_eq!(nodes(&latest.news(clock(700), page(&[word(1, 39, 3_600)]))), [0; 0], "cut off until now");
        assert_eq!(nodes(&latest.news(clock(701), page(&[word(1, 700, 3_600)]))), [1]);
    }

    #[test]
    fn what_is_no_binding_is_passed_over() {
        let mut odd = page(&[word(1, 0, 60), word(2, 1, 60)]);
        odd[0].value = b"{}".to_vec();
        assert_eq!(Latest::default().news(clock(2), odd).len(), 1);
    }
}
