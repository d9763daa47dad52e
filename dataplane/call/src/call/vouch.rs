//! Who vouches for the caller: the signed identity that a call came with, and the one that goes out with it.

use alloc::string::String;
use alloc::vec::Vec;

use cdr::{Attest, Doubt, Identity, Vouched};
use rating::Rules;
use sha2::{Digest, Sha256};
use sip::{Message, Printer, parse};
use snapshot::policy::{IdentityHeader, RewriteField, StirSign, StirVerify, uuid};
use units::{EgressTrunkId, Number};

use crate::call::outbound::carries;
use crate::call::{Call, Context, State};
use crate::effect::{Count, Effect};
use crate::release::Release;
use crate::stir::passport::{self, Claim, Signed};
use crate::stir::{KEY_TIMEOUT_MS, Verdict, attested, canonical, cause_of, judge, verstat};

/// The header field of signed identities.
pub(super) const IDENTITY: &str = "Identity";

/// True for the name of the header field, or its short form (RFC 8224 §4).
pub(super) fn is_identity(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(IDENTITY.as_bytes()) || name.eq_ignore_ascii_case(b"y")
}

impl Call {
    /// The call has room: what it came with is verified if its trunk says so.
    pub(super) fn vouch(&mut self, ctx: &mut Context<'_>) {
        match ctx.policies.ingress(self.opening.admission.ingress).policy.stir.verify {
            StirVerify::Off => self.reserve_first(ctx),
            StirVerify::Report | StirVerify::Invalid | StirVerify::Require => self.judge(ctx, false),
        }
    }

    /// Something is known of a certificate that the call waits for.
    pub fn on_certificate(&mut self, ctx: &mut Context<'_>) {
        if matches!(self.state, State::Vouching { .. }) {
            self.judge(ctx, true);
        }
    }

    /// Verifies; without the certificate it waits, unless it has `waited`.
    pub(super) fn judge(&mut self, ctx: &mut Context<'_>, waited: bool) {
        let stored = self.legs[0].invite_in.as_ref().and_then(|invite| parse::message(invite.request.text()).ok());
        let Some(invite) = stored else { return self.reserve_first(ctx) };
        let now = ctx.desk.clock.wall;
        match judge(identities(&invite), |signed| self.is_meant(ctx, signed), now, ctx.keys, waited) {
            Verdict::Known(identity) => self.on_judged(ctx, identity),
            // Nobody will be asked, so nothing is waited for.
            Verdict::Wanted(x5u) if !ctx.keys.has_room(x5u, ctx.desk.clock.now) => self.judge(ctx, true),
            Verdict::Wanted(x5u) => {
                ctx.desk.out.list.push(Effect::Certificate { x5u: String::from(x5u) });
                self.state = State::Vouching { give_up_at: ctx.desk.clock.now.plus_millis(KEY_TIMEOUT_MS) };
            }
        }
    }

    /// True if a PASSporT is about this call: it names the caller as we believe him, and the destination, each as it came or as its trunk's
    /// rewrites left it, if they only took away what stood before it (`+`, `00`, a tech prefix).
    fn is_meant(&self, ctx: &Context<'_>, signed: &Signed<'_>) -> bool {
        let admission = &self.opening.admission;
        let trusted = ctx.policies.ingress(admission.ingress).policy.identity.trusted;
        let calling = self.caller.identity.filter(|_| trusted).unwrap_or(self.opening.calling);
        let bare = |bare: Number, came: Number| if same(&bare, &came) { bare } else { came };
        let callers = [calling, bare(admission.calling, calling)];
        let called = [self.opening.called, bare(admission.called, self.opening.called)];
        callers.iter().any(|calling| called.iter().any(|called| signed.names(calling, called)))
    }

    fn on_judged(&mut self, ctx: &mut Context<'_>, identity: Identity) {
        self.identity = identity;
        ctx.desk.out.list.push(Effect::Count(Count::Vouched(identity.vouched)));
        let verify = ctx.policies.ingress(self.opening.admission.ingress).policy.stir.verify;
        let refused = match verify {
            StirVerify::Off | StirVerify::Report => false,
            StirVerify::Invalid => identity.vouched == Vouched::Failed,
            StirVerify::Require => true,
        };
        match cause_of(&identity).filter(|_| refused) {
            Some(cause) => self.fail(ctx, Release::by_switch(cause)),
            None => self.reserve_first(ctx),
        }
    }

    /// What the terminator is told of it, as a parameter of the caller's number.
    pub(super) fn verstat(&self, rules: &Rules) -> &'static [u8] {
        if rules.policy.stir.verstat { verstat(self.identity.vouched) } else { b"" }
    }

    /// Adds the signed identity that this attempt carries by its trunk's policy, and says which.
    pub(super) fn vouched_for(
        &self,
        ctx: &mut Context<'_>,
        egress: EgressTrunkId,
        numbers: &(Number, Number),
        lines: &mut Vec<u8>,
    ) -> Identity {
        let rules = ctx.policies.egress(egress);
        let stir = &rules.policy.stir;
        // Whoever may not know who calls is not told by a signature either (RFC 8224 §6.1.1).
        if stir.sign == StirSign::Off || (self.caller.private && !rules.policy.identity.trusted) {
            return Identity::default();
        }
        let signs = matches!(stir.sign, StirSign::Missing | StirSign::Always);
        let told = self.told_numbers(ctx, rules, numbers);
        let identity = told.and_then(|(orig, dest)| {
            let relayed = if stir.sign == StirSign::Always { None } else { self.relayed(&orig, &dest, lines) };
            relayed.or_else(|| if signs { self.signed(ctx, rules, (&orig, &dest), lines) } else { None })
        });
        let without = if signs { Vouched::Unsigned } else { Vouched::No };
        let identity = identity.unwrap_or(Identity { vouched: without, ..Identity::default() });
        ctx.desk.out.list.push(Effect::Count(Count::Vouched(identity.vouched)));
        identity
    }

    /// The caller and the destination as the terminator is told them, without what its trunk puts before them.
    fn told_numbers(&self, ctx: &Context<'_>, rules: &Rules, numbers: &(Number, Number)) -> Option<(Number, Number)> {
        let trusted = ctx.policies.ingress(self.opening.admission.ingress).policy.identity.trusted;
        let calling = rules.rewrite_number(RewriteField::Calling, numbers.0).ok()?;
        let asserted = rules.policy.identity.send == IdentityHeader::Asserted;
        let (routed, told) = match self.caller.identity.filter(|_| trusted && asserted) {
            Some(identity) => (identity, rules.rewrite_number(RewriteField::Identity, identity).ok()?),
            None if asserted => (numbers.0, rules.rewrite_number(RewriteField::Identity, calling).ok()?),
            None => (numbers.0, calling),
        };
        let orig = if same(&routed, &told) { routed } else { told };
        let called = rules.rewrite_number(RewriteField::To, numbers.1).ok()?;
        let routed = self.opening.admission.called;
        let dest = if same(&routed, &called) { routed } else { called };
        (canonical(&orig).is_some() && canonical(&dest).is_some()).then_some((orig, dest))
    }

    /// Passes on what the call came with, if it names these numbers and nobody found it wrong.
    fn relayed(&self, orig: &Number, dest: &Number, lines: &mut Vec<u8>) -> Option<Identity> {
        if self.identity.vouched == Vouched::Failed {
            return None;
        }
        let invite = parse::message(self.legs[0].invite_in.as_ref()?.request.text()).ok()?;
        let read =
            |value| passport::read(value).ok().filter(|signed| signed.names(orig, dest)).map(|signed| (value, signed));
        let (value, signed) = identities(&invite).take(crate::stir::VALUES_MAX).find_map(read)?;
        if !carries(lines, value.len()) {
            return None;
        }
        Printer::lines(lines).line(IDENTITY, &[value]);
        Some(Identity { vouched: Vouched::Relayed, ..signed.said() })
    }

    /// Signs for the caller; `None` where no key is, or no room.
    fn signed(
        &self,
        ctx: &Context<'_>,
        rules: &Rules,
        (orig, dest): (&Number, &Number),
        lines: &mut Vec<u8>,
    ) -> Option<Identity> {
        let (signer, key) = rules.policy.stir.signer.as_ref().zip(rules.signing_key.as_ref())?;
        let admission = &self.opening.admission;
        let stir = &ctx.policies.ingress(admission.ingress).policy.stir;
        // What came with a wrong identity is vouched for by nobody.
        let attest = match self.identity.vouched {
            Vouched::Failed => Attest::Gateway,
            _ => attested(stir, &admission.calling),
        };
        let origid = uuid(&stir.origid).unwrap_or_else(|| origid_of(&signer.certificate, admission.ingress.0));
        let (orig, dest, now) = (canonical(orig)?, canonical(dest)?, ctx.desk.clock.wall);
        let claim = Claim { x5u: &signer.certificate, attest, orig, dest, now, origid };
        let value = claim.sign(|text| (ctx.keys.seals.sign)(key, text)).filter(|value| carries(lines, value.len()))?;
        Printer::lines(lines).line(IDENTITY, &[value.as_bytes()]);
        Some(Identity { vouched: Vouched::Signed, attest: Some(attest), origid, doubt: Doubt::None })
    }
}

/// The values of Identity in an INVITE.
fn identities<'a>(invite: &'a Message<'a>) -> impl Iterator<Item = &'a [u8]> {
    invite.all().filter(|(name, _, _)| is_identity(name)).map(|(_, _, value)| value)
}

/// True if one number is the other behind a prefix: `0044…`, `+44…` or a trunk's own before `44…`.
fn same(bare: &Number, dressed: &Number) -> bool {
    !bare.is_empty() && dressed.digits().ends_with(bare.digits())
}

/// The UUID of a trunk that has none of its own: always the same, and another operator's is another one (RFC 9562 §5.8).
fn origid_of(certificate: &str, trunk: u32) -> [u8; 16] {
    let hash = Sha256::new().chain_update(certificate).chain_update(trunk.to_be_bytes()).finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    bytes[6] = (bytes[6] & 0x0f) | 0x80;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    bytes
}
