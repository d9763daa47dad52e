//! Signalling policies: their column, their check, and the passwords in them, which are hashed here and kept nowhere.

use md5::Md5;
use rating::Rules;
use sha2::{Digest as _, Sha256};
use snapshot::policy::Digest;
use snapshot::{Policy, PolicyFlaw, Side};

use crate::error::{Result, StoreError};
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

/// Hashes a password that was given; without one, the hashes that stood before stay.
pub(crate) fn settle(policy: &mut Policy, before: Option<&Policy>) -> Result<()> {
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

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The policy as people may see it: with user and realm, without anything made of the password.
pub fn without_secrets(policy: &Policy) -> Policy {
    let mut shown = policy.clone();
    if let Some(Digest { password, ha1_md5, ha1_sha256, .. }) = &mut shown.digest {
        *password = String::new();
        *ha1_md5 = String::new();
        *ha1_sha256 = String::new();
    }
    shown
}
