//! Where the program is reached: its listeners, their keys, its media addresses.

use std::fmt::{Display, Formatter};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use shard::{Listener, Transport};

use crate::gate::{self, Gate};
use crate::listen::{self, Listen, MediaAddress};
use crate::settings::Settings;
use crate::sockets;
use crate::tls::Keys;

/// Where the program is reached.
pub struct Places {
    /// The listeners, each with the port that it has.
    pub listens: Vec<Listen>,
    /// What those of TLS prove themselves with.
    pub keys: Keys,
    /// The balancers before them.
    pub gate: Gate,
    media_v4: Option<MediaAddress>,
    media_v6: Option<MediaAddress>,
}

impl Places {
    /// Claims the listeners' addresses and reads their files.
    pub fn new(settings: &Settings) -> anyhow::Result<Places> {
        let listens = sockets::claim(&settings.listens())?;
        let keys = Keys::read(&listens)?;
        let gate = Gate::new(&listens, settings.balancer_key.as_deref().map(gate::read_key).transpose()?)?;
        let media = |ipv6| listen::media_address(ipv6, &listens, &settings.media, &settings.media_advertise);
        let (media_v4, media_v6) = (media(false)?, media(true)?);
        Ok(Places { listens, keys, gate, media_v4, media_v6 })
    }

    /// What the shards know of the listeners.
    pub fn listeners(&self) -> Vec<Listener> {
        let known = |listen: &Listen| Listener {
            name: listen.name.clone(),
            transport: listen.transport,
            address: listen.advertised(),
        };
        self.listens.iter().map(known).collect()
    }

    /// What each listener hears.
    pub fn transports(&self) -> Vec<Transport> {
        self.listens.iter().map(|listen| listen.transport).collect()
    }

    /// What stands in SDP.
    pub fn media_advertised(&self) -> (Option<Ipv4Addr>, Option<Ipv6Addr>) {
        let v4 = self.media_v4.and_then(|media| match media.advertise {
            IpAddr::V4(address) => Some(address),
            IpAddr::V6(_) => None,
        });
        let v6 = self.media_v6.and_then(|media| match media.advertise {
            IpAddr::V4(_) => None,
            IpAddr::V6(address) => Some(address),
        });
        (v4, v6)
    }

    /// Where media ports are bound: of IPv4, of IPv6.
    pub fn media_bound(&self) -> [Option<IpAddr>; 2] {
        [self.media_v4, self.media_v6].map(|media| media.map(|media| media.bind))
    }
}

impl Display for Places {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let texts = self.listens.iter().map(|listen| format!("{:?} {}", listen.transport, listen.bind).to_lowercase());
        f.write_str(&texts.collect::<Vec<_>>().join(", "))
    }
}
