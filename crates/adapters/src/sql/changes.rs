use maestro_auth_domain::{RevocationTime, User};
use maestro_auth_ports::Effects;

use super::audit::audit_values;
use super::statement::Values;

/// Whether the roles of a user contain `admin`, in the words of the index `users_admins`.
macro_rules! is_admin {
    ($user:literal) => {
        concat!("(' ' || ", $user, ".roles || ' ') LIKE '% admin %'")
    };
}

/// Whether the tenant of a user keeps an active admin without that user.
macro_rules! has_other_admin {
    () => {
        concat!(
            "EXISTS (SELECT 1 FROM users AS other WHERE other.tenant_id = users.tenant_id \
             AND other.id <> users.id AND other.is_active AND ",
            $crate::sql::is_admin!("other"),
            ")"
        )
    };
}

/// Whether the tenant `$15` has no admin, active or not.
macro_rules! has_no_admin {
    () => {
        concat!(
            "NOT EXISTS (SELECT 1 FROM users AS other WHERE other.tenant_id = $15 AND ",
            $crate::sql::is_admin!("other"),
            ")"
        )
    };
}

/// Whether this is the user `$14`, as [`User::is_as`] the one in `$16` to `$23`; and, if `$24` says that the tenant
/// loses an active admin with it, not the last one.
macro_rules! is_as_seen {
    () => {
        concat!(
            "users.id = $14 AND users.tenant_id = $16 AND users.email = $17 AND users.name = $18 \
             AND users.roles = $19 AND users.is_active = $20 AND users.email_verified = $21 \
             AND users.generation = $22 AND users.session_floor = $23 AND (NOT $24 OR ",
            $crate::sql::has_other_admin!(),
            ")"
        )
    };
}

/// Makes the user that was seen what `$25` to `$29` say, while the catalogue is at the revision `$30`, if that is
/// given.
macro_rules! update_user {
    () => {
        concat!(
            "UPDATE users SET name = $25, roles = $26, is_active = $27, generation = $28, session_floor = $29 WHERE ",
            $crate::sql::is_as_seen!(),
            " AND ($30 IS NULL OR ",
            $crate::sql::catalogue_is_at!("$16", "$30", ""),
            ")"
        )
    };
}

/// Whether [`update_user`] outdates tokens.
macro_rules! outdates_tokens {
    () => {
        "$28 > $22"
    };
}

/// Deletes the user that was seen, with its sessions.
macro_rules! delete_user {
    () => {
        concat!("DELETE FROM users WHERE ", $crate::sql::is_as_seen!())
    };
}

/// Blacklists every token of the deleted user until `$15`.
macro_rules! blacklist_deleted_user {
    ($source:literal) => {
        concat!(
            "INSERT INTO revocations (tenant_id, kind, subject, min_generation, until) \
             SELECT $16, 3, $14, $22 + 1, $15 ",
            $source
        )
    };
}
pub(crate) use {
    blacklist_deleted_user, delete_user, has_no_admin, has_other_admin, is_admin, is_as_seen,
    outdates_tokens, update_user,
};

/// The parameters of [`is_as_seen`], and until when the tokens of the user are blacklisted.
pub(super) fn seen_values(
    effects: &Effects,
    seen: &User,
    needs_other_admin: bool,
    when: RevocationTime,
) -> Values {
    audit_values(&effects.audit)
        .bind(seen.id)
        .bind(when.until)
        .bind(seen.tenant)
        .bind(seen.email.as_str())
        .bind(seen.name.as_str())
        .bind(&seen.roles)
        .bind(seen.is_active)
        .bind(seen.email_verified)
        .bind(seen.generation)
        .bind(seen.session_floor)
        .bind(needs_other_admin)
}
