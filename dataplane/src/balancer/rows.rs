//! What operators ask of a balancer, and read.

use std::fmt::Write as _;
use std::net::SocketAddr;

use balance::cores::WEIGHT_MAX;
use balance::health::State;
use balance::{Balancer, Core, Refusal};
use panel::balancer::{Answer, Ask, CoreRow};
use uring::Tally;

/// Does what is asked.
pub fn answer(balancer: &mut Balancer, tally: &Tally, ask: Ask) -> Answer {
    let done = |outcome: Result<(), Refusal>| match outcome {
        Ok(()) => Answer::Done,
        Err(refusal) => Answer::Refused { reason: refusal.to_string() },
    };
    let place = |at: &str| at.parse::<SocketAddr>().map_err(|_| format!("{at} is not ADDR:PORT"));
    let (at, cores) = match &ask {
        Ask::Cores => return Answer::Cores(balancer.cores().all().iter().map(row).collect()),
        Ask::Metrics => return Answer::Metrics { text: metrics(balancer, tally) },
        Ask::Add { at, .. } | Ask::Remove { at, .. } | Ask::Drain { at, .. } => match place(at) {
            Ok(at) => (at, balancer.cores_mut()),
            Err(reason) => return Answer::Refused { reason },
        },
    };
    tracing::info!(?ask, "an operator orders");
    match ask {
        Ask::Add { weight, .. } if weight == 0 || weight > WEIGHT_MAX => {
            Answer::Refused { reason: format!("a share is 1 to {WEIGHT_MAX}") }
        }
        Ask::Add { weight, .. } => done(cores.add(at, weight).map(|_| ())),
        Ask::Remove { force, .. } => done(cores.remove(at, force)),
        Ask::Drain { on, .. } => done(cores.drain(at, on)),
        Ask::Cores | Ask::Metrics => Answer::Done,
    }
}

fn row(core: &Core) -> CoreRow {
    CoreRow {
        at: core.at.to_string(),
        node: core.node.map(|node| node.0),
        state: state(core).to_owned(),
        weight: core.weight,
        calls: core.load(),
        begun: core.begun,
    }
}

fn state(core: &Core) -> &'static str {
    match core.health.state {
        State::Unknown => "unknown",
        State::Out { .. } => "out",
        State::Up if core.draining => "draining",
        State::Up => "up",
    }
}

/// Prometheus' text format: `tandem_balancer_…`.
fn metrics(balancer: &Balancer, tally: &Tally) -> String {
    let mut text = String::new();
    let head = |text: &mut String, name: &str, help: &str, kind: &str| {
        let _ = writeln!(text, "# HELP tandem_balancer_{name} {help}\n# TYPE tandem_balancer_{name} {kind}");
    };
    balancer.counters().each(&mut |name, help, value| {
        head(&mut text, name, help, "counter");
        let _ = writeln!(text, "tandem_balancer_{name} {value}");
    });
    head(&mut text, "sends_failed_total", "Datagrams that the kernel did not take.", "counter");
    let _ = writeln!(text, "tandem_balancer_sends_failed_total {}", tally.send_failed);
    head(&mut text, "invites_remembered", "INVITEs whose core is remembered.", "gauge");
    let _ = writeln!(text, "tandem_balancer_invites_remembered {}", balancer.pinned());
    type Of = fn(&Core) -> u64;
    let of_cores: [(&str, &str, &str, Of); 3] = [
        ("core_up", "Does the core take new calls?", "gauge", |core| u64::from(core.is_up())),
        ("core_calls", "Calls that the core carries.", "gauge", Core::load),
        ("core_calls_begun_total", "Calls that the core was given.", "counter", |core| core.begun),
    ];
    for (name, help, kind, value) in of_cores {
        head(&mut text, name, help, kind);
        for core in balancer.cores().all() {
            let _ = writeln!(text, "tandem_balancer_{name}{{core=\"{}\"}} {}", core.at, value(core));
        }
    }
    text
}
