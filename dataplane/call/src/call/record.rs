//! A finished attempt or call becomes a record.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use core::mem::take;

use cdr::{Cdr, GrantPart, Party, Priced, Quality, Record, Start, Texts};
use units::{AttemptIndex, Clock, Instant, Money, Terms};

use crate::call::setup::used_of;
use crate::call::{Attempt, Call, Context};
use crate::effect::Effect;
use crate::release::Release;

impl Call {
    /// The Call-IDs of both sides, the second one that of an attempt.
    fn call_ids(&self, attempt: Option<&Attempt>) -> [Cow<'_, str>; 2] {
        let id = |leg: u8| {
            let leg = self.legs.get(usize::from(leg));
            leg.map_or(Cow::Borrowed(""), |leg| String::from_utf8_lossy(leg.dialog.call_id()))
        };
        [id(0), attempt.map_or(Cow::Borrowed(""), |attempt| id(attempt.leg))]
    }

    /// The texts of the call's own record.
    fn call_texts<'a>(&'a self, ids: &'a [Cow<'_, str>; 2]) -> Texts<'a> {
        let codec = if self.answered.is_some() { self.codec.as_str() } else { "" };
        Texts { codec, decision: &self.decision, ..texts_of(ids) }
    }

    /// What every record of the call says.
    fn record_base(&self) -> Cdr {
        let admission = &self.opening.admission;
        Cdr {
            call: self.opening.id,
            revision: self.revision,
            originator: admission.carrier,
            originator_account: admission.account,
            ingress_trunk: admission.ingress,
            calling: self.opening.calling,
            called: self.opening.called,
            called_routed: admission.called,
            lrn: admission.lrn,
            jurisdiction: admission.jurisdiction,
            ingress_address: Some(self.opening.source.remote),
            ..Cdr::default()
        }
    }

    /// Milliseconds of talk that count: never more than were paid for, however late the timer that ends the call.
    fn talked_ms(&self, clock: Clock, answered: Instant) -> u64 {
        clock.now.millis_since(answered).min(self.paid_ms)
    }

    /// An attempt's record, but for its texts.
    pub(super) fn attempt_record(&self, clock: Clock, attempt: &Attempt, release: Release, last: bool) -> Cdr {
        let since = |at: Instant| at.millis_since(attempt.started.now);
        let answered = self.answered.filter(|_| last);
        let duration_ms = answered.map_or(0, |at| self.talked_ms(clock, at));
        let place = self.attempts.iter().position(|other| other.leg == attempt.leg).unwrap_or(0);
        Cdr {
            attempt: AttemptIndex(place as u8 + 1),
            attempts: u8::from(last),
            terminator: attempt.candidate.carrier,
            terminator_account: attempt.candidate.account,
            egress_trunk: attempt.candidate.egress,
            started: attempt.started.wall,
            ringing_ms: attempt.ringing.map(|at| since(at) as u32),
            answered_ms: answered.map(|at| since(at) as u32),
            ended_ms: since(clock.now),
            duration_ms,
            // What the terminator said: where the caller or we ended the attempt, it has said nothing final yet.
            sip_status: match release.by {
                _ if answered.is_some() => 200,
                Party::Egress => release.status,
                Party::Ingress | Party::Switch => 0,
            },
            cause: release.cause,
            released_by: release.by,
            buy: attempt.candidate.buy.map(|terms| priced(&terms, duration_ms)),
            egress_address: Some(attempt.address),
            identity: attempt.identity,
            ..self.record_base()
        }
    }

    /// The call's record, but for its texts.
    pub(super) fn call_record(&self, clock: Clock, release: Release, status: u16) -> Cdr {
        let since = |at: Instant| at.millis_since(self.started.now);
        let duration_ms = self.answered.map_or(0, |at| self.talked_ms(clock, at));
        let answered = self.answered.and(self.attempts.last());
        let last = self.attempts.last();
        Cdr {
            attempts: self.attempts.len() as u8,
            terminator: last.map(|attempt| attempt.candidate.carrier).unwrap_or_default(),
            terminator_account: last.map(|attempt| attempt.candidate.account).unwrap_or_default(),
            egress_trunk: last.map(|attempt| attempt.candidate.egress).unwrap_or_default(),
            started: self.started.wall,
            ringing_ms: self.ringing.map(|at| since(at) as u32),
            answered_ms: self.answered.map(|at| since(at) as u32),
            ended_ms: since(clock.now),
            duration_ms,
            sip_status: status,
            cause: release.cause,
            released_by: release.by,
            sell: self.sell.map(|terms| priced(&terms, duration_ms)),
            buy: answered.and_then(|attempt| attempt.candidate.buy).map(|terms| priced(&terms, duration_ms)),
            egress_address: last.map(|attempt| attempt.address),
            ingress_media: self.ingress_media,
            egress_media: self.egress_media,
            recorded: self.recorded,
            identity: self.identity,
            stages: self.stages,
            ..self.record_base()
        }
    }

    /// The start record: enough to bill the call if the node dies a moment later. The call waits until it is durable.
    pub(super) fn write_start(&mut self, ctx: &mut Context<'_>) {
        if self.attempts.is_empty() {
            return;
        }
        let (reserved, owed_reserved) = (take(&mut self.reserved), take(&mut self.owed.parts));
        if let Some(attempt) = self.attempts.last() {
            let start = Start { reserved, owed_reserved, ..self.start_record(ctx.desk.clock, attempt) };
            append(ctx, |out| self.encode_start(&start, attempt, out), true);
            (self.reserved, self.owed.parts) = (start.reserved, start.owed_reserved);
            self.unjournaled += 1;
        }
    }

    /// The start record of a call that is answered at this moment, but for its texts and what is reserved.
    pub(super) fn start_record(&self, clock: Clock, attempt: &Attempt) -> Start {
        let release = Release::by_switch(units::Cause::SWITCH_RESTARTED);
        Start {
            call: self.call_record(clock, release, 200),
            attempt: self.attempt_record(clock, attempt, release, true),
            answered: clock.now,
            paid_ms: self.paid_ms,
            ..Start::default()
        }
    }

    /// Appends a start record with its texts.
    pub(super) fn encode_start(&self, start: &Start, attempt: &Attempt, out: &mut Vec<u8>) {
        let ids = self.call_ids(Some(attempt));
        start.encode_with(self.call_texts(&ids), texts_of(&ids), out);
    }

    /// A grown reserve.
    pub(super) fn write_paid(&mut self, ctx: &mut Context<'_>) {
        let (call, paid_ms) = (self.opening.id, self.paid_ms);
        let (reserved, owed_reserved) = (take(&mut self.reserved), take(&mut self.owed.parts));
        let record = Record::Paid { call, reserved, owed_reserved, paid_ms };
        self.unjournaled += 1;
        append(ctx, |out| record.encode(out), true);
        if let Record::Paid { reserved, owed_reserved, .. } = record {
            (self.reserved, self.owed.parts) = (reserved, owed_reserved);
        }
    }

    /// The record of the present attempt, once.
    pub(super) fn write_attempt(&mut self, ctx: &mut Context<'_>, release: Release) {
        let Some(attempt) = self.attempts.last().filter(|attempt| !attempt.written) else { return };
        let record = self.attempt_record(ctx.desk.clock, attempt, release, self.answered.is_some());
        let over = self.over(ctx, attempt, release);
        append(ctx, |out| record.encode_with(texts_of(&self.call_ids(Some(attempt))), out), false);
        self.over = over;
        if let Some(attempt) = self.attempts.last_mut() {
            attempt.written = true;
        }
    }

    /// The call's record; returns which parts of its reserves were used, the originator's and the terminator's.
    pub(super) fn write_call(
        &mut self,
        ctx: &mut Context<'_>,
        release: Release,
        status: u16,
    ) -> (Vec<GrantPart>, Vec<GrantPart>) {
        let mut record = self.call_record(ctx.desk.clock, release, status);
        let price = record.sell.map_or(Money::ZERO, |sell| sell.price);
        record.grants = used_of(&self.reserved, price);
        record.owed_grants = self.owed_parts(record.buy.map_or(Money::ZERO, |buy| buy.price));
        let ids = self.call_ids(self.attempts.last());
        append(ctx, |out| record.encode_with(self.call_texts(&ids), out), true);
        self.unjournaled += 1;
        (record.grants, record.owed_grants)
    }
}

/// One side's price of a duration.
fn priced(terms: &Terms, duration_ms: u64) -> Priced {
    let charge = rating::charge(terms, duration_ms);
    Priced { terms: *terms, billed_s: charge.billed_s, price: charge.price, tax: charge.tax }
}

/// Texts that are the Call-IDs of both sides alone.
fn texts_of<'a>([ingress, egress]: &'a [Cow<'_, str>; 2]) -> Texts<'a> {
    Texts { ingress_call_id: ingress, egress_call_id: egress, ..Texts::default() }
}

fn append(ctx: &mut Context<'_>, encode: impl FnOnce(&mut Vec<u8>), wait: bool) {
    let start = ctx.desk.out.bytes.len();
    encode(&mut ctx.desk.out.bytes);
    let bytes = start..ctx.desk.out.bytes.len();
    ctx.desk.out.list.push(Effect::Journal { bytes, wait });
}

/// The relay's figures in a record's form, of a call that was answered then.
pub(super) fn quality(measured: &media::Quality, answered: Option<Instant>) -> Quality {
    let first = answered.zip(measured.first);
    Quality {
        packets: measured.packets,
        kernel_packets: measured.kernel_packets,
        bytes: measured.bytes,
        lost: measured.lost,
        strangers: measured.strangers,
        jitter_us: measured.jitter_us,
        mos_x100: measured.mos_x100,
        reordered: measured.reordered,
        duplicates: measured.duplicates,
        burst_loss_permille: measured.burst_loss_permille,
        burst_ms: measured.burst_ms,
        first_ms: first.map(|(answered, first)| first.millis_since(answered).min(u64::from(u32::MAX)) as u32),
        rtt_us: measured.rtt_us,
        suite: None,
    }
}
