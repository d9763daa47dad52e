//! Stories about recorded calls that are decided again, and about the decks that price them, by the program that operators run.
#![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Output};

use cdr::{Cdr, Priced};
use panel::wire::{self, Answer, Frame, RoomRow};
use rating::{Ask, Policies, Routes};
use serde_json::{Value, json};
use snapshot::{Model, View};
use store::{Batch, Cursor, Store};
use tandem_controlplane::apply::{Files, Input, apply};
use tandem_controlplane::folder::Folder;
use units::{AttemptIndex, CallId, Money, NodeId, Number, ShardId, Terms, WallTime};

/// One originator, two terminators; the cheap one does not sell 4477.
const SWITCH: &str = r#"
carriers: [{ code: acme }, { code: oria }, { code: blux }]
accounts:
  - { code: acme-usd, carrier: acme }
  - { code: oria-usd, carrier: oria }
  - { code: blux-usd, carrier: blux }
decks:
  - { code: acme-sell, rates: [{ prefix: "44", rate: "0.06" }] }
  - { code: oria-buy, rates: [{ prefix: "4420", rate: "0.012" }] }
  - { code: blux-buy, rates: [{ prefix: "44", rate: "0.03" }] }
egress_trunks:
  - { code: oria-1, carrier: oria, account: oria-usd, address: "127.0.2.1:5060", buy_deck: oria-buy }
  - { code: blux-1, carrier: blux, account: blux-usd, address: "127.0.2.2:5060", buy_deck: blux-buy }
plans:
  - { code: main, routes: [{ egress_trunk: oria-1 }, { egress_trunk: blux-1 }] }
ingress_trunks:
  - { code: acme-in, carrier: acme, account: acme-usd, sources: [127.0.1.0/24], plan: main, sell_deck: acme-sell }
"#;

/// A node's folder with a database and a published snapshot, and nobody who serves them.
struct Scene {
    folder: Folder,
    store: Store,
    temporary: tempfile::TempDir,
}

impl Scene {
    async fn new() -> Scene {
        let temporary = tempfile::tempdir().unwrap();
        let folder = Folder::open(&temporary.path().join("node")).unwrap();
        let store = Store::open(&folder.default_database()).await.unwrap();
        let scene = Scene { folder, store, temporary };
        scene.publish(SWITCH).await;
        scene
    }

    /// Applies a file and writes the snapshot of what stands afterwards.
    async fn publish(&self, yaml: &str) -> Model {
        let files = Files::Inline(Default::default());
        let input = Input { name: "switch.yaml".into(), yaml: yaml.into(), files };
        apply(&self.store, &input, false, None).await.unwrap();
        let model = self.store.model().await.unwrap();
        let name = format!("{}.snap", model.revision.0);
        std::fs::write(self.folder.snapshots().join(&name), model.encode().unwrap()).unwrap();
        std::fs::write(self.folder.snapshots().join("current"), name).unwrap();
        model
    }

    /// Calls as the data plane would have recorded them; every third is not answered.
    async fn record(&self, model: &Model, calls: u64) -> Vec<Cdr> {
        let image = model.encode().unwrap();
        let view = View::open(&image);
        let cdrs: Vec<Cdr> = (0..calls).map(|sequence| recorded(&view, sequence)).collect();
        let cursor = Cursor { boot: 1, segment: 1, offset: calls };
        let batch = Batch { node: NodeId(1), kind: "journal", folder: "test", cdrs: &cdrs, traces: &[], cursor };
        self.store.insert_cdrs(batch).await.unwrap();
        cdrs
    }

    fn file(&self, name: &str) -> String {
        self.temporary.path().join(name).display().to_string()
    }

    fn tandem(&self, words: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tandem"));
        command.args(words).env("TANDEM_DATA", self.folder.path()).env_remove("TANDEM_DATABASE").output().unwrap()
    }

    /// The JSON that a command prints, and its exit code.
    fn json(&self, words: &[&str]) -> (Value, Option<i32>) {
        let output = self.tandem(&[words, &["-o", "json"]].concat());
        let value = serde_json::from_slice(&output.stdout);
        (value.unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr))), output.status.code())
    }
}

fn recorded(view: &View<'_>, sequence: u64) -> Cdr {
    let called = Number::parse(if sequence.is_multiple_of(2) { b"442071838750" } else { b"447700900123" }).unwrap();
    let started = WallTime::from_micros(1_767_225_600_000_000 + sequence as i64 * 1_000_000);
    let trunk = view.ingress_trunks().next().unwrap();
    let sell = rating::quote(view, trunk.sell_deck(), &called.into(), started).unwrap();
    let (ingress, plan, originator) = (trunk.id(), trunk.plan(), trunk.carrier());
    let ask =
        Ask { node: NodeId(1), ingress, plan, sell, originator, called, at: started, seed: sequence, ..Ask::default() };
    let mut cdr = Cdr {
        call: CallId { node: NodeId(1), boot: 1, shard: ShardId(0), sequence },
        attempt: AttemptIndex(0),
        attempts: 1,
        revision: view.revision(),
        originator,
        ingress_trunk: ingress,
        called,
        called_routed: called,
        started,
        ..Cdr::default()
    };
    let mut routes = Routes::default();
    rating::routes(view, &Policies::default(), &ask, &mut routes).unwrap();
    rating::decision::encode(view.revision(), &ask, &routes, &mut cdr.decision);
    let best = routes.kept()[0];
    (cdr.terminator, cdr.egress_trunk) = (best.carrier, best.egress);
    if sequence % 3 != 2 {
        (cdr.answered_ms, cdr.duration_ms) = (Some(2_000), 60_000);
        (cdr.sell, cdr.buy) = (Some(priced(sell)), Some(priced(best.buy.unwrap())));
    }
    cdr
}

fn priced(terms: Terms) -> Priced {
    let charge = rating::charge(&terms, 60_000);
    Priced { terms, billed_s: charge.billed_s, price: charge.price, tax: charge.tax }
}

const DAY: [&str; 4] = ["--from", "2026-01-01", "--till", "2026-01-02"];

#[tokio::test]
async fn every_recorded_decision_is_made_again_here_and_elsewhere() {
    let scene = Scene::new().await;
    let model = scene.store.model().await.unwrap();
    scene.record(&model, 1_500).await;
    let (report, code) = scene.json(&[&["replay"][..], &DAY].concat());
    assert_eq!((report["calls"].as_u64(), report["same"].as_u64(), code), (Some(1_500), Some(1_500), Some(0)));
    // The same on another machine: an exported file, and a folder with the snapshots.
    let file = scene.file("day.ndjson");
    assert!(scene.tandem(&[&["replay", "--export", &file][..], &DAY].concat()).status.success());
    assert_eq!(std::fs::read_to_string(&file).unwrap().lines().count(), 1_500);
    let elsewhere = scene.file("elsewhere");
    std::fs::rename(scene.folder.snapshots(), &elsewhere).unwrap();
    let (report, code) = scene.json(&["replay", "--file", &file, "--snapshots", &elsewhere]);
    assert_eq!((report["same"].as_u64(), code), (Some(1_500), Some(0)));
}

#[tokio::test]
async fn what_differs_is_named_with_exit_code_3() {
    let scene = Scene::new().await;
    let model = scene.store.model().await.unwrap();
    scene.record(&model, 10).await;
    // Somebody has exchanged the snapshot: the same number, another rate.
    let mut changed = model.clone();
    let deck = changed.decks.iter_mut().find(|deck| deck.code == "oria-buy").unwrap();
    deck.rates[0].per_minute = Money::parse("0.04").unwrap();
    let path = scene.folder.snapshots().join(format!("{}.snap", model.revision.0));
    std::fs::write(&path, changed.encode().unwrap()).unwrap();
    let (report, code) = scene.json(&[&["replay"][..], &DAY].concat());
    assert_eq!((report["same"].as_u64(), report["differing"].as_u64(), code), (Some(5), Some(5), Some(3)));
    let inputs: Vec<_> = report["differences"].as_array().unwrap().iter().map(told).collect();
    assert!(inputs.contains(&"oria-1: buy rate in oria-buy: price of a minute: 0.012 → 0.04".into()), "{inputs:?}");
    assert!(inputs.contains(&"order: oria-1, blux-1 → blux-1, oria-1".into()), "{inputs:?}");
    // It is gone.
    std::fs::remove_file(&path).unwrap();
    let (report, code) = scene.json(&[&["replay"][..], &DAY].concat());
    assert_eq!((report["missing"].as_u64(), code), (Some(10), Some(3)));
    assert_eq!(report["missing_revisions"][0].as_u64(), Some(model.revision.0));
}

#[tokio::test]
async fn a_price_that_no_rate_explains_and_a_broken_record_are_named() {
    let scene = Scene::new().await;
    let model = scene.store.model().await.unwrap();
    let cdrs = scene.record(&model, 2).await;
    let mut odd = cdrs[0].clone();
    odd.call.sequence = 7;
    odd.sell.as_mut().unwrap().price = Money::parse("9").unwrap();
    let mut broken = cdrs[0].clone();
    (broken.call.sequence, broken.decision) = (8, vec![255, 1, 2]);
    let cursor = Cursor { boot: 1, segment: 1, offset: 9 };
    // As an earlier Tandem wrote it.
    let mut older = cdrs[0].clone();
    (older.call.sequence, older.decision[0]) = (9, 6);
    let mut torn = cdrs[0].clone();
    torn.call.sequence = 10;
    torn.decision.truncate(20);
    let cdrs = [odd, broken, older, torn];
    let batch = Batch { node: NodeId(1), kind: "journal", folder: "test", cdrs: &cdrs, traces: &[], cursor };
    scene.store.insert_cdrs(batch).await.unwrap();
    let (report, code) = scene.json(&[&["replay"][..], &DAY].concat());
    assert_eq!((report["same"].as_u64(), report["unreadable"].as_u64(), code), (Some(2), Some(3), Some(3)));
    let inputs: Vec<_> = report["differences"].as_array().unwrap().iter().map(told).collect();
    for named in ["format 255", "format 6"] {
        let said = format!("decision record: {named} → only format {} can be replayed", rating::decision::FORMAT);
        assert!(inputs.contains(&said), "{inputs:?}");
    }
    assert!(inputs.contains(&"decision record: 20 bytes → cannot be read".into()), "{inputs:?}");
    assert!(inputs.contains(&"sell price: 9.00 for 60 s → 0.06 for 60 s".into()), "{inputs:?}");
}

#[tokio::test]
async fn a_file_that_is_no_export_is_refused_with_its_line() {
    let scene = Scene::new().await;
    let file = scene.file("odd.ndjson");
    let snapshots = scene.folder.snapshots();
    for (text, why) in [("{}\n", "odd.ndjson:1"), ("\n", "odd.ndjson:1")] {
        std::fs::write(&file, text).unwrap();
        let output = scene.tandem(&["replay", "--file", &file, "--snapshots", &snapshots.display().to_string()]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains(why) && output.status.code() == Some(1), "{said}");
    }
    assert!(Path::new(&file).exists());
}

#[tokio::test]
async fn a_draft_says_what_it_would_have_changed() {
    let scene = Scene::new().await;
    let model = scene.store.model().await.unwrap();
    scene.record(&model, 600).await;
    // As it stands: 300 calls each by oria and blux; 200 of either are answered for a minute.
    let (same, code) = scene.json(&[&["whatif"][..], &DAY].concat());
    assert_eq!((same["calls"].as_u64(), same["moved"].as_u64(), code), (Some(600), Some(0), Some(0)));
    assert_eq!(same["before"], same["after"]);
    assert_eq!(same["after"]["money"][0]["margin"], "15.60");
    // blux wants more than calls are sold for; oria sells everything, a little dearer.
    let csv = scene.file("oria.csv");
    std::fs::write(&csv, "prefix,rate\n44,0.02\n").unwrap();
    let plan = scene.file("draft.yaml");
    std::fs::write(&plan, "decks:\n  - { code: blux-buy, rates: [{ prefix: \"44\", rate: \"0.07\" }] }\n").unwrap();
    let (report, _) = scene.json(&[&["whatif", "--plan", &plan][..], &DAY].concat());
    assert_eq!((report["before"]["blocked"].as_u64(), report["after"]["blocked"].as_u64()), (Some(0), Some(300)));
    assert_eq!(
        (&report["after"]["causes"]["324"], &report["after"]["money"][0]["revenue"]),
        (&300.into(), &"12.00".into())
    );
    let deck = format!("oria-buy={csv}");
    let (report, _) = scene.json(&[&["whatif", "--plan", &plan, "--deck", &deck][..], &DAY].concat());
    assert_eq!((report["moved"].as_u64(), report["after"]["blocked"].as_u64()), (Some(300), Some(0)));
    assert_eq!(
        (&report["after"]["money"][0]["cost"], &report["before"]["money"][0]["cost"]),
        (&"8.00".into(), &"8.40".into())
    );
    let oria = &report["terminators"][0];
    assert_eq!(
        (&oria["terminator"], &oria["percent_before"], &oria["percent_after"]),
        (&"oria".into(), &50.0.into(), &100.0.into())
    );
    assert_eq!((oria["minutes_before"].as_u64(), oria["minutes_after"].as_u64()), (Some(200), Some(400)));
    // Nothing of it was done, and a wrong draft is told.
    assert_eq!(scene.store.model().await.unwrap().decks, model.decks);
    std::fs::write(&plan, "decks: [{ code: blux-buy, rates: [{ prefix: x, rate: \"0.07\" }] }]\n").unwrap();
    assert_eq!(scene.tandem(&[&["whatif", "--plan", &plan][..], &DAY].concat()).status.code(), Some(5));
}

#[tokio::test]
async fn calls_are_simulated_by_the_file_and_by_draft_and_by_older_revision() {
    let scene = Scene::new().await;
    let first = scene.store.model().await.unwrap().revision.0.to_string();
    let csv = scene.file("calls.csv");
    std::fs::write(&csv, "called,trunk\n442071838750,acme-in\n447700900123,acme-in\n12,acme-in\nx y,acme-in\n")
        .unwrap();
    let simulated = |more: &[&str]| {
        let output = scene.tandem(&[&["route", "simulate", "--batch", &csv][..], more].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let rows = |text: &str| {
        let row = |line: &str| {
            let row: Value = serde_json::from_str(line).unwrap();
            let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
            format!("{} {} {} {}", row["row"], text("outcome"), text("routes"), row["cause"])
        };
        text.lines().map(row).collect::<Vec<_>>()
    };
    let stands = ["2 routed oria-1 blux-1 null", "3 routed blux-1 null", "4 refused  307", "5 wrong  null"];
    assert_eq!(rows(&simulated(&["-o", "json"])), stands);
    assert_eq!(simulated(&[]).lines().count(), 5);
    // A draft that nobody applies.
    let draft = scene.file("draft.yaml");
    std::fs::write(&draft, "egress_trunks: [{ code: blux-1, carrier: blux, account: blux-usd, address: \"127.0.2.2:5060\", buy_deck: blux-buy, active: false }]\n").unwrap();
    let drafted = ["2 routed oria-1 null", "3 refused  310", "4 refused  307", "5 wrong  null"];
    assert_eq!(rows(&simulated(&["-o", "json", "--draft", &draft])), drafted);
    assert_eq!(rows(&simulated(&["-o", "json"])), stands);
    // Somebody applies it: what stood before is still there to be asked.
    scene.publish(&std::fs::read_to_string(&draft).unwrap()).await;
    assert_eq!(rows(&simulated(&["-o", "json"])), drafted);
    assert_eq!(rows(&simulated(&["-o", "json", "--revision", &first])), stands);
    let one = ["route", "simulate", "447700900123", "--as", "acme-in", "--live", "false", "--revision", &first];
    let one = scene.json(&one);
    assert_eq!((one.0["candidates"][0]["kept"].as_bool(), one.1), (Some(true), Some(0)));
    assert_eq!(one.0["limits_unknown"], "limits and money: not asked");
    assert_eq!(scene.tandem(&["route", "simulate", "--batch", &draft]).status.code(), Some(1));
}

/// Stands in for a data plane: every question is answered with these rooms, and with figures that know nothing.
fn data_plane(socket: &Path, rooms: Vec<RoomRow>) {
    let listener = std::os::unix::net::UnixListener::bind(socket).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
            let asked = lines.find_map(|line| match serde_json::from_str(&line) {
                Ok(Frame::Ask { id, ask }) => Some((id, ask)),
                _ => None,
            });
            let Some((id, ask)) = asked else { continue };
            let answer = match ask {
                wire::Ask::Rooms => Answer::Rooms(rooms.clone()),
                _ => Answer::Figures(Box::default()),
            };
            let line = serde_json::to_string(&Frame::Answer { id, answer }).unwrap();
            // Whoever asked may have gone.
            let _ = writeln!(&stream, "{line}");
        }
    });
}

#[tokio::test]
async fn the_command_line_says_which_limit_or_purse_would_refuse_a_call_or_pass_over_a_route_now() {
    let scene = Scene::new().await;
    let ask = ["route", "simulate", "442071838750", "--as", "acme-in"];
    let room = |of: &str, id, calls| RoomRow { of: of.into(), id, calls, ..RoomRow::default() };
    // Nobody has paid, and no data plane is there.
    let (told, code) = scene.json(&ask);
    assert_eq!(
        (&told["hurdles"][0]["cause"], &told["refused_now"]["cause"], code),
        (&306.into(), &306.into(), Some(5))
    );
    assert_eq!(told["limits_unknown"], "capacity and CPS: the data plane does not answer");
    let text = String::from_utf8(scene.tandem(&ask).stdout).unwrap();
    assert!(text.contains("at this moment the call would be refused: cause 306, originator minimum balance"), "{text}");
    assert!(text.ends_with("not looked at: capacity and CPS: the data plane does not answer\n"), "{text}");
    // Money is there; the first trunk and then both are full.
    let model = scene.store.model().await.unwrap();
    let payer = model.ingress_trunks[0].account;
    scene.store.payment(payer.0, Money::from_nanos(5 * Money::NANOS), "paid", "").await.unwrap();
    let [oria, blux] = ["oria-1", "blux-1"].map(|code| {
        let egress = |trunk: &&snapshot::EgressTrunk| trunk.code == code;
        model.egress_trunks.iter().find(egress).unwrap().id.0
    });
    let limited = SWITCH.replace("buy_deck: oria-buy }", "buy_deck: oria-buy, capacity: 2 }");
    let limited = limited.replace("buy_deck: blux-buy }", "buy_deck: blux-buy, capacity: 3 }");
    assert_eq!(limited.matches("capacity").count(), 2);
    scene.publish(&limited).await;
    data_plane(&scene.folder.socket(), vec![room("egress_trunk", oria, 2), room("egress_trunk", blux, 2)]);
    let (told, code) = scene.json(&ask);
    assert_eq!((&told["hurdles"], &told["limits_unknown"], code), (&json!([]), &json!(null), Some(0)));
    let full = json!([{ "cause": 327, "certain": true, "reason": "the egress trunk has 2 of 2 calls" }]);
    assert_eq!((&told["candidates"][0]["hurdles"], &told["candidates"][1]["hurdles"]), (&full, &json!([])));
    let text = String::from_utf8(scene.tandem(&ask).stdout).unwrap();
    assert!(text.contains("passed over: 327, the egress trunk has 2 of 2 calls"), "{text}");

    let csv = scene.file("calls.csv");
    std::fs::write(&csv, "called,trunk,at\n442071838750,acme-in,\n442071838750,acme-in,2099-01-01T00:00:00Z\n")
        .unwrap();
    let batch = || {
        let text = scene.tandem(&["route", "simulate", "--batch", &csv, "-o", "json"]).stdout;
        let text = String::from_utf8(text).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<Value>>()
    };
    let rows = batch();
    assert_eq!((&rows[0]["routes"], &rows[0]["routes_now"]), (&json!("oria-1 blux-1"), &json!("blux-1")));
    assert_eq!(rows[0]["now"], "oria-1: 327 the egress trunk has 2 of 2 calls");
    assert_eq!((&rows[0]["now_cause"], &rows[0]["limits_unknown"]), (&json!(null), &json!(null)));
    assert_eq!(
        (&rows[1]["routes_now"], &rows[1]["limits_unknown"]),
        (&json!(null), &json!("limits and money: asked about another moment"))
    );
    // A draft's limits count for what is asked under it.
    let draft = scene.file("draft.yaml");
    std::fs::write(&draft, limited.replace("capacity: 3", "capacity: 2")).unwrap();
    let (told, code) = scene.json(&[&ask[..], &["--draft", &draft]].concat());
    assert_eq!((&told["refused_now"]["cause"], code), (&json!(327), Some(5)));
    let (told, code) = scene.json(&[&ask[..], &["--draft", &draft, "--live", "false"]].concat());
    assert_eq!((&told["refused_now"], code), (&json!(null), Some(0)));
}

fn told(row: &Value) -> String {
    let text = |name: &str| row[name].as_str().unwrap().to_owned();
    format!("{}: {} → {}", text("input"), text("recorded"), text("repeated"))
}

#[tokio::test]
async fn decks_are_listed_with_how_many_rates_they_hold() {
    let scene = Scene::new().await;
    let (decks, code) = scene.json(&["deck", "list"]);
    assert_eq!(code, Some(0));
    let told: Vec<_> =
        decks.as_array().unwrap().iter().map(|deck| json!([deck["id"], deck["code"], deck["rates"]])).collect();
    assert_eq!(
        told,
        [json!(["dck_1", "acme-sell", 1]), json!(["dck_2", "oria-buy", 1]), json!(["dck_3", "blux-buy", 1])]
    );
    let table = String::from_utf8(scene.tandem(&["decks", "ls"]).stdout).unwrap();
    assert!(table.starts_with("id") && table.contains("acme-sell") && table.contains("USD"), "{table}");
}

#[tokio::test]
async fn what_stands_in_the_configuration_is_listed_by_its_nouns() {
    let scene = Scene::new().await;
    let told = |noun: &str, fields: &[&str]| {
        let (found, code) = scene.json(&[noun, "list"]);
        assert_eq!(code, Some(0));
        let row = |it: &Value| Value::Array(fields.iter().map(|field| it[*field].clone()).collect());
        Value::Array(found.as_array().unwrap().iter().map(row).collect())
    };
    let all = json!([["car_1", "acme", false], ["car_2", "oria", false], ["car_3", "blux", false]]);
    assert_eq!(told("carriers", &["id", "code", "blocked"]), all);
    let trunks = json!([
        ["itr_1", "acme-in", "ingress", "acme", ["127.0.1.0/24"], "main", null],
        ["etr_1", "oria-1", "egress", "oria", ["127.0.2.1:5060"], null, null],
        ["etr_2", "blux-1", "egress", "blux", ["127.0.2.2:5060"], null, null],
    ]);
    assert_eq!(told("trunks", &["id", "code", "side", "carrier", "addresses", "plan", "capacity"]), trunks);
    assert_eq!(
        told("plans", &["id", "code", "order", "routes", "failover"]),
        json!([["pln_1", "main", "lcr", 2, null]])
    );
    let table = String::from_utf8(scene.tandem(&["trunks", "ls"]).stdout).unwrap();
    assert!(table.lines().nth(1).is_some_and(|line| line.contains("acme-in") && line.contains("yes")), "{table}");
}

#[tokio::test]
async fn shells_and_readers_of_manuals_learn_every_noun() {
    let scene = Scene::new().await;
    for shell in ["bash", "zsh", "fish"] {
        let script = String::from_utf8(scene.tandem(&["completions", shell]).stdout).unwrap();
        assert!(["trunks", "deck", "whatif"].iter().all(|noun| script.contains(noun)), "{shell}: {script}");
    }
    assert!(scene.tandem(&["man", &scene.file("man1")]).status.success());
    for page in ["tandem.1", "tandem-deck-list.1", "tandem-up.1"] {
        let text = std::fs::read_to_string(Path::new(&scene.file("man1")).join(page)).expect(page);
        assert!(text.contains(".TH tandem"), "{page}");
    }
}
