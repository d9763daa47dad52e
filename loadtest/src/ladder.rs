//! What one call said and heard, message by message: kept for every call in little room, told of the few that failed.

use serde::Serialize;

/// Messages of one call that are kept; later ones are not.
const STEPS_MAX: usize = 14;
/// Calls told of each final status.
const SAMPLES_MAX: usize = 3;

/// One message at the caller's end.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Step {
    /// Nanoseconds since the call was due.
    pub after_ns: u64,
    /// It went out; otherwise it came in.
    pub out: bool,
    /// 0 for a request.
    pub status: u16,
    /// The method, or that of the CSeq.
    pub method: &'static str,
}

/// The messages of one call.
#[derive(Clone, Debug, Default)]
pub struct Ladder {
    steps: [Step; STEPS_MAX],
    count: usize,
}

impl Ladder {
    /// Forgets the call before.
    pub fn clear(&mut self) {
        self.count = 0;
    }

    /// Keeps a message, as long as there is room.
    pub fn note(&mut self, step: Step) {
        if let Some(place) = self.steps.get_mut(self.count) {
            *place = step;
            self.count += 1;
        }
    }
}

/// A call that failed.
#[derive(Clone, Debug, Serialize)]
pub struct Sample {
    /// Its final status; 0 for none.
    pub code: u16,
    /// How it ended.
    pub ended_by: &'static str,
    /// Call-ID.
    pub call_id: String,
    /// The number dialled.
    pub called: String,
    /// Attempts that terminators saw.
    pub attempts: u8,
    /// Its messages.
    pub steps: Vec<Step>,
}

/// The first few calls of each way to fail.
#[derive(Clone, Debug, Default)]
pub struct Samples(pub Vec<Sample>);

impl Samples {
    /// Whether another call with this end would be told.
    pub fn wants(&self, code: u16, ended_by: &str) -> bool {
        self.0.iter().filter(|sample| sample.code == code && sample.ended_by == ended_by).count() < SAMPLES_MAX
    }

    /// Keeps one. Only the first few of each kind cost memory.
    pub fn keep(&mut self, ladder: &Ladder, sample: Sample) {
        self.0.push(Sample { steps: ladder.steps[..ladder.count].to_vec(), ..sample });
    }

    /// Adds another worker's.
    pub fn merge(&mut self, other: Samples) {
        for sample in other.0 {
            if self.wants(sample.code, sample.ended_by) {
                self.0.push(sample);
            }
        }
    }
}

/// The names of methods that outlive their message.
pub fn method(name: &str) -> &'static str {
    const KNOWN: [&str; 8] = ["INVITE", "ACK", "BYE", "CANCEL", "UPDATE", "INFO", "PRACK", "OPTIONS"];
    KNOWN.into_iter().find(|known| *known == name).unwrap_or("other")
}
