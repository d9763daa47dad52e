//! Sheets on their way into a deck: the file as it came, how it is read, who brought it, who approved it; and how a deck's sheets are
//! read in general.

use units::WallTime;

use crate::Store;
use crate::error::{ConflictKind, Result, StoreError};
use crate::object::Edit;
use crate::revisions::PART_BYTES;
use crate::sql::{Row, args, now};

/// How an import ended, if it did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ImportState {
    /// Somebody is looking at it.
    #[default]
    Open,
    /// Its rates are in the deck.
    Applied,
    /// It changes nothing.
    Cancelled,
}

/// A sheet as it came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImportDraft {
    /// The deck that it is for.
    pub deck: u32,
    /// The file's name.
    pub name: String,
    /// SHA-256 of its bytes in hexadecimal digits.
    pub sha256: String,
    /// The id of the user who is responsible.
    pub made_by: u32,
    /// Who brought it, as in the audit.
    pub actor: String,
    /// How it is read, as JSON.
    pub body: String,
}

/// A sheet on its way into a deck.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Import {
    /// Its id.
    pub id: u32,
    /// What was brought.
    pub draft: ImportDraft,
    /// Bytes of the file.
    pub size: u64,
    /// When it came.
    pub created: WallTime,
    /// Where it stands.
    pub state: ImportState,
    /// The id of the user who approved it; 0 for nobody.
    pub approved_by: u32,
    /// That user as in the audit; empty for nobody.
    pub approver: String,
    /// When it was applied or cancelled.
    pub settled: Option<WallTime>,
    /// A digest of what the approver saw that it would change; empty without an approval.
    pub seen: String,
    /// Applied: the deck's `rates_version` that it made. Otherwise 0.
    pub rates_version: i64,
}

/// How the sheets of a deck are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeckTemplate {
    /// Rises by one with every change.
    pub version: i64,
    /// When it was written.
    pub created: WallTime,
    /// The id of the user who is responsible; 0 for nobody.
    pub made_by: u32,
    /// Who wrote it, as in the audit.
    pub actor: String,
    /// The template as JSON.
    pub body: String,
}

impl Store {
    /// The newest imports of a deck, 100 at most.
    pub async fn imports(&self, deck: u32) -> Result<Vec<Import>> {
        let mut tx = self.read().await?;
        crate::object::get::<crate::DeckDraft>(&mut tx, deck).await?;
        let rows = tx.rows("SELECT * FROM imports WHERE deck=? ORDER BY id DESC LIMIT 100", args![deck]).await?;
        rows.iter().map(read).collect()
    }

    /// One import.
    pub async fn import(&self, id: u32) -> Result<Import> {
        let row = self.read().await?.row("SELECT * FROM imports WHERE id=?", args![id]).await?;
        read(&row.ok_or_else(|| StoreError::missing("import", id))?)
    }

    /// The file of an import, as it came.
    pub async fn import_file(&self, id: u32) -> Result<Vec<u8>> {
        let mut tx = self.read().await?;
        let mut file = Vec::new();
        for part in 0_u32.. {
            let row = tx.row("SELECT bytes FROM import_parts WHERE import=? AND part=?", args![id, part]).await?;
            let Some(row) = row else { break };
            file.extend(row.bytes("bytes")?);
        }
        Ok(file)
    }

    /// How the sheets of a deck are read; `None` if nobody has said so.
    pub async fn deck_template(&self, deck: u32) -> Result<Option<DeckTemplate>> {
        let sql = "SELECT * FROM deck_templates WHERE deck=? ORDER BY version DESC LIMIT 1";
        self.read().await?.row(sql, args![deck]).await?.as_ref().map(template).transpose()
    }

    /// The templates of a deck that count for what one user brings, oldest first, 100 at most: those that this user wrote last, and the
    /// one that stood before them. So nobody can lift a guard for themselves.
    pub async fn guarding_templates(&self, deck: u32, user: u32) -> Result<Vec<DeckTemplate>> {
        let sql = "SELECT * FROM deck_templates WHERE deck=? AND version>=COALESCE((SELECT MAX(version) FROM deck_templates \
                   WHERE deck=? AND made_by<>?),0) ORDER BY version LIMIT 100";
        self.read().await?.rows(sql, args![deck, deck, user]).await?.iter().map(template).collect()
    }
}

impl Edit {
    /// Keeps a sheet; nothing of the deck changes.
    pub async fn add_import(&mut self, draft: &ImportDraft, file: &[u8]) -> Result<u32> {
        let name: String = draft.name.chars().filter(|letter| !letter.is_control()).take(200).collect();
        let sql = "INSERT INTO imports (deck,name,sha256,size,created,made_by,actor,body,state,approved_by,approver,settled,\
                   rates_version,seen) VALUES (?,?,?,?,?,?,?,?,0,0,'',NULL,0,'')";
        let values = args![
            draft.deck,
            name,
            draft.sha256.as_str(),
            file.len() as u64,
            now(),
            draft.made_by,
            draft.actor.as_str(),
            draft.body.as_str()
        ];
        let id = self.tx.run(sql, values).await?.id;
        for (part, bytes) in file.chunks(PART_BYTES).enumerate() {
            let sql = "INSERT INTO import_parts (import,part,bytes) VALUES (?,?,?)";
            self.tx.run(sql, args![id, part as u64, bytes.to_vec()]).await?;
        }
        u32::try_from(id).map_err(|_| StoreError::Broken("import ids are used up".to_owned()))
    }

    /// One open import, which nobody else can settle before this transaction ends.
    pub async fn open_import(&mut self, id: u32) -> Result<Import> {
        let sql = format!("SELECT * FROM imports WHERE id=?{}", self.tx.dialect().for_update());
        let row = self.tx.row(sql, args![id]).await?;
        let import = read(&row.ok_or_else(|| StoreError::missing("import", id))?)?;
        if import.state == ImportState::Open {
            return Ok(import);
        }
        let why = "it was applied or cancelled before";
        Err(StoreError::conflict(ConflictKind::Stale, "import", id.to_string(), why))
    }

    /// Reads an open import in another way. An approval was given for what was seen then, and is taken back; whoever says how it is
    /// read is responsible for it from then on.
    pub async fn reread_import(&mut self, id: u32, user: u32, body: &str) -> Result<()> {
        self.open_import(id).await?;
        let sql = "UPDATE imports SET body=?,made_by=?,approved_by=0,approver='',seen='' WHERE id=?";
        self.tx.run(sql, args![body, user, id]).await.map(drop)
    }

    /// Somebody else than the one who is responsible has seen what an open import would change.
    pub async fn approve_import(&mut self, id: u32, user: u32, actor: &str, seen: &str) -> Result<()> {
        let import = self.open_import(id).await?;
        if import.draft.made_by == user {
            let why = "somebody else than the one who brought it, or said how it is read, must approve it";
            return Err(StoreError::invalid("approver", why));
        }
        let sql = "UPDATE imports SET approved_by=?,approver=?,seen=? WHERE id=?";
        self.tx.run(sql, args![user, actor, seen, id]).await.map(drop)
    }

    /// Ends an open import.
    pub async fn settle_import(&mut self, id: u32, state: ImportState, rates_version: i64) -> Result<()> {
        self.open_import(id).await?;
        let sql = "UPDATE imports SET state=?,settled=?,rates_version=? WHERE id=?";
        self.tx.run(sql, args![state as u8, now(), rates_version, id]).await.map(drop)
    }

    /// Says how the sheets of a deck are read from now on. Returns the version.
    pub async fn set_deck_template(&mut self, deck: u32, user: u32, actor: &str, body: &str) -> Result<i64> {
        self.get::<crate::DeckDraft>(deck).await?;
        let sql = "SELECT COALESCE(MAX(version),0) AS version FROM deck_templates WHERE deck=?";
        let row = self.tx.row(sql, args![deck]).await?;
        let version = row.map_or(Ok(0), |row| row.int("version"))? + 1;
        let sql = "INSERT INTO deck_templates (deck,version,created,made_by,actor,body) VALUES (?,?,?,?,?,?)";
        self.tx.run(sql, args![deck, version, now(), user, actor, body]).await?;
        Ok(version)
    }
}

fn template(row: &Row) -> Result<DeckTemplate> {
    Ok(DeckTemplate {
        version: row.int("version")?,
        created: row.time("created")?,
        made_by: row.num("made_by")?,
        actor: row.text("actor")?,
        body: row.text("body")?,
    })
}

fn read(row: &Row) -> Result<Import> {
    let state = match row.int("state")? {
        0 => ImportState::Open,
        1 => ImportState::Applied,
        2 => ImportState::Cancelled,
        other => return Err(StoreError::Broken(format!("column state holds {other}"))),
    };
    Ok(Import {
        id: row.num("id")?,
        draft: ImportDraft {
            deck: row.num("deck")?,
            name: row.text("name")?,
            sha256: row.text("sha256")?,
            made_by: row.num("made_by")?,
            actor: row.text("actor")?,
            body: row.text("body")?,
        },
        size: row.num("size")?,
        created: row.time("created")?,
        state,
        approved_by: row.num("approved_by")?,
        approver: row.text("approver")?,
        settled: row.opt_int("settled")?.map(WallTime::from_micros),
        seen: row.text("seen")?,
        rates_version: row.int("rates_version")?,
    })
}
