//! What the rules of the originator and of the plan make of a call's numbers, told stage by stage.

use alloc::vec::Vec;

use snapshot::Side;
use units::{Cause, IngressTrunkId, Number, PlanId};

use super::Policies;
use crate::admit::{plan_stage, stage};

/// A call's numbers after one stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stage {
    /// Whose rules; `None` for the numbers as they came, without the tech prefix.
    pub side: Option<Side>,
    /// The caller; may be empty.
    pub calling: Number,
    /// The destination.
    pub called: Number,
    /// Why the stage refuses the call; then the numbers are as they came to it, or as far as they were rewritten.
    pub refusal: Option<Cause>,
}

/// The stages of a call that [`admit`](crate::admit) brings to this trunk and plan, by the same rules; the last one may refuse.
pub fn stages(
    policies: &Policies,
    ingress: IngressTrunkId,
    plan: PlanId,
    calling: Number,
    called: Number,
) -> Vec<Stage> {
    let mut told = Vec::from([Stage { side: None, calling, called, refusal: None }]);
    let (mut calling, mut called) = (calling, called);
    for side in [Side::Ingress, Side::Plan] {
        let stood = match side {
            Side::Plan => plan_stage(policies, plan, &mut calling, &mut called),
            Side::Ingress | Side::Egress => stage(policies.ingress(ingress), side, &mut calling, &mut called),
        };
        told.push(Stage { side: Some(side), calling, called, refusal: stood.err() });
        if stood.is_err() {
            break;
        }
    }
    told
}
