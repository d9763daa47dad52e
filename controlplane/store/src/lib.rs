//! The only room that knows SQL: configuration, CDRs, the ledger and people, on SQLite or MariaDB.
//!
//! A [`Store`] reads; an [`Edit`] changes configuration in one transaction; the ledger's operations are idempotent by id. See README.md
//! for the rules of the SQL that both databases understand.

mod accounts;
mod alarms;
mod audit;
mod backup;
mod caps;
mod carriers;
mod cdrs;
mod days;
mod decks;
mod derived;
mod egress;
mod error;
mod exchange;
mod factors;
mod groups;
mod imports;
mod indexing;
mod ingress;
mod invoices;
mod jobs;
mod ledger;
mod limits;
mod migrate;
mod model;
mod notices;
mod numbered;
mod object;
mod people;
mod plans;
mod policy;
mod rates;
mod recount;
mod replica;
mod reports;
mod reratings;
mod revisions;
mod search;
mod settings;
mod sql;
mod statistics;
mod sums;
mod traces;
mod traffic;
mod ways;
mod webhooks;
mod zone;

use std::sync::Arc;

pub use self::ledger::{Booking, Entry, Payment, Purse, WriteOff, WrittenOff};
pub use ::ledger::{Answer, Ask, Balance, Fence, Grant, State as GrantState};
pub use accounts::{Account, AccountDraft, AccountKind, Caps, Thresholds};
pub use alarms::{AlarmRow, StandingAlarm};
pub use audit::AuditEntry;
pub use backup::{Backup, BackupTable, read_backup, restore};
pub use caps::Spending;
pub use carriers::{Carrier, CarrierDraft};
pub use cdr::segment::Cursor;
pub use cdrs::{BATCH_MAX, Batch, Collected};
pub use days::{CDR_DAYS, CdrDay};
pub use decks::{Deck, DeckDraft, DeckFacts, DeckRevision};
pub use egress::{EgressTrunk, EgressTrunkDraft};
pub use error::{ConflictKind, Result, StoreError};
pub use factors::SecondFactor;
pub use groups::{Group, GroupDraft};
pub use imports::{DeckTemplate, Import, ImportDraft, ImportState};
pub use indexing::{CdrKey, Indexing, Unindexed};
pub use ingress::{IngressTrunk, IngressTrunkDraft, compared};
pub use invoices::{Fees, Invoice, InvoiceAsk, InvoiceItem, InvoiceLine, InvoiceSums};
pub use jobs::{Go, JOB_FILE_MAX, JOB_PART_MAX, Job, JobAsk, JobState, JobStep, Turn};
pub use limits::{LimitOf, LimitRow};
pub use migrate::{LaterStep, MigrationPlan, MigrationStep, migration_plan};
pub use model::RevisionRow;
pub use notices::{DueNotice, Notice, NoticeFigures, NoticeTry, Way, draw_secret, secret_text};
pub use object::{CODE_CHARS_MAX, Edit, Object, PAGE_MAX, Page, Stored};
pub use people::{ApiKey, ApiKeyDraft, User, UserDraft, WebSession};
pub use plans::{Plan, PlanDraft};
pub use policy::without_secrets;
pub use rates::{RATES_PAGE_MAX, RateAfter, check_rate};
pub use replica::Replica;
pub use reports::{BEHIND_MAX_S, ReplicaState, Reports};
pub use reratings::{Act, RerateAsk, RerateItem, RerateLine, RerateNear, RerateSums, Rerating};
pub use revisions::REVISIONS_KEPT_MAX;
pub use search::{CallStory, CdrFilter, CdrKind, OverviewRow, SEARCH_ROWS_MAX, Side};
pub use statistics::{
    DIMENSIONS_MAX, Dimension, GROUPS_MAX, HALF_HOUR_DAYS, StatisticsAsk, SumGroup, SumPeriod, SumPlace,
};
pub use sums::{SLOT, Sums, area};
pub use traffic::Traffic;
pub use ways::PlanStep;
pub use webhooks::{Delivery, DeliveryTry, DueDelivery, Event, Webhook, WebhookDraft, wants};
pub use zone::offsets;

use sql::{Database, Tx};

/// An open database. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    database: Database,
    rates: Arc<rates::Shelf>,
    standby: Arc<replica::Standby>,
    told: Arc<NoticeFigures>,
}

impl core::fmt::Debug for Store {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Store")
    }
}

impl Store {
    /// Opens `sqlite:PATH` or `mysql://user:password@host:port/name?socket=…` and brings its tables up to date.
    pub async fn open(url: &str) -> Result<Store> {
        Store::open_with(url, &[]).await
    }

    /// The same, as a program of a later version does that knows these steps too.
    pub async fn open_with(url: &str, later: &[LaterStep]) -> Result<Store> {
        Ok(Store::of(Database::open(url, later).await?))
    }

    fn of(database: Database) -> Store {
        Store { database, rates: Arc::default(), standby: Arc::default(), told: Arc::default() }
    }

    async fn read(&self) -> Result<Tx> {
        self.database.read().await
    }

    async fn write(&self) -> Result<Tx> {
        self.database.write().await
    }
}
