//! Bringing a database up to date: what it would do, and doing it.
//!
//! Nodes of two versions share a database while they are upgraded one after the other. So steps only add, and say so by their names: a program
//! works on with those that it does not know. MariaDB carries a step out statement by statement; one that only adds is begun again
//! where it broke off.

use std::sync::LazyLock;

use rust_embed::RustEmbed;
use sqlx::migrate::{Migrate, MigrateError, Migration, MigrationType, Migrator};
use sqlx::{AssertSqlSafe, Connection, MySqlPool, SqlSafeStr};

use crate::error::{Result, StoreError};
use crate::sql::{Database, Dialect, Row, Tx, args};

/// One step that has not run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MigrationStep {
    /// Its number.
    pub version: i64,
    /// What it is about.
    pub name: String,
    /// Tables that exist and that it changes, with their rows and bytes as the database estimates them. Each is locked while it is changed.
    pub changes: Vec<(String, u64, u64)>,
    /// Tables that it makes.
    pub makes: Vec<String>,
    /// Programs that do not know it work on beside it.
    pub adds: bool,
}

/// A step of a later version, for who tries an upgrade to one.
#[derive(Clone, Copy, Debug)]
pub struct LaterStep {
    /// Its number.
    pub version: i64,
    /// What it is about; begins with `adds ` if it only does.
    pub name: &'static str,
    /// Its statements for SQLite.
    pub sqlite: &'static str,
    /// The same for MariaDB.
    pub mysql: &'static str,
}

/// Where a database stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MigrationPlan {
    /// The newest step that has run; 0 for an empty database.
    pub current: i64,
    /// The newest step that this program knows.
    pub known: i64,
    /// What would run, in order.
    pub steps: Vec<MigrationStep>,
    /// Steps of a later version that have run and only add: numbers and names.
    pub later: Vec<(i64, String)>,
}

/// How the name of a step begins that only adds; `tidy` looks at its statements.
const ADDS: &str = "adds ";
/// How long to wait while another program brings a database up to date.
const LOCK_MAX_S: i64 = 600;
/// Where it stands which steps have run.
const RAN: &str = "_sqlx_migrations";

#[derive(RustEmbed)]
#[folder = "migrations/sqlite"]
struct ForSqlite;

#[derive(RustEmbed)]
#[folder = "migrations/mysql"]
struct ForMySql;

/// The steps of a database's dialect.
fn steps(dialect: Dialect, later: &[LaterStep]) -> Migrator {
    static SQLITE: LazyLock<Vec<Migration>> = LazyLock::new(embedded::<ForSqlite>);
    static MYSQL: LazyLock<Vec<Migration>> = LazyLock::new(embedded::<ForMySql>);
    let known = match dialect {
        Dialect::Sqlite => &*SQLITE,
        Dialect::MySql => &*MYSQL,
    };
    let later = later.iter().map(|step| {
        let sql = if dialect == Dialect::Sqlite { step.sqlite } else { step.mysql };
        Migration::new(step.version, step.name.into(), MigrationType::Simple, sql.into_sql_str(), false)
    });
    Migrator::with_migrations(known.iter().cloned().chain(later).collect())
}

/// Files as `0001_first.sql`, in order. sqlx's own macro does the same and builds both database drivers a second time for the compiler.
fn embedded<F: RustEmbed>() -> Vec<Migration> {
    let step = |name: &str| {
        let sql = String::from_utf8(F::get(name)?.data.into_owned()).ok()?;
        let (version, about) = name.strip_suffix(".sql")?.split_once('_')?;
        let about = about.replace('_', " ").into();
        let sql = AssertSqlSafe(sql).into_sql_str();
        Some(Migration::new(version.parse().ok()?, about, MigrationType::Simple, sql, false))
    };
    F::iter().map(|name| step(&name).unwrap_or_else(|| panic!("{name} is no step of a migration"))).collect()
}

/// Brings a database up to date.
pub(crate) async fn bring_up_to_date(database: &Database, later: &[LaterStep]) -> Result<()> {
    let steps = steps(database.dialect(), later);
    let mut tx = database.read().await?;
    let ran = ran(&mut tx).await?;
    drop(tx);
    if !beyond(&steps, &ran)?.is_empty() {
        return Ok(());
    }
    match database {
        Database::Sqlite { pool, .. } => steps.run(pool).await.map_err(flaw),
        Database::MySql { pool } => on_mariadb(pool, steps).await,
    }
}

/// One program at a time. The connection is its own: the lock ends with it, however this ends. It is not sqlx's, which waits for ever where
/// MySQL does, and not at all on MariaDB: that refuses a negative time with a warning.
async fn on_mariadb(pool: &MySqlPool, mut steps: Migrator) -> Result<()> {
    let mut connection = pool.acquire().await?.detach();
    let lock = "SELECT GET_LOCK(CONCAT('tandem steps ',DATABASE()),?)";
    let is_ours: Option<i64> = sqlx::query_scalar(lock).bind(LOCK_MAX_S).fetch_one(&mut connection).await?;
    if is_ours != Some(1) {
        return Err(StoreError::Away("another program is bringing it up to date".into()));
    }
    connection.ensure_migrations_table(RAN).await.map_err(flaw)?;
    let begun = connection.dirty_version(RAN).await.map_err(flaw)?;
    if let Some(begun) = begun
        && steps.iter().any(|step| step.version == begun && step.description.starts_with(ADDS))
    {
        // Whoever began it held the lock that we hold now, so nobody is at it; what it has added already is not added again.
        let sql = "DELETE FROM _sqlx_migrations WHERE version=? AND success=FALSE";
        sqlx::query(sql).bind(begun).execute(&mut connection).await?;
    }
    steps.set_locking(false).run_direct(None, &mut connection, false).await.map_err(flaw)?;
    Ok(connection.close().await?)
}

/// Steps of a later version that have run here: none, or such that only add to all that this program knows.
fn beyond<'a>(steps: &Migrator, ran: &'a [Ran]) -> Result<Vec<&'a Ran>> {
    let later: Vec<&Ran> = ran.iter().filter(|ran| !steps.version_exists(ran.version)).collect();
    if let Some(other) = later.iter().find(|ran| !ran.name.starts_with(ADDS)) {
        return Err(newer_schema(other.version));
    }
    let lacks = steps.iter().find(|step| ran.iter().all(|ran| ran.version != step.version));
    match (later.first(), lacks) {
        (Some(later), Some(lacks)) => Err(StoreError::Broken(format!(
            "the database has step {} of a later version, and not step {}, which this program needs; use the newer program",
            later.version, lacks.version
        ))),
        _ => Ok(later),
    }
}

fn flaw(error: MigrateError) -> StoreError {
    match error {
        MigrateError::Execute(error) => StoreError::from(error),
        MigrateError::ExecuteMigration(error, version) => match StoreError::from(error) {
            // Begun again when the database is back.
            away if away.is_away() => away,
            other => StoreError::Broken(format!("step {version}: {other}")),
        },
        MigrateError::Dirty(version) => StoreError::Broken(format!(
            "step {version} broke off in the middle, and cannot be begun again: bring the backup of before back"
        )),
        other => StoreError::Broken(other.to_string()),
    }
}

/// What opening the database at `url` would change. Changes nothing; refuses a database that is newer than this program.
pub async fn migration_plan(url: &str) -> Result<MigrationPlan> {
    let database = Database::connect(url, false).await?;
    let mut tx = database.read().await?;
    let migrator = steps(tx.dialect(), &[]);
    let known = migrator.iter().map(|step| step.version).max().unwrap_or(0);
    let ran = ran(&mut tx).await?;
    let current = ran.iter().map(|ran| ran.version).max().unwrap_or(0);
    let later = beyond(&migrator, &ran)?.into_iter().map(|ran| (ran.version, ran.name.clone())).collect();
    let mut plan = MigrationPlan { current, known, steps: Vec::new(), later };
    for step in migrator.iter().filter(|step| ran.iter().all(|ran| !ran.whole || ran.version != step.version)) {
        let sql = step.sql.as_str();
        let mut changes = Vec::new();
        for table in tables(sql, &["ALTER TABLE "]).into_iter().chain(indexed(sql)) {
            if changes.iter().all(|(known, _, _)| *known != table)
                && let Some((rows, bytes)) = size(&mut tx, &table).await?
            {
                changes.push((table, rows, bytes));
            }
        }
        let makes = tables(sql, &["CREATE TABLE IF NOT EXISTS ", "CREATE TABLE "]);
        let (name, adds) = (step.description.to_string(), step.description.starts_with(ADDS));
        plan.steps.push(MigrationStep { version: step.version, name, changes, makes, adds });
    }
    Ok(plan)
}

/// What is said of a database that a newer program has changed.
fn newer_schema(version: i64) -> StoreError {
    StoreError::Broken(format!(
        "the database is newer than this program: it has step {version}, which this program does not know; use the newer program"
    ))
}

/// A step that has run, or was begun.
struct Ran {
    version: i64,
    name: String,
    whole: bool,
}

async fn ran(tx: &mut Tx) -> Result<Vec<Ran>> {
    if size(tx, RAN).await?.is_none() {
        return Ok(Vec::new());
    }
    let sql = "SELECT version,description,CAST(success AS SIGNED) AS whole FROM _sqlx_migrations ORDER BY version";
    let rows = tx.rows(sql, args![]).await?;
    let read = |row: &Row| {
        Ok(Ran { version: row.int("version")?, name: row.text("description")?, whole: row.int("whole")? != 0 })
    };
    rows.iter().map(read).collect()
}

/// A table's rows and bytes, estimated; `None` if it is not there. SQLite keeps no estimate of bytes.
async fn size(tx: &mut Tx, table: &str) -> Result<Option<(u64, u64)>> {
    if tx.dialect() == Dialect::Sqlite {
        let there = tx.row("SELECT name FROM sqlite_master WHERE type='table' AND name=?", args![table]).await?;
        if there.is_none() {
            return Ok(None);
        }
        let row = tx.row(format!("SELECT COUNT(*) AS many FROM {table}"), args![]).await?;
        return row.map(|row| Ok((row.num("many")?, 0))).transpose();
    }
    let sql = "SELECT CAST(COALESCE(TABLE_ROWS,0) AS SIGNED) AS many,CAST(COALESCE(DATA_LENGTH+INDEX_LENGTH,0) AS SIGNED) AS size \
               FROM information_schema.TABLES WHERE TABLE_SCHEMA=DATABASE() AND TABLE_NAME=?";
    let row = tx.row(sql, args![table]).await?;
    row.map(|row| Ok((row.num("many")?, row.num("size")?))).transpose()
}

/// The names behind any of these words.
fn tables(sql: &str, words: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for line in sql.lines().filter(|line| !line.trim_start().starts_with("--")) {
        let Some(rest) = words.iter().find_map(|word| line.split_once(word).map(|(_, rest)| rest)) else { continue };
        let name = rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap_or_default();
        if !name.is_empty() && !found.iter().any(|known| known == name) {
            found.push(name.to_owned());
        }
    }
    found
}

/// The tables that get an index: `CREATE INDEX name ON table`.
fn indexed(sql: &str) -> Vec<String> {
    let lines: Vec<&str> = sql.lines().filter(|line| line.contains("CREATE") && line.contains(" INDEX ")).collect();
    tables(&lines.join("\n"), &[" ON "])
}
