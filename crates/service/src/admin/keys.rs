use maestro_auth_domain::{Action, KeyId, Revoked, Subject};
use maestro_auth_ports::{PublicKey, RevokeKeyOutcome};

use super::AdminError;
use crate::audit::Event;
use crate::{AuthService, Caller};

/// What a published key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyState {
    /// It signs later; verifiers have the time until then to learn of it.
    Next,
    /// It signs.
    Active,
    /// It signs no more; tokens that it has signed may still live.
    Retiring,
}

impl AuthService {
    /// The published signing keys, newest first.
    #[must_use]
    pub fn list_keys(&self) -> Vec<PublicKey> {
        self.tokens.signer().public_keys()
    }

    /// What the key is for now, by the same rule as that by which the signer chooses.
    #[must_use]
    pub fn state_of(&self, key: &PublicKey) -> KeyState {
        let now = self.clock.now();
        let keys = self.list_keys();
        let is_due = |key: &&PublicKey| key.active_from <= now;
        let end = |key: &&PublicKey| (key.retires_at.is_none(), key.retires_at);
        let signs = keys.iter().filter(is_due).max_by_key(end).or_else(|| keys.last());
        // Once a key without an end signs, one that was to come before it never does.
        let is_overtaken = key.retires_at.is_some() && signs.is_some_and(|signs| signs.retires_at.is_none());
        if signs.is_some_and(|signs| signs.kid == key.kid) {
            KeyState::Active
        } else if is_due(&key) || is_overtaken {
            KeyState::Retiring
        } else {
            KeyState::Next
        }
    }

    /// Makes a signing key that is published now and signs later, so that no verifier refuses a token (SEC-56); or one that signs
    /// `at_once`.
    pub async fn rotate_key(&self, by: &Caller, at_once: bool) -> Result<PublicKey, AdminError> {
        let (by, _) = self.as_of_now(by).await?;
        let now = self.clock.now();
        let effects = |key: &PublicKey| {
            let event = Event::new(Action::KeyRotated, by.actor(), by.origin()).about(Subject::Key(key.kid));
            self.effects(now, event.with("at_once", at_once.to_string()))
        };
        Ok(self.tokens.signer().rotate(at_once, &effects).await?)
    }

    /// Revokes a signing key in an emergency: every token that it signed is refused from now on, everywhere (SEC-57). When it was
    /// the one that signs, another signs at once.
    pub async fn revoke_key(&self, by: &Caller, key: KeyId) -> Result<(), AdminError> {
        let (by, _) = self.as_of_now(by).await?;
        let now = self.clock.now();
        let when = self.tokens.key_revocation_time(now);
        let event = Event::new(Action::KeyRevoked, by.actor(), by.origin()).about(Subject::Key(key));
        match self.tokens.signer().revoke(key, when, self.effects(now, event)).await? {
            RevokeKeyOutcome::Revoked => {
                self.note(Revoked::Key(key), when);
                tracing::warn!(kid = %key, "signing key revoked");
                Ok(())
            }
            RevokeKeyOutcome::Unknown => Err(AdminError::NotFound),
        }
    }
}
