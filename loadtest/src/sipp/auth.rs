//! Digest access authentication (RFC 7616, RFC 8760): MD5 and SHA-256, as a scenario's `[authentication]` and `<verifyauth>` want it.

use std::fmt::Write;

use md5::{Digest, Md5};
use sha2::Sha256;

use crate::digest::parameter;

/// Who asks for what.
#[derive(Clone, Copy, Debug)]
pub struct Asking<'a> {
    /// The user.
    pub username: &'a str,
    /// The password.
    pub password: &'a str,
    /// The request's method.
    pub method: &'a str,
    /// The URI that is proved for.
    pub uri: &'a str,
    /// The request's body.
    pub body: &'a str,
    /// How often the nonce was used, from 1.
    pub count: u32,
}

/// The value of the header that answers this challenge; `None` if it is one that we cannot answer.
pub fn answer(challenge: &str, asking: &Asking<'_>) -> Option<String> {
    let of = |name| parameter(challenge, name);
    let (realm, nonce) = (of("realm")?, of("nonce")?);
    let algorithm = of("algorithm").unwrap_or("MD5");
    let offers = |wanted: &str| of("qop").is_some_and(|list| list.split(',').any(|one| one.trim() == wanted));
    let qop = if offers("auth") {
        "auth"
    } else if offers("auth-int") {
        "auth-int"
    } else {
        ""
    };
    let (count, cnonce) = (format!("{:08x}", asking.count), "6b8b4567");
    let proof = proof(algorithm, realm, nonce, (qop, &count, cnonce), asking)?;
    let Asking { username, uri, .. } = asking;
    let mut out = format!("Digest username=\"{username}\",realm=\"{realm}\"");
    if !qop.is_empty() {
        let _ = write!(out, ",cnonce=\"{cnonce}\",nc={count},qop={qop}");
    }
    let _ = write!(out, ",uri=\"{uri}\",nonce=\"{nonce}\",response=\"{proof}\",algorithm={algorithm}");
    if let Some(opaque) = of("opaque") {
        let _ = write!(out, ",opaque=\"{opaque}\"");
    }
    Some(out)
}

/// Whether a header's value proves that its sender knows the password. The nonce may be any: the scenario chose it.
pub fn proves(value: &str, asking: &Asking<'_>) -> bool {
    let of = |name| parameter(value, name);
    let (Some(realm), Some(nonce), Some(uri), Some(said)) = (of("realm"), of("nonce"), of("uri"), of("response"))
    else {
        return false;
    };
    let qop = (of("qop").unwrap_or(""), of("nc").unwrap_or(""), of("cnonce").unwrap_or(""));
    let asking = Asking { uri, ..*asking };
    let proof = proof(of("algorithm").unwrap_or("MD5"), realm, nonce, qop, &asking);
    of("username") == Some(asking.username) && proof.as_deref() == Some(said)
}

fn proof(
    algorithm: &str,
    realm: &str,
    nonce: &str,
    (qop, count, cnonce): (&str, &str, &str),
    asking: &Asking<'_>,
) -> Option<String> {
    let hash: fn(&str) -> String = match algorithm.to_ascii_uppercase().as_str() {
        "MD5" | "MD5-SESS" => |text| hex(&Md5::digest(text.as_bytes())),
        "SHA-256" | "SHA-256-SESS" => |text| hex(&Sha256::digest(text.as_bytes())),
        _ => return None,
    };
    let mut secret = hash(&format!("{}:{realm}:{}", asking.username, asking.password));
    if algorithm.to_ascii_uppercase().ends_with("-SESS") {
        secret = hash(&format!("{secret}:{nonce}:{cnonce}"));
    }
    let mut what = format!("{}:{}", asking.method, asking.uri);
    if qop == "auth-int" {
        let _ = write!(what, ":{}", hash(asking.body));
    }
    let what = hash(&what);
    Some(match qop {
        "" => hash(&format!("{secret}:{nonce}:{what}")),
        _ => hash(&format!("{secret}:{nonce}:{count}:{cnonce}:{qop}:{what}")),
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(64), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_rfc_7616_are_answered_and_believed() {
        let nonce = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v";
        let asking = Asking {
            username: "Mufasa",
            password: "Circle of Life",
            method: "GET",
            uri: "/dir/index.html",
            body: "",
            count: 1,
        };
        let cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
        for (algorithm, wanted) in [
            ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
            ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        ] {
            let found = proof(algorithm, "http-auth@example.org", nonce, ("auth", "00000001", cnonce), &asking);
            assert_eq!(found.as_deref(), Some(wanted));
            for qop in ["", ", qop=\"auth\"", ", qop=\"auth-int\""] {
                let challenge =
                    format!("Digest realm=\"a,b\", nonce=\"{nonce}\", algorithm={algorithm}{qop}, opaque=\"5\"");
                let said = answer(&challenge, &asking).expect("it is answered");
                assert!(proves(&said, &asking), "{said}");
                assert!(!proves(&said, &Asking { password: "x", ..asking }), "{said}");
            }
        }
        assert_eq!(answer("Digest realm=\"a\", nonce=\"b\", algorithm=SHA-512-256", &asking), None);
    }
}
