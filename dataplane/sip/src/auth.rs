//! Digest: who claims a name proves it without saying the password (RFC 3261 §22, RFC 7616, RFC 8760).
//!
//! Both sides of it. As the one who asks: [`nonce::mint`], [`Challenge::write`], [`credentials_of`], [`Credentials::fits`].
//! As the one who is asked: [`challenge_of`], [`answer`].

mod answer;
mod challenge;
mod credentials;
pub(crate) mod hash;
pub mod nonce;
mod params;

pub use answer::{Asked, Request, answer, challenge_of};
pub use challenge::{Challenge, Protection};
pub use credentials::{Credentials, credentials_of};
pub use hash::{Algorithm, Secret};
pub use params::Text;

/// The longest value of a header of this family in bytes; no known peer sends a quarter of that.
pub const VALUE_BYTES_MAX: usize = 2_048;
/// Parameters in one value at most, unknown ones included.
pub const PARAMS_MAX: usize = 24;
/// Headers of one name that are looked at in one message: a peer may be challenged by several on its way.
pub const HEADERS_MAX: usize = 4;

/// Why a challenge or an answer to one is of no use.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Unfit {
    /// There is none for the realm that we look for.
    Absent,
    /// Another scheme than Digest.
    Scheme,
    /// Not what the grammar allows, or a parameter that must be there is not, or one stands twice.
    Grammar,
    /// Another algorithm than MD5 and SHA-256; of an answer also the `-sess` ones (RFC 7616 §3.4.2), which we never ask for.
    Algorithm,
    /// Another protection than `auth` and `auth-int` (RFC 7616 §3.3); of an answer than `auth`, for which alone we ask.
    Protection,
    /// Longer than [`VALUE_BYTES_MAX`] or more than [`PARAMS_MAX`] parameters.
    TooLarge,
}
