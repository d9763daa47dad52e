//! Media of a load test, made and heard inside the kernel, for rates that sockets cannot reach beside the switch that they load.
//!
//! Its program writes packets of G.711 into live frames of BPF_PROG_TEST_RUN, paced from here every millisecond by a thread a core. It also
//! stands on the interface in XDP, judges what comes to the ports where an end of a call listens, and consumes it. It knows the stamp that
//! the load test's own packets have. Only IPv4 to neighbours over one Ethernet interface, with XDP in its driver; a virtual cable (veth) has it.
//! It shares nothing with the switch's fast path, which it judges.

mod delays;
mod kernel;
mod layout;
mod links;
mod mill;
mod pacer;
mod ports;

pub use delays::Delays;
pub use kernel::{Rehearsal, Unavailable};
pub use layout::{FRAME_BYTES, Heard, Hears, Speaks};
pub use mill::{Hand, Mill, Report, Said, Settings, Voice};
