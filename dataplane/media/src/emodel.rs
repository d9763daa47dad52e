//! The E-model (ITU-T G.107) with its default values: what a listener would say, from loss, how loss bunches, delay and codec.

use crate::format::Voice;

/// R without any impairment by network or codec: G.107 §7.7 with all parameters at their defaults, × 1,000.
const R_MAX: i64 = 93_200;
/// A listener's buffer is taken as one frame and twice the jitter.
const FRAME_US: u64 = 20_000;
/// Delays beyond this are not believed.
const DELAY_US_MAX: u64 = 5_000_000;

/// What one direction of media suffered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Impaired {
    pub(crate) packets: u64,
    pub(crate) lost: u64,
    /// Runs of packets lost in a row.
    pub(crate) loss_runs: u64,
    pub(crate) jitter_us: u32,
    /// One way, the listener's buffer not included.
    pub(crate) delay_us: u64,
    pub(crate) voice: Voice,
}

/// Mean opinion score × 100, 100 to 450; 0 without packets.
pub(crate) fn mos_x100(heard: &Impaired) -> u16 {
    if heard.packets == 0 {
        return 0;
    }
    let r = (R_MAX - delay_impairment(heard) - equipment_impairment(heard)).clamp(0, 100_000);
    // G.107 equation B-4: 1 + 0.035 R + R (R - 60) (100 - R) 7·10⁻⁶.
    let cubic = r * (r - 60_000) / 1_000 * (100_000 - r) / 1_000;
    let mos = 100 + (r * 35 * 1_000 + 7 * cubic + 5_000_000) / 10_000_000;
    mos.clamp(100, 450) as u16
}

/// Id ≈ 0.024 d + 0.11 (d - 177.3) above 177.3 ms: the usual straight-line form of G.107 §7.4, d in ms. × 1,000.
fn delay_impairment(heard: &Impaired) -> i64 {
    let delay_us = (FRAME_US + 2 * u64::from(heard.jitter_us) + heard.delay_us).min(DELAY_US_MAX) as i64;
    delay_us * 24 / 1_000 + (delay_us - 177_300).max(0) * 110 / 1_000
}

/// G.107 equation 7-29: Ie,eff = Ie + (95 - Ie) Ppl / (Ppl / BurstR + Bpl). × 1,000.
fn equipment_impairment(heard: &Impaired) -> i64 {
    let (equipment, robustness) = heard.voice.impairment();
    let sent = heard.packets.saturating_add(heard.lost);
    // Per cent × 1,000.
    let loss = (heard.lost.saturating_mul(100_000) / sent) as i64;
    // BurstR (§7.5): the mean length of the runs over that of random loss, 1 / (1 - Ppl); × 1,000, and never less than 1.
    let length = heard.lost.saturating_mul(1_000).checked_div(heard.loss_runs).unwrap_or(1_000) as i64;
    let burst = (length * (100_000 - loss) / 100_000).max(1_000);
    equipment + (95_000 - equipment) * loss / (loss * 1_000 / burst + robustness)
}
