//! Signed identities of callers.

use call::stir::passport::{Claim, DEST_MAX, Signed, VALUE_BYTES_MAX, X5U_BYTES_MAX, read};
use units::WallTime;

/// Two that are sound, and parts of others.
pub fn seeds() -> Vec<Vec<u8>> {
    let claim = Claim {
        x5u: "https://cert.example.org/passport.cer",
        attest: cdr::Attest::Full,
        orig: b"12155550121",
        dest: b"12155550131",
        now: WallTime::from_micros(1_443_208_345_000_000),
        origid: [0x12; 16],
    };
    let value = claim.sign(|_| Some([7; 64])).expect("there is a key");
    let (token, params) = value.split_once(';').expect("it has parameters");
    let quoted = params.replace("alg=ES256", "alg=\"ES256\"").replace(";ppt", " ; PPT ");
    let all = [value.clone(), format!("{token};{quoted}"), token.to_owned(), format!("..;{params}")];
    all.into_iter().map(String::into_bytes).collect()
}

/// What can be read is bounded, and what we write of it is read as it was meant.
pub fn identity(bytes: &[u8]) {
    let Ok(signed) = read(bytes) else { return };
    assert!(signed.x5u.len() <= X5U_BYTES_MAX && signed.dest.len() <= DEST_MAX, "it is bounded");
    let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let dest = signed.dest.first().filter(|dest| plain(dest) && plain(&signed.orig));
    let Some(dest) = dest.filter(|_| !signed.x5u.contains(['"', '\\', '<', '>', ';'])) else { return };
    let now = WallTime::from_micros(signed.iat_s.clamp(0, 1 << 40) * 1_000_000);
    let claim = Claim {
        x5u: signed.x5u,
        attest: signed.attest,
        orig: signed.orig.as_bytes(),
        dest: dest.as_bytes(),
        now,
        origid: signed.origid,
    };
    let Some(value) = claim.sign(|_| Some(signed.signature)).filter(|_| signed.origid != [0; 16]) else { return };
    match read(value.as_bytes()) {
        Ok(again) => {
            let said =
                |of: &Signed<'_>| (of.attest, of.orig.clone(), of.dest.first().cloned(), of.origid, of.signature);
            assert_eq!(said(&again), said(&signed), "{value}");
        }
        Err(doubt) => assert!(value.len() > VALUE_BYTES_MAX, "{doubt:?}: {value}"),
    }
}
