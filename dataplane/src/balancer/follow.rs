//! Cores that come and go by their own word in etcd, beside those that operators name.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use balance::Cores;
use live::{Etcd, Mirror, NODES, Node};
use units::Instant;

/// Between two looks at what etcd says, in milliseconds.
const LOOK_MS: u64 = 200;

/// What the nodes say, as far as it was carried out.
pub struct Follow {
    mirror: Mirror,
    /// What cores know us by.
    inside: SocketAddr,
    /// Cores that told of themselves: are they still there, and do they leave?
    told: BTreeMap<SocketAddr, Word>,
    look_at: Instant,
    version: u64,
}

/// A core's last word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    Here,
    Leaving,
    /// Its presence has ended.
    Gone,
}

impl Follow {
    /// Begins to listen.
    pub fn new(etcd: Arc<Etcd>, inside: SocketAddr) -> Follow {
        let mirror = Mirror::start(etcd, NODES);
        Follow { mirror, inside, told: BTreeMap::new(), look_at: Instant::default(), version: 0 }
    }

    /// Brings the cores to what the nodes say. While etcd is away they stay as they are.
    pub fn look(&mut self, now: Instant, cores: &mut Cores) {
        if now < self.look_at {
            return;
        }
        self.look_at = now.plus_millis(LOOK_MS);
        let version = self.mirror.version();
        if version != self.version {
            self.version = version;
            let copy = self.mirror.copy();
            let nodes = copy.values().filter_map(|text| serde_json::from_slice(text).ok());
            follow(&mut self.told, &behind(nodes, self.inside), cores);
        }
        forget(&mut self.told, cores);
    }
}

/// Where the cores hear this balancer, each with whether it leaves.
fn behind(nodes: impl Iterator<Item = Node>, inside: SocketAddr) -> BTreeMap<SocketAddr, Word> {
    let mut found = BTreeMap::new();
    for node in nodes {
        let word = if node.leaving { Word::Leaving } else { Word::Here };
        let heard = node.behind.iter().filter(|listener| listener.balancers.contains(&inside));
        found.extend(heard.map(|listener| (listener.at, word)));
    }
    found
}

/// Adds who came, drains who leaves, and remembers who is gone. What an operator ordered of a core stays until its own word changes.
fn follow(told: &mut BTreeMap<SocketAddr, Word>, say: &BTreeMap<SocketAddr, Word>, cores: &mut Cores) {
    for (at, word) in say {
        let before = told.get(at).copied();
        if cores.at(*at).is_none() {
            match cores.add(*at, 1) {
                Ok(_) => tracing::info!(%at, "a core told of itself and is added"),
                Err(refusal) => {
                    tracing::warn!(%at, %refusal, "a core that told of itself is not added");
                    continue;
                }
            }
        } else if before.is_none() {
            // An operator named it: it is theirs.
            continue;
        }
        told.insert(*at, *word);
        if before != Some(*word) && (before == Some(Word::Leaving) || *word == Word::Leaving) {
            // It was looked for a moment ago.
            let _ = cores.drain(*at, *word == Word::Leaving);
        }
    }
    for (at, word) in told.iter_mut().filter(|(at, _)| !say.contains_key(at)) {
        if std::mem::replace(word, Word::Gone) != Word::Gone {
            tracing::info!(%at, "a core does not tell of itself any more; it is removed when it is silent");
        }
    }
}

/// Removes cores that are gone and do not answer: etcd alone may be wrong about who is there.
fn forget(told: &mut BTreeMap<SocketAddr, Word>, cores: &mut Cores) {
    told.retain(|at, word| {
        let Some(core) = cores.at(*at).and_then(|id| cores.get(id)) else { return false };
        let goes = *word == Word::Gone && core.health.is_dead();
        if goes {
            tracing::info!(%at, calls = core.load(), "a core is gone and removed");
            // It was looked for a moment ago.
            let _ = cores.remove(*at, true);
        }
        !goes
    });
}

#[cfg(test)]
mod tests {
    use balance::Balancer;
    use live::Behind;
    use shard::behind::Key;

    use super::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn balancer() -> Balancer {
        Balancer::new(Key::of(b"0123456789abcdef0123456789abcdef"), at("10.0.0.9:5070"), 7)
    }

    fn node(number: u16, leaving: bool) -> Node {
        let listener =
            |port, balancer| Behind { at: at(&format!("10.0.0.{number}:{port}")), balancers: vec![at(balancer)] };
        let behind = vec![listener(5_060, "10.0.0.9:5070"), listener(5_080, "10.0.0.8:5070")];
        Node { number, leaving, behind, ..Node::default() }
    }

    fn say(told: &mut BTreeMap<SocketAddr, Word>, nodes: &[Node], cores: &mut Cores) -> Vec<(String, bool)> {
        follow(told, &behind(nodes.iter().cloned(), at("10.0.0.9:5070")), cores);
        forget(told, cores);
        cores.all().iter().map(|core| (core.at.to_string(), core.draining)).collect()
    }

    #[test]
    fn cores_are_added_drained_and_removed_by_their_own_word() {
        let (mut balancer, mut told) = (balancer(), BTreeMap::new());
        let cores = balancer.cores_mut();
        cores.add(at("10.0.0.1:5060"), 3).unwrap();
        let (fixed, two) = (("10.0.0.1:5060".to_owned(), false), "10.0.0.2:5060".to_owned());
        let all = [node(1, true), node(2, false)];
        assert_eq!(say(&mut told, &all, cores), [fixed.clone(), (two.clone(), false)], "one of two listeners is ours");
        cores.drain(at(&two), true).unwrap();
        assert_eq!(say(&mut told, &all, cores)[1], (two.clone(), true), "an operator's word stays");
        assert_eq!(say(&mut told, &[node(2, true)], cores)[1], (two.clone(), true));
        assert_eq!(say(&mut told, &[node(2, false)], cores)[1], (two.clone(), false));
        assert_eq!(say(&mut told, &[], cores).len(), 2, "it still answers, or may");
        let now = Instant::from_micros(1);
        balancer.on_time(now, &mut |_, _| {});
        (1..=4).for_each(|round| balancer.on_time(now.plus_millis(round * 1_000), &mut |_, _| {}));
        assert_eq!(say(&mut told, &[], balancer.cores_mut()), [fixed], "silent and gone; what an operator named stays");
    }
}
