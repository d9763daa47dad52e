//! `tandem users`: who may log in, and the way back in for whoever lost the second factor.

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;
use serde_json::json;
use store::{AuditEntry, StoreError, User};
use web::value::UserRef;

use super::{Listing, Place, moment};

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Users with their roles, and whether they have a password and a second factor.
    #[command(alias = "ls")]
    List(Listing),
    /// Takes the second factor off a user who lost it: the next log-in wants the password alone. A running node knows at once.
    SecondFactorOff {
        /// The name that the user logs in with.
        name: String,
        #[command(flatten)]
        place: Place,
    },
}

pub async fn run(verb: Verb) -> Result<ExitCode> {
    match verb {
        Verb::List(Listing { place, form }) => {
            let users = place.store().await?.users().await?;
            let users: Vec<&User> = users.iter().filter(|user| user.draft.active).collect();
            let rows: Vec<_> = users.iter().map(|user| cells(user)).collect();
            let head = ["user", "name", "role", "password", "second factor since", "made"];
            form.show(&head, &rows, || users.iter().map(|user| object(user)).collect::<Vec<_>>())?;
        }
        Verb::SecondFactorOff { name, place } => second_factor_off(&place, &name).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn second_factor_off(place: &Place, name: &str) -> Result<()> {
    let store = place.store().await?;
    let missing = |what| StoreError::NotFound { what, key: name.to_owned() };
    let user = store.user_by_name(name).await?.ok_or_else(|| missing("user"))?;
    if !store.remove_second_factor(user.id).await? {
        return Err(missing("second factor of").into());
    }
    let entry = AuditEntry {
        actor: "tandem users".to_owned(),
        action: "second_factor_off".to_owned(),
        object: UserRef(user.id).to_string(),
        ..AuditEntry::default()
    };
    Ok(store.audit(&entry).await?)
}

fn cells(user: &User) -> Vec<String> {
    let password = if user.draft.password_hash.is_empty() { "none" } else { "set" };
    vec![
        UserRef(user.id).to_string(),
        user.draft.name.clone(),
        user.draft.role.clone(),
        password.to_owned(),
        user.second_factor.map_or_else(|| "-".to_owned(), moment),
        moment(user.created),
    ]
}

fn object(user: &User) -> serde_json::Value {
    json!({
        "id": UserRef(user.id).to_string(),
        "name": user.draft.name,
        "role": user.draft.role,
        "has_password": !user.draft.password_hash.is_empty(),
        "second_factor_since_at": user.second_factor.map(moment),
        "created_at": moment(user.created),
    })
}
