//! The second factor of a log-in: codes of an authenticator (RFC 6238), each good once, and recovery codes for the day on which it is lost.

use std::fmt;

use qrcode::QrCode;
use qrcode::render::svg;
use rand::TryRngCore;
use store::Store;
use totp_rs::{Builder, Secret, Totp, TotpError};

use super::secret::hash;
use crate::value::Time;

/// Recovery codes that are made together.
pub const RECOVERY_CODES: usize = 10;
/// Bytes of what codes are made from (RFC 4226 §4 recommends 160 bits).
const SECRET_BYTES: usize = 20;
/// Bytes of a recovery code: so many random bits that a fast hash keeps them.
const RECOVERY_BYTES: usize = 10;
/// Characters of a recovery code in base32.
const RECOVERY_CHARS: usize = RECOVERY_BYTES * 8 / 5;
/// Digits of a code.
const CODE_DIGITS: usize = 6;
/// What an authenticator calls us.
const ISSUER: &str = "Tandem";

/// What an authenticator is told, shown once.
#[derive(Clone)]
pub struct Enrolment {
    /// For typing: base32.
    pub secret: String,
    /// The same as a URI, `otpauth://totp/…`.
    pub uri: String,
    /// The URI as a QR code: an SVG picture.
    pub qr_svg: String,
}

impl fmt::Debug for Enrolment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Enrolment(..)")
    }
}

/// Draws what a user's codes are to be made from.
pub fn draw() -> Vec<u8> {
    random(SECRET_BYTES)
}

/// What the authenticator of this user is told. The error says why there is no picture of it.
pub fn enrolment(user: &str, secret: &[u8]) -> Result<Enrolment, String> {
    let codes = of(user, secret).map_err(|flaw| flaw.to_string())?;
    let uri = codes.to_url().map_err(|flaw| flaw.to_string())?;
    let picture = QrCode::new(uri.as_bytes()).map_err(|flaw| flaw.to_string())?;
    let qr_svg = picture.render::<svg::Color<'_>>().min_dimensions(220, 220).build();
    Ok(Enrolment { secret: Secret::from(secret).to_base32(), uri, qr_svg })
}

/// The step of 30 s whose code this is: the present one, or the one before or after (RFC 6238 §5.2).
pub fn step_of(secret: &[u8], code: &str, at_s: u64) -> Option<u64> {
    let digits = plain(code);
    let is_code = digits.len() == CODE_DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !is_code {
        return None;
    }
    of("user", secret).ok()?.check(&digits, at_s)
}

/// The step of a code at this moment.
pub fn step_now(secret: &[u8], code: &str) -> Option<u64> {
    step_of(secret, code, u64::try_from(Time::now().micros() / 1_000_000).ok()?)
}

/// Draws recovery codes: for showing once, and as they are kept.
pub fn draw_recovery_codes() -> (Vec<String>, Vec<[u8; 32]>) {
    let draw = || {
        let text = Secret::from(random(RECOVERY_BYTES)).to_base32().to_lowercase();
        let shown: Vec<&str> = [0, 4, 8, 12].iter().filter_map(|from| text.get(*from..from + 4)).collect();
        (shown.join("-"), hash(&text))
    };
    (0..RECOVERY_CODES).map(|_| draw()).unzip()
}

/// Takes a code of this user, of the authenticator or for recovery: true once.
pub async fn take(store: &Store, user: u32, code: &str) -> store::Result<bool> {
    let Some(factor) = store.second_factor(user).await?.filter(|factor| factor.proved.is_some()) else {
        return Ok(false);
    };
    if let Some(step) = step_now(&factor.secret, code) {
        return store.take_step(user, step).await;
    }
    let text = plain(code);
    Ok(text.len() == RECOVERY_CHARS && store.take_recovery_code(user, &hash(&text)).await?)
}

/// As people type them: with spaces, hyphens and capitals.
fn plain(code: &str) -> String {
    let code = code.chars().filter(|c| !c.is_whitespace() && *c != '-').take(RECOVERY_CHARS + 1);
    code.flat_map(char::to_lowercase).collect()
}

fn of(user: &str, secret: &[u8]) -> Result<Totp, TotpError> {
    // As every authenticator has it: SHA-1, six digits, 30 s, one step to either side.
    Builder::new().with_secret(secret).with_issuer(Some(ISSUER)).with_account_name(user).build()
}

fn random(bytes: usize) -> Vec<u8> {
    let mut drawn = vec![0; bytes];
    rand::rngs::OsRng.try_fill_bytes(&mut drawn).expect("the operating system gives random bytes");
    drawn
}

#[cfg(test)]
mod tests {
    use super::{RECOVERY_CODES, draw_recovery_codes, enrolment, plain, step_of};
    use crate::auth::hash;

    /// RFC 6238, appendix B: the secret of its SHA-1 rows.
    const RFC: &[u8] = b"12345678901234567890";

    #[test]
    fn codes_are_those_of_the_rfc() {
        // Appendix B, mode SHA1; its codes have eight digits, of which the last six are the code of six digits (RFC 4226 §5.3).
        let rows = [
            (1_111_111_109, "07081804"),
            (1_111_111_111, "14050471"),
            (1_234_567_890, "89005924"),
            (2_000_000_000, "69279037"),
            (20_000_000_000, "65353130"),
        ];
        for (at_s, code) in rows {
            let step = at_s / 30;
            let (code, other) = (&code[2..], "000000");
            assert_eq!(step_of(RFC, code, at_s), Some(step), "{at_s}");
            assert_eq!(step_of(RFC, &format!(" {}-{} ", &code[..3], &code[3..]), at_s), Some(step));
            for (from_now_s, wanted) in [(-60, None), (-30, Some(step)), (30, Some(step)), (60, None)] {
                assert_eq!(step_of(RFC, code, at_s.saturating_add_signed(from_now_s)), wanted, "{at_s} {from_now_s}");
            }
            assert_eq!(step_of(RFC, other, at_s), None);
        }
        for odd in ["", "8180", "0708180", "07081804", "+81804", "０８１８０４"] {
            assert_eq!(step_of(RFC, odd, 1_111_111_109), None, "{odd:?}");
        }
    }

    #[test]
    fn an_authenticator_is_told_who_and_what() {
        let told = enrolment("anna@example.net", RFC).expect("it fits into a picture");
        // RFC 4648 base32 of the RFC's secret, as its readers print it.
        assert_eq!(told.secret, "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        assert!(told.uri.starts_with("otpauth://totp/Tandem:anna"), "{}", told.uri);
        assert!(told.uri.contains("secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ") && told.uri.contains("issuer=Tandem"));
        assert!(told.qr_svg.contains("<svg") && !told.qr_svg.contains("<script"));
        assert_eq!(format!("{told:?}"), "Enrolment(..)");
    }

    #[test]
    fn recovery_codes_are_kept_by_the_hash_of_what_is_typed() {
        let (shown, kept) = draw_recovery_codes();
        assert_eq!((shown.len(), kept.len()), (RECOVERY_CODES, RECOVERY_CODES));
        for (code, kept) in shown.iter().zip(&kept) {
            assert!(code.len() == 19 && code.split('-').all(|part| part.len() == 4), "{code}");
            assert_eq!(hash(&plain(&code.to_uppercase().replace('-', " "))), *kept);
        }
        assert_ne!(shown[0], shown[1]);
    }
}
