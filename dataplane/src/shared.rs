//! Addresses of listeners that several machines share: does this one have them?

use std::net::IpAddr;

use crate::listen::Listen;

/// Listeners with a shared address, each with what the shards were told last.
#[derive(Debug, Default)]
pub struct Shared(Vec<(u8, IpAddr, Option<bool>)>);

impl Shared {
    /// Those among the listeners.
    pub fn of(listens: &[Listen]) -> Shared {
        let shared = listens.iter().enumerate().filter(|(_, listen)| listen.shared);
        Shared(shared.map(|(place, listen)| (place as u8, listen.bind.ip(), None)).collect())
    }

    /// Looks at this machine's addresses; what the shards have not been told, by listener.
    pub fn look(&mut self) -> Vec<(u8, bool)> {
        let news = |(listener, ip, told): &mut (u8, IpAddr, Option<bool>)| {
            let here = match fastpath::has_address(*ip) {
                Ok(here) => here,
                Err(error) => {
                    tracing::warn!(%ip, %error, "this machine's addresses cannot be read");
                    return None;
                }
            };
            if told.replace(here) == Some(here) {
                return None;
            }
            tracing::info!(%ip, here, "a shared address");
            Some((*listener, here))
        };
        self.0.iter_mut().filter_map(news).collect()
    }

    /// The shards could not be told: they are told at the next look.
    pub fn untold(&mut self, listener: u8) {
        self.0.iter_mut().filter(|(known, ..)| *known == listener).for_each(|(.., told)| *told = None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_here_or_not_and_told_once() {
        let texts = ["udp:127.0.0.1:5060", "udp:127.0.0.1:5062,shared=yes", "udp:192.0.2.77:5060,shared=yes"];
        let listens: Vec<Listen> = texts.iter().map(|text| text.parse().unwrap()).collect();
        let mut shared = Shared::of(&listens);
        assert_eq!(shared.look(), [(1, true), (2, false)]);
        assert_eq!(shared.look(), []);
        shared.untold(2);
        assert_eq!(shared.look(), [(2, false)]);
    }
}
