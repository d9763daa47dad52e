//! Who may prove a name: the digests of the ingress trunks of a snapshot, by realm and user.

use alloc::string::String;
use alloc::vec::Vec;

use rating::Policies;
use sip::auth::{Secret, Text};
use snapshot::View;
use snapshot::policy::Digest;
use units::IngressTrunkId;

/// One ingress trunk whose calls and registrations must be proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscriber {
    /// The trunk.
    pub trunk: IngressTrunkId,
    /// Where its name holds.
    pub realm: String,
    /// Its name; also the user part of its address of record.
    pub user: String,
    /// True if it may come from any address: the trunk names none.
    pub roams: bool,
    ha1_md5: [u8; 16],
    ha1_sha256: [u8; 32],
}

impl Subscriber {
    /// What its proof is made with.
    pub fn secret(&self) -> Secret<'_> {
        Secret { user: &self.user, realm: &self.realm, ha1_md5: self.ha1_md5, ha1_sha256: self.ha1_sha256 }
    }

    /// Its address of record as bindings are kept under: `user@realm`.
    pub fn record(&self) -> String {
        alloc::format!("{}@{}", self.user, self.realm)
    }
}

/// All of a snapshot.
#[derive(Clone, Debug, Default)]
pub struct Subscribers {
    /// In order of realm and user.
    list: Vec<Subscriber>,
    /// Trunks and their places in the list, in order of trunk.
    trunks: Vec<(IngressTrunkId, usize)>,
    /// The realm of the trunk with the lowest id.
    realm: String,
}

impl Subscribers {
    /// Collects them; of two trunks with the same realm and user the one with the lower id counts.
    pub fn of(view: &View<'_>, policies: &Policies) -> Subscribers {
        let mut list = Vec::new();
        for (trunk, rules) in policies.ingress_trunks() {
            // The policy was checked before: a digest that is no hexadecimal text cannot stand here.
            let Some(secret) = rules.policy.digest.as_ref().and_then(secret_of) else { continue };
            let roams = view.ingress(trunk).is_some_and(|trunk| trunk.sources().next().is_none());
            let Secret { user, realm, ha1_md5, ha1_sha256 } = secret;
            list.push(Subscriber { trunk, realm: realm.into(), user: user.into(), roams, ha1_md5, ha1_sha256 });
        }
        let realm = list.first().map(|first| first.realm.clone()).unwrap_or_default();
        list.sort_by(|a, b| key(a).cmp(&key(b)).then(a.trunk.0.cmp(&b.trunk.0)));
        list.dedup_by(|later, first| key(later) == key(first));
        let mut trunks: Vec<_> = list.iter().enumerate().map(|(at, subscriber)| (subscriber.trunk, at)).collect();
        trunks.sort_unstable();
        Subscribers { list, trunks, realm }
    }

    /// True if there is nobody.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// True if somebody may come from any address.
    pub fn roam(&self) -> bool {
        self.list.iter().any(|subscriber| subscriber.roams)
    }

    /// The realm that a request for `host` is asked to prove a name in: the one of that name, else the first of all. So an
    /// unknown user is asked exactly what a known one is.
    pub fn realm_for(&self, host: &[u8]) -> &str {
        let from = self.list.partition_point(|subscriber| subscriber.realm.as_bytes() < host);
        match self.list.get(from) {
            Some(subscriber) if subscriber.realm.as_bytes() == host => &subscriber.realm,
            _ => &self.realm,
        }
    }

    /// The subscriber of this name.
    pub fn find(&self, realm: &str, user: Text<'_>) -> Option<&Subscriber> {
        let order = |subscriber: &Subscriber| {
            subscriber.realm.as_str().cmp(realm).then_with(|| subscriber.user.bytes().cmp(user.bytes()))
        };
        self.list.binary_search_by(order).ok().map(|at| &self.list[at])
    }

    /// The digest of this trunk, if its policy has one.
    pub fn of_trunk(&self, trunk: IngressTrunkId) -> Option<&Subscriber> {
        let at = self.trunks.binary_search_by_key(&trunk, |(trunk, _)| *trunk).ok()?;
        self.list.get(self.trunks[at].1)
    }
}

fn key(subscriber: &Subscriber) -> (&str, &str) {
    (&subscriber.realm, &subscriber.user)
}

/// The secret in a policy.
pub(crate) fn secret_of(digest: &Digest) -> Option<Secret<'_>> {
    Secret::from_hex(&digest.user, &digest.realm, &digest.ha1_md5, &digest.ha1_sha256)
}
