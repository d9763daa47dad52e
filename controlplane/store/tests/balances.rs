//! Stories about caps, netting, statements and notices of accounts, each told on SQLite and on MariaDB.
#![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

#[path = "support/databases.rs"]
mod databases;
#[path = "support/sample.rs"]
#[allow(dead_code, reason = "other test programs use the rest")]
mod sample;

use std::sync::atomic::Ordering;
use std::time::Duration;

use sample::{World, call, grant_id, money, world};
use store::{AccountDraft, Ask, Batch, Booking, Caps, Cursor, Store, StoreError, Thresholds, Way};
use units::{AccountId, Cause, Money, NodeId};

on_both! {
    a_day_cap_lends_no_more_than_the_day_may_cost
    many_nodes_asking_at_once_never_pass_the_cap
    a_month_cap_outlives_the_day
    a_negative_credit_limit_keeps_money_in_the_account
    what_we_owe_is_the_carriers_money_where_it_is_netted
    a_payout_lowers_what_we_owe
    a_statement_carries_the_balance_from_page_to_page
    a_notice_is_raised_once_and_cleared_when_the_balance_is_well_back
    each_account_is_held_against_its_own_day_and_month
    a_notice_is_tried_again_until_it_is_told
    what_was_spent_lately_says_how_long_the_money_lasts
    a_pace_that_money_outlasts_for_ever_is_no_small_number
    nonsense_is_refused
}

async fn collect(store: &Store, cdrs: &[cdr::Cdr], offset: u64) {
    let cursor = Cursor { boot: 1, segment: 1, offset };
    let batch = Batch { node: NodeId(1), kind: "journal", folder: "f", cdrs, traces: &[], cursor };
    store.insert_cdrs(batch).await.unwrap();
}

async fn change(store: &Store, id: u32, change: impl FnOnce(&mut AccountDraft)) {
    let mut edit = store.edit().await.unwrap();
    let stands = edit.get::<AccountDraft>(id).await.unwrap();
    let mut draft = stands.draft.clone();
    change(&mut draft);
    edit.update(id, &draft, Some(stands.version)).await.unwrap();
    edit.commit().await.unwrap();
}

async fn capped(store: &Store, caps: Caps) -> (World, AccountId) {
    let w = world(store).await;
    store.payment(w.payer, money("1000"), "opening", "").await.unwrap();
    change(store, w.payer, |draft| draft.caps = caps).await;
    (w, AccountId(w.payer))
}

fn ask(want: &str) -> Ask {
    Ask { want: money(want), slice: money(want) }
}

async fn lent(store: &Store, sequence: u64, account: AccountId, want: &str) -> Money {
    store.grant(grant_id(sequence), account, ask(want)).await.unwrap().amount
}

/// Why nothing is lent.
async fn refused(store: &Store, sequence: u64, account: AccountId, want: &str) -> Cause {
    let answer = store.grant(grant_id(sequence), account, ask(want)).await.unwrap();
    assert_eq!(answer.amount, Money::ZERO);
    answer.cause.unwrap()
}

async fn a_day_cap_lends_no_more_than_the_day_may_cost(store: Store) {
    let caps = Caps { zone: "Asia/Tokyo".into(), day: Some(money("10")), month: None };
    let (_, account) = capped(&store, caps).await;
    assert_eq!(lent(&store, 1, account, "6").await, money("6"));
    assert_eq!(lent(&store, 2, account, "6").await, money("4"), "what is held counts as spent");
    assert_eq!(refused(&store, 3, account, "6").await, Cause::DAY_CAP);
    store.close(grant_id(2), account, Money::ZERO).await.unwrap();
    assert_eq!(lent(&store, 4, account, "6").await, money("4"), "what comes back may be lent again");
}

async fn many_nodes_asking_at_once_never_pass_the_cap(store: Store) {
    let (w, account) = capped(&store, Caps { day: Some(money("7.5")), ..Caps::default() }).await;
    let asks = (0..12).map(|sequence| {
        let store = store.clone();
        tokio::spawn(async move { lent(&store, sequence, account, "1").await })
    });
    let mut sum = Money::ZERO;
    for ask in asks.collect::<Vec<_>>() {
        sum += ask.await.unwrap();
    }
    assert_eq!(sum, money("7.5"), "all of it, and not a unit more");
    assert_eq!(store.balance(w.payer).await.unwrap().held, money("7.5"));
}

async fn a_month_cap_outlives_the_day(store: Store) {
    let (w, account) = capped(&store, Caps { month: Some(money("3")), ..Caps::default() }).await;
    assert_eq!(lent(&store, 1, account, "2").await, money("2"));
    let spent = call(w, 1, "2", &[(grant_id(1), "2")]);
    collect(&store, &[spent], 1).await;
    store.close(grant_id(1), account, money("2")).await.unwrap();
    assert_eq!(lent(&store, 2, account, "2").await, money("1"), "two of three are spent");
    assert_eq!(refused(&store, 3, account, "2").await, Cause::MONTH_CAP);
}

async fn a_negative_credit_limit_keeps_money_in_the_account(store: Store) {
    let (w, account) = capped(&store, Caps::default()).await;
    change(&store, w.payer, |draft| draft.credit_limit = Some(money("-990"))).await;
    assert_eq!(store.balance(w.payer).await.unwrap().available, money("10"));
    assert_eq!(lent(&store, 1, account, "50").await, money("10"));
    assert_eq!(refused(&store, 2, account, "1").await, Cause::MINIMUM_KEPT);
}

async fn what_we_owe_is_the_carriers_money_where_it_is_netted(store: Store) {
    let w = world(&store).await;
    collect(&store, &[call(w, 1, "5", &[])], 1).await;
    let owed = store.balance(w.payee).await.unwrap();
    assert!(owed.owed.is_positive() && owed.available == Money::ZERO);
    change(&store, w.payee, |draft| draft.netted = true).await;
    let netted = store.balance(w.payee).await.unwrap();
    assert_eq!((netted.available, netted.funds, netted.owed), (owed.owed, owed.owed, owed.owed));
    assert!(lent(&store, 1, AccountId(w.payee), "0.000001").await.is_positive(), "it calls for what it earned");
    collect(&store, &[call(w, 2, "5", &[])], 2).await;
    assert_eq!(store.balance(w.payee).await.unwrap().funds, owed.owed + owed.owed, "later costs count at once");
    change(&store, w.payee, |draft| draft.netted = false).await;
    let apart = store.balance(w.payee).await.unwrap();
    assert_eq!((apart.funds, apart.owed), (Money::ZERO, owed.owed + owed.owed));
}

async fn a_payout_lowers_what_we_owe(store: Store) {
    let w = world(&store).await;
    let book = async |kind, amount: &str, reference: &str| {
        let mut edit = store.edit().await.unwrap();
        let made = edit.book(kind, w.payee, money(amount), reference, "").await?;
        edit.commit().await.unwrap();
        Ok::<_, StoreError>(made)
    };
    assert!(book(Booking::Payout, "4", "transfer-1").await.unwrap().booked);
    let again = book(Booking::Payout, "4", "transfer-1").await.unwrap();
    assert_eq!((again.booked, again.amount, again.kind), (false, money("4"), Booking::Payout));
    assert!(book(Booking::Payment, "4", "transfer-1").await.is_err(), "the same reference means the same booking");
    let balance = store.balance(w.payee).await.unwrap();
    assert_eq!((balance.owed, balance.funds), (money("-4"), Money::ZERO));
    book(Booking::Correction, "1.5", "credit-note-1").await.unwrap();
    assert_eq!(store.balance(w.payee).await.unwrap().available, money("1.5"));
}

async fn a_statement_carries_the_balance_from_page_to_page(store: Store) {
    let w = world(&store).await;
    for (number, amount) in ["10", "20", "-5", "3"].into_iter().enumerate() {
        store.payment(w.payer, money(amount), &format!("p{number}"), "").await.unwrap();
    }
    change(&store, w.payer, |draft| draft.credit_limit = Some(money("100"))).await;
    collect(&store, &[call(w, 1, "8", &[])], 1).await;
    let (mut balances, mut before) = (Vec::new(), None);
    loop {
        let from = before.as_ref().map(|(at, id, balance): &(_, String, _)| (*at, id.as_str(), *balance));
        let part = store.statement(w.payer, from, 2).await.unwrap();
        let Some((last, after)) = part.last() else { break };
        before = Some((last.at, last.id.clone(), *after - last.moved()));
        balances.extend(part.iter().map(|(_, after)| *after));
    }
    let wanted = ["20", "28", "28", "25", "30", "10"].map(money);
    assert_eq!(balances, wanted, "newest first; a credit limit is no money");
}

async fn a_notice_is_raised_once_and_cleared_when_the_balance_is_well_back(store: Store) {
    let w = world(&store).await;
    let thresholds = Thresholds { low: Some(money("50")), high: Some(money("500")), ..Thresholds::default() };
    change(&store, w.payer, |draft| draft.thresholds = thresholds).await;
    assert_eq!(store.watch_balances().await.unwrap(), 1, "nothing is less than 50");
    assert_eq!(store.watch_balances().await.unwrap(), 0, "told once");
    store.payment(w.payer, money("52"), "a", "").await.unwrap();
    assert_eq!(store.watch_balances().await.unwrap(), 0, "not well back");
    store.payment(w.payer, money("600"), "b", "").await.unwrap();
    assert_eq!(store.watch_balances().await.unwrap(), 2, "well back, and high");
    assert_eq!(store.standing_notices().await.unwrap(), 1);
    let notices = store.notices(Some(w.payer), None, 10).await.unwrap();
    let told: Vec<_> = notices.iter().map(|notice| (notice.kind.as_str(), notice.cleared.is_some())).collect();
    assert_eq!(told, [("high", false), ("low", true)]);
    assert_eq!(notices[0].value, money("652"));
    assert!(store.take_due_notices(|_, _| true).await.unwrap().is_empty(), "nobody wants to be told");
    let first = (notices[0].raised, notices[0].id.as_str());
    assert_eq!(store.notices(None, Some(first), 10).await.unwrap().len(), 1);
    let caps = Caps { day: Some(money("3")), ..Caps::default() };
    change(&store, w.payer, |draft| (draft.caps, draft.thresholds) = (caps, Thresholds::default())).await;
    assert_eq!(store.watch_balances().await.unwrap(), 1, "a threshold that is gone stands no more");
    collect(&store, &[call(w, 1, "3", &[])], 1).await;
    assert_eq!(store.watch_balances().await.unwrap(), 1);
    assert_eq!(store.notices(None, None, 1).await.unwrap()[0].kind, "day_cap");
}

async fn each_account_is_held_against_its_own_day_and_month(store: Store) {
    let w = world(&store).await;
    let of_payer: AccountDraft = store.get(w.payer).await.unwrap().draft;
    let mut edit = store.edit().await.unwrap();
    for (number, zone) in ["Pacific/Kiritimati", "Etc/GMT+12", "", "Asia/Tokyo"].into_iter().enumerate() {
        let caps = Caps { zone: zone.into(), day: Some(money("2")), month: Some(money("3")) };
        edit.create(&AccountDraft { code: format!("idle{number}"), caps, ..of_payer.clone() }).await.unwrap();
    }
    edit.commit().await.unwrap();
    let caps = Caps { zone: "Asia/Tokyo".into(), day: Some(money("3")), month: Some(money("4")) };
    change(&store, w.payer, |draft| draft.caps = caps).await;
    collect(&store, &[call(w, 1, "3", &[])], 1).await;
    assert_eq!(store.watch_balances().await.unwrap(), 1, "nobody else's calls count");
    let notices = store.notices(None, None, 9).await.unwrap();
    let told: Vec<_> = notices.iter().map(|notice| (notice.account, notice.kind.as_str(), notice.value)).collect();
    assert_eq!(told, [(w.payer, "day_cap", money("3"))]);
    collect(&store, &[call(w, 2, "1", &[])], 2).await;
    assert_eq!(store.watch_balances().await.unwrap(), 1, "and the month");
}

async fn a_notice_is_tried_again_until_it_is_told(store: Store) {
    let w = world(&store).await;
    let (mail, url) = ("noc@example.net, billing@example.net".to_owned(), "http://127.0.0.1:9/hook".to_owned());
    let thresholds = Thresholds { low: Some(money("1")), high: None, mail, url };
    change(&store, w.payer, |draft| draft.thresholds = thresholds).await;
    store.watch_balances().await.unwrap();
    let secret = [7; 32];
    store.set_notice_secret(w.payer, &secret).await.unwrap();
    let none = store.take_due_notices(|way, _| way == Way::Mail).await.unwrap();
    assert_eq!(none.iter().map(|due| due.way).collect::<Vec<_>>(), [Way::Mail], "there is no room for another");
    let due = store.take_due_notices(|_, _| true).await.unwrap();
    assert_eq!(due.iter().map(|due| due.way).collect::<Vec<_>>(), [Way::Url], "what is taken is taken once");
    let (id, account) = (due[0].notice.id.as_str(), due[0].account.id);
    assert_eq!((account, due[0].secret.as_deref()), (w.payer, Some(&secret[..])));
    let tried = async |way, problem| store.notice_tried(id, way, Duration::from_millis(12), problem).await.unwrap();
    tried(Way::Mail, None).await;
    tried(Way::Url, Some("nobody answers")).await;
    assert!(store.take_due_notices(|_, _| true).await.unwrap().is_empty(), "after a pause");
    let stands = async || store.notices(None, None, 1).await.unwrap().remove(0);
    let now = stands().await;
    assert_eq!((now.mail_tries, now.url_tries, now.problem.as_str()), (None, Some(1), "nobody answers"));
    store.count_notices().await.unwrap();
    let figures = store.notice_figures();
    let figures = [&figures.sent, &figures.failed, &figures.waiting].map(|figure| figure.load(Ordering::Relaxed));
    assert_eq!(figures, [1, 1, 1]);
    for _ in 0..22 {
        tried(Way::Url, Some("nobody answers")).await;
    }
    let now = stands().await;
    assert_eq!((now.url_tries, now.problem.as_str()), (None, "nobody answers"), "given up, and why");
    let log = store.notice_tries(id).await.unwrap();
    assert_eq!(
        (log.len(), log[0].way.as_str(), log[1].took_ms, log[1].problem.as_str()),
        (24, "mail", 12, "nobody answers")
    );
    store.replay_notice(id).await.unwrap();
    assert_eq!(store.take_due_notices(|_, _| true).await.unwrap().len(), 2, "both ways again");
    assert!(store.replay_notice("low:9:1").await.is_err() && store.notice_tries("low:9:1").await.is_err());
}

async fn what_was_spent_lately_says_how_long_the_money_lasts(store: Store) {
    let (w, _) = capped(&store, Caps::default()).await;
    let spending = async || {
        let accounts = store.all::<AccountDraft>().await.unwrap();
        let place = accounts.iter().position(|account| account.id == w.payer).unwrap();
        let spending = store.spending(&accounts).await.unwrap();
        assert_eq!(spending.len(), accounts.len());
        let others = spending.iter().enumerate().filter(|(other, _)| *other != place);
        assert!(others.into_iter().all(|(_, other)| (other.day, other.runway_s) == (Money::ZERO, None)));
        spending[place]
    };
    let before = spending().await;
    assert_eq!((before.day, before.runway_s), (Money::ZERO, None));
    collect(&store, &[call(w, 1, "500", &[])], 1).await;
    let after = spending().await;
    assert_eq!((after.day, after.month), (money("500"), money("500")));
    let runway_s = after.runway_s.unwrap();
    assert!((86_400..=172_800).contains(&runway_s), "half went in a day or two, half is left: {runway_s}");
}

async fn a_pace_that_money_outlasts_for_ever_is_no_small_number(store: Store) {
    let (w, _) = capped(&store, Caps::default()).await;
    store.payment(w.payer, money("900000000"), "plenty", "").await.unwrap();
    collect(&store, &[call(w, 1, "0.000001", &[])], 1).await;
    let account = store.get::<AccountDraft>(w.payer).await.unwrap();
    let runway_s = store.spending(&[account]).await.unwrap()[0].runway_s;
    assert_eq!(runway_s, Some(i64::MAX.unsigned_abs()), "more seconds than a number holds");
}

async fn nonsense_is_refused(store: Store) {
    let w = world(&store).await;
    let refused = async |change: &dyn Fn(&mut AccountDraft)| {
        let mut edit = store.edit().await.unwrap();
        let stands = edit.get::<AccountDraft>(w.payer).await.unwrap();
        let mut draft = stands.draft.clone();
        change(&mut draft);
        matches!(edit.update(w.payer, &draft, Some(stands.version)).await, Err(StoreError::Invalid { .. }))
    };
    assert!(refused(&|draft| draft.caps.zone = "Mars/Olympus".into()).await);
    assert!(refused(&|draft| draft.caps.day = Some(Money::ZERO)).await);
    assert!(refused(&|draft| draft.thresholds.mail = "nobody".into()).await);
    assert!(refused(&|draft| draft.thresholds.url = "file:///etc/passwd".into()).await);
    let (low, high) = (Some(money("2")), Some(money("1")));
    assert!(refused(&|draft| (draft.thresholds.low, draft.thresholds.high) = (low, high)).await);
}
