//! What payload types mean to a measurement: the clock of their timestamps, and how well their codec bears loss.

/// How well a codec sounds, as far as ITU-T G.113 has figures for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Voice {
    /// G.711 with concealment, and every codec that G.113 has no figures for.
    #[default]
    Plain,
    /// G.729 with annexes A and B.
    G729,
    /// G.723.1 at 6.3 kbit/s with silence suppression.
    G723,
    /// GSM-EFR, and AMR at 12.2 kbit/s, which is the same codec (3GPP TS 26.071 §4).
    Efr,
    /// No voice: events (RFC 4733) and comfort noise (RFC 3389). Their timestamps do not rise with time.
    Mute,
}

impl Voice {
    /// ITU-T G.113 appendix I, table I.4: equipment impairment (Ie) and robustness to loss (Bpl), each × 1,000.
    pub(crate) const fn impairment(self) -> (i64, i64) {
        match self {
            Voice::Plain | Voice::Mute => (0, 25_100),
            Voice::G729 => (11_000, 19_000),
            Voice::G723 => (15_000, 16_100),
            Voice::Efr => (5_000, 10_000),
        }
    }
}

/// How a payload becomes samples, as far as we can tell (ITU-T G.711).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sound {
    /// By a codec that we have no decoder for.
    #[default]
    Unknown,
    /// G.711 µ-law, 8,000 samples a second.
    Ulaw,
    /// G.711 A-law, 8,000 samples a second.
    Alaw,
}

/// What one payload type of a stream means, by its description.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Format {
    /// 0 to 127.
    pub payload_type: u8,
    /// The clock of its timestamps; 0 if it is not known.
    pub clock_hz: u32,
    /// Its codec.
    pub voice: Voice,
    /// How it becomes samples.
    pub sound: Sound,
}

/// Formats of one description that are remembered.
pub const FORMATS_MAX: usize = 8;

/// The formats that one stream was told of.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Formats {
    list: [Format; FORMATS_MAX],
    count: u8,
}

impl Formats {
    pub(crate) fn of(formats: impl Iterator<Item = Format>) -> Formats {
        let mut told = Formats::default();
        for (slot, format) in told.list.iter_mut().zip(formats) {
            *slot = format;
            told.count += 1;
        }
        told
    }

    /// The clock of the voice that was described first; 8,000 without a description, 0 if it did not say.
    pub(crate) fn clock_hz(&self) -> u32 {
        let told = &self.list[..usize::from(self.count)];
        let voice = told.iter().find(|format| format.voice != Voice::Mute);
        voice.map_or(
            8_000,
            |format| if format.clock_hz > 0 { format.clock_hz } else { fixed(format.payload_type).clock_hz },
        )
    }

    /// What a payload type means: as told, else by RFC 3551's table.
    pub(crate) fn find(&self, payload_type: u8) -> Format {
        let told = &self.list[..usize::from(self.count)];
        told.iter().find(|format| format.payload_type == payload_type).copied().unwrap_or_else(|| fixed(payload_type))
    }
}

/// RFC 3551 §6: the payload types that need no description.
fn fixed(payload_type: u8) -> Format {
    let clock_hz = match payload_type {
        0 | 3..=5 | 7..=9 | 12 | 13 | 15 | 18 => 8_000,
        6 => 16_000,
        10 | 11 => 44_100,
        16 => 11_025,
        17 => 22_050,
        14 | 25 | 26 | 28 | 31..=34 => 90_000,
        _ => 0,
    };
    let voice = match payload_type {
        4 => Voice::G723,
        18 => Voice::G729,
        13 => Voice::Mute,
        _ => Voice::Plain,
    };
    let sound = match payload_type {
        0 => Sound::Ulaw,
        8 => Sound::Alaw,
        _ => Sound::Unknown,
    };
    Format { payload_type, clock_hz, voice, sound }
}
