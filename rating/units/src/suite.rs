//! How media between us and a peer is encrypted, by the names that session descriptions have for it.

/// A crypto suite of SRTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Suite {
    /// AES-128 in counter mode, tags of 80 bits (RFC 4568 §6.2.1): what every peer with SRTP has.
    AesCm128Sha80 = 1,
    /// The same with tags of 32 bits for RTP (RFC 4568 §6.2.2).
    AesCm128Sha32 = 2,
    /// AES-256 in counter mode, tags of 80 bits (RFC 6188 §4).
    AesCm256Sha80 = 3,
    /// AES-128 in Galois/counter mode, tags of 128 bits (RFC 7714 §12).
    AesGcm128 = 4,
    /// AES-256 in Galois/counter mode, tags of 128 bits (RFC 7714 §12).
    AesGcm256 = 5,
}

/// Bytes of the longest secret with its salt.
pub const SECRET_BYTES_MAX: usize = 46;

impl Suite {
    /// All of them, in the order in which we offer them.
    pub const ALL: [Suite; 5] =
        [Suite::AesGcm256, Suite::AesGcm128, Suite::AesCm256Sha80, Suite::AesCm128Sha80, Suite::AesCm128Sha32];

    /// Its name in `a=crypto` (RFC 4568 §6.2, RFC 6188 §4, RFC 7714 §14.2).
    pub const fn name(self) -> &'static str {
        match self {
            Suite::AesCm128Sha80 => "AES_CM_128_HMAC_SHA1_80",
            Suite::AesCm128Sha32 => "AES_CM_128_HMAC_SHA1_32",
            Suite::AesCm256Sha80 => "AES_256_CM_HMAC_SHA1_80",
            Suite::AesGcm128 => "AEAD_AES_128_GCM",
            Suite::AesGcm256 => "AEAD_AES_256_GCM",
        }
    }

    /// The suite of a name. RFC 4568 §9.1: names are compared without regard to case.
    pub fn named(name: &[u8]) -> Option<Suite> {
        Suite::ALL.into_iter().find(|suite| suite.name().as_bytes().eq_ignore_ascii_case(name))
    }

    /// The suite of a number in a record.
    pub fn from_code(code: u8) -> Option<Suite> {
        Suite::ALL.into_iter().find(|suite| *suite as u8 == code)
    }

    /// Bytes of its secret, the salt left out.
    pub const fn key_bytes(self) -> usize {
        match self {
            Suite::AesCm128Sha80 | Suite::AesCm128Sha32 | Suite::AesGcm128 => 16,
            Suite::AesCm256Sha80 | Suite::AesGcm256 => 32,
        }
    }

    /// Bytes of its salt.
    pub const fn salt_bytes(self) -> usize {
        match self {
            Suite::AesCm128Sha80 | Suite::AesCm128Sha32 | Suite::AesCm256Sha80 => 14,
            // RFC 7714 §12.
            Suite::AesGcm128 | Suite::AesGcm256 => 12,
        }
    }

    /// Bytes of its secret with the salt, at most [`SECRET_BYTES_MAX`].
    pub const fn secret_bytes(self) -> usize {
        self.key_bytes() + self.salt_bytes()
    }
}
