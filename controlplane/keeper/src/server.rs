//! What a MariaDB server is asked and told. No table is read here: only who it is in the pair.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlRow};
use sqlx::{AssertSqlSafe, ConnectOptions, Row};
use tokio::time::timeout;

/// The keepers' and replicas' user.
pub const USER: &str = "tandem_keeper";
/// How long an answer may take. A server that takes longer is silent.
pub const PATIENCE: Duration = Duration::from_millis(1_000);

/// Between two looks whether somebody has gone.
const LOOK: Duration = Duration::from_millis(20);

/// What a replica tells of itself to whoever asks; only set when it starts. It says which life this is.
const LIFE: &str = "report_host";
const LIFE_MARK: &str = "life-";

/// The argument that starts a server for this life.
pub fn life_argument(life: u64) -> String {
    format!("--report-host={LIFE_MARK}{life}")
}

/// Where a server is.
#[derive(Clone, Debug)]
pub enum Place {
    /// Here.
    Socket(PathBuf),
    /// There.
    Host(IpAddr, u16),
}

/// A connection as the keepers' user.
#[derive(Debug)]
pub struct Server {
    connection: MySqlConnection,
}

/// What a replica says of its following.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Following {
    /// The number of the server that it is connected to; 0: none.
    pub server: u32,
    /// It is connected and receives.
    pub receives: bool,
    /// It receives, or tries to connect.
    pub has_receiver: bool,
    /// It applies what it received.
    pub applies: bool,
    /// How many commits it has stored.
    pub stored: u64,
    /// How many seconds it is behind with applying; `None`: it does not apply or does not receive.
    pub behind_s: Option<u32>,
    /// Why it does not receive: MariaDB's error number.
    pub receive_error: u32,
    /// Why it does not apply: the same.
    pub apply_error: u32,
}

impl Server {
    /// Connects and logs in.
    pub async fn connect(place: &Place, password: &str) -> Result<Server> {
        let options =
            MySqlConnectOptions::new().username(USER).password(password).ssl_mode(sqlx::mysql::MySqlSslMode::Disabled);
        let options = match place {
            Place::Socket(path) => options.socket(path),
            Place::Host(host, port) => options.host(&host.to_string()).port(*port),
        };
        // Nothing but what is asked: a read-only server takes no settings of a connection that it need not.
        let options = options.pipes_as_concat(false).no_engine_substitution(false).timezone(None).set_names(false);
        Ok(Server { connection: timeout(PATIENCE, options.connect()).await?? })
    }

    /// Tells the server something.
    pub async fn tell(&mut self, sql: &str) -> Result<()> {
        timeout(PATIENCE, sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut self.connection)).await??;
        Ok(())
    }

    /// Ends receiving. One that acknowledged asks the other database first to forget it: in vain, and for a second, over a cut cable.
    pub async fn stop_receiving(&mut self) -> Result<()> {
        timeout(PATIENCE * 3, sqlx::raw_sql("STOP SLAVE IO_THREAD").execute(&mut self.connection)).await??;
        Ok(())
    }

    async fn row(&mut self, sql: &str) -> Result<Option<MySqlRow>> {
        Ok(timeout(PATIENCE, sqlx::raw_sql(AssertSqlSafe(sql)).fetch_optional(&mut self.connection)).await??)
    }

    /// A variable of the whole server.
    pub async fn variable(&mut self, name: &str) -> Result<String> {
        match self.row(&format!("SELECT CAST(@@GLOBAL.{name} AS CHAR) AS it")).await? {
            Some(row) => Ok(text(&row, "it")),
            None => bail!("the server has no {name}"),
        }
    }

    /// The life that it was started for ([`cluster::Local::life`]); 0: it was not started by a keeper that knows lives.
    pub async fn life(&mut self) -> Result<u64> {
        let said = self.variable(LIFE).await?;
        Ok(said.strip_prefix(LIFE_MARK).and_then(|number| number.parse().ok()).unwrap_or(0))
    }

    /// A switch of the whole server.
    pub async fn is_on(&mut self, name: &str) -> Result<bool> {
        Ok(matches!(self.variable(name).await?.as_str(), "1" | "ON"))
    }

    /// Somebody's write waits until there is room on a disk. It waits for ever, and everybody who writes with it.
    pub async fn waits_for_room(&mut self) -> Result<bool> {
        let sql = "SELECT 1 AS it FROM information_schema.PROCESSLIST WHERE STATE LIKE '%free space%' AND ID <> CONNECTION_ID() LIMIT 1";
        Ok(self.row(sql).await?.is_some())
    }

    /// How many commits it has, its own and received ones that are applied.
    pub async fn position(&mut self) -> Result<u64> {
        let (own, applied) = (self.variable("gtid_binlog_pos").await?, self.variable("gtid_slave_pos").await?);
        Ok(commits(&own).max(commits(&applied)))
    }

    /// What it says of its following; `None`: it follows nobody.
    pub async fn following(&mut self) -> Result<Option<Following>> {
        let Some(row) = self.row("SHOW SLAVE STATUS").await? else { return Ok(None) };
        let number = |name| text(&row, name).parse().unwrap_or(0);
        Ok(Some(Following {
            server: number("Master_Server_Id"),
            receives: text(&row, "Slave_IO_Running") == "Yes",
            has_receiver: text(&row, "Slave_IO_Running") != "No",
            applies: text(&row, "Slave_SQL_Running") == "Yes",
            stored: commits(&text(&row, "Gtid_IO_Pos")),
            behind_s: text(&row, "Seconds_Behind_Master").parse().ok(),
            receive_error: number("Last_IO_Errno"),
            apply_error: number("Last_SQL_Errno"),
        }))
    }

    /// Begins to follow the server there from what this one has. Everything that it stored and did not apply is fetched again.
    /// `acknowledges`: the one that is followed may wait for it. `copied`: the position of a fresh copy, whose own log is empty.
    pub async fn follow(
        &mut self,
        (host, port): (IpAddr, u16),
        password: &str,
        acknowledges: bool,
        copied: Option<&str>,
    ) -> Result<()> {
        self.tell("STOP SLAVE").await?;
        if let Some(position) = copied {
            self.tell("RESET MASTER").await?;
            self.tell(&format!("SET GLOBAL gtid_binlog_state='{position}'")).await?;
            self.tell(&format!("SET GLOBAL gtid_slave_pos='{position}'")).await?;
            self.send_followers_away().await?;
        }
        let own = self.variable("gtid_binlog_pos").await?;
        let applied = self.variable("gtid_slave_pos").await?;
        if commits(&own) > 0 && own != applied {
            self.tell(&format!("SET GLOBAL gtid_slave_pos='{own}'")).await?;
        }
        // As a replica's applier it would wait for a replica of its own.
        self.tell("SET GLOBAL rpl_semi_sync_master_enabled=0").await?;
        self.tell(&format!("SET GLOBAL rpl_semi_sync_slave_enabled={}", u8::from(acknowledges))).await?;
        self.tell(&format!(
            "CHANGE MASTER TO MASTER_HOST='{host}', MASTER_PORT={port}, MASTER_USER='{USER}', MASTER_PASSWORD='{password}', \
             MASTER_USE_GTID=slave_pos, MASTER_CONNECT_RETRY=1, MASTER_HEARTBEAT_PERIOD=1"
        ))
        .await?;
        self.tell("START SLAVE").await
    }
}

impl Server {
    /// Who began to follow while the log was empty and knew no position was let in at any: it would go on with what comes next, and never
    /// get what stands between. It has to ask again, and is refused then.
    async fn send_followers_away(&mut self) -> Result<()> {
        let sql = "SELECT CAST(ID AS CHAR) AS it FROM information_schema.PROCESSLIST WHERE COMMAND LIKE 'Binlog Dump%' LIMIT 1";
        let late = Instant::now() + PATIENCE;
        while let Some(row) = self.row(sql).await? {
            ensure!(Instant::now() < late, "who follows this database does not go");
            // It may have gone by itself.
            let _ = self.tell(&format!("KILL HARD CONNECTION {}", text(&row, "it"))).await;
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }
}

fn text(row: &MySqlRow, name: &str) -> String {
    row.try_get_unchecked::<Option<String>, _>(name).ok().flatten().unwrap_or_default()
}

/// The number of commits that a GTID position says, such as `0-1-1234`: all have one domain, whose numbers go on over primaries.
fn commits(position: &str) -> u64 {
    position.split(',').filter_map(|gtid| gtid.rsplit('-').next()?.trim().parse().ok()).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_position_counts_commits() {
        assert_eq!(super::commits("0-1-1234"), 1_234);
        assert_eq!(super::commits(""), 0);
    }
}
