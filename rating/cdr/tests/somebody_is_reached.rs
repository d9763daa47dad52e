//! Which calls reached somebody, whether he answered or not: what a network effectiveness ratio counts (ITU-T E.425).

use cdr::{Cdr, Party};
use units::Cause;

#[test]
fn a_busy_absent_or_unwilling_destination_was_reached_and_a_refusal_on_the_way_was_not() {
    let table: [(Party, u16, u16, Option<u32>, bool); 13] = [
        (Party::Egress, 17, 486, None, true),
        (Party::Egress, 18, 408, None, true),
        (Party::Egress, 19, 480, None, true),
        (Party::Egress, 20, 480, None, true),
        (Party::Egress, 16, 487, None, true),
        (Party::Egress, 31, 480, None, true),
        (Party::Egress, 21, 603, None, true),
        (Party::Egress, 21, 403, None, false),
        (Party::Egress, 34, 503, Some(100), false),
        (Party::Ingress, 312, 487, None, true),
        (Party::Switch, 102, 408, Some(100), true),
        (Party::Switch, 102, 408, None, false),
        (Party::Switch, 310, 503, None, false),
    ];
    for (released_by, cause, sip_status, ringing_ms, reached) in table {
        let cdr = Cdr { released_by, cause: Cause(cause), sip_status, ringing_ms, ..Cdr::default() };
        assert_eq!(cdr.reached(), reached, "{cdr:?}");
        assert!(Cdr { answered_ms: Some(1), ..cdr }.reached());
    }
}
