//! Where SIP peers reach us and where media goes, as operators write it.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Context, bail, ensure};
use shard::Transport;

/// Listeners at most: each shard opens its own socket for each.
pub const LISTENERS_MAX: usize = 16;

/// One address that SIP peers reach us at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// What it hears.
    pub transport: Transport,
    /// Where it is bound.
    pub bind: SocketAddr,
    /// What trunks choose it by; may be empty.
    pub name: String,
    /// The address in Via and Contact, where it is not the one that is bound.
    pub advertise: Option<IpAddr>,
    /// For TLS.
    pub tls: TlsFiles,
    /// For what comes through a balancer.
    pub front: Option<Front>,
    /// Another machine may have the address at times.
    pub shared: bool,
}

/// What a TLS listener needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// Our certificate and those that lead to its root, PEM.
    pub cert: PathBuf,
    /// Our private key, PEM.
    pub key: PathBuf,
    /// The certificates of those whom we believe, PEM.
    pub ca: Option<PathBuf>,
    /// Peers that we connect to need not prove who they are.
    pub unverified: bool,
    /// Peers that connect to us must prove who they are.
    pub mutual: bool,
}

/// The balancers before a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Front {
    /// What peers know: the address in Via and Contact.
    pub known_as: SocketAddr,
    /// Where the balancers speak to us from, and hear us.
    pub balancers: Vec<SocketAddr>,
}

/// Balancers before one listener at most.
pub const BALANCERS_MAX: usize = 8;

impl Listen {
    /// A listener without a name.
    pub fn new(transport: Transport, bind: SocketAddr) -> Listen {
        let (name, tls) = (String::new(), TlsFiles::default());
        Listen { transport, bind, name, advertise: None, tls, front: None, shared: false }
    }

    /// What stands in Via and Contact.
    pub fn advertised(&self) -> SocketAddr {
        self.front.as_ref().map_or(SocketAddr::new(self.own_ip(), self.bind.port()), |front| front.known_as)
    }

    /// Where this machine itself is reached: media goes there, whoever stands before the listener.
    pub fn own_ip(&self) -> IpAddr {
        self.advertise.unwrap_or(self.bind.ip())
    }

    fn set(&mut self, option: &str, value: &str) -> anyhow::Result<()> {
        let yes = match value {
            "yes" => Some(true),
            "no" => Some(false),
            _ => None,
        };
        match option {
            "name" => value.clone_into(&mut self.name),
            "advertise" => self.advertise = Some(value.parse().with_context(|| format!("{value} is no IP address"))?),
            "shared" => self.shared = yes.context("shared is yes or no")?,
            "cert" => self.tls.cert = value.into(),
            "key" => self.tls.key = value.into(),
            "ca" => self.tls.ca = Some(value.into()),
            "verify" => self.tls.unverified = !yes.context("verify is yes or no")?,
            "mutual" => self.tls.mutual = yes.context("mutual is yes or no")?,
            "behind" => {
                let known_as = address(value)?;
                self.front = Some(Front { known_as, balancers: Vec::new() });
            }
            "balancer" => {
                let front = self.front.as_mut().context("write behind=ADDR:PORT before balancer=ADDR:PORT")?;
                front.balancers.push(address(value)?);
            }
            _ => bail!(
                "a listener has name, advertise, shared, behind, balancer, cert, key, ca, verify and mutual, but no {option}"
            ),
        }
        Ok(())
    }

    fn check(&self) -> anyhow::Result<()> {
        let (tls, plain) = (&self.tls, TlsFiles::default());
        if self.transport == Transport::Tls {
            ensure!(tls.cert != plain.cert && tls.key != plain.key, "a TLS listener needs cert=FILE and key=FILE");
            ensure!(!tls.mutual || tls.ca.is_some(), "mutual=yes needs ca=FILE: whose certificates are believed");
        } else {
            ensure!(*tls == plain, "cert, key, ca, verify and mutual are for TLS listeners");
        }
        let family = self.advertise.is_none_or(|advertise| advertise.is_ipv4() == self.bind.is_ipv4());
        ensure!(family, "the advertised address is of the family that is bound");
        if let Some(front) = &self.front {
            ensure!(self.transport == Transport::Udp, "balancers speak UDP to a listener");
            ensure!(
                (1..=BALANCERS_MAX).contains(&front.balancers.len()),
                "behind= needs balancer=ADDR:PORT, up to {BALANCERS_MAX}"
            );
            ensure!(front.known_as.port() != 0 && !front.known_as.ip().is_unspecified(), "behind= is what peers know");
        }
        ensure!(!self.shared || self.transport == Transport::Udp, "an address is shared by UDP listeners");
        let somewhere = !self.bind.ip().is_unspecified() || self.advertise.is_some();
        ensure!(somewhere, "peers cannot answer to {}: add advertise=IP", self.bind.ip());
        Ok(())
    }
}

fn address(text: &str) -> anyhow::Result<SocketAddr> {
    text.parse().with_context(|| format!("{text} is not ADDR:PORT (IPv6 as [ADDR]:PORT)"))
}

impl FromStr for Listen {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Listen> {
        let mut parts = text.split(',');
        let head = parts.next().unwrap_or_default();
        let (transport, bind) = head.split_once(':').context("write a listener as udp:ADDR:PORT, tcp: or tls:")?;
        let transport = Transport::from_bytes(transport.as_bytes())
            .with_context(|| format!("{transport} is not udp, tcp or tls"))?;
        let bind = address(bind)?;
        let mut listen = Listen::new(transport, bind);
        for part in parts {
            let (option, value) = part.split_once('=').with_context(|| format!("{part} is not OPTION=VALUE"))?;
            listen.set(option.trim(), value.trim())?;
        }
        listen.check()?;
        Ok(listen)
    }
}

/// Our media address of one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MediaAddress {
    /// Where ports are bound.
    pub bind: IpAddr,
    /// What stands in SDP.
    pub advertise: IpAddr,
}

/// The media address of a family: as given, else that of the first listener of the family whose address stays here, if there is one.
pub fn media_address(
    ipv6: bool,
    listens: &[Listen],
    given: &[IpAddr],
    advertised: &[IpAddr],
) -> anyhow::Result<Option<MediaAddress>> {
    let only = |list: &[IpAddr], what: &str| -> anyhow::Result<Option<IpAddr>> {
        let mut of = list.iter().filter(|address| address.is_ipv6() == ipv6).copied();
        let first = of.next();
        ensure!(of.next().is_none(), "{what} may be given once for IPv4 and once for IPv6");
        Ok(first)
    };
    let listener = listens.iter().find(|listen| listen.bind.is_ipv6() == ipv6 && !listen.shared);
    let (given, told) = (only(given, "--media")?, only(advertised, "--media-advertise")?);
    let Some(bind) = given.or(listener.map(|listen| listen.bind.ip())) else { return Ok(None) };
    let usual = if given.is_some() { bind } else { listener.map_or(bind, Listen::own_ip) };
    let advertise = told.unwrap_or(usual);
    ensure!(!advertise.is_unspecified(), "media cannot be sent to {advertise}: add --media-advertise");
    Ok(Some(MediaAddress { bind, advertise }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_is_read_with_its_options() {
        let plain: Listen = "udp:192.0.2.1:5060".parse().unwrap();
        assert_eq!(plain, Listen::new(Transport::Udp, "192.0.2.1:5060".parse().unwrap()));
        let full: Listen =
            "tls:[2001:db8::1]:5061,name=west,advertise=2001:db8::9,cert=a.pem,key=b.pem,ca=c.pem,verify=no,mutual=yes"
                .parse()
                .unwrap();
        assert_eq!((full.transport, full.name.as_str()), (Transport::Tls, "west"));
        assert_eq!(full.advertised().to_string(), "[2001:db8::9]:5061");
        assert!(full.tls.unverified && full.tls.mutual && full.tls.ca == Some("c.pem".into()));
    }

    #[test]
    fn behind_a_balancer_peers_know_its_address_and_media_ours() {
        let text = "udp:10.0.0.5:5062,advertise=192.0.2.5,behind=203.0.113.1:5060,balancer=10.0.0.2:5070";
        let listen: Listen = text.parse().unwrap();
        assert_eq!(listen.advertised().to_string(), "203.0.113.1:5060");
        let media = media_address(false, &[listen], &[], &[]).unwrap().unwrap();
        assert_eq!((media.bind.to_string(), media.advertise.to_string()), ("10.0.0.5".into(), "192.0.2.5".into()));
    }

    #[test]
    fn what_is_no_listener_is_refused_with_a_reason() {
        for (text, reason) in [
            ("192.0.2.1:5060", "192.0.2.1 is not udp"),
            ("sctp:192.0.2.1:5060", "sctp is not udp"),
            ("udp:192.0.2.1", "is not ADDR:PORT"),
            ("udp:192.0.2.1:5060,colour=red", "no colour"),
            ("tcp:192.0.2.1:5060,shared=yes", "by UDP"),
            ("udp:192.0.2.1:5060,name", "is not OPTION=VALUE"),
            ("udp:192.0.2.1:5060,advertise=here", "no IP address"),
            ("udp:192.0.2.1:5060,advertise=::1", "of the family"),
            ("udp:0.0.0.0:5060", "add advertise"),
            ("tls:192.0.2.1:5061", "needs cert"),
            ("tls:192.0.2.1:5061,cert=a,key=b,mutual=yes", "needs ca"),
            ("tls:192.0.2.1:5061,cert=a,key=b,verify=maybe", "yes or no"),
            ("tcp:192.0.2.1:5060,cert=a", "for TLS listeners"),
            ("tcp:192.0.2.1:5060,behind=192.0.2.9:5060,balancer=192.0.2.8:5070", "balancers speak UDP"),
            ("udp:192.0.2.1:5060,behind=192.0.2.9:5060", "needs balancer"),
            ("udp:192.0.2.1:5060,balancer=192.0.2.9:5060", "before balancer"),
            ("udp:192.0.2.1:5060,behind=192.0.2.9", "is not ADDR:PORT"),
        ] {
            let said = format!("{:#}", text.parse::<Listen>().unwrap_err());
            assert!(said.contains(reason), "{text}: {said}");
        }
    }

    #[test]
    fn media_goes_where_signalling_is_unless_told_otherwise() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let listens: Vec<Listen> = ["udp:127.0.0.1:5060", "udp:0.0.0.0:5062,advertise=192.0.2.7"]
            .iter()
            .map(|text| text.parse().unwrap())
            .collect();
        let of = |listens: &[Listen], given: &[&str], told: &[&str]| {
            let list = |texts: &[&str]| texts.iter().map(|text| ip(text)).collect::<Vec<_>>();
            media_address(false, listens, &list(given), &list(told))
                .map(|found| found.map(|found| (found.bind, found.advertise)))
        };
        assert_eq!(of(&listens, &[], &[]).unwrap(), Some((ip("127.0.0.1"), ip("127.0.0.1"))));
        assert_eq!(of(&listens[1..], &[], &[]).unwrap(), Some((ip("0.0.0.0"), ip("192.0.2.7"))));
        assert_eq!(
            of(&listens, &["10.0.0.1", "::1"], &["192.0.2.9"]).unwrap(),
            Some((ip("10.0.0.1"), ip("192.0.2.9")))
        );
        assert_eq!(of(&[], &["::1"], &[]).unwrap(), None);
        assert!(of(&listens, &["10.0.0.1", "10.0.0.2"], &[]).is_err());
        assert!(of(&listens, &["0.0.0.0"], &[]).is_err());
    }
}
