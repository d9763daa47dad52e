//! Users, API keys and web logins. Only hashes of secrets are kept.

use units::WallTime;

use crate::Store;
use crate::error::{Result, StoreError};
use crate::factors;
use crate::object::CODE_CHARS_MAX;
use crate::sql::{Row, args, now};

/// Users, each with when its second factor was put in force, and with the carrier of one who sees nothing else.
const USERS: &str = "SELECT u.*,f.proved AS second_factor,c.carrier AS carrier FROM users u \
    LEFT JOIN second_factors f ON f.user_id=u.id LEFT JOIN carrier_logins c ON c.user_id=u.id";
/// Bytes of an allow-list at most.
const NETWORKS_BYTES_MAX: usize = 2_000;

/// What is written about a user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserDraft {
    /// The login name, unique.
    pub name: String,
    /// What the user may do: `owner`, `noc`, `routing`, `rates`, `billing`, `support-ro`.
    pub role: String,
    /// An argon2 hash in PHC form; empty: no login by password.
    pub password_hash: String,
    /// May log in.
    pub active: bool,
    /// The carrier of a user who sees what is its own and nothing else; fixed when the user is made.
    pub carrier: Option<u32>,
}

/// A user as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Its id.
    pub id: u32,
    /// When it was made.
    pub created: WallTime,
    /// Since when its log-ins want a code; `None`: they do not.
    pub second_factor: Option<WallTime>,
    /// What is written about it.
    pub draft: UserDraft,
}

/// What is written about an API key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKeyDraft {
    /// What people call it.
    pub name: String,
    /// SHA-256 of the secret.
    pub secret_hash: [u8; 32],
    /// What it may do: words separated by spaces.
    pub scopes: String,
    /// The user that made it.
    pub created_by: u32,
    /// Not valid from this moment on.
    pub expires: Option<WallTime>,
    /// Where requests with it may come from: addresses and networks separated by spaces; empty for anywhere.
    pub networks: String,
}

/// An API key as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// Its id.
    pub id: u32,
    /// When it was made.
    pub created: WallTime,
    /// When it was last used, within a minute.
    pub last_used: Option<WallTime>,
    /// When it was taken back.
    pub revoked: Option<WallTime>,
    /// What is written about it.
    pub draft: ApiKeyDraft,
}

/// A browser that is logged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebSession {
    /// SHA-256 of the cookie's secret.
    pub secret_hash: [u8; 32],
    /// Who is logged in.
    pub user: u32,
    /// What requests that write must carry in a header.
    pub csrf: String,
    /// When the user logged in.
    pub created: WallTime,
    /// When the login ends.
    pub expires: WallTime,
    /// The address that it came from.
    pub address: String,
}

impl Store {
    /// All users, 1,000 at most.
    pub async fn users(&self) -> Result<Vec<User>> {
        self.read()
            .await?
            .rows(format!("{USERS} ORDER BY u.id LIMIT 1000"), Vec::new())
            .await?
            .iter()
            .map(user)
            .collect()
    }

    /// A user by login name.
    pub async fn user_by_name(&self, name: &str) -> Result<Option<User>> {
        let row = self.read().await?.row(format!("{USERS} WHERE u.name=?"), args![name]).await?;
        row.as_ref().map(user).transpose()
    }

    /// A user by id.
    pub async fn user(&self, id: u32) -> Result<Option<User>> {
        let row = self.read().await?.row(format!("{USERS} WHERE u.id=?"), args![id]).await?;
        row.as_ref().map(user).transpose()
    }

    /// Makes a user.
    pub async fn create_user(&self, draft: &UserDraft) -> Result<User> {
        check_name(&draft.name)?;
        let (mut tx, at) = (self.write().await?, now());
        let sql = "INSERT INTO users (name,role,password_hash,active,created) VALUES (?,?,?,?,?)";
        let active = draft.active && draft.carrier.is_none();
        let values = args![draft.name.as_str(), draft.role.as_str(), draft.password_hash.as_str(), active, at];
        let done = tx.run(sql, values).await?;
        let id = u32::try_from(done.id).map_err(|_| StoreError::Broken("user ids are used up".into()))?;
        if let Some(carrier) = draft.carrier {
            tx.run("INSERT INTO carrier_logins (user_id,carrier) VALUES (?,?)", args![id, carrier]).await?;
        }
        tx.commit().await?;
        Ok(User { id, created: at, second_factor: None, draft: draft.clone() })
    }

    /// Replaces what is written about a user, but for its carrier.
    pub async fn update_user(&self, id: u32, draft: &UserDraft) -> Result<()> {
        check_name(&draft.name)?;
        let sql = "UPDATE users SET name=?,role=?,password_hash=?,active=? WHERE id=?";
        let active = draft.active && draft.carrier.is_none();
        let values = args![draft.name.as_str(), draft.role.as_str(), draft.password_hash.as_str(), active, id];
        self.change(sql, values, "user", id).await
    }

    /// Deletes a user with all its logins.
    pub async fn delete_user(&self, id: u32) -> Result<()> {
        self.change("DELETE FROM users WHERE id=?", args![id], "user", id).await
    }

    /// All API keys, 1,000 at most.
    pub async fn api_keys(&self) -> Result<Vec<ApiKey>> {
        let rows = self.read().await?.rows("SELECT * FROM api_keys ORDER BY id LIMIT 1000", Vec::new()).await?;
        rows.iter().map(api_key).collect()
    }

    /// A key by id; revoked and expired ones too.
    pub async fn api_key(&self, id: u32) -> Result<ApiKey> {
        let row = self.read().await?.row("SELECT * FROM api_keys WHERE id=?", args![id]).await?;
        row.as_ref().map(api_key).transpose()?.ok_or_else(|| StoreError::missing("API key", id))
    }

    /// A key by the hash of its secret; revoked and expired ones too.
    pub async fn api_key_by_hash(&self, hash: &[u8; 32]) -> Result<Option<ApiKey>> {
        let row = self.read().await?.row("SELECT * FROM api_keys WHERE secret_hash=?", args![*hash]).await?;
        row.as_ref().map(api_key).transpose()
    }

    /// Makes a key.
    pub async fn create_api_key(&self, draft: &ApiKeyDraft) -> Result<ApiKey> {
        check_name(&draft.name)?;
        check_networks(&draft.networks)?;
        let (mut tx, at) = (self.write().await?, now());
        let sql =
            "INSERT INTO api_keys (name,secret_hash,scopes,created_by,created,expires,networks) VALUES (?,?,?,?,?,?,?)";
        let ApiKeyDraft { name, secret_hash, scopes, created_by, expires, networks } = draft;
        let values = args![name.as_str(), *secret_hash, scopes.as_str(), *created_by, at, *expires, networks.as_str()];
        let done = tx.run(sql, values).await?;
        tx.commit().await?;
        let id = u32::try_from(done.id).map_err(|_| StoreError::Broken("API key ids are used up".into()))?;
        Ok(ApiKey { id, created: at, last_used: None, revoked: None, draft: draft.clone() })
    }

    /// From here on requests with a key may come from these networks alone; empty for anywhere.
    pub async fn set_api_key_networks(&self, id: u32, networks: &str) -> Result<()> {
        check_networks(networks)?;
        let sql = "UPDATE api_keys SET networks=? WHERE id=? AND revoked IS NULL";
        self.change(sql, args![networks, id], "API key", id).await
    }

    /// Takes a key back for good.
    pub async fn revoke_api_key(&self, id: u32) -> Result<()> {
        let sql = "UPDATE api_keys SET revoked=COALESCE(revoked,?) WHERE id=?";
        self.change(sql, args![now(), id], "API key", id).await
    }

    /// Remembers that a key was used; call it at most once a minute a key.
    pub async fn touch_api_key(&self, id: u32) -> Result<()> {
        self.change("UPDATE api_keys SET last_used=? WHERE id=?", args![now(), id], "API key", id).await
    }

    /// Keeps a login; forgets those that have ended.
    pub async fn create_web_session(&self, session: &WebSession) -> Result<()> {
        let mut tx = self.write().await?;
        tx.run("DELETE FROM web_sessions WHERE expires<?", args![now()]).await?;
        let sql = "INSERT INTO web_sessions (secret_hash,user_id,csrf,created,expires,address) VALUES (?,?,?,?,?,?)";
        let WebSession { secret_hash, user, csrf, created, expires, address } = session;
        let values = args![*secret_hash, *user, csrf.as_str(), *created, *expires, address.as_str()];
        tx.run(sql, values).await?;
        tx.commit().await
    }

    /// A login that has not ended, with its user if that is active, and whether that must have a second factor.
    pub async fn web_session(&self, hash: &[u8; 32]) -> Result<Option<(WebSession, User, bool)>> {
        let mut tx = self.read().await?;
        let sql = "SELECT * FROM web_sessions WHERE secret_hash=? AND expires>?";
        let Some(row) = tx.row(sql, args![*hash, now()]).await? else { return Ok(None) };
        let session = WebSession {
            secret_hash: *hash,
            user: row.num("user_id")?,
            csrf: row.text("csrf")?,
            created: row.time("created")?,
            expires: row.time("expires")?,
            address: row.text("address")?,
        };
        let owner = tx
            .row(format!("{USERS} WHERE u.id=? AND (u.active<>0 OR c.carrier IS NOT NULL)"), args![session.user])
            .await?;
        let Some(owner) = owner.as_ref().map(user).transpose()? else { return Ok(None) };
        let must_prove = factors::is_wanted(&mut tx, &owner.draft.role).await?;
        Ok(Some((session, owner, must_prove)))
    }

    /// Ends a login; unknown ones are no mistake.
    pub async fn delete_web_session(&self, hash: &[u8; 32]) -> Result<()> {
        let mut tx = self.write().await?;
        tx.run("DELETE FROM web_sessions WHERE secret_hash=?", args![*hash]).await?;
        tx.commit().await
    }

    async fn change(&self, sql: &str, values: Vec<crate::sql::Arg>, what: &'static str, id: u32) -> Result<()> {
        let mut tx = self.write().await?;
        if tx.run(sql, values).await?.rows == 0 {
            return Err(StoreError::missing(what, id));
        }
        tx.commit().await
    }
}

fn check_name(name: &str) -> Result<()> {
    let fits = |c: char| !c.is_control();
    if name.is_empty() || name.chars().count() > CODE_CHARS_MAX || !name.chars().all(fits) {
        return Err(StoreError::invalid("name", "1 to 64 characters, no control characters"));
    }
    Ok(())
}

fn check_networks(networks: &str) -> Result<()> {
    if networks.len() > NETWORKS_BYTES_MAX {
        return Err(StoreError::invalid("networks", format!("{NETWORKS_BYTES_MAX} characters at most")));
    }
    Ok(())
}

fn user(row: &Row) -> Result<User> {
    let wrong = |_| StoreError::Broken("a user's carrier is no id".into());
    let carrier = row.opt_int("carrier")?.map(u32::try_from).transpose().map_err(wrong)?;
    let draft = UserDraft {
        name: row.text("name")?,
        role: row.text("role")?,
        password_hash: row.text("password_hash")?,
        active: row.flag("active")? || carrier.is_some(),
        carrier,
    };
    let second_factor = row.opt_int("second_factor")?.map(WallTime::from_micros);
    Ok(User { id: row.num("id")?, created: row.time("created")?, second_factor, draft })
}

fn api_key(row: &Row) -> Result<ApiKey> {
    let hash = row.bytes("secret_hash")?;
    let draft = ApiKeyDraft {
        name: row.text("name")?,
        secret_hash: hash.try_into().map_err(|_| StoreError::Broken("an API key's hash is not 32 bytes".into()))?,
        scopes: row.text("scopes")?,
        created_by: row.num("created_by")?,
        expires: row.opt_int("expires")?.map(WallTime::from_micros),
        networks: row.text("networks")?,
    };
    Ok(ApiKey {
        id: row.num("id")?,
        created: row.time("created")?,
        last_used: row.opt_int("last_used")?.map(WallTime::from_micros),
        revoked: row.opt_int("revoked")?.map(WallTime::from_micros),
        draft,
    })
}
