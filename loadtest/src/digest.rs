//! Digest access authentication (RFC 7616, RFC 8760; as SIP uses it: RFC 3261 §22) with MD5 and SHA-256, for callers, terminators and
//! SIPp's scenarios.

use std::fmt::Write;

use md5::{Digest, Md5};
use sha2::Sha256;

/// Who proves to be who: `user:password` of a specification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// The user.
    pub user: String,
    /// The password.
    pub password: String,
}

impl Name {
    /// Reads `user:password`.
    pub fn read(text: &str) -> Result<Name, String> {
        let (user, password) = text.split_once(':').ok_or_else(|| format!("'{text}': want user:password"))?;
        let plain = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"');
        if !plain(user) || !plain(password) {
            return Err(format!("'{text}': user and password are printed characters without quotes"));
        }
        Ok(Name { user: user.into(), password: password.into() })
    }

    fn asking<'a>(&'a self, method: &'a str, uri: &'a str) -> Asking<'a> {
        Asking { username: &self.user, password: &self.password, method, uri, body: None, count: 1 }
    }

    /// The value of an Authorization header that answers this challenge; `None` if it is none that we answer.
    pub fn answer(&self, challenge: &str, method: &str, uri: &str) -> Option<String> {
        self.asking(method, uri).answer(challenge)
    }

    /// Whether this value of an Authorization header proves the name, to this nonce.
    pub fn proves(&self, value: &str, nonce: &str, method: &str) -> bool {
        parameter(value, "nonce") == Some(nonce) && self.asking(method, "").proven(value)
    }
}

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
    /// The request's body; without one, it is not vouched for (`auth-int`).
    pub body: Option<&'a str>,
    /// How often the nonce was used, from 1.
    pub count: u32,
}

impl Asking<'_> {
    /// The value of the header that answers this challenge; `None` if it is one that we cannot answer.
    pub fn answer(&self, challenge: &str) -> Option<String> {
        let of = |name| parameter(challenge, name);
        let (realm, nonce) = (of("realm")?, of("nonce")?);
        let algorithm = of("algorithm").unwrap_or("MD5");
        let offers = |wanted: &str| of("qop").is_some_and(|list| list.split(',').any(|one| one.trim() == wanted));
        let qop = match (offers("auth"), offers("auth-int") && self.body.is_some()) {
            (true, _) => "auth",
            (false, true) => "auth-int",
            (false, false) => "",
        };
        let (count, cnonce) = (format!("{:08x}", self.count), "6b8b4567");
        let proof = self.proof(algorithm, realm, nonce, (qop, &count, cnonce))?;
        let Asking { username, uri, .. } = self;
        let mut out = format!("Digest username=\"{username}\",realm=\"{realm}\"");
        if !qop.is_empty() {
            // Writing to a text cannot fail.
            let _ = write!(out, ",cnonce=\"{cnonce}\",nc={count},qop={qop}");
        }
        let _ = write!(out, ",uri=\"{uri}\",nonce=\"{nonce}\",response=\"{proof}\",algorithm={algorithm}");
        if let Some(opaque) = of("opaque") {
            let _ = write!(out, ",opaque=\"{opaque}\"");
        }
        Some(out)
    }

    /// Whether a header's value proves that its sender knows the password. Its nonce may be any, and so may its URI.
    pub fn proven(&self, value: &str) -> bool {
        let of = |name| parameter(value, name);
        let (Some(realm), Some(nonce), Some(uri), Some(said)) = (of("realm"), of("nonce"), of("uri"), of("response"))
        else {
            return false;
        };
        let qop = (of("qop").unwrap_or(""), of("nc").unwrap_or(""), of("cnonce").unwrap_or(""));
        let proof = Asking { uri, ..*self }.proof(of("algorithm").unwrap_or("MD5"), realm, nonce, qop);
        of("username") == Some(self.username) && proof.as_deref() == Some(said)
    }

    fn proof(&self, algorithm: &str, realm: &str, nonce: &str, qop: (&str, &str, &str)) -> Option<String> {
        let (qop, count, cnonce) = qop;
        let algorithm = algorithm.to_ascii_uppercase();
        let (hash, per_nonce): (fn(&str) -> String, bool) = match algorithm.as_str() {
            "MD5" => (hex::<Md5>, false),
            "MD5-SESS" => (hex::<Md5>, true),
            "SHA-256" => (hex::<Sha256>, false),
            "SHA-256-SESS" => (hex::<Sha256>, true),
            _ => return None,
        };
        let mut secret = hash(&format!("{}:{realm}:{}", self.username, self.password));
        if per_nonce {
            secret = hash(&format!("{secret}:{nonce}:{cnonce}"));
        }
        let mut what = format!("{}:{}", self.method, self.uri);
        if qop == "auth-int" {
            let _ = write!(what, ":{}", hash(self.body?));
        }
        let what = hash(&what);
        Some(match qop {
            "" => hash(&format!("{secret}:{nonce}:{what}")),
            _ => hash(&format!("{secret}:{nonce}:{count}:{cnonce}:{qop}:{what}")),
        })
    }
}

fn hex<Hash: Digest>(text: &str) -> String {
    Hash::digest(text.as_bytes()).iter().fold(String::with_capacity(64), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// A parameter of a challenge or an answer, without its quotes. Commas within quotes do not end it.
fn parameter<'a>(value: &'a str, name: &str) -> Option<&'a str> {
    let mut rest = value.trim_start().strip_prefix("Digest")?;
    loop {
        rest = rest.trim_start_matches([' ', ',']);
        let (key, after) = rest.split_once('=')?;
        let (found, next) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => after.split_once(',').unwrap_or((after, "")),
        };
        if key.trim().eq_ignore_ascii_case(name) {
            return Some(found.trim());
        }
        rest = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_proved_to_its_nonce_only() {
        let name = Name { user: "Mufasa".into(), password: "Circle Of Life".into() };
        let challenge = "Digest realm=\"a,b\", nonce=\"dcd9\", qop=\"auth,auth-int\", opaque=\"5c\", algorithm=MD5";
        let answer = name.answer(challenge, "INVITE", "sip:44@127.0.0.1").expect("an answer");
        assert!(name.proves(&answer, "dcd9", "INVITE"), "{answer}");
        assert!(!name.proves(&answer, "another", "INVITE") && !name.proves(&answer, "dcd9", "BYE"));
        let other = Name { password: "x".into(), ..name.clone() };
        assert!(!other.proves(&answer, "dcd9", "INVITE"));
        assert_eq!(name.answer("Digest realm=\"a\", nonce=\"b\", algorithm=SHA-512-256", "INVITE", "sip:a"), None);
    }

    #[test]
    fn the_examples_of_rfc_7616_are_answered_and_believed() {
        let nonce = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v";
        let asking = Asking {
            username: "Mufasa",
            password: "Circle of Life",
            method: "GET",
            uri: "/dir/index.html",
            body: Some(""),
            count: 1,
        };
        let cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
        for (algorithm, wanted) in [
            ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
            ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        ] {
            let found = asking.proof(algorithm, "http-auth@example.org", nonce, ("auth", "00000001", cnonce));
            assert_eq!(found.as_deref(), Some(wanted));
            for qop in ["", ", qop=\"auth\"", ", qop=\"auth-int\""] {
                let challenge =
                    format!("Digest realm=\"a,b\", nonce=\"{nonce}\", algorithm={algorithm}{qop}, opaque=\"5\"");
                let said = asking.answer(&challenge).expect("it is answered");
                assert!(asking.proven(&said), "{said}");
                assert!(!Asking { password: "x", ..asking }.proven(&said), "{said}");
            }
        }
    }
}
