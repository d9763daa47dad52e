//! Differential test: where rsip and we both accept a message, we must read the same things out of it.

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use rsip::prelude::*;
use sip::parse;

/// What both must agree on.
#[derive(Debug, PartialEq)]
struct Reading {
    method: String,
    /// In lower case: rsip prints the scheme anew.
    uri: String,
    call_id: String,
    cseq: (u32, String),
    tags: (Option<String>, Option<String>),
    branch: Option<String>,
    body: Vec<u8>,
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn ours(bytes: &[u8]) -> Option<Reading> {
    let message = parse::message(bytes).ok()?;
    let (method, uri) = match message.start() {
        sip::Start::Request { method_text, uri, .. } => (text(method_text), text(uri).to_ascii_lowercase()),
        sip::Start::Response { status, .. } => (status.to_string(), String::new()),
    };
    let branch = message.via().branch;
    Some(Reading {
        method,
        uri,
        call_id: text(message.call_id()),
        cseq: (message.cseq().number, text(message.cseq().method_text)),
        tags: (message.from().tag().map(text), message.to().tag().map(text)),
        branch: (!branch.is_empty()).then(|| text(branch)),
        body: message.body().to_vec(),
    })
}

fn theirs(bytes: &[u8]) -> Option<Reading> {
    let message = rsip::SipMessage::try_from(bytes).ok()?;
    let (method, uri) = match &message {
        rsip::SipMessage::Request(request) => {
            (request.method().to_string(), request.uri().to_string().to_ascii_lowercase())
        }
        rsip::SipMessage::Response(response) => (response.status_code().code().to_string(), String::new()),
    };
    let cseq = message.cseq_header().ok()?.typed().ok()?;
    let via = message.via_header().ok()?.typed().ok()?;
    Some(Reading {
        method,
        uri,
        call_id: message.call_id_header().ok()?.value().trim().to_string(),
        cseq: (cseq.seq, cseq.method.to_string()),
        tags: (
            message.from_header().ok()?.typed().ok()?.tag().map(|tag| tag.value().to_string()),
            message.to_header().ok()?.typed().ok()?.tag().map(|tag| tag.value().to_string()),
        ),
        branch: via.branch().map(|branch| branch.value().to_string()),
        body: message.body().clone(),
    })
}

fn token() -> impl Strategy<Value = String> {
    "[A-Za-z0-9][A-Za-z0-9.-]{0,12}"
}

fn uri() -> impl Strategy<Value = String> {
    (prop_oneof!["sip", "sips"], "[+]?[0-9]{1,15}", "[a-z]{1,8}\\.example\\.(com|net)", prop::option::of(1u16..))
        .prop_map(|(scheme, user, host, port)| match port {
            Some(port) => format!("{scheme}:{user}@{host}:{port}"),
            None => format!("{scheme}:{user}@{host}"),
        })
}

prop_compose! {
    fn address()(display in prop::option::of("[A-Za-z]{1,8}( [A-Za-z]{1,8})?"), quoted: bool, uri in uri(),
                 tag in prop::option::of(token())) -> String {
        let tag = tag.map_or(String::new(), |tag| format!(";tag={tag}"));
        match display {
            Some(display) if quoted => format!("\"{display}\" <{uri}>{tag}"),
            Some(display) => format!("{display} <{uri}>{tag}"),
            None => format!("<{uri}>{tag}"),
        }
    }
}

prop_compose! {
    fn extra()(name in prop_oneof![Just("Contact"), Just("Max-Forwards"), Just("User-Agent"), Just("X-Note")],
               value in 1u8..) -> String {
        if name == "Contact" { format!("Contact: <sip:{value}@192.0.2.1>\r\n") } else { format!("{name}: {value}\r\n") }
    }
}

prop_compose! {
    fn message()(
        line in prop_oneof![
            (prop_oneof!["INVITE", "BYE", "OPTIONS", "ACK", "CANCEL", "UPDATE"], uri())
                .prop_map(|(method, uri)| (format!("{method} {uri} SIP/2.0"), method)),
            (100u16..=606, prop_oneof!["INVITE", "BYE"]).prop_map(|(status, method)| (format!("SIP/2.0 {status} Text"), method)),
        ],
        from in address(), to in address(), call_id in "[a-z0-9]{1,20}(@[a-z0-9.]{1,10})?", number in 0u32..1 << 31,
        branch in token(), host in "(10\\.0\\.0\\.[1-9]|[a-z]{1,8}\\.example)", port in prop::option::of(1u16..), rport: bool,
        second_via: bool, extras in prop::collection::btree_set(extra(), 0..3),
        body in prop_oneof![Just(String::new()), "v=0\r\n[ -~]{0,40}\r\n"], gap in " {0,2}",
    ) -> String {
        let port = port.map_or(String::new(), |port| format!(":{port}"));
        let rport = if rport { ";rport" } else { "" };
        let lower = if second_via { "Via: SIP/2.0/UDP lower.example;branch=z9hG4bKlower\r\n" } else { "" };
        let mut names = Vec::new();
        let extras: String = extras.into_iter().filter(|line| {
            let name = line.split(':').next().unwrap_or("").to_string();
            let is_first = !names.contains(&name);
            names.push(name);
            is_first
        }).collect();
        format!(
            "{}\r\nVia:{gap}SIP/2.0/UDP {host}{port};branch=z9hG4bK{branch}{rport}\r\n{lower}From:{gap}{from}\r\nTo: {to}\r\n\
             Call-ID:{gap}{call_id}\r\nCSeq: {number} {}\r\n{extras}Content-Length: {}\r\n\r\n{body}",
            line.0, line.1, body.len()
        )
    }
}

/// One small wound: a byte changed, taken out, put in, or a piece doubled.
fn wound(bytes: &mut Vec<u8>, kind: u8, at: usize, byte: u8) {
    let at = at % bytes.len();
    match kind % 5 {
        0 => bytes[at] = byte,
        1 => {
            bytes.remove(at);
        }
        2 => bytes.insert(at, byte),
        3 => {
            let end = (at + 1 + usize::from(byte)).min(bytes.len());
            let piece = bytes[at..end].to_vec();
            bytes.splice(at..at, piece);
        }
        _ => bytes.truncate(at + 1),
    }
}

/// Where the two differ and the RFC is on our side.
fn excused(bytes: &[u8]) -> bool {
    // rsip cuts no body at Content-Length, does not know folds, compact names or lists of Via, and does not look at quotes.
    // It reads tags and parameters of Via up to the first character of no token, and drops what follows.
    let Ok(message) = parse::message(bytes) else { return true };
    let head = &bytes[..message.text().len() - message.body().len()];
    let via = message.via().text;
    let mut params =
        via.split(|byte| *byte == b';').skip(1).filter_map(|param| param.splitn(2, |byte| *byte == b'=').nth(1));
    if params.any(|value| !sip::lex::is_token(value)) {
        return true;
    }
    let names = [Some(message.via().branch), message.from().tag(), message.to().tag()];
    if names.into_iter().flatten().any(|name| !sip::lex::is_token(name)) {
        return true;
    }
    // RFC 3261 §25.1, SEMI and EQUAL: white space may stand around both; rsip takes it for a part of the name.
    let spaced = |part: &[u8]| part.contains(&b'\t') || matches!(part, b" ;" | b"; " | b" =" | b"= " | b" :");
    message.text().len() != bytes.len()
        || head.windows(2).any(spaced)
        || head.windows(3).any(|part| matches!(part, b"\r\n " | b"\r\n\t"))
        || message.all().any(|(text, _, _)| text.len() == 1)
        || head.contains(&b'"')
        || head.starts_with(b"\r\n")
}

/// The same run each time; `PROPTEST_RNG_SEED` asks for another one.
fn seeded(cases: u32) -> ProptestConfig {
    let mut config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    if matches!(config.rng_seed, RngSeed::Random) {
        config.rng_seed = RngSeed::Fixed(1);
    }
    config
}

proptest! {
    #![proptest_config(seeded(4_000))]

    #[test]
    fn a_good_message_is_read_alike(message in message()) {
        let bytes = message.as_bytes();
        let ours = ours(bytes);
        prop_assert!(ours.is_some(), "{:?}: {}", parse::message(bytes).err(), message);
        if let Some(theirs) = theirs(bytes) {
            prop_assert_eq!(ours, Some(theirs));
        }
    }

    #[test]
    fn a_wounded_message_that_both_accept_is_read_alike(
        message in message(), wounds in prop::collection::vec((any::<u8>(), any::<usize>(), any::<u8>()), 1..3),
    ) {
        let mut bytes = message.into_bytes();
        for (kind, at, byte) in wounds {
            wound(&mut bytes, kind, at, byte);
        }
        if let (Some(ours), Some(theirs)) = (ours(&bytes), theirs(&bytes)) {
            prop_assert!(ours == theirs || excused(&bytes), "{:?}\n{:?}\n{}", ours, theirs, bytes.escape_ascii());
        }
    }
}

#[test]
fn rsip_accepts_most_of_what_we_generate_so_that_the_comparison_means_something() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let compared = (0..500)
        .filter(|_| theirs(message().new_tree(&mut runner).expect("a message").current().as_bytes()).is_some())
        .count();
    assert!(compared > 450, "{compared} of 500");
}
