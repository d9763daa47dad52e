//! What nodes said that somebody should look at: raised, and over.

use serde_json::json;
use units::{NodeId, WallTime};

use crate::Store;
use crate::error::Result;
use crate::sql::{Row, Tx, args, now};
use crate::webhooks::{self, Event};

/// Characters of a sentence.
const TEXT_CHARS_MAX: usize = 300;

/// What stands at a node at this moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StandingAlarm {
    /// Which, for programs: `journal_failing`.
    pub name: String,
    /// `warn` or `fail`.
    pub level: String,
    /// What is so.
    pub what: String,
    /// What to do about it.
    pub mend: String,
}

/// An alarm of some node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlarmRow {
    /// Globally unique.
    pub id: String,
    /// Where.
    pub node: NodeId,
    /// What was so.
    pub alarm: StandingAlarm,
    /// When it was raised.
    pub raised: WallTime,
    /// When it was over; `None` while it stands.
    pub cleared: Option<WallTime>,
}

impl Store {
    /// What stands at a node as of the last word of it.
    pub async fn standing_alarms(&self, node: NodeId) -> Result<Vec<AlarmRow>> {
        standing(&mut self.read().await?, node).await
    }

    /// Says what stands at a node at this moment; what did not stand before is raised, and what does no longer is over. Those who want to
    /// be told of either are. Returns how many of both there were.
    pub async fn set_alarms(&self, node: NodeId, stand: &[StandingAlarm]) -> Result<usize> {
        let differs = |before: &[AlarmRow]| {
            before.len() != stand.len() || stand.iter().any(|new| before.iter().all(|old| old.alarm.name != new.name))
        };
        if !differs(&self.standing_alarms(node).await?) {
            return Ok(0);
        }
        let (mut tx, at, mut changed) = (self.write().await?, now(), 0);
        let before = standing(&mut tx, node).await?;
        for old in before.iter().filter(|old| stand.iter().all(|new| new.name != old.alarm.name)) {
            tx.run("UPDATE alarms SET cleared=? WHERE id=?", args![at, old.id.as_str()]).await?;
            tell(&mut tx, "alarm.cleared", at, old).await?;
            changed += 1;
        }
        for new in stand.iter().filter(|new| before.iter().all(|old| old.alarm.name != new.name)) {
            let id = format!("alarm:{}:{}:{}", node.0, new.name, at.micros());
            let row = AlarmRow { id, node, alarm: new.clone(), raised: at, cleared: None };
            let cut = |text: &str| text.chars().take(TEXT_CHARS_MAX).collect::<String>();
            let StandingAlarm { name, level, what, mend } = new;
            let sql = "INSERT INTO alarms (id,node,name,level,what,mend,raised) VALUES (?,?,?,?,?,?,?)";
            let values = args![row.id.as_str(), node.0, name.as_str(), level.as_str(), cut(what), cut(mend), at];
            tx.run(sql, values).await?;
            tell(&mut tx, "alarm.raised", at, &row).await?;
            changed += 1;
        }
        tx.commit().await?;
        Ok(changed)
    }

    /// Alarms of all nodes, newest first; only those that stand, if that is asked.
    pub async fn alarms(&self, standing: bool, limit: u32) -> Result<Vec<AlarmRow>> {
        let wanted = if standing { "WHERE cleared IS NULL" } else { "" };
        let sql = format!("SELECT * FROM alarms {wanted} ORDER BY raised DESC,id DESC LIMIT ?");
        self.read().await?.rows(sql, args![limit.clamp(1, 1_000)]).await?.iter().map(alarm).collect()
    }
}

async fn standing(tx: &mut Tx, node: NodeId) -> Result<Vec<AlarmRow>> {
    let sql = "SELECT * FROM alarms WHERE node=? AND cleared IS NULL ORDER BY raised,id";
    tx.rows(sql, args![node.0]).await?.iter().map(alarm).collect()
}

async fn tell(tx: &mut Tx, kind: &str, at: WallTime, row: &AlarmRow) -> Result<()> {
    let AlarmRow { id, node, alarm, .. } = row;
    let StandingAlarm { name, level, what, mend } = alarm;
    let body = json!({ "alarm": id, "node": node.0, "name": name, "level": level, "what": what, "mend": mend });
    let event = Event { id: format!("{id}:{kind}"), kind: kind.to_owned(), at, body: body.to_string() };
    webhooks::raise(tx, &event).await
}

fn alarm(row: &Row) -> Result<AlarmRow> {
    let alarm = StandingAlarm {
        name: row.text("name")?,
        level: row.text("level")?,
        what: row.text("what")?,
        mend: row.text("mend")?,
    };
    Ok(AlarmRow {
        id: row.text("id")?,
        node: NodeId(row.num("node")?),
        alarm,
        raised: row.time("raised")?,
        cleared: row.opt_int("cleared")?.map(WallTime::from_micros),
    })
}
