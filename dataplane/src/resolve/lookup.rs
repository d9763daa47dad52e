//! One lookup of a host name by RFC 3263 §4: NAPTR, then SRV, then addresses.

use std::net::{IpAddr, SocketAddr};

use anyhow::{Context, anyhow};
use call::ways::HOSTS_MAX;
use hickory_resolver::TokioResolver;
use hickory_resolver::proto::rr::rdata::SRV;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use shard::{Target, Transport};
use snapshot::policy;

/// Addresses of one host that are kept.
const ADDRESSES_MAX: usize = 8;
/// Seconds that an answer without records is believed.
const NOTHING_TTL_S: u32 = 60;

/// A host name as a trunk's policy has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The name, or an address as text.
    pub host: String,
    /// Its port; without one SRV records are asked for.
    pub port: Option<u16>,
    /// What the policy demands.
    pub transport: policy::Transport,
}

impl Wanted {
    /// From a policy's `host`, which may end in `:port`.
    pub fn new(host: &str, transport: policy::Transport) -> Wanted {
        let split = host.rsplit_once(':').and_then(|(name, port)| Some((name, port.parse().ok()?)));
        let (name, port) = split.map_or((host, None), |(name, port)| (name, Some(port)));
        Wanted { host: name.to_owned(), port, transport }
    }

    fn demanded(&self) -> Option<Transport> {
        match self.transport {
            policy::Transport::Auto => None,
            policy::Transport::Udp => Some(Transport::Udp),
            policy::Transport::Tcp => Some(Transport::Tcp),
            policy::Transport::Tls => Some(Transport::Tls),
        }
    }
}

/// One row of services: where its SRV records are, and what they are reached over.
type Service = (Name, Transport);

/// Asks, and adds up how long the answers may be believed.
pub struct Lookup<'a> {
    dns: &'a TokioResolver,
    /// Seconds until the first of the answers grows old.
    pub ttl_s: u32,
}

impl<'a> Lookup<'a> {
    /// Nothing asked yet.
    pub fn new(dns: &'a TokioResolver) -> Lookup<'a> {
        Lookup { dns, ttl_s: u32::MAX }
    }

    /// The hosts that serve a name, over transports that we have listeners of. None at all is an answer too: there is no such name.
    ///
    /// # Errors
    /// Nobody answered.
    pub async fn targets(&mut self, wanted: &Wanted, ours: &[Transport]) -> anyhow::Result<Vec<Target>> {
        let demanded = wanted.demanded();
        let fallback = demanded.unwrap_or(Transport::Udp);
        let single = |addresses: Vec<SocketAddr>| match addresses.is_empty() {
            true => Vec::new(),
            false => vec![Target { transport: fallback, addresses, ..Target::default() }],
        };
        let port = wanted.port.unwrap_or(fallback.default_port());
        if let Ok(address) = wanted.host.parse::<IpAddr>() {
            return Ok(single(vec![SocketAddr::new(address, port)]));
        }
        let mut name = Name::from_utf8(&wanted.host).with_context(|| format!("{} is no host name", wanted.host))?;
        name.set_fqdn(true);
        // RFC 3263 §4.2: with a port there is nothing that SRV records could add.
        if wanted.port.is_none() {
            let services = self.services(&name, demanded, ours).await?;
            let mut targets = Vec::new();
            let mut known = false;
            for (tier, service) in (0u32..).zip(&services) {
                known |= self.serving(service, tier, &mut targets).await?;
            }
            if known {
                return Ok(targets);
            }
        }
        Ok(single(self.addresses(&name, port).await?))
    }

    /// RFC 3263 §4.1: what NAPTR records offer, in their order; without them the transports that we have ourselves.
    async fn services(
        &mut self,
        name: &Name,
        demanded: Option<Transport>,
        ours: &[Transport],
    ) -> anyhow::Result<Vec<Service>> {
        let usual = |transport: Transport| {
            let label = match transport {
                Transport::Udp => "_sip._udp",
                Transport::Tcp => "_sip._tcp",
                Transport::Tls => "_sips._tcp",
            };
            Some((Name::from_ascii(label).ok()?.append_domain(name).ok()?, transport))
        };
        if let Some(demanded) = demanded {
            return Ok(usual(demanded).into_iter().collect());
        }
        let mut offers = Vec::new();
        for data in self.ask(name, RecordType::NAPTR).await? {
            let RData::NAPTR(naptr) = data else { continue };
            let services =
                [(&b"SIP+D2U"[..], Transport::Udp), (b"SIP+D2T", Transport::Tcp), (b"SIPS+D2T", Transport::Tls)];
            let service = services.into_iter().find(|(text, _)| naptr.services.eq_ignore_ascii_case(text));
            let Some((_, transport)) = service.filter(|(_, transport)| ours.contains(transport)) else { continue };
            if naptr.flags.eq_ignore_ascii_case(b"s") {
                offers.push((naptr.order, naptr.preference, naptr.replacement.clone(), transport));
            }
        }
        if offers.is_empty() {
            let usable = [Transport::Udp, Transport::Tcp, Transport::Tls].into_iter();
            return Ok(usable.filter(|transport| ours.contains(transport)).filter_map(usual).collect());
        }
        offers.sort_by_key(|(order, preference, ..)| (*order, *preference));
        Ok(offers.into_iter().take(HOSTS_MAX).map(|(_, _, name, transport)| (name, transport)).collect())
    }

    /// Adds the hosts of one service; those of a later one stand behind all of an earlier one. False if it has no SRV records.
    async fn serving(&mut self, service: &Service, tier: u32, targets: &mut Vec<Target>) -> anyhow::Result<bool> {
        let (name, transport) = service;
        let records: Vec<SRV> = self.ask(name, RecordType::SRV).await?.into_iter().filter_map(srv_of).collect();
        let mut failure = None;
        let before = targets.len();
        // RFC 2782: a target of "." says that the service is decidedly not there.
        for srv in records.iter().filter(|srv| !srv.target.is_root()) {
            if targets.len() >= HOSTS_MAX {
                break;
            }
            match self.addresses(&srv.target, srv.port).await {
                Ok(addresses) if !addresses.is_empty() => targets.push(Target {
                    transport: *transport,
                    priority: tier << 16 | u32::from(srv.priority),
                    weight: srv.weight,
                    addresses,
                    flow: None,
                }),
                Ok(_) => {}
                Err(error) => failure = Some(error),
            }
        }
        match failure {
            Some(error) if targets.len() == before => Err(error),
            _ => Ok(!records.is_empty()),
        }
    }

    /// IPv4 first, then IPv6; one of the two that nobody answers for is left out if the other is there.
    async fn addresses(&mut self, name: &Name, port: u16) -> anyhow::Result<Vec<SocketAddr>> {
        let (mut found, mut failure) = (Vec::new(), None);
        for kind in [RecordType::A, RecordType::AAAA] {
            match self.ask(name, kind).await {
                Ok(answers) => found.extend(answers.iter().filter_map(RData::ip_addr)),
                Err(error) => failure = Some(error),
            }
        }
        if let Some(error) = failure.filter(|_| found.is_empty()) {
            return Err(error);
        }
        Ok(found.into_iter().take(ADDRESSES_MAX).map(|address| SocketAddr::new(address, port)).collect())
    }

    /// The records of a name; none where an authority says that there are none.
    async fn ask(&mut self, name: &Name, kind: RecordType) -> anyhow::Result<Vec<RData>> {
        match self.dns.lookup(name.clone(), kind).await {
            Ok(answer) => {
                let ttl_s = answer.answers().iter().map(|record| record.ttl).min();
                self.ttl_s = self.ttl_s.min(ttl_s.unwrap_or(NOTHING_TTL_S));
                Ok(answer
                    .answers()
                    .iter()
                    .filter(|record| record.record_type() == kind)
                    .map(|one| one.data.clone())
                    .collect())
            }
            Err(error) if error.is_no_records_found() => {
                self.ttl_s = self.ttl_s.min(NOTHING_TTL_S);
                Ok(Vec::new())
            }
            Err(error) => Err(anyhow!("{kind} of {name}: {error}")),
        }
    }
}

fn srv_of(data: RData) -> Option<SRV> {
    match data {
        RData::SRV(srv) => Some(srv),
        _ => None,
    }
}
