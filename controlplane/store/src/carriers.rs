//! Carriers: the companies that we connect with.

use snapshot::{CarrierLimits, Limits, Policy};

use crate::error::{Result, StoreError};
use crate::object::{Object, Stored};
use crate::policy;
use crate::sql::{Arg, Row, args};

/// What an operator writes about a carrier.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CarrierDraft {
    /// The unique short name.
    pub code: String,
    /// The company's name, up to 200 characters.
    pub name: String,
    /// Neither sends nor takes calls.
    pub blocked: bool,
    /// What it may have over all its trunks.
    pub limits: CarrierLimits,
    /// Captures and recordings of calls by those of its trunks that say nothing of them.
    pub policy: Policy,
}

/// A carrier as stored.
pub type Carrier = Stored<CarrierDraft>;

impl Object for CarrierDraft {
    type Facts = ();
    const WHAT: &'static str = "carrier";
    const TABLE: &'static str = "carriers";
    const COLUMNS: &'static [&'static str] = &[
        "code",
        "name",
        "blocked",
        "capacity",
        "originator_capacity",
        "ingress_capacity",
        "ingress_cps",
        "ingress_cps_window_s",
        "egress_capacity",
        "egress_cps",
        "egress_cps_window_s",
        "policy",
    ];
    const OF_CARRIER: bool = false;

    fn code(&self) -> &str {
        &self.code
    }

    fn check(&self) -> Result<()> {
        check_name(&self.name)?;
        check_window("ingress_cps_window_s", self.limits.ingress)?;
        check_window("egress_cps_window_s", self.limits.egress)?;
        self.policy.check_carrier().map_err(StoreError::Policy)
    }

    fn args(&self) -> Vec<Arg> {
        let CarrierLimits { ingress, egress, capacity, originator_capacity } = self.limits;
        args![
            self.code.as_str(),
            self.name.as_str(),
            self.blocked,
            capacity,
            originator_capacity,
            ingress.capacity,
            ingress.cps,
            ingress.cps_window_s,
            egress.capacity,
            egress.cps,
            egress.cps_window_s,
            self.policy.to_text()
        ]
    }

    fn read(row: &Row) -> Result<CarrierDraft> {
        Ok(CarrierDraft {
            code: row.text("code")?,
            name: row.text("name")?,
            blocked: row.flag("blocked")?,
            limits: CarrierLimits {
                ingress: Limits {
                    capacity: row.num("ingress_capacity")?,
                    cps: row.num("ingress_cps")?,
                    cps_window_s: row.num("ingress_cps_window_s")?,
                },
                egress: Limits {
                    capacity: row.num("egress_capacity")?,
                    cps: row.num("egress_cps")?,
                    cps_window_s: row.num("egress_cps_window_s")?,
                },
                capacity: row.num("capacity")?,
                originator_capacity: row.num("originator_capacity")?,
            },
            policy: policy::read(row)?,
        })
    }
}

pub(crate) fn check_window(field: &'static str, limits: Limits) -> Result<()> {
    if limits.cps_window_s > 60 {
        return Err(StoreError::invalid(field, "1 to 60 seconds; 0 for 1"));
    }
    Ok(())
}

/// A name is for people: any text without control characters.
pub(crate) fn check_name(name: &str) -> Result<()> {
    if name.chars().count() > 200 || name.chars().any(char::is_control) {
        return Err(StoreError::invalid("name", "up to 200 characters, no control characters"));
    }
    Ok(())
}
