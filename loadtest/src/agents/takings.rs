//! What was counted and measured, by one process or by several together, before anything is said of it.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer as Unpacker, Serializer as _, V2Serializer};
use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::heat::Heat;
use crate::ladder::Samples;
use crate::quality::{Heard, Quality};
use crate::tally::{Codes, Counts, Latencies};

/// Everything that one process, or several together, brought home.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Takings {
    /// Everything counted.
    pub counts: Counts,
    /// Final responses by status; 0 stands for none.
    pub codes: Codes,
    /// Calls at terminators that nobody ended.
    pub callees_left: u64,
    /// Nanoseconds during which calls were placed.
    pub placing_ns: u64,
    /// How often the rate was changed by hand.
    pub paced_by_hand: u64,
    /// Latencies.
    #[serde(with = "packed_latencies")]
    pub latencies: Latencies,
    /// From INVITE to ringing, over time.
    pub ringing: Heat,
    /// From the caller's INVITE to the first terminator's, over time.
    pub transit: Heat,
    /// The first few calls of each way to fail.
    pub samples: Samples,
    /// What ends of calls heard.
    #[serde(with = "packed_quality")]
    pub quality: Quality,
}

impl Takings {
    /// Of a run of so many nanoseconds, without anything yet.
    pub fn new(long: u64) -> Takings {
        Takings { ringing: Heat::new(long), transit: Heat::new(long), ..Takings::default() }
    }

    /// Adds another process's. Nothing is lost: histograms have the same buckets everywhere.
    pub fn merge(&mut self, other: &Takings) {
        self.counts.add(&other.counts);
        other.codes.iter().for_each(|(code, count)| *self.codes.entry(*code).or_default() += count);
        self.callees_left += other.callees_left;
        self.placing_ns = self.placing_ns.max(other.placing_ns);
        // One hand paces them all.
        self.paced_by_hand = self.paced_by_hand.max(other.paced_by_hand);
        self.latencies.merge(&other.latencies);
        self.ringing.merge(&other.ringing);
        self.transit.merge(&other.transit);
        self.samples.merge(other.samples.clone());
        self.quality.merge(&other.quality);
    }
}

fn pack(values: &Histogram<u64>) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    V2Serializer::new().serialize(values, &mut bytes).map_err(|error| format!("{error:?}"))?;
    Ok(bytes)
}

/// Adds packed values; those of another kind of histogram are refused.
fn unpack(into: &mut Histogram<u64>, bytes: &[u8]) -> Result<(), String> {
    let values: Histogram<u64> = Unpacker::new().deserialize(&mut &bytes[..]).map_err(|error| format!("{error:?}"))?;
    into.add(values).map_err(|error| format!("{error:?}"))
}

mod packed_latencies {
    use super::*;

    pub fn serialize<S: Serializer>(all: &Latencies, to: S) -> Result<S::Ok, S::Error> {
        let packed = all.each().into_iter().map(|(name, values)| Ok((name, pack(values)?)));
        packed.collect::<Result<BTreeMap<_, _>, String>>().map_err(S::Error::custom)?.serialize(to)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Latencies, D::Error> {
        let packed = BTreeMap::<String, Vec<u8>>::deserialize(from)?;
        let mut all = Latencies::default();
        for (name, values) in all.each_mut() {
            unpack(values, packed.get(name).ok_or_else(|| D::Error::missing_field(name))?).map_err(D::Error::custom)?;
        }
        Ok(all)
    }
}

mod packed_quality {
    use super::*;

    #[derive(Serialize, Deserialize)]
    struct Packed {
        mos: Vec<u8>,
        loss: Vec<u8>,
        worst: Vec<Heard>,
    }

    pub fn serialize<S: Serializer>(all: &Quality, to: S) -> Result<S::Ok, S::Error> {
        let pack = |values| pack(values).map_err(S::Error::custom);
        Packed { mos: pack(&all.mos)?, loss: pack(&all.loss)?, worst: all.worst.clone() }.serialize(to)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Quality, D::Error> {
        let packed = Packed::deserialize(from)?;
        let mut all = Quality { worst: packed.worst, ..Quality::default() };
        unpack(&mut all.mos, &packed.mos).map_err(D::Error::custom)?;
        unpack(&mut all.loss, &packed.loss).map_err(D::Error::custom)?;
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ladder::{Sample, Step, Way, method};

    #[test]
    fn what_two_processes_brought_home_is_the_same_after_the_line_and_adds_up_exactly() {
        let mut parts = [Takings::new(3_000_000_000), Takings::new(3_000_000_000)];
        let mut whole = Takings::new(3_000_000_000);
        for nth in 0..5_000_u64 {
            let latency = nth * nth * 37 + 1;
            for takings in [&mut parts[nth as usize % 2], &mut whole] {
                takings.latencies.answer.saturating_record(latency);
                takings.ringing.record(nth * 600_000, latency);
                takings.counts.placed += 1;
                *takings.codes.entry(200 + (nth % 3) as u16).or_default() += 1;
            }
        }
        let steps = vec![Step { status: 486, method: method("INVITE"), ..Step::default() }];
        let way = Way { code: 486, ended_by: "refused", heard: "ringing", originator: 0, terminator: Some(1) };
        parts.iter_mut().for_each(|part| part.samples.note(way.clone(), 2));
        parts[1].samples.calls.push(Sample { code: 486, ended_by: "refused", steps, ..Sample::default() });
        let sent = |takings: &Takings| -> Takings {
            let text = serde_json::to_string(takings).expect("JSON");
            serde_json::from_str(&text).expect("the same again")
        };
        let mut sum = Takings::new(3_000_000_000);
        parts.iter().for_each(|part| sum.merge(&sent(part)));
        assert_eq!(
            (sum.latencies.answer.clone(), &sum.counts, &sum.codes),
            (whole.latencies.answer, &whole.counts, &whole.codes)
        );
        assert_eq!(sum.ringing.columns, whole.ringing.columns);
        assert_eq!((sum.samples.calls[0].ended_by, sum.samples.calls[0].steps[0].method), ("refused", "INVITE"));
        assert_eq!(sum.samples.ways, [(way, 4)]);
        assert!(serde_json::from_str::<Takings>("{\"counts\":{}}").is_err());
    }
}
