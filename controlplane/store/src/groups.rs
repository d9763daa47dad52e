//! Trunk groups: egress trunks that stand in plans as one route.

use snapshot::{GroupMember, PLAN_ROUTES_MAX};
use units::EgressTrunkId;

use crate::accounts::exists;
use crate::error::{Result, StoreError};
use crate::object::{Object, Stored};
use crate::plans::check_chains;
use crate::sql::{Arg, Row, Tx, args};

/// Nodes of one site at most.
const NODES_MAX: usize = 64;
/// A member's weight at most.
const WEIGHT_MAX: u16 = 1_000;

/// What an operator writes about a trunk group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupDraft {
    /// The unique short name.
    pub code: String,
    /// Its trunks, 1 to 64.
    pub members: Vec<GroupMember>,
}

/// A trunk group as stored.
pub type Group = Stored<GroupDraft>;

impl Object for GroupDraft {
    type Facts = ();
    const WHAT: &'static str = "trunk group";
    const TABLE: &'static str = "trunk_groups";
    const COLUMNS: &'static [&'static str] = &["code"];
    const OF_CARRIER: bool = false;

    fn code(&self) -> &str {
        &self.code
    }

    fn check(&self) -> Result<()> {
        if !(1..=PLAN_ROUTES_MAX).contains(&self.members.len()) {
            return Err(StoreError::invalid("members", format!("1 to {PLAN_ROUTES_MAX} trunks")));
        }
        for (place, member) in self.members.iter().enumerate() {
            if self.members[..place].iter().any(|other| other.egress_trunk == member.egress_trunk) {
                return Err(StoreError::invalid("members", "an egress trunk stands there twice"));
            }
            if member.weight > WEIGHT_MAX {
                return Err(StoreError::invalid("weight", format!("0 to {WEIGHT_MAX}")));
            }
            if member.nodes.len() > NODES_MAX || member.nodes.contains(&0) {
                return Err(StoreError::invalid("nodes", format!("up to {NODES_MAX} numbers of nodes, 1 to 65,535")));
            }
        }
        Ok(())
    }

    fn args(&self) -> Vec<Arg> {
        args![self.code.as_str()]
    }

    fn read(row: &Row) -> Result<GroupDraft> {
        Ok(GroupDraft { code: row.text("code")?, members: Vec::new() })
    }

    async fn check_links(&self, tx: &mut Tx) -> Result<()> {
        for member in &self.members {
            exists(tx, "egress_trunks", "members", member.egress_trunk.0).await?;
        }
        Ok(())
    }

    async fn complete(tx: &mut Tx, found: &mut [Group]) -> Result<()> {
        let (Some(first), Some(last)) = (found.first(), found.last()) else { return Ok(()) };
        let sql = "SELECT * FROM trunk_group_members WHERE trunk_group BETWEEN ? AND ? ORDER BY trunk_group,position";
        for row in tx.rows(sql, args![first.id, last.id]).await? {
            let id: u32 = row.num("trunk_group")?;
            if let Ok(place) = found.binary_search_by_key(&id, |group| group.id) {
                let nodes = row.text("nodes")?;
                let nodes: Option<Vec<u16>> = nodes.split_whitespace().map(|node| node.parse().ok()).collect();
                found[place].draft.members.push(GroupMember {
                    egress_trunk: EgressTrunkId(row.num("egress_trunk")?),
                    priority: row.num("priority")?,
                    weight: row.num("weight")?,
                    nodes: nodes.ok_or_else(|| StoreError::Broken("column nodes holds no numbers".into()))?,
                });
            }
        }
        Ok(())
    }

    async fn save_more(&self, tx: &mut Tx, id: u32, _old: Option<&Group>) -> Result<()> {
        tx.run("DELETE FROM trunk_group_members WHERE trunk_group=?", args![id]).await?;
        let rows = self.members.iter().enumerate().map(|(position, member)| {
            let nodes: Vec<String> = member.nodes.iter().map(u16::to_string).collect();
            args![id, position as u64, member.egress_trunk.0, member.priority, member.weight, nodes.join(" ")]
        });
        let columns = &["trunk_group", "position", "egress_trunk", "priority", "weight", "nodes"];
        tx.insert_many("INSERT INTO", "trunk_group_members", columns, rows.collect()).await?;
        check_chains(tx, "members").await
    }
}
