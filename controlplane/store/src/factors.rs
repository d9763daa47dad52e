//! Second factors of log-ins: what codes are made from, which of them were taken, and codes for the day on which the authenticator is lost.

use units::WallTime;

use crate::Store;
use crate::error::{ConflictKind, Result, StoreError};
use crate::settings;
use crate::sql::{Tx, args, now};

/// Roles whose users must have one, separated by spaces.
const ROLES: &str = "second_factor_roles";

/// A user's second factor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecondFactor {
    /// What codes are made from.
    pub secret: Vec<u8>,
    /// When the first code came; `None`: not in force yet.
    pub proved: Option<WallTime>,
    /// Recovery codes that were not used.
    pub codes_left: u32,
}

impl Store {
    /// A user's second factor, also one that is not in force yet.
    pub async fn second_factor(&self, user: u32) -> Result<Option<SecondFactor>> {
        let mut tx = self.read().await?;
        let sql = "SELECT * FROM second_factors WHERE user_id=?";
        let Some(row) = tx.row(sql, args![user]).await? else { return Ok(None) };
        let sql = "SELECT COUNT(*) AS n FROM recovery_codes WHERE user_id=? AND used IS NULL";
        let left = tx.row(sql, args![user]).await?.map(|row| row.num("n")).transpose()?.unwrap_or(0);
        let proved = row.opt_int("proved")?.map(WallTime::from_micros);
        Ok(Some(SecondFactor { secret: row.bytes("secret")?, proved, codes_left: left }))
    }

    /// Keeps what codes are to be made from; not in force before [`Store::prove_second_factor`]. A later one takes the place of one that is
    /// not in force.
    pub async fn begin_second_factor(&self, user: u32, secret: &[u8]) -> Result<()> {
        let mut tx = self.write().await?;
        let sql = format!(
            "SELECT id FROM users WHERE id=? AND (active<>0 OR id IN (SELECT user_id FROM carrier_logins)){}",
            tx.dialect().for_update()
        );
        if tx.row(sql, args![user]).await?.is_none() {
            return Err(StoreError::missing("user", user));
        }
        let sql = "SELECT user_id FROM second_factors WHERE user_id=? AND proved IS NOT NULL";
        if tx.row(sql, args![user]).await?.is_some() {
            let (why, kind) = ("it is in force: take it off first".to_owned(), ConflictKind::Exists);
            return Err(StoreError::Conflict { what: "second factor", key: user.to_string(), why, kind });
        }
        tx.run("DELETE FROM second_factors WHERE user_id=?", args![user]).await?;
        let sql = "INSERT INTO second_factors (user_id,secret,made,counted) VALUES (?,?,?,0)";
        tx.run(sql, args![user, secret.to_vec(), now()]).await?;
        tx.commit().await
    }

    /// Puts it in force with the code of this step; false if it is, or the step was taken. The recovery codes are kept by their hashes.
    pub async fn prove_second_factor(&self, user: u32, step: u64, codes: &[[u8; 32]]) -> Result<bool> {
        let mut tx = self.write().await?;
        let sql = "UPDATE second_factors SET proved=?,counted=? WHERE user_id=? AND proved IS NULL AND counted<?";
        if tx.run(sql, args![now(), step, user, step]).await?.rows == 0 {
            return Ok(false);
        }
        replace_codes(&mut tx, user, codes).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Takes the code of a step: true once, and only if no code of this or a later step was taken (RFC 6238 §5.2).
    pub async fn take_step(&self, user: u32, step: u64) -> Result<bool> {
        let mut tx = self.write().await?;
        let sql = "UPDATE second_factors SET counted=? WHERE user_id=? AND proved IS NOT NULL AND counted<?";
        let taken = tx.run(sql, args![step, user, step]).await?.rows > 0;
        tx.commit().await?;
        Ok(taken)
    }

    /// Takes a recovery code: true once.
    pub async fn take_recovery_code(&self, user: u32, hash: &[u8; 32]) -> Result<bool> {
        let mut tx = self.write().await?;
        let sql = "UPDATE recovery_codes SET used=? WHERE user_id=? AND code_hash=? AND used IS NULL";
        let taken = tx.run(sql, args![now(), user, *hash]).await?.rows > 0;
        tx.commit().await?;
        Ok(taken)
    }

    /// Recovery codes in the place of all before.
    pub async fn replace_recovery_codes(&self, user: u32, codes: &[[u8; 32]]) -> Result<()> {
        let mut tx = self.write().await?;
        replace_codes(&mut tx, user, codes).await?;
        tx.commit().await
    }

    /// Takes it off, with its recovery codes; false if there was none in force.
    pub async fn remove_second_factor(&self, user: u32) -> Result<bool> {
        let mut tx = self.write().await?;
        let sql = "SELECT user_id FROM second_factors WHERE user_id=? AND proved IS NOT NULL";
        let was = tx.row(sql, args![user]).await?.is_some();
        tx.run("DELETE FROM recovery_codes WHERE user_id=?", args![user]).await?;
        tx.run("DELETE FROM second_factors WHERE user_id=?", args![user]).await?;
        tx.commit().await?;
        Ok(was)
    }

    /// Roles whose users must have one.
    pub async fn second_factor_roles(&self) -> Result<Vec<String>> {
        let roles = settings::get(&mut self.read().await?, ROLES).await?.unwrap_or_default();
        Ok(roles.split_whitespace().map(str::to_owned).collect())
    }

    /// From here on users of these roles must have one.
    pub async fn set_second_factor_roles(&self, roles: &[&str]) -> Result<()> {
        self.set_setting(ROLES, Some(&roles.join(" "))).await
    }
}

/// Whether users of a role must have one.
pub(crate) async fn is_wanted(tx: &mut Tx, role: &str) -> Result<bool> {
    let roles = settings::get(tx, ROLES).await?.unwrap_or_default();
    Ok(roles.split_whitespace().any(|wanted| wanted == role))
}

async fn replace_codes(tx: &mut Tx, user: u32, codes: &[[u8; 32]]) -> Result<()> {
    tx.run("DELETE FROM recovery_codes WHERE user_id=?", args![user]).await?;
    for code in codes {
        tx.run("INSERT INTO recovery_codes (user_id,code_hash) VALUES (?,?)", args![user, *code]).await?;
    }
    Ok(())
}
