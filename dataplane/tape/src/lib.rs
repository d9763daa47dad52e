//! What is kept of chosen calls, as bytes: the notes that shards hand to the tape thread, and the file that it makes of them.
//!
//! Here are formats only. Which calls are chosen is the shard's to know, files and sockets are the program's.
#![no_std]

extern crate alloc;

pub mod frame;
pub mod g711;
pub mod hep;
pub mod mix;
pub mod note;
pub mod packet;
pub mod pcapng;
pub mod wav;

pub use frame::{Frame, Law};
pub use note::{Note, Over, Sinks, What};
