//! Names proved by digest, at a whole shard: registrations of subscribers, calls that need a proof, our own registrations.
#![allow(clippy::unwrap_used, reason = "a story that goes wrong must fail loudly")]

mod across;
mod calls;
mod connections;
mod guesses;
mod nodes;
mod registrar;
mod registrations;
mod world;
