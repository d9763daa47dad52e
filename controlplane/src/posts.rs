//! POSTs of JSON to addresses that people entered: signed, never redirected, and into no private network that the machine's operator has not
//! allowed, whatever a name says at the moment of the POST.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;
use std::{fmt, io};

use base64ct::{Base64, Encoding};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};
use web::auth::Networks;

/// How long another server may take, its name and connection included.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// Tries under way at most, and of one target: a slow one delays nobody else.
const TRIES_AT_ONCE: usize = 32;
const TRIES_OF_TARGET: usize = 4;
/// "Gone": who answers so wants to hear nothing more (RFC 9110 §15.5.11; Standard Webhooks asks for it).
const GONE: u16 = 410;

/// Networks that are no part of the public internet (RFC 6890 and its registry), and such that carry an IPv4 address within.
const PRIVATE: [&str; 19] = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "::/96",
    "64:ff9b::/96",
    "64:ff9b:1::/48",
    "2001::/23",
    "2002::/16",
    "fc00::/7",
    "fe80::/10",
    "ff00::/8",
];

static NOT_PUBLIC: LazyLock<Networks> = LazyLock::new(|| Networks::read(&PRIVATE).expect("the table holds networks"));

/// Posts, as far as it may reach.
#[derive(Clone, Debug, Default)]
pub struct Posts {
    /// Private networks that it may reach too; `None`: none.
    allowed: Option<Networks>,
    /// The option that names them; `None`: `--posts-to`.
    option: Option<&'static str>,
}

/// Why a POST was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unposted {
    /// In words.
    pub why: String,
    /// The other server wants to hear nothing more.
    pub gone: bool,
}

impl fmt::Display for Unposted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl std::error::Error for Unposted {}

impl Posts {
    /// Public addresses, and these private networks.
    pub fn to(allowed: &[String]) -> Result<Posts, String> {
        let read = Networks::read(allowed).map_err(|(_, why)| why)?;
        Ok(Posts { allowed: (!allowed.is_empty()).then_some(read), option: None })
    }

    /// The same, for what another option names.
    pub fn named_by(self, option: &'static str) -> Posts {
        Posts { option: Some(option), ..self }
    }

    /// Whether it may post there.
    pub fn reaches(&self, to: IpAddr) -> bool {
        let allowed = self.allowed.as_ref().is_some_and(|allowed| allowed.hold(Some(to)));
        allowed || !NOT_PUBLIC.hold(Some(to))
    }

    /// Posts once. The headers are those of Standard Webhooks: the id is the same at every try, the moment is that of the try.
    pub async fn post(&self, url: &str, id: &str, body: String, secret: Option<&[u8]>) -> Result<(), Unposted> {
        let at = jiff::Timestamp::now().as_second().to_string();
        let signature = secret.map(|secret| signature(secret, id, &at, &body));
        let (posts, url, id) = (self.clone(), url.to_owned(), id.to_owned());
        let sent = tokio::task::spawn_blocking(move || {
            let agent = posts.agent(ANSWER_MAX, false, None)?;
            let request = agent.post(&url).header("content-type", "application/json").header("webhook-id", &id);
            let request = request.header("webhook-timestamp", &at);
            let request = match &signature {
                Some(signature) => request.header("webhook-signature", signature),
                None => request,
            };
            request.send(body).map(|answer| answer.status().as_u16())
        });
        let unposted = |why: String, gone| Unposted { why, gone };
        match sent.await {
            // A redirection is not followed: where it leads, nobody entered.
            Ok(Ok(200..=299)) => Ok(()),
            Ok(Ok(status) | Err(ureq::Error::StatusCode(status))) => {
                Err(unposted(format!("the POST was answered with {status}"), status == GONE))
            }
            Ok(Err(flaw)) => Err(unposted(format!("the POST was not taken: {flaw}"), false)),
            Err(flaw) => Err(unposted(format!("the POST broke off: {flaw}"), false)),
        }
    }

    /// What makes the connections: within `patience` for all of an exchange, and if asked to `named` networks alone. By https it believes the authorities
    /// in this file; those of the web without one.
    ///
    /// # Errors
    /// The file cannot be read, or no certificate stands in it.
    pub(crate) fn agent(&self, patience: Duration, named: bool, ca: Option<&Path>) -> io::Result<ureq::Agent> {
        // By no proxy of the environment: it would resolve the name anew, where nobody looks at what comes of it.
        let settings = ureq::Agent::config_builder().timeout_global(Some(patience)).max_redirects(0).proxy(None);
        let settings = settings.tls_config(files::tls(ca)?).build();
        let names = Guarded { names: DefaultResolver::default(), posts: self.clone(), named };
        Ok(ureq::Agent::with_parts(settings, DefaultConnector::default(), names))
    }
}

/// `v1,` and the HMAC-SHA256 of id, moment and body in base64 (Standard Webhooks 1.0.0, symmetric scheme).
pub fn signature(secret: &[u8], id: &str, at: &str, body: &str) -> String {
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(secret).expect("HMAC takes keys of every length");
    mac.update(format!("{id}.{at}.{body}").as_bytes());
    format!("v1,{}", Base64::encode_string(&mac.finalize().into_bytes()))
}

/// Names as the system resolves them, where all that a name stands for may be reached. The connection goes to what was looked at here.
#[derive(Debug)]
struct Guarded {
    names: DefaultResolver,
    posts: Posts,
    /// Not even public addresses, unless they are named.
    named: bool,
}

impl Resolver for Guarded {
    fn resolve(
        &self,
        uri: &ureq::http::Uri,
        settings: &ureq::config::Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let found = self.names.resolve(uri, settings, timeout)?;
        let named = |to: IpAddr| self.posts.allowed.as_ref().is_some_and(|allowed| allowed.hold(Some(to)));
        let reaches = |to: IpAddr| if self.named { named(to) } else { self.posts.reaches(to) };
        match found.iter().find(|to| !reaches(to.ip())) {
            None => Ok(found),
            Some(to) => {
                let (to, option) = (to.ip().to_canonical(), self.posts.option.unwrap_or("--posts-to"));
                let why = match self.named {
                    true => format!("{to} is reached by https alone: {option} does not name it"),
                    false => format!("{to} is a private address, which {option} does not name"),
                };
                Err(ureq::Error::Other(why.into()))
            }
        }
    }
}

/// Tries under way, by target.
#[derive(Clone, Debug, Default)]
pub struct Room(Arc<Mutex<HashMap<String, usize>>>);

/// Tries that are about to begin, beside those under way.
#[derive(Debug)]
pub struct Planned(HashMap<String, usize>);

impl Room {
    /// What is under way, to plan with.
    pub fn plan(&self) -> Planned {
        Planned(self.0.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    /// One more try of this target begins.
    pub fn begin(&self, target: &str) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(target.to_owned()).or_default() += 1;
    }

    /// It has ended.
    pub fn end(&self, target: &str) {
        let mut busy = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = busy.get_mut(target) {
            *own -= 1;
            if *own == 0 {
                busy.remove(target);
            }
        }
    }
}

impl Planned {
    /// Plans one more try of this target if there is room for it.
    pub fn has_room(&mut self, target: &str) -> bool {
        let all: usize = self.0.values().sum();
        let own = self.0.entry(target.to_owned()).or_default();
        let room = all < TRIES_AT_ONCE && *own < TRIES_OF_TARGET;
        *own += usize::from(room);
        room
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, TcpListener};

    use super::{Posts, Room};

    #[test]
    fn private_networks_are_reached_only_where_the_operator_says_so() {
        let (public, lab) = (Posts::default(), Posts::to(&["10.1.0.0/16".into(), "::1".into()]).expect("networks"));
        let rows = [
            ("192.0.2.7", true, true),
            ("2001:db8::1", true, true),
            ("10.1.2.3", false, true),
            ("::ffff:10.1.2.3", false, true),
            ("10.2.0.1", false, false),
            ("127.0.0.1", false, false),
            ("::ffff:127.0.0.1", false, false),
            ("::1", false, true),
            ("::7f00:1", false, false),
            ("64:ff9b::7f00:1", false, false),
            ("2002:7f00:1::", false, false),
            ("169.254.169.254", false, false),
            ("0.0.0.0", false, false),
            ("fd00::1", false, false),
            ("fe80::1", false, false),
            ("255.255.255.255", false, false),
        ];
        for (to, by_default, in_the_lab) in rows {
            let to: IpAddr = to.parse().expect("an address");
            assert_eq!((public.reaches(to), lab.reaches(to)), (by_default, in_the_lab), "{to}");
        }
        assert!(Posts::to(&["10.0.0.1/8".into()]).is_err());
    }

    #[tokio::test]
    async fn nothing_is_sent_to_an_address_that_may_not_be_reached_whatever_its_name() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("it is a socket");
        let port = listener.local_addr().expect("it is bound").port();
        for host in ["127.0.0.1", "localhost", "2130706433", "[::ffff:127.0.0.1]"] {
            let refused = Posts::default().post(&format!("http://{host}:{port}/"), "e", "{}".into(), None).await;
            let refused = refused.expect_err(host);
            assert!(!refused.gone && refused.why.contains("--posts-to"), "{host}: {refused}");
        }
        assert!(listener.accept().is_err(), "nobody came");
    }

    #[test]
    fn a_target_has_a_part_of_the_room() {
        let room = Room::default();
        let mut planned = room.plan();
        assert_eq!((0..9).filter(|_| planned.has_room("slow")).count(), 4);
        assert!(planned.has_room("other"));
        for _ in 0..4 {
            room.begin("slow");
        }
        assert!(!room.plan().has_room("slow"));
        room.end("slow");
        assert!(room.plan().has_room("slow"));
    }
}
