//! What a policy may say on which side.

use alloc::format;
use alloc::string::String;
use core::net::SocketAddr;

use units::{Money, from_hex};

use super::{Digest, Header, Number, NumberKind, Policy, Registration, Rewrite, Signer, StirSign};
use crate::routing::decimal;

/// Whose policy it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// An ingress trunk's.
    Ingress,
    /// An egress trunk's.
    Egress,
    /// A plan's.
    Plan,
}

/// The names of all crypto suites.
fn suites() -> String {
    units::Suite::ALL.map(units::Suite::name).join(", ")
}

/// What is wrong with a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyFlaw {
    /// The field, as in the text form.
    pub field: &'static str,
    /// In a list: which entry, from 0.
    pub place: Option<usize>,
    /// What is wrong, in words.
    pub reason: String,
}

impl PolicyFlaw {
    /// Of a field.
    pub fn new(field: &'static str, reason: impl Into<String>) -> PolicyFlaw {
        PolicyFlaw { field, place: None, reason: reason.into() }
    }

    /// The same, in the entry of a list.
    #[must_use]
    pub fn at(self, place: usize) -> PolicyFlaw {
        PolicyFlaw { place: Some(place), ..self }
    }
}

impl core::fmt::Display for PolicyFlaw {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}: ", self.field)?;
        if let Some(place) = self.place {
            write!(f, "entry {}: ", place + 1)?;
        }
        f.write_str(&self.reason)
    }
}

impl core::error::Error for PolicyFlaw {}

/// Lines of one list at most.
pub const LINES_MAX: usize = 1_000;
/// Names and values of all headers that a policy adds, in bytes: an INVITE has to hold them.
pub const ADDED_BYTES_MAX: usize = 6 << 10;
/// Rewrites, headers and statuses of one policy at most.
pub const RULES_MAX: usize = 64;
/// Regular expressions of one list of numbers at most: they are tried one after the other.
pub const REGEXES_MAX: usize = 64;
/// Characters of a pattern, a replacement or a header's value at most.
pub const TEXT_MAX: usize = 200;

/// Header fields that SIP or we ourselves answer for: they are never added, passed or removed by a policy.
pub const RESERVED: &[&str] = &[
    "Via",
    "From",
    "To",
    "Call-ID",
    "CSeq",
    "Contact",
    "Max-Forwards",
    "Route",
    "Record-Route",
    "Content-Type",
    "Content-Length",
    "Content-Encoding",
    "Content-Disposition",
    "MIME-Version",
    "Authorization",
    "Proxy-Authorization",
    "WWW-Authenticate",
    "Proxy-Authenticate",
    "Require",
    "Proxy-Require",
    "Supported",
    "Unsupported",
    "Allow",
    "RSeq",
    "RAck",
    "Session-Expires",
    "Min-SE",
    "Privacy",
    "P-Asserted-Identity",
    "P-Preferred-Identity",
    "Remote-Party-ID",
    "Diversion",
    "History-Info",
    "P-Charge-Info",
    "Replaces",
    "Refer-To",
    "Referred-By",
    "Expires",
    "Timestamp",
    "v",
    "f",
    "t",
    "i",
    "m",
    "c",
    "l",
    "e",
    "k",
    "x",
    "r",
    "b",
];

type Check = Result<(), PolicyFlaw>;

impl Policy {
    /// Checks ranges and sides; regular expressions are checked where they are compiled.
    ///
    /// # Errors
    /// The first field that is wrong, and why.
    pub fn check(&self, side: Side) -> Check {
        self.check_side(side)?;
        let timer = &self.session_timer;
        range("session_timer.expires_s", timer.expires_s, 90, 86_400)?;
        range("session_timer.min_s", timer.min_s, 90, 86_400)?;
        if timer.expires_s != 0 && timer.expires_s < timer.min_s {
            return flaw("session_timer.expires_s", "is shorter than min_s");
        }
        range("redirects_max", u32::from(self.redirects_max), 1, 5)?;
        range("cps_window_s", u32::from(self.cps_window_s), 1, 60)?;
        range("capture.percent", u32::from(self.capture.percent), 1, 100)?;
        range("recording.percent", u32::from(self.recording.percent), 1, 100)?;
        let (capture, recording) = (&self.capture, &self.recording);
        beginnings("capture.called", &capture.called)?;
        beginnings("capture.calling", &capture.calling)?;
        beginnings("recording.called", &recording.called)?;
        beginnings("recording.calling", &recording.calling)?;
        range("probe.interval_s", u32::from(self.probe.interval_s), 5, 3_600)?;
        range("probe.failures", u32::from(self.probe.failures), 1, 10)?;
        crate::routing::tags("tags", &self.tags)?;
        self.check_quality()?;
        self.check_prices()?;
        self.check_stir()?;
        count("rewrite", self.rewrite.len(), RULES_MAX)?;
        each(&self.rewrite, rewrite)?;
        self.check_headers()?;
        self.check_numbers()?;
        self.check_answers()?;
        self.digest.iter().try_for_each(digest)?;
        self.registration.iter().try_for_each(registration)?;
        count("media.srtp_suites", self.media.srtp_suites.len(), units::Suite::ALL.len())?;
        each(&self.media.srtp_suites, |name| match units::Suite::named(name.as_bytes()) {
            Some(_) => Ok(()),
            None => flaw("media.srtp_suites", format!("no crypto suite of this name: {}", suites())),
        })?;
        count("codecs.allow", self.codecs.allow.len(), RULES_MAX)?;
        each(&self.codecs.allow, |name| token("codecs.allow", name))?;
        self.check_target()
    }

    /// Checks a carrier's: captures, recordings and prices, which hold at its trunks.
    ///
    /// # Errors
    /// The first field that is wrong, and why.
    pub fn check_carrier(&self) -> Check {
        let plain = Policy::default();
        // A plan may say the first two, and little else.
        Policy { prices: plain.prices.clone(), ..self.clone() }.check(Side::Plan)?;
        self.check_prices()?;
        first_misplaced(&[
            ("rewrite", self.rewrite.is_empty()),
            ("numbers", self.numbers == plain.numbers),
            ("answers", self.answers == plain.answers),
            ("quality", self.quality == plain.quality),
        ])
    }

    /// What means nothing on a side must not stand there.
    fn check_side(&self, side: Side) -> Check {
        let plain = Policy::default();
        let (identity, stir) = (&self.identity, &self.stir);
        let (ingress, egress) = (side == Side::Ingress, side == Side::Egress);
        let rows = [
            ("transport", self.transport == plain.transport || side != Side::Plan),
            ("listener", self.listener.is_empty() || egress),
            ("host", self.host.is_empty() || egress),
            ("subscriber", self.subscriber.is_empty() || egress),
            ("answer_timeout_s", self.answer_timeout_s == 0 || egress),
            ("session_timer", self.session_timer == plain.session_timer || side != Side::Plan),
            ("reliable", self.reliable == plain.reliable || side != Side::Plan),
            ("early_media", self.early_media == plain.early_media || ingress),
            ("ringing_after_s", self.ringing_after_s == 0 || ingress),
            ("codecs", self.codecs == plain.codecs || side != Side::Plan),
            ("media", self.media == plain.media || side != Side::Plan),
            ("media.timeout_s", self.media.timeout_s == 0 || egress),
            ("identity", self.identity == plain.identity || side != Side::Plan),
            ("stir", self.stir == plain.stir || side != Side::Plan),
            ("stir.verify", stir.verify == plain.stir.verify || ingress),
            ("stir.attest", stir.attest == plain.stir.attest || ingress),
            ("stir.numbers", stir.numbers.is_empty() || ingress),
            ("stir.origid", stir.origid.is_empty() || ingress),
            ("stir.sign", stir.sign == plain.stir.sign || egress),
            ("stir.signer", stir.signer.is_none() || egress),
            ("stir.verstat", !stir.verstat || egress),
            ("portability", self.portability == plain.portability || side != Side::Plan),
            ("portability.accept", !self.portability.accept || ingress),
            ("portability.send", !self.portability.send || egress),
            ("identity.calling_from_identity", !identity.calling_from_identity || ingress),
            ("identity.send", identity.send == plain.identity.send || egress),
            ("identity.diversion", identity.diversion == plain.identity.diversion || egress),
            ("identity.history_info", identity.history_info == plain.identity.history_info || egress),
            ("identity.charge_info", identity.charge_info == plain.identity.charge_info || egress),
            ("headers", self.headers == plain.headers || egress),
            ("digest", self.digest.is_none() || side != Side::Plan),
            ("registration", self.registration.is_none() || egress),
            ("probe", self.probe == plain.probe || egress),
            ("redirects_max", self.redirects_max == 0 || egress),
            ("own_terminators", !self.own_terminators || ingress),
            ("prices", self.prices == plain.prices || ingress),
            ("cps_window_s", self.cps_window_s == 0 || side != Side::Plan),
            ("quality", self.quality == plain.quality || side == Side::Plan),
            ("floors", self.floors == plain.floors || egress),
            ("throttle", self.throttle == plain.throttle || egress),
            ("nodes", self.nodes.is_empty() || side != Side::Plan),
            ("tags", self.tags.is_empty() || ingress),
            ("nat", self.nat || side != Side::Plan),
            ("answers.statuses", self.answers.statuses.is_empty() || ingress),
            ("answers.always_503", !self.answers.always_503 || ingress),
            ("answers.no_reason", !self.answers.no_reason || ingress),
            ("answers.stop", self.answers.stop.is_empty() || !ingress),
            ("answers.next", self.answers.next.is_empty() || !ingress),
            ("answers.busy_is_failure", !self.answers.busy_is_failure || egress),
            ("answers.no_answer_is_failure", !self.answers.no_answer_is_failure || egress),
        ];
        first_misplaced(&rows)
    }

    fn check_quality(&self) -> Check {
        let (quality, floors, throttle) = (&self.quality, &self.floors, &self.throttle);
        text("quality.formula", &quality.formula, 0)?;
        let rows = [
            ("quality.calls", u32::from(quality.calls), 1, 200),
            ("quality.calls_min", u32::from(quality.calls_min), 1, 200),
            ("quality.explore_percent", u32::from(quality.explore_percent), 1, 100),
            ("quality.forget_s", quality.forget_s, 60, 86_400),
            ("quality.short_s", u32::from(quality.short_s), 1, 60),
            ("floors.asr_min_percent", u32::from(floors.asr_min_percent), 1, 100),
            ("floors.short_max_percent", u32::from(floors.short_max_percent), 1, 100),
            ("floors.short_s", u32::from(floors.short_s), 1, 60),
            ("floors.calls", u32::from(floors.calls), 1, 200),
            ("floors.calls_min", u32::from(floors.calls_min), 1, 200),
            ("floors.rest_s", floors.rest_s, 5, 86_400),
            ("floors.test_calls", u32::from(floors.test_calls), 1, 100),
            ("floors.test_per_minute", u32::from(floors.test_per_minute), 1, 600),
            ("throttle.percent", u32::from(throttle.percent), 1, 100),
            ("throttle.window_s", u32::from(throttle.window_s), 1, 120),
            ("throttle.calls_min", u32::from(throttle.calls_min), 1, 1_000),
        ];
        rows.into_iter().try_for_each(|(field, value, low, high)| range(field, value, low, high))?;
        if floors.calls_min > 0 && floors.calls > 0 && floors.calls_min > floors.calls {
            return flaw("floors.calls_min", "is more than calls");
        }
        count("throttle.statuses", throttle.statuses.len(), RULES_MAX)?;
        each(&throttle.statuses, |status| within("throttle.statuses", *status, 400, 699))
    }

    fn check_prices(&self) -> Check {
        let prices = &self.prices;
        let rows = [
            ("prices.sell_per_minute_max", &prices.sell_per_minute_max),
            ("prices.buy_per_minute_max", &prices.buy_per_minute_max),
        ];
        rows.into_iter().try_for_each(|(field, text)| match decimal(field, text)? {
            Some(most) if most < Money::ZERO => flaw(field, "must not be negative"),
            _ => Ok(()),
        })
    }

    fn check_stir(&self) -> Check {
        let stir = &self.stir;
        beginnings("stir.numbers", &stir.numbers)?;
        if !stir.origid.is_empty() && uuid(&stir.origid).is_none() {
            return flaw("stir.origid", "is no UUID");
        }
        match (&stir.signer, stir.sign) {
            (None, StirSign::Missing | StirSign::Always) => {
                flaw("stir.signer", "is missing: there is nothing to sign with")
            }
            (Some(signer), _) => check_signer(signer),
            (None, _) => Ok(()),
        }
    }

    fn check_headers(&self) -> Check {
        let headers = &self.headers;
        count("headers.pass", headers.pass.len(), RULES_MAX)?;
        count("headers.remove", headers.remove.len(), RULES_MAX)?;
        count("headers.add", headers.add.len(), RULES_MAX)?;
        each(&headers.pass, |name| if name == "*" { Ok(()) } else { header_name("headers.pass", name) })?;
        each(&headers.remove, |name| header_name("headers.remove", name))?;
        each(&headers.add, |Header { name, value }| {
            header_name("headers.add.name", name)?;
            text("headers.add.value", value, 0)
        })?;
        let bytes: usize = headers.add.iter().map(|Header { name, value }| name.len() + value.len()).sum();
        if bytes > ADDED_BYTES_MAX {
            return flaw("headers.add", format!("has more than {ADDED_BYTES_MAX} bytes in all"));
        }
        Ok(())
    }

    fn check_numbers(&self) -> Check {
        let numbers = &self.numbers;
        let lists = [
            ("numbers.calling_allow", &numbers.calling_allow),
            ("numbers.calling_deny", &numbers.calling_deny),
            ("numbers.called_allow", &numbers.called_allow),
            ("numbers.called_deny", &numbers.called_deny),
        ];
        lists.iter().try_for_each(|(field, list)| {
            count(field, list.len(), LINES_MAX)?;
            if list.iter().filter(|line| line.kind == NumberKind::Regex).count() > REGEXES_MAX {
                return flaw(field, format!("has more than {REGEXES_MAX} regular expressions"));
            }
            each(list, |Number { value, .. }| text(field, value, 1))
        })
    }

    fn check_answers(&self) -> Check {
        let answers = &self.answers;
        count("answers.statuses", answers.statuses.len(), RULES_MAX)?;
        each(&answers.statuses, |row| {
            within("answers.statuses.cause", row.cause, 1, 999)?;
            within("answers.statuses.status", row.status, 400, 699)
        })?;
        [("answers.stop", &answers.stop), ("answers.next", &answers.next)].iter().try_for_each(|(field, list)| {
            count(field, list.len(), RULES_MAX)?;
            each(list, |status| within(field, *status, 300, 699))
        })
    }

    fn check_target(&self) -> Check {
        if !self.host.is_empty() && !self.subscriber.is_empty() {
            return flaw("subscriber", "stands beside host: calls go to one of them");
        }
        let host = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        let (name, port) = self.host.split_once(':').unwrap_or((&self.host, "5060"));
        let no_name = name.is_empty() && !self.host.is_empty();
        if no_name || name.len() > 253 || !name.bytes().all(host) || !port.parse::<u16>().is_ok_and(|port| port > 0) {
            return flaw("host", "is no host name, nor one with a port");
        }
        text("subscriber", &self.subscriber, 0)?;
        text("listener", &self.listener, 0)
    }
}

/// Of rows of a field and whether it may stand where it does, the first that may not.
fn first_misplaced(rows: &[(&'static str, bool)]) -> Check {
    match rows.iter().find(|(_, fits)| !fits) {
        Some((field, _)) => flaw(field, "means nothing on this side"),
        None => Ok(()),
    }
}

fn flaw(field: &'static str, reason: impl Into<String>) -> Check {
    Err(PolicyFlaw::new(field, reason))
}

/// Zero stands for the default.
fn range(field: &'static str, value: u32, low: u32, high: u32) -> Check {
    if value == 0 || (low..=high).contains(&value) {
        return Ok(());
    }
    flaw(field, format!("must be 0 or {low} to {high}"))
}

fn within(field: &'static str, value: u16, low: u16, high: u16) -> Check {
    if (low..=high).contains(&value) { Ok(()) } else { flaw(field, format!("must be {low} to {high}")) }
}

/// Checks the entries of a list; the flaw says which one is wrong.
fn each<T>(list: &[T], check: impl Fn(&T) -> Check) -> Check {
    list.iter().enumerate().try_for_each(|(place, entry)| check(entry).map_err(|flaw| flaw.at(place)))
}

fn count(field: &'static str, count: usize, max: usize) -> Check {
    if count > max { flaw(field, format!("has more than {max} entries")) } else { Ok(()) }
}

fn text(field: &'static str, text: &str, least: usize) -> Check {
    let length = text.chars().count();
    if length < least || length > TEXT_MAX {
        return flaw(field, format!("must have {least} to {TEXT_MAX} characters"));
    }
    if text.chars().any(char::is_control) { flaw(field, "holds a control character") } else { Ok(()) }
}

/// Beginnings of numbers, without a leading `+`.
fn beginnings(field: &'static str, list: &[String]) -> Check {
    count(field, list.len(), RULES_MAX)?;
    each(list, |beginning| match units::Number::parse(beginning.as_bytes()) {
        Ok(number) if !number.is_empty() && !beginning.starts_with('+') => Ok(()),
        _ => flaw(field, format!("{beginning:?} is no beginning of a number; write it without +")),
    })
}

fn token(field: &'static str, name: &str) -> Check {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b"-.!%*_+`'~/".contains(&byte);
    if name.is_empty() || name.len() > 64 || !name.bytes().all(good) {
        return flaw(field, format!("{name:?} is no name"));
    }
    Ok(())
}

fn header_name(field: &'static str, name: &str) -> Check {
    token(field, name)?;
    if RESERVED.iter().any(|reserved| reserved.eq_ignore_ascii_case(name)) {
        return flaw(field, format!("{name} is reserved"));
    }
    Ok(())
}

fn rewrite(rule: &Rewrite) -> Check {
    text("rewrite.pattern", &rule.pattern, 1)?;
    text("rewrite.replacement", &rule.replacement, 0)
}

fn digest(digest: &Digest) -> Check {
    text("digest.user", &digest.user, 1)?;
    text("digest.realm", &digest.realm, 1)?;
    if digest.user.contains(['"', ':', '\\']) {
        return flaw("digest.user", "holds a quote, a backslash or a colon");
    }
    if digest.realm.contains(['"', '\\']) {
        return flaw("digest.realm", "holds a quote or a backslash");
    }
    if !digest.password.is_empty() {
        return flaw("digest.password", "must be hashed before it is kept");
    }
    let hex =
        |field, text: &str, digits: usize| match text.len() == digits && text.bytes().all(|b| b.is_ascii_hexdigit()) {
            true => Ok(()),
            false => flaw(field, format!("needs {digits} hexadecimal digits")),
        };
    hex("digest.ha1_md5", &digest.ha1_md5, 32)?;
    hex("digest.ha1_sha256", &digest.ha1_sha256, 64)
}

fn check_signer(signer: &Signer) -> Check {
    let good = |byte: u8| byte.is_ascii_graphic() && !b"\"\\<>;,".contains(&byte);
    let Some(rest) = signer.certificate.strip_prefix("https://") else {
        return flaw("stir.signer.certificate", "does not begin with https://");
    };
    if rest.is_empty() || signer.certificate.len() > TEXT_MAX || !rest.bytes().all(good) {
        return flaw("stir.signer.certificate", "is no address, or has more than 200 characters");
    }
    if !signer.private_key.is_empty() {
        return flaw("stir.signer.private_key", "must be taken apart before it is kept");
    }
    match from_hex::<32>(&signer.private_number) {
        Some(_) => Ok(()),
        None => flaw("stir.signer.private_number", "needs 64 hexadecimal digits"),
    }
}

/// The bytes of a UUID as it is written (RFC 9562 §4); `None` for any other text.
pub fn uuid(text: &str) -> Option<[u8; 16]> {
    text.split('-').map(str::len).eq([8, 4, 4, 4, 12]).then(|| from_hex(&text.replace('-', "")))?
}

fn registration(registration: &Registration) -> Check {
    token("registration.user", &registration.user)?;
    token("registration.domain", &registration.domain)?;
    range("registration.expires_s", registration.expires_s, 60, 86_400)?;
    if !registration.registrar.is_empty() && registration.registrar.parse::<SocketAddr>().is_err() {
        return flaw("registration.registrar", format!("{} is no IP:port", registration.registrar));
    }
    Ok(())
}
