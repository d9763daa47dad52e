//! Datagrams to media ports steered to one socket a shard (`sk_lookup`): a port then costs no socket and no descriptor.

use std::fs::File;
use std::net::IpAddr;
use std::os::fd::AsFd;

use aya::maps::{Array, MapData, SockMap};
use aya::programs::SkLookup;
use aya::{Ebpf, EbpfLoader};

use crate::program::{Broken, Unavailable, own, program, words};

static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/steer.o"));

/// Shards at most; the program's table of sockets has two places for each.
pub const SHARDS_MAX: u16 = 64;

/// The loaded program, in the network namespace of the thread that loaded it. Dropping it leaves datagrams to other sockets.
#[derive(Debug)]
pub struct Steer {
    kernel: Ebpf,
}

impl Steer {
    /// Loads the program for our media addresses, of IPv4 and of IPv6.
    pub fn load([v4, v6]: [Option<IpAddr>; 2]) -> Result<Steer, Unavailable> {
        if OBJECT.is_empty() {
            return Err(Unavailable::NotBuilt);
        }
        let v4 = match v4 {
            Some(IpAddr::V4(address)) => u32::from_ne_bytes(address.octets()),
            Some(IpAddr::V6(_)) | None => 0,
        };
        let v6 = match v6 {
            Some(IpAddr::V6(address)) => address.octets(),
            Some(IpAddr::V4(_)) | None => [0; 16],
        };
        let mut kernel = EbpfLoader::new()
            .override_global("media_v4", &v4, true)
            .override_global("media_v6", &v6, true)
            .load(OBJECT)
            .map_err(|error| Unavailable::Load(words(&error)))?;
        attach(&mut kernel).map_err(Unavailable::Load)?;
        Ok(Steer { kernel })
    }

    /// A shard's handle; two threads may not use the same shard's.
    pub fn steering(&self, shard: u16) -> Result<Steering, Broken> {
        assert!(shard < SHARDS_MAX, "the table of sockets has places for so many shards");
        let sockets = SockMap::try_from(own(&self.kernel, "sockets")?)?;
        Ok(Steering { sockets, ports: Array::try_from(own(&self.kernel, "ports")?)?, shard })
    }
}

fn attach(kernel: &mut Ebpf) -> Result<(), String> {
    // A thread may stand in another network namespace than its process.
    let here = File::open("/proc/thread-self/ns/net").map_err(|error| words(&error))?;
    let steer: &mut SkLookup = program(kernel, "steer")?;
    steer.load().map_err(|error| words(&error))?;
    steer.attach(here).map_err(|error| words(&error)).map(drop)
}

/// Which ports of one shard are steered.
pub struct Steering {
    sockets: SockMap<MapData>,
    ports: Array<MapData, u32>,
    shard: u16,
}

impl Steering {
    /// From now on this is the shard's socket for one family.
    pub fn take(&mut self, socket: &impl AsFd, ipv6: bool) -> Result<(), Broken> {
        let place = self.place(ipv6);
        Ok(self.sockets.set(place, &socket.as_fd(), 0)?)
    }

    /// From now on datagrams to this port at our media address come to the shard's socket of the family.
    pub fn open(&mut self, port: u16, ipv6: bool) -> Result<(), Broken> {
        let place = self.place(ipv6);
        Ok(self.ports.set(u32::from(port), place + 1, 0)?)
    }

    /// From now on they do not.
    pub fn close(&mut self, port: u16) -> Result<(), Broken> {
        Ok(self.ports.set(u32::from(port), 0, 0)?)
    }

    /// The number of a family's socket in the program's table.
    fn place(&self, ipv6: bool) -> u32 {
        2 * u32::from(self.shard) + u32::from(ipv6)
    }
}
