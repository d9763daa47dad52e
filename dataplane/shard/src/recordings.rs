//! Recorded calls: what was said goes to the tape in the clear, packet by packet.

use cdr::Recorded;
use media::{Sound, Stay};
use tape::{Frame, Law, Note, Sinks, What};
use units::{CallId, Clock, WallTime};

use crate::table::{CallRef, Entry};
use crate::tapes::blank;
use crate::{Effect, Effects, Shard};

/// How far the recording of a call is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recording {
    /// It runs.
    on: bool,
    /// It was wished at some time.
    begun: bool,
    /// Packets that were handed over, and that were lost after that.
    frames: u32,
    lost: u32,
    /// Something was said by a codec that we have no decoder for.
    foreign: bool,
}

impl Recording {
    /// True if there may be a file.
    pub(crate) fn is_begun(&self) -> bool {
        self.begun
    }

    fn outcome(&self) -> Recorded {
        match (self.frames - self.lost, self.lost, self.foreign) {
            (0, 0, false) => Recorded::Silent,
            (0, 0, true) => Recorded::Codec,
            (0, 1.., _) => Recorded::Lost,
            (1.., 0, false) => Recorded::Yes,
            (1.., ..) => Recorded::Gaps,
        }
    }
}

impl Entry {
    /// Says in the call's record what became of the wish.
    fn tell_recording(&mut self) {
        self.call.recorded = self.recording.outcome();
    }
}

impl Shard {
    /// Records a running call from here on, or no longer, by an operator's wish. False if this shard does not have it.
    pub fn on_record(&mut self, call: CallId, on: bool, out: &mut Effects) -> bool {
        let wanted = |entry: &Entry| entry.call.id() == call && !entry.call.is_over();
        let Some(at) = self.table.iter().find(|(_, entry)| wanted(entry)).map(|(at, _)| at) else { return false };
        if on {
            self.begin_recording(at);
        } else {
            self.pause_recording(at);
        }
        self.move_media(out);
        true
    }

    /// From here on what is said is recorded.
    pub(crate) fn begin_recording(&mut self, at: CallRef) {
        let Some(entry) = self.table.get_mut(at) else { return };
        (entry.recording.on, entry.recording.begun) = (true, true);
        entry.tell_recording();
        entry.call.pairs().for_each(|(_, pair)| self.relay.stay(pair.id, Stay::Record, true));
    }

    fn pause_recording(&mut self, at: CallRef) {
        let Some(entry) = self.table.get_mut(at) else { return };
        entry.recording.on = false;
        entry.call.pairs().for_each(|(_, pair)| self.relay.stay(pair.id, Stay::Record, false));
    }

    /// A port of a call was opened: what comes to it must come by us if the call is recorded.
    pub(crate) fn record_port(&mut self, at: CallRef, port: u16) {
        let Some(entry) = self.table.get(at).filter(|entry| entry.recording.on) else { return };
        if let Some((_, pair)) = entry.call.pairs().find(|(_, pair)| pair.rtp_port == port) {
            self.relay.stay(pair.id, Stay::Record, true);
        }
    }

    /// To be told after each [`Shard::on_media`]: what the packet brought goes to tape if its call is recorded.
    pub fn record_said(&mut self, clock: Clock, out: &mut Effects) {
        let Some(said) = self.relay.said() else { return };
        let Some(at) = self.ports.get(&said.port).copied() else { return };
        let Some(entry) = self.table.get_mut(at) else { return };
        let Some((leg, _)) = entry.call.pairs().find(|(_, pair)| pair.rtp_port == said.port) else { return };
        let law = match said.sound {
            Sound::Ulaw => Law::U,
            Sound::Alaw => Law::A,
            Sound::Unknown => {
                entry.recording.foreign = true;
                return entry.tell_recording();
            }
        };
        entry.recording.frames = entry.recording.frames.saturating_add(1);
        entry.tell_recording();
        let frame = Frame { law, source: said.source, timestamp: said.timestamp, voice: &said.payload };
        let note = Note {
            what: What::Voice,
            sinks: Sinks::RECORDING,
            leg,
            port: said.port,
            length: frame.encoded_bytes() as u32,
            // Never set back nor forward, other than the time of day.
            ..blank(entry.call.id(), WallTime::from_micros(clock.now.micros() as i64))
        };
        let bytes = out.append(|bytes| note.encode_with(frame.encoded_bytes(), bytes, |bytes| frame.encode(bytes)));
        out.list.push(Effect::Voice { call: at, bytes });
    }

    /// The tape had no room for what was said: it will be silence.
    pub fn on_unrecorded(&mut self, at: CallRef) {
        self.counters.recording_lost += 1;
        let Some(entry) = self.table.get_mut(at) else { return };
        entry.recording.lost = entry.recording.lost.saturating_add(1).min(entry.recording.frames);
        entry.tell_recording();
    }
}
