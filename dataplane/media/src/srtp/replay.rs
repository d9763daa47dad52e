//! Which numbers of a source were seen (RFC 3711 §3.3.1, §3.3.2).

/// How far below the highest number a packet may come, in numbers.
const WIDTH: u64 = 128;
/// RFC 3711 §3.3.1: the whole number of an RTP packet has 48 bits.
const INDEX_MAX: u64 = (1 << 48) - 1;

/// The highest number and those below it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Window {
    highest: u64,
    /// Bit 0 is the highest number's; nothing was seen while all are 0.
    seen: u128,
}

impl Window {
    /// True if this number was seen, or is too old to tell.
    pub(super) fn has(&self, index: u64) -> bool {
        match self.highest.checked_sub(index) {
            Some(age) if self.seen != 0 => age >= WIDTH || self.seen >> age & 1 == 1,
            Some(_) | None => false,
        }
    }

    /// The whole number of a packet with these last 16 bits, the nearest one to the highest (RFC 3711 appendix A). `None` if it
    /// was seen, is too old to tell, or cannot be.
    pub(super) fn extend(&self, sequence: u16) -> Option<u64> {
        if self.seen == 0 {
            return Some(u64::from(sequence));
        }
        let step = i64::from(sequence.wrapping_sub(self.highest as u16) as i16);
        let index = self.highest.checked_add_signed(step).filter(|index| *index <= INDEX_MAX)?;
        (!self.has(index)).then_some(index)
    }

    /// This number was seen.
    pub(super) fn note(&mut self, index: u64) {
        if self.seen == 0 {
            *self = Window { highest: index, seen: 1 };
        } else if let Some(above) = index.checked_sub(self.highest).filter(|above| *above > 0) {
            self.seen = if above < WIDTH { self.seen << above | 1 } else { 1 };
            self.highest = index;
        } else {
            let age = self.highest - index;
            self.seen |= if age < WIDTH { 1 << age } else { 0 };
        }
    }
}
