//! One policy, compiled: rewrites and lists of numbers.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use regex::{Regex, RegexBuilder};
use snapshot::policy::{Number as Line, NumberKind, RewriteField};
use snapshot::routing::decimal;
use snapshot::{Policy, PolicyFlaw, Side};
use units::{Cause, Money, NodeId, Number, from_hex};

use crate::quality::Formula;

/// A name or number that is rewritten; a rewrite whose result is longer than this many bytes is not made.
pub type Text = String;

/// Bytes of a rewritten name at most.
const TEXT_BYTES_MAX: usize = 128;
/// Memory of one compiled expression at most, in bytes: a policy of 64 rewrites stays below 4 MiB.
const REGEX_BYTES_MAX: usize = 64 << 10;

/// One policy, ready for use.
#[derive(Clone, Default)]
pub struct Rules {
    /// As it was written.
    pub policy: Policy,
    /// The names of the codecs that pass, parted by commas; empty lets all pass.
    pub codecs: String,
    /// The hashes of the digest's password: MD5, SHA-256.
    pub secret: Option<([u8; 16], [u8; 32])>,
    /// The private key that calls are signed with: P-256, as a number.
    pub signing_key: Option<[u8; 32]>,
    /// A plan's quality index.
    pub formula: Formula,
    /// What a minute may cost.
    pub ceilings: Ceilings,
    rewrites: Vec<(RewriteField, Regex)>,
    calling_allow: Lines,
    calling_deny: Lines,
    called_allow: Lines,
    called_deny: Lines,
}

/// What a minute may cost at most, in the originator's currency; see [`crate::dearest`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ceilings {
    /// The originator.
    pub sell: Option<Money>,
    /// Us, at a terminator.
    pub buy: Option<Money>,
}

/// One list of numbers.
#[derive(Clone, Debug, Default)]
struct Lines {
    prefixes: Vec<String>,
    exact: Vec<String>,
    regexes: Vec<Regex>,
}

impl core::fmt::Debug for Rules {
    /// Leaves the secret out: what is printed may end in a log.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Rules").field("policy", &self.policy).finish_non_exhaustive()
    }
}

impl Rules {
    /// Compiles a policy that passed [`Policy::check`].
    ///
    /// # Errors
    /// An expression that is none or would take too much memory, or a formula that is none.
    pub fn compile(policy: Policy) -> Result<Rules, PolicyFlaw> {
        let rewrites = policy
            .rewrite
            .iter()
            .enumerate()
            .map(|(place, rule)| Ok((rule.field, listed("rewrite.pattern", place, &rule.pattern)?)));
        let numbers = &policy.numbers;
        let secret =
            policy.digest.as_ref().and_then(|digest| Some((from_hex(&digest.ha1_md5)?, from_hex(&digest.ha1_sha256)?)));
        let signing_key = policy.stir.signer.as_ref().and_then(|signer| from_hex(&signer.private_number));
        let formula = Formula::parse(&policy.quality.formula)
            .map_err(|fault| PolicyFlaw::new("quality.formula", format!("{fault}")))?;
        let ceilings = Ceilings {
            sell: decimal("prices.sell_per_minute_max", &policy.prices.sell_per_minute_max)?,
            buy: decimal("prices.buy_per_minute_max", &policy.prices.buy_per_minute_max)?,
        };
        Ok(Rules {
            formula,
            ceilings,
            codecs: policy.codecs.allow.join(","),
            secret,
            signing_key,
            rewrites: rewrites.collect::<Result<_, PolicyFlaw>>()?,
            calling_allow: Lines::compile("numbers.calling_allow", &numbers.calling_allow)?,
            calling_deny: Lines::compile("numbers.calling_deny", &numbers.calling_deny)?,
            called_allow: Lines::compile("numbers.called_allow", &numbers.called_allow)?,
            called_deny: Lines::compile("numbers.called_deny", &numbers.called_deny)?,
            policy,
        })
    }

    /// True if some rewrite changes this field.
    pub fn rewrites(&self, field: RewriteField) -> bool {
        self.rewrites.iter().any(|(wanted, _)| *wanted == field)
    }

    /// The text after all rewrites of this field; `None` if none of them matched.
    pub fn rewrite(&self, field: RewriteField, text: &str) -> Option<Text> {
        let mut current: Option<String> = None;
        for (rule, (wanted, regex)) in self.policy.rewrite.iter().zip(&self.rewrites) {
            if *wanted != field {
                continue;
            }
            let now = current.as_deref().unwrap_or(text);
            let Some(groups) = regex.captures(now) else { continue };
            let found = groups.get(0).map_or(0..0, |found| found.range());
            let mut next = String::with_capacity(now.len() + rule.replacement.len());
            next.push_str(&now[..found.start]);
            groups.expand(&rule.replacement, &mut next);
            next.push_str(&now[found.end..]);
            if next.len() <= TEXT_BYTES_MAX {
                current = Some(next);
            }
        }
        current
    }

    /// The number after all rewrites of this field.
    ///
    /// # Errors
    /// Cause 28 (invalid number format): what came out is no number.
    pub fn rewrite_number(&self, field: RewriteField, number: Number) -> Result<Number, Cause> {
        if self.rewrites.is_empty() {
            return Ok(number);
        }
        let text = core::str::from_utf8(number.as_bytes()).map_err(|_| Cause::INVALID_NUMBER)?;
        match self.rewrite(field, text) {
            None => Ok(number),
            Some(next) if next.is_empty() => Ok(Number::EMPTY),
            Some(next) => Number::parse(next.as_bytes()).map_err(|_| Cause::INVALID_NUMBER),
        }
    }

    /// True if calls go to where a host name or a subscriber's registration leads rather than to the trunk's address.
    pub fn is_looked_up(&self) -> bool {
        !self.policy.host.is_empty() || !self.policy.subscriber.is_empty()
    }

    /// True if this node serves the trunk.
    pub fn serves(&self, node: NodeId) -> bool {
        self.policy.nodes.is_empty() || self.policy.nodes.contains(&node.0)
    }

    /// Whether these two numbers may talk.
    ///
    /// # Errors
    /// The cause that stands against it: at an ingress trunk and a plan 334 and 335 for the caller, at an egress trunk 322
    /// and 321; 325 and 326 for the destination.
    pub fn admit_numbers(&self, side: Side, calling: &Number, called: &Number) -> Result<(), Cause> {
        let (denied, not_allowed) = match side {
            Side::Egress => (Cause::CALLING_REFUSED, Cause::CALLING_NOT_ACCEPTED),
            Side::Ingress | Side::Plan => (Cause::CALLING_DENIED, Cause::CALLING_NOT_ALLOWED),
        };
        let rows = [
            (self.calling_deny.has(calling), denied),
            (!self.calling_allow.is_empty() && !self.calling_allow.has(calling), not_allowed),
            (self.called_deny.has(called), Cause::CALLED_DENIED),
            (!self.called_allow.is_empty() && !self.called_allow.has(called), Cause::CALLED_NOT_ALLOWED),
        ];
        rows.iter().find(|(stands, _)| *stands).map_or(Ok(()), |(_, cause)| Err(*cause))
    }
}

impl Lines {
    fn compile(field: &'static str, lines: &[Line]) -> Result<Lines, PolicyFlaw> {
        let mut list = Lines::default();
        for (place, line) in lines.iter().enumerate() {
            match line.kind {
                NumberKind::Prefix => list.prefixes.push(line.value.clone()),
                NumberKind::Exact => list.exact.push(line.value.clone()),
                NumberKind::Regex => list.regexes.push(listed(field, place, &line.value)?),
            }
        }
        list.exact.sort_unstable();
        list.prefixes.sort_unstable();
        Ok(list)
    }

    fn is_empty(&self) -> bool {
        self.prefixes.is_empty() && self.exact.is_empty() && self.regexes.is_empty()
    }

    fn has(&self, number: &Number) -> bool {
        if self.is_empty() {
            return false;
        }
        let Ok(text) = core::str::from_utf8(number.as_bytes()) else { return false };
        let has = |list: &[String], text: &str| list.binary_search_by(|line| line.as_str().cmp(text)).is_ok();
        has(&self.exact, text)
            || (!self.prefixes.is_empty() && (1..=text.len()).any(|length| has(&self.prefixes, &text[..length])))
            || self.regexes.iter().any(|regex| regex.is_match(text))
    }
}

/// Compiles an expression of a list.
fn listed(field: &'static str, place: usize, pattern: &str) -> Result<Regex, PolicyFlaw> {
    regex(field, pattern).map_err(|flaw| flaw.at(place))
}

/// Compiles an expression; what it needs is bounded.
pub fn regex(field: &'static str, pattern: &str) -> Result<Regex, PolicyFlaw> {
    let built = RegexBuilder::new(pattern).size_limit(REGEX_BYTES_MAX).build();
    built.map_err(|error| PolicyFlaw::new(field, format!("{pattern:?}: {error}")))
}
