//! Where subscribers are: bindings of addresses of record to contacts (RFC 3261 §10.3).
//!
//! Each address of record has one home shard, which decides; it tells every change, so that the others keep copies and any
//! shard finds a subscriber at once. Other nodes decide as well: of what two say of one contact, the later REGISTER holds. Nothing
//! here knows how a subscriber proved its name.

mod receive;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddr;

use sip::{Address, Hop, Message, Name, Uri};
use units::{Clock, Instant, NodeId, ShardId, WallTime};

/// Contacts of one address of record at most; the one that ends first makes room.
pub const CONTACTS_MAX: usize = 10;
/// A contact's URI in bytes at most.
pub const CONTACT_BYTES_MAX: usize = 512;
/// Seconds that a binding lasts where the request does not say (RFC 3261 §10.2.1.1).
pub const EXPIRES_S: u32 = 3_600;
/// Seconds that a binding lasts at least; less is refused with 423.
pub const EXPIRES_MIN_S: u32 = 60;
/// Seconds that a binding lasts at most; more is granted as this much.
pub const EXPIRES_MAX_S: u32 = 86_400;

/// One place where a subscriber can be called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The contact's URI: the Request-URI of calls to it.
    pub contact: Vec<u8>,
    /// Where the REGISTER came from, over what and by which connection: calls go there, so that they get through NAT.
    pub hop: Hop,
    /// Call-ID of the REGISTER.
    pub call_id: Vec<u8>,
    /// CSeq of the REGISTER.
    pub cseq: u32,
    /// When it was last refreshed, by the clock that all nodes have: the latest word holds.
    pub since: WallTime,
    /// When it ends.
    pub until: Instant,
    /// The node that heard the REGISTER.
    pub node: NodeId,
    /// Where that node takes what is for the connection, if it is another than this and said so.
    pub via: Option<SocketAddr>,
}

impl Binding {
    /// True if a call from this node gets there: a connection of an earlier life, or of a node that hands nothing on, is nobody's here.
    pub fn is_reached(&self) -> bool {
        !self.hop.transport.is_reliable() || self.hop.flow.is_some()
    }
}

/// What became of a binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// It is there from now on.
    Added,
    /// It lasts longer.
    Refreshed,
    /// It was taken back, or it ended.
    Removed,
}

/// One change, for whoever keeps copies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The address of record, `user@domain`.
    pub record: String,
    /// What happened.
    pub what: What,
    /// The binding as it is, or was.
    pub binding: Binding,
}

/// Why a REGISTER changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// 400: contacts that cannot be read, `*` with anything beside it, more than [`CONTACTS_MAX`].
    Bad,
    /// 423: shorter than [`EXPIRES_MIN_S`].
    TooBrief,
    /// 500: older than what is known (RFC 3261 §10.3 step 7).
    OutOfOrder,
}

/// What a REGISTER asks for.
enum Wish<'a> {
    Query,
    RemoveAll,
    /// Contact and seconds; 0 removes.
    Set(Vec<(&'a [u8], u32)>),
}

#[derive(Debug, Default)]
struct Record {
    bindings: Vec<Binding>,
    filed: Option<Instant>,
}

/// All bindings that a shard knows.
#[derive(Debug, Default)]
pub struct Registrar {
    node: NodeId,
    records: BTreeMap<String, Record>,
    due: BTreeSet<(Instant, String)>,
    changes: Vec<Change>,
}

/// The shard that decides about an address of record.
pub fn home(user: &[u8], realm: &str, shards: u16) -> ShardId {
    let mixed = crate::steer::hash(user) ^ crate::steer::hash(realm.as_bytes()).rotate_left(32);
    ShardId((mixed % u64::from(shards.max(1))) as u16)
}

impl Registrar {
    /// One of this node that knows nobody.
    pub fn new(node: NodeId) -> Registrar {
        Registrar { node, ..Registrar::default() }
    }

    /// Carries out a REGISTER whose sender has proved to be this subscriber. All of it is done or nothing.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub fn register(&mut self, clock: Clock, record: &str, from: Hop, request: &Message<'_>) -> Result<(), Refusal> {
        let wish = wish(request)?;
        let (call_id, cseq) = (request.call_id(), request.cseq().number);
        let known = self.records.get(record).map_or(&[][..], |known| &known.bindings);
        // RFC 3261 §10.3 steps 6 and 7: within one Call-ID the numbers rise.
        let is_old = |binding: &Binding| binding.call_id == call_id && cseq <= binding.cseq;
        let stands_against = |contact: &[u8]| known.iter().any(|old| same(&old.contact, contact) && is_old(old));
        match wish {
            Wish::Query => return Ok(()),
            Wish::RemoveAll if known.iter().any(is_old) => return Err(Refusal::OutOfOrder),
            Wish::RemoveAll => self.remove_all(clock.wall, record),
            Wish::Set(ref contacts) if contacts.iter().any(|(contact, _)| stands_against(contact)) => {
                return Err(Refusal::OutOfOrder);
            }
            Wish::Set(contacts) => {
                for (contact, seconds) in contacts {
                    let (contact, call_id) = (contact.to_vec(), call_id.to_vec());
                    let until = clock.now.plus_millis(u64::from(seconds) * 1_000);
                    let (since, node) = (clock.wall, self.node);
                    let binding = Binding { contact, hop: from, call_id, cseq, since, until, node, via: None };
                    self.set(record, binding, seconds > 0);
                }
            }
        }
        self.file(record);
        Ok(())
    }

    /// Takes over what the home shard changed, unless another node had a later word.
    pub fn copy(&mut self, change: Change) {
        if self.said(&change).is_none_or(|known| known <= change.binding.since) {
            self.take(change);
        }
    }

    /// Takes over what another node changed, if that is news.
    pub fn hear(&mut self, change: Change) {
        if self.said(&change).is_none_or(|known| known < change.binding.since) {
            self.take(change);
        }
    }

    /// When the last word was said of the contact that a change is about.
    fn said(&self, change: &Change) -> Option<WallTime> {
        let known = self.records.get(&change.record)?;
        let about = known.bindings.iter().find(|binding| same(&binding.contact, &change.binding.contact));
        about.map(|binding| binding.since)
    }

    fn take(&mut self, change: Change) {
        let told = self.changes.len();
        self.set(&change.record, change.binding, change.what != What::Removed);
        self.changes.truncate(told);
        self.file(&change.record);
    }

    /// Where a subscriber can be called, the latest refreshed first. The name is `user@domain`, or `user` alone if that is
    /// enough to tell it.
    pub fn find(&self, now: Instant, name: &str) -> Vec<&Binding> {
        let record = match self.records.get(name) {
            None if !name.contains('@') => {
                let start = alloc::format!("{name}@");
                self.records
                    .range(start.clone()..)
                    .next()
                    .filter(|(record, _)| record.starts_with(&start))
                    .map(|it| it.1)
            }
            found => found,
        };
        let mut found: Vec<&Binding> = record.iter().flat_map(|record| record.bindings.iter()).collect();
        found.retain(|binding| binding.until > now);
        found.sort_by_key(|binding| core::cmp::Reverse(binding.since));
        found
    }

    /// All bindings with their addresses of record, in order.
    pub fn all(&self) -> impl Iterator<Item = (&str, &Binding)> {
        self.records.iter().flat_map(|(record, known)| known.bindings.iter().map(|binding| (record.as_str(), binding)))
    }

    /// Takes out what changed here since the last time.
    pub fn take_changes(&mut self) -> Vec<Change> {
        core::mem::take(&mut self.changes)
    }

    /// Time went on: bindings end.
    pub fn on_time(&mut self, now: Instant) {
        while let Some((at, _)) = self.due.first()
            && *at <= now
        {
            let Some((_, record)) = self.due.pop_first() else { return };
            if let Some(known) = self.records.get_mut(&record) {
                known.filed = None;
                let changes = &mut self.changes;
                known.bindings.retain(|binding| {
                    let lasts = binding.until > now;
                    if !lasts {
                        changes.push(change(&record, What::Removed, binding.clone()));
                    }
                    lasts
                });
            }
            self.file(&record);
        }
    }

    /// When `on_time` is due.
    pub fn deadline(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Puts a binding in, in the place of the one with the same contact, or takes that one out.
    fn set(&mut self, record: &str, binding: Binding, stays: bool) {
        if !self.records.contains_key(record) {
            self.records.insert(record.into(), Record::default());
        }
        let Some(known) = self.records.get_mut(record) else { return };
        let place = known.bindings.iter().position(|old| same(&old.contact, &binding.contact));
        let since = binding.since;
        let what = match (place, stays) {
            (Some(place), true) => {
                known.bindings[place] = binding.clone();
                What::Refreshed
            }
            (Some(place), false) => {
                known.bindings.remove(place);
                What::Removed
            }
            (None, true) => {
                known.bindings.push(binding.clone());
                What::Added
            }
            (None, false) => return,
        };
        self.changes.push(change(record, what, binding));
        if known.bindings.len() > CONTACTS_MAX
            && let Some(first) = (0..CONTACTS_MAX).min_by_key(|at| known.bindings[*at].until)
        {
            let gone = Binding { since, node: self.node, ..known.bindings.remove(first) };
            self.changes.push(change(record, What::Removed, gone));
        }
    }

    fn remove_all(&mut self, wall: WallTime, record: &str) {
        let Some(known) = self.records.get_mut(record) else { return };
        let gone = known.bindings.drain(..).map(|binding| Binding { since: wall, node: self.node, ..binding });
        self.changes.extend(gone.map(|binding| change(record, What::Removed, binding)));
    }

    /// Files the record's next deadline; one that holds nothing is forgotten.
    fn file(&mut self, record: &str) {
        let Some(known) = self.records.get_mut(record) else { return };
        let next = known.bindings.iter().map(|binding| binding.until).min();
        let filed = core::mem::replace(&mut known.filed, next);
        if filed != next {
            if let Some(filed) = filed {
                self.due.remove(&(filed, record.into()));
            }
            self.due.extend(next.map(|next| (next, record.into())));
        }
        if next.is_none() {
            self.records.remove(record);
        }
    }
}

fn change(record: &str, what: What, binding: Binding) -> Change {
    Change { record: record.into(), what, binding }
}

/// Reads the contacts of a REGISTER and how long each shall last.
fn wish<'a>(request: &Message<'a>) -> Result<Wish<'a>, Refusal> {
    // RFC 3261 §10.2.1.1 and §20.19: what is no number stands for an hour.
    let seconds =
        |text: &[u8]| sip::lex::number(text, u64::MAX).map_or(EXPIRES_S, |s| s.min(u64::from(EXPIRES_MAX_S)) as u32);
    let general = request.header(Name::Expires).map_or(EXPIRES_S, seconds);
    let mut contacts = Vec::new();
    let mut star = false;
    for element in request.list(Name::Contact) {
        if element == b"*" {
            star = true;
            continue;
        }
        let address = Address::parse(element).map_err(|_| Refusal::Bad)?;
        let expires = address.param(b"expires").flatten().map_or(general, seconds);
        let fits = address.uri_text.len() <= CONTACT_BYTES_MAX && address.uri().is_ok();
        if !fits || contacts.len() == CONTACTS_MAX {
            return Err(Refusal::Bad);
        }
        if (1..EXPIRES_MIN_S).contains(&expires) {
            return Err(Refusal::TooBrief);
        }
        contacts.push((address.uri_text, expires));
    }
    match (star, contacts.is_empty()) {
        // RFC 3261 §10.3 step 6: the star stands alone and means all shall go.
        (true, true) if general == 0 && request.header(Name::Expires).is_some() => Ok(Wish::RemoveAll),
        (true, _) => Err(Refusal::Bad),
        (false, true) => Ok(Wish::Query),
        (false, false) => Ok(Wish::Set(contacts)),
    }
}

/// Do two contacts name the same place (RFC 3261 §19.1.4)? Hosts and parameters are compared in any case, users exactly.
fn same(one: &[u8], other: &[u8]) -> bool {
    if one == other {
        return true;
    }
    let (Ok(one), Ok(other)) = (Uri::parse(one), Uri::parse(other)) else { return false };
    one.scheme == other.scheme
        && one.user == other.user
        && one.host.eq_ignore_ascii_case(other.host)
        && one.port == other.port
        && one.params.eq_ignore_ascii_case(other.params)
        && one.headers == other.headers
}
