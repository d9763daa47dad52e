//! Who plays in the demo: three originators, five terminators, their decks, and how the load test plays them.

use std::fmt::Write;
use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use super::decks::Deck;

/// A company that sends calls: code, address, tech prefix, calling numbers, share, money kind, funds.
const ORIGINATORS: [(&str, &str, &str, &str, u32, &str, &str); 3] = [
    ("acme", "127.0.1.1", "", "1212", 5, "prepaid", "5000.00"),
    ("globex", "127.0.1.2", "", "4420", 3, "postpaid", "10000.00"),
    ("initech", "127.0.1.3", "77", "3314", 2, "prepaid", "250.00"),
];

/// A company that takes calls: code, address, per cent of the base price, how the load test plays it.
const TERMINATORS: [(&str, &str, u64, &str); 5] = [
    ("blux", "127.0.2.1", 100, "ring=exp:400ms,answer=exp:3s,busy=6%,unanswered=2%"),
    ("oria", "127.0.2.2", 101, "ring=exp:700ms,answer=exp:4s,busy=8%,unanswered=2%,progress=183"),
    ("voxa", "127.0.2.3", 103, "ring=exp:250ms,answer=exp:2s,busy=5%"),
    // Cheapest nearly everywhere, so that it is tried first and calls are seen to move on to the next route.
    ("flaky", "127.0.2.4", 97, "ring=exp:900ms,answer=exp:3s,flaky=45%,busy=4%"),
    // Dearer than what originators pay: the margin guard drops it from every call.
    ("premium", "127.0.2.5", 190, "ring=100ms,answer=exp:1s"),
];

/// What originators pay, in per cent of the base price.
const SELL_PERCENT: u64 = 125;

/// Where the load test calls to, with weights.
const CALLED: &str = "44:20,4477:10,49:12,4917:6,33:8,91:14,9198:8,52:6,55:5,234:5,62:4,90:3,971:4,86:4,1212:6,1809:3,39:4,34:4,48:2,63:2";

/// Files of the demo, ready to be applied.
pub struct Scene {
    /// The declaration.
    pub file: PathBuf,
    /// Rates in all decks.
    pub rates: usize,
    /// What originators pay.
    pub sell: Deck,
    /// The port that terminators listen on.
    pub port: u16,
}

/// Codes of the originators' accounts.
pub fn originator_accounts() -> impl Iterator<Item = &'static str> {
    ORIGINATORS.iter().map(|row| row.0)
}

/// Writes decks and declaration into a folder.
pub fn write(folder: &Path) -> Result<Scene> {
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let save = |name: &str, text: &str| {
        let path = folder.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display())).map(|()| path)
    };
    let sell = Deck::generate(SELL_PERCENT, 0);
    save("sell.csv", &sell.csv())?;
    let mut rates = sell.len();
    for (salt, (code, _, percent, _)) in TERMINATORS.iter().enumerate() {
        let deck = Deck::generate(*percent, 1 + salt as u64);
        rates += deck.len();
        save(&format!("{code}.csv"), &deck.csv())?;
    }
    let port = terminator_port()?;
    Ok(Scene { file: save("demo.yaml", &declaration(port))?, rates, sell, port })
}

/// A port that is free on all terminators' addresses; 5060 if possible.
fn terminator_port() -> Result<u16> {
    let free = |port: &u16| {
        let taken = TERMINATORS.iter().any(|row| UdpSocket::bind((row.1, *port)).is_err());
        !taken
    };
    (5_060..5_200).find(free).context("no SIP port from 5060 to 5199 is free on 127.0.2.1 to 127.0.2.5")
}

/// The declaration that `tandem apply` takes.
fn declaration(port: u16) -> String {
    let mut text =
        String::from("# The demo's carriers. Try: change a rate here and run tandem apply -f on this file.\n");
    let mut section = |name: &str, rows: &mut dyn Iterator<Item = String>| {
        let _ = writeln!(text, "{name}:");
        rows.for_each(|row| text.push_str(&row));
    };
    let codes = || ORIGINATORS.iter().map(|row| row.0).chain(TERMINATORS.iter().map(|row| row.0));
    section("carriers", &mut codes().map(|code| format!("  - code: {code}\n    name: {code}\n")));
    let sending = ORIGINATORS.iter().map(|(code, .., kind, funds)| {
        let money = match *kind {
            "prepaid" => format!("    payments:\n      - {{ reference: {code}-opening, amount: \"{funds}\" }}\n"),
            _ => format!("    credit_limit: \"{funds}\"\n"),
        };
        format!("  - code: {code}\n    carrier: {code}\n    currency: USD\n    kind: {kind}\n{money}")
    });
    let taking = TERMINATORS
        .iter()
        .map(|(code, ..)| format!("  - code: {code}\n    carrier: {code}\n    currency: USD\n    kind: postpaid\n"));
    section("accounts", &mut sending.chain(taking));
    let bought = TERMINATORS.iter().map(|row| row.0);
    section(
        "decks",
        &mut std::iter::once("sell")
            .chain(bought)
            .map(|code| format!("  - code: {code}\n    name: {code}\n    currency: USD\n    csv: {code}.csv\n")),
    );
    section("egress_trunks", &mut TERMINATORS.iter().map(|(code, at, ..)| {
        format!(
            "  - code: {code}\n    carrier: {code}\n    account: {code}\n    address: {at}:{port}\n    buy_deck: {code}\n    \
             capacity: 2000\n    ring_timeout_s: 25\n"
        )
    }));
    let routes = TERMINATORS.iter().map(|row| format!("      - egress_trunk: {}\n", row.0));
    let plan = "  - code: cheapest\n    order: lcr\n    margin_min: \"0\"\n    attempts_max: 4\n    routes:\n";
    section("plans", &mut std::iter::once(plan.to_owned()).chain(routes));
    section("ingress_trunks", &mut ORIGINATORS.iter().map(|(code, from, tech, ..)| {
        format!(
            "  - code: {code}\n    carrier: {code}\n    account: {code}\n    sources: [{from}]\n    tech_prefix: \"{tech}\"\n    \
             plan: cheapest\n    sell_deck: sell\n    capacity: 2000\n    cps: 500\n"
        )
    }));
    text
}

/// How the load test is to play all this.
pub struct Play {
    /// The switch.
    pub target: SocketAddr,
    /// New calls a second.
    pub cps: f64,
    /// How long.
    pub span: Duration,
    /// The port that terminators listen on.
    pub port: u16,
    /// Where it notes each call.
    pub notes: PathBuf,
}

/// The load test's command line.
pub fn arguments(play: &Play) -> Vec<String> {
    let mut list: Vec<String> =
        ["run", "--live-json", "--until-stdin-closes", "--late-max", "10s"].map(Into::into).to_vec();
    let mut option = |name: &str, value: String| list.extend([name.to_owned(), value]);
    option("--target", play.target.to_string());
    option("--cps", play.cps.to_string());
    option("--for", format!("{}s", play.span.as_secs_f64()));
    option("--arrivals", "poisson".into());
    option("--media", "5%".into());
    option("--cancel", "2%".into());
    option("--talk", "lognormal:25s/0.8".into());
    option("--called", CALLED.into());
    option("--calls-out", play.notes.display().to_string());
    for (code, from, tech, callers, weight, ..) in ORIGINATORS {
        option("--originator", format!("name={code},from={from},tech={tech},callers={callers},weight={weight}"));
    }
    for (code, at, _, manner) in TERMINATORS {
        option("--terminator", format!("name={code},at={at}:{},{manner}", play.port));
    }
    list
}

#[cfg(test)]
mod tests {
    use store::Store;

    use super::*;
    use crate::apply::{Input, apply};

    #[tokio::test]
    async fn the_scene_is_applied_once_and_leaves_nothing_to_do() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let scene = write(folder.path()).expect("a scene");
        let url = format!("sqlite:{}", folder.path().join("test.sqlite").display());
        let store = Store::open(&url).await.expect("a database");
        let input = Input::read(&scene.file).expect("a file");
        let first = apply(&store, &input, false, None).await.expect("a sound file");
        assert!(first.applied);
        let again = apply(&store, &input, false, None).await.expect("a sound file");
        assert_eq!(again.changes, []);
        let model = store.model().await.expect("a model");
        let rates: usize = model.decks.iter().map(|deck| deck.rates.len()).sum();
        assert_eq!((rates, model.egress_trunks.len(), model.ingress_trunks.len()), (scene.rates, 5, 3));
        assert!(rates >= 100_000);
    }
}
