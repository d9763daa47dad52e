//! What bringing a database up to date would do, before it is done.

use std::sync::LazyLock;

use rust_embed::RustEmbed;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{AssertSqlSafe, SqlSafeStr};

use crate::error::{Result, StoreError};
use crate::sql::{Database, Dialect, Tx, args};

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
}

#[derive(RustEmbed)]
#[folder = "migrations/sqlite"]
struct ForSqlite;

#[derive(RustEmbed)]
#[folder = "migrations/mysql"]
struct ForMySql;

/// The steps of a database's dialect.
pub(crate) fn steps(dialect: Dialect) -> &'static Migrator {
    static SQLITE: LazyLock<Migrator> = LazyLock::new(embedded::<ForSqlite>);
    static MYSQL: LazyLock<Migrator> = LazyLock::new(embedded::<ForMySql>);
    match dialect {
        Dialect::Sqlite => &SQLITE,
        Dialect::MySql => &MYSQL,
    }
}

/// Files as `0001_first.sql`, in order. sqlx's own macro does the same and builds both database drivers a second time for the compiler.
fn embedded<F: RustEmbed>() -> Migrator {
    let step = |name: &str| {
        let sql = String::from_utf8(F::get(name)?.data.into_owned()).ok()?;
        let (version, about) = name.strip_suffix(".sql")?.split_once('_')?;
        let about = about.replace('_', " ").into();
        let sql = AssertSqlSafe(sql).into_sql_str();
        Some(Migration::new(version.parse().ok()?, about, MigrationType::Simple, sql, false))
    };
    let mut steps: Vec<Migration> =
        F::iter().map(|name| step(&name).unwrap_or_else(|| panic!("{name} is no step of a migration"))).collect();
    steps.sort();
    Migrator { migrations: steps.into(), ..Migrator::DEFAULT }
}

/// What opening the database at `url` would change. Changes nothing; refuses a database that is newer than this program.
pub async fn migration_plan(url: &str) -> Result<MigrationPlan> {
    let database = Database::connect(url, false).await?;
    let mut tx = database.read().await?;
    let migrator = steps(tx.dialect());
    let known = migrator.iter().map(|step| step.version).max().unwrap_or(0);
    let ran = ran(&mut tx).await?;
    let current = ran.iter().copied().max().unwrap_or(0);
    if let Some(newer) = ran.iter().find(|version| migrator.iter().all(|step| step.version != **version)) {
        return Err(newer_schema(*newer));
    }
    let mut plan = MigrationPlan { current, known, steps: Vec::new() };
    for step in migrator.iter().filter(|step| !ran.contains(&step.version)) {
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
        plan.steps.push(MigrationStep { version: step.version, name: step.description.to_string(), changes, makes });
    }
    Ok(plan)
}

/// What is said of a database that a newer program has changed.
pub(crate) fn newer_schema(version: i64) -> StoreError {
    StoreError::Broken(format!(
        "the database is newer than this program: it has step {version}, which this program does not know; use the newer program"
    ))
}

async fn ran(tx: &mut Tx) -> Result<Vec<i64>> {
    if size(tx, "_sqlx_migrations").await?.is_none() {
        return Ok(Vec::new());
    }
    let rows = tx.rows("SELECT version FROM _sqlx_migrations ORDER BY version", args![]).await?;
    rows.iter().map(|row| row.int("version")).collect()
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
