//! The one way by which many rates change: brought, looked at, approved where a guard asks for it, and then applied or cancelled.
//!
//! What needs a second user stands in the deck's template. An approval holds for what its giver saw: whenever the same import would do
//! something else, because the deck, its reading or this program changed, it holds no longer.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use store::{AuditEntry, Deck, DeckDraft, Import, ImportDraft, ImportState, Store};
use units::WallTime;
use utoipa::ToSchema;

use crate::api::changes::off_the_loop;
use crate::auth::Caller;
use crate::problem::{Answered, Code, Flaw, Problem};
use crate::sheets::{self, Analysis, Key, LastAnalysis, Opposite, Reading, Terms};
use crate::value::{DeckRef, ImportRef, Time};

/// The window of the traffic that changes are measured by: seven days, in microseconds.
const WEEK: i64 = 7 * 86_400 * 1_000_000;
/// Decks of the other side that margins are looked at with.
const OPPOSITES_MAX: usize = 8;

/// Who does something at the desk.
#[derive(Clone, Debug)]
pub struct Doer {
    /// The id of the user who is responsible; 0 for nobody.
    pub user: u32,
    /// What the audit says of all that they do: actor, address, request.
    pub entry: AuditEntry,
}

impl Doer {
    fn act<T: Serialize>(&self, action: &str, object: impl ToString, after: Option<&T>) -> AuditEntry {
        let after = after.and_then(|value| serde_json::to_string(value).ok()).unwrap_or_default();
        AuditEntry { action: action.to_owned(), object: object.to_string(), after, ..self.entry.clone() }
    }
}

impl From<&Caller> for Doer {
    fn from(caller: &Caller) -> Doer {
        Doer { user: caller.user(), entry: caller.act("", "") }
    }
}

/// How an import is applied.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ApplyImport {
    /// Rows with problems are left out, and codes named there stay as they are. Without this they keep the file from being applied.
    pub skip_problems: bool,
    /// How the file was read becomes the deck's template, dates and guards apart.
    pub remember: bool,
}

/// An open import, put over its deck.
pub struct Look {
    /// The import.
    pub kept: Import,
    /// Its deck.
    pub deck: Deck,
    /// Where the changes come from.
    pub reading: Reading,
    /// How sheets of the deck are read.
    pub template: Terms,
    /// What needs a second user, for the one who is responsible.
    pub guard: Terms,
    /// What would change.
    pub analysis: Arc<Analysis>,
}

impl Look {
    /// Looks at an open import as things stand.
    pub async fn at(store: &Store, analyses: &LastAnalysis, id: u32) -> Answered<Look> {
        let kept = store.import(id).await?;
        if kept.state != ImportState::Open {
            return Err(Problem::new(Code::Conflict, "the import was applied or cancelled before"));
        }
        // Looking takes no lock. Should the deck change between its version and its rates, then `apply` finds another version.
        let deck = store.get::<DeckDraft>(kept.draft.deck).await?;
        let reading = Reading::parse(&kept.draft.body);
        let template = template(store, deck.id).await?;
        let guard = guard(store, deck.id, kept.draft.made_by).await?;
        let now = Time::now().0;
        let (body, rates_version) = (kept.draft.body.clone(), deck.facts.rates_version);
        let key = Key { import: id, body, rates_version, ten_minutes: now.micros() / 600_000_000 };
        let analysis = match analyses.get(&key) {
            Some(analysis) => analysis,
            None => {
                let analysis = analyse(store, &kept, &deck, &reading, now).await?;
                analyses.keep(key, &analysis);
                analysis
            }
        };
        Ok(Look { kept, deck, reading, template, guard, analysis })
    }

    /// Why a second user must approve it; empty if nobody must.
    pub fn guards(&self) -> Vec<String> {
        sheets::guards(&self.analysis.merged, &self.guard)
    }

    /// Somebody else has seen what it would change, and that is what it would change today.
    pub fn is_approved(&self) -> bool {
        self.kept.approved_by != 0 && self.kept.seen == self.analysis.digest
    }
}

/// How the sheets of a deck are read: what was said last, or defaults.
pub async fn template(store: &Store, deck: u32) -> Answered<Terms> {
    Ok(store.deck_template(deck).await?.map_or_else(Terms::default, |kept| Terms::parse(&kept.body)))
}

/// What needs a second user's approval, for changes that one user is responsible for: the strictest of the deck's template and those that
/// this user has replaced alone.
pub async fn guard(store: &Store, deck: u32, user: u32) -> Answered<Terms> {
    let newest = template(store, deck).await?;
    let all = store.guarding_templates(deck, user).await?;
    Ok(all.iter().map(|kept| Terms::parse(&kept.body)).fold(newest, |guard, other| guard.guarded_too(&other)))
}

async fn analyse(
    store: &Store,
    kept: &Import,
    deck: &Deck,
    reading: &Reading,
    now: WallTime,
) -> Answered<Arc<Analysis>> {
    let old = store.every_rate(deck.id).await?;
    let file = store.import_file(kept.id).await?;
    let week_ago = WallTime::from_micros(now.micros() - WEEK);
    let traffic = store.traffic(deck.id, week_ago, now).await?;
    let (sells, others) = opposites(store, deck).await?;
    let (reading, draft) = (reading.clone(), deck.draft.clone());
    let analysis = off_the_loop(move || {
        let mut analysis = sheets::analyse(&file, &reading, &draft, old, now)?;
        analysis.impact = sheets::impact(&analysis.merged, &traffic, now);
        (analysis.broken, analysis.broken_count) = sheets::broken(&analysis.merged, sells, &others, now);
        Ok(Arc::new(analysis))
    });
    analysis.await?.map_err(|why: String| Problem::invalid("", why))
}

/// Keeps changes on their way into a deck; nothing of the deck changes. Returns the import's id.
pub async fn bring(store: &Store, doer: &Doer, deck: u32, name: &str, file: &[u8], reading: &Reading) -> Answered<u32> {
    let draft = ImportDraft {
        deck,
        name: name.to_owned(),
        sha256: sheets::sha256(file),
        made_by: doer.user,
        actor: doer.entry.actor.clone(),
        body: reading.body(),
    };
    let mut edit = store.edit().await?;
    edit.get::<DeckDraft>(deck).await?;
    let id = edit.add_import(&draft, file).await?;
    edit.audit(&doer.act::<()>("upload", format!("{} {}", DeckRef(deck), ImportRef(id)), None)).await?;
    edit.commit().await?;
    Ok(id)
}

/// Reads the file of an open import in another way. An approval that was given is taken back.
pub async fn reread(store: &Store, doer: &Doer, id: u32, terms: &Terms) -> Answered<()> {
    terms.options(WallTime::default()).map_err(|why| Problem::invalid("", why))?;
    let mut edit = store.edit().await?;
    if Reading::parse(&edit.open_import(id).await?.draft.body).terms().is_none() {
        return Err(Problem::new(Code::Conflict, "a change of many rates comes from no file: bring it again"));
    }
    edit.reread_import(id, doer.user, &terms.body()).await?;
    edit.audit(&doer.act("reread", ImportRef(id), Some(terms))).await?;
    Ok(edit.commit().await?)
}

/// Approves an open import that somebody else is responsible for. `seen` is the digest of what its giver has looked at.
pub async fn approve(store: &Store, analyses: &LastAnalysis, doer: &Doer, id: u32, seen: &str) -> Answered<()> {
    let look = Look::at(store, analyses, id).await?;
    if look.analysis.digest != seen {
        return Err(Problem::new(
            Code::Changed,
            "the import would change something else than you saw: look at it again",
        ));
    }
    let mut edit = store.edit().await?;
    edit.approve_import(id, doer.user, &doer.entry.actor, seen).await?;
    edit.audit(&doer.act("approve", ImportRef(id), Some(&serde_json::json!({ "seen": seen })))).await?;
    Ok(edit.commit().await?)
}

/// Puts an open import into its deck: all in one transaction, each rate from its own moment on. Returns the deck's revision.
pub async fn apply(store: &Store, analyses: &LastAnalysis, doer: &Doer, id: u32, ask: ApplyImport) -> Answered<i64> {
    let look = Look::at(store, analyses, id).await?;
    refuse_flawed(&look.analysis, ask.skip_problems)?;
    let guards = look.guards();
    if !guards.is_empty() && !look.is_approved() {
        let why = format!("a second user must approve it first: {}", guards.join("; "));
        return Err(Problem::new(Code::Conflict, why));
    }
    let deck = look.deck.id;
    let mut edit = store.edit().await?;
    let is_seen = edit.open_import(id).await? == look.kept;
    if !is_seen || edit.get::<DeckDraft>(deck).await?.facts.rates_version != look.deck.facts.rates_version {
        let why = "the deck or the import was changed meanwhile: look at the import again";
        return Err(Problem::new(Code::Changed, why));
    }
    let note = format!("{} imported {} ({})", doer.entry.actor, look.kept.draft.name, ImportRef(id));
    edit.replace_rates(deck, &look.analysis.merged.rates, &note).await?;
    let revision = edit.get::<DeckDraft>(deck).await?.facts.rates_version;
    edit.settle_import(id, ImportState::Applied, revision).await?;
    if let Some(terms) = look.reading.terms().filter(|_| ask.remember) {
        let kept = Terms { from: None, increases_from: None, decreases_from: None, ..terms.clone() };
        let kept = kept.guarded_as(&look.template);
        if kept != look.template {
            edit.set_deck_template(deck, doer.user, &doer.entry.actor, &kept.body()).await?;
        }
    }
    edit.audit(&doer.act("import", DeckRef(deck), Some(&counts(&look)))).await?;
    edit.commit().await?;
    Ok(revision)
}

/// Ends an open import without a change.
pub async fn cancel(store: &Store, doer: &Doer, id: u32) -> Answered<()> {
    let mut edit = store.edit().await?;
    edit.settle_import(id, ImportState::Cancelled, 0).await?;
    edit.audit(&doer.act::<()>("cancel", ImportRef(id), None)).await?;
    Ok(edit.commit().await?)
}

fn refuse_flawed(analysis: &Analysis, skip_problems: bool) -> Answered<()> {
    let sheet = &analysis.sheet;
    if sheet.problem_count > 0 && !skip_problems {
        let count = sheet.problem_count;
        let mut problem = Problem::new(Code::Invalid, format!("{count} problems in the file; nothing was changed"));
        let flaw = |it: &rating::deck::Problem| Flaw {
            pointer: format!("{}:{}", it.row, it.column),
            message: it.message.clone(),
        };
        problem.errors = sheet.problems.iter().map(flaw).collect();
        return Err(problem);
    }
    if sheet.rates.is_empty() && sheet.closings.is_empty() {
        return Err(Problem::invalid("", "the file holds no rate; nothing was changed"));
    }
    Ok(())
}

/// What the audit keeps: the numbers, not the lines.
fn counts(look: &Look) -> serde_json::Value {
    let counts = rating::deck::merge::counts(&look.analysis.merged.lines);
    serde_json::json!({
        "import": ImportRef(look.kept.id), "new": counts.new, "increased": counts.increased, "decreased": counts.decreased,
        "unchanged": counts.unchanged, "closed": counts.closed, "blocked": counts.blocked,
        "skipped": look.analysis.sheet.problem_count,
    })
}

/// Whether a deck is sold by, and the decks on the other side of the calls of its trunks, in its currency.
async fn opposites(store: &Store, deck: &Deck) -> Answered<(bool, Vec<Opposite>)> {
    let egress = store.all::<store::EgressTrunkDraft>().await?;
    let ingress = store.all::<store::IngressTrunkDraft>().await?;
    let plans = store.all::<store::PlanDraft>().await?;
    let sells = ingress.iter().any(|trunk| trunk.sell_deck.0 == deck.id);
    let mut decks = std::collections::BTreeSet::new();
    for plan in &plans {
        let buys = plan.routes.iter().filter_map(|route| egress.iter().find(|trunk| trunk.id == route.egress_trunk.0));
        let buys: Vec<u32> = buys.map(|trunk| trunk.buy_deck.0).collect();
        let sold: Vec<u32> =
            ingress.iter().filter(|trunk| trunk.plan.0 == plan.id).map(|trunk| trunk.sell_deck.0).collect();
        if sells && sold.contains(&deck.id) {
            decks.extend(&buys);
        }
        if !sells && buys.contains(&deck.id) {
            decks.extend(&sold);
        }
    }
    let mut others = Vec::new();
    for id in decks.into_iter().filter(|id| *id != deck.id).take(OPPOSITES_MAX) {
        let other = store.get::<DeckDraft>(id).await?;
        if other.currency == deck.currency {
            let rates = Arc::new(store.every_rate(id).await?);
            others.push(Opposite { deck: id, code: other.code.clone(), rates });
        }
    }
    Ok((sells, others))
}
