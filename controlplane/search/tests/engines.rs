//! Stories about CDRs in a search engine: a server that takes nothing but the protocol, and by `make test-search` a foreign one.
#![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

#[path = "support/asked.rs"]
mod asked;
#[path = "support/server.rs"]
mod server;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use cdr::Cdr;
use search::{AnsweredBy, Engine, Search, Settings};
use server::{Kept, SECRET, serve};
use store::{Batch, CDR_DAYS, CdrFilter, CdrKind, Cursor, Store, StoreError};
use units::{AttemptIndex, CallId, CarrierId, Cause, EgressTrunkId, IngressTrunkId, NodeId, Number, ShardId, WallTime};

const HOUR_US: i64 = 3_600_000_000;

/// A store in a folder of its own, with records of tomorrow: what an engine is told of later than it began is complete.
struct World {
    folder: tempfile::TempDir,
    store: Store,
    begins: WallTime,
}

impl World {
    async fn new() -> World {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&format!("sqlite:{}", folder.path().join("db").display())).await.unwrap();
        let now = jiff::Timestamp::now().as_microsecond();
        World { folder, store, begins: WallTime::from_micros(now + 24 * HOUR_US) }
    }

    fn settings(&self, url: String, secret: &str) -> Settings {
        let path = self.folder.path().join("secret");
        std::fs::write(&path, format!("{secret}\n")).unwrap();
        Settings { url, secret: Some(path), ..Settings::default() }
    }

    fn record(&self, sequence: u64, attempt: u8, calling: &str, called: &str) -> Cdr {
        let number = |text: &str| Number::parse(text.as_bytes()).unwrap();
        let answered = sequence.is_multiple_of(2);
        let at = self.begins.micros() + sequence as i64 * 1_000_000 + i64::from(attempt);
        Cdr {
            call: CallId { node: NodeId(1), boot: 1, shard: ShardId(0), sequence },
            attempt: AttemptIndex(attempt),
            started: WallTime::from_micros(at),
            originator: CarrierId(1 + sequence as u32 % 2),
            terminator: CarrierId(7),
            ingress_trunk: IngressTrunkId(3),
            egress_trunk: EgressTrunkId(4 + sequence as u32 % 3),
            calling: number(calling),
            called: number(called),
            called_routed: number(called),
            answered_ms: answered.then_some(900),
            sip_status: if answered { 200 } else { 486 },
            cause: if answered { Cause::NORMAL } else { Cause(17) },
            ingress_call_id: format!("in-{sequence}@127.0.0.1 \"\\*?"),
            egress_call_id: format!("out-{sequence}"),
            ..Cdr::default()
        }
    }

    async fn collect(&self, cdrs: &[Cdr]) {
        let cursor = Cursor { boot: 1, segment: 1, offset: 1 };
        let batch = Batch { node: NodeId(1), kind: "journal", folder: "f", cdrs, traces: &[], cursor };
        self.store.insert_cdrs(batch).await.unwrap();
    }

    /// Forty calls with one attempt each.
    async fn collect_many(&self) {
        for half in [0..20_u64, 20..40] {
            let pair = |sequence| {
                let (calling, called) = (format!("+4420{sequence:04}55"), format!("1202{:04}99", sequence * 7));
                [0, 1].map(|attempt| self.record(sequence, attempt, &calling, &called))
            };
            self.collect(&half.flat_map(pair).collect::<Vec<Cdr>>()).await;
        }
    }

    fn window(&self) -> CdrFilter {
        let till = WallTime::from_micros(self.begins.micros() + HOUR_US);
        CdrFilter { from: self.begins, till, limit: 100, ..CdrFilter::default() }
    }

    /// Searches that narrow the window in all ways.
    fn searches(&self) -> Vec<CdrFilter> {
        let (all, text) = (self.window(), |text: &str| Some(text.to_owned()));
        vec![
            CdrFilter { kind: CdrKind::All, ..all.clone() },
            CdrFilter { kind: CdrKind::Attempts, limit: 7, ..all.clone() },
            CdrFilter { till: WallTime::from_micros(self.begins.micros() + 11_000_000), ..all.clone() },
            CdrFilter { calling: text("+44200001"), ..all.clone() },
            CdrFilter { called: text("12020"), kind: CdrKind::All, limit: 11, ..all.clone() },
            CdrFilter { calling: text("4420000155"), exact: true, ..all.clone() },
            CdrFilter { calling: text("44200001"), exact: true, ..all.clone() },
            CdrFilter { digits: text("0155"), ..all.clone() },
            CdrFilter { digits: text("2801"), ..all.clone() },
            CdrFilter { originator: Some(2), egress_trunk: Some(5), ..all.clone() },
            CdrFilter { terminator: Some(8), ..all.clone() },
            CdrFilter { ingress_trunk: Some(3), cause: Some(17), sip_status: Some(486), ..all.clone() },
            CdrFilter { answered: Some(true), limit: 3, ..all.clone() },
            CdrFilter { call: Some(self.record(5, 0, "1", "1").call), kind: CdrKind::All, ..all.clone() },
            CdrFilter { sip_call_id: text("in-7@127.0.0.1 \"\\*?"), ..all.clone() },
            CdrFilter { sip_call_id: text("out-7"), kind: CdrKind::All, ..all },
        ]
    }
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let late = Instant::now() + Duration::from_secs(180);
    while !holds() {
        assert!(Instant::now() < late, "gave up waiting for {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// All pages of a search, and that each came from there.
async fn pages(search: &Search, store: &Store, filter: &CdrFilter, by: AnsweredBy) -> Vec<Cdr> {
    let (mut filter, mut all) = (filter.clone(), Vec::new());
    loop {
        let found = search.find(store, &filter).await.unwrap();
        assert_eq!((found.answered_by, found.passed), (by, None), "{filter:?}");
        all.extend(found.cdrs);
        filter.after = found.next;
        if filter.after.is_none() {
            return all;
        }
    }
}

/// Every search has the same answer from an engine as from the database alone.
async fn told_and_found(settings: impl FnOnce(&World) -> Settings, refreshed: bool) {
    let world = World::new().await;
    let search = Search::start(Engine::new(&settings(&world)).unwrap(), world.store.clone());
    until("the first word", || search.state().unwrap().since.is_some()).await;
    world.collect_many().await;
    until("all to be told", || search.state().unwrap().sent == 80).await;
    if !refreshed {
        // Elasticsearch shows what it was told at its next refresh, within a second.
        let engine = search.engine().unwrap().clone();
        until("all to be shown", || engine.count().is_ok_and(|count| count >= 80)).await;
    }
    let alone = Search::default();
    for filter in world.searches() {
        let wanted = pages(&alone, &world.store, &filter, AnsweredBy::Database).await;
        assert_eq!(pages(&search, &world.store, &filter, AnsweredBy::Engine).await, wanted, "{filter:?}");
    }
    let state = search.state().unwrap();
    assert_eq!((state.refused, state.failed, state.waiting, state.problem.as_str()), (0, 0, 0, ""));
    let tomorrow = world.begins.micros().div_euclid(24 * HOUR_US);
    let engine = search.engine().unwrap().clone();
    assert_eq!((engine.count().unwrap(), engine.forget_before(tomorrow).unwrap()), (80, 0));
    assert!(engine.forget_before(tomorrow + 2).unwrap() >= 1);
    assert_eq!(engine.count().unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_finds_what_the_database_finds() {
    let address = serve(&Arc::new(Kept::default()));
    told_and_found(|world| world.settings(address, SECRET), true).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a foreign server: make test-search"]
async fn a_foreign_engine_finds_what_the_database_finds() {
    let told = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"));
    let ca = Some(PathBuf::from(told("TANDEM_SEARCH_CA")));
    told_and_found(|world| Settings { ca, ..world.settings(told("TANDEM_SEARCH_URL"), "ApiKey bm9ib2R5") }, false)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_is_away_or_busy_is_told_later_and_the_database_answers() {
    let (world, kept) = (World::new().await, Arc::new(Kept::default()));
    let engine = Engine::new(&world.settings(serve(&kept), SECRET)).unwrap();
    world.store.keep_indexing().await.unwrap();
    world.collect_many().await;
    // The first question and one record of the first bulk; and one record is bad for good.
    kept.busy.store(1, Ordering::SeqCst);
    kept.full.store(1, Ordering::SeqCst);
    let bad = world.record(3, 1, "1", "1");
    let hex: String = bad.call.to_bytes(bad.attempt).iter().map(|byte| format!("{byte:02x}")).collect();
    kept.hated.lock().unwrap().clone_from(&hex);
    let search = Search::start(engine, world.store.clone());
    until("it to fail", || search.state().unwrap().problem.contains("503: refused: later")).await;
    until("it to be told", || search.state().unwrap().sent == 79).await;
    let state = search.state().unwrap();
    assert!(state.failed >= 2 && state.refused == 1, "{state:?}");
    assert_eq!(kept.documents.lock().unwrap().len(), 79);
    kept.busy.store(1, Ordering::SeqCst);
    for _ in 0..2 {
        let found = search.find(&world.store, &world.window()).await.unwrap();
        assert_eq!((found.answered_by, found.cdrs.len()), (AnsweredBy::Database, 40));
        assert_eq!(found.passed.unwrap(), "it answered 503: refused: later");
    }
    assert_eq!(kept.searches.load(Ordering::SeqCst), 0, "it is left alone for a while");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_is_not_asked_for_what_it_was_not_told() {
    let (world, kept) = (World::new().await, Arc::new(Kept::default()));
    let address = serve(&kept);
    let search = Search::reader(Engine::new(&world.settings(address.clone(), SECRET)).unwrap());
    let passed = async |filter: CdrFilter| search.find(&world.store, &filter).await.unwrap().passed.unwrap_or_default();
    assert_eq!(passed(world.window()).await, "it was told of no record yet");
    world.store.keep_indexing().await.unwrap();
    let early = CdrFilter { from: WallTime::from_micros(HOUR_US), ..world.window() };
    assert!(passed(early.clone()).await.starts_with("it has calls from 20"));
    world.collect(&[world.record(1, 0, "1", "1")]).await;
    assert_eq!(passed(world.window()).await, "", "it is late by less than one notices");
    world.store.set_setting("search_till", Some("1")).await.unwrap();
    assert_eq!(passed(world.window()).await, "it has taken no record for days");
    let digits = CdrFilter { digits: Some("12".into()), ..early };
    let refused = search.find(&world.store, &digits).await.unwrap_err();
    assert!(matches!(refused, StoreError::Invalid { field: "digits", .. }), "{refused}");
    let stranger = Engine::new(&world.settings(address, "tandem:wrong")).unwrap();
    assert_eq!(stranger.count().unwrap_err().to_string(), "it answered 401: refused: nobody");
}

#[tokio::test(flavor = "multi_thread")]
async fn days_that_the_database_drops_go_from_the_engine() {
    let (world, kept) = (World::new().await, Arc::new(Kept::default()));
    let engine = Engine::new(&world.settings(serve(&kept), SECRET)).unwrap();
    world.store.set_setting(CDR_DAYS, Some("30")).await.unwrap();
    world.store.keep_indexing().await.unwrap();
    let old = Cdr { started: WallTime::from_micros(1_700_000_000_000_000), ..world.record(1, 0, "1", "1") };
    world.collect(&[old, world.record(2, 0, "1", "1")]).await;
    let search = Search::start(engine, world.store.clone());
    until("both to be told", || search.state().unwrap().sent == 2).await;
    until("the old one to go", || kept.documents.lock().unwrap().len() == 1).await;
}

#[test]
fn an_address_with_a_password_and_a_foreign_prefix_are_refused() {
    let settings = |url: &str, prefix: &str| Settings { url: url.into(), prefix: prefix.into(), ..Settings::default() };
    for (url, prefix) in [
        ("https://a:b@engine:9200", "cdrs"),
        ("engine:9200", "cdrs"),
        ("https://", "cdrs"),
        ("https://engine", "CDRs"),
        ("https://engine", "-x"),
        ("https://engine", ""),
        ("https://engine", "a,b*"),
    ] {
        assert!(Engine::new(&settings(url, prefix)).is_err(), "{url} {prefix}");
    }
    assert!(Engine::new(&settings("https://engine:9200/", "cdrs_2")).is_ok());
}
