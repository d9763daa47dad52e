//! What happened lately: a bounded memory that forgets the oldest first.

use alloc::collections::VecDeque;
use core::hash::Hash;

use hashbrown::HashMap;
use units::Instant;

/// Values that are forgotten after a time, or earlier when there are too many.
#[derive(Debug)]
pub struct Recent<K, V> {
    values: HashMap<K, (Instant, V)>,
    order: VecDeque<(Instant, K)>,
    entries_max: usize,
    life_ms: u64,
}

impl<K: Copy + Eq + Hash, V> Recent<K, V> {
    /// An empty memory of this many entries, each kept for this long.
    pub fn new(entries_max: usize, life_ms: u64) -> Recent<K, V> {
        Recent { values: HashMap::new(), order: VecDeque::new(), entries_max, life_ms }
    }

    /// What is remembered of this key.
    pub fn get_mut(&mut self, now: Instant, key: &K) -> Option<&mut V> {
        let (since, value) = self.values.get_mut(key)?;
        (now.millis_since(*since) < self.life_ms).then_some(value)
    }

    /// Is it remembered?
    pub fn has(&self, now: Instant, key: &K) -> bool {
        self.values.get(key).is_some_and(|(since, _)| now.millis_since(*since) < self.life_ms)
    }

    /// Remembers a value from now on, or in the place of the one that this key has, as long as that would have been
    /// remembered. What had to be forgotten before its time comes back.
    pub fn put(&mut self, now: Instant, key: K, value: V) -> Option<V> {
        self.forget(now);
        if let Some(known) = self.get_mut(now, &key) {
            *known = value;
            return None;
        }
        let evicted = if self.values.len() >= self.entries_max { self.pop() } else { None };
        self.values.insert(key, (now, value));
        self.order.push_back((now, key));
        evicted
    }

    /// Entries in memory.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// True without any.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    fn forget(&mut self, now: Instant) {
        while self.order.front().is_some_and(|(since, _)| now.millis_since(*since) >= self.life_ms) {
            self.pop();
        }
    }

    /// Takes the oldest value out: each key stands in the order once.
    fn pop(&mut self) -> Option<V> {
        let (_, key) = self.order.pop_front()?;
        self.values.remove(&key).map(|(_, value)| value)
    }
}
