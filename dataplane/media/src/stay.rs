//! Why a stream's packets must pass through user space instead of being relayed inside the kernel.

/// One reason to stay in user space. It holds for both directions of a call, whichever of its two streams has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Stay {
    /// The call is not answered yet.
    Setup = 0,
    /// One of the peers does not want to hear or to speak.
    Hold = 1,
    /// Packets are encrypted or decrypted on their way.
    Crypt = 2,
    /// The call is recorded.
    Record = 3,
    /// Packets are captured.
    Capture = 4,
    /// Events are kept back, or take the place of voice.
    Digits = 5,
    /// A peer has been silent for so long that the kernel's last counts decide.
    Silence = 6,
    /// One peer's media comes by IPv4, the other's by IPv6.
    Families = 7,
    /// It carries images (T.38) or other datagrams that are no RTP.
    Images = 8,
}

impl Stay {
    /// All reasons.
    pub const ALL: [Stay; 9] = [
        Stay::Setup,
        Stay::Hold,
        Stay::Crypt,
        Stay::Record,
        Stay::Capture,
        Stay::Digits,
        Stay::Silence,
        Stay::Families,
        Stay::Images,
    ];

    /// One word for operators.
    pub const fn name(self) -> &'static str {
        match self {
            Stay::Setup => "setup",
            Stay::Hold => "hold",
            Stay::Crypt => "crypt",
            Stay::Record => "record",
            Stay::Capture => "capture",
            Stay::Digits => "digits",
            Stay::Silence => "silence",
            Stay::Families => "families",
            Stay::Images => "images",
        }
    }
}

/// A set of reasons.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stays(u16);

impl Stays {
    /// True without any reason.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// True with this reason.
    pub const fn has(self, why: Stay) -> bool {
        self.0 & 1 << why as u8 != 0
    }

    /// Those that either has.
    pub const fn or(self, other: Stays) -> Stays {
        Stays(self.0 | other.0)
    }

    /// The reasons, in the order of [`Stay::ALL`].
    pub fn each(self) -> impl Iterator<Item = Stay> {
        Stay::ALL.into_iter().filter(move |why| self.has(*why))
    }

    pub(crate) fn set(&mut self, why: Stay, holds: bool) {
        let bit = 1 << why as u8;
        self.0 = if holds { self.0 | bit } else { self.0 & !bit };
    }
}
