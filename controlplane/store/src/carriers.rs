//! Carriers: the companies that we connect with.

use crate::error::{Result, StoreError};
use crate::object::{Object, Stored};
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
}

/// A carrier as stored.
pub type Carrier = Stored<CarrierDraft>;

impl Object for CarrierDraft {
    type Facts = ();
    const WHAT: &'static str = "carrier";
    const TABLE: &'static str = "carriers";
    const COLUMNS: &'static [&'static str] = &["code", "name", "blocked"];
    const OF_CARRIER: bool = false;

    fn code(&self) -> &str {
        &self.code
    }

    fn check(&self) -> Result<()> {
        check_name(&self.name)
    }

    fn args(&self) -> Vec<Arg> {
        args![self.code.as_str(), self.name.as_str(), self.blocked]
    }

    fn read(row: &Row) -> Result<CarrierDraft> {
        Ok(CarrierDraft { code: row.text("code")?, name: row.text("name")?, blocked: row.flag("blocked")? })
    }
}

/// A name is for people: any text without control characters.
pub(crate) fn check_name(name: &str) -> Result<()> {
    if name.chars().count() > 200 || name.chars().any(char::is_control) {
        return Err(StoreError::invalid("name", "up to 200 characters, no control characters"));
    }
    Ok(())
}
