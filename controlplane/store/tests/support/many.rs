//! Many CDRs that look like a switch's, made by MariaDB itself, and the searches that are asked of them.

use sqlx::{AssertSqlSafe, Executor as _, MySqlPool};
use store::{CdrFilter, Dimension, StatisticsAsk};
use units::WallTime;

/// The first record's start: 2027-01-15.
pub const START: i64 = 1_799_971_200_000_000;
/// A day in microseconds.
pub const DAY: i64 = 86_400_000_000;
/// Records of one statement.
const BLOCK: u64 = 20_000;

/// Adds records `from..till`, `spacing` microseconds apart: calls and attempts in turn, of 200 originators and 100 terminators of which few
/// have most of the calls, to numbers of all countries of which few have most of the calls.
pub async fn fill(pool: &MySqlPool, from: u64, till: u64, spacing: i64) {
    let mut first = from;
    while first < till {
        let last = (first + BLOCK).min(till);
        pool.execute(AssertSqlSafe(block(first, last, spacing))).await.expect("MariaDB makes records");
        first = last;
    }
}

fn block(first: u64, last: u64, spacing: i64) -> String {
    // n: the record; c: its call. CRC32 stands for chance, the same with each run.
    let number = "LPAD(MOD(CRC32(CONCAT('b',c)),1000000000),9,'0')";
    let country = "ELT(1+MOD(CRC32(CONCAT('d',c)),12),'447','447','447','491','491','331','393','346','1201','1415','8613','5511')";
    let rare = "CASE WHEN MOD(c,1000)=0 THEN '6837' ELSE";
    format!(
        "INSERT IGNORE INTO cdrs (id,attempt,attempts,revision,originator,originator_account,ingress_trunk,terminator,\
         terminator_account,egress_trunk,calling,called,called_routed,started,answered_ms,ended_ms,duration_ms,sip_status,\
         cause,released_by,ingress_address,egress_address,ingress_call_id,egress_call_id,codec,\
         grant_parts,decision) \
         SELECT CONCAT(x'0001000000010000',UNHEX(LPAD(HEX(c),12,'0')),x'00',CHAR(a USING binary)),a,1,7,o,o,o*4+MOD(c,3),\
         t,t,t*4+MOD(c,2),CONCAT('1',2000000000+MOD(CRC32(CONCAT('a',c)),800000000)),\
         CONCAT('99#',{rare} {country} END,{number}),CONCAT({rare} {country} END,{number}),{START}+n*{spacing},\
         IF(MOD(c,5)<2,4000,NULL),64000,IF(MOD(c,5)<2,60000,0),IF(MOD(c,5)<2,200,486),IF(MOD(c,5)<2,301,200+MOD(c,40)),\
         0,'192.0.2.7:5060','198.51.100.9:5060',CONCAT(MD5(c),'@192.0.2.7'),\
         CONCAT(MD5(CONCAT('e',c)),'-',a),'PCMA/8000','',REPEAT(CHAR(n USING binary),300) \
         FROM (SELECT seq AS n,seq DIV 2 AS c,MOD(seq,2) AS a,\
         1+FLOOR(POW(CRC32(CONCAT('o',seq DIV 2))/4294967296,3)*200) AS o,\
         1+FLOOR(POW(CRC32(CONCAT('t',seq DIV 2))/4294967296,3)*100) AS t \
         FROM seq_{first}_to_{}) AS made",
        last - 1
    )
}

/// The number that the first record at or after a moment was routed to.
async fn routed(pool: &MySqlPool, at: i64) -> String {
    let sql = format!("SELECT called_routed FROM cdrs WHERE started>={at} ORDER BY started LIMIT 1");
    sqlx::query_scalar::<_, String>(AssertSqlSafe(sql)).fetch_one(pool).await.expect("a record stands there")
}

/// Filters of every kind of search with numbers and headers of real records: `(kind, index, filter)`.
pub async fn searches(
    pool: &MySqlPool,
    rows: u64,
    spacing: i64,
    chance: u64,
) -> Vec<(&'static str, &'static str, CdrFilter)> {
    let span = rows as i64 * spacing;
    let latest = (span - DAY).max(1);
    let from = START + (chance as i64 * 7_919_000_003).rem_euclid(latest);
    let base = CdrFilter {
        from: WallTime::from_micros(from),
        till: WallTime::from_micros(from + DAY),
        limit: 100,
        ..CdrFilter::default()
    };
    let inside = from + (chance as i64 * 104_729_000_017).rem_euclid(DAY.min(span - (from - START)));
    let called = routed(pool, inside).await;
    let call = (inside - START) / spacing / 2;
    let header: String = sqlx::query_scalar(AssertSqlSafe(format!("SELECT CONCAT(MD5({call}),'@192.0.2.7')")))
        .fetch_one(pool)
        .await
        .expect("MariaDB computes");
    let number = |text: &str, exact: bool| CdrFilter { called: Some(text.into()), exact, ..base.clone() };
    let carrier = |id: u32| CdrFilter { originator: Some(id), ..base.clone() };
    let rare = 190 + u32::try_from(chance % 10).unwrap_or(0);
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
        ("Call-ID", "cdrs_ingress_call_id", CdrFilter { sip_call_id: Some(header), ..base.clone() }),
        ("all", "PRIMARY", base.clone()),
    ]
}

/// Makes sums of so many days if there are none: 1,000 rows each half hour, of 200 originators, 100 terminators, 300 destinations and 5 causes.
/// Returns how many rows there are.
pub async fn fill_sums(pool: &MySqlPool, days: i64) -> i64 {
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
        let slot = format!("{}+FLOOR(seq/1000)*{}", START + day * DAY, store::SLOT);
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

/// Questions over a day and over all days.
pub fn questions(days: i64, chance: u64) -> Vec<(&'static str, StatisticsAsk)> {
    use Dimension as D;
    let at = |day: i64| WallTime::from_micros(START + day * DAY);
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
