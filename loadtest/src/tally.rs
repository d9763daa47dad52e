//! What a run counts: shared counters for the live line, latencies kept by each worker and merged at the end.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering::Relaxed};

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::film::Reel;
use crate::heat::STEPS;
use crate::ladder::{self, Word};
use crate::quality::Heard;

macro_rules! counters {
    ($($(#[$meta:meta])* $name:ident,)*) => {
        /// Counters of one worker, on cache lines of their own.
        #[derive(Debug, Default)]
        #[repr(align(128))]
        pub struct Counters { $($(#[$meta])* pub $name: AtomicU64,)* }

        /// The counters at one moment.
        #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(default)]
        pub struct Counts { $($(#[$meta])* pub $name: u64,)* }

        impl Counts {
            /// Adds another process's.
            pub fn add(&mut self, other: &Counts) {
                $(self.$name += other.$name;)*
            }
        }

        impl Counters {
            /// Reads those of all workers, added up.
            pub fn read(all: &[Counters]) -> Counts {
                Counts { $($name: all.iter().map(|counters| counters.$name.load(Relaxed)).sum(),)* }
            }
        }
    };
}

counters! {
    /// INVITEs sent for the first time.
    placed,
    /// Of these, sent more than a millisecond after they were due.
    late,
    /// Due calls that were not sent because `--calls-max` was reached.
    skipped,
    /// Calls that got a 200.
    answered,
    /// Answered calls that both ends ended.
    completed,
    /// Calls that ended with a final response of 300 or more.
    refused,
    /// Calls that their caller cancelled and that ended with 487.
    cancelled,
    /// INVITEs that got no final response in time, or none at all.
    unheard,
    /// Calls still there when the run's patience ended.
    abandoned,
    /// BYEs of ours that got no response.
    bye_unanswered,
    /// Calls that the caller's end ended long after the other end should have.
    release_missing,
    /// 200s of ours that were never acknowledged.
    ack_missing,
    /// INVITEs that proved their name to a terminator after its 407.
    proved,
    /// INVITEs that a terminator asked to prove their name and that did not.
    unproved,
    /// Re-INVITEs of terminators that got a 200.
    refreshed,
    /// Re-INVITEs of terminators that were refused or got no answer.
    unrefreshed,
    /// Datagrams sent again.
    resent,
    /// Datagrams that the kernel of this machine did not take.
    unsent,
    /// Datagrams that a busy worker gathered (`--gather`) before it looked at them: what it said to them may have left that much later.
    gathered,
    /// INVITEs that reached terminators: attempts.
    attempts,
    /// INVITEs at terminators of callers that are not in the plan.
    foreign,
    /// Datagrams that were not SIP or belonged to no call.
    stray,
    /// RTP packets sent.
    rtp_sent,
    /// RTP packets received by the end that they were meant for.
    rtp_received,
    /// RTP packets that never came.
    rtp_lost,
    /// RTP packets that came after a later one.
    rtp_late,
    /// RTP packets that had come before.
    rtp_duplicate,
    /// RTP packets that came too late for a buffer of 60 ms.
    rtp_unplayable,
    /// RTP packets received by an end that they were not meant for.
    rtp_misrouted,
    /// Ends of calls with media whose hearing was judged.
    rtp_ends,
    /// Of these, those with a mean opinion score below 3.6: many of their users would be dissatisfied (G.107).
    rtp_poor,
    /// Calls with media of a second or more of which one end heard the other and the other heard nothing.
    rtp_one_way,
    /// Ends of calls with media of a second or more that heard nothing.
    rtp_silent_ends,
    /// Of the RTP packets sent, those that the kernel made.
    rtp_by_kernel,
    /// RTP packets that the kernel was to send and that were left out after it had stood still.
    rtp_left_out,
    /// Ends of calls that the kernel could not let speak.
    rtp_silenced,
    /// Digits that callers dialled to their end.
    dtmf_sent,
    /// Digits that callees heard, in their order.
    dtmf_heard,
    /// Digits that callees heard and that their callers did not dial, or not then.
    dtmf_wrong,
}

impl Counters {
    /// Adds one. Only the worker that the counter belongs to writes it.
    pub fn one(counter: &AtomicU64) {
        Counters::add(counter, 1);
    }

    /// Adds some.
    pub fn add(counter: &AtomicU64, some: u32) {
        counter.store(counter.load(Relaxed) + u64::from(some), Relaxed);
    }
}

/// Statuses that are counted one by one: up to 699.
const CODES: usize = 700;

/// From INVITE to ringing, counted while calls go on.
#[derive(Debug, Default)]
pub struct Ringing {
    steps: [AtomicU64; STEPS],
    sum_ns: AtomicU64,
}

impl Ringing {
    /// Counts a call. Only the worker that it belongs to writes it.
    pub fn note(&self, step: usize, latency: u64) {
        Counters::one(&self.steps[step]);
        self.sum_ns.store(self.sum_ns.load(Relaxed) + latency, Relaxed);
    }
}

/// Calls that rang, by their step (see `heat`), and their latencies added up.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Rang {
    /// By step.
    pub steps: [u64; STEPS],
    /// Nanoseconds.
    pub sum_ns: u64,
}

/// What both ends of a call know of each other, by the call's place in the plan.
#[derive(Debug)]
pub struct Board {
    /// Calls by how long it took from INVITE to ringing, by worker.
    pub ringing: Box<[Ringing]>,
    /// Final responses to callers by status, by worker; 0 stands for none, the last for all above it.
    pub codes: Box<[[AtomicU64; CODES]]>,
    /// Counters by worker.
    pub counters: Box<[Counters]>,
    /// Calls that are told word for word if they fail.
    pub reel: Reel,
    /// Calls of either end that have not ended.
    pub active: AtomicU64,
    /// Of these, those of callers.
    pub calls: AtomicU64,
    sent: Vec<AtomicU64>,
    attempts: Vec<AtomicU8>,
    answered_by: Vec<AtomicU32>,
    /// When a terminator sent its 200; 0 if none did.
    answers: Vec<AtomicU64>,
    /// The terminator that saw the call last, from 1; 0 for none.
    tried: Vec<AtomicU16>,
    /// RTP packets that the callee's and the caller's end sent; empty without media.
    spoken: Vec<[AtomicU32; 2]>,
    /// By pairs of bits, the callee's lower: the end is closed, it heard something.
    ears: Vec<AtomicU8>,
}

impl Board {
    /// For this many planned calls, with or without media, and workers.
    pub fn new(planned: usize, media: bool, workers: usize) -> Board {
        let with_media = if media { planned } else { 0 };
        Board {
            ringing: (0..workers).map(|_| Ringing::default()).collect(),
            codes: (0..workers).map(|_| [const { AtomicU64::new(0) }; CODES]).collect(),
            counters: (0..workers).map(|_| Counters::default()).collect(),
            reel: Reel::default(),
            active: AtomicU64::new(0),
            calls: AtomicU64::new(0),
            sent: (0..planned).map(|_| AtomicU64::new(0)).collect(),
            attempts: (0..planned).map(|_| AtomicU8::new(0)).collect(),
            answered_by: (0..planned).map(|_| AtomicU32::new(0)).collect(),
            answers: (0..planned).map(|_| AtomicU64::new(0)).collect(),
            tried: (0..planned).map(|_| AtomicU16::new(0)).collect(),
            spoken: (0..with_media).map(|_| [AtomicU32::new(0), AtomicU32::new(0)]).collect(),
            ears: (0..with_media).map(|_| AtomicU8::new(0)).collect(),
        }
    }

    /// The same, with so many calls told word for word if they fail.
    pub fn filmed(self, calls: u32) -> Board {
        Board { reel: Reel::new(calls), ..self }
    }

    /// Final responses so far.
    pub fn codes(&self) -> Codes {
        let all = |code: usize| self.codes.iter().map(|codes| codes[code].load(Relaxed)).sum();
        (0..CODES).map(|code| (code as u16, all(code))).filter(|(_, count): &(u16, u64)| *count > 0).collect()
    }

    /// Calls that rang so far.
    pub fn rang(&self) -> Rang {
        let mut rang = Rang::default();
        for worker in &self.ringing {
            rang.steps.iter_mut().zip(&worker.steps).for_each(|(sum, step)| *sum += step.load(Relaxed));
            rang.sum_ns += worker.sum_ns.load(Relaxed);
        }
        rang
    }

    /// The caller's end sent its INVITE.
    pub fn note_sent(&self, place: usize, now: u64) {
        self.sent[place].store(now, Relaxed);
    }

    /// An INVITE reached a terminator: when the caller's end had sent it, if this is the first attempt.
    pub fn note_attempt(&self, place: usize, terminator: usize) -> Option<u64> {
        self.tried[place].store(u16::try_from(terminator + 1).unwrap_or(0), Relaxed);
        let sent = self.sent[place].load(Relaxed);
        (self.attempts[place].fetch_add(1, Relaxed) == 0 && sent > 0).then_some(sent)
    }

    /// The index of the terminator that saw the call last.
    pub fn tried(&self, place: usize) -> Option<usize> {
        usize::from(self.tried[place].load(Relaxed)).checked_sub(1)
    }

    /// When a terminator sent its 200, if one did here.
    pub fn answer_sent(&self, place: usize) -> Option<u64> {
        Some(self.answers[place].load(Relaxed)).filter(|sent| *sent > 0)
    }

    /// A terminator answers now.
    pub fn note_answer(&self, place: usize, terminator: usize, now: u64) {
        self.answers[place].store(now, Relaxed);
        self.answered_by[place].store(terminator as u32 + 1, Relaxed);
    }

    /// One end has sent so many RTP packets.
    pub fn note_rtp_sent(&self, place: u32, by_caller: bool, sent: u32) {
        self.spoken[place as usize][usize::from(by_caller)].store(sent, Relaxed);
    }

    /// How many RTP packets an end has sent; 0 if it is on another machine.
    pub fn rtp_sent(&self, place: u32, by_caller: bool) -> u32 {
        self.spoken[place as usize][usize::from(by_caller)].load(Relaxed)
    }

    /// An end that had something to hear is closed. True if this shows that one end heard and the other did not.
    pub fn note_heard(&self, place: u32, caller: bool, heard: bool) -> bool {
        let mark = (1 | u8::from(heard) << 1) << if caller { 2 } else { 0 };
        let before = self.ears[place as usize].fetch_or(mark, Relaxed);
        let after = before | mark;
        // Both are closed by this, and the two differ.
        before & 0b101 != 0b101 && after & 0b101 == 0b101 && (after >> 1 ^ after >> 3) & 1 == 1
    }

    /// How many attempts the switch made, and the index of the terminator that answered.
    pub fn seen(&self, place: usize) -> (u8, Option<usize>) {
        let index = self.answered_by[place].load(Relaxed);
        (self.attempts[place].load(Relaxed), (index > 0).then(|| index as usize - 1))
    }
}

macro_rules! latencies {
    ($($(#[$meta:meta])* $name:ident,)*) => {
        /// Latencies in nanoseconds, three digits.
        #[derive(Clone, Debug)]
        pub struct Latencies { $($(#[$meta])* pub $name: Histogram<u64>,)* }

        impl Default for Latencies {
            fn default() -> Latencies {
                Latencies { $($name: empty(),)* }
            }
        }

        impl Latencies {
            /// Adds another worker's.
            pub fn merge(&mut self, other: &Latencies) {
                $(self.$name.add(&other.$name).expect("all histograms have the same bounds");)*
            }

            /// Each with its name, to be added to.
            pub fn each_mut(&mut self) -> Vec<(&'static str, &mut Histogram<u64>)> {
                vec![$((stringify!($name), &mut self.$name),)*]
            }

            /// Each with its name.
            pub fn each(&self) -> Vec<(&'static str, &Histogram<u64>)> {
                vec![$((stringify!($name), &self.$name),)*]
            }
        }
    };
}

latencies! {
    /// How late the generator itself was: due to sent.
    lateness,
    /// INVITE to the first 100, from the moment it was due.
    trying_planned,
    /// INVITE to the first 100, from the moment it was sent.
    trying,
    /// INVITE to the first 18x (post-dial delay), from the moment it was due.
    ringing_planned,
    /// INVITE to the first 18x, from the moment it was sent.
    ringing,
    /// INVITE to 200, from the moment it was due.
    answer_planned,
    /// INVITE to 200, from the moment it was sent.
    answer,
    /// What the switch adds: INVITE out of the caller's end to INVITE at the first terminator tried.
    transit,
    /// What it adds on the way back: 200 out of the terminator's end to 200 at the caller's.
    transit_back,
    /// 200 out of the callee's end to its ACK.
    ack,
    /// BYE to its 200.
    bye,
    /// From when an end began to speak (it heard the answer, or the ACK) to the first packet of media that it heard by a socket.
    rtp_first,
    /// One packet of media from end to end.
    rtp_transit,
    /// How late packets of media by the kernel left, at most: from when they were due to when the last one due then had. Of those that were left
    /// out, how late they would have been.
    rtp_lateness,
    /// Interarrival jitter of each end when its call ended (RFC 3550).
    rtp_jitter,
}

/// A histogram without values.
pub fn empty() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 3_600_000_000_000, 3).expect("the bounds are valid")
}

/// Final responses to callers, by status.
pub type Codes = BTreeMap<u16, u64>;

/// What a worker tells of calls one by one.
#[derive(Debug, Serialize, Deserialize)]
pub enum Told {
    /// A caller's end, complete.
    Call(Box<CallLine>),
    /// What a callee's end heard, about when its caller's end is complete.
    Callee(Heard),
    /// What the terminators of one agent saw of a call, told at the end where several agents play.
    Seen(Seen),
}

/// What terminators saw of a call.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Seen {
    /// Place in the plan.
    pub place: u32,
    /// INVITEs.
    pub attempts: u8,
    /// The name of the one that answered; empty if none did.
    pub terminator: String,
}

/// One call's line in `--calls-out`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct CallLine {
    /// Place in the plan, from 0.
    pub place: u32,
    /// Call-ID of the ingress leg.
    pub call_id: String,
    /// The originator's name.
    pub originator: String,
    /// The caller's number.
    pub calling: String,
    /// The number dialled.
    pub called: String,
    /// When it was due: microseconds since 1970 UTC, like all times here.
    pub planned_us: Option<u64>,
    /// When its INVITE was sent.
    pub sent_us: Option<u64>,
    /// The first 100.
    pub trying_us: Option<u64>,
    /// The first 18x.
    pub ringing_us: Option<u64>,
    /// The 200.
    pub answered_us: Option<u64>,
    /// The end: BYE sent or received, final response, or the end of patience.
    pub ended_us: Option<u64>,
    /// Final status; 0 if there was none.
    pub code: u16,
    /// From the 200 to the end.
    pub duration_ms: u64,
    /// `caller`, `callee`, `refused`, `cancelled`, `unheard` or `abandoned`.
    #[serde(deserialize_with = "ladder::known")]
    pub ended_by: Word,
    /// The terminator that answered.
    pub terminator: String,
    /// INVITEs that terminators saw for this call.
    pub attempts: u8,
    /// Media packets that the caller's end received.
    pub rtp_received: u32,
    /// What the caller's end heard.
    pub caller_heard: Option<Heard>,
    /// What the callee's end heard; absent too where a terminator never closed it.
    pub callee_heard: Option<Heard>,
}

impl CallLine {
    /// Tells all of its moments so many microseconds earlier: it was written by a clock that is ahead.
    pub fn set_back(&mut self, us: i64) {
        let CallLine { planned_us, sent_us, trying_us, ringing_us, answered_us, ended_us, .. } = self;
        for moment in [planned_us, sent_us, trying_us, ringing_us, answered_us, ended_us].into_iter().flatten() {
            *moment = moment.saturating_add_signed(-us);
        }
    }
}
