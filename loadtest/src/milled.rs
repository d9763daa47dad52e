//! Media by the kernel (`mill`) as a run asks for it: started with the run, its figures added to the run's own.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use mill::{Mill, Report, Settings};

use crate::agents::Takings;
use crate::clock::Clock;
use crate::tally::Board;

/// Who makes and hears the packets of media.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum By {
    /// This program, with a socket for each end of a call.
    #[default]
    Sockets,
    /// Programs in the kernel.
    Kernel,
}

/// Who makes media, on the command line.
#[derive(Args, Clone, Debug)]
pub struct MediaArguments {
    /// Who makes and hears packets of media: this program with a socket for each end of a call, or programs in the kernel, which carry ten times
    /// as many (root; IPv4 to a neighbour over one Ethernet interface whose driver has XDP, such as a virtual cable). Ends that dial telephone
    /// events or lose packets on purpose have sockets all the same; callers speak from the answer on.
    #[arg(long, value_enum, default_value_t = By::Sockets, requires_if("kernel", "media_interface"))]
    media_by: By,
    /// The interface to the switch that media by the kernel leaves and comes by.
    #[arg(long, value_name = "NAME")]
    media_interface: Option<String>,
}

impl MediaArguments {
    /// Whether it is the kernel.
    pub fn is_by_kernel(&self) -> bool {
        self.media_by == By::Kernel
    }

    /// Starts the mill if it is wished.
    pub fn start(&self, clock: Clock, board: &Arc<Board>) -> Result<Option<Mill>> {
        let (By::Kernel, Some(interface)) = (self.media_by, &self.media_interface) else { return Ok(None) };
        let pacers = thread::available_parallelism().map_or(1, usize::from);
        let (interface, age) = (interface.clone(), Duration::from_nanos(clock.now()));
        let board = board.clone();
        let settings = Settings { interface, pacers, age };
        let mill = Mill::start(&settings, move |speaks, sent| {
            board.note_rtp_sent(speaks.place, speaks.by_caller, sent);
        });
        Ok(Some(mill.context("--media-by kernel is not possible here")?))
    }
}

/// Adds what the mill did.
pub fn bring(report: &Report, into: &mut Takings) {
    let latencies = &mut into.latencies;
    for (values, delays) in
        [(&mut latencies.rtp_transit, &report.delays), (&mut latencies.rtp_lateness, &report.lateness)]
    {
        delays.steps().for_each(|(middle, count)| values.saturating_record_n(middle, count));
    }
    into.counts.rtp_left_out += report.left_out;
    into.counts.rtp_silenced += report.silenced;
}
