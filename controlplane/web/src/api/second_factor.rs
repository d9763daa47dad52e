//! The second factor of log-ins: setting one up, recovery codes, taking it off, and who must have one.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use store::{AuditEntry, User};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::auth::{Caller, May, Role, Tried, Who, factor, rights};
use crate::extract::{Body, Key};
use crate::problem::{Answered, Code, Problem};
use crate::services::App;
use crate::value::{Time, UserRef};

/// How the caller's second factor stands.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct SecondFactor {
    /// Since when log-ins want a code; absent if they do not.
    pub since_at: Option<Time>,
    /// Recovery codes that were not used.
    pub recovery_codes_left: u32,
}

/// Begins a second factor.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SecondFactorNew {
    /// The caller's present password; needed when there is one.
    pub password: Option<String>,
}

/// What an authenticator is told. It is shown this once, and not in force before a code of it has come.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct SecondFactorBegun {
    /// For typing: base32.
    #[schema(example = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ")]
    pub secret: String,
    /// The same as a URI, `otpauth://totp/…`.
    pub uri: String,
    /// The URI as a QR code: an SVG picture.
    pub qr_svg: String,
}

/// A code.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SecondFactorCode {
    /// Six digits of the authenticator; a recovery code too, except where it is being set up.
    #[schema(max_length = 64, example = "081804")]
    pub code: String,
}

/// Codes for the day on which the authenticator is lost, each good once. They are shown this once.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct RecoveryCodes {
    /// Ten of them; all before are good no more.
    pub recovery_codes: Vec<String>,
}

/// Roles whose users must have a second factor.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SecondFactorRoles {
    /// Whoever has one of these and no second factor may do nothing but set one up.
    pub roles: Vec<Role>,
}

/// The paths of second factors.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(stands, begin, finish))
        .routes(routes!(remove))
        .routes(routes!(renew_codes))
        .routes(routes!(take_off))
        .routes(routes!(roles, set_roles))
}

/// How the caller's second factor stands.
#[utoipa::path(get, path = "/api/v1/me/second-factor", tag = "access",
    responses((status = 200, description = "Whether there is one.", body = SecondFactor)))]
async fn stands(caller: Caller, State(app): State<App>) -> Answered<Json<SecondFactor>> {
    let found = app.store.second_factor(own(&caller)?).await?.filter(|factor| factor.proved.is_some());
    let left = found.as_ref().map_or(0, |factor| factor.codes_left);
    let since_at = found.and_then(|factor| factor.proved).map(Time);
    Ok(Json(SecondFactor { since_at, recovery_codes_left: left }))
}

/// Begins a second factor for the caller: an authenticator is told the answer, and PUT puts it in force.
#[utoipa::path(post, path = "/api/v1/me/second-factor", tag = "access", request_body = SecondFactorNew,
    responses((status = 200, description = "What the authenticator is told.", body = SecondFactorBegun)))]
async fn begin(
    caller: Caller,
    State(app): State<App>,
    Body(new): Body<SecondFactorNew>,
) -> Answered<Json<SecondFactorBegun>> {
    let id = own(&caller)?;
    let user = app.store.user(id).await?.ok_or_else(|| Problem::not_found(UserRef(id)))?;
    with_password(&app, &user, new.password).await?;
    let secret = factor::draw();
    let told = factor::enrolment(&user.draft.name, &secret).map_err(Problem::internal)?;
    app.store.begin_second_factor(id, &secret).await?;
    let factor::Enrolment { secret, uri, qr_svg } = told;
    Ok(Json(SecondFactorBegun { secret, uri, qr_svg }))
}

/// Whoever found an open browser does not bind its log-ins to a telephone of theirs.
async fn with_password(app: &App, user: &User, given: Option<String>) -> Answered<()> {
    if user.draft.password_hash.is_empty() {
        return Ok(());
    }
    let tried = Tried::CodeOf(user.id);
    not_barred(app, tried)?;
    if app.passwords.fits(given.unwrap_or_default(), user.draft.password_hash.clone()).await {
        return Ok(());
    }
    app.passwords.failed(tried);
    Err(Problem::invalid("/password", "this is not the present password"))
}

/// Puts the caller's second factor in force, with its first code.
#[utoipa::path(put, path = "/api/v1/me/second-factor", tag = "access", request_body = SecondFactorCode,
    responses((status = 200, description = "It is in force.", body = RecoveryCodes)))]
async fn finish(
    caller: Caller,
    State(app): State<App>,
    Body(given): Body<SecondFactorCode>,
) -> Answered<Json<RecoveryCodes>> {
    let id = own(&caller)?;
    let found = app.store.second_factor(id).await?.filter(|factor| factor.proved.is_none());
    let Some(found) = found else {
        return Err(Problem::new(Code::Conflict, "none was begun: POST begins one"));
    };
    let tried = Tried::CodeOf(id);
    not_barred(&app, tried)?;
    let (shown, kept) = factor::draw_recovery_codes();
    let proved = match factor::step_now(&found.secret, &given.code) {
        Some(step) => app.store.prove_second_factor(id, step, &kept).await?,
        None => false,
    };
    if !proved {
        app.passwords.failed(tried);
        return Err(Problem::invalid("/code", "this is not the code of this moment: see the clocks of both"));
    }
    app.remembered.forget();
    app.store.audit(&caller.act("second_factor_on", UserRef(id))).await?;
    Ok(Json(RecoveryCodes { recovery_codes: shown }))
}

/// Takes the caller's second factor off, by a code of it.
#[utoipa::path(post, path = "/api/v1/me/second-factor/remove", tag = "access", request_body = SecondFactorCode,
    responses((status = 204, description = "Log-ins want no code any more.")))]
async fn remove(caller: Caller, State(app): State<App>, Body(given): Body<SecondFactorCode>) -> Answered<StatusCode> {
    let id = own(&caller)?;
    let user = app.store.user(id).await?.ok_or_else(|| Problem::not_found(UserRef(id)))?;
    if app.store.second_factor_roles().await?.contains(&user.draft.role) {
        return Err(Problem::new(Code::Conflict, "whoever has your role must have a second factor"));
    }
    take(&app, id, &given.code, caller.act("", "")).await.map_err(in_the_form)?;
    app.store.remove_second_factor(id).await?;
    app.remembered.forget();
    app.store.audit(&caller.act("second_factor_off", UserRef(id))).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Draws new recovery codes for the caller; all before are good no more.
#[utoipa::path(post, path = "/api/v1/me/recovery-codes", tag = "access", request_body = SecondFactorCode,
    responses((status = 200, description = "The new ones.", body = RecoveryCodes)))]
async fn renew_codes(
    caller: Caller,
    State(app): State<App>,
    Body(given): Body<SecondFactorCode>,
) -> Answered<Json<RecoveryCodes>> {
    let id = own(&caller)?;
    take(&app, id, &given.code, caller.act("", "")).await.map_err(in_the_form)?;
    let (shown, kept) = factor::draw_recovery_codes();
    app.store.replace_recovery_codes(id, &kept).await?;
    app.store.audit(&caller.act("recovery_codes", UserRef(id))).await?;
    Ok(Json(RecoveryCodes { recovery_codes: shown }))
}

/// Takes the second factor off a user who lost it. One's own goes by a code.
#[utoipa::path(delete, path = "/api/v1/users/{id}/second-factor", tag = "access", params(("id" = UserRef, Path)),
    responses((status = 204, description = "Their log-ins want no code any more.")))]
async fn take_off(caller: May<rights::Admin>, State(app): State<App>, Key(id): Key<UserRef>) -> Answered<StatusCode> {
    if matches!(caller.who, Who::User { id: own, .. } if own == id.0) {
        let detail = "your own goes by a code: POST /api/v1/me/second-factor/remove";
        return Err(Problem::new(Code::Conflict, detail));
    }
    if !app.store.remove_second_factor(id.0).await? {
        return Err(Problem::not_found(format!("second factor of {id}")));
    }
    app.remembered.forget();
    app.store.audit(&caller.act("second_factor_off", id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Tells who must have a second factor.
#[utoipa::path(get, path = "/api/v1/second-factor-roles", tag = "access",
    responses((status = 200, description = "The roles.", body = SecondFactorRoles)))]
async fn roles(_caller: May<rights::Admin>, State(app): State<App>) -> Answered<Json<SecondFactorRoles>> {
    let roles = app.store.second_factor_roles().await?;
    Ok(Json(SecondFactorRoles { roles: parsed(&roles) }))
}

/// Says who must have a second factor. Whoever includes the own role has one already.
#[utoipa::path(put, path = "/api/v1/second-factor-roles", tag = "access", request_body = SecondFactorRoles,
    responses((status = 200, description = "The roles.", body = SecondFactorRoles)))]
async fn set_roles(
    caller: May<rights::Admin>,
    State(app): State<App>,
    Body(new): Body<SecondFactorRoles>,
) -> Answered<Json<SecondFactorRoles>> {
    if matches!(&caller.who, Who::User { role, has_second_factor: false, .. } if new.roles.contains(role)) {
        return Err(Problem::new(Code::Conflict, "set up your own second factor first"));
    }
    let before = SecondFactorRoles { roles: parsed(&app.store.second_factor_roles().await?) };
    let mut names: Vec<&str> = new.roles.iter().map(|role| role.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    app.store.set_second_factor_roles(&names).await?;
    app.remembered.forget();
    let after = SecondFactorRoles { roles: parsed(&names) };
    app.store.audit(&caller.entry("update", "second_factor_roles", Some(&before), Some(&after))).await?;
    Ok(Json(after))
}

fn parsed<T: AsRef<str>>(names: &[T]) -> Vec<Role> {
    names.iter().filter_map(|name| Role::parse(name.as_ref())).collect()
}

/// Takes a code, once. A wrong one is counted and written down: whoever sent it knows the password, or has the browser.
pub(crate) async fn take(app: &App, user: u32, code: &str, entry: AuditEntry) -> Answered<()> {
    let tried = Tried::CodeOf(user);
    not_barred(app, tried)?;
    if factor::take(&app.store, user, code).await? {
        return Ok(());
    }
    app.passwords.failed(tried);
    let entry = AuditEntry { action: "wrong_code".to_owned(), object: UserRef(user).to_string(), ..entry };
    app.store.audit(&entry).await?;
    Err(Problem::new(Code::WrongCredentials, "this code is not good, or was used before"))
}

/// In a browser that is logged in, a wrong code is a wrong value: 401 would say that the log-in has ended.
fn in_the_form(problem: Problem) -> Problem {
    match problem.code {
        Code::WrongCredentials => Problem::invalid("/code", problem.detail),
        _ => problem,
    }
}

fn not_barred(app: &App, tried: Tried) -> Answered<()> {
    if app.passwords.is_barred(tried) {
        let detail =
            "too many wrong tries of this user; wait a quarter of an hour, or have an administrator take it off";
        return Err(Problem::new(Code::TooMany, detail));
    }
    Ok(())
}

fn own(caller: &Caller) -> Answered<u32> {
    match &caller.who {
        Who::User { id, .. } => Ok(*id),
        Who::Key { .. } => Err(Problem::new(Code::NotAllowed, "a key has no second factor")),
    }
}
