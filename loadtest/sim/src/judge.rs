//! What must hold at the end of every run, told by the peers' own notes, the journal and the ledger.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use cdr::{Cdr, Record};
use shard::book::Holder;
use units::{AccountId, CallId, Cause, EgressTrunkId, IngressTrunkId, Money};

use crate::caller::{GIVE_UP, State};
use crate::prices;
use crate::story::{CallerManner, Flaw, MS, ORIGINATORS, TERMINATORS, TroubleKind};
use crate::world::World;

/// Trunks and accounts of every story have numbers up to this.
const TRUNKS_MAX: u32 = 30;

/// The first broken promise, as a sentence.
pub fn judge(world: &World<'_>) -> Result<(), String> {
    if let Some(fault) = world.faults.first() {
        return Err(fault.clone());
    }
    nothing_is_left(world)?;
    let books = Books::read(world.sites.iter().flat_map(|site| site.disk.records()))?;
    every_start_has_its_end(world, &books)?;
    for call in books.calls.values() {
        price_is_right(world, call)?;
    }
    for index in 0..world.callers.len() {
        caller_agrees(world, &books, index)?;
    }
    money_agrees(world)
}

/// I4 and I5: what the ledger took is what the records say, each once, and nothing is held.
fn money_agrees(world: &World<'_>) -> Result<(), String> {
    let originators = (1..=ORIGINATORS as u32).map(AccountId);
    let terminators = (0..TERMINATORS as u32 - 1).map(|index| AccountId(prices::TERMINATOR_BASE + index).owed());
    for id in originators.chain(terminators) {
        let (row, billed) = (world.bank.row(id), world.sums.billed(id));
        if row.settled.nanos() != billed {
            return Err(format!("account {id}: its records bill {billed}, the ledger took {}", row.settled));
        }
        let (noted, written_off) = (world.bank.lost(id), world.sums.written_off(id));
        if noted.nanos() != written_off {
            return Err(format!("account {id}: its records write off {written_off}, the ledger noted {noted}"));
        }
        if row.held != Money::ZERO {
            return Err(format!("account {id}: at the end {} are held for nobody", row.held));
        }
    }
    if world.bank.open() > 0 {
        return Err(format!("at the end {} grants were not handed back", world.bank.open()));
    }
    if world.sums.unfinished() > 0 {
        return Err(format!("at the end {} calls have no safe record", world.sums.unfinished()));
    }
    if world.story.strife.strict && world.sums.lost() > 0 {
        return Err(format!(
            "{} were delivered and not billed, although a crash bills all paid time",
            world.sums.lost()
        ));
    }
    match world.sites.iter().position(|site| !site.link.is_quiet()) {
        Some(node) => Err(format!("at the end node {node} still waits for the ledger")),
        None => Ok(()),
    }
}

/// A process died on the way.
fn was_cut(world: &World<'_>) -> bool {
    let mut troubles = world.story.strife.troubles.iter();
    world.story.crash.is_some() || troubles.any(|trouble| trouble.kind == TroubleKind::Dead)
}

/// A disk took nothing for a while, and answers waited for it.
fn was_full(world: &World<'_>) -> bool {
    world.story.strife.troubles.iter().any(|trouble| trouble.kind == TroubleKind::Full)
}

/// A process stood still on the way.
fn stood_still(world: &World<'_>) -> bool {
    world.story.strife.troubles.iter().any(|trouble| trouble.kind == TroubleKind::Still)
}

fn nothing_is_left(world: &World<'_>) -> Result<(), String> {
    for shard in world.sites.iter().flat_map(|site| &site.node.shards) {
        let figures = shard.figures();
        let held = shard.calls_held();
        if let Some(room) = shard.book().rooms(units::Instant::default()).first() {
            return Err(format!("at the end shard {} still has {room:?}", figures.shard));
        }
        if figures.calls > 0 || figures.answered > 0 || figures.ports_used > 0 || held > 0 {
            return Err(format!(
                "at the end shard {} still has {figures:?} and {held} calls in its table",
                figures.shard
            ));
        }
        for id in 1..=TRUNKS_MAX {
            let (ingress, egress) = (Holder::Ingress(IngressTrunkId(id)), Holder::Egress(EgressTrunkId(id)));
            let taken = shard.book().taken(ingress) + shard.book().taken(egress);
            let reserved = shard.book().reserved(AccountId(id)) + shard.book().reserved(AccountId(id).owed());
            if taken > 0 || reserved != Money::ZERO {
                return Err(format!(
                    "at the end trunks {id} still have {taken} calls, account {id} {reserved} reserved"
                ));
            }
        }
    }
    for node in world.sites.iter().map(|site| &site.node) {
        if node.ports_open() > 0 {
            return Err(format!("at the end {} media ports are open", node.ports_open()));
        }
        if let Some((due, shard)) = node.deadline().filter(|(due, _)| *due <= world.now) {
            return Err(format!("at the end shard {shard} has a timer that was due at {due} µs"));
        }
    }
    for (index, caller) in world.callers.iter().enumerate() {
        if !matches!(caller.state, State::Ended | State::Vanished) {
            return Err(format!("call {index} never ended: {:?}", caller.state));
        }
        // RFC 3261 §15: whoever answered must not send a BYE before the ACK has come.
        if caller.released_early {
            return Err(format!("call {index} was released before it had acknowledged an answer"));
        }
        // In the worst weather seven INVITEs may all be lost; in any other that is not chance.
        if !caller.heard && world.story.weather.lost < 100 && !was_cut(world) {
            return Err(format!("call {index} was never answered by anything"));
        }
    }
    Ok(())
}

/// The journal's records, sorted out.
struct Books<'a> {
    /// Call records.
    calls: BTreeMap<CallId, &'a Cdr>,
    /// How many attempt records each call has.
    attempts: BTreeMap<CallId, u8>,
    /// Calls with a start record.
    started: Vec<CallId>,
}

impl<'a> Books<'a> {
    fn read(records: impl Iterator<Item = &'a Record>) -> Result<Books<'a>, String> {
        let mut books = Books { calls: BTreeMap::new(), attempts: BTreeMap::new(), started: Vec::new() };
        for record in records {
            match record {
                Record::Start(start) => books.started.push(start.call.call),
                Record::Cdr(cdr) if cdr.attempt.0 > 0 => *books.attempts.entry(cdr.call).or_default() += 1,
                Record::Cdr(cdr) => {
                    let before = books.calls.insert(cdr.call, cdr);
                    before.map_or(Ok(()), |_| Err(format!("call {} has two call records", cdr.call)))?;
                }
                _ => {}
            }
        }
        Ok(books)
    }
}

fn every_start_has_its_end(world: &World<'_>, books: &Books<'_>) -> Result<(), String> {
    for call in &books.started {
        if !books.calls.contains_key(call) {
            return Err(format!("call {call} was started and has no call record"));
        }
    }
    // A kill may fall between the records of one call's attempts.
    if !was_cut(world) {
        for (id, call) in &books.calls {
            let made = books.attempts.get(id).copied().unwrap_or(0);
            if made != call.attempts {
                return Err(format!("call {id} counts {} attempts and has records of {made}", call.attempts));
            }
        }
    }
    Ok(())
}

fn price_is_right(world: &World<'_>, call: &Cdr) -> Result<(), String> {
    let Some(sell) = call.sell else {
        let answered = call.answered_ms.is_some();
        return if answered { Err(format!("call {} was answered and has no price", call.call)) } else { Ok(()) };
    };
    let revision = call.revision.0;
    let routed = call.called_routed.as_str();
    let expect = |deck: u32, seen: &cdr::Priced, side: &str| {
        let line = prices::line_of(deck, revision, routed).ok_or(format!("call {}: no {side} rate", call.call))?;
        let (billed, price) = prices::price(&line, call.duration_ms);
        if (u64::from(seen.billed_s), seen.price.nanos()) == (billed, price) {
            return Ok(());
        }
        let (id, had) = (call.call, (seen.billed_s, seen.price.nanos()));
        Err(format!("call {id} of {} ms: {side} {had:?}, should be {:?}", call.duration_ms, (billed, price)))
    };
    expect(prices::SELL_DECK, &sell, "sell")?;
    if let Some(buy) = call.buy {
        expect(call.terminator.0, &buy, "buy")?;
    }
    if revision == 0 || revision > if world.story.republish.is_some() { 2 } else { 1 } {
        return Err(format!("call {} was decided by revision {revision}", call.call));
    }
    Ok(())
}

fn caller_agrees(world: &World<'_>, books: &Books<'_>, index: usize) -> Result<(), String> {
    let caller = &world.callers[index];
    let own: Vec<&&Cdr> = books.calls.values().filter(|cdr| cdr.ingress_call_id == caller.call_id).collect();
    // RFC 3261 §17.2.1: an INVITE that comes after its transaction was forgotten is a request like any other, so a call of its own.
    if own.len() == 2 && matches!(world.story.fault, Some((0, Flaw::Late(late))) if late > GIVE_UP) {
        return Ok(());
    }
    let calm = !was_full(world)
        && !was_cut(world)
        && !stood_still(world)
        && world.story.weather.lost == 0
        && world.story.fault.is_none();
    let answered = own.iter().filter(|cdr| cdr.answered_ms.is_some()).count();
    // A kill between the start record and the 200 lets a repeated INVITE be answered anew; the first answer is billed 0 s.
    let right = if was_cut(world) { answered >= 1 } else { answered == 1 };
    if caller.answered.is_some() && !right {
        return Err(format!("call {index} was answered and has {answered} answered call records"));
    }
    // The answer to a BYE leaves when the call's record is safe: no restart may cut the call again.
    let cut = own.iter().any(|cdr| cdr.answered_ms.is_some() && cdr.cause == Cause::SWITCH_RESTARTED);
    if caller.release_answered && cut && own.len() == 1 {
        return Err(format!("call {index} was released in good order and is recorded as cut by a restart"));
    }
    // What a node with a full disk turns away is no call.
    if was_full(world) && own.is_empty() && caller.ended.is_some_and(|(_, code)| code == 503) {
        return Ok(());
    }
    // A kill forgets a call that was not answered yet, and its repeated INVITE then is another call.
    if !was_cut(world) && own.len() != 1 {
        return Err(format!("call {index} has {} call records", own.len()));
    }
    let refused = caller.ended.filter(|_| calm && caller.answered.is_none());
    if let (Some((_, code)), Some(cdr)) =
        (refused, own.first().filter(|cdr| Some(cdr.sip_status) != refused.map(|r| r.1)))
    {
        return Err(format!("call {index} ended with {code}, its record says {}", cdr.sip_status));
    }
    let speaks = !matches!(world.story.calls[index].caller, CallerManner::NeverAcknowledges | CallerManner::Vanishes);
    let Some((ended, _)) = caller.ended.filter(|_| calm && speaks) else { return Ok(()) };
    if let (Some(from), Some(cdr)) = (caller.answered, own.first()) {
        let heard = (ended - from) / MS;
        let off = heard.abs_diff(cdr.duration_ms);
        // Both ends of the interval are seen through a network, and the end through a journal.
        let drift = world.story.strife.drift[index % world.story.nodes].unsigned_abs();
        let most = 2 * world.story.weather.late_max / MS + 30 + heard * drift / 1_000_000;
        if off > most {
            return Err(format!("call {index} lasted {heard} ms for its caller and {} in its record", cdr.duration_ms));
        }
    }
    Ok(())
}
