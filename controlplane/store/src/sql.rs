//! Two databases behind one set of words: arguments in, rows out, and the few places where the dialects differ.

use std::sync::Arc;
use std::time::Duration;

use futures_util::TryStreamExt;
use sqlx::mysql::{MySqlConnectOptions, MySqlPoolOptions, MySqlRow};
use sqlx::query::Query;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteRow, SqliteSynchronous};
use sqlx::{AssertSqlSafe, MySql, MySqlPool, Sqlite, SqlitePool, Transaction};
use sqlx::{Decode, Row as _, Type};
use tokio::sync::{Mutex, OwnedMutexGuard};
use units::{Money, WallTime};

use crate::error::{Result, StoreError};
use crate::migrate::{self, LaterStep};

/// Connections to MariaDB that one program holds at most.
const MYSQL_CONNECTIONS_MAX: u32 = 12;
/// Readers of the SQLite file; there is one writer at a time.
const SQLITE_CONNECTIONS_MAX: u32 = 8;
/// How long a caller waits for a connection before the database counts as away.
const ACQUIRE_MAX: Duration = Duration::from_secs(5);
/// How long MariaDB may take for a statement before it counts as away: an answer that was due when its server lost the cable or a shared
/// address never comes, and no word of that either. Longer than it waits for a lock (`innodb_lock_wait_timeout`, 50 s).
const STATEMENT_MAX: Duration = Duration::from_secs(60);

/// Which database speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    Sqlite,
    MySql,
}

impl Dialect {
    /// `INSERT` that leaves rows alone whose key exists.
    pub(crate) fn insert_ignore(self) -> &'static str {
        match self {
            Dialect::Sqlite => "INSERT OR IGNORE INTO",
            Dialect::MySql => "INSERT IGNORE INTO",
        }
    }

    /// Locks the rows that a `SELECT` found until the transaction ends. SQLite's writers are alone anyway.
    pub(crate) fn for_update(self) -> &'static str {
        match self {
            Dialect::Sqlite => "",
            Dialect::MySql => " FOR UPDATE",
        }
    }

    /// Locks the rows that a `SELECT` found and passes over those that others have locked.
    pub(crate) fn skip_locked(self) -> &'static str {
        match self {
            Dialect::Sqlite => "",
            Dialect::MySql => " FOR UPDATE SKIP LOCKED",
        }
    }

    /// The database's own clock, in microseconds.
    pub(crate) fn clock(self) -> &'static str {
        match self {
            Dialect::Sqlite => "CAST(unixepoch('subsec')*1000000 AS INTEGER)",
            Dialect::MySql => "CAST(UNIX_TIMESTAMP(SYSDATE(6))*1000000 AS SIGNED)",
        }
    }

    /// Behind a table's name: read it by this index. The empty name leaves the choice to the database.
    pub(crate) fn by_index(self, index: &str) -> String {
        match self {
            _ if index.is_empty() => String::new(),
            Dialect::Sqlite => format!(" INDEXED BY {index}"),
            Dialect::MySql => format!(" FORCE INDEX ({index})"),
        }
    }

    /// Behind an `INSERT`: where a row with these keys stands already, the values of `sums` are added to its own.
    pub(crate) fn or_add(self, keys: &[&str], sums: &[&str]) -> String {
        let (begin, new) = match self {
            Dialect::Sqlite => (format!(" ON CONFLICT ({}) DO UPDATE SET ", keys.join(",")), ("excluded.", "")),
            Dialect::MySql => (" ON DUPLICATE KEY UPDATE ".to_owned(), ("VALUES(", ")")),
        };
        let added: Vec<String> = sums.iter().map(|sum| format!("{sum}={sum}+{}{sum}{}", new.0, new.1)).collect();
        begin + &added.join(",")
    }

    /// A join whose left side is read first.
    pub(crate) fn join_in_order(self) -> &'static str {
        match self {
            Dialect::Sqlite => "CROSS JOIN",
            Dialect::MySql => "STRAIGHT_JOIN",
        }
    }
}

/// One value on its way into a statement.
#[derive(Clone, Debug)]
pub enum Arg {
    Int(i64),
    OptInt(Option<i64>),
    Text(String),
    OptText(Option<String>),
    Bytes(Vec<u8>),
}

macro_rules! args_from {
    ($($kind:ty => |$value:ident| $arg:expr;)*) => {$(
        impl From<$kind> for Arg {
            fn from($value: $kind) -> Arg {
                $arg
            }
        }
    )*};
}

args_from! {
    i64 => |v| Arg::Int(v);
    i16 => |v| Arg::Int(i64::from(v));
    u8 => |v| Arg::Int(i64::from(v));
    u16 => |v| Arg::Int(i64::from(v));
    u32 => |v| Arg::Int(i64::from(v));
    u64 => |v| Arg::Int(i64::try_from(v).unwrap_or(i64::MAX));
    bool => |v| Arg::Int(i64::from(v));
    Money => |v| Arg::Int(v.nanos());
    WallTime => |v| Arg::Int(v.micros());
    Option<i64> => |v| Arg::OptInt(v);
    Option<u32> => |v| Arg::OptInt(v.map(i64::from));
    Option<Money> => |v| Arg::OptInt(v.map(Money::nanos));
    Option<WallTime> => |v| Arg::OptInt(v.map(WallTime::micros));
    &str => |v| Arg::Text(v.to_owned());
    String => |v| Arg::Text(v);
    Option<String> => |v| Arg::OptText(v);
    Vec<u8> => |v| Arg::Bytes(v);
    [u8; 16] => |v| Arg::Bytes(v.to_vec());
    [u8; 32] => |v| Arg::Bytes(v.to_vec());
}

/// Makes a list of arguments of mixed kinds.
macro_rules! args {
    ($($value:expr),* $(,)?) => { vec![$($crate::sql::Arg::from($value)),*] };
}
pub(crate) use args;

/// One row that came back.
pub enum Row {
    Sqlite(SqliteRow),
    MySql(MySqlRow),
}

impl Row {
    fn get<T>(&self, name: &str) -> Result<T>
    where
        T: for<'r> Decode<'r, Sqlite> + Type<Sqlite> + for<'r> Decode<'r, MySql> + Type<MySql>,
    {
        // Unchecked: `utf8mb4_bin` columns look like bytes to the type check, and every column is read as what the migration made it.
        let value = match self {
            Row::Sqlite(row) => row.try_get_unchecked(name),
            Row::MySql(row) => row.try_get_unchecked(name),
        };
        value.map_err(|error| StoreError::Broken(format!("column {name}: {error}")))
    }

    pub(crate) fn int(&self, name: &str) -> Result<i64> {
        self.get(name)
    }

    pub(crate) fn opt_int(&self, name: &str) -> Result<Option<i64>> {
        self.get(name)
    }

    /// An integer of any width; one that does not fit is the database's mistake.
    pub(crate) fn num<T: TryFrom<i64>>(&self, name: &str) -> Result<T> {
        let value = self.int(name)?;
        T::try_from(value).map_err(|_| StoreError::Broken(format!("column {name} holds {value}")))
    }

    pub(crate) fn opt_num<T: TryFrom<i64>>(&self, name: &str) -> Result<Option<T>> {
        let Some(value) = self.opt_int(name)? else { return Ok(None) };
        T::try_from(value).map(Some).map_err(|_| StoreError::Broken(format!("column {name} holds {value}")))
    }

    pub(crate) fn flag(&self, name: &str) -> Result<bool> {
        Ok(self.int(name)? != 0)
    }

    pub(crate) fn money(&self, name: &str) -> Result<Money> {
        Ok(Money::from_nanos(self.int(name)?))
    }

    pub(crate) fn time(&self, name: &str) -> Result<WallTime> {
        Ok(WallTime::from_micros(self.int(name)?))
    }

    pub(crate) fn text(&self, name: &str) -> Result<String> {
        self.get(name)
    }

    pub(crate) fn opt_text(&self, name: &str) -> Result<Option<String>> {
        self.get(name)
    }

    pub(crate) fn bytes(&self, name: &str) -> Result<Vec<u8>> {
        self.get(name)
    }

    pub(crate) fn opt_bytes(&self, name: &str) -> Result<Option<Vec<u8>>> {
        self.get(name)
    }

    pub(crate) fn id16(&self, name: &str) -> Result<[u8; 16]> {
        let bytes = self.bytes(name)?;
        bytes.try_into().map_err(|_| StoreError::Broken(format!("column {name} is not 16 bytes")))
    }
}

/// What a statement did.
pub(crate) struct Done {
    /// Rows inserted, or matched by an update or a delete.
    pub(crate) rows: u64,
    /// The key that the database gave to the inserted row.
    pub(crate) id: i64,
}

/// The open database.
#[derive(Clone)]
pub(crate) enum Database {
    Sqlite { pool: SqlitePool, writer: Arc<Mutex<()>> },
    MySql { pool: MySqlPool },
}

impl Database {
    /// Opens a database, makes it if it is SQLite and not there, and brings its tables up to date.
    pub(crate) async fn open(url: &str, later: &[LaterStep]) -> Result<Database> {
        let database = Database::connect(url, true).await?;
        migrate::bring_up_to_date(&database, later).await?;
        Ok(database)
    }

    /// Opens a database as it is.
    pub(crate) async fn connect(url: &str, create: bool) -> Result<Database> {
        if let Some(path) = url.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return open_sqlite(path, create).await;
        }
        if url.starts_with("mysql://") || url.starts_with("mariadb://") {
            return open_mysql(url).await;
        }
        Err(StoreError::invalid("database", "the URL must start with sqlite: or mysql://"))
    }

    /// Opens a database, brings its tables up to date, and then does not look at what refers to what: rows come in any order.
    pub(crate) async fn open_unlinked(url: &str) -> Result<Database> {
        Database::open(url, &[]).await?.close().await;
        if let Some(path) = url.strip_prefix("sqlite:") {
            let options = SqliteConnectOptions::new()
                .filename(path.strip_prefix("//").unwrap_or(path))
                .foreign_keys(false)
                .busy_timeout(ACQUIRE_MAX);
            let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await?;
            return Ok(Database::Sqlite { pool, writer: Arc::default() });
        }
        let unlinked = MySqlPoolOptions::new().max_connections(1).after_connect(|connection, _| {
            Box::pin(async move {
                sqlx::query("SET SESSION foreign_key_checks=0").execute(connection).await?;
                Ok(())
            })
        });
        Ok(Database::MySql { pool: unlinked.connect(url).await? })
    }

    /// Ends its connections.
    pub(crate) async fn close(&self) {
        match self {
            Database::Sqlite { pool, .. } => pool.close().await,
            Database::MySql { pool } => pool.close().await,
        }
    }

    pub(crate) fn dialect(&self) -> Dialect {
        match self {
            Database::Sqlite { .. } => Dialect::Sqlite,
            Database::MySql { .. } => Dialect::MySql,
        }
    }

    /// Begins a transaction that sees one moment and writes nothing.
    pub(crate) async fn read(&self) -> Result<Tx> {
        Ok(match self {
            Database::Sqlite { pool, .. } => Tx::Sqlite(pool.begin().await?, None),
            Database::MySql { pool } => Tx::MySql(answered(STATEMENT_MAX, pool.begin()).await?),
        })
    }

    /// Begins a transaction that may write. On SQLite there is one at a time, and it waits for its turn here.
    pub(crate) async fn write(&self) -> Result<Tx> {
        Ok(match self {
            Database::Sqlite { pool, writer } => {
                let turn = Arc::clone(writer).lock_owned().await;
                Tx::Sqlite(pool.begin_with("BEGIN IMMEDIATE").await?, Some(turn))
            }
            Database::MySql { pool } => Tx::MySql(answered(STATEMENT_MAX, pool.begin()).await?),
        })
    }
}

async fn open_sqlite(path: &str, create: bool) -> Result<Database> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(create)
        .foreign_keys(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(ACQUIRE_MAX);
    let pool = SqlitePoolOptions::new()
        .max_connections(SQLITE_CONNECTIONS_MAX)
        .acquire_timeout(ACQUIRE_MAX)
        .connect_with(options)
        .await?;
    Ok(Database::Sqlite { pool, writer: Arc::default() })
}

async fn open_mysql(url: &str) -> Result<Database> {
    let options: MySqlConnectOptions =
        url.parse().map_err(|error: sqlx::Error| StoreError::invalid("database", error.to_string()))?;
    let pool = MySqlPoolOptions::new()
        .max_connections(MYSQL_CONNECTIONS_MAX)
        .acquire_timeout(ACQUIRE_MAX)
        .connect_with(options)
        .await?;
    Ok(Database::MySql { pool })
}

/// Waits for an answer of the database, and no longer than this.
async fn answered<T>(within: Duration, answer: impl Future<Output = sqlx::Result<T>>) -> Result<T> {
    let late = |_| StoreError::Away(format!("it said nothing for {} s", within.as_secs()));
    Ok(tokio::time::timeout(within, answer).await.map_err(late)??)
}

/// A transaction. Dropped without [`Tx::commit`] it leaves nothing behind.
pub enum Tx {
    Sqlite(Transaction<'static, Sqlite>, Option<OwnedMutexGuard<()>>),
    MySql(Transaction<'static, MySql>),
}

/// Binds arguments to a query, whichever database it goes to.
macro_rules! bind {
    ($query:ident, $args:expr) => {
        for arg in $args {
            $query = match arg {
                Arg::Int(value) => $query.bind(value),
                Arg::OptInt(value) => $query.bind(value),
                Arg::Text(value) => $query.bind(value),
                Arg::OptText(value) => $query.bind(value),
                Arg::Bytes(value) => $query.bind(value),
            };
        }
    };
}

/// A query with its arguments bound.
macro_rules! bound {
    ($sql:expr, $args:expr) => {{
        let mut query = sqlx::query(AssertSqlSafe($sql));
        bind!(query, $args);
        query
    }};
}

/// An `INSERT` of some rows, encoded as the database wants it.
enum Block {
    Sqlite(Query<'static, Sqlite, <Sqlite as sqlx::Database>::Arguments>),
    MySql(Query<'static, MySql, <MySql as sqlx::Database>::Arguments>),
}

impl Block {
    /// Encodes rows, and lets others go on between them: who waits for the database meanwhile must hear it.
    async fn encode(dialect: Dialect, sql: String, rows: impl Iterator<Item = Vec<Arg>>) -> Block {
        match dialect {
            Dialect::Sqlite => {
                let mut query = sqlx::query::<Sqlite>(AssertSqlSafe(sql));
                for row in rows {
                    bind!(query, row);
                }
                Block::Sqlite(query)
            }
            Dialect::MySql => {
                let mut query = sqlx::query::<MySql>(AssertSqlSafe(sql));
                for (place, row) in rows.enumerate() {
                    bind!(query, row);
                    if place % ROWS_BETWEEN == ROWS_BETWEEN - 1 {
                        tokio::task::yield_now().await;
                    }
                }
                Block::MySql(query)
            }
        }
    }
}

/// Rows that are encoded without letting others go on.
const ROWS_BETWEEN: usize = 16;

impl Tx {
    pub(crate) fn dialect(&self) -> Dialect {
        match self {
            Tx::Sqlite(..) => Dialect::Sqlite,
            Tx::MySql(_) => Dialect::MySql,
        }
    }

    pub(crate) async fn rows(&mut self, sql: impl Into<String>, args: Vec<Arg>) -> Result<Vec<Row>> {
        let sql: String = sql.into();
        Ok(match self {
            Tx::Sqlite(tx, _) => bound!(sql, args).fetch_all(&mut **tx).await?.into_iter().map(Row::Sqlite).collect(),
            Tx::MySql(tx) => {
                let rows = answered(STATEMENT_MAX, bound!(sql, args).fetch_all(&mut **tx)).await?;
                rows.into_iter().map(Row::MySql).collect()
            }
        })
    }

    /// Hands over row after row, so that never all of them are in memory.
    pub(crate) async fn each(
        &mut self,
        sql: impl Into<String>,
        args: Vec<Arg>,
        mut take: impl FnMut(Row) -> Result<()>,
    ) -> Result<()> {
        let sql: String = sql.into();
        match self {
            Tx::Sqlite(tx, _) => {
                let mut rows = bound!(sql, args).fetch(&mut **tx);
                while let Some(row) = rows.try_next().await? {
                    take(Row::Sqlite(row))?;
                }
            }
            Tx::MySql(tx) => {
                let mut rows = bound!(sql, args).fetch(&mut **tx);
                while let Some(row) = answered(STATEMENT_MAX, rows.try_next()).await? {
                    take(Row::MySql(row))?;
                }
            }
        }
        Ok(())
    }

    pub(crate) async fn row(&mut self, sql: impl Into<String>, args: Vec<Arg>) -> Result<Option<Row>> {
        let sql: String = sql.into();
        Ok(match self {
            Tx::Sqlite(tx, _) => bound!(sql, args).fetch_optional(&mut **tx).await?.map(Row::Sqlite),
            Tx::MySql(tx) => {
                answered(STATEMENT_MAX, bound!(sql, args).fetch_optional(&mut **tx)).await?.map(Row::MySql)
            }
        })
    }

    pub(crate) async fn run(&mut self, sql: impl Into<String>, args: Vec<Arg>) -> Result<Done> {
        let sql: String = sql.into();
        Ok(match self {
            Tx::Sqlite(tx, _) => {
                let done = bound!(sql, args).execute(&mut **tx).await?;
                Done { rows: done.rows_affected(), id: done.last_insert_rowid() }
            }
            Tx::MySql(tx) => {
                let done = answered(STATEMENT_MAX, bound!(sql, args).execute(&mut **tx)).await?;
                Done { rows: done.rows_affected(), id: i64::try_from(done.last_insert_id()).unwrap_or(0) }
            }
        })
    }

    /// Inserts many rows of one table; returns how many were really inserted. Rows go in blocks of powers of two, so that few different
    /// statements are prepared.
    pub(crate) async fn insert_many(
        &mut self,
        verb: &str,
        table: &str,
        columns: &[&str],
        rows: Vec<Vec<Arg>>,
    ) -> Result<u64> {
        self.insert_many_or(verb, table, columns, rows, "").await
    }

    /// As [`Tx::insert_many`], with what is to be done with rows whose keys are there; then the count says nothing.
    pub(crate) async fn insert_many_or(
        &mut self,
        verb: &str,
        table: &str,
        columns: &[&str],
        rows: Vec<Vec<Arg>>,
        otherwise: &str,
    ) -> Result<u64> {
        let mut inserted = 0;
        let mut rows = rows.into_iter();
        while rows.len() > 0 {
            let block = block_of(rows.len(), columns.len());
            let args: Vec<Arg> = rows.by_ref().take(block).flatten().collect();
            inserted += self.run(insert_sql(verb, table, columns, block, otherwise), args).await?.rows;
        }
        Ok(inserted)
    }

    /// Inserts a row for each item, as [`Tx::insert_many`]; rows are made while the database is at work on those before them.
    pub(crate) async fn insert_each<T>(
        &mut self,
        verb: &str,
        table: &str,
        columns: &[&str],
        items: &[T],
        make: impl Fn(&T) -> Vec<Arg>,
    ) -> Result<u64> {
        let dialect = self.dialect();
        let (mut inserted, mut ready, mut rest) = (0, None, items);
        while ready.is_some() || !rest.is_empty() {
            let (rows, later) = rest.split_at(block_of(rest.len(), columns.len()));
            rest = later;
            let sql = insert_sql(verb, table, columns, rows.len(), "");
            let encoding = Block::encode(dialect, sql, rows.iter().map(&make));
            let (done, next) = futures_util::future::join(self.run_block(ready), encoding).await;
            inserted += done?;
            ready = Some(next).filter(|_| !rows.is_empty());
        }
        Ok(inserted)
    }

    async fn run_block(&mut self, block: Option<Block>) -> Result<u64> {
        Ok(match (self, block) {
            (_, None) => 0,
            (Tx::Sqlite(tx, _), Some(Block::Sqlite(query))) => query.execute(&mut **tx).await?.rows_affected(),
            (Tx::MySql(tx), Some(Block::MySql(query))) => {
                answered(STATEMENT_MAX, query.execute(&mut **tx)).await?.rows_affected()
            }
            _ => return Err(StoreError::Broken("rows were encoded for another database".into())),
        })
    }

    /// Adds to columns of rows that are there, in one statement where a statement is a question over a network. Each of `rows` is a key and
    /// what is added; the answer is how many were found.
    pub(crate) async fn add_each(
        &mut self,
        (table, key): (&str, Key),
        columns: &[&str],
        rows: Vec<Vec<Arg>>,
    ) -> Result<u64> {
        let mut found = 0;
        let mut rows = rows.into_iter();
        while rows.len() > 0 {
            let block = match self.dialect() {
                Dialect::Sqlite => 1,
                Dialect::MySql => block_of(rows.len(), columns.len() + 1),
            };
            let mut args: Vec<Arg> = rows.by_ref().take(block).flatten().collect();
            if self.dialect() == Dialect::Sqlite {
                args.rotate_left(1);
            }
            found += self.run(key.add_sql(self.dialect(), table, columns, block), args).await?.rows;
        }
        Ok(found)
    }

    /// Undoes everything, before anything else is begun.
    pub(crate) async fn rollback(self) -> Result<()> {
        match self {
            Tx::Sqlite(tx, _turn) => tx.rollback().await?,
            Tx::MySql(tx) => answered(STATEMENT_MAX, tx.rollback()).await?,
        }
        Ok(())
    }

    pub(crate) async fn commit(self) -> Result<()> {
        match self {
            Tx::Sqlite(tx, _turn) => tx.commit().await?,
            Tx::MySql(tx) => answered(STATEMENT_MAX, tx.commit()).await?,
        }
        Ok(())
    }
}

/// Arguments of one statement at most, 32 CDRs. SQLite takes 32,766 and MariaDB 65,535, but MariaDB walks over all of a statement's arguments
/// several times: with eight times as many, which a processor no longer has near, a row costs it a sixth more.
const ARGS_MAX: usize = 3_500;

/// How many of so many rows go into one statement: a power of two, so that few different statements are prepared.
fn block_of(rows: usize, columns: usize) -> usize {
    let most = (ARGS_MAX / columns).clamp(1, 256).min(rows);
    most.checked_ilog2().map_or(0, |power| 1 << power)
}

fn insert_sql(verb: &str, table: &str, columns: &[&str], rows: usize, otherwise: &str) -> String {
    let group = format!("({})", marks(columns.len()));
    let groups = vec![group.as_str(); rows].join(",");
    format!("{verb} {table} ({}) VALUES {groups}{otherwise}", columns.join(","))
}

/// What rows of a table are known by.
#[derive(Clone, Copy)]
pub(crate) enum Key {
    /// A number in this column.
    Number(&'static str),
    /// Sixteen bytes in this column.
    Id16(&'static str),
}

impl Key {
    /// Adds to `rows` rows. MariaDB takes a value of a list for text unless it is told what it is, and would add as floats.
    fn add_sql(self, dialect: Dialect, table: &str, columns: &[&str], rows: usize) -> String {
        let (key, kind) = match self {
            Key::Number(column) => (column, "SIGNED"),
            Key::Id16(column) => (column, "BINARY(16)"),
        };
        if dialect == Dialect::Sqlite {
            let sums: Vec<String> = columns.iter().map(|column| format!("{column}={column}+?")).collect();
            return format!("UPDATE {table} SET {} WHERE {key}=?", sums.join(","));
        }
        let named: Vec<String> = columns.iter().map(|column| format!("CAST(? AS SIGNED) AS {column}")).collect();
        let more = format!("SELECT CAST(? AS {kind}) AS {key},{}", named.join(","));
        let sums: Vec<String> =
            columns.iter().map(|column| format!("{table}.{column}={table}.{column}+more.{column}")).collect();
        format!(
            "UPDATE ({}) AS more STRAIGHT_JOIN {table} ON {table}.{key}=more.{key} SET {}",
            vec![more.as_str(); rows].join(" UNION ALL "),
            sums.join(",")
        )
    }
}

/// Values of an `IN` list, the last one repeated up to a power of two: few different statements are prepared.
pub(crate) fn listed(mut values: Vec<Arg>) -> Vec<Arg> {
    if let Some(last) = values.last().cloned() {
        values.resize(values.len().next_power_of_two(), last);
    }
    values
}

/// `?,?,?` for an `IN` list.
pub(crate) fn marks(count: usize) -> String {
    vec!["?"; count].join(",")
}

/// The wall clock, in microseconds.
pub(crate) fn now() -> WallTime {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    WallTime::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_database_that_says_nothing_is_away() {
        let never = std::future::pending::<sqlx::Result<()>>();
        let told = answered(Duration::from_millis(1), never).await;
        assert!(matches!(told, Err(StoreError::Away(_))), "{told:?}");
        assert_eq!(answered(STATEMENT_MAX, async { Ok(7) }).await.ok(), Some(7));
    }
}
