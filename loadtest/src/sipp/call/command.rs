//! Commands between programs that play the same calls: third-party call control (3PCC).
//!
//! SIPp's rules: a command names its call by Call-ID, and fits the next step if that waits for one.

use super::Call;
use crate::sipp::scenario::{Commanding, Kind, Optional, Step};
use crate::sipp::statistics::Count;
use crate::sipp::world::World;

/// As commands are called where messages are written down.
pub const TRANSPORT: &str = "TCP control";
/// What ends the call at the other program too.
const ABORT: &str = "abort_call";

impl Call {
    /// Sends a command, and goes on.
    pub(super) fn command(&mut self, step: &Step, commanding: &Commanding, world: &mut World) {
        let text = self.text(&commanding.text, world);
        if self.over {
            return;
        }
        world.traces.message(TRANSPORT, true, &text);
        if !world.twins.send(commanding.to.as_deref(), &text, &mut world.wire) {
            let id = &self.birth.id;
            world.traces.error(&format!("Call-Id: {id}: a command could not be sent"));
            return self.end(world, Some(Count::CmdNotSent));
        }
        world.statistics.steps[self.step].done += 1;
        self.book(step, world);
        let here = self.step;
        self.act(&step.actions, world);
        self.next_unless_jumped(here, world);
    }

    /// A command came.
    pub fn commanded(&mut self, text: &str, world: &mut World) {
        if word_after(text, "internal-cmd:") == Some(ABORT) {
            return self.abort(world, Count::Rejected);
        }
        let steps = self.scenario.clone();
        let waits = |step: &usize| matches!(steps.steps[*step].kind, Kind::Await(_));
        let next = (self.step..steps.steps.len()).find(|step| waits(step) || self.optional(*step) == Optional::No);
        let id = &self.birth.id;
        let Some(index) = next.filter(waits) else {
            world.traces.error(&format!("Call-Id: {id}: a command came that was not expected"));
            return self.end(world, Some(Count::Rejected));
        };
        let step = &steps.steps[index];
        let Kind::Await(awaiting) = &step.kind else { return };
        if world.twins.named() && awaiting.from.as_deref() != word_after(text, "From:") {
            world.warn(&format!("Call-Id: {id}: Unexpected sender for the received peer message {text}"));
            return self.end(world, Some(Count::Rejected));
        }
        world.statistics.steps[index].done += 1;
        self.book(step, world);
        // The line ends are there for the way.
        self.commanded = Some(text.trim_end_matches("\r\n").to_owned());
        let here = self.step;
        self.act(&step.actions, world);
        self.commanded = None;
        if !self.over && self.step == here {
            self.step = index;
            self.next(world);
        }
        self.run(world);
    }

    /// Who would send the command that is waited for is gone.
    pub fn parted(&mut self, world: &mut World) {
        let step = self.scenario.steps.get(self.step).map(|step| &step.kind);
        if matches!(step, Some(Kind::Await(_))) {
            world.warn(&format!("Call-Id: {}: no command will come: the other program has ended", self.birth.id));
            self.abort(world, Count::TcpClosed);
        }
    }

    /// The other program's part of this call ends too.
    pub(super) fn abort_twin(&mut self, world: &mut World) {
        if self.step > 0 && !world.twins.named() {
            let text = format!("call-id: {}\r\ninternal-cmd: {ABORT}\r\n\r\n", self.birth.id);
            if world.twins.send(None, &text, &mut world.wire) {
                world.traces.message(TRANSPORT, true, &text);
            }
        }
    }
}

/// The word that follows this text.
fn word_after<'a>(text: &'a str, start: &str) -> Option<&'a str> {
    text.split_once(start)?.1.trim_start_matches([' ', '\t']).split([' ', '\t', '\r', '\n']).next()
}
