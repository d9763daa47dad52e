//! Who calls: browser sessions by cookie, programs by API key, the first administrator by a one-time token.

mod budget;
mod caller;
pub mod factor;
mod gate;
mod networks;
mod password;
mod secret;
mod token;

pub use budget::{Budget, Budgets};
pub use caller::{Caller, May, Own, Right, Who, rights};
pub(crate) use gate::gate;
pub use gate::{COOKIE, CSRF_HEADER, LOG_IN, Remembered, address_of, of_user};
pub use networks::{NETWORKS_MAX, Networks, Proxies, Refusals};
pub use password::{Passwords, Tried};
pub use secret::{Secret, hash};
pub use token::OneTimeTokens;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a caller may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
pub enum Scope {
    /// Look at everything but CDRs.
    #[serde(rename = "read")]
    Read,
    /// Look at CDRs and calls' stories.
    #[serde(rename = "cdr:read")]
    CdrRead,
    /// Change carriers, accounts, trunks, decks and plans; apply files.
    #[serde(rename = "write")]
    Write,
    /// Change rates.
    #[serde(rename = "rates:write")]
    RatesWrite,
    /// Enter payments.
    #[serde(rename = "money:write")]
    MoneyWrite,
    /// Release running calls.
    #[serde(rename = "calls:release")]
    CallsRelease,
    /// Capture calls and open captures; with whole media packets a call can be heard.
    #[serde(rename = "calls:open")]
    CallsOpen,
    /// Record calls, listen to recordings, remove them.
    #[serde(rename = "recordings")]
    Recordings,
    /// Users, keys, audit; implies all others.
    #[serde(rename = "admin")]
    Admin,
}

impl Scope {
    /// All of them.
    pub const ALL: [Scope; 9] = [
        Scope::Read,
        Scope::CdrRead,
        Scope::Write,
        Scope::RatesWrite,
        Scope::MoneyWrite,
        Scope::CallsRelease,
        Scope::CallsOpen,
        Scope::Recordings,
        Scope::Admin,
    ];

    /// As in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Scope::Read => "read",
            Scope::CdrRead => "cdr:read",
            Scope::Write => "write",
            Scope::RatesWrite => "rates:write",
            Scope::MoneyWrite => "money:write",
            Scope::CallsRelease => "calls:release",
            Scope::CallsOpen => "calls:open",
            Scope::Recordings => "recordings",
            Scope::Admin => "admin",
        }
    }

    /// The inverse of [`Scope::as_str`].
    pub fn parse(text: &str) -> Option<Scope> {
        Scope::ALL.into_iter().find(|scope| scope.as_str() == text)
    }
}

/// What a user may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Everything.
    Admin,
    /// Everything but users, keys and audit.
    Operator,
    /// Looks, changes nothing.
    Viewer,
    /// Sees what is its own carrier's, by `/portal` alone, and nothing else.
    Carrier,
}

impl Role {
    /// As in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Admin => "admin",
            Role::Operator => "operator",
            Role::Viewer => "viewer",
            Role::Carrier => "carrier",
        }
    }

    /// The inverse of [`Role::as_str`].
    pub fn parse(text: &str) -> Option<Role> {
        [Role::Admin, Role::Operator, Role::Viewer, Role::Carrier].into_iter().find(|role| role.as_str() == text)
    }

    /// The scopes that it stands for.
    pub fn scopes(self) -> Vec<Scope> {
        match self {
            Role::Admin => Scope::ALL.to_vec(),
            Role::Operator => Scope::ALL.into_iter().filter(|scope| *scope != Scope::Admin).collect(),
            Role::Viewer => vec![Scope::Read, Scope::CdrRead],
            // What it may ask for is told by its paths, not by scopes: no handler that wants one serves it.
            Role::Carrier => Vec::new(),
        }
    }
}
