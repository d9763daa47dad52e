//! What operators do by mistake, and what goes on below a keeper: each is told, and none of it is carried on in silence.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::asker::{Places, Service};
use crate::world::{Keeps, PAGES_SHARED, SIP_SHARED, World, ip, may_run, run, signal, until};

/// What a node's keeper says.
fn keeper(world: &World, node: u16) -> Option<Value> {
    let mut status = world.status();
    status["keepers"].as_array_mut()?.iter_mut().find(|keeper| keeper["node"] == node).map(Value::take)
}

/// What a node's keeper says of an address.
fn address(world: &World, node: u16, name: &str) -> Option<Value> {
    let mut keeper = keeper(world, node)?;
    keeper["addresses"].as_array_mut()?.iter_mut().find(|address| address["name"] == name).map(Value::take)
}

/// A stranger on the same network takes an address, or leaves it.
fn stranger(world: &World, verb: &str, address: &str) {
    let bits = if address.contains(':') { 128 } else { 32 };
    let mut words = vec!["-n", world.third(), "addr", verb];
    let whole = format!("{address}/{bits}");
    words.extend([whole.as_str(), "dev", "bridge0"]);
    words.extend((verb == "add" && bits == 128).then_some("nodad"));
    run("ip", &words);
}

#[test]
fn an_address_that_somebody_else_has_is_not_begun_with_and_later_told_of() {
    if !may_run() {
        return;
    }
    let mut world = World::new(Keeps::Addresses, 1);
    let _service = Service::start(world.hosts()[0], 1);
    let shared = [(SIP_SHARED, "sip"), (PAGES_SHARED, "pages")];
    let places = shared.map(|(shared, _)| Places::start(world.hosts(), ip(shared)));
    let all_are_here = || places.iter().all(|places| places.is_at(1)).then_some(());
    let told = |world: &World, what: &str, as_meant: fn(&Value) -> bool| {
        until(what, || {
            shared.iter().all(|(_, name)| address(world, 1, name).is_some_and(|it| as_meant(&it))).then_some(())
        });
    };
    shared.iter().for_each(|(shared, _)| stranger(&world, "add", shared));
    world.start_keeper(1);
    told(&world, "it is told that the addresses are somebody else's", |address| {
        address["why"].as_str().is_some_and(|why| why.contains("somebody else's already"))
    });
    assert!(!places.iter().any(|places| places.is_at(1)), "nobody's address is taken from him");

    shared.iter().for_each(|(shared, _)| stranger(&world, "del", shared));
    until("the addresses are here", all_are_here);
    told(&world, "nobody else answers", |address| address["other"] == "");
    shared.iter().for_each(|(shared, _)| stranger(&world, "add", shared));
    told(&world, "who answers as well is told", |address| {
        address["other"].as_str().is_some_and(|link| link.split(':').count() == 6)
    });
    assert!(all_are_here().is_some(), "they stay: whoever counts on them is served");
    let said = world.cluster(&["status"]);
    assert!(said.contains("AS WELL") && said.contains("find who that is"), "{said}");
    shared.iter().for_each(|(shared, _)| stranger(&world, "del", shared));
    told(&world, "nobody else answers any more", |address| address["other"] == "");
}

#[test]
fn a_second_keeper_of_a_number_ends_with_that_sentence_while_the_first_one_lives() {
    if !may_run() {
        return;
    }
    let mut world = World::new(Keeps::Addresses, 1);
    world.start_keeper(1);
    until("the first one is there", || keeper(&world, 1).map(drop));
    let settings = world.settings(1).display().to_string();
    let words = ["--settings".to_owned(), settings];
    let mut second = world.start(1, env!("CARGO_BIN_EXE_tandem-keeper"), &words, "second");
    let ended = until("the second one ends", || second.try_wait().unwrap());
    assert!(!ended.success());
    let said = world.said("second");
    assert!(said.contains("another host's keeper is node 1 and lives"), "{said}");
    assert!(keeper(&world, 1).is_some(), "the first one goes on");
    // On the same host it goes on at once, whatever the first one left.
    world.end_keeper(1, "KILL");
    world.start_keeper(1);
    until("it is there again", || keeper(&world, 1).map(drop));
}

/// A keeper from a file of its own, as a package installs it.
fn start_from(world: &World, program: &Path) -> Child {
    Command::new("ip")
        .args(["netns", "exec", world.hosts()[1], "setpriv", "--pdeathsig", "KILL"])
        .arg(program)
        .arg("--settings")
        .arg(world.settings(2))
        .stdin(Stdio::null())
        .stderr(fs::File::create(world.folder.path().join("keeper2")).unwrap())
        .spawn()
        .unwrap()
}

/// The guard of an address: the only child of its keeper.
fn guard(keeper: u32) -> Option<u32> {
    let children = fs::read_to_string(format!("/proc/{keeper}/task/{keeper}/children")).ok()?;
    let threads = fs::read_dir(format!("/proc/{keeper}/task")).ok()?;
    let all = threads.flatten().filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    let all: String = all.chain([children]).collect::<Vec<_>>().join(" ");
    all.split_whitespace().next()?.parse().ok()
}

#[test]
fn a_keeper_whose_program_was_replaced_starts_its_guards_all_the_same() {
    if !may_run() {
        return;
    }
    let world = World::new(Keeps::Addresses, 1);
    let program = world.folder.path().join("tandem-keeper");
    fs::copy(env!("CARGO_BIN_EXE_tandem-keeper"), &program).unwrap();
    let mut keeper = start_from(&world, &program);
    let places = Places::start(world.hosts(), ip(PAGES_SHARED));
    until("the address is here", || places.is_at(2).then_some(()));
    let next = world.folder.path().join("next");
    fs::write(&next, "another version").unwrap();
    fs::rename(&next, &program).unwrap();
    let before = until("there is a guard", || guard(keeper.id()));
    signal("KILL", before);
    until("there is another guard", || guard(keeper.id()).filter(|now| *now != before).map(drop));
    until("the address is here", || places.is_at(2).then_some(()));
    keeper.kill().unwrap();
    keeper.wait().unwrap();
}

#[test]
fn a_database_that_does_not_start_is_told_with_its_own_words() {
    if !may_run() {
        return;
    }
    let mut world = World::new(Keeps::Databases, 1);
    let path = world.settings(2);
    let text = fs::read_to_string(&path).unwrap();
    let wrong = world.folder.path().join("wrong.yaml");
    fs::write(&wrong, text.replace("arguments: [", "arguments: ['--no-such-option', ")).unwrap();
    world.start_keeper_with(2, &wrong);
    until("its words are told", || {
        let why = keeper(&world, 2)?["why"].as_str()?.to_owned();
        why.contains("unknown option '--no-such-option'").then_some(())
    });
    let said = world.cluster(&["status"]);
    assert!(said.contains("the database on node 2 is not what it must be: "), "{said}");
    world.end_keeper(2, "TERM");
    world.start_keeper(2);
    until("nothing is wrong any more", || {
        let told = keeper(&world, 2)?;
        (told["why"] == "" && told["process"] == "running").then_some(())
    });
}
