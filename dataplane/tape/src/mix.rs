//! Two voices side by side on one line of time.
//!
//! A packet's place is told by its source's timestamps, as long as they agree with when it came: what was lost or said nothing is
//! silence, what comes late finds its place, and whoever lies about time moves nothing but its own voice, by a few seconds. Moments
//! are held for a second or two, until both voices have them; then they leave for the file.

use alloc::vec;
use alloc::vec::Vec;

use units::WallTime;

use crate::frame::Frame;
use crate::g711::sample;
use crate::wav::{MOMENT_BYTES, RATE_HZ};

/// Moments that are held; half of them leave together.
const HELD: usize = 2 * RATE_HZ as usize;
/// How far a timestamp may jump, or stand from when its packet came: what lies beyond both is believed no longer.
const JUMP_MAX: i64 = RATE_HZ as i64;
/// How far timestamps that go on steadily may stand from when their packets come: longer than a network holds packets back.
const STRAY_MAX: i64 = 5 * RATE_HZ as i64;

/// One voice's clock.
#[derive(Clone, Copy, Debug)]
struct Track {
    source: u32,
    /// A timestamp, and the moment that it stands for.
    timestamp: u32,
    moment: i64,
    /// The moment behind its last sample.
    end: i64,
}

/// The line of time of one recording.
#[derive(Clone, Debug)]
pub struct Mix {
    begun: WallTime,
    tracks: [Option<Track>; 2],
    /// The moments from `first` on.
    held: Vec<[i16; 2]>,
    first: u64,
    end: u64,
}

impl Mix {
    /// Begins now.
    pub fn new(begun: WallTime) -> Mix {
        Mix { begun, tracks: [None; 2], held: vec![[0; 2]; HELD], first: 0, end: 0 }
    }

    /// The moment of this voice's (0 or 1) packet that came at this time.
    pub fn place(&mut self, at: WallTime, voice: usize, frame: &Frame<'_>) -> u64 {
        let heard = (at.micros() - self.begun.micros()).max(0).saturating_mul(i64::from(RATE_HZ)) / 1_000_000;
        let near = |moment: i64, other: i64, most: i64| moment.abs_diff(other) <= most as u64;
        let length = frame.voice.len() as i64;
        let (moment, end) = match self.tracks[voice] {
            None => (heard, heard + length),
            Some(Track { source, timestamp, moment, end }) => {
                // Timestamps go round: the shorter way counts (RFC 3550 §5.1).
                let told = moment + i64::from(frame.timestamp.wrapping_sub(timestamp) as i32);
                let steady = near(told, end, JUMP_MAX) && near(told, heard, STRAY_MAX);
                if told >= 0 && source == frame.source && (steady || near(told, heard, JUMP_MAX)) {
                    // What came late leaves the end where it was.
                    (told, end.max(told + length))
                } else {
                    let moment = behind(end, heard);
                    (moment, moment + length)
                }
            }
        };
        self.tracks[voice] = Some(Track { source: frame.source, timestamp: frame.timestamp, moment, end });
        moment as u64
    }

    /// What must leave before this many moments from this one on can be held: appends the samples and says their first moment.
    /// To be asked until it says none.
    pub fn leave(&mut self, moment: u64, count: usize, out: &mut Vec<u8>) -> Option<u64> {
        let needed = moment + count as u64;
        if needed <= self.first + HELD as u64 {
            return None;
        }
        let first = self.first;
        self.put(HELD / 2, out);
        if self.end <= self.first {
            // Nothing is held: what lies between is silence, and never written.
            self.first = self.first.max(needed.saturating_sub(HELD as u64 / 2));
        }
        Some(first)
    }

    /// Holds a packet's samples at their moment. False where that has left already.
    pub fn hold(&mut self, moment: u64, voice: usize, frame: &Frame<'_>) -> bool {
        let Some(at) = moment.checked_sub(self.first).map(|at| at as usize) else { return false };
        for (slot, byte) in self.held.iter_mut().skip(at).zip(frame.voice) {
            slot[voice] = sample(frame.law, *byte);
        }
        self.end = self.end.max(moment + frame.voice.len() as u64);
        true
    }

    /// All that is held leaves: appends the samples and says their first moment.
    pub fn rest(&mut self, out: &mut Vec<u8>) -> u64 {
        let (first, count) = (self.first, self.end.saturating_sub(self.first) as usize);
        self.put(count.min(HELD), out);
        first
    }

    /// Moments so far.
    pub fn moments(&self) -> u64 {
        self.end
    }

    fn put(&mut self, count: usize, out: &mut Vec<u8>) {
        let known = (self.end.saturating_sub(self.first) as usize).min(count);
        out.reserve(known * MOMENT_BYTES);
        for [left, right] in &self.held[..known] {
            out.extend_from_slice(&left.to_le_bytes());
            out.extend_from_slice(&right.to_le_bytes());
        }
        self.held.copy_within(count.., 0);
        self.held[HELD - count..].fill([0; 2]);
        self.first += count as u64;
    }
}

/// Where a voice goes on whose timestamps say nothing: when it was heard, or behind what it said last if that ends a little later.
fn behind(end: i64, heard: i64) -> i64 {
    if (0..=JUMP_MAX).contains(&(end - heard)) { end } else { heard }
}
