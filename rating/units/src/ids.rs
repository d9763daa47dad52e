//! Names of things, as numbers that cannot be mixed up.

use core::fmt;

use crate::from_hex;

macro_rules! ids {
    ($($(#[$meta:meta])* $name:ident($inner:ty);)*) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }
    )*};
}

ids! {
    /// A company we connect with.
    CarrierId(u32);
    /// A carrier's money.
    AccountId(u32);
    /// How a carrier's calls come in.
    IngressTrunkId(u32);
    /// How calls go out to a carrier.
    EgressTrunkId(u32);
    /// A price list.
    DeckId(u32);
    /// Which egress trunks may serve an ingress trunk.
    PlanId(u32);
    /// Egress trunks that stand in plans as one route.
    TrunkGroupId(u32);
    /// A machine of the cluster; 1 to 65,535.
    NodeId(u16);
    /// A core of a node, from 0.
    ShardId(u16);
    /// The number of a snapshot; rises by one with each publication.
    Revision(u64);
    /// The place of an attempt within its call: 0 stands for the call itself, attempts count from 1.
    AttemptIndex(u8);
}

impl AccountId {
    /// Set in the id of what may be owed; ids of accounts are below it.
    const OWED: u32 = 1 << 31;

    /// The other purse of the account: what its carrier may still be owed for calls that it takes.
    pub const fn owed(self) -> AccountId {
        AccountId(self.0 | AccountId::OWED)
    }

    /// True for what may be owed.
    pub const fn is_owed(self) -> bool {
        self.0 & AccountId::OWED != 0
    }

    /// The account, whichever purse of it this is.
    pub const fn account(self) -> AccountId {
        AccountId(self.0 & !AccountId::OWED)
    }
}

/// A call's identity in every record: node, boot of the data plane, shard and a sequence, so that it is unique without asking anyone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId {
    /// The node that carried the call.
    pub node: NodeId,
    /// How often that node's data plane has started.
    pub boot: u32,
    /// The shard that owned the call.
    pub shard: ShardId,
    /// Counts calls of that shard since its start; 48 bits are used.
    pub sequence: u64,
}

impl CallId {
    /// Sixteen bytes, big-endian, so that ids of one shard sort by age. The last two bytes are left for an [`AttemptIndex`].
    pub fn to_bytes(self, attempt: AttemptIndex) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[0..2].copy_from_slice(&self.node.0.to_be_bytes());
        bytes[2..6].copy_from_slice(&self.boot.to_be_bytes());
        bytes[6..8].copy_from_slice(&self.shard.0.to_be_bytes());
        bytes[8..14].copy_from_slice(&self.sequence.to_be_bytes()[2..8]);
        bytes[15] = attempt.0;
        bytes
    }

    /// The inverse of [`CallId::to_bytes`].
    pub fn from_bytes(bytes: [u8; 16]) -> (CallId, AttemptIndex) {
        let mut sequence = [0; 8];
        sequence[2..8].copy_from_slice(&bytes[8..14]);
        let call = CallId {
            node: NodeId(u16::from_be_bytes([bytes[0], bytes[1]])),
            boot: u32::from_be_bytes([bytes[2], bytes[3], bytes[4], bytes[5]]),
            shard: ShardId(u16::from_be_bytes([bytes[6], bytes[7]])),
            sequence: u64::from_be_bytes(sequence),
        };
        (call, AttemptIndex(bytes[15]))
    }

    /// Reads the 32 hexadecimal digits that [`CallId`] prints; the attempt's place is ignored.
    pub fn parse(text: &str) -> Option<CallId> {
        from_hex(text).map(|bytes| CallId::from_bytes(bytes).0)
    }
}

impl fmt::Display for CallId {
    /// Thirty-two lower-case hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_bytes(AttemptIndex(0)).iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A grant's identity: who asked, in which life, for the how-manieth time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GrantId {
    /// The node that asked.
    pub node: NodeId,
    /// How often that node's data plane has started.
    pub boot: u32,
    /// Counts grants of that node since its start.
    pub sequence: u64,
}

impl GrantId {
    /// Sixteen bytes, big-endian.
    pub fn to_bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[0..2].copy_from_slice(&self.node.0.to_be_bytes());
        bytes[2..6].copy_from_slice(&self.boot.to_be_bytes());
        bytes[8..16].copy_from_slice(&self.sequence.to_be_bytes());
        bytes
    }

    /// The inverse of [`GrantId::to_bytes`].
    pub fn from_bytes(bytes: [u8; 16]) -> GrantId {
        let mut sequence = [0; 8];
        sequence.copy_from_slice(&bytes[8..16]);
        GrantId {
            node: NodeId(u16::from_be_bytes([bytes[0], bytes[1]])),
            boot: u32::from_be_bytes([bytes[2], bytes[3], bytes[4], bytes[5]]),
            sequence: u64::from_be_bytes(sequence),
        }
    }
}
