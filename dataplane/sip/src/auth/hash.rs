//! The two hashes, the secret made with them, and the response to a challenge (RFC 7616 §3.4).

use core::fmt;

use md5::Md5;
use sha2::{Digest, Sha256};
use units::from_hex;

/// The end of an algorithm's name whose secret is mixed with both nonces.
pub(crate) const MIXED: &[u8] = b"-sess";

/// A hash that digest is made with (RFC 8760 §2.1).
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Algorithm {
    /// `MD5`; the one that is meant when none is named (RFC 7616 §3.3).
    #[default]
    Md5,
    /// `SHA-256`
    Sha256,
}

impl Algorithm {
    /// Its name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Algorithm::Md5 => "MD5",
            Algorithm::Sha256 => "SHA-256",
        }
    }

    /// The algorithm of that name, in any case.
    pub(crate) fn from_token(token: &[u8]) -> Option<Algorithm> {
        let named = |algorithm: &Algorithm| algorithm.as_str().as_bytes().eq_ignore_ascii_case(token);
        [Algorithm::Md5, Algorithm::Sha256].into_iter().find(named)
    }

    /// The algorithm of that name, and whether the secret is mixed with both nonces (RFC 7616 §3.4.2).
    pub(crate) fn perhaps_mixed(token: &[u8]) -> Option<(Algorithm, bool)> {
        let head = token.len().saturating_sub(MIXED.len());
        match token[head..].eq_ignore_ascii_case(MIXED) {
            true => Some((Algorithm::from_token(&token[..head])?, true)),
            false => Some((Algorithm::from_token(token)?, false)),
        }
    }

    /// Hexadecimal digits in its responses.
    pub(crate) const fn digits(self) -> usize {
        match self {
            Algorithm::Md5 => 32,
            Algorithm::Sha256 => 64,
        }
    }
}

/// What stands for a user's password: the hash of user, realm and password under each algorithm (RFC 7616 §3.4.2, A1), so
/// that whatever carries it never holds the password. It is as secret as the password in its realm.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct Secret<'a> {
    /// Who.
    pub user: &'a str,
    /// Where the secret holds.
    pub realm: &'a str,
    /// MD5 of `user:realm:password`.
    pub ha1_md5: [u8; 16],
    /// SHA-256 of `user:realm:password`.
    pub ha1_sha256: [u8; 32],
}

impl<'a> Secret<'a> {
    /// The secret of a password.
    #[must_use]
    pub fn from_password(user: &'a str, realm: &'a str, password: &str) -> Secret<'a> {
        let parts = [user.as_bytes(), realm.as_bytes(), password.as_bytes()];
        Secret { user, realm, ha1_md5: joined::<Md5>(&parts).into(), ha1_sha256: joined::<Sha256>(&parts).into() }
    }

    /// The secret whose hashes are written as hexadecimal digits; `None` if they are not 32 and 64 of them.
    #[must_use]
    pub fn from_hex(user: &'a str, realm: &'a str, ha1_md5: &str, ha1_sha256: &str) -> Option<Secret<'a>> {
        Some(Secret { user, realm, ha1_md5: from_hex(ha1_md5)?, ha1_sha256: from_hex(ha1_sha256)? })
    }

    fn ha1(&self, algorithm: Algorithm) -> Hex {
        match algorithm {
            Algorithm::Md5 => Hex::of(&self.ha1_md5),
            Algorithm::Sha256 => Hex::of(&self.ha1_sha256),
        }
    }
}

impl fmt::Debug for Secret<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret").field("user", &self.user).field("realm", &self.realm).finish_non_exhaustive()
    }
}

/// What a response is made of besides the secret. Texts are as they stand between the quotes on the wire.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Signed<'a> {
    pub algorithm: Algorithm,
    /// The peer's nonce, if the secret is mixed with both.
    pub mixed: Option<&'a [u8]>,
    pub nonce: &'a [u8],
    /// The count as eight digits and the peer's nonce; nothing in the manner of RFC 2069.
    pub count: Option<(&'a [u8], &'a [u8])>,
    pub method: &'a [u8],
    pub uri: &'a [u8],
    /// The message's body, if the response protects it (`auth-int`).
    pub body: Option<&'a [u8]>,
}

/// RFC 7616 §3.4.1: the response to a challenge.
pub(crate) fn response(secret: &Secret<'_>, signed: &Signed<'_>) -> Hex {
    let hash = |parts: &[&[u8]]| hashed(signed.algorithm, parts);
    let ha1 = secret.ha1(signed.algorithm);
    // RFC 7616 §3.4.2.
    let ha1 = signed.mixed.map_or(ha1, |cnonce| hash(&[ha1.as_bytes(), signed.nonce, cnonce]));
    // RFC 7616 §3.4.3.
    let (ha2, qop) = match signed.body {
        Some(body) => (hash(&[signed.method, signed.uri, hash(&[body]).as_bytes()]), &b"auth-int"[..]),
        None => (hash(&[signed.method, signed.uri]), &b"auth"[..]),
    };
    let (ha1, ha2) = (ha1.as_bytes(), ha2.as_bytes());
    match signed.count {
        Some((count, cnonce)) => hash(&[ha1, signed.nonce, count, cnonce, qop, ha2]),
        // RFC 2069 §2.4: peers without `qop`.
        None => hash(&[ha1, signed.nonce, ha2]),
    }
}

fn hashed(algorithm: Algorithm, parts: &[&[u8]]) -> Hex {
    match algorithm {
        Algorithm::Md5 => Hex::of(&joined::<Md5>(parts)),
        Algorithm::Sha256 => Hex::of(&joined::<Sha256>(parts)),
    }
}

/// The hash of the parts with a colon between each two.
fn joined<D: Digest>(parts: &[&[u8]]) -> sha2::digest::Output<D> {
    let mut digest = D::new();
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            digest.update(b":");
        }
        digest.update(part);
    }
    digest.finalize()
}

/// Up to 32 bytes as hexadecimal digits in lower case.
#[derive(Clone, Copy)]
pub(crate) struct Hex {
    digits: [u8; 64],
    length: usize,
}

impl Hex {
    fn of(bytes: &[u8]) -> Hex {
        let mut digits = [0; 64];
        for (pair, byte) in digits.chunks_exact_mut(2).zip(bytes) {
            pair[0] = b"0123456789abcdef"[usize::from(byte >> 4)];
            pair[1] = b"0123456789abcdef"[usize::from(byte & 15)];
        }
        Hex { digits, length: bytes.len() * 2 }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.digits[..self.length]
    }
}

/// Are two texts the same? Looks at every byte, so that the time it takes tells nothing of where they differ.
pub(crate) fn same(ours: &[u8], theirs: &[u8]) -> bool {
    let differ = ours.iter().zip(theirs).fold(0, |differ, (a, b)| core::hint::black_box(differ | (a ^ b)));
    ours.len() == theirs.len() && differ == 0
}
