//! Carries out what calls and the book ordered.

use alloc::boxed::Box;

use call::effect::{Effect as CallOrder, Place, Trunk};
use call::{Call, Context};
use cdr::Record;
use rating::quality::Over;
use units::mutant::{self, Mutant};
use units::{Clock, Instant, PlanId, ShardId};

use crate::book::{Allowed, Entry, Limits, Order};
use crate::table::CallRef;
use crate::trace::Ladder;
use crate::{Effect, Effects, LADDER_MS, LADDER_STEP_MS, MARK_MS, Parcel, Shard, Waiting, context};

/// How every message of ours ends that has no body.
const WITHOUT_BODY: &[u8] = b"Content-Length: 0\r\n\r\n";

impl Shard {
    /// Lets a call take one step and carries out its orders.
    pub(crate) fn with_call(
        &mut self,
        clock: Clock,
        at: CallRef,
        out: &mut Effects,
        step: impl FnOnce(&mut Call, &mut Context<'_>),
    ) {
        self.step(clock, at, out, step);
        self.work_inbox(clock, out);
    }

    pub(crate) fn step(
        &mut self,
        clock: Clock,
        at: CallRef,
        out: &mut Effects,
        step: impl FnOnce(&mut Call, &mut Context<'_>),
    ) {
        let Some(loaded) = &self.loaded else { return };
        let Some(entry) = self.table.get_mut(at) else { return };
        let was_up = entry.call.is_up();
        let mut ctx = context(
            clock,
            loaded,
            (&self.switch, &self.ways, &self.certificates.keys),
            &mut self.random,
            &mut self.relay,
            (&mut self.work, &mut self.routes),
            self.config.ticks,
        );
        step(&mut entry.call, &mut ctx);
        let is_up = entry.call.is_up();
        self.carry_out(clock, at, out);
        self.after_step(clock, at, out, (was_up, is_up));
    }

    /// Notes that the call's deadline is to be filed, or forgets the call.
    pub(crate) fn after_step(&mut self, clock: Clock, at: CallRef, out: &mut Effects, (was, is): (bool, bool)) {
        if is && !was {
            if self.calls_up == 0 {
                self.mark_at = clock.now.plus_millis(MARK_MS);
            }
            self.calls_up += 1;
        } else if was && !is {
            self.calls_up -= 1;
        }
        let Some(entry) = self.table.get_mut(at) else { return };
        if (is || entry.call.is_over())
            && let Some(seat) = entry.seat.take()
        {
            self.guard.leave_pair(seat);
        }
        if entry.runs && entry.call.is_over() {
            entry.runs = false;
            self.running -= 1;
            if entry.is_watched() {
                entry.ladder_at = Some(step_from(clock.now.plus_millis(LADDER_MS)));
            }
        }
        if entry.call.is_done() {
            self.forget(clock, at, out);
        } else if self.unfiled.last() != Some(&at) {
            self.unfiled.push(at);
        }
    }

    /// Files the deadlines of the calls that took steps: one that took several at once has one deadline in the end.
    fn file_all(&mut self, now: Instant) {
        while let Some(at) = self.unfiled.pop() {
            self.file(now, at);
        }
    }

    pub(crate) fn file(&mut self, now: Instant, at: CallRef) {
        let Some(entry) = self.table.get_mut(at) else { return };
        let rests_till = entry.rests_till();
        if let (Some(_), Some(ladder_at)) = (rests_till, &mut entry.ladder_at) {
            // All that was asked is answered.
            *ladder_at = (*ladder_at).min(step_from(now));
        }
        let ladder_at = entry.ladder_at.filter(|_| entry.is_watched());
        entry.due = [entry.call.deadline(), ladder_at].into_iter().flatten().min();
        let Some(due) = entry.due else { return };
        if entry.filed.is_none_or(|filed| due < filed) {
            entry.filed = Some(self.wheel.file(due, at));
        }
        if let Some(forget_at) = rests_till {
            self.table.lay_to_rest(at, forget_at);
        }
    }

    /// The time has come to hand over the messages of what remains of a call, or to forget it.
    pub(crate) fn rest_on_time(&mut self, clock: Clock, at: CallRef, ladder: Option<Ladder>, out: &mut Effects) {
        if let Some(ladder) = ladder {
            out.list.push(Effect::Trace { pieces: ladder.into_pieces() });
        }
        match self.table.forget_at(at).filter(|forget_at| *forget_at > clock.now) {
            Some(forget_at) => self.table.filed(at, self.wheel.file(forget_at, at)),
            None => drop(self.table.remove(at)),
        }
    }

    fn forget(&mut self, clock: Clock, at: CallRef, out: &mut Effects) {
        let Some(mut entry) = self.table.remove(at) else { return };
        entry.end_tape(clock.wall, out);
        if let Some(ladder) = entry.ladder.take() {
            out.list.push(Effect::Trace { pieces: ladder.into_pieces() });
        }
    }

    /// Hands the captured messages of a call that is over to the pump, once their time has come.
    pub(crate) fn hand_ladder_over(&mut self, clock: Clock, at: CallRef, out: &mut Effects) {
        let Some(entry) = self.table.get_mut(at) else { return };
        if entry.ladder_at.is_none_or(|due| due > clock.now) {
            return;
        }
        entry.end_tape(clock.wall, out);
        if let Some(ladder) = entry.ladder.take() {
            out.list.push(Effect::Trace { pieces: ladder.into_pieces() });
        }
    }

    /// Turns the call's orders into effects; questions to home shards go to the inbox or by parcel.
    pub(crate) fn carry_out(&mut self, clock: Clock, at: CallRef, out: &mut Effects) {
        self.streams.see(clock.now);
        self.nodes.see(clock.wall);
        // Before the messages of the step: who hears of a change finds it done.
        self.move_media(out);
        let shift = out.bytes.len();
        out.bytes.extend_from_slice(&self.work.bytes);
        let mut list = core::mem::take(&mut self.work.list);
        let mut safe_at = None;
        for order in list.drain(..) {
            match order {
                CallOrder::Send { leg, to, bytes } => {
                    self.counters.sip_sent += 1;
                    if let Some(entry) = self.table.get_mut(at) {
                        let text = &self.work.bytes[bytes.clone()];
                        let body = if text.ends_with(WITHOUT_BODY) { 0 } else { text.len() };
                        entry.note(clock.wall, (leg, false), to, (text, body), out);
                    }
                    self.emit(to, bytes.start + shift..bytes.end + shift, out);
                }
                CallOrder::OpenPort { port, ipv6 } => {
                    self.ports.insert(port, at);
                    self.tape_port(at, port);
                    self.record_port(at, port);
                    out.list.push(Effect::OpenPort { port, ipv6 });
                }
                CallOrder::ClosePort(port) => {
                    self.ports.remove(&port);
                    self.taped.remove(&port);
                    out.list.push(Effect::ClosePort { port });
                }
                CallOrder::Journal { bytes, wait } => {
                    let ticket = self.ticket();
                    if wait {
                        safe_at = Some(ticket);
                        self.waiting.push_back((ticket, Waiting::Call(at)));
                    }
                    out.list.push(Effect::Journal { ticket, bytes: bytes.start + shift..bytes.end + shift });
                }
                CallOrder::Register { leg } => {
                    self.table.register_minted(at, leg);
                    self.tape_attempt(clock, at, out);
                }
                CallOrder::Take { place, capacity, cps } => {
                    let question = self.take(at, place, (capacity, cps));
                    self.ask_home(question, out);
                }
                CallOrder::Return { place, plan, over } => self.ask_home(Entry::Return { place, plan, over }, out),
                CallOrder::Heard { trunk, carrier, plan, begun, news } => {
                    self.ask_home(Entry::Heard { trunk, carrier, plan, begun, news }, out);
                }
                CallOrder::Reserve { account, want, least } => {
                    self.ask_home(Entry::Reserve { call: at, account, want, least }, out);
                }
                CallOrder::Settle { account, reserved, used } => {
                    self.settle(Entry::Settle { account, reserved, used }, safe_at, out);
                }
                CallOrder::Silent { trunk, since } => self.report_silence(clock, trunk, since, out),
                CallOrder::Certificate { x5u } => self.want_certificate(clock, at, x5u, out),
                CallOrder::Count(count) => self.counters.count(count),
                CallOrder::Stage(stage, nanos) => self.stages.record(stage, nanos),
            }
        }
        self.work.list = list;
        self.work.clear();
    }

    /// Asks for room at a place with the limits of the snapshot in force.
    fn take(&self, call: CallRef, place: Place, (capacity, cps): (u32, u32)) -> Entry {
        let mut allowed = Allowed { trunk: Limits { capacity, cps, window_s: 0 }, ..Allowed::default() };
        let Some(loaded) = &self.loaded else { return Entry::Take { call, place, allowed } };
        let of = loaded.view().carrier(place.carrier).map(|carrier| carrier.limits()).unwrap_or_default();
        allowed.both = of.capacity;
        match place.trunk {
            Trunk::Ingress(id) => {
                allowed.trunk.window_s = loaded.policies.ingress(id).policy.cps_window_s;
                allowed.carrier = limits(of.ingress);
                Entry::Enter { call, place, switch: limits(loaded.view().limits()), allowed }
            }
            Trunk::Egress(id) => {
                allowed.trunk.window_s = loaded.policies.egress(id).policy.cps_window_s;
                allowed.carrier = limits(of.egress);
                allowed.share = of.originator_capacity;
                Entry::Take { call, place, allowed }
            }
        }
    }

    fn ticket(&mut self) -> u64 {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.counters.journal_records += 1;
        ticket
    }

    /// A call's money is free again when its record is safe: until then a crash would bill the call anew, from all that it held.
    fn settle(&mut self, entry: Entry, safe_at: Option<u64>, out: &mut Effects) {
        match safe_at.filter(|_| !mutant::is(Mutant::RestFreedEarly)) {
            Some(ticket) => self.waiting.push_back((ticket, Waiting::Settle(entry))),
            None => self.ask_home(entry, out),
        }
    }

    /// A question of one of our calls goes to the home shard, which may be this one.
    pub(crate) fn ask_home(&mut self, entry: Entry, out: &mut Effects) {
        let own = self.config.shard;
        match entry.home(self.config.shards) {
            Some(home) if home != own => self.send_entry(home, (own, entry), out),
            _ => self.inbox.push_back((own, entry)),
        }
    }

    fn send_entry(&mut self, to: ShardId, (from, entry): (ShardId, Entry), out: &mut Effects) {
        let parcel = Parcel::Book { from, entry };
        out.list.push(Effect::Parcel { to, parcel: Box::new(parcel) });
    }

    /// Works off questions and answers until none is left; each question yields at most one answer, so it ends.
    pub(crate) fn work_inbox(&mut self, clock: Clock, out: &mut Effects) {
        loop {
            self.work_entries(clock, out);
            let Some(bytes) = self.unsent.pop_front() else { return self.file_all(clock.now) };
            self.work_unsent(clock, &bytes, out);
        }
    }

    fn work_entries(&mut self, clock: Clock, out: &mut Effects) {
        while let Some((from, entry)) = self.inbox.pop_front() {
            match entry {
                Entry::Taken { call, place, taken } => {
                    if self.table.get(call).is_some() {
                        self.step(clock, call, out, |call, ctx| call.on_taken(ctx, place, taken));
                    } else if taken.is_ok() {
                        let (plan, over) = (PlanId::default(), Over::Void);
                        self.ask_home(Entry::Return { place, plan, over }, out);
                    }
                }
                Entry::Reserved { call, reserved, account } => {
                    if self.table.get(call).is_some() {
                        self.step(clock, call, out, |call, ctx| call.on_reserved(ctx, account, reserved));
                    } else if let Ok(reserved) = reserved {
                        let used = alloc::vec::Vec::new();
                        self.ask_home(Entry::Settle { account, reserved, used }, out);
                    }
                }
                question => {
                    self.answer_entry(clock, from, question);
                    self.tell_standings(out);
                    self.carry_out_book(out);
                }
            }
        }
    }

    /// Answers a question to this home shard. A trunk that may not be called at this moment has no room.
    fn answer_entry(&mut self, clock: Clock, from: ShardId, question: Entry) {
        if let Entry::Take { call, place: place @ Place { trunk: Trunk::Egress(id), .. }, .. } = question
            && let Some(cause) = self.standings.refusal(clock.now, id)
        {
            return self.book_orders.push(Order::Tell(from, Entry::Taken { call, place, taken: Err(cause) }));
        }
        self.standings.on_entry(clock, &question);
        self.book.on_entry(clock.now, from, question, &mut self.book_orders);
        if let Some(Order::Tell(_, Entry::Taken { place, taken: Ok(()), .. })) = self.book_orders.last()
            && let Trunk::Egress(id) = place.trunk
        {
            self.standings.on_begun(clock, id);
        }
    }

    /// Carries out what the book ordered.
    pub(crate) fn carry_out_book(&mut self, out: &mut Effects) {
        let mut orders = core::mem::take(&mut self.book_orders);
        for order in orders.drain(..) {
            match order {
                Order::Tell(to, entry) if to == self.config.shard => self.inbox.push_back((to, entry)),
                Order::Tell(to, entry) => self.send_entry(to, (self.config.shard, entry), out),
                Order::Pass { to, from, entry } if to == self.config.shard => self.inbox.push_back((from, entry)),
                Order::Pass { to, from, entry } => self.send_entry(to, (from, entry), out),
                Order::Journal(record) => {
                    self.journal(&record, out);
                }
                Order::JournalThenWant(record, want) => {
                    let ticket = self.journal(&record, out);
                    self.waiting.push_back((ticket, Waiting::Want(want)));
                }
            }
        }
        self.book_orders = orders;
    }

    fn journal(&mut self, record: &Record, out: &mut Effects) -> u64 {
        let ticket = self.ticket();
        let bytes = out.append(|bytes| record.encode(bytes));
        out.list.push(Effect::Journal { ticket, bytes });
        ticket
    }

    /// While calls talk, marks the journal: what a crash may cost is the time since the last mark.
    pub(crate) fn mark(&mut self, clock: Clock, out: &mut Effects) {
        if self.calls_up == 0 || clock.now < self.mark_at {
            return;
        }
        self.mark_at = clock.now.plus_millis(MARK_MS);
        self.journal(&Record::Mark { shard: self.config.shard, now: clock.now, wall: clock.wall }, out);
    }
}

fn limits(of: snapshot::Limits) -> Limits {
    Limits { capacity: of.capacity, cps: of.cps, window_s: of.cps_window_s }
}

/// When a call may hand its messages over that could do so from this moment on: with those of other calls.
fn step_from(moment: Instant) -> Instant {
    Instant::from_micros(moment.micros().next_multiple_of(LADDER_STEP_MS * 1_000))
}
