//! A second foreign program, baresip, places calls: each has its records and its exact price.

use std::time::{Duration, Instant};

use acceptance::baresip;
use acceptance::books::exact;
use acceptance::switch::Switch;

/// Calls, one after the other.
const CALLS: usize = 3;
/// How long each of them talks at least.
const TALK: Duration = Duration::from_millis(1_500);
/// The destination: SIPp's terminator behind the switch takes it.
const CALLED: &str = "4420790012";

#[test]
fn baresips_calls_are_carried_recorded_and_charged() {
    let switch = Switch::up(None);
    let folder = baresip::furnish(switch.folder(), switch.originator(), "", "");
    let _terminator = switch.taking(&["-rtp_echo"]);
    for call in 1..=CALLS {
        let mut up = None;
        baresip::call(&folder, &format!("sip:{CALLED}@{}", switch.sip()), || {
            if up.is_none() && switch.counter("calls_answered") == call as u64 {
                up = Some(Instant::now());
            }
            up.is_some_and(|up| up.elapsed() > TALK)
        });
    }
    let records = switch.collected(CALLS);
    assert_eq!(records.len(), CALLS);
    for record in &records {
        assert!(record.answered() && record.number("duration_ms") > 1_000, "{record:#?}");
        assert_eq!((record.text("codec"), record.text("calling")), ("PCMU/8000", "12125550100"));
    }
    switch.charged(exact(&records));
}
