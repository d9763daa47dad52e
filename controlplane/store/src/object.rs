//! What all configuration objects have in common: an id, a unique code, a version against lost updates, and one way each to be listed,
//! read, made, changed and deleted.

use core::future::Future;
use core::ops::Deref;
use std::sync::Arc;

use units::WallTime;

use crate::Store;
use crate::error::{ConflictKind, Result, StoreError};
use crate::rates::Shelf;
use crate::sql::{Arg, Row, Tx, args, now};

/// The longest code, in characters.
pub const CODE_CHARS_MAX: usize = 64;
/// Rows of one page at most.
pub const PAGE_MAX: u32 = 1_000;

/// A kind of configuration object. The implementing type is the draft: all that an operator writes.
pub trait Object: Sized + Clone + Send + Sync {
    /// What the store adds when it reads one: balances, counts.
    type Facts: Default + Clone + Send + Sync + core::fmt::Debug + PartialEq;
    /// What people call the kind: `carrier`, `egress trunk`.
    const WHAT: &'static str;
    /// Its table.
    const TABLE: &'static str;
    /// Its own columns, without id, version and dates; the first is `code`.
    const COLUMNS: &'static [&'static str];
    /// Has a column `carrier` to filter by.
    const OF_CARRIER: bool;
    /// The unique short name.
    fn code(&self) -> &str;
    /// Refuses values that the database would take but calls would not.
    fn check(&self) -> Result<()>;
    #[doc(hidden)]
    fn args(&self) -> Vec<Arg>;
    #[doc(hidden)]
    fn read(row: &Row) -> Result<Self>;
    /// Puts what is kept in place of what is only told, such as a password; `before` is what stands.
    fn settle(&mut self, _before: Option<&Self>) -> Result<()> {
        Ok(())
    }
    /// Refuses what does not fit to other objects.
    #[doc(hidden)]
    fn check_links(&self, _tx: &mut Tx) -> impl Future<Output = Result<()>> + Send {
        async { Ok(()) }
    }
    /// Reads child rows and facts of these objects, which are in order of id.
    #[doc(hidden)]
    fn complete(_tx: &mut Tx, _found: &mut [Stored<Self>]) -> impl Future<Output = Result<()>> + Send {
        async { Ok(()) }
    }
    /// Writes child rows after the object's own row.
    #[doc(hidden)]
    fn save_more(
        &self,
        _tx: &mut Tx,
        _id: u32,
        _old: Option<&Stored<Self>>,
    ) -> impl Future<Output = Result<()>> + Send {
        async { Ok(()) }
    }
    /// Removes what hangs on the object before its own row goes.
    #[doc(hidden)]
    fn before_delete(_tx: &mut Tx, _id: u32) -> impl Future<Output = Result<()>> + Send {
        async { Ok(()) }
    }
}

/// An object as it stands in the store. Its draft's fields are reached directly: `carrier.code`.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored<D: Object> {
    /// Its id; `units` has a type for each kind.
    pub id: u32,
    /// Rises by one with every change of the object; the ETag.
    pub version: i64,
    /// When it was made.
    pub created: WallTime,
    /// When it was last changed.
    pub updated: WallTime,
    /// What the store knows beyond the draft.
    pub facts: D::Facts,
    /// What the operator wrote.
    pub draft: D,
}

impl<D: Object> Deref for Stored<D> {
    type Target = D;
    fn deref(&self) -> &D {
        &self.draft
    }
}

/// Which part of a list.
#[derive(Clone, Copy, Debug, Default)]
pub struct Page {
    /// Ids above this one; 0 for the start.
    pub after: u32,
    /// Rows at most, 1 to [`PAGE_MAX`]; 0 means [`PAGE_MAX`].
    pub limit: u32,
    /// Only objects of this carrier, where the kind has one.
    pub carrier: Option<u32>,
}

impl Page {
    fn rows(self) -> u32 {
        if self.limit == 0 { PAGE_MAX } else { self.limit.min(PAGE_MAX) }
    }
}

impl Store {
    /// Objects of one kind in order of id.
    pub async fn list<D: Object>(&self, page: Page) -> Result<Vec<Stored<D>>> {
        list(&mut self.read().await?, page).await
    }

    /// All objects of one kind in order of id, at one moment.
    pub async fn all<D: Object>(&self) -> Result<Vec<Stored<D>>> {
        all(&mut self.read().await?).await
    }

    /// One object.
    pub async fn get<D: Object>(&self, id: u32) -> Result<Stored<D>> {
        get(&mut self.read().await?, id).await
    }

    /// One object by its code.
    pub async fn by_code<D: Object>(&self, code: &str) -> Result<Stored<D>> {
        by_code(&mut self.read().await?, code).await
    }
}

/// A transaction that changes configuration. Nothing is seen by others before [`Edit::commit`]; dropped, nothing happened.
pub struct Edit {
    pub(crate) tx: Tx,
    pub(crate) touched: bool,
    pub(crate) rates: Arc<Shelf>,
}

impl Store {
    /// Begins to change configuration.
    pub async fn edit(&self) -> Result<Edit> {
        Ok(Edit { tx: self.write().await?, touched: false, rates: Arc::clone(&self.rates) })
    }
}

impl Edit {
    /// Makes an object.
    pub async fn create<D: Object>(&mut self, draft: &D) -> Result<Stored<D>> {
        let draft = &settled(draft, None)?;
        check(draft, &mut self.tx).await?;
        let columns = format!("{},version,created,updated", D::COLUMNS.join(","));
        let at = now();
        let mut values = draft.args();
        values.extend(args![1_i64, at, at]);
        let marks = crate::sql::marks(values.len());
        let done = self.tx.run(format!("INSERT INTO {} ({columns}) VALUES ({marks})", D::TABLE), values).await;
        let id = u32::try_from(done.map_err(|e| name::<D>(e, draft.code()))?.id)
            .map_err(|_| StoreError::Broken(format!("{} ids are used up", D::WHAT)))?;
        draft.save_more(&mut self.tx, id, None).await?;
        self.touched = true;
        get(&mut self.tx, id).await
    }

    /// Replaces an object's draft. `expected` is the version that the writer saw; `None` overwrites whatever stands.
    pub async fn update<D: Object>(&mut self, id: u32, draft: &D, expected: Option<i64>) -> Result<Stored<D>> {
        let old = self.locked::<D>(id, expected).await?;
        let draft = &settled(draft, Some(&old.draft))?;
        check(draft, &mut self.tx).await?;
        let sets: Vec<String> = D::COLUMNS.iter().map(|column| format!("{column}=?")).collect();
        let mut values = draft.args();
        values.extend(args![now(), id]);
        let sql = format!("UPDATE {} SET {},version=version+1,updated=? WHERE id=?", D::TABLE, sets.join(","));
        self.tx.run(sql, values).await.map_err(|e| name::<D>(e, draft.code()))?;
        draft.save_more(&mut self.tx, id, Some(&old)).await?;
        self.touched = true;
        get(&mut self.tx, id).await
    }

    /// Deletes an object that nothing refers to.
    pub async fn delete<D: Object>(&mut self, id: u32, expected: Option<i64>) -> Result<()> {
        let old = self.locked::<D>(id, expected).await?;
        D::before_delete(&mut self.tx, id).await?;
        let gone = self.tx.run(format!("DELETE FROM {} WHERE id=?", D::TABLE), args![id]).await;
        gone.map_err(|e| name::<D>(e, old.code()))?;
        self.touched = true;
        Ok(())
    }

    /// One object, as this transaction sees it.
    pub async fn get<D: Object>(&mut self, id: u32) -> Result<Stored<D>> {
        get(&mut self.tx, id).await
    }

    /// All objects of a kind in order of id, as this transaction sees them.
    pub async fn all<D: Object>(&mut self) -> Result<Vec<Stored<D>>> {
        all(&mut self.tx).await
    }

    /// One object by its code, as this transaction sees it.
    pub async fn by_code<D: Object>(&mut self, code: &str) -> Result<Stored<D>> {
        by_code(&mut self.tx, code).await
    }

    /// Makes the changes visible; the next snapshot will hold them.
    pub async fn commit(mut self) -> Result<()> {
        if self.touched {
            self.tx.run("UPDATE changes SET counter=counter+1 WHERE id=1", Vec::new()).await?;
        }
        self.tx.commit().await
    }

    /// Takes the object's row for this transaction and compares versions.
    async fn locked<D: Object>(&mut self, id: u32, expected: Option<i64>) -> Result<Stored<D>> {
        let lock = self.tx.dialect().for_update();
        let sql = format!("SELECT version FROM {} WHERE id=?{lock}", D::TABLE);
        self.tx.row(sql, args![id]).await?.ok_or_else(|| StoreError::missing(D::WHAT, id))?;
        let old: Stored<D> = get(&mut self.tx, id).await?;
        match expected {
            Some(version) if version != old.version => {
                let why = "it was changed by someone else since you read it";
                Err(StoreError::conflict(ConflictKind::Stale, D::WHAT, old.code(), why))
            }
            _ => Ok(old),
        }
    }
}

fn settled<D: Object>(draft: &D, before: Option<&D>) -> Result<D> {
    let mut draft = draft.clone();
    draft.settle(before)?;
    Ok(draft)
}

async fn check<D: Object>(draft: &D, tx: &mut Tx) -> Result<()> {
    check_code(draft.code())?;
    draft.check()?;
    draft.check_links(tx).await
}

/// A code is what people type: letters, digits, `-`, `_` and `.`. Decks give folders their names, and `.` and `..` are folders already;
/// names that begin with a point are hidden.
fn check_code(code: &str) -> Result<()> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if code.is_empty() || code.len() > CODE_CHARS_MAX || code.starts_with('.') || !code.chars().all(fits) {
        let wanted = "1 to 64 characters of letters, digits, '-', '_' and '.', the first no point";
        return Err(StoreError::invalid("code", wanted));
    }
    Ok(())
}

/// Puts the object's name into an error that the database gave.
fn name<D: Object>(error: StoreError, code: &str) -> StoreError {
    match error {
        StoreError::Conflict { why, kind, .. } => {
            StoreError::Conflict { what: D::WHAT, key: code.to_owned(), why, kind }
        }
        other => other,
    }
}

fn select<D: Object>() -> String {
    format!("SELECT id,version,created,updated,{} FROM {}", D::COLUMNS.join(","), D::TABLE)
}

fn stored<D: Object>(row: &Row) -> Result<Stored<D>> {
    Ok(Stored {
        id: row.num("id")?,
        version: row.int("version")?,
        created: row.time("created")?,
        updated: row.time("updated")?,
        facts: D::Facts::default(),
        draft: D::read(row)?,
    })
}

pub(crate) async fn list<D: Object>(tx: &mut Tx, page: Page) -> Result<Vec<Stored<D>>> {
    let mut values = args![page.after];
    let mut wanted = "";
    if let (Some(carrier), true) = (page.carrier, D::OF_CARRIER) {
        values.push(Arg::from(carrier));
        wanted = " AND carrier=?";
    }
    values.push(Arg::from(page.rows()));
    let sql = format!("{} WHERE id>?{wanted} ORDER BY id LIMIT ?", select::<D>());
    let mut found = tx.rows(sql, values).await?.iter().map(stored::<D>).collect::<Result<Vec<_>>>()?;
    if !found.is_empty() {
        D::complete(tx, &mut found).await?;
    }
    Ok(found)
}

pub(crate) async fn all<D: Object>(tx: &mut Tx) -> Result<Vec<Stored<D>>> {
    let mut every = Vec::new();
    loop {
        let after = every.last().map_or(0, |last: &Stored<D>| last.id);
        let page = list(tx, Page { after, limit: PAGE_MAX, carrier: None }).await?;
        if page.is_empty() {
            return Ok(every);
        }
        every.extend(page);
    }
}

pub(crate) async fn get<D: Object>(tx: &mut Tx, id: u32) -> Result<Stored<D>> {
    let row = tx.row(format!("{} WHERE id=?", select::<D>()), args![id]).await?;
    one(tx, row, id).await
}

pub(crate) async fn by_code<D: Object>(tx: &mut Tx, code: &str) -> Result<Stored<D>> {
    let row = tx.row(format!("{} WHERE code=?", select::<D>()), args![code]).await?;
    one(tx, row, code).await
}

async fn one<D: Object>(tx: &mut Tx, row: Option<Row>, key: impl ToString) -> Result<Stored<D>> {
    let row = row.ok_or_else(|| StoreError::missing(D::WHAT, key))?;
    let mut found = [stored::<D>(&row)?];
    D::complete(tx, &mut found).await?;
    let [object] = found;
    Ok(object)
}
