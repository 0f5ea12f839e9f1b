use async_trait::async_trait;
use maestro_auth_domain::{KeyId, RevocationTime, TenantId, Timestamp};
use maestro_auth_ports::{Effects, RevokeKeyOutcome, SigningKeyRecord, SigningKeyRepository, StoreResult};

use super::audit::{self, audit_values};
use super::dialect::Dialect;
use super::rows;
use super::statement::{Statement, Values};
use super::store::{SqlStore, all, last};

/// Stores a key, given as `$1` to `$7`; `source` gives those values.
macro_rules! insert_key {
    ($source:literal) => {
        concat!(
            "INSERT INTO signing_keys \
             (kid, algorithm, jwk, created_at, active_from, retires_at, sealed_private_key) ",
            $source
        )
    };
}

/// Blacklists the key `$14` until `$15`, in the name of the tenant `$16`: the tokens of all tenants are signed with it.
macro_rules! blacklist_key {
    ($source:literal) => {
        concat!(
            "INSERT INTO revocations (tenant_id, kind, subject, until, key_id) SELECT $16, 4, $16, $15, $14 ",
            $source
        )
    };
}
pub(crate) use blacklist_key;

const LIST: &str = "SELECT kid, algorithm, jwk, created_at, active_from, retires_at, sealed_private_key \
     FROM signing_keys WHERE retires_at IS NULL OR retires_at > $1 ORDER BY active_from DESC, kid";
const INSERT: &str = insert_key!("VALUES ($1, $2, $3, $4, $5, $6, $7)");
const INSERT_UNLESS_PRESENT: &str = insert_key!(
    "SELECT $1, $2, $3, $4, $5, $6, $7 \
     WHERE NOT EXISTS (SELECT 1 FROM signing_keys WHERE algorithm = $2 AND retires_at IS NULL)"
);
/// Once the key is gone, which the entry `$8` tells.
const INSERT_SUCCESSOR: &str = insert_key!(
    "SELECT $1, $2, $3, $4, $5, $6, $7 WHERE EXISTS (SELECT 1 FROM audit_entries WHERE id = $8) \
     AND NOT EXISTS (SELECT 1 FROM signing_keys WHERE retires_at IS NULL)"
);
const RETIRE_ALL: &str = "UPDATE signing_keys SET retires_at = $1 WHERE retires_at IS NULL";
const RETIRE_OTHERS: &str =
    "UPDATE signing_keys SET retires_at = $1 WHERE retires_at IS NULL AND algorithm <> $2";
const FORGET_RETIRED: &str = "DELETE FROM signing_keys WHERE retires_at < $1 RETURNING kid";

#[async_trait]
impl<D: Dialect> SigningKeyRepository for SqlStore<D> {
    async fn list_keys(&self, now: Timestamp) -> StoreResult<Vec<SigningKeyRecord>> {
        all(&self.read(Statement::new(LIST).bind(now)).await?, rows::signing_key)
    }

    async fn ensure_key(
        &self,
        candidate: SigningKeyRecord,
        retire_others_at: Timestamp,
        now: Timestamp,
    ) -> StoreResult<Vec<SigningKeyRecord>> {
        let algorithm = candidate.public.algorithm.name();
        let keys = self
            .write_all(D::LOCK_SIGNING_KEYS.map(Statement::new).into_iter().chain([
                key_values(&candidate).for_one(INSERT_UNLESS_PRESENT),
                Statement::new(RETIRE_OTHERS).bind(retire_others_at).bind(algorithm),
                Statement::new(LIST).bind(now),
            ]))
            .await
            .map(last)?;
        all(&keys, rows::signing_key)
    }

    async fn rotate_key(
        &self,
        next: SigningKeyRecord,
        retire_others_at: Timestamp,
        effects: Effects,
    ) -> StoreResult<()> {
        self.write_all(D::LOCK_SIGNING_KEYS.map(Statement::new).into_iter().chain([
            Statement::new(RETIRE_ALL).bind(retire_others_at),
            key_values(&next).for_one(INSERT),
            audit_values(&effects.audit).for_one(audit::ADD),
        ]))
        .await
        .map(drop)
    }

    async fn revoke_key(
        &self,
        key: KeyId,
        successor: SigningKeyRecord,
        when: RevocationTime,
        effects: Effects,
    ) -> StoreResult<RevokeKeyOutcome> {
        let values = audit_values(&effects.audit).bind(key).bind(when.until).bind(TenantId::DEFAULT);
        let succeed = key_values(&successor).bind(effects.audit.id).for_one(INSERT_SUCCESSOR);
        let lock = D::LOCK_OUT_REFRESHES.map(Statement::new);
        let rows = self.write_locked(lock, values.for_each(D::REVOKE_KEY).chain([succeed])).await?;
        Ok(if rows[0].is_empty() { RevokeKeyOutcome::Unknown } else { RevokeKeyOutcome::Revoked })
    }

    async fn forget_retired_keys(&self, before: Timestamp) -> StoreResult<u64> {
        let forgotten = self.write(Statement::new(FORGET_RETIRED).bind(before)).await?;
        Ok(forgotten.len() as u64)
    }
}

/// The parameters of [`insert_key`].
fn key_values(key: &SigningKeyRecord) -> Values {
    Values::default()
        .bind(key.public.kid)
        .bind(key.public.algorithm.name())
        .bind(key.public.jwk.as_str())
        .bind(key.public.created_at)
        .bind(key.public.active_from)
        .bind(key.public.retires_at)
        .bind(key.sealed_private_key.as_slice())
}
