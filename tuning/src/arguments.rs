//! The command line.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::wants::{self, Profile};

#[derive(Parser)]
#[command(
    name = "tandem-tune",
    version,
    about = "Looks at a host, says what a switch on it would want otherwise, and sets it when asked"
)]
pub struct Arguments {
    #[command(subcommand)]
    pub verb: Verb,
}

#[derive(Subcommand)]
pub enum Verb {
    /// Look at this host. Exit code 0: nothing fatal; 3: something fatal; 2: the command line makes no sense
    Check {
        #[command(flatten)]
        look: Look,
        /// One line, without waiting and without writing to the disk: what the programs say at their start
        #[arg(long, conflicts_with = "json")]
        summary: bool,
    },
    /// Every check: whether it makes sense here, and who can mend it
    List(Look),
    /// What apply and persist would change, from what to what
    Plan(Look),
    /// Change what is wrong, one value after another, each journaled before. Exit code 1: a value could not be set
    Apply {
        #[command(flatten)]
        look: Look,
        #[command(flatten)]
        keep: Keep,
        /// Change nothing; write a shell script that would
        #[arg(long, value_name = "FILE")]
        script: Option<PathBuf>,
        /// Change nothing and keep no journal; say what would be set, and what left alone and why
        #[arg(long, conflicts_with = "script")]
        dry_run: bool,
    },
    /// Look again at what apply has changed. Exit code 3: something is wrong again
    Verify {
        #[command(flatten)]
        look: Look,
        #[command(flatten)]
        keep: Keep,
    },
    /// Put back what stood there before. Exit code 4: somebody else changed a value since
    Revert {
        #[command(flatten)]
        look: Look,
        #[command(flatten)]
        keep: Keep,
        /// Put old values back over those of somebody else
        #[arg(long)]
        force: bool,
        /// Put nothing back; say what would be
        #[arg(long)]
        dry_run: bool,
    },
    /// Write files so that what apply has changed comes again with the next start
    Persist {
        #[command(flatten)]
        look: Look,
        #[command(flatten)]
        keep: Keep,
    },
    /// Why a check is made, and how to mend what it finds
    Explain {
        /// The name in the column CHECK; without it, every name
        name: Option<String>,
        /// One JSON document: what it asks, why, how to mend it, how bad it is
        #[arg(long)]
        json: bool,
    },
    /// How many packets a core of this host passes on, and how late it wakes
    Bench {
        /// How long each of three rounds takes, in milliseconds
        #[arg(long, value_name = "MS", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(50..=60_000))]
        round: u32,
        /// One JSON document
        #[arg(long)]
        json: bool,
    },
    /// The settings that --set takes, as a table
    Settings {
        /// One JSON document
        #[arg(long)]
        json: bool,
    },
}

/// What to look at, and with which eyes.
#[derive(Args)]
pub struct Look {
    /// What kind of host this is meant to be
    #[arg(long, value_enum, default_value_t = Profile::Lab)]
    pub profile: Profile,
    /// One JSON document instead of the table
    #[arg(long)]
    pub json: bool,
    /// Only these checks
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    pub only: Vec<String>,
    /// The switch's data folder: its disk is measured; need not exist yet
    #[arg(long, default_value = "/var/lib/tandem")]
    pub data: PathBuf,
    /// First and last media port
    #[arg(long, value_name = "LOW-HIGH", default_value = "10000-29999", value_parser = wants::ports)]
    pub rtp: (u16, u16),
    /// A network card that carries calls, several times for several; every card with hardware if none is given
    #[arg(long, value_name = "NIC")]
    pub nic: Vec<String>,
    /// The card of a service address that moves between two nodes
    #[arg(long, value_name = "NIC")]
    pub vip_nic: Option<String>,
    /// The other node's address
    #[arg(long, value_name = "ADDR")]
    pub peer: Option<IpAddr>,
    /// The database's address
    #[arg(long, value_name = "ADDR:PORT")]
    pub database: Option<SocketAddr>,
    /// A setting other than the profile's, for example calls_max=5000; see `tandem-tune settings`
    #[arg(long = "set", value_name = "NAME=VALUE")]
    pub settings: Vec<String>,
    /// Read and change files below this folder instead of /
    #[arg(long, hide = true, default_value = "/")]
    pub root: PathBuf,
}

/// Where old values are kept, and what may be touched.
#[derive(Args)]
pub struct Keep {
    /// The revert journal
    #[arg(long, value_name = "FILE", default_value = "/var/lib/tandem-tune/journal")]
    pub journal: PathBuf,
    /// Touch also the card that carries an SSH connection
    #[arg(long)]
    pub yes_nic: bool,
}
