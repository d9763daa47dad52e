//! Secrets, the keys derived from them, and what they do to bytes. The primitives are RustCrypto's.

use aes::cipher::array::Array;
use aes::cipher::consts::{U12, U16};
use aes::cipher::{BlockCipherEncrypt, BlockSizeUser, InnerIvInit, KeyInit, StreamCipher, StreamCipherCoreWrapper};
use aes::{Aes128Enc, Aes256Enc};
use aes_gcm::aead::AeadInOut;
use aes_gcm::{Aes128Gcm, Aes256Gcm};
use ctr::CtrCore;
use hmac::{Hmac, Mac};
use sha1::Sha1;
use units::{SECRET_BYTES_MAX, Suite};

use super::{ENCRYPTED, NUMBER_BYTES, RTCP_HEAD, Refused, word};

/// RFC 3711 §4.3.1, §4.3.2: what the keys of RTP and of RTCP are derived for, in this order: cipher, tag, salt.
const RTP_LABELS: [u8; 3] = [0, 1, 2];
const RTCP_LABELS: [u8; 3] = [3, 4, 5];
/// RFC 3711 §5.2: the key of a tag, in bytes.
const TAG_KEY_BYTES: usize = 20;
const SALT_BYTES_MAX: usize = 14;
const GCM_TAG_BYTES: usize = 16;

/// What both sides agreed on, and what all keys are derived from (the key with its salt of RFC 3711 §3.2.1).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Secret {
    suite: Suite,
    bytes: [u8; SECRET_BYTES_MAX],
}

impl Secret {
    /// A suite's key and salt, one after the other; `None` unless they have the suite's length.
    pub fn new(suite: Suite, key_and_salt: &[u8]) -> Option<Secret> {
        let mut bytes = [0; SECRET_BYTES_MAX];
        let fits = key_and_salt.len() == suite.secret_bytes();
        bytes.get_mut(..key_and_salt.len()).filter(|_| fits)?.copy_from_slice(key_and_salt);
        Some(Secret { suite, bytes })
    }

    /// What it is a key of.
    pub fn suite(&self) -> Suite {
        self.suite
    }

    /// Key and salt, one after the other.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.suite.secret_bytes()]
    }

    /// RFC 3711 §4.3.1, §4.3.3 with a derivation rate of 0: fills `out` with the key stream of a label. RFC 7714 §11: the salt
    /// of the AEAD suites is taken for one of 14 bytes whose last two are 0.
    pub fn derive(&self, label: u8, out: &mut [u8]) {
        let (key, salt) = self.bytes().split_at(self.suite.key_bytes());
        let mut start = [0; 16];
        start[..salt.len()].copy_from_slice(salt);
        start[7] ^= label;
        out.fill(0);
        match self.suite {
            Suite::AesCm128Sha80 | Suite::AesCm128Sha32 | Suite::AesGcm128 => {
                mix(&keyed::<Aes128Enc>(key), &start, out);
            }
            Suite::AesCm256Sha80 | Suite::AesGcm256 => mix(&keyed::<Aes256Enc>(key), &start, out),
        }
    }
}

impl core::fmt::Debug for Secret {
    /// Never shows the key.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Secret({})", self.suite.name())
    }
}

/// What seals and opens packets of one kind: keys that were derived (RFC 3711 §3.1). It knows nothing of numbers that were used.
#[derive(Clone)]
pub struct Keys {
    cipher: Cipher,
    salt: [u8; SALT_BYTES_MAX],
}

#[derive(Clone)]
enum Cipher {
    Cm128(Counter<Aes128Enc>),
    Cm256(Counter<Aes256Enc>),
    Gcm128(Aes128Gcm),
    Gcm256(Aes256Gcm),
}

impl Keys {
    /// The keys of RTP.
    pub(super) fn rtp(secret: &Secret) -> Keys {
        Keys::of(secret, RTP_LABELS, if secret.suite == Suite::AesCm128Sha32 { 4 } else { 10 })
    }

    /// The keys of RTCP. RFC 4568 §6.2.2: short tags are for RTP alone.
    pub(super) fn rtcp(secret: &Secret) -> Keys {
        Keys::of(secret, RTCP_LABELS, 10)
    }

    fn of(secret: &Secret, [cipher, tag, salt]: [u8; 3], tag_bytes: usize) -> Keys {
        let mut keys = [0; 32 + TAG_KEY_BYTES + SALT_BYTES_MAX];
        let (key, rest) = keys.split_at_mut(secret.suite.key_bytes());
        let (tag_key, rest) = rest.split_at_mut(TAG_KEY_BYTES);
        let salted = &mut rest[..secret.suite.salt_bytes()];
        for (label, out) in [(cipher, &mut *key), (tag, tag_key), (salt, salted)] {
            secret.derive(label, out);
        }
        Keys::new(secret.suite, (key, salted), tag_key, tag_bytes)
    }

    /// Keys of a suite that were derived already: of the cipher with its salt, and of the tags, which have so many bytes. The
    /// AEAD suites have tags of their own.
    ///
    /// # Panics
    /// Key or salt do not have their suite's length.
    pub fn new(suite: Suite, (key, salt): (&[u8], &[u8]), tag_key: &[u8], tag_bytes: usize) -> Keys {
        let mac = || Hmac::<Sha1>::new_from_slice(tag_key).expect("HMAC takes keys of any length");
        let cipher = match suite {
            Suite::AesCm128Sha80 | Suite::AesCm128Sha32 => {
                Cipher::Cm128(Counter { aes: keyed(key), mac: mac(), tag_bytes })
            }
            Suite::AesCm256Sha80 => Cipher::Cm256(Counter { aes: keyed(key), mac: mac(), tag_bytes }),
            Suite::AesGcm128 => Cipher::Gcm128(keyed(key)),
            Suite::AesGcm256 => Cipher::Gcm256(keyed(key)),
        };
        let mut salted = [0; SALT_BYTES_MAX];
        salted[..suite.salt_bytes()].copy_from_slice(salt);
        Keys { cipher, salt: salted }
    }

    /// Bytes of a tag.
    pub fn tag_bytes(&self) -> usize {
        match &self.cipher {
            Cipher::Cm128(cm) => cm.tag_bytes,
            Cipher::Cm256(cm) => cm.tag_bytes,
            Cipher::Gcm128(_) | Cipher::Gcm256(_) => GCM_TAG_BYTES,
        }
    }

    /// Seals a packet of this source and whole number: its header, what follows it, and the place for its tag.
    pub fn seal_rtp(&self, ssrc: u32, index: u64, (head, body): (&mut [u8], &mut [u8]), tag: &mut [u8]) {
        match &self.cipher {
            Cipher::Cm128(cm) => cm.seal(&self.counter(ssrc, index), (head, body), rollover(index), tag),
            Cipher::Cm256(cm) => cm.seal(&self.counter(ssrc, index), (head, body), rollover(index), tag),
            Cipher::Gcm128(gcm) => seal(gcm, &self.nonce(ssrc, index), head, body, tag),
            Cipher::Gcm256(gcm) => seal(gcm, &self.nonce(ssrc, index), head, body, tag),
        }
    }

    /// Opens a packet of this source and whole number: its header, what follows it, and its tag.
    ///
    /// # Errors
    /// The tag is wrong; the packet stays as it was.
    pub fn open_rtp(
        &self,
        ssrc: u32,
        index: u64,
        (head, body): (&mut [u8], &mut [u8]),
        tag: &[u8],
    ) -> Result<(), Refused> {
        match &self.cipher {
            Cipher::Cm128(cm) => cm.open(&self.counter(ssrc, index), (head, body), rollover(index), tag, true),
            Cipher::Cm256(cm) => cm.open(&self.counter(ssrc, index), (head, body), rollover(index), tag, true),
            Cipher::Gcm128(gcm) => open(gcm, &self.nonce(ssrc, index), head, body, tag),
            Cipher::Gcm256(gcm) => open(gcm, &self.nonce(ssrc, index), head, body, tag),
        }
    }

    /// The E bit and the number of a sealed RTCP packet. RFC 3711 §3.4: before the tag; RFC 7714 §9.2: behind it.
    pub fn number(&self, packet: &[u8], length: usize) -> u32 {
        match &self.cipher {
            Cipher::Cm128(_) | Cipher::Cm256(_) => word(&packet[length..]),
            Cipher::Gcm128(_) | Cipher::Gcm256(_) => word(&packet[length + GCM_TAG_BYTES..]),
        }
    }

    /// Seals an RTCP packet of `length` bytes; `packet` is as long as the sealed one.
    pub fn seal_rtcp(&self, ssrc: u32, index: u32, packet: &mut [u8], length: usize) {
        let (number, index) = ((ENCRYPTED | index).to_be_bytes(), u64::from(index));
        let (packet, end) = packet.split_at_mut(length);
        let (head, body) = packet.split_at_mut(RTCP_HEAD);
        let gcm_tag = end.len() - NUMBER_BYTES;
        match &self.cipher {
            Cipher::Cm128(cm) => cm.seal(&self.counter(ssrc, index), (head, body), number, &mut end[NUMBER_BYTES..]),
            Cipher::Cm256(cm) => cm.seal(&self.counter(ssrc, index), (head, body), number, &mut end[NUMBER_BYTES..]),
            Cipher::Gcm128(gcm) => {
                seal(gcm, &self.nonce(ssrc, index), &beside(head, number), body, &mut end[..gcm_tag]);
            }
            Cipher::Gcm256(gcm) => {
                seal(gcm, &self.nonce(ssrc, index), &beside(head, number), body, &mut end[..gcm_tag]);
            }
        }
        let place = if self.is_gcm() { gcm_tag } else { 0 };
        end[place..place + NUMBER_BYTES].copy_from_slice(&number);
    }

    /// Opens an RTCP packet that has `length` bytes without its end. One whose E bit is 0 is signed alone.
    ///
    /// # Errors
    /// The tag is wrong; the packet stays as it was.
    pub fn open_rtcp(&self, ssrc: u32, number: u32, packet: &mut [u8], length: usize) -> Result<(), Refused> {
        let (encrypted, index) = (number & ENCRYPTED != 0, u64::from(number & !ENCRYPTED));
        let number = number.to_be_bytes();
        match &self.cipher {
            Cipher::Cm128(cm) => cm.open_report(&self.counter(ssrc, index), number, packet, length, encrypted),
            Cipher::Cm256(cm) => cm.open_report(&self.counter(ssrc, index), number, packet, length, encrypted),
            Cipher::Gcm128(gcm) => open_report(gcm, &self.nonce(ssrc, index), number, packet, length, encrypted),
            Cipher::Gcm256(gcm) => open_report(gcm, &self.nonce(ssrc, index), number, packet, length, encrypted),
        }
    }

    fn is_gcm(&self) -> bool {
        matches!(self.cipher, Cipher::Gcm128(_) | Cipher::Gcm256(_))
    }

    /// RFC 3711 §4.1.1: where the key stream of a packet begins.
    fn counter(&self, ssrc: u32, index: u64) -> [u8; 16] {
        let mut counter = [0; 16];
        counter[..SALT_BYTES_MAX].copy_from_slice(&self.salt);
        xor(&mut counter[4..8], &ssrc.to_be_bytes());
        xor(&mut counter[8..14], &index.to_be_bytes()[2..]);
        counter
    }

    /// RFC 7714 §8.1 for RTP; §9.1 for RTCP is the same with a number of 31 bits.
    fn nonce(&self, ssrc: u32, index: u64) -> [u8; 12] {
        let mut nonce = [0; 12];
        nonce.copy_from_slice(&self.salt[..12]);
        xor(&mut nonce[2..6], &ssrc.to_be_bytes());
        xor(&mut nonce[6..12], &index.to_be_bytes()[2..]);
        nonce
    }
}

/// AES in counter mode with a tag by HMAC.
#[derive(Clone)]
struct Counter<C> {
    aes: C,
    mac: Hmac<Sha1>,
    tag_bytes: usize,
}

impl<C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16>> Counter<C> {
    /// Encrypts, then signs; `end` is signed behind the packet (RFC 3711 §4.2).
    fn seal(&self, start: &[u8; 16], (head, body): (&mut [u8], &mut [u8]), end: [u8; 4], tag: &mut [u8]) {
        mix(&self.aes, start, body);
        let mac = self.mac.clone().chain_update(head).chain_update(body).chain_update(end);
        tag.copy_from_slice(&mac.finalize().into_bytes()[..tag.len()]);
    }

    /// Verifies, in the same time whether the tag is right or not, then decrypts.
    fn open(
        &self,
        start: &[u8; 16],
        (head, body): (&mut [u8], &mut [u8]),
        end: [u8; 4],
        tag: &[u8],
        encrypted: bool,
    ) -> Result<(), Refused> {
        let mac = self.mac.clone().chain_update(head).chain_update(&*body).chain_update(end);
        mac.verify_truncated_left(tag).map_err(|_| Refused::Forged)?;
        if encrypted {
            mix(&self.aes, start, body);
        }
        Ok(())
    }

    fn open_report(
        &self,
        start: &[u8; 16],
        number: [u8; 4],
        packet: &mut [u8],
        length: usize,
        encrypted: bool,
    ) -> Result<(), Refused> {
        let (packet, end) = packet.split_at_mut(length);
        self.open(start, packet.split_at_mut(RTCP_HEAD), number, &end[NUMBER_BYTES..], encrypted)
    }
}

/// A cipher with this key.
fn keyed<C: KeyInit>(key: &[u8]) -> C {
    C::new_from_slice(key).expect("keys have their suite's length")
}

/// The key stream that begins at this counter, over these bytes.
fn mix<C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16>>(aes: &C, start: &[u8; 16], bytes: &mut [u8]) {
    let core = CtrCore::<&C, ctr::flavors::Ctr128BE>::inner_iv_init(aes, &Array::from(*start));
    StreamCipherCoreWrapper::from_core(core).apply_keystream(bytes);
}

/// RFC 3711 §4.2: the rollover counter is signed with the packet.
fn rollover(index: u64) -> [u8; 4] {
    ((index >> 16) as u32).to_be_bytes()
}

fn seal<A: AeadInOut<NonceSize = U12, TagSize = U16>>(
    gcm: &A,
    nonce: &[u8; 12],
    beside: &[u8],
    body: &mut [u8],
    tag: &mut [u8],
) {
    let whole = gcm
        .encrypt_inout_detached(&Array::from(*nonce), beside, body.into())
        .expect("a datagram is shorter than what GCM takes");
    tag.copy_from_slice(&whole);
}

fn open<A: AeadInOut<NonceSize = U12, TagSize = U16>>(
    gcm: &A,
    nonce: &[u8; 12],
    beside: &[u8],
    body: &mut [u8],
    tag: &[u8],
) -> Result<(), Refused> {
    let tag = Array::try_from(tag).map_err(|_| Refused::Forged)?;
    gcm.decrypt_inout_detached(&Array::from(*nonce), beside, body.into(), &tag).map_err(|_| Refused::Forged)
}

/// RFC 7714 §9.2, §9.3: the tag stands before the number. What is signed alone has the number behind it for that.
fn open_report<A: AeadInOut<NonceSize = U12, TagSize = U16>>(
    gcm: &A,
    nonce: &[u8; 12],
    number: [u8; 4],
    packet: &mut [u8],
    length: usize,
    encrypted: bool,
) -> Result<(), Refused> {
    if encrypted {
        let (packet, end) = packet.split_at_mut(length);
        let (head, body) = packet.split_at_mut(RTCP_HEAD);
        return open(gcm, nonce, &beside(head, number), body, &end[..GCM_TAG_BYTES]);
    }
    let mut tag = [0; GCM_TAG_BYTES];
    tag.copy_from_slice(&packet[length..length + GCM_TAG_BYTES]);
    packet[length..length + NUMBER_BYTES].copy_from_slice(&number);
    let opened = open(gcm, nonce, &packet[..length + NUMBER_BYTES], &mut [], &tag);
    packet[length..length + GCM_TAG_BYTES].copy_from_slice(&tag);
    opened
}

/// RFC 7714 §9.2: what is signed beside the encrypted part of an RTCP packet.
fn beside(head: &[u8], number: [u8; 4]) -> [u8; RTCP_HEAD + NUMBER_BYTES] {
    let mut beside = [0; RTCP_HEAD + NUMBER_BYTES];
    beside[..RTCP_HEAD].copy_from_slice(head);
    beside[RTCP_HEAD..].copy_from_slice(&number);
    beside
}

fn xor(bytes: &mut [u8], with: &[u8]) {
    bytes.iter_mut().zip(with).for_each(|(byte, with)| *byte ^= with);
}
