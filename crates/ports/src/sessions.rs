use async_trait::async_trait;
use maestro_auth_domain::{
    Generation, KeyId, NewSession, PasswordHash, PasswordVersion, RefreshCounter, RefreshPolicy,
    RevocationTime, Session, SessionId, TenantId, Timestamp, TokenId, User, UserId,
};

use crate::{Effects, StoreResult};

/// Sessions and their refresh token families.
///
/// Whatever ends a session MUST blacklist it in the same step, or its user if all sessions of the user end; what ends
/// nothing leaves no entry: `every_end_is_blacklisted_with_its_cause`. Those who follow the blacklist MUST be woken by it:
/// `an_end_wakes_who_follows_the_blacklist`.
#[async_trait]
pub trait SessionRepository: Send + Sync {
    /// Opens a session for a user whose password was verified, and notes the login.
    ///
    /// MUST open none once the user is inactive or its password version is no longer `verified`, however the calls
    /// interleave: `a_login_loses_against_a_deactivation`, `a_login_with_the_old_password_loses_against_its_change`.
    /// With `upgrade`, MUST replace the stored hash in the same step, at the same password version, so that logins that
    /// verified the old hash still succeed: `a_hash_upgrade_leaves_concurrent_logins_alone`.
    async fn open(
        &self,
        user: UserId,
        verified: PasswordVersion,
        upgrade: Option<PasswordHash>,
        session: NewSession,
        effects: Effects,
    ) -> StoreResult<OpenOutcome>;

    /// Finds the session and the user of an access token as they are now; finds nothing for a token that is blacklisted
    /// by its own id, or by the key that signed it.
    ///
    /// MUST show every acknowledged change, whoever made it: `a_change_is_seen_by_every_instance_at_once`,
    /// `a_blacklisted_token_has_no_principal`.
    async fn find_principal(
        &self,
        session: SessionId,
        token: TokenId,
        key: KeyId,
    ) -> StoreResult<Option<Principal>>;

    /// Presents the refresh token with counter `presented`, signed with `key`, at `when.at`, and does what [`Session::judge`] says
    /// of it. The effects are those of a reuse; a rotation leaves none.
    ///
    /// MUST refuse it when its key was revoked: `a_refresh_loses_against_the_revocation_of_its_key`.
    /// MUST let exactly one caller rotate a counter, ever, and answer concurrent holders of the same token with the same
    /// successor: `concurrent_rotations_have_one_winner`. MUST revoke the session in the same step when a spent counter
    /// is reused: `reuse_outside_the_grace_ends_the_session`, `the_grace_covers_the_immediate_predecessor_only`. MUST
    /// never bring an ended session back: `a_logout_wins_against_concurrent_refreshes`,
    /// `an_expired_session_does_not_rotate`.
    async fn rotate(
        &self,
        session: SessionId,
        presented: RefreshCounter,
        key: KeyId,
        policy: RefreshPolicy,
        when: RevocationTime,
        on_reuse: Effects,
    ) -> StoreResult<RotateOutcome>;

    /// Ends one session.
    ///
    /// MUST be idempotent, and keep the first time: `ending_a_session_twice_is_ending_it_once`.
    async fn revoke(&self, session: SessionId, when: RevocationTime, effects: Effects) -> StoreResult<()>;

    /// Ends every session of the user whose live session is `by`; does nothing when `by` has ended, so that a dead token
    /// has no power over sessions opened since.
    ///
    /// MUST raise the user's generation and its session floor to it, in one step, and say whether it did:
    /// `ending_all_sessions_takes_a_live_one`.
    async fn revoke_all(
        &self,
        by: SessionId,
        when: RevocationTime,
        effects: Effects,
    ) -> StoreResult<RevokeAllOutcome>;

    /// Ends every session of a user of the tenant, and gives its generation as it is then; `None` when there is no such user.
    ///
    /// MUST raise the generation and the session floor to it, in one step: `ending_the_sessions_of_a_user_ends_all`.
    async fn revoke_all_of(
        &self,
        tenant: TenantId,
        user: UserId,
        when: RevocationTime,
        effects: Effects,
    ) -> StoreResult<Option<Generation>>;

    /// Blacklists one access token of the tenant (RFC 7009).
    ///
    /// MUST leave its session as it is, and add one entry however often it is called:
    /// `a_revoked_token_is_blacklisted_once`.
    async fn revoke_token(
        &self,
        tenant: TenantId,
        token: TokenId,
        when: RevocationTime,
        effects: Effects,
    ) -> StoreResult<()>;

    /// Forgets sessions that ended by age before `before`, at most `limit` of them, and says how many it forgot.
    ///
    /// MUST keep every other session: `only_expired_sessions_are_forgotten`.
    async fn forget_expired(&self, before: Timestamp, limit: u32) -> StoreResult<u64>;
}

/// A session and its user as of one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// The user.
    pub user: User,
    /// The session.
    pub session: Session,
}

/// What became of [`SessionRepository::open`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "one a call, and looked at at once")]
pub enum OpenOutcome {
    /// The session is open, for the user as it is now.
    Opened(Principal),
    /// The user is gone or inactive, or has another password by now.
    Refused,
}

/// What became of [`SessionRepository::revoke_all`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RevokeAllOutcome {
    /// Every session of the user has ended. This is its generation now.
    Revoked(Generation),
    /// The presenting session has ended or never was, and nothing was done for it.
    Powerless,
}

/// What became of [`SessionRepository::rotate`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RotateOutcome {
    /// The counter was the live one; the session now has its successor.
    Rotated(Principal),
    /// The counter was the immediate predecessor, within the grace; the session is as it was.
    Replayed(Principal),
    /// The counter was spent; the session has ended for it.
    Reused(UserId),
    /// The session had ended before.
    Ended,
    /// The session or its live token is past its lifetime.
    Expired,
    /// The key that signed the token was revoked.
    KeyRevoked,
    /// There is no such session.
    Unknown,
}
