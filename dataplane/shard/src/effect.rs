//! All that a shard may ask of the program around it.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::ops::Range;

use panel::wire::Want;
use sip::{Flow, Hop};
use units::ShardId;

use crate::parcel::Parcel;
use crate::registrar::Change;
use crate::table::CallRef;

/// One order to the pump.
#[derive(Debug)]
pub enum Effect {
    /// Send these bytes of [`Effects::bytes`] as one datagram by a listener's UDP socket.
    Sip {
        /// Where to.
        to: Hop,
        /// Which bytes.
        bytes: Range<usize>,
    },
    /// Make a connection from a listener's address, with its TLS; report `Shard::on_connected` or `Shard::on_stream_ended`.
    Connect {
        /// Its number.
        flow: Flow,
        /// The listener's place in the settings.
        listener: u8,
        /// Where to.
        to: SocketAddr,
        /// With TLS: the host name that the peer must prove; empty if it must prove the address.
        name: String,
    },
    /// Send these bytes of [`Effects::bytes`] over a connection; if it cannot take them, close it and report
    /// `Shard::on_stream_ended`.
    Stream {
        /// Its number.
        flow: Flow,
        /// Which bytes.
        bytes: Range<usize>,
    },
    /// Close a connection once everything is sent; nothing is reported.
    CloseStream {
        /// Its number.
        flow: Flow,
    },
    /// Open a UDP socket on this local port of the media address and deliver its datagrams to `Shard::on_media`.
    OpenPort {
        /// The local port.
        port: u16,
        /// On the media address of IPv6 rather than of IPv4.
        ipv6: bool,
    },
    /// Stop listening on this media port; late datagrams may still be delivered and are dropped by the shard.
    ClosePort {
        /// The local port.
        port: u16,
    },
    /// Let the kernel relay a media stream, or relay it no longer. Part is answered by `Shard::on_parted`, Join by
    /// `Shard::on_unjoined` if it cannot be done.
    Media(media::Change),
    /// Append this encoded `cdr::Record` to the journal; report the ticket by `Shard::on_journaled` once it is durable. Tickets rise by one.
    Journal {
        /// The place in this shard's row of records.
        ticket: u64,
        /// Which bytes of [`Effects::bytes`].
        bytes: Range<usize>,
    },
    /// Keep this captured call if that is cheap; losing it is allowed and counted.
    Trace {
        /// An encoded `cdr` trace, one piece after the other.
        pieces: Vec<Vec<u8>>,
    },
    /// Keep this encoded `tape::Note` if that is cheap; losing it is allowed and counted, but a note of an end must arrive.
    Tape {
        /// Which bytes of [`Effects::bytes`].
        bytes: Range<usize>,
        /// It is the last of its call.
        last: bool,
    },
    /// Keep this encoded `tape::Note` of a recorded voice if that is cheap; report by `Shard::on_unrecorded` if it is not.
    Voice {
        /// Whose it is.
        call: CallRef,
        /// Which bytes of [`Effects::bytes`].
        bytes: Range<usize>,
    },
    /// Hand this to another shard of the same node.
    Parcel {
        /// Whose it is.
        to: ShardId,
        /// What.
        parcel: Box<Parcel>,
    },
    /// Tell the other nodes, if there are any, that a binding changed here.
    Binding(Box<Change>),
    /// Tell the control plane, if it is there; repeated until answered.
    Want(Want),
    /// Have this certificate of a signed identity fetched; answered by [`crate::Shard::on_certificate`].
    Fetch {
        /// Where it is.
        x5u: String,
    },
}

/// The effects of one turn and the bytes that they point into. Cleared and reused by the pump: nothing is allocated in steady state.
#[derive(Debug, Default)]
pub struct Effects {
    /// In the order in which they must be carried out.
    pub list: Vec<Effect>,
    /// What the ranges of the list point into.
    pub bytes: Vec<u8>,
}

impl Effects {
    /// Forgets everything, keeps the memory.
    pub fn clear(&mut self) {
        self.list.clear();
        self.bytes.clear();
    }

    /// Runs `write` on the byte store and returns the range that it appended.
    pub fn append(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Range<usize> {
        let start = self.bytes.len();
        write(&mut self.bytes);
        start..self.bytes.len()
    }
}
