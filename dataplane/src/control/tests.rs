//! Orders to shards that have no room for them, and wishes of shards that nobody hears.

use rtrb::{Consumer, RingBuffer};

use super::*;

/// A control thread before so many shards, whose rings have room for one order each.
fn before<const SHARDS: usize>() -> (Control, [Consumer<Order>; SHARDS]) {
    let mut seats = Vec::new();
    let heard = std::array::from_fn(|_| {
        let (orders, heard) = RingBuffer::new(1);
        seats.push(Seat { orders, bell: Doorbell::new().expect("an eventfd") });
        heard
    });
    let names = Names::new(None, &[]);
    (Control::new(seats, 1, 1, PathBuf::new(), Arc::default(), names), heard)
}

#[tokio::test]
async fn an_end_and_a_drain_that_a_busy_shard_could_not_hear_are_told_again() {
    let (mut control, [mut heard]) = before();
    assert!(control.seats[0].orders.push(Order::Figures { question: 0 }).is_ok(), "the ring has room for one");
    control.drain(true);
    control.stop();
    control.tell_again();
    assert!(matches!(heard.pop(), Ok(Order::Figures { .. })), "there was no room for more");
    control.tell_again();
    assert!(matches!(heard.pop(), Ok(Order::Drain(true))));
    control.tell_again();
    assert!(matches!(heard.pop(), Ok(Order::Stop)));
    control.tell_again();
    assert!(heard.pop().is_err(), "what was heard is not said again");
}

#[tokio::test]
async fn a_certificate_that_nobody_can_fetch_is_told_to_who_wants_it() {
    let (mut control, [mut one, mut other]) = before();
    let x5u = || String::from("https://a.example/b");
    let (controller, mut frames) = mpsc::channel(1);
    let mut wish = |control: &mut Control| {
        control.on_report(Report::Fetch { shard: 1, x5u: x5u() });
        assert!(one.pop().is_err(), "who knows it still is told nothing");
        other.pop().ok()
    };
    let nobody = Certificate { x5u: x5u(), key: CertificateKey::Unreachable, until: 0 };
    assert!(matches!(wish(&mut control), Some(Order::Certificate(told)) if told == nobody), "there is no controller");
    control.hub.connections.insert(7, controller);
    control.hub.controller = Some(7);
    assert!(wish(&mut control).is_none() && frames.try_recv() == Ok(Frame::Fetch { x5u: x5u() }));
    assert!(wish(&mut control).is_none());
    assert!(matches!(wish(&mut control), Some(Order::Certificate(told)) if told == nobody), "it does not read");
}
