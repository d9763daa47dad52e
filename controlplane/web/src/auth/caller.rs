//! Who calls, what they may do, and what is written down about it.

use std::marker::PhantomData;
use std::ops::Deref;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use serde::Serialize;
use store::AuditEntry;
use units::WallTime;

use super::{Networks, Role, Scope};
use crate::problem::{Code, Problem, REQUEST_ID};

/// A user in a browser, or a program with a key.
#[derive(Clone, Debug)]
pub enum Who {
    /// A logged-in user.
    User {
        /// The user's id.
        id: u32,
        /// The user's name.
        name: String,
        /// What the user may do.
        role: Role,
        /// The carrier of a user of the role `carrier`.
        carrier: Option<u32>,
        /// Has a password.
        has_password: bool,
        /// Has a second factor.
        has_second_factor: bool,
        /// Must have one before anything else: may do nothing yet.
        must_prove: bool,
        /// What requests that write must carry in a header.
        csrf: String,
        /// Hash of the cookie's secret.
        session: [u8; 32],
    },
    /// A program.
    Key {
        /// The key's id.
        id: u32,
        /// What people call it.
        name: String,
        /// The user that made it.
        made_by: u32,
        /// Where its requests may come from.
        networks: Networks,
    },
}

/// Whoever sent this request, checked by [`super::gate`].
#[derive(Clone, Debug)]
pub struct Caller {
    /// User or key.
    pub who: Who,
    /// What they may do.
    pub scopes: Vec<Scope>,
    /// When that ends.
    pub expires: Option<WallTime>,
    /// The address that the request came from.
    pub address: String,
}

impl Caller {
    /// True when the caller has this scope or may do everything.
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.iter().any(|held| *held == scope || *held == Scope::Admin)
    }

    /// This caller sees what is one carrier's and nothing else.
    pub fn is_confined(&self) -> bool {
        matches!(&self.who, Who::User { role: Role::Carrier, .. } | Who::User { carrier: Some(_), .. })
    }

    /// As in the audit: `user:anna` or `key:billing`.
    pub fn actor(&self) -> String {
        match &self.who {
            Who::User { name, .. } => format!("user:{name}"),
            Who::Key { name, .. } => format!("key:{name}"),
        }
    }

    /// The id of the user who is responsible.
    pub fn user(&self) -> u32 {
        match &self.who {
            Who::User { id, .. } => *id,
            Who::Key { made_by, .. } => *made_by,
        }
    }

    /// What is written down about an act.
    pub fn entry<T: Serialize>(
        &self,
        action: &str,
        object: impl ToString,
        before: Option<&T>,
        after: Option<&T>,
    ) -> AuditEntry {
        let json = |value: Option<&T>| value.and_then(|v| serde_json::to_string(v).ok()).unwrap_or_default();
        AuditEntry {
            actor: self.actor(),
            action: action.to_owned(),
            object: object.to_string(),
            before: json(before),
            after: json(after),
            address: self.address.clone(),
            request_id: REQUEST_ID.try_with(String::clone).unwrap_or_default(),
            ..AuditEntry::default()
        }
    }

    /// What is written down about an act that has no before and after.
    pub fn act(&self, action: &str, object: impl ToString) -> AuditEntry {
        self.entry::<()>(action, object, None, None)
    }
}

/// A scope as a type, so that a handler's signature says what it needs.
pub trait Right: Send + Sync + 'static {
    /// The scope.
    const SCOPE: Scope;
}

/// One type a scope.
pub mod rights {
    use super::{Right, Scope};

    macro_rules! rights {
        ($($(#[$meta:meta])* $name:ident;)*) => {$(
            $(#[$meta])*
            pub struct $name;

            impl Right for $name {
                const SCOPE: Scope = Scope::$name;
            }
        )*};
    }

    rights! {
        /// Look at everything but CDRs.
        Read;
        /// Look at CDRs.
        CdrRead;
        /// Change configuration.
        Write;
        /// Change rates.
        RatesWrite;
        /// Enter payments.
        MoneyWrite;
        /// Release calls.
        CallsRelease;
        /// Capture calls and open captures: whole packets can be heard.
        CallsOpen;
        /// Record calls, listen to recordings, remove them.
        Recordings;
        /// Users, keys, audit.
        Admin;
    }
}

/// A caller who has the scope of `R`. A handler without one of these in its signature serves every logged-in caller.
pub struct May<R>(Caller, PhantomData<R>);

impl<R> Deref for May<R> {
    type Target = Caller;
    fn deref(&self) -> &Caller {
        &self.0
    }
}

/// The carrier whose user asks. A handler that has it answers nobody else, and tells of nothing but that carrier.
#[derive(Clone, Copy, Debug)]
pub struct Own(pub u32);

impl<S: Send + Sync> FromRequestParts<S> for Own {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Own, Problem> {
        let caller = Caller::from_request_parts(parts, state).await?;
        match caller.who {
            Who::User { must_prove: true, .. } => Err(unproved()),
            Who::User { role: Role::Carrier, carrier: Some(carrier), .. } => Ok(Own(carrier)),
            Who::User { .. } | Who::Key { .. } => {
                Err(Problem::new(Code::NotAllowed, "this is for users of the role carrier"))
            }
        }
    }
}

fn unproved() -> Problem {
    let detail = "whoever has this role must have a second factor: POST /api/v1/me/second-factor begins one";
    Problem::new(Code::SecondFactorMissing, detail)
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Caller, Problem> {
        let caller = parts.extensions.get::<Caller>();
        caller.cloned().ok_or_else(|| Problem::new(Code::NotLoggedIn, "this needs a log-in or an API key"))
    }
}

impl<S: Send + Sync, R: Right> FromRequestParts<S> for May<R> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<May<R>, Problem> {
        let caller = Caller::from_request_parts(parts, state).await?;
        if caller.may(R::SCOPE) {
            return Ok(May(caller, PhantomData));
        }
        if matches!(caller.who, Who::User { must_prove: true, .. }) {
            return Err(unproved());
        }
        let detail = format!("this needs the scope {}", R::SCOPE.as_str());
        Err(Problem::new(Code::NotAllowed, detail))
    }
}
