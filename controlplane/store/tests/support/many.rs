//! Many CDRs that look like a switch's, made by MariaDB itself, and the searches that are asked of them.

use std::collections::BTreeMap;

use flate2::Crc;
use md5::{Digest as _, Md5};
use sqlx::{AssertSqlSafe, Executor as _, MySqlPool};
use store::{CdrFilter, Dimension, StatisticsAsk};
use units::WallTime;

/// A day in microseconds.
pub const DAY: i64 = 86_400_000_000;
/// Records of one statement.
const BLOCK: u64 = 20_000;
/// Beginnings of numbers, of which few have most of the calls.
const COUNTRIES: [u64; 12] = [447, 447, 447, 491, 491, 331, 393, 346, 1201, 1415, 8613, 5511];
/// One call of a thousand goes there.
const RARE: u64 = 6837;
const ORIGINATORS: u64 = 200;
const TERMINATORS: u64 = 100;

/// Records of calls and attempts in turn.
#[derive(Clone, Copy, Debug)]
pub struct Many {
    /// The first one's start.
    pub start: i64,
    /// Microseconds between two.
    pub spacing: i64,
    /// How many.
    pub rows: u64,
}

/// What the records of one call have in common: once more what [`fill`] tells MariaDB, so that what is found can be compared with it.
#[derive(Clone, Copy, Debug)]
pub struct Made {
    /// 200, of which few have most of the calls.
    pub originator: u32,
    /// 100, of which few have most of the calls.
    pub terminator: u32,
    /// Where it came in.
    pub ingress: u32,
    /// Where it went out.
    pub egress: u32,
    /// The caller's number.
    pub calling: u64,
    /// The number that it was routed to.
    pub called: u64,
}

impl Made {
    /// Call number `call`.
    pub fn of(call: u64) -> Made {
        let text = call.to_string();
        // CRC32 stands for chance, the same with each run.
        let chance = |salt: u8| {
            let mut crc = Crc::new();
            crc.update(&[salt]);
            crc.update(text.as_bytes());
            u64::from(crc.sum())
        };
        let skewed = |salt: u8, many: u64| {
            let part = chance(salt) >> 16;
            1 + ((part * part * part * many) >> 48) as u32
        };
        let country = if call.is_multiple_of(1_000) { RARE } else { COUNTRIES[(chance(b'd') % 12) as usize] };
        let (originator, terminator) = (skewed(b'o', ORIGINATORS), skewed(b't', TERMINATORS));
        Made {
            originator,
            terminator,
            ingress: originator * 4 + (call % 3) as u32,
            egress: terminator * 4 + (call % 2) as u32,
            calling: 12_000_000_000 + chance(b'a') % 800_000_000,
            called: country * 1_000_000_000 + chance(b'b') % 1_000_000_000,
        }
    }
}

/// The Call-ID header of a call's ingress leg.
fn header(call: u64) -> String {
    let digest: String = Md5::digest(call.to_string()).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{digest}.{call}@192.0.2.7")
}

/// Adds records `from..till` to a table of the form of `cdrs`. They are not put into the binary log.
pub async fn fill(pool: &MySqlPool, many: Many, table: &str, from: u64, till: u64) {
    let mut connection = pool.acquire().await.expect("MariaDB takes a connection");
    sqlx::raw_sql("SET SESSION sql_log_bin=0").execute(&mut *connection).await.expect("root may leave the log alone");
    let mut first = from;
    while first < till {
        let last = (first + BLOCK).min(till);
        let sql = AssertSqlSafe(block(many, table, first, last));
        sqlx::raw_sql(sql).execute(&mut *connection).await.expect("MariaDB makes records");
        first = last;
    }
}

fn block(many: Many, table: &str, first: u64, last: u64) -> String {
    let Many { start, spacing, .. } = many;
    let countries = COUNTRIES.map(|country| format!("'{country}'")).join(",");
    // n: the record; c: its call; a: which of its two records. A query with a LIMIT is not merged into that around it: each chance is drawn once.
    let chance = |salt: char| format!("CRC32(CONCAT('{salt}',c))");
    format!(
        "INSERT IGNORE INTO {table} (id,attempt,attempts,revision,originator,originator_account,ingress_trunk,terminator,\
         terminator_account,egress_trunk,calling,called,called_routed,started,answered_ms,ended_ms,duration_ms,sip_status,\
         cause,released_by,ingress_address,egress_address,ingress_call_id,egress_call_id,codec,\
         grant_parts,decision) \
         SELECT CONCAT(x'0001000000010000',UNHEX(LPAD(HEX(c),12,'0')),x'00',CHAR(a USING binary)),a,1,7,o,o,o*4+MOD(c,3),\
         t,t,t*4+MOD(c,2),calling,CONCAT('99#',called),called,{start}+n*{spacing},\
         IF(MOD(c,5)<2,4000,NULL),64000,IF(MOD(c,5)<2,60000,0),IF(MOD(c,5)<2,200,486),IF(MOD(c,5)<2,301,200+MOD(c,40)),\
         0,'192.0.2.7:5060','198.51.100.9:5060',CONCAT(MD5(c),'.',c,'@192.0.2.7'),\
         CONCAT(MD5(CONCAT('e',c)),'-',a),'PCMA/8000','',REPEAT(CHAR(MOD(n,256) USING binary),300) \
         FROM (SELECT n,c,a,1+((ho*ho*ho*{ORIGINATORS})>>48) AS o,1+((ht*ht*ht*{TERMINATORS})>>48) AS t,\
         12000000000+MOD({},800000000) AS calling,\
         CONCAT(IF(MOD(c,1000)=0,'{RARE}',ELT(1+MOD({},12),{countries})),LPAD(MOD({},1000000000),9,'0')) AS called \
         FROM (SELECT seq AS n,seq DIV 2 AS c,MOD(seq,2) AS a,CRC32(CONCAT('o',seq DIV 2))>>16 AS ho,\
         CRC32(CONCAT('t',seq DIV 2))>>16 AS ht FROM seq_{first}_to_{} LIMIT {BLOCK}) AS drawn LIMIT {BLOCK}) AS made",
        chance('a'),
        chance('d'),
        chance('b'),
        last - 1
    )
}

/// Filters of every kind of search with numbers and headers of real records, in windows of 24 hours: `(kind, index, filter)`.
pub fn searches(many: Many, chance: u64) -> Vec<(&'static str, &'static str, CdrFilter)> {
    let span = many.rows as i64 * many.spacing;
    let latest = (span - DAY).max(1);
    let later = (chance as i64 * 7_919_000_003).rem_euclid(latest);
    let from = many.start + later;
    let base = CdrFilter {
        from: WallTime::from_micros(from),
        till: WallTime::from_micros(from + DAY),
        limit: 100,
        ..CdrFilter::default()
    };
    let inside = later + (chance as i64 * 104_729_000_017).rem_euclid(DAY.min(span - later));
    let call = (inside / many.spacing / 2) as u64;
    let called = Made::of(call).called.to_string();
    let number = |text: &str, exact: bool| CdrFilter { called: Some(text.into()), exact, ..base.clone() };
    let carrier = |id: u32| CdrFilter { originator: Some(id), ..base.clone() };
    let rare = 190 + (chance % 10) as u32;
    vec![
        ("number, whole", "cdrs_called", number(&called, true)),
        ("number, unknown", "cdrs_called", number("15005550006", true)),
        ("number, 8 digits", "cdrs_called", number(&called[..8], false)),
        ("number, 3 digits", "cdrs_called", number(&called[..3], false)),
        ("number, rare country", "cdrs_called", number("683", false)),
        ("caller, 7 digits", "cdrs_calling", CdrFilter { calling: Some("1212555".into()), ..base.clone() }),
        ("carrier, busiest", "cdrs_originator", carrier(1)),
        ("carrier, quiet", "cdrs_originator", carrier(rare)),
        ("terminator", "cdrs_terminator", CdrFilter { terminator: Some(rare / 2), ..base.clone() }),
        ("ingress trunk", "cdrs_ingress_trunk", CdrFilter { ingress_trunk: Some(rare * 4 + 1), ..base.clone() }),
        ("egress trunk", "cdrs_egress_trunk", CdrFilter { egress_trunk: Some(rare / 2 * 4), ..base.clone() }),
        ("Call-ID", "cdrs_ingress_call_id", CdrFilter { sip_call_id: Some(header(call)), ..base.clone() }),
        ("Call-ID, unknown", "cdrs_ingress_call_id", CdrFilter { sip_call_id: Some(header(u64::MAX)), ..base.clone() }),
        ("all", "PRIMARY", base.clone()),
    ]
}

/// How long each kind took, in milliseconds.
#[derive(Default)]
pub struct Times(BTreeMap<&'static str, Vec<f64>>);

impl Times {
    /// One more.
    pub fn note(&mut self, name: &'static str, took: std::time::Duration) {
        self.0.entry(name).or_default().push(took.as_secs_f64() * 1_000.0);
    }

    /// Prints the middle, the slow end and the slowest of each kind.
    pub fn print(self, head: &str) {
        println!("{head}:\n{:<32}{:>10}{:>10}{:>10}", "kind", "p50 ms", "p95 ms", "max ms");
        for (name, mut times) in self.0 {
            times.sort_by(f64::total_cmp);
            let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize];
            println!("{name:<32}{:>10.1}{:>10.1}{:>10.1}", at(0.5), at(0.95), at(1.0));
        }
    }
}

/// Makes sums of so many days from `start` on if there are none: 1,000 rows each half hour, of 200 originators, 100 terminators, 300 destinations and 5 causes.
/// Returns how many rows there are.
pub async fn fill_sums(pool: &MySqlPool, start: i64, days: i64) -> i64 {
    let there: i64 =
        sqlx::query_scalar("SELECT COUNT(*) FROM sums_by_half_hour").fetch_one(pool).await.expect("a count");
    if there > 0 {
        return there;
    }
    const COUNTS: &str = "calls,calls_answered,calls_reached,calls_rung,calls_ring_ms,talk_ms,attempts,attempts_answered,attempts_reached,\
         attempts_rung,attempts_ring_ms,attempts_talk_ms,sell_billed_s,buy_billed_s,revenue,cost,ingress_packets,ingress_lost,\
         ingress_mos_calls,ingress_mos_x100,egress_packets,egress_lost,egress_mos_calls,egress_mos_x100";
    const KEYS: &str = "slot,originator,ingress_trunk,terminator,egress_trunk,prefix,cause,currency,node";
    for day in 0..days {
        let slot = format!("{}+FLOOR(seq/1000)*{}", start + day * DAY, store::SLOT);
        let of =
            |salt: &str, many: u32| format!("FLOOR(POW(CRC32(CONCAT('{salt}',seq+{day}*48000))/4294967296,3)*{many})");
        let (originator, terminator, destination) = (of("o", 200), of("t", 100), of("d", 300));
        let sql = format!(
            "INSERT IGNORE INTO sums_by_half_hour ({KEYS},{COUNTS}) SELECT {slot},{originator},{originator}*2,{terminator},\
             {terminator}*2,CONCAT('44',100+{destination}),ELT(1+MOD(seq,5),16,17,19,34,310),'USD',1,\
             {} FROM seq_0_to_47999",
            vec!["1+MOD(seq,7)"; COUNTS.split(',').count()].join(",")
        );
        pool.execute(AssertSqlSafe(sql)).await.expect("MariaDB makes sums");
    }
    let sums: Vec<String> = COUNTS.split(',').map(|name| format!("SUM({})", name.trim())).collect();
    let others = KEYS.trim_start_matches("slot,");
    let sql = format!(
        "INSERT INTO sums_by_day ({KEYS},{COUNTS}) SELECT slot-MOD(slot,{DAY}) AS day,{others},{} FROM sums_by_half_hour GROUP BY day,{others}",
        sums.join(",")
    );
    pool.execute(AssertSqlSafe(sql)).await.expect("MariaDB adds up");
    pool.execute("ANALYZE TABLE sums_by_half_hour, sums_by_day").await.expect("MariaDB looks at them");
    sqlx::query_scalar("SELECT COUNT(*) FROM sums_by_half_hour").fetch_one(pool).await.expect("a count")
}

/// Questions over a day and over all days from `start` on.
pub fn questions(start: i64, days: i64, chance: u64) -> Vec<(&'static str, StatisticsAsk)> {
    use Dimension as D;
    let at = |day: i64| WallTime::from_micros(start + day * DAY);
    let one = i64::try_from(chance).unwrap_or(0) * 7 % (days - 1);
    let whole = |by: &[D]| StatisticsAsk { from: at(0), till: at(days), by: by.to_vec(), ..StatisticsAsk::default() };
    let carrier = Some(1 + u32::try_from(chance).unwrap_or(0));
    vec![
        (
            "a day by originator, hour",
            StatisticsAsk { from: at(one), till: at(one + 1), ..whole(&[D::Originator, D::Hour]) },
        ),
        ("90 days by originator", whole(&[D::Originator])),
        ("90 days by terminator, cause", whole(&[D::Terminator, D::Cause])),
        ("90 days by day", whole(&[D::Day])),
        ("90 days of one by destination", StatisticsAsk { originator: carrier, ..whole(&[D::Prefix, D::Terminator]) }),
        ("90 days by day of Berlin", StatisticsAsk { zone: "Europe/Berlin".into(), ..whole(&[D::Day]) }),
    ]
}
