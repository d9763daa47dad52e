//! Two hosts share an address of SIP, at home on the first, and one of the pages, at home on the second.

use std::time::{Duration, Instant};

use crate::asker::{Asker, Places, Service};
use crate::in_time;
use crate::world::{Keeps, PAGES_SHARED, SIP_SHARED, World, ip, may_run, signal, takeover_s, until};

/// Two hosts, what is served at their address, and who looks.
struct Scene {
    services: [Service; 2],
    asker: Asker,
    sip: Places,
    pages: Places,
    /// Last: it goes last.
    world: World,
}

impl Scene {
    fn new() -> Scene {
        let mut world = World::new(Keeps::Addresses, 1);
        let [first, second] = world.hosts();
        let services = [Service::start(first, 1), Service::start(second, 2)];
        let sip = Places::start(world.hosts(), ip(SIP_SHARED));
        let pages = Places::start(world.hosts(), ip(PAGES_SHARED));
        let asker = Asker::start(world.third(), ip(SIP_SHARED));
        world.start_keeper(1);
        world.start_keeper(2);
        let scene = Scene { services, asker, sip, pages, world };
        scene.home("the beginning");
        scene
    }

    /// Both addresses are at home, and whoever asks is answered there.
    fn home(&self, after: &str) {
        until(&format!("both addresses are home after {after}"), || {
            (self.sip.is_at(1) && self.pages.is_at(2) && self.asker.node() == 1).then_some(())
        });
        self.asker.longest();
    }

    /// Waits until SIP is answered by the second node. Returns how long nobody answered.
    fn moved(&self, what: &str, seconds: u64) {
        let began = Instant::now();
        until(&format!("the other answers: {what}"), || (self.asker.node() == 2).then_some(()));
        let outage = self.asker.longest().min(began.elapsed());
        in_time(&format!("SIP at the shared address after {what}"), outage, Duration::from_secs(seconds));
    }

    /// Waits for the way back. It is the holder that gives, so hardly anybody waits.
    fn returned(&self, what: &str) {
        let began = Instant::now();
        until(&format!("the address is home after {what}"), || (self.asker.node() == 1).then_some(()));
        let outage = self.asker.longest().min(began.elapsed());
        in_time(&format!("  the way home after {what}"), outage, Duration::from_secs(1));
        self.home(what);
    }

    fn end(self) {
        for (name, places) in [("SIP", &self.sip), ("the pages", &self.pages)] {
            assert!(places.both().is_empty(), "two nodes had the address of {name} at {:?}", places.both());
        }
    }
}

#[test]
fn an_address_moves_when_its_keeper_dies_or_its_cable_is_cut_and_comes_home() {
    if !may_run() {
        return;
    }
    let mut scene = Scene::new();
    scene.world.end_keeper(1, "KILL");
    scene.moved("kill -9 of the keeper", takeover_s() + 2);
    scene.world.start_keeper(1);
    scene.returned("the keeper's start");

    scene.world.cable(1, false);
    scene.moved("the cable is pulled", takeover_s() + 2);
    let status = scene.world.status();
    let held = &status["addresses"].as_array().unwrap().iter().find(|held| held["service"] == "address/sip").unwrap();
    assert_eq!((&held["holder"], &held["held"]), (&2.into(), &true.into()), "{status:#}");
    assert!(held["since"].as_i64().unwrap() > 0, "{status:#}");
    scene.world.cable(1, true);
    scene.returned("the cable is plugged in");
    scene.end();
}

#[test]
#[ignore = "takes half a minute: make cluster-test"]
fn an_address_leaves_a_service_that_fails_and_a_keeper_that_is_frozen_or_ended() {
    if !may_run() {
        return;
    }
    let mut scene = Scene::new();
    scene.services[0].silence(true);
    scene.moved("the service is silent", takeover_s() + 2);
    assert!(scene.pages.is_at(2), "the other address stays");
    scene.services[0].silence(false);
    scene.returned("the service answers");

    signal("STOP", scene.world.keeper(1));
    scene.moved("the keeper is frozen", takeover_s() + 2);
    signal("CONT", scene.world.keeper(1));
    scene.returned("the keeper thaws");

    // Nothing leaves the host, and its interface has a link: only the guard's time ends this.
    scene.world.cut(1, &[2, 9]);
    scene.moved("nothing leaves the host", takeover_s() + 2);
    scene.world.cut(1, &[]);
    scene.returned("everything leaves again");

    scene.world.end_keeper(1, "TERM");
    // A keeper that ends gives its address away at once.
    scene.moved("the keeper is ended", 1);
    scene.end();
}
