//! Keys in descriptions (RFC 4568): each side of a call agrees on its own with us, unless both trunks let them pass.
//!
//! Our key towards a peer is drawn once and stays as long as the peer's own does, so that a repeated description says the same. A
//! peer that changes its key gets a new one of ours. What a peer is sent is encrypted with our key from the moment at which it is
//! told; until then it hears nothing, never media in the clear.

use alloc::vec::Vec;

use media::Seal;
use media::srtp::Secret;
use sdp::{CarriedBy, Flaw, KEY_BYTES_MAX, Media, Profile};
use snapshot::policy::Srtp;
use units::Suite;

use crate::call::{Call, Context};
use crate::leg::{Keys, Leg};

/// What we offer where a policy names no suites: the cheapest one, and the one that everybody has.
const USUAL: [Suite; 2] = [Suite::AesGcm128, Suite::AesCm128Sha80];

/// What the policy of one leg's trunk says.
struct Wish {
    srtp: Srtp,
    /// In order of preference; empty takes all.
    suites: Vec<Suite>,
}

impl Call {
    /// What the leg's trunk wants; `None` where both trunks let keys pass.
    fn wish(&self, ctx: &Context<'_>, leg: u8) -> Option<Wish> {
        let srtp = |leg: u8| self.rules(ctx, leg).map_or(Srtp::Pass, |rules| rules.policy.media.srtp);
        let passes = srtp(0) == Srtp::Pass && srtp(1) == Srtp::Pass;
        let media = &self.rules(ctx, leg).filter(|_| !passes)?.policy.media;
        let suites = media.srtp_suites.iter().filter_map(|name| Suite::named(name.as_bytes())).collect();
        Some(Wish { srtp: media.srtp, suites })
    }

    /// The keys that a peer's description agrees on with us, if any. RFC 4568 §5.1.2: of an offer, one line; §5.1.3: of an
    /// answer, the line that it accepted.
    ///
    /// # Errors
    /// The description does not want what the trunk's policy does, or its keys are not well-formed.
    pub(super) fn hear_keys(
        &self,
        ctx: &mut Context<'_>,
        from: u8,
        section: &Media<'_>,
        answers: bool,
    ) -> Result<Option<Keys>, Flaw> {
        let Some(wish) = self.wish(ctx, from) else { return Ok(None) };
        let secure = match section.carried_by() {
            CarriedBy::DtlsSrtp => return Err(Flaw::refused("media keys by handshake cannot be bridged")),
            CarriedBy::Datagrams => return refused_if(wish.srtp == Srtp::Required, "media must be encrypted"),
            carried => carried == CarriedBy::Srtp,
        };
        if wish.srtp == Srtp::Off {
            return refused_if(secure, "encrypted media not allowed");
        }
        let leg = &self.legs[usize::from(from)];
        let agreed = match answers {
            true => accepted(leg, section)?,
            false => chosen(section, &wish.suites)?.map(|(tag, theirs)| {
                let same = leg.media.keys.filter(|keys| (keys.tag, keys.theirs) == (tag, theirs));
                same.unwrap_or_else(|| Keys { tag, theirs, ours: ctx.desk.random.secret(theirs.suite()) })
            }),
        };
        match agreed {
            Some(keys) => Ok(Some(keys)),
            None if section.cryptos().next().is_some() => {
                refused_if(secure || wish.srtp == Srtp::Required, "no crypto suite in common")
            }
            None => refused_if(secure || wish.srtp == Srtp::Required, "media must be encrypted"),
        }
    }

    /// The profile and the lines with keys that a description to this leg has; `None` leaves them as they are.
    pub(super) fn keys_for(
        &mut self,
        ctx: &mut Context<'_>,
        to: u8,
        answers: bool,
        section: Option<Media<'_>>,
    ) -> Option<(Profile, Vec<u8>)> {
        let wish = self.wish(ctx, to)?;
        let leg = &mut self.legs[usize::from(to)];
        let mut lines = Vec::new();
        let profile = match (answers, leg.media.keys) {
            (true, keys) => {
                keys.iter().for_each(|keys| write(&mut lines, keys.tag, &keys.ours));
                leg.media.profile
            }
            (false, keys) => {
                let feedback = section.and_then(|section| Profile::of(section.proto)).is_some_and(|had| had.feedback);
                offer(leg, ctx, &wish, keys);
                leg.offered_keys.iter().for_each(|(tag, secret)| write(&mut lines, *tag, secret));
                let secure = wish.srtp == Srtp::Required || keys.is_some();
                Profile { secure, feedback }
            }
        };
        Some((profile, lines))
    }

    /// The leg's peer knows our key, or that there is none.
    pub(super) fn seal(&mut self, ctx: &mut Context<'_>, leg: u8) {
        let leg = &mut self.legs[usize::from(leg)];
        leg.seals = leg.media.keys.is_some();
        if let Some(pair) = leg.pair {
            ctx.relay.seal_with(pair.id, leg.media.keys.map_or(Seal::Plain, |keys| Seal::With(keys.ours)));
        }
    }

    /// What media between us and the leg's peer is encrypted with.
    pub(super) fn suite(&self, leg: u8) -> Option<Suite> {
        self.legs.get(usize::from(leg))?.media.keys.map(|keys| keys.theirs.suite())
    }
}

/// Draws the keys that the peer is offered: the agreed one again, else one for each suite, the same ones in each offer.
fn offer(leg: &mut Leg, ctx: &mut Context<'_>, wish: &Wish, agreed: Option<Keys>) {
    match (agreed, wish.srtp) {
        (Some(keys), _) => leg.offered_keys = alloc::vec![(keys.tag, keys.ours)],
        (None, Srtp::Optional | Srtp::Required) if leg.offered_keys.is_empty() => {
            let suites = if wish.suites.is_empty() { &USUAL[..] } else { &wish.suites };
            let keys = suites.iter().zip(1..).map(|(suite, tag)| (tag, ctx.desk.random.secret(*suite)));
            leg.offered_keys = keys.collect();
        }
        (None, Srtp::Optional | Srtp::Required) => {}
        (None, Srtp::Pass | Srtp::Off) => leg.offered_keys.clear(),
    }
}

/// The line of an offer that we take: the first one that both sides have, in our order if we have one.
fn chosen(section: &Media<'_>, suites: &[Suite]) -> Result<Option<(u32, Secret)>, Flaw> {
    let mut best: Option<(usize, (u32, Secret))> = None;
    for line in section.cryptos() {
        let line = line?;
        let Some(suite) = Suite::named(line.suite).filter(|_| line.plain) else { continue };
        let rank = if suites.is_empty() { Some(0) } else { suites.iter().position(|ours| *ours == suite) };
        let Some(rank) = rank.filter(|rank| best.as_ref().is_none_or(|(best, _)| rank < best)) else { continue };
        best = Some((rank, (line.tag, secret(&line, suite)?)));
    }
    Ok(best.map(|(_, line)| line))
}

/// The keys of an answer to our offer.
fn accepted(leg: &Leg, section: &Media<'_>) -> Result<Option<Keys>, Flaw> {
    for line in section.cryptos() {
        let line = line?;
        let offered = leg
            .offered_keys
            .iter()
            .find(|(tag, ours)| *tag == line.tag && line.plain && Suite::named(line.suite) == Some(ours.suite()));
        if let Some((tag, ours)) = offered {
            return Ok(Some(Keys { tag: *tag, theirs: secret(&line, ours.suite())?, ours: *ours }));
        }
    }
    Ok(None)
}

fn secret(line: &sdp::Crypto<'_>, suite: Suite) -> Result<Secret, Flaw> {
    let mut room = [0; KEY_BYTES_MAX];
    Secret::new(suite, line.key(&mut room)?).ok_or(Flaw::refused("key of another length than its suite's"))
}

fn write(lines: &mut Vec<u8>, tag: u32, secret: &Secret) {
    sdp::write_crypto(lines, tag, secret.suite().name(), secret.bytes());
}

fn refused_if(refused: bool, reason: &'static str) -> Result<Option<Keys>, Flaw> {
    if refused { Err(Flaw::refused(reason)) } else { Ok(None) }
}
