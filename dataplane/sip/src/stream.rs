//! Messages in a stream of bytes, such as TCP: where one ends and the next begins (RFC 3261 §18.3).

use crate::flaw::{Flaw, FlawKind};
use crate::lex;
use crate::message::{HEADERS_MAX, MESSAGE_BYTES_MAX};
use crate::name::Name;
use crate::parse;

/// What stands at the beginning of the bytes that were received and not yet taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Frame {
    /// Not a whole message yet: call again with the same bytes and more behind them.
    More,
    /// A keep-alive of four bytes that asks for an answer of CRLF (RFC 5626 §3.5.1). Take `length` bytes.
    Ping {
        /// Always 4.
        length: usize,
    },
    /// An empty line to be ignored (RFC 3261 §7.5). Take `length` bytes.
    Skip {
        /// Always 2.
        length: usize,
    },
    /// A message of `length` bytes, ready for [`crate::parse::message`].
    Message {
        /// Start line, headers and body.
        length: usize,
    },
}

/// Cuts one connection's bytes into messages. After a flaw the connection must be closed: where the next message
/// begins can no longer be known.
#[derive(Clone, Debug, Default)]
pub struct Framer {
    /// Bytes that were searched for the end of the headers already.
    searched: usize,
    /// Length of the message once its headers are whole; 0 before.
    length: usize,
}

impl Framer {
    /// A framer at the beginning of a stream.
    #[must_use]
    pub const fn new() -> Framer {
        Framer { searched: 0, length: 0 }
    }

    /// Looks at the bytes received and not yet taken. Whatever length is reported must be taken before the next call.
    ///
    /// # Errors
    /// A message without Content-Length, with two different ones, with one that is no number, or a message above
    /// [`MESSAGE_BYTES_MAX`].
    pub fn next(&mut self, bytes: &[u8]) -> Result<Frame, Flaw> {
        if self.length == 0 {
            if let Some(frame) = empty_line(bytes) {
                return Ok(frame);
            }
            // The end may stand across the border of what was searched: three of its four bytes are looked at again.
            let from = self.searched.saturating_sub(3);
            let Some(at) = memchr::memmem::find(&bytes[from.min(bytes.len())..], b"\r\n\r\n") else {
                self.searched = bytes.len();
                return if bytes.len() < MESSAGE_BYTES_MAX { Ok(Frame::More) } else { Err(TOO_LARGE) };
            };
            let head = from + at + 4;
            self.length = head + body_length(&bytes[..head])?;
            if self.length > MESSAGE_BYTES_MAX {
                return Err(TOO_LARGE);
            }
        }
        if bytes.len() < self.length {
            return Ok(Frame::More);
        }
        let length = core::mem::take(&mut self.length);
        self.searched = 0;
        Ok(Frame::Message { length })
    }

    /// Is the stream in the midst of a message? A peer that stays there too long is to be cut off.
    #[must_use]
    pub fn is_inside(&self) -> bool {
        self.length > 0 || self.searched > 0
    }
}

const TOO_LARGE: Flaw = Flaw { status: 513, reason: "Message Too Large", kind: FlawKind::Bound };

fn empty_line(bytes: &[u8]) -> Option<Frame> {
    match bytes {
        // Whether more line ends follow tells a ping from an empty line.
        [] | [b'\r'] | [b'\r', b'\n'] | [b'\r', b'\n', b'\r'] => Some(Frame::More),
        [b'\r', b'\n', b'\r', b'\n', ..] => Some(Frame::Ping { length: 4 }),
        [b'\r', b'\n', ..] => Some(Frame::Skip { length: 2 }),
        _ => None,
    }
}

/// RFC 3261 §18.3: in a stream Content-Length is a must.
fn body_length(head: &[u8]) -> Result<usize, Flaw> {
    const BAD: Flaw = Flaw::bad(FlawKind::Length, "Bad Content-Length");
    let mut at = parse::line_end(head, 0)? + 2;
    let mut found = None;
    for _ in 0..=HEADERS_MAX {
        let Some(line) = parse::header_line(head, at)? else {
            return found.ok_or(Flaw::bad(FlawKind::Length, "Missing Content-Length"));
        };
        if line.name == Name::ContentLength {
            let length = lex::number(&head[line.value_at..line.value_end], u64::from(u32::MAX)).ok_or(BAD)? as usize;
            if found.replace(length).is_some() {
                return Err(Flaw::bad(FlawKind::Twin, "Header Stands Twice"));
            }
        }
        at = line.next;
    }
    Err(Flaw { status: 513, reason: "Too Many Headers", kind: FlawKind::Bound })
}
