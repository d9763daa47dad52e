//! Who is primary, carried out: `cluster` decides, etcd remembers, and this makes a MariaDB server and a shared address be so.
//!
//! One keeper runs beside each of two databases. Ten times a second it looks at its database, asks the pure core what must be, and does
//! it: starts the database read-only, lets it follow, makes it primary, kills it. A database is never asked to step down: it is killed,
//! and starts again as a replica, so that what no replica has is cut off instead of committed. [`guard`] kills it when the keeper
//! cannot: when the time that the arbiter gave is over, or the keeper is gone.

/// A line on standard output. Whoever reads it may have gone away, as `head` does: the work is done all the same.
macro_rules! say {
    ($($part:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout(), $($part)*);
    }};
}

pub mod address;
pub mod addresses;
pub mod agent;
pub mod arbiter;
pub mod check;
pub mod clock;
pub mod command;
pub mod copy;
pub mod doubt;
pub mod frames;
pub mod guard;
pub mod hands;
pub mod metrics;
pub mod neighbours;
pub mod panel;
pub mod remote;
pub mod run;
pub mod server;
pub mod settings;
pub mod status;
pub mod trouble;
pub mod twins;
