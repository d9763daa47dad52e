//! Signalling policies: their column, their check, and the passwords in them, which are hashed here and kept nowhere.

use aws_lc_rs::encoding::AsBigEndian;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64ct::{Base64, Encoding};
use md5::Md5;
use rating::Rules;
use sha2::{Digest as _, Sha256};
use snapshot::policy::{Digest, Signer};
use snapshot::{Policy, PolicyFlaw, Side};

use crate::error::{Result, StoreError};
use crate::ledger::hex;
use crate::sql::Row;

/// Characters of a password at most.
const PASSWORD_CHARS_MAX: usize = 128;

/// Refuses what calls could not use, regular expressions included.
pub(crate) fn check(policy: &Policy, side: Side) -> Result<()> {
    policy.check(side).map_err(StoreError::Policy)?;
    Rules::compile(policy.clone()).map(drop).map_err(StoreError::Policy)
}

pub(crate) fn read(row: &Row) -> Result<Policy> {
    Policy::from_text(&row.text("policy")?).map_err(|flaw| StoreError::Broken(format!("column policy: {flaw}")))
}

/// Hashes a password and takes a private key apart where they were given; without, what stood before stays.
pub(crate) fn settle(policy: &mut Policy, before: Option<&Policy>) -> Result<()> {
    settle_signer(policy, before)?;
    settle_digest(policy, before)
}

fn settle_signer(policy: &mut Policy, before: Option<&Policy>) -> Result<()> {
    let Some(signer) = &mut policy.stir.signer else { return Ok(()) };
    let wrong = |why: &str| Err(StoreError::Policy(PolicyFlaw::new("stir.signer.private_key", why)));
    if !signer.private_key.is_empty() {
        let pem = core::mem::take(&mut signer.private_key);
        return match private_number(&pem) {
            Some(number) => {
                signer.private_number = hex(&number);
                Ok(())
            }
            None => wrong("is no private key of the curve P-256 in PEM"),
        };
    }
    match before.and_then(|policy| policy.stir.signer.as_ref()) {
        _ if !signer.private_number.is_empty() => Ok(()),
        Some(before) => {
            signer.private_number.clone_from(&before.private_number);
            Ok(())
        }
        None => wrong("is missing"),
    }
}

/// The number within a private key in PEM: PKCS #8, or SEC 1 (RFC 5915). Line ends may be missing, as they are where one was pasted.
fn private_number(pem: &str) -> Option<[u8; 32]> {
    let parts: Vec<&str> = pem.split("-----").collect();
    let head = parts.iter().position(|part| part.starts_with("BEGIN ") && part.ends_with("PRIVATE KEY"))?;
    let body: String = parts.get(head + 1)?.split_whitespace().collect();
    let der = Base64::decode_vec(&body).ok()?;
    let pair = EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_FIXED_SIGNING, &der).ok()?;
    let number = pair.private_key().as_be_bytes().ok()?;
    number.as_ref().try_into().ok()
}

fn settle_digest(policy: &mut Policy, before: Option<&Policy>) -> Result<()> {
    let Some(digest) = &mut policy.digest else { return Ok(()) };
    let before = before.and_then(|policy| policy.digest.as_ref());
    let wrong = |why: &str| Err(StoreError::Policy(PolicyFlaw::new("digest.password", why)));
    if digest.password.chars().count() > PASSWORD_CHARS_MAX || digest.password.chars().any(char::is_control) {
        return wrong("must have 1 to 128 printable characters");
    }
    if !digest.password.is_empty() {
        hash(digest);
        return Ok(());
    }
    if !digest.ha1_md5.is_empty() || !digest.ha1_sha256.is_empty() {
        return Ok(());
    }
    match before {
        None => wrong("is missing"),
        Some(before) if before.user != digest.user || before.realm != digest.realm => {
            wrong("is needed again when user or realm change")
        }
        Some(before) => {
            digest.ha1_md5.clone_from(&before.ha1_md5);
            digest.ha1_sha256.clone_from(&before.ha1_sha256);
            Ok(())
        }
    }
}

/// RFC 7616 §3.4.2: A1 is `user:realm:password`.
fn hash(digest: &mut Digest) {
    let a1 = format!("{}:{}:{}", digest.user, digest.realm, core::mem::take(&mut digest.password));
    digest.ha1_md5 = hex(&Md5::digest(&a1));
    digest.ha1_sha256 = hex(&Sha256::digest(&a1));
}

/// The policy as people may see it: with user and realm, without anything made of the password.
pub fn without_secrets(policy: &Policy) -> Policy {
    let mut shown = policy.clone();
    if let Some(Digest { password, ha1_md5, ha1_sha256, .. }) = &mut shown.digest {
        *password = String::new();
        *ha1_md5 = String::new();
        *ha1_sha256 = String::new();
    }
    if let Some(Signer { private_key, private_number, .. }) = &mut shown.stir.signer {
        *private_key = String::new();
        *private_number = String::new();
    }
    shown
}
