//! Logging in, and users.

use std::net::{IpAddr, SocketAddr};

use axum::Json;
use axum::extract::{ConnectInfo, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use store::{AuditEntry, CarrierDraft, User as StoredUser, UserDraft, WebSession};
use units::WallTime;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::second_factor;
use crate::auth::{COOKIE, Caller, May, Role, Scope, Secret, Tried, Who, hash, of_user, rights};
use crate::extract::{Body, Key};
use crate::page::List;
use crate::problem::{Answered, Code, Problem, REQUEST_ID};
use crate::services::App;
use crate::value::{CarrierRef, Time, UserRef};

/// A one-time token, or a user with a password.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LogIn {
    /// The one-time token that the program printed when it started.
    pub token: Option<String>,
    /// The user's name.
    pub user: Option<String>,
    /// The user's password.
    pub password: Option<String>,
    /// Six digits of the user's authenticator, or a recovery code; wanted beside the password of a user who has a second factor.
    pub code: Option<String>,
}

/// Who is calling.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Me {
    /// The user's name, or the key's.
    pub name: String,
    /// The user; absent for a key.
    pub user: Option<UserRef>,
    /// The user's role; absent for a key.
    pub role: Option<Role>,
    /// The carrier of a user of the role `carrier`, who may ask for `/portal` alone; absent for others.
    pub carrier: Option<CarrierRef>,
    /// What the caller may do.
    pub scopes: Vec<Scope>,
    /// Send this as the header `x-csrf-token` with every POST, PATCH, PUT and DELETE; absent for a key.
    pub csrf_token: Option<String>,
    /// The user has a password; without one the next log-in needs a new one-time token.
    pub has_password: bool,
    /// The user's log-ins want a code beside the password.
    pub has_second_factor: bool,
    /// The user's role must have a second factor and the user has none: nothing else is answered before.
    pub must_have_second_factor: bool,
    /// When the log-in ends; absent for a key without end.
    pub expires_at: Option<Time>,
    /// The program's version.
    pub version: String,
}

/// A password to be set.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordNew {
    /// The present one; needed when there is one.
    pub current: Option<String>,
    /// At least 10 characters.
    #[schema(min_length = 10, max_length = 256)]
    pub password: String,
}

/// A person.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct User {
    /// The id.
    pub id: UserRef,
    /// The name to log in with, unique.
    pub name: String,
    /// What the person may do.
    pub role: Role,
    /// The carrier of a user of the role `carrier`; absent for others.
    pub carrier: Option<CarrierRef>,
    /// Has a password.
    pub has_password: bool,
    /// Log-ins want a code beside the password.
    pub has_second_factor: bool,
    /// When made.
    pub created_at: Time,
}

/// A person to be let in.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UserNew {
    /// The name to log in with: 1 to 64 of `[0-9A-Za-z@._-]`.
    #[schema(min_length = 1, max_length = 64, pattern = "^[0-9A-Za-z@._-]+$")]
    pub name: String,
    /// What the person may do.
    pub role: Role,
    /// Whose user it is; wanted for the role `carrier`, and for no other.
    pub carrier: Option<CarrierRef>,
    /// At least 10 characters.
    #[schema(min_length = 10, max_length = 256)]
    pub password: String,
}

/// How long a log-in lasts: twelve hours, one shift.
const LOG_IN_S: i64 = 12 * 3_600;
/// The user that a one-time token makes when there is no administrator.
const FIRST_ADMIN: &str = "admin";
/// Characters of a password at least.
const PASSWORD_CHARS_MIN: usize = 10;
/// Characters of a password at most: hashing must not become work for strangers.
const PASSWORD_CHARS_MAX: usize = 256;

/// The paths of log-ins and users.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(log_in, log_out))
        .routes(routes!(me))
        .routes(routes!(set_password))
        .routes(routes!(users, create_user))
        .routes(routes!(delete_user))
}

/// Logs in with a one-time token, or with user and password; sets the cookie.
#[utoipa::path(post, path = "/api/v1/sessions", tag = "access", request_body = LogIn, security(()),
    responses((status = 200, description = "Who logged in; the cookie is set.", body = Me)))]
async fn log_in(
    State(app): State<App>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    Body(ask): Body<LogIn>,
) -> Answered<Response> {
    let tried = Tried::From(from.ip());
    if app.passwords.is_barred(tried) {
        return Err(Problem::new(Code::TooMany, "too many wrong tries from this address; wait a minute"));
    }
    let user = match (ask.token, ask.user, ask.password) {
        (Some(token), None, None) => by_token(&app, &token).await?,
        (None, Some(name), Some(password)) => by_password(&app, &name, password).await?,
        _ => return Err(Problem::invalid("/token", "give either token, or user and password")),
    };
    let Some((user, by)) = user else {
        app.passwords.failed(tried);
        return Err(Problem::new(Code::WrongCredentials, "user and password, or the token, are not right"));
    };
    if by == By::Password && user.second_factor.is_some() {
        prove(&app, &user, ask.code.as_deref(), from.ip()).await?;
    }
    let secret = Secret::draw();
    let now = Time::now();
    let session = WebSession {
        secret_hash: hash(secret.text()),
        user: user.id,
        csrf: Secret::draw().text().to_owned(),
        created: now.0,
        expires: WallTime::from_micros(now.micros() + LOG_IN_S * 1_000_000),
        address: from.ip().to_string(),
    };
    app.store.create_web_session(&session).await?;
    let must_prove = app.store.second_factor_roles().await?.contains(&user.draft.role);
    let caller = of_user(&session, &user, must_prove, from.ip().to_string());
    app.store.audit(&caller.act("log_in", UserRef(user.id))).await?;
    let cookie = format!("{COOKIE}={}; Path=/; Max-Age={LOG_IN_S}; HttpOnly; SameSite=Strict", secret.text());
    Ok(([(header::SET_COOKIE, cookie)], Json(Me::show(&caller, &app.version))).into_response())
}

/// What somebody came in by.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    /// Whoever may read the node's data folder needs no second factor: that is the way in when it is lost.
    Token,
    Password,
}

/// Takes the code that is wanted beside the right password.
async fn prove(app: &App, user: &StoredUser, code: Option<&str>, from: IpAddr) -> Answered<()> {
    let Some(code) = code.filter(|code| !code.is_empty()) else {
        let detail = "send the log-in again with code: six digits of the authenticator, or a recovery code";
        return Err(Problem::new(Code::SecondFactorWanted, detail));
    };
    let name = &user.draft.name;
    let request_id = REQUEST_ID.try_with(String::clone).unwrap_or_default();
    let (actor, address) = (format!("user:{name}"), from.to_string());
    let entry = AuditEntry { actor, address, request_id, ..AuditEntry::default() };
    match second_factor::take(app, user.id, code, entry).await {
        Err(problem) if problem.code == Code::WrongCredentials => {
            app.passwords.failed(Tried::From(from));
            Err(problem)
        }
        other => other,
    }
}

/// A good token stands for the first administrator, who is made if there is none.
async fn by_token(app: &App, token: &str) -> Answered<Option<(StoredUser, By)>> {
    if !app.tokens.take(token) {
        return Ok(None);
    }
    let users = app.store.users().await?;
    let admin = |user: &StoredUser| user.draft.active && user.draft.role == Role::Admin.as_str();
    if let Some(user) = users.into_iter().find(admin) {
        return Ok(Some((user, By::Token)));
    }
    let role = Role::Admin.as_str().to_owned();
    let draft =
        UserDraft { name: FIRST_ADMIN.to_owned(), role, password_hash: String::new(), active: true, carrier: None };
    Ok(Some((app.store.create_user(&draft).await?, By::Token)))
}

async fn by_password(app: &App, name: &str, password: String) -> Answered<Option<(StoredUser, By)>> {
    let user = app.store.user_by_name(name).await?.filter(|user| user.draft.active);
    let stored = user.as_ref().map(|user| user.draft.password_hash.clone()).unwrap_or_default();
    if password.len() > PASSWORD_CHARS_MAX * 4 {
        return Ok(None);
    }
    let fits = app.passwords.fits(password, stored).await;
    Ok(user.filter(|_| fits).map(|user| (user, By::Password)))
}

/// Ends the log-in.
#[utoipa::path(delete, path = "/api/v1/sessions", tag = "access",
    responses((status = 204, description = "Logged out.")))]
async fn log_out(caller: Caller, State(app): State<App>) -> Answered<Response> {
    if let Who::User { id, session, .. } = &caller.who {
        app.store.delete_web_session(session).await?;
        app.remembered.forget();
        app.store.audit(&caller.act("log_out", UserRef(*id))).await?;
    }
    let cookie = format!("{COOKIE}=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict");
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]).into_response())
}

/// Tells who is calling.
#[utoipa::path(get, path = "/api/v1/me", tag = "access",
    responses((status = 200, description = "The caller.", body = Me)))]
async fn me(caller: Caller, State(app): State<App>) -> Json<Me> {
    Json(Me::show(&caller, &app.version))
}

/// Sets the caller's own password.
#[utoipa::path(put, path = "/api/v1/me/password", tag = "access", request_body = PasswordNew,
    responses((status = 204, description = "Set.")))]
async fn set_password(caller: Caller, State(app): State<App>, Body(new): Body<PasswordNew>) -> Answered<StatusCode> {
    let Who::User { id, .. } = &caller.who else {
        return Err(Problem::new(Code::NotAllowed, "a key has no password"));
    };
    let user = app.store.user(*id).await?.ok_or_else(|| Problem::not_found(UserRef(*id)))?;
    if !user.draft.password_hash.is_empty() {
        let current = new.current.unwrap_or_default();
        if !app.passwords.fits(current, user.draft.password_hash.clone()).await {
            return Err(Problem::invalid("/current", "this is not the present password"));
        }
    }
    let password_hash = app.passwords.make(good(new.password)?).await;
    app.store.update_user(*id, &UserDraft { password_hash, ..user.draft }).await?;
    app.remembered.forget();
    app.store.audit(&caller.act("set_password", UserRef(*id))).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn good(password: String) -> Answered<String> {
    match password.chars().count() {
        PASSWORD_CHARS_MIN..=PASSWORD_CHARS_MAX => Ok(password),
        _ => Err(Problem::invalid("/password", "10 to 256 characters are wanted")),
    }
}

/// Lists the users.
#[utoipa::path(get, path = "/api/v1/users", tag = "access",
    responses((status = 200, description = "All of them.", body = List<User>)))]
async fn users(_caller: May<rights::Admin>, State(app): State<App>) -> Answered<Json<List<User>>> {
    let users = app.store.users().await?;
    Ok(Json(List::whole(users.iter().filter(|user| user.draft.active).map(User::show).collect())))
}

/// Lets a person in.
#[utoipa::path(post, path = "/api/v1/users", tag = "access", request_body = UserNew,
    responses((status = 201, description = "The user.", body = User)))]
async fn create_user(
    caller: May<rights::Admin>,
    State(app): State<App>,
    Body(new): Body<UserNew>,
) -> Answered<(StatusCode, Json<User>)> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "@._-".contains(c);
    if new.name.is_empty() || new.name.len() > 64 || !new.name.chars().all(fits) {
        return Err(Problem::invalid("/name", "1 to 64 of letters, digits, '@', '.', '_' and '-' are wanted"));
    }
    if (new.role == Role::Carrier) != new.carrier.is_some() {
        return Err(Problem::invalid("/carrier", "the role carrier needs one, and no other role has one"));
    }
    if let Some(carrier) = new.carrier {
        app.store.get::<CarrierDraft>(carrier.0).await?;
    }
    let password_hash = app.passwords.make(good(new.password)?).await;
    let (role, carrier) = (new.role.as_str().to_owned(), new.carrier.map(|carrier| carrier.0));
    let draft = UserDraft { name: new.name, role, password_hash, active: true, carrier };
    let user = User::show(&app.store.create_user(&draft).await?);
    app.store.audit(&caller.entry("create", user.id, None, Some(&user))).await?;
    Ok((StatusCode::CREATED, Json(user)))
}

/// Shuts a person out, with all log-ins. The last administrator stays.
#[utoipa::path(delete, path = "/api/v1/users/{id}", tag = "access", params(("id" = UserRef, Path)),
    responses((status = 204, description = "Gone.")))]
async fn delete_user(
    caller: May<rights::Admin>,
    State(app): State<App>,
    Key(id): Key<UserRef>,
) -> Answered<StatusCode> {
    let users = app.store.users().await?;
    let gone = users.iter().find(|user| user.id == id.0).ok_or_else(|| Problem::not_found(id))?;
    let admin = |user: &StoredUser| user.draft.active && user.draft.role == Role::Admin.as_str();
    if admin(gone) && users.iter().filter(|user| admin(user)).count() == 1 {
        return Err(Problem::new(Code::Conflict, "this is the last administrator"));
    }
    app.store.delete_user(id.0).await?;
    app.remembered.forget();
    app.store.audit(&caller.entry("delete", id, Some(&User::show(gone)), None)).await?;
    Ok(StatusCode::NO_CONTENT)
}

impl Me {
    fn show(caller: &Caller, version: &str) -> Me {
        let mut me = Me {
            name: String::new(),
            user: None,
            role: None,
            carrier: None,
            scopes: caller.scopes.clone(),
            csrf_token: None,
            has_password: false,
            has_second_factor: false,
            must_have_second_factor: false,
            expires_at: caller.expires.map(Time),
            version: version.to_owned(),
        };
        match &caller.who {
            Who::User { id, name, role, carrier, has_password, has_second_factor, must_prove, csrf, .. } => {
                me.carrier = carrier.map(CarrierRef);
                me.name.clone_from(name);
                me.user = Some(UserRef(*id));
                me.role = Some(*role);
                me.has_password = *has_password;
                (me.has_second_factor, me.must_have_second_factor) = (*has_second_factor, *must_prove);
                me.csrf_token = Some(csrf.clone());
            }
            Who::Key { name, .. } => me.name.clone_from(name),
        }
        me
    }
}

impl User {
    fn show(user: &StoredUser) -> User {
        User {
            id: UserRef(user.id),
            name: user.draft.name.clone(),
            role: Role::parse(&user.draft.role).unwrap_or(Role::Viewer),
            carrier: user.draft.carrier.map(CarrierRef),
            has_password: !user.draft.password_hash.is_empty(),
            has_second_factor: user.second_factor.is_some(),
            created_at: Time(user.created),
        }
    }
}
