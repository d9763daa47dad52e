//! How good media was for those who heard it: the E-model (ITU-T G.107), the distribution over all ends, and the worst of them.
//!
//! Calculated with G.107's own curve for delay, not with a straight line, and with nothing from the switch, which judges its media too.

use std::cmp::Ordering;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::clock::MS;
use crate::codec::Packets;
use crate::tally::empty;

/// How much later than the fastest packet of its stream a packet may come and still be played: the buffer of a usual phone.
pub const BUFFER_NS: u64 = 60 * MS;
/// G.107 §7.7: R with all parameters at their defaults.
const R_MAX: f64 = 93.2;
/// G.107 annex B: below this "many users" are "dissatisfied" (R of 70).
pub const POOR: f64 = 3.6;
/// Ends that are told one by one.
const WORST_MAX: usize = 20;

/// What one end of one call heard.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Heard {
    /// The call's place in the plan.
    pub place: u32,
    /// The end that listened is the caller's.
    pub caller: bool,
    /// RTP packets that it sent itself, and those that it kept back on purpose; 0 from an agent that does not say.
    #[serde(default)]
    pub sent: u32,
    /// Packets that came once each.
    pub received: u32,
    /// Packets that never came.
    pub lost: u32,
    /// Runs of packets lost one after the other.
    pub loss_runs: u32,
    /// Packets that came after a later one.
    pub late: u32,
    /// Packets that had come before.
    pub duplicate: u32,
    /// Packets of another call, or not ours at all.
    pub misrouted: u32,
    /// Packets that came too late for a buffer of 60 ms.
    pub unplayable: u32,
    /// Interarrival jitter at the end (RFC 3550 §6.4.1), in milliseconds.
    pub jitter_ms: f64,
    /// Mean time from end to end, in milliseconds; absent where the two ends are on different machines.
    pub transit_ms: Option<f64>,
    /// Mean opinion score, 1 to 4.5.
    pub mos: f64,
}

impl Heard {
    /// Judges it, with a listener whose buffer holds 60 ms.
    pub fn judged(self, packets: Packets) -> Heard {
        let expected = f64::from(self.received) + f64::from(self.lost);
        let missed = f64::from(self.lost) + f64::from(self.unplayable);
        if self.received == 0 {
            return Heard { mos: 1.0, ..self };
        }
        let loss = (missed / expected).min(1.0);
        // G.107 §7.5: mean length of the runs over that of random loss, and never less than 1.
        let burst = (missed / f64::from(self.loss_runs.max(1)) * (1.0 - loss)).max(1.0);
        let delay_ms = packets.full_ms() + self.transit_ms.unwrap_or(0.0).max(0.0) + BUFFER_NS as f64 / MS as f64;
        Heard { mos: mos(packets.impairment(), delay_ms, 100.0 * loss, burst), ..self }
    }

    fn worse_first(&self, other: &Heard) -> Ordering {
        let lost = other.loss().total_cmp(&self.loss());
        self.mos.total_cmp(&other.mos).then(lost).then(self.place.cmp(&other.place))
    }

    /// Share of packets that never came.
    pub fn loss(&self) -> f64 {
        f64::from(self.lost) / (f64::from(self.received) + f64::from(self.lost)).max(1.0)
    }
}

/// Mean opinion score from the codec's impairment and robustness, the delay from mouth to ear in milliseconds, the loss in per cent, and how loss
/// bunches.
fn mos((costs, robust): (f64, f64), delay_ms: f64, loss: f64, burst: f64) -> f64 {
    // G.107 equation 7-29.
    let equipment = costs + (95.0 - costs) * loss / (loss / burst + robust);
    let r = (R_MAX - delayed(delay_ms) - equipment).clamp(0.0, 100.0);
    // G.107 equation B-4.
    (1.0 + 0.035 * r + r * (r - 60.0) * (100.0 - r) * 7e-6).clamp(1.0, 4.5)
}

/// Idd of G.107 equation 7-27: nothing up to 100 ms.
fn delayed(delay_ms: f64) -> f64 {
    if delay_ms <= 100.0 {
        return 0.0;
    }
    let x = (delay_ms / 100.0).log2();
    25.0 * ((1.0 + x.powi(6)).powf(1.0 / 6.0) - 3.0 * (1.0 + (x / 3.0).powi(6)).powf(1.0 / 6.0) + 2.0)
}

/// All ends of a run, or of one worker's share of it.
#[derive(Clone, Debug)]
pub struct Quality {
    /// Scores × 1,000.
    pub mos: Histogram<u64>,
    /// Packets lost in a million.
    pub loss: Histogram<u64>,
    /// The ends that heard the worst.
    pub worst: Vec<Heard>,
}

impl Default for Quality {
    fn default() -> Quality {
        Quality { mos: empty(), loss: empty(), worst: Vec::with_capacity(WORST_MAX) }
    }
}

impl Quality {
    /// Takes an end that was judged.
    pub fn keep(&mut self, heard: &Heard) {
        self.mos.saturating_record((heard.mos * 1_000.0).round() as u64);
        self.loss.saturating_record((heard.loss() * 1e6).round() as u64);
        self.rank(heard);
    }

    fn rank(&mut self, heard: &Heard) {
        if self.worst.len() < WORST_MAX {
            return self.worst.push(heard.clone());
        }
        let best = self.worst.iter_mut().max_by(|a, b| a.worse_first(b));
        best.into_iter().filter(|best| heard.worse_first(best).is_lt()).for_each(|best| *best = heard.clone());
    }

    /// Adds another worker's.
    pub fn merge(&mut self, other: &Quality) {
        self.mos.add(&other.mos).expect("all histograms have the same bounds");
        self.loss.add(&other.loss).expect("all histograms have the same bounds");
        other.worst.iter().for_each(|heard| self.rank(heard));
    }

    /// The score that all but this share of the ends reach; 0 without ends.
    pub fn mos_at(&self, share: f64) -> f64 {
        if self.mos.is_empty() {
            return 0.0;
        }
        self.mos.value_at_quantile(share) as f64 / 1_000.0
    }

    /// What is said of them.
    pub fn told(&self) -> Media {
        let mut worst = self.worst.clone();
        worst.sort_by(Heard::worse_first);
        let percent = |quantile: f64| self.loss.value_at_quantile(quantile) as f64 / 1e4;
        Media {
            ends: self.mos.len(),
            mos_mean: if self.mos.is_empty() { 0.0 } else { self.mos.mean() / 1_000.0 },
            mos_min: self.mos_at(0.0),
            mos_p1: self.mos_at(0.01),
            mos_p5: self.mos_at(0.05),
            mos_p50: self.mos_at(0.5),
            loss_percent_p50: percent(0.5),
            loss_percent_p99: percent(0.99),
            loss_percent_max: percent(1.0),
            worst,
        }
    }
}

/// Media in a summary.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Media {
    /// Ends of calls that were judged.
    pub ends: u64,
    /// Mean of their scores.
    pub mos_mean: f64,
    /// The lowest.
    pub mos_min: f64,
    /// 99 of 100 are above.
    pub mos_p1: f64,
    /// 19 of 20 are above.
    pub mos_p5: f64,
    /// Half are above.
    pub mos_p50: f64,
    /// Packets lost on the way to the middle one of the ends, in per cent.
    pub loss_percent_p50: f64,
    /// Of 100 ends one lost more.
    pub loss_percent_p99: f64,
    /// The most.
    pub loss_percent_max: f64,
    /// Up to twenty ends, the worst first.
    pub worst: Vec<Heard>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{Codec, USUAL};

    const PLAIN: (f64, f64) = (0.0, 25.1);

    #[test]
    fn scores_are_those_of_the_recommendation() {
        // G.107 annex B, R to MOS: 93.2 is 4.41, 80 is 4.02, 50 is 2.58; delays by the curve of G.107's figure.
        assert!((mos(PLAIN, 80.0, 0.0, 1.0) - 4.41).abs() < 0.005);
        for (r, score) in [(80.0, 4.02), (70.0, 3.60), (60.0, 3.10), (50.0, 2.58)] {
            let loss = PLAIN.1 * (R_MAX - r) / (95.0 - (R_MAX - r));
            assert!((mos(PLAIN, 80.0, loss, 1.0) - score).abs() < 0.006, "{r}");
        }
        assert!((delayed(200.0) - 3.0).abs() < 0.2 && (delayed(400.0) - 24.3).abs() < 0.5, "{}", delayed(400.0));
        // G.729A: R of 82.2 is 4.11.
        let perfect = Heard { received: 100, ..Heard::default() };
        let judged = |codec| perfect.clone().judged(Packets { codec, ..USUAL }).mos;
        assert!((judged(Codec::G711) - 4.41).abs() < 0.005 && (judged(Codec::G729) - 4.11).abs() < 0.01);
        // Loss in runs is heard more than the same loss alone.
        assert!(mos(PLAIN, 80.0, 5.0, 3.0) < mos(PLAIN, 80.0, 5.0, 1.0) - 0.01);
    }

    #[test]
    fn the_worst_twenty_of_all_workers_are_told_worst_first() {
        let mut all = [Quality::default(), Quality::default()];
        for place in 0..200 {
            let heard =
                Heard { place, received: 1_000 - 5 * place, lost: 5 * place, loss_runs: 5 * place, ..Heard::default() };
            all[place as usize % 2].keep(&heard.judged(USUAL));
        }
        let [mut one, other] = all;
        one.merge(&other);
        let told = one.told();
        assert_eq!((told.ends, told.worst.len(), told.worst[0].place), (200, 20, 199));
        assert!(told.worst.iter().all(|heard| heard.place >= 100 && heard.mos <= told.mos_p50));
        assert!(told.mos_min <= told.mos_p5 && told.mos_p5 < told.mos_p50 && told.loss_percent_max > 99.0);
    }
}
