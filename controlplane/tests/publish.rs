//! Stories about publication and the ledger's answers, with a data plane that is played by the test.
#![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

#[path = "../store/tests/support/databases.rs"]
mod databases;
#[path = "../store/tests/support/sample.rs"]
#[allow(dead_code, reason = "other test programs use the rest")]
mod sample;

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use panel::wire::{Answer, Ask, Frame, Reply, Want};
use sample::{money, rate, world};
use store::{DeckDraft, ImportState, Store};
use tandem_controlplane::folder::Folder;
use tandem_controlplane::inbox;
use tandem_controlplane::link::Link;
use tandem_controlplane::publish::Publisher;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use units::NodeId;
use web::snapshot_files::{self, Held};

on_both! {
    a_change_is_published_and_announced
    wants_are_answered_from_the_ledger
    a_written_off_node_hears_of_it_with_each_connection_until_it_is_admitted
}

/// The data plane's end of a connection.
struct Played {
    lines: BufReader<OwnedReadHalf>,
    write: OwnedWriteHalf,
}

impl Played {
    async fn accept(listener: &UnixListener) -> Played {
        let (stream, _) = listener.accept().await.unwrap();
        let (read, write) = UnixStream::into_split(stream);
        let mut played = Played { lines: BufReader::new(read), write };
        assert_eq!(played.hear().await, Frame::Hello { role: "controller".into() });
        played
    }

    async fn hear(&mut self) -> Frame {
        let mut line = String::new();
        let heard = tokio::time::timeout(Duration::from_secs(180), self.lines.read_line(&mut line)).await;
        assert!(heard.expect("within time").expect("the line stands") > 0, "the other side is there");
        serde_json::from_str(&line).unwrap()
    }

    async fn say(&mut self, frame: &Frame) {
        let mut line = serde_json::to_vec(frame).unwrap();
        line.push(b'\n');
        self.write.write_all(&line).await.unwrap();
    }

    /// Takes note of being fenced, as the data plane does.
    async fn fence(&mut self) -> (u32, bool) {
        let Frame::Ask { id, ask: Ask::Fence { boot, barred } } = self.hear().await else { panic!("Fence is asked") };
        self.say(&Frame::Answer { id, answer: Answer::Done }).await;
        (boot, barred)
    }

    /// Loads what is announced, as the data plane does; the revision.
    async fn load(&mut self) -> u64 {
        let Frame::Ask { id, ask: Ask::Load { path } } = self.hear().await else { panic!("Load is asked") };
        let revision = revision(Path::new(&path));
        self.say(&Frame::Answer { id, answer: Answer::Loaded { revision } }).await;
        revision
    }
}

fn revision(path: &Path) -> u64 {
    snapshot_files::open(path, &[]).unwrap().view().revision().0
}

fn current(folder: &Folder) -> u64 {
    let name = std::fs::read_to_string(folder.snapshots().join("current")).unwrap();
    revision(&folder.snapshots().join(name.trim()))
}

struct Scene {
    folder: Folder,
    listener: UnixListener,
    _temporary: tempfile::TempDir,
}

fn scene() -> Scene {
    let temporary = tempfile::tempdir().unwrap();
    let folder = Folder::open(temporary.path()).unwrap();
    let listener = UnixListener::bind(folder.socket()).unwrap();
    Scene { folder, listener, _temporary: temporary }
}

async fn a_change_is_published_and_announced(store: Store) {
    let w = world(&store).await;
    let scene = scene();
    let link = Link::start(scene.folder.socket(), store.clone(), Default::default());
    let publisher = Publisher::start(store.clone(), scene.folder.clone(), link.clone());
    let mut data_plane = Played::accept(&scene.listener).await;
    assert_eq!(data_plane.load().await, 1);
    publisher.loaded(1).await;

    let mut edit = store.edit().await.unwrap();
    edit.put_rate(w.sell_deck, &rate("44", "0.5"), "").await.unwrap();
    edit.commit().await.unwrap();
    publisher.changed();
    assert_eq!(data_plane.load().await, 2);
    assert_eq!(current(&scene.folder), 2);

    // A change that another program made is noticed too; the data plane that comes back is told again.
    let mut edit = store.edit().await.unwrap();
    edit.create(&sample::carrier("third")).await.unwrap();
    edit.commit().await.unwrap();
    assert_eq!(data_plane.load().await, 3);
    publisher.loaded(3).await;
    drop(data_plane);
    let mut data_plane = Played::accept(&scene.listener).await;
    assert_eq!(data_plane.load().await, 3);
    publisher.loaded(3).await;
    assert_eq!((publisher.state().revision, publisher.state().problem.as_str()), (3, ""));
}

async fn wants_are_answered_from_the_ledger(store: Store) {
    let w = world(&store).await;
    store.payment(w.payer, money("10"), "opening", "").await.unwrap();
    let scene = scene();
    let _link = Link::start(scene.folder.socket(), store.clone(), Default::default());
    let mut data_plane = Played::accept(&scene.listener).await;
    let grant = "0001000000010000000000000000002a".to_owned();
    let want = Want::Grant { grant: grant.clone(), account: w.payer, want: money("3").nanos(), slice: 0 };
    for _ in 0..2 {
        data_plane.say(&Frame::Want(want.clone())).await;
        let granted = Reply::Granted { grant: grant.clone(), account: w.payer, amount: money("3").nanos(), cause: 0 };
        assert_eq!(data_plane.hear().await, Frame::Reply(granted));
    }
    let unknown = Want::Grant { grant: "00".repeat(16), account: 999, want: 5, slice: 0 };
    data_plane.say(&Frame::Want(unknown)).await;
    let refused = Reply::Granted { grant: "00".repeat(16), account: 999, amount: 0, cause: 0 };
    assert_eq!(data_plane.hear().await, Frame::Reply(refused));
    let close = Want::Close { grant: grant.clone(), account: w.payer, used: money("1").nanos() };
    data_plane.say(&Frame::Want(close)).await;
    assert_eq!(data_plane.hear().await, Frame::Reply(Reply::Closed { grant }));
    let balance = store.balance(w.payer).await.unwrap();
    assert_eq!((balance.held, balance.available), (money("1"), money("9")));
}

async fn a_written_off_node_hears_of_it_with_each_connection_until_it_is_admitted(store: Store) {
    store.write_off(NodeId(1), "its board is dead").await.unwrap();
    let scene = scene();
    let link = Link::start(scene.folder.socket(), store.clone(), Default::default());
    tandem_controlplane::fence::watch(store.clone(), link, NodeId(1));
    for _ in 0..2 {
        let mut data_plane = Played::accept(&scene.listener).await;
        assert_eq!(data_plane.fence().await, (0, true));
    }
    let mut data_plane = Played::accept(&scene.listener).await;
    assert_eq!(data_plane.fence().await, (0, true));
    store.admit_node(NodeId(1)).await.unwrap();
    assert_eq!(data_plane.fence().await, (0, false));
}

#[tokio::test]
async fn an_older_revision_is_held_over_a_restart_until_the_next_change() {
    let database = databases::sqlite().await;
    let w = world(&database.store).await;
    let scene = scene();
    let start = || {
        let link = Link::start(scene.folder.socket(), database.store.clone(), Default::default());
        (Publisher::start(database.store.clone(), scene.folder.clone(), link.clone()), link)
    };
    let (publisher, link) = start();
    let mut data_plane = Played::accept(&scene.listener).await;
    assert_eq!(data_plane.load().await, 1);
    let dearer = async |price: &str| {
        let mut edit = database.store.edit().await.unwrap();
        edit.put_rate(w.sell_deck, &rate("44", price), "").await.unwrap();
        edit.commit().await.unwrap();
    };
    dearer("0.5").await;
    assert_eq!(data_plane.load().await, 2);
    let counter = database.store.changes().await.unwrap();
    let held = |revision| snapshot_files::hold(&scene.folder.snapshots(), Held { revision, counter });
    assert!(held(7).is_err(), "only what is kept");
    held(1).unwrap();
    assert_eq!(data_plane.load().await, 1);
    assert_eq!(current(&scene.folder), 1);
    drop((publisher, link, data_plane));

    let (publisher, _link) = start();
    let mut data_plane = Played::accept(&scene.listener).await;
    assert_eq!(data_plane.load().await, 1, "a restart does not undo what an operator did");
    publisher.loaded(1).await;
    dearer("0.6").await;
    assert_eq!(data_plane.load().await, 3);
    assert_eq!(snapshot_files::held(&scene.folder.snapshots()), None);
}

#[tokio::test]
async fn a_revision_of_another_database_is_published_although_it_has_the_same_number() {
    let scene = scene();
    let mut made = Vec::new();
    for _ in 0..2 {
        let database = databases::sqlite().await;
        world(&database.store).await;
        let link = Link::start(scene.folder.socket(), database.store.clone(), Default::default());
        let publisher = Publisher::start(database.store.clone(), scene.folder.clone(), link.clone());
        let mut data_plane = Played::accept(&scene.listener).await;
        assert_eq!(data_plane.load().await, 1);
        publisher.loaded(1).await;
        made.push(snapshot_files::open(&scene.folder.snapshots().join("1.snap"), &[]).unwrap().view().built());
    }
    assert!(made[0] < made[1], "the one that is in force is the second database's: {made:?}");
}

#[tokio::test]
async fn a_sheet_that_is_dropped_into_the_inbox_waits_as_an_import() {
    let database = databases::sqlite().await;
    let w = world(&database.store).await;
    let scene = scene();
    let deck = database.store.get::<DeckDraft>(w.buy_deck).await.unwrap().code.clone();
    let drop = |folder: &str, name: &str, text: &str| {
        let folder = scene.folder.inbox().join(folder);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(name), text).unwrap();
        // A file that is written to may still grow: this one was left alone for long.
        let file = std::fs::File::options().write(true).open(folder.join(name)).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(60)).unwrap();
    };
    drop(&deck, "oria.csv", "prefix,rate\n44,0.01\n");
    drop(&deck, ".coming.csv", "prefix,rate\n");
    drop("nobody", "stray.csv", "prefix,rate\n44,0.01\n");
    std::os::unix::fs::symlink("/etc/passwd", scene.folder.inbox().join(&deck).join("link.csv")).unwrap();
    let watch = tokio::spawn(inbox::watch(database.store.clone(), scene.folder.clone()));
    let waits = loop {
        let found = database.store.imports(w.buy_deck).await.unwrap();
        if !found.is_empty() && scene.folder.inbox().join("nobody/.refused-stray.csv").exists() {
            break found;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    watch.abort();
    let [one] = waits.as_slice() else { panic!("one import: {waits:?}") };
    assert_eq!(
        (one.draft.name.as_str(), one.draft.actor.as_str(), one.state),
        ("oria.csv", "inbox", ImportState::Open)
    );
    let left: Vec<_> = std::fs::read_dir(scene.folder.inbox().join(&deck)).unwrap().flatten().collect();
    assert_eq!(left.len(), 2, "what is hidden and what is a link is left alone: {left:?}");
}

#[tokio::test]
async fn a_damaged_current_snapshot_is_written_again_and_old_files_go() {
    let database = databases::sqlite().await;
    let w = world(&database.store).await;
    let scene = scene();
    std::fs::write(scene.folder.snapshots().join("1.snap"), b"not a snapshot").unwrap();
    std::fs::write(scene.folder.snapshots().join("current"), b"1.snap\n").unwrap();
    let link = Link::start(scene.folder.socket(), database.store.clone(), Default::default());
    let publisher = Publisher::start(database.store.clone(), scene.folder.clone(), link.clone());
    let mut data_plane = Played::accept(&scene.listener).await;
    assert_eq!(data_plane.load().await, 1);
    for price in 2..15 {
        let mut edit = database.store.edit().await.unwrap();
        edit.put_rate(w.sell_deck, &rate("44", &format!("0.{price}")), "").await.unwrap();
        edit.commit().await.unwrap();
        publisher.changed();
        assert_eq!(data_plane.load().await, price);
    }
    assert_eq!(files(&scene.folder.snapshots(), "snap").len(), 10);
    // Ten versions of the deck that changed, one of the deck that did not.
    assert_eq!(files(&scene.folder.snapshots().join("decks"), "deck").len(), 11);
}

#[tokio::test]
async fn a_damaged_deck_is_written_again() {
    let database = databases::sqlite().await;
    let w = world(&database.store).await;
    let scene = scene();
    let link = Link::start(scene.folder.socket(), database.store.clone(), Default::default());
    let publisher = Publisher::start(database.store.clone(), scene.folder.clone(), link.clone());
    let mut data_plane = Played::accept(&scene.listener).await;
    assert_eq!(data_plane.load().await, 1);
    publisher.loaded(1).await;
    drop((publisher, link, data_plane));
    let decks = files(&scene.folder.snapshots().join("decks"), "deck");
    let [damaged, sound] = decks.as_slice() else { panic!("a deck for each side: {decks:?}") };
    let image = std::fs::read(damaged).unwrap();
    std::fs::write(damaged, &image[..image.len() - 1]).unwrap();

    let link = Link::start(scene.folder.socket(), database.store.clone(), Default::default());
    let _publisher = Publisher::start(database.store.clone(), scene.folder.clone(), link.clone());
    let mut data_plane = Played::accept(&scene.listener).await;
    assert_eq!(data_plane.load().await, 1);
    assert_eq!(std::fs::read(damaged).unwrap(), image);
    let mut edit = database.store.edit().await.unwrap();
    edit.put_rate(w.sell_deck, &rate("44", "0.5"), "").await.unwrap();
    edit.commit().await.unwrap();
    let written = std::fs::metadata(sound).unwrap().modified().unwrap();
    assert_eq!(data_plane.load().await, 2);
    assert_eq!(std::fs::metadata(sound).unwrap().modified().unwrap(), written, "what did not change is not written");
}

/// The files of a folder with this ending, in order of name.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let all = std::fs::read_dir(folder).unwrap().flatten().map(|file| file.path());
    let mut found: Vec<_> = all.filter(|path| path.extension().is_some_and(|end| end == ending)).collect();
    found.sort();
    found
}

#[tokio::test]
async fn questions_find_their_answers_and_a_lost_connection_answers_none() {
    let database = databases::sqlite().await;
    let scene = scene();
    let link = Link::start(scene.folder.socket(), database.store.clone(), Default::default());
    assert!(link.ask(Ask::Figures).await.is_err(), "nobody is there yet");
    let mut data_plane = Played::accept(&scene.listener).await;
    link.connections().wait_for(|count| count % 2 == 1).await.unwrap();
    let asking = |on| {
        tokio::spawn({
            let link = link.clone();
            async move { link.ask(Ask::Drain { on }).await }
        })
    };
    let (first, second) = (asking(true), asking(false));
    let (one, two) = (data_plane.hear().await, data_plane.hear().await);
    // Answered in the other order.
    for frame in [two, one] {
        let Frame::Ask { id, ask: Ask::Drain { on } } = frame else { panic!("Drain is asked") };
        let answer = Answer::Refused { reason: on.to_string() };
        data_plane.say(&Frame::Answer { id, answer }).await;
    }
    assert_eq!(first.await.unwrap(), Ok(Answer::Refused { reason: "true".into() }));
    assert_eq!(second.await.unwrap(), Ok(Answer::Refused { reason: "false".into() }));
    let lost = asking(true);
    data_plane.hear().await;
    drop(data_plane);
    assert!(lost.await.unwrap().is_err());
}
