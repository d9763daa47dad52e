//! Orders to shards that have no room for them.

use rtrb::{Consumer, RingBuffer};

use super::*;

/// A control thread before one shard whose ring has room for one order, and has it.
fn before_a_busy_shard() -> (Control, Consumer<Order>) {
    let (mut orders, heard) = RingBuffer::new(1);
    assert!(orders.push(Order::Figures { question: 0 }).is_ok(), "the ring has room for one");
    let seats = vec![Seat { orders, bell: Doorbell::new().expect("an eventfd") }];
    let names = Names::new(None, &[]);
    (Control::new(seats, 1, 1, PathBuf::new(), Arc::default(), names), heard)
}

#[tokio::test]
async fn an_end_and_a_drain_that_a_busy_shard_could_not_hear_are_told_again() {
    let (mut control, mut heard) = before_a_busy_shard();
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
