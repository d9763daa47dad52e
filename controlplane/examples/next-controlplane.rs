//! The control plane as its next version may be: its database has one step more. `make topologies` upgrades nodes to it.

use clap::Parser;
use store::LaterStep;
use tandem_controlplane::run::{Settings, run_with};

#[global_allocator]
static HEAP: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A table, columns of the tables that are written most, an index.
const STEP: LaterStep = LaterStep {
    version: 9_001,
    name: "adds a trial",
    sqlite: "CREATE TABLE IF NOT EXISTS trials (id INTEGER NOT NULL PRIMARY KEY) STRICT;
             ALTER TABLE cdrs ADD COLUMN trial INTEGER NOT NULL DEFAULT 0;",
    mysql: "CREATE TABLE IF NOT EXISTS trials (id BIGINT NOT NULL PRIMARY KEY) ENGINE=InnoDB;
            ALTER TABLE cdrs ADD COLUMN IF NOT EXISTS trial BIGINT NOT NULL DEFAULT 0;
            ALTER TABLE ledger_entries ADD COLUMN IF NOT EXISTS trial BIGINT;
            CREATE INDEX IF NOT EXISTS ledger_entries_trial ON ledger_entries (trial);",
};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let settings = Settings::parse();
    tracing_subscriber::fmt().with_env_filter(&settings.log).with_writer(std::io::stderr).init();
    run_with(settings, &[STEP]).await
}
