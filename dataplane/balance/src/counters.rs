//! What a balancer did since its start.

/// Plain integers that one thread writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Messages of peers.
    pub peer_messages: u64,
    /// Messages of cores to peers.
    pub core_messages: u64,
    /// INVITEs that went to another core because the first one died before it said anything.
    pub retried: u64,
    /// Messages that no core could be found for.
    pub lost: u64,
    /// Those of them that were INVITEs and answered with 503.
    pub turned_away: u64,
    /// Messages to our inner address that did not come from a core.
    pub strangers: u64,
}

impl Counters {
    /// Each with the name and the help of its metric.
    pub fn each(&self, each: &mut dyn FnMut(&'static str, &'static str, u64)) {
        each("peer_messages_total", "Messages of peers.", self.peer_messages);
        each("core_messages_total", "Messages of cores to peers.", self.core_messages);
        each(
            "invites_retried_total",
            "INVITEs sent to another core because the first died before a word.",
            self.retried,
        );
        each("messages_lost_total", "Messages that no core could be found for.", self.lost);
        each("calls_turned_away_total", "INVITEs answered with 503 because no core took calls.", self.turned_away);
        each("strangers_total", "Messages to the inner address that came from no core.", self.strangers);
    }
}
