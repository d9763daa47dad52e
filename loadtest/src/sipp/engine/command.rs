//! Commands of other programs that play the same calls (3PCC), and the end of such a program.

use std::io;

use super::{Beginning, Engine};
use crate::sipp::call::COMMANDS;
use crate::sipp::heard;
use crate::sipp::statistics::Count;
use crate::sipp::world::Quit;

impl Engine {
    /// A command is for the call that it names; where commands begin calls, that may be a new one.
    pub(super) fn command(&mut self, text: &str) -> io::Result<()> {
        self.world.traces.message(COMMANDS, false, text);
        let whole = format!("\r\n{text}");
        let Some(id) = heard::call_id(&whole).map(|id| self.world.named(id).to_owned()) else {
            self.world.warn("SIP message without Call-ID discarded");
            return Ok(());
        };
        if let Some(slot) = self.by_id.get(&id).copied() {
            self.with(slot, |call, world| call.commanded(text, world));
        } else if self.dead.contains_key(&id) {
            self.world.statistics.count(Count::DeadCall);
        } else if self.world.twins.begin_calls() && self.world.quit == Quit::No {
            let number = self.world.statistics.created() + 1;
            let birth = self.birth(number, id, 0)?;
            self.begin(birth, Count::Outgoing, Beginning::Command(text.to_owned()));
            self.enough();
        } else {
            self.world.statistics.count(Count::OutOfCall);
            self.world.warn(&format!("Discarding message which can't be mapped to a known SIPp call:\n{text}"));
        }
        Ok(())
    }

    /// Another program has ended: what waits for its commands has failed, and the rest goes to its end.
    pub(super) fn parted(&mut self) {
        if !self.world.twins.ended() {
            return;
        }
        for slot in 0..self.calls.len() {
            self.with(slot, |call, world| call.parted(world));
        }
        if self.world.quit == Quit::No {
            self.world.warn("another program that plays the same calls has ended: no new calls");
            self.world.end(Quit::Softly);
        }
    }
}
