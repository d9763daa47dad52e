//! A restart that finds only the segments that are still needed knows as much as one that finds all of them.
#![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

mod world;

use cdr::horizon::{Horizon, Place};
use cdr::recover::{Books, Crash, replay};
use cdr::segment::{self, Frames};
use cdr::{Cdr, Glimpse, Priced, Record, Start};
use proptest::prelude::*;
use units::{AccountId, AttemptIndex, CallId, Instant, Money, NodeId, ShardId, Terms, WallTime};
use world::{call_id, grant_id, part, price};

const WALL: WallTime = WallTime::from_micros(7);

/// One thing that happens to a data plane.
#[derive(Clone, Debug)]
enum Event {
    Ask,
    Grant(u64, i64),
    Close(u64),
    Start(u64),
    Pay(u64, i64),
    /// The attempt's record, then perhaps the call's.
    End(u64, bool),
    Mark(u64),
    /// The next segment begins.
    Next,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        Just(Event::Ask),
        (0..6_u64, 0..9_000_i64).prop_map(|(grant, amount)| Event::Grant(grant, amount)),
        (0..6_u64).prop_map(Event::Close),
        (0..6_u64).prop_map(Event::Start),
        (0..12_u64, 1..50_i64).prop_map(|(call, more)| Event::Pay(call, more)),
        (0..12_u64, any::<bool>()).prop_map(|(call, whole)| Event::End(call, whole)),
        (0..500_u64).prop_map(Event::Mark),
        Just(Event::Next),
    ]
}

/// What is written, by segment, with what the horizon makes of it.
struct Journal {
    segments: Vec<Vec<Record>>,
    horizon: Horizon,
    /// Open calls and the grants that they draw on.
    open: Vec<(CallId, u64)>,
    asked: Vec<u64>,
    lent: Vec<u64>,
    numbered: u64,
    now_ms: u64,
}

/// Takes one of a list out.
fn take(list: &mut Vec<u64>, which: u64) -> Option<u64> {
    if list.is_empty() { None } else { Some(list.swap_remove(which as usize % list.len())) }
}

impl Journal {
    fn new() -> Journal {
        let mut journal = Journal {
            segments: Vec::new(),
            horizon: Horizon::default(),
            open: Vec::new(),
            asked: Vec::new(),
            lent: Vec::new(),
            numbered: 0,
            now_ms: 0,
        };
        journal.next();
        journal
    }

    fn write(&mut self, record: Record) {
        let mut bytes = Vec::new();
        record.encode(&mut bytes);
        let place = Place { segment: self.segments.len() as u32, offset: 0 };
        self.horizon.see(place, &bytes);
        self.segments.last_mut().unwrap().push(record);
    }

    fn next(&mut self) {
        let records = self.horizon.checkpoint(1, WALL);
        self.segments.push(Vec::new());
        records.into_iter().for_each(|record| self.write(record));
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Ask => {
                self.numbered += 1;
                self.asked.push(self.numbered);
                self.write(Record::GrantAsked { grant: grant_id(self.numbered), account: AccountId(7) });
            }
            Event::Grant(which, amount) => {
                let Some(grant) = take(&mut self.asked, which) else { return };
                if amount > 0 {
                    self.lent.push(grant);
                }
                let amount = Money::from_nanos(amount);
                self.write(Record::Granted { grant: grant_id(grant), account: AccountId(7), amount });
            }
            Event::Close(which) => {
                let Some(grant) = take(&mut self.lent, which) else { return };
                if self.open.iter().any(|(_, used)| *used == grant) {
                    return self.lent.push(grant);
                }
                self.write(Record::GrantClosed { grant: grant_id(grant), used: Money::ZERO });
            }
            Event::Start(which) => {
                let Some(grant) = self.lent.get(which as usize % self.lent.len().max(1)).copied() else { return };
                self.numbered += 1;
                let call = call_id(self.numbered);
                self.open.push((call, grant));
                self.write(start(call, grant, self.now_ms));
            }
            Event::Pay(which, more) => {
                if let Some((call, grant)) = self.pick(which) {
                    self.write(Record::Paid {
                        call,
                        reserved: vec![part(grant, more)],
                        owed_reserved: vec![],
                        paid_ms: more as u64,
                    });
                }
            }
            Event::End(which, whole) => {
                let Some((call, grant)) = self.pick(which) else { return };
                self.write(ended(call, AttemptIndex(1), grant));
                if whole {
                    self.open.retain(|(open, _)| *open != call);
                    self.write(ended(call, AttemptIndex(0), grant));
                }
            }
            Event::Mark(ms) => {
                self.now_ms += ms;
                self.write(Record::Mark { shard: ShardId(0), now: instant(self.now_ms), wall: WALL });
            }
            Event::Next => self.next(),
        }
    }

    fn pick(&self, which: u64) -> Option<(CallId, u64)> {
        self.open.get(which as usize % self.open.len().max(1)).copied()
    }

    fn books(&self, from: usize) -> Books {
        replay(self.segments[from..].iter().flatten().cloned(), Crash::AtMark, &mut price)
    }
}

fn base(call: CallId, attempt: AttemptIndex) -> Cdr {
    let sell = Some(Priced { terms: Terms::default(), ..Priced::default() });
    Cdr { call, attempt, sell, answered_ms: Some(1), ..Cdr::default() }
}

fn instant(ms: u64) -> Instant {
    Instant::from_micros(ms * 1_000)
}

fn start(call: CallId, grant: u64, now_ms: u64) -> Record {
    let (whole, attempt) = (base(call, AttemptIndex(0)), base(call, AttemptIndex(1)));
    Record::Start(Box::new(Start {
        call: whole,
        attempt,
        answered: instant(now_ms),
        reserved: vec![part(grant, 400)],
        owed_reserved: Vec::new(),
        paid_ms: 400,
    }))
}

fn ended(call: CallId, attempt: AttemptIndex, grant: u64) -> Record {
    Record::Cdr(Box::new(Cdr { grants: vec![part(grant, 3)], ..base(call, attempt) }))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_restart_from_the_needed_segments_keeps_the_same_books(events in proptest::collection::vec(event(), 1..120)) {
        let mut journal = Journal::new();
        let mut first = 1;
        for event in events {
            journal.happen(event);
            let needed = journal.horizon.first_needed(journal.segments.len() as u32);
            prop_assert!(needed >= first, "what was given up is not needed again");
            first = needed;
            let (all, rest) = (journal.books(0), journal.books(first as usize - 1));
            prop_assert_eq!(&all.cut, &rest.cut);
            prop_assert_eq!(&all.grants, &rest.grants);
            prop_assert_eq!(&all.closing, &rest.closing);
            prop_assert_eq!(journal.horizon.calls(), journal.open.len());
        }
    }
}

#[test]
fn a_call_that_is_told_again_frees_the_segment_of_its_start() {
    let mut journal = Journal::new();
    journal.write(start(call_id(1), 1, 0));
    journal.next();
    assert_eq!(journal.horizon.first_needed(2), 1);
    let [(call, open)] = journal.horizon.started_before(2)[..] else { panic!("the one call") };
    assert_eq!((call, open.start.segment, open.attempt), (call_id(1), 1, AttemptIndex(0)));
    assert!(journal.horizon.started_before(1).is_empty());
    journal.write(start(call, 1, 0));
    assert_eq!(journal.horizon.first_needed(2), 2);
    assert_eq!(journal.books(1).cut, journal.books(0).cut);
}

#[test]
fn a_glimpse_tells_what_the_whole_record_tells() {
    for record in world::one_of_each() {
        let mut bytes = Vec::new();
        record.encode(&mut bytes);
        let expected = match &record {
            Record::Start(start) => Glimpse::Start(start.call.call),
            Record::Paid { call, .. } => Glimpse::Paid(*call),
            Record::Cdr(cdr) => Glimpse::Cdr(cdr.call, cdr.attempt),
            _ => Glimpse::Other,
        };
        assert_eq!(Glimpse::of(&bytes), expected);
    }
    assert_eq!(Glimpse::of(b""), Glimpse::Other);
    assert_eq!(Glimpse::of(&[99; 40]), Glimpse::Other);
}

#[test]
fn reading_goes_on_behind_a_damaged_frame() {
    let mut bytes = Vec::new();
    segment::header(NodeId(1), 1, 1, &mut bytes);
    let mut places = Vec::new();
    for sequence in 1..=20_u64 {
        places.push(bytes.len());
        segment::frame_bytes(sequence, &[sequence as u8; 90], &mut bytes);
    }
    // The fifth frame's payload and the sixth's length are damaged; in another copy the last one's.
    for damaged in [vec![places[4] + 40, places[5] + 2], vec![places[4] + 3]] {
        let mut broken = bytes.clone();
        damaged.iter().for_each(|place| broken[*place] ^= 0xA5);
        let mut frames = Frames::of_segment(&broken).unwrap();
        let before = frames.by_ref().map_while(Result::ok).count();
        assert_eq!(before, 4);
        let passed = frames.resume(4).unwrap();
        assert_eq!(passed as usize, places[4 + damaged.len()] - places[4]);
        assert_eq!(
            frames.map(|frame| frame.unwrap().sequence).collect::<Vec<_>>(),
            (5 + damaged.len() as u64..=20).collect::<Vec<_>>()
        );
    }
    // What comes after must have a later number: an old frame in a reused block is not taken for a record.
    let mut frames = Frames::of_segment(&bytes).unwrap();
    assert_eq!(frames.resume(20), None);
}

#[test]
fn what_a_call_used_is_found_in_every_kind_of_record() {
    let full = Cdr { attempt: AttemptIndex(0), grants: vec![part(1, 5), part(2, 6)], ..world::full() };
    let bare = Cdr {
        ringing_ms: None,
        answered_ms: None,
        sell: None,
        buy: None,
        ingress_address: None,
        egress_address: None,
        ..full.clone()
    };
    for cdr in [full, bare] {
        let (mut horizon, mut bytes) = (Horizon::default(), Vec::new());
        let mut see = |record: &Record| {
            bytes.clear();
            record.encode(&mut bytes);
            horizon.see(Place::default(), &bytes);
        };
        for grant in [1, 2, 4].map(grant_id) {
            see(&Record::Granted { grant, account: AccountId(1), amount: Money::from_nanos(100) });
        }
        see(&Record::Start(Box::new(Start { call: cdr.clone(), attempt: cdr.clone(), ..Start::default() })));
        see(&Record::Cdr(Box::new(cdr)));
        let told = horizon.checkpoint(1, WALL).into_iter();
        let used: Vec<_> = told
            .filter_map(|record| match record {
                Record::GrantCarried { grant, used, .. } => Some((grant, used.nanos())),
                _ => None,
            })
            .collect();
        assert_eq!(used, [(grant_id(1), 5), (grant_id(2), 6), (grant_id(4), 7)]);
    }
}
