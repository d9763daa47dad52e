//! One limit and several nodes: together they keep it whatever breaks, and all of it is used in the end.
#![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

mod world;

use std::collections::BTreeMap;
use std::sync::Arc;

use shard::book::Holder;
use shard::parts::{Key, Kind, Part, Parts, Sharing, Told, Word};
use units::{Instant, NodeId};

#[test]
fn a_thousand_stories_keep_the_limit() {
    for seed in 1..=1_000 {
        world::World::new(seed).play().unwrap_or_else(|why| panic!("seed {seed}: {why}"));
    }
}

const LIMIT: Key = Key { of: Holder::Switch, kind: Kind::Calls };

fn words(parts: &[(u16, u32, u32)]) -> BTreeMap<NodeId, Word> {
    let word = |claim, want| Word { leaving: false, parts: BTreeMap::from([(LIMIT, Part { claim, want })]) };
    parts.iter().map(|(node, claim, want)| (NodeId(*node), word(*claim, *want))).collect()
}

fn sharing(node: u16, limit: u32) -> Sharing {
    let mut sharing = Sharing::new(NodeId(node));
    sharing.on_limits(BTreeMap::from([(LIMIT, limit)]));
    sharing
}

#[test]
fn a_node_that_is_alone_gets_the_whole_limit_at_once() {
    let mut one = sharing(1, 10);
    one.on_words(BTreeMap::new());
    assert_eq!(one.order()[&LIMIT], 0, "nothing before its word counts");
    one.on_used(Instant::default(), &[]);
    let tell = one.tell();
    assert_eq!((tell.word.parts[&LIMIT].claim, tell.in_turn), (10, true));
    one.on_told(Told::Written);
    one.on_words(BTreeMap::from([(NodeId(1), tell.word)]));
    assert_eq!(one.order()[&LIMIT], 10);
}

#[test]
fn a_second_node_gets_what_the_first_gave_up() {
    let (mut one, mut two) = (sharing(1, 10), sharing(2, 10));
    one.on_told(Told::Written);
    one.on_words(words(&[(1, 10, 0), (2, 0, 0)]));
    two.on_words(words(&[(1, 10, 0), (2, 0, 0)]));
    assert_eq!(one.order()[&LIMIT], 5);
    two.order();
    assert_eq!(two.tell().word.parts[&LIMIT].claim, 0, "nothing is free");
    let busy = shard::parts::Used { key: LIMIT, used: 7, refused: 0 };
    one.on_used(Instant::default(), &[busy]);
    assert_eq!(one.tell().word.parts[&LIMIT].claim, 7, "what runs is not given away");
    two.on_words(words(&[(1, 7, 10), (2, 0, 0)]));
    two.order();
    assert_eq!(two.tell().word.parts[&LIMIT].claim, 0, "the first one wants it all");
    two.on_used(Instant::default(), &[shard::parts::Used { key: LIMIT, used: 0, refused: 1 }]);
    assert_eq!(two.tell().word.parts[&LIMIT].claim, 2, "who missed calls gets some");
}

#[test]
fn a_node_that_is_cut_off_has_an_even_part_or_nothing() {
    let at = |ms: u64| Instant::from_micros(ms * 1_000);
    let of = Arc::new([(LIMIT, 9)].into_iter().collect());
    let mut parts = Parts { until: at(100), nodes: 3, rank: 1, goes_on: true, of };
    assert_eq!((parts.most(at(99), LIMIT, 10), parts.most(at(100), LIMIT, 10)), (9, 3));
    assert_eq!(parts.most(at(99), Key { kind: Kind::Recent, ..LIMIT }, 11), 4, "a limit that is younger");
    let even = |rank| Parts { rank, ..parts.clone() }.most(at(100), LIMIT, 11);
    assert_eq!((even(0), even(1), even(2)), (4, 4, 3), "together no more than the limit");
    parts.goes_on = false;
    assert_eq!(parts.most(at(100), LIMIT, 10), 0);
    assert_eq!(Parts { nodes: 0, goes_on: true, ..parts }.most(at(100), LIMIT, 10), 0, "nobody was ever heard");
}
