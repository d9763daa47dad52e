//! A terminator wants proof of who we are, or sends us elsewhere: the same attempt, a new INVITE.

use alloc::vec::Vec;

use rating::{Destination, Rules};
use sip::auth::{Request, Secret, answer, challenge_of};
use sip::dialog::literal_ip;
use sip::print::write_socket_addr;
use sip::{Address, Hop, Message, Method, Name, Printer, Scheme, Stored, Transport, Uri, parse};
use snapshot::Policy;
use units::{Money, Number};

use crate::bridge::{Body, Event, Events};
use crate::call::outbound::write_uri;
use crate::call::{Call, Context};
use crate::limits::REPEATS_MAX;
use crate::release::Release;

/// Challenges answered in one attempt at most: the second one says that the first nonce was stale.
const CHALLENGES_MAX: u8 = 2;
/// Contacts of redirections that are remembered at most.
const CONTACTS_MAX: usize = 8;

impl Call {
    /// Follows the terminator if the trunk's policy says so; otherwise the attempt failed.
    pub(super) fn on_detour(&mut self, ctx: &mut Context<'_>, release: Release, response: &[u8]) {
        let followed = match parse::message(response) {
            Ok(response) if self.is_trying() && release.status >= 400 => self.prove(ctx, &response),
            Ok(response) if self.is_trying() => self.follow(ctx, &response),
            _ => None,
        };
        if followed.is_none() {
            self.on_refused(ctx, release);
        }
    }

    /// Answers a challenge of our INVITE.
    fn prove(&mut self, ctx: &mut Context<'_>, response: &Message<'_>) -> Option<()> {
        let attempt = self.attempts.last_mut()?;
        if attempt.challenges >= CHALLENGES_MAX {
            return None;
        }
        attempt.challenges += 1;
        let index = self.current;
        let leg = self.legs.get(usize::from(index))?;
        let (target, peer) = (leg.first_target()?, leg.peer);
        let line = self.proof(ctx, index, response, leg.invite_out.as_ref().map(|invite| &invite.request)?)?;
        let leg = self.legs.get_mut(usize::from(index))?;
        leg.repeat_invite(&mut ctx.desk, index, peer, &target, &line).then_some(())
    }

    /// Answers a challenge of a request of ours within the dialog; if that is not ours to do, the other side hears a refusal.
    pub(super) fn prove_request(
        &mut self,
        ctx: &mut Context<'_>,
        index: u8,
        number: u32,
        response: &[u8],
    ) -> Option<Event> {
        let response = parse::message(response).ok()?;
        if response.method() == Method::Invite {
            return self.prove_offer(ctx, index, &response);
        }
        let leg = self.legs.get(usize::from(index))?;
        let passes_on = leg.requests_out.iter().find(|sent| sent.number == number)?.passes_on;
        let line = leg.sent_as(number).and_then(|sent| self.proof(ctx, index, &response, sent));
        let leg = self.legs.get_mut(usize::from(index))?;
        if line.is_some_and(|line| leg.repeat_request(&mut ctx.desk, index, number, &line)) {
            return None;
        }
        passes_on.map(|number| Event::Response { number, status: 503, body: Body::default() })
    }

    /// Answers a challenge of our re-INVITE.
    fn prove_offer(&mut self, ctx: &mut Context<'_>, index: u8, response: &Message<'_>) -> Option<Event> {
        let sent = self.legs.get(usize::from(index))?.invite_out.as_ref().map(|invite| &invite.request)?;
        let line = self.proof(ctx, index, response, sent);
        let leg = self.legs.get_mut(usize::from(index))?;
        if line.is_some_and(|line| leg.repeat_offer(&mut ctx.desk, index, &line)) {
            return None;
        }
        let mut events = Events::new();
        leg.on_reoffer_refused(&mut ctx.desk, response.status().unwrap_or(0), Some(response), &mut events);
        events.pop()
    }

    /// The header line that answers a challenge of the one realm that the leg's trunk has a secret for (RFC 3261 §22).
    fn proof(&self, ctx: &mut Context<'_>, leg: u8, response: &Message<'_>, refused: &Stored) -> Option<Vec<u8>> {
        let attempt = self.attempts.iter().find(|attempt| attempt.leg == leg)?;
        let rules: &Rules = ctx.policies.egress(attempt.candidate.egress);
        let (digest, (ha1_md5, ha1_sha256)) = (rules.policy.digest.as_ref()?, rules.secret?);
        let asked = challenge_of(response, &digest.realm).ok()?;
        let secret = Secret { user: &digest.user, realm: &digest.realm, ha1_md5, ha1_sha256 };
        let cnonce = ctx.desk.random.token(b"");
        let (method, uri) = (refused.method_text(), refused.request_uri());
        // It is sent again with the body that it had.
        let again = parse::message(refused.text()).ok()?;
        let request = Request { method, uri, cnonce: &cnonce, count: 1, body: again.body() };
        let (mut value, mut line) = (Vec::new(), Vec::new());
        answer(&mut value, &asked.challenge, &secret, &request);
        Printer::lines(&mut line).line(asked.answer_in, &[&value]);
        Some(line)
    }

    /// Goes on to the first new address that a redirection names, by their q-values (RFC 3261 §8.1.3.4, §20.10).
    fn follow(&mut self, ctx: &mut Context<'_>, response: &Message<'_>) -> Option<()> {
        let mut contacts: Vec<&[u8]> = response.list(Name::Contact).take(CONTACTS_MAX).collect();
        contacts.sort_by_key(|value| core::cmp::Reverse(quality(value)));
        let attempt = self.attempts.last_mut()?;
        if attempt.redirects >= ctx.policies.egress(attempt.candidate.egress).policy.redirects_max {
            return None;
        }
        attempt.redirects += 1;
        // Those of this response stand for the place that gave it, before others that an earlier one named.
        let earlier = core::mem::take(&mut attempt.contacts);
        attempt.contacts = contacts.into_iter().map(<[u8]>::to_vec).chain(earlier).take(CONTACTS_MAX).collect();
        self.next_contact(ctx)
    }

    /// Goes on to the next address that redirections named.
    fn next_contact(&mut self, ctx: &mut Context<'_>) -> Option<()> {
        while self.legs[usize::from(self.current)].past_invites.len() < REPEATS_MAX {
            let left = &mut self.attempts.last_mut()?.contacts;
            let contact = if left.is_empty() { return None } else { left.remove(0) };
            if self.go_to(ctx, &contact).is_some() {
                return Some(());
            }
        }
        None
    }

    /// RFC 3261 §8.1.3.4: a place that refuses leaves the call to the next one that a redirection named. A 6xx speaks for all of them,
    /// and so does a status that ends the hunt.
    pub(super) fn next_contact_after(&mut self, ctx: &mut Context<'_>, release: &Release) -> bool {
        let refused = release.by == cdr::Party::Egress && (400..600).contains(&release.status);
        let Some(attempt) = self.attempts.last().filter(|attempt| refused && !attempt.contacts.is_empty()) else {
            return false;
        };
        let stops = ctx.policies.egress(attempt.candidate.egress).policy.answers.stop.contains(&release.status);
        !stops && self.is_trying() && self.next_contact(ctx).is_some()
    }

    /// The same attempt at an address that a redirection named.
    fn go_to(&mut self, ctx: &mut Context<'_>, contact: &[u8]) -> Option<()> {
        let candidate = self.attempts.last()?.candidate;
        let policy = &ctx.policies.egress(candidate.egress).policy;
        let index = self.current;
        let (number, hop, secure) = place(ctx, policy, &Address::parse(contact).ok()?.uri().ok()?)?;
        if self.legs.get(usize::from(index))?.tried().any(|tried| tried == hop) {
            return None;
        }
        let buy = match number {
            Some(number) => Some(self.requoted(ctx, &number)?),
            None => candidate.buy,
        };
        let user = match number {
            Some(number) => number,
            None => self.numbers_by(ctx, candidate.plan).ok()?.1,
        };
        let mut target = Vec::new();
        write_uri(&mut target, user.as_bytes(), b"", |out| write_socket_addr(out, hop.remote));
        match secure {
            // RFC 3261 §26.2.2: a secure address stays one, and says no transport.
            true => target.insert(b"sip".len(), b's'),
            false => target.extend_from_slice(hop.transport.uri_param()),
        }
        let leg = &mut self.legs[usize::from(index)];
        // Their early dialogs are over with the INVITE that made them.
        leg.early.iter_mut().for_each(|early| early.peer.set_tag(b""));
        if !leg.repeat_invite(&mut ctx.desk, index, hop, &target, b"") {
            return None;
        }
        let attempt = self.attempts.last_mut()?;
        attempt.candidate.buy = buy;
        self.owed.terms = buy;
        attempt.address = hop.remote;
        Some(())
    }

    /// Another number has another price: the terminator's for it, if that leaves the margin that the plan asks for and
    /// is not above what a minute may cost.
    fn requoted(&self, ctx: &Context<'_>, number: &Number) -> Option<units::Terms> {
        let candidate = self.attempts.last()?.candidate;
        let trunk = ctx.view.egress(candidate.egress)?;
        let at = self.started.wall;
        let to = Destination::judged(&self.opening.admission.calling, *number, Number::EMPTY);
        let rate = rating::asked(&ctx.view, &trunk, &to, at).filter(|rate| !rate.blocked)?;
        let buy = rating::in_account(&ctx.view, rate.terms, candidate.account, at)?;
        let guard = ctx.view.plan(candidate.plan).map_or(Money::ZERO, |plan| plan.margin_min());
        let sell = self.sell?;
        let most = ctx.policies.ingress(self.opening.admission.ingress).ceilings.buy;
        if rating::is_too_dear(&ctx.view, most, &buy, sell.currency, at) {
            return None;
        }
        let least = ctx.policies.choice(candidate.plan).least_margin(guard, rating::minute(&sell));
        (rating::margin(&ctx.view, &sell, &buy, at)? >= least && self.may_owe(&buy)).then_some(buy)
    }
}

/// The q-value of a Contact in thousandths; 1 without one (RFC 3261 §20.10), 0 for one that is none.
fn quality(value: &[u8]) -> u16 {
    let Ok(address) = Address::parse(value) else { return 0 };
    let Some(text) = address.param(b"q").flatten() else { return 1_000 };
    let (whole, parts) = match text {
        [whole @ b'0'..=b'1'] => (*whole, &b""[..]),
        [whole @ b'0'..=b'1', b'.', parts @ ..] if parts.len() <= 3 && parts.iter().all(u8::is_ascii_digit) => {
            (*whole, parts)
        }
        _ => return 0,
    };
    let digits = parts.iter().chain(b"000").take(3);
    digits.fold(u16::from(whole - b'0'), |sum, digit| sum * 10 + u16::from(digit - b'0')).min(1_000)
}

/// Where a contact leads: its number if it names one, the way, and whether it is a secure address. Names of hosts,
/// our own addresses and what no listener of ours can reach lead nowhere.
fn place(ctx: &Context<'_>, policy: &Policy, contact: &Uri<'_>) -> Option<(Option<Number>, Hop, bool)> {
    let secure = contact.scheme == Scheme::Sips;
    if !secure && contact.scheme != Scheme::Sip {
        return None;
    }
    let named = contact.param(b"transport").flatten().map(Transport::from_bytes);
    let transport = match named {
        // RFC 3261 §26.2.2: TLS alone, which TCP carries.
        Some(Some(Transport::Tcp | Transport::Tls)) | None if secure => Transport::Tls,
        Some(_) if secure => return None,
        Some(named) => named?,
        None => Transport::Udp,
    };
    let port = contact.port.unwrap_or(transport.default_port());
    let remote = core::net::SocketAddr::new(literal_ip(contact.host)?, port);
    let switch = ctx.desk.switch;
    if remote.ip().is_multicast() || switch.listeners.iter().any(|listener| listener.address == remote) {
        return None;
    }
    let hop = switch.hop(transport, &policy.listener, remote)?;
    let number = match contact.number() {
        Some(number) => Some(Number::parse(number.as_bytes()).ok()?),
        None => None,
    };
    Some((number, hop, secure))
}

impl Call {
    /// True while an INVITE of ours may still be answered.
    fn is_trying(&self) -> bool {
        self.current != 0 && self.is_setting_up()
    }

    /// Whether the next route may be tried after this end of an attempt: the usual rule, and what trunk and plan say otherwise.
    pub(super) fn hunts_on(&self, ctx: &Context<'_>, release: &Release) -> bool {
        let trunk = self.attempts.last().map(|attempt| &ctx.policies.egress(attempt.candidate.egress).policy.answers);
        let plan = &ctx.policies.plan(self.opening.admission.plan).policy.answers;
        let by_terminator = release.by == cdr::Party::Egress;
        for answers in trunk.into_iter().chain([plan]) {
            if by_terminator && answers.stop.contains(&release.status) {
                return false;
            }
            let failed = (answers.busy_is_failure && release.cause == units::Cause::BUSY)
                || (answers.no_answer_is_failure && release.cause == units::Cause::NO_ANSWER);
            if by_terminator && (failed || answers.next.contains(&release.status)) {
                return true;
            }
        }
        release.next_route_allowed()
    }

    /// The status and the Reason that the originator is told, as its trunk's policy wants them.
    pub(super) fn verdict(&self, ctx: &Context<'_>, release: &Release) -> (u16, Option<units::Cause>) {
        let answers = &ctx.policies.ingress(self.opening.admission.ingress).policy.answers;
        let listed = answers.statuses.iter().find(|row| row.cause == release.cause.0).map(|row| row.status);
        let ours = release.by == cdr::Party::Switch;
        let status = match listed {
            Some(status) => status,
            None if answers.always_503 && ours => 503,
            None => release.ingress_status(),
        };
        (status, (!answers.no_reason).then_some(release.cause))
    }
}
