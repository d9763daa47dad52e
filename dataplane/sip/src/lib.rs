//! RFC 3261 without sockets: messages in and out of bytes, the four transactions, dialogs.
#![no_std]

extern crate alloc;
