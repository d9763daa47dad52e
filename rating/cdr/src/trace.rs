//! A captured call: what its ladder is drawn from. Losing one is allowed.

use alloc::vec::Vec;
use core::net::SocketAddr;

use units::{CallId, WallTime};

use crate::bytes::{Input, Output};
use crate::encoding::RecordFlaw;

const VERSION: u8 = 1;
const COUNT_BYTES: usize = 4;

/// What [`begin`] writes: version, call, number of messages.
pub const BEGIN_BYTES: usize = 1 + 16 + COUNT_BYTES;
/// What a message takes at most besides its own bytes: moment, leg, direction, address, length.
pub const MESSAGE_BYTES: usize = 8 + 1 + 1 + 19 + 4;

/// All captured messages of one call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    /// The call.
    pub call: CallId,
    /// In the order in which they came and went.
    pub messages: Vec<Message>,
}

/// One captured SIP message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// When.
    pub at: WallTime,
    /// 0 for the ingress leg, 1 and up for egress legs.
    pub leg: u8,
    /// True if we received it, false if we sent it.
    pub inbound: bool,
    /// The other side's address.
    pub peer: SocketAddr,
    /// As on the wire.
    pub bytes: Vec<u8>,
}

/// The same where it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen<'a> {
    /// When.
    pub at: WallTime,
    /// As in [`Message`].
    pub leg: u8,
    /// As in [`Message`].
    pub inbound: bool,
    /// The other side's address.
    pub peer: SocketAddr,
    /// As on the wire.
    pub bytes: &'a [u8],
}

impl Message {
    fn seen(&self) -> Seen<'_> {
        Seen { at: self.at, leg: self.leg, inbound: self.inbound, peer: self.peer, bytes: &self.bytes }
    }
}

impl Trace {
    /// When its first message was seen; the beginning of time without messages.
    pub fn started(&self) -> WallTime {
        self.messages.first().map_or(WallTime::default(), |message| message.at)
    }
}

/// Appends a captured call.
pub fn encode(call: CallId, messages: &[Message], out: &mut Vec<u8>) {
    encode_seen(call, messages.iter().map(Message::seen), out);
}

/// The same from messages that lie elsewhere.
pub fn encode_seen<'a>(call: CallId, messages: impl ExactSizeIterator<Item = Seen<'a>>, out: &mut Vec<u8>) {
    let (start, count) = (out.len(), messages.len() as u32);
    begin(call, out);
    messages.for_each(|message| append(&message, out));
    close(count, &mut out[start..]);
}

/// Begins a captured call whose messages are appended as they come and go.
pub fn begin(call: CallId, out: &mut Vec<u8>) {
    Output(out).u8(VERSION).call(call).u32(0);
}

/// Appends a message to a captured call, [`MESSAGE_BYTES`] and its own bytes at most.
pub fn append(message: &Seen<'_>, out: &mut Vec<u8>) {
    let mut out = Output(out);
    out.i64(message.at.micros()).u8(message.leg).u8(u8::from(message.inbound));
    out.address(message.peer).blob(message.bytes);
}

/// Ends a captured call by saying, where it begins, how many messages it has.
pub fn close(messages: u32, begun: &mut [u8]) {
    begun[BEGIN_BYTES - COUNT_BYTES..BEGIN_BYTES].copy_from_slice(&messages.to_le_bytes());
}

/// Reads exactly one captured call.
pub fn decode(bytes: &[u8]) -> Result<Trace, RecordFlaw> {
    let mut input = Input(bytes);
    match input.u8() {
        Some(VERSION) => {}
        Some(version) => return Err(RecordFlaw::Version(version)),
        None => return Err(RecordFlaw::Malformed),
    }
    read(&mut input).filter(|_| input.0.is_empty()).ok_or(RecordFlaw::Malformed)
}

fn read(input: &mut Input<'_>) -> Option<Trace> {
    let call = input.call()?;
    let count = input.u32()? as usize;
    let messages = input.list(count, |input| {
        Some(Message {
            at: WallTime::from_micros(input.i64()?),
            leg: input.u8()?,
            inbound: input.flag()?,
            peer: input.address()?,
            bytes: input.blob()?.to_vec(),
        })
    })?;
    Some(Trace { call, messages })
}
