//! SIPp at both sides of a balancer with cores behind it: peers see one switch, while cores come, drain and die.

use std::net::SocketAddr;

use acceptance::Net;
use acceptance::balancer::Balancer;
use acceptance::plane::{self, Plane};
use acceptance::sipp::{Scenario, Sipp};
use snapshot::Policy;

/// Where everybody is.
struct Site {
    net: Net,
    balancer: Balancer,
    originator: SocketAddr,
    terminator: SocketAddr,
}

impl Site {
    fn new(cores: &[u16]) -> Site {
        let net = Net::draw();
        let at = |host: u8, port: u16| SocketAddr::from((net.host(host), port));
        let cores: Vec<SocketAddr> = cores.iter().map(|node| inner(net, *node)).collect();
        let balancer = Balancer::start(at(1, 5_060), at(1, 5_070), &cores);
        Site { net, balancer, originator: at(2, 5_060), terminator: at(3, 5_060) }
    }

    /// A core, on an address that nobody else has media ports of, that sends calls on by itself, or through the balancer as well.
    fn core(&self, node: u16, through: bool) -> Plane {
        let own = self.net.host(10 + node as u8);
        let front = format!(
            "udp:{},name=front,behind={},balancer={}",
            inner(self.net, node),
            self.balancer.at,
            self.balancer.inside
        );
        let key = self.balancer.key().display().to_string();
        let words = [
            "--listen",
            &format!("udp:{own}:5060"),
            "--listen",
            &front,
            "--balancer-key",
            &key,
            "--rtp",
            "20000-29999",
            "--node",
        ];
        let words: Vec<String> = words.iter().map(ToString::to_string).chain([node.to_string()]).collect();
        let listener = if through { "front".to_owned() } else { String::new() };
        let policy = Policy { listener, ..Policy::default() };
        Plane::start(&words, &[self.originator.ip()], self.terminator, policy)
    }

    fn calling(&self, folder: &Plane, calls: u32, talk_ms: u32) -> Sipp {
        let mut line =
            vec![self.balancer.at.to_string(), "-s".into(), plane::CALLED.into(), "-timeout".into(), "180".into()];
        for (option, value) in [("-m", calls), ("-r", 60), ("-d", talk_ms), ("-l", calls)] {
            line.extend([option.to_owned(), value.to_string()]);
        }
        Sipp::start(folder.folder(), self.originator, Scenario::BuiltIn("uac"), &line)
    }
}

/// Where a core hears the balancer.
fn inner(net: Net, node: u16) -> SocketAddr {
    (net.host(10 + node as u8), 5_062).into()
}

#[test]
fn calls_go_on_while_cores_come_drain_and_die() {
    let site = Site::new(&[1, 2]);
    let (one, mut two) = (site.core(1, false), site.core(2, true));
    let _terminator = plane::taking(one.folder(), site.terminator, "u1");
    [1, 2].iter().for_each(|node| site.balancer.until_core_is(inner(site.net, *node), "up"));
    let begun = |node: u16| site.balancer.core(inner(site.net, node)).1;

    // Both get about half; each call's ACK and BYE find it, or SIPp would fail it.
    site.calling(&one, 120, 300).all_calls_succeed();
    assert!(begun(1) + begun(2) == 120 && (36..=84).contains(&begun(1)), "{} and {}", begun(1), begun(2));
    assert_eq!(one.counted("calls_begun") + two.counted("calls_begun"), 120, "no call was heard by two");

    // A core dies. The other one's calls end well, and so do those that it would have got: their INVITEs are repeated.
    two.kill();
    site.calling(&one, 60, 300).all_calls_succeed();
    site.balancer.until_core_is(inner(site.net, 2), "out");

    // One more comes, and the first drains: it gets nothing.
    let third = inner(site.net, 3);
    let three = site.core(3, true);
    assert_eq!(site.balancer.ask(&format!("{{\"add\":{{\"at\":\"{third}\",\"weight\":1}}}}")), "done");
    site.balancer.until_core_is(third, "up");
    let first = inner(site.net, 1);
    assert_eq!(site.balancer.ask(&format!("{{\"drain\":{{\"at\":\"{first}\",\"on\":true}}}}")), "done");
    let before = begun(1);
    site.calling(&one, 40, 100).all_calls_succeed();
    assert_eq!((begun(1), begun(3), three.counted("calls_begun")), (before, 40, 40));
    let metrics = site.balancer.ask("\"metrics\"")["metrics"]["text"].to_string();
    assert!(
        metrics.contains(&format!("tandem_balancer_core_calls_begun_total{{core=\\\"{third}\\\"}} 40")),
        "{metrics}"
    );
}
