//! Digest access authentication (RFC 7616 with MD5, as SIP uses it: RFC 3261 §22) for both ends of a call.

use std::fmt::Write;

use md5::{Digest, Md5};

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

    /// The value of an Authorization header that answers this challenge; `None` if it is none that MD5 answers.
    pub fn answer(&self, challenge: &str, method: &str, uri: &str) -> Option<String> {
        let (realm, nonce) = (parameter(challenge, "realm")?, parameter(challenge, "nonce")?);
        let md5 = parameter(challenge, "algorithm").is_none_or(|name| name.eq_ignore_ascii_case("MD5"));
        if !md5 {
            return None;
        }
        let with_qop = parameter(challenge, "qop").is_some_and(|list| list.split(',').any(|one| one.trim() == "auth"));
        let count = if with_qop { "00000001:0a4f113b:auth" } else { "" };
        let proof = self.proof(realm, nonce, count, method, uri);
        let mut text = format!("Digest username=\"{}\",realm=\"{realm}\",nonce=\"{nonce}\",uri=\"{uri}\"", self.user);
        // Writing to a text cannot fail.
        let _ = write!(text, ",response=\"{proof}\",algorithm=MD5");
        if with_qop {
            text.push_str(",qop=auth,nc=00000001,cnonce=\"0a4f113b\"");
        }
        if let Some(opaque) = parameter(challenge, "opaque") {
            let _ = write!(text, ",opaque=\"{opaque}\"");
        }
        Some(text)
    }

    /// Whether this value of an Authorization header proves the name, to this nonce.
    pub fn proves(&self, value: &str, nonce: &str, method: &str) -> bool {
        let of = |name| parameter(value, name);
        let (Some(realm), Some(uri), Some(proof)) = (of("realm"), of("uri"), of("response")) else { return false };
        let count = match (of("nc"), of("cnonce"), of("qop")) {
            (Some(nc), Some(cnonce), Some(qop)) => format!("{nc}:{cnonce}:{qop}"),
            _ => String::new(),
        };
        let known = of("username") == Some(&self.user) && of("nonce") == Some(nonce);
        known && self.proof(realm, nonce, &count, method, uri) == proof
    }

    fn proof(&self, realm: &str, nonce: &str, count: &str, method: &str, uri: &str) -> String {
        let secret = hex(&format!("{}:{realm}:{}", self.user, self.password));
        let what = hex(&format!("{method}:{uri}"));
        let colon = if count.is_empty() { "" } else { ":" };
        hex(&format!("{secret}:{nonce}:{count}{colon}{what}"))
    }
}

fn hex(text: &str) -> String {
    Md5::digest(text.as_bytes()).iter().fold(String::with_capacity(32), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// A parameter of a challenge or an answer, without its quotes. Commas within quotes do not end it.
pub fn parameter<'a>(value: &'a str, name: &str) -> Option<&'a str> {
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
    fn the_example_of_rfc_2617_is_answered_and_believed() {
        let name = Name { user: "Mufasa".into(), password: "Circle Of Life".into() };
        let nonce = "dcd98b7102dd2f0e8b11d0f600bfb0c093";
        assert_eq!(
            name.proof("testrealm@host.com", nonce, "00000001:0a4f113b:auth", "GET", "/dir/index.html"),
            "6629fae49393a05397450978507c4ef1"
        );
        let challenge =
            format!("Digest realm=\"a,b\", nonce=\"{nonce}\", qop=\"auth,auth-int\", opaque=\"5c\", algorithm=MD5");
        let answer = name.answer(&challenge, "INVITE", "sip:44@127.0.0.1").expect("an answer");
        assert!(name.proves(&answer, nonce, "INVITE"), "{answer}");
        assert!(!name.proves(&answer, "another", "INVITE") && !name.proves(&answer, nonce, "BYE"));
        let other = Name { password: "x".into(), ..name.clone() };
        assert!(!other.proves(&answer, nonce, "INVITE"));
        assert_eq!(name.answer("Digest realm=\"a\", nonce=\"b\", algorithm=SHA-256", "INVITE", "sip:a"), None);
    }
}
