//! What one call said and heard, message by message: kept while the call is in progress, told of the few that failed.

use serde::{Deserialize, Deserializer, Serialize};

use crate::film::End;

/// Messages of one call that are kept; later ones are not.
const STEPS_MAX: usize = 14;
/// Calls told of each final status.
const SAMPLES_MAX: usize = 3;

/// A word of this program, whoever said it.
pub type Word = &'static str;

/// One message at the caller's end.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Step {
    /// Nanoseconds since the call was due.
    pub after_ns: u64,
    /// It went out; otherwise it came in.
    pub out: bool,
    /// 0 for a request.
    pub status: u16,
    /// The method, or that of the CSeq.
    #[serde(deserialize_with = "known")]
    pub method: Word,
}

/// The messages of one call.
#[derive(Clone, Debug, Default)]
pub struct Ladder {
    steps: [Step; STEPS_MAX],
    count: usize,
}

impl Ladder {
    /// Its messages.
    pub fn steps(&self) -> &[Step] {
        &self.steps[..self.count]
    }

    /// Keeps a message, as long as there is room.
    pub fn note(&mut self, step: Step) {
        if let Some(place) = self.steps.get_mut(self.count) {
            *place = step;
            self.count += 1;
        }
    }
}

/// The ladders of the calls in progress. Those of ended calls are used again.
#[derive(Debug, Default)]
pub struct Ladders {
    all: Vec<Ladder>,
    free: Vec<u32>,
}

impl Ladders {
    /// An empty one for a call that begins.
    pub fn take(&mut self) -> u32 {
        let place = self.free.pop().unwrap_or_else(|| {
            self.all.push(Ladder::default());
            self.all.len() as u32 - 1
        });
        self.all[place as usize].count = 0;
        place
    }

    /// That of a call.
    pub fn of(&mut self, place: u32) -> &mut Ladder {
        &mut self.all[place as usize]
    }

    /// The call has ended.
    pub fn give_back(&mut self, place: u32) {
        self.free.push(place);
    }
}

/// A call that failed.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Sample {
    /// Its final status; 0 for none.
    pub code: u16,
    /// How it ended.
    #[serde(deserialize_with = "known")]
    pub ended_by: Word,
    /// Call-ID.
    pub call_id: String,
    /// The number dialled.
    pub called: String,
    /// Attempts that terminators saw.
    pub attempts: u8,
    /// Its messages.
    pub steps: Vec<Step>,
}

/// A way in which calls failed: with whom, and how far they had come. Carriers are told by their places in the plan.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Way {
    /// The final status; 0 for none.
    pub code: u16,
    /// How it ended.
    #[serde(deserialize_with = "known")]
    pub ended_by: Word,
    /// What the caller had heard before.
    #[serde(deserialize_with = "known")]
    pub heard: Word,
    /// Who called.
    pub originator: usize,
    /// The last one that the switch tried; none if it tried none, or one at another agent.
    pub terminator: Option<usize>,
}

/// Calls that failed: how many in each way, and the first few with their messages.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Samples {
    /// The first few.
    pub calls: Vec<Sample>,
    /// All of them, counted.
    pub ways: Vec<(Way, u64)>,
    /// Both ends of the first few, word for word.
    pub ends: Vec<End>,
}

impl Samples {
    /// A call failed, or so many did.
    pub fn note(&mut self, way: Way, calls: u64) {
        match self.ways.iter_mut().find(|(known, _)| *known == way) {
            Some((_, count)) => *count += calls,
            None => self.ways.push((way, calls)),
        }
    }

    /// Whether another call with this end would be told.
    pub fn wants(&self, code: u16, ended_by: &str) -> bool {
        self.calls.iter().filter(|sample| sample.code == code && sample.ended_by == ended_by).count() < SAMPLES_MAX
    }

    /// Adds another worker's.
    pub fn merge(&mut self, other: Samples) {
        for sample in other.calls {
            if self.wants(sample.code, sample.ended_by) {
                self.calls.push(sample);
            }
        }
        other.ways.into_iter().for_each(|(way, calls)| self.note(way, calls));
        self.ends.extend(other.ends);
    }

    /// Tells all of its moments so many microseconds earlier: they were noted by a clock that is ahead.
    pub fn set_back(&mut self, us: i64) {
        for datagram in self.ends.iter_mut().flat_map(|end| &mut end.datagrams) {
            datagram.at_ns = datagram.at_ns.saturating_add_signed(-us * 1_000);
        }
    }
}

/// The names of methods that outlive their message.
pub fn method(name: &str) -> &'static str {
    const KNOWN: [&str; 8] = ["INVITE", "ACK", "BYE", "CANCEL", "UPDATE", "INFO", "PRACK", "OPTIONS"];
    KNOWN.into_iter().find(|known| *known == name).unwrap_or("other")
}

/// A word of ours that came from another process: a method, how a call ended, or what it heard before.
pub fn known<'de, D: Deserializer<'de>>(from: D) -> Result<Word, D::Error> {
    const OURS: [&str; 10] =
        ["caller", "callee", "refused", "cancelled", "unheard", "abandoned", "nothing", "trying", "ringing", "answer"];
    let word = String::deserialize(from)?;
    Ok(OURS.into_iter().find(|ours| *ours == word).unwrap_or_else(|| method(&word)))
}
