//! The rules by which what tokens open is judged.

use std::sync::Arc;
use std::time::Duration;

use maestro_auth_domain::{PermissionName, SessionId, User};
use maestro_auth_service::{AuthenticateError, AuthorizeError, RefreshError, SignedIn};

use super::causes::{Cause, Origin};
use super::{Call, Minted, Opened, Oracle, Presented, Verdict, ensure};
use crate::support::token_policy;

impl Oracle {
    pub(in super::super) fn judge_authenticate(
        &mut self,
        call: &Call,
        presented: &Minted,
        answer: &Result<Arc<User>, AuthenticateError>,
    ) -> Verdict {
        match answer {
            Ok(user) => {
                self.judge_acceptance(call, presented)?;
                ensure(
                    user.id == presented.token.user && user.is_active,
                    "a token stands for somebody else",
                )?;
                ensure(user.generation == presented.token.generation, "an outdated user is shown")?;
                self.see(user, call.in_memory())
            }
            Err(refused) => self.judge_refusal(call, presented, refused),
        }
    }

    pub(in super::super) fn judge_authorize(
        &mut self,
        call: &Call,
        presented: &Minted,
        demanded: &PermissionName,
        answer: &Result<Arc<User>, AuthorizeError>,
    ) -> Verdict {
        match answer {
            Ok(user) => {
                self.count("permitted");
                self.judge_demand(call, &user.roles, demanded, true)?;
                self.judge_authenticate(call, presented, &Ok(Arc::clone(user)))
            }
            Err(AuthorizeError::PermissionMissing(missing)) => {
                self.count("not permitted");
                ensure(missing == demanded, "another permission is missing")?;
                self.judge_demand(call, &presented.roles, demanded, false)?;
                self.judge_acceptance(call, presented)
            }
            Err(AuthorizeError::Authenticate(refused)) => self.judge_refusal(call, presented, refused),
            Err(other) => Err(format!("refused for what was not demanded: {other}")),
        }
    }

    /// A token was taken for good.
    fn judge_acceptance(&mut self, call: &Call, presented: &Minted) -> Verdict {
        self.count("token accepted");
        let origin = self.origin(presented);
        ensure(!has_expired(call, presented), "an expired token is accepted")?;
        if let Some(cause) = self.causes.iter().find(|cause| cause.is_binding(call, &origin)) {
            let since = call.began.at.saturating_sub(cause.acknowledged().at);
            return Err(format!("a token is accepted {since:?} after its end was acknowledged: {cause:?}"));
        }
        Ok(())
    }

    /// A token was not taken for good.
    pub(in super::super) fn judge_refusal(
        &mut self,
        call: &Call,
        presented: &Minted,
        refused: &AuthenticateError,
    ) -> Verdict {
        let origin = self.origin(presented);
        match refused {
            AuthenticateError::Revoked => {
                self.count("token refused");
                let has_a_cause = self.has_a_cause(&origin, |_| true) || self.may_have_been_reused(&origin);
                ensure(has_a_cause, "a token is refused without a cause")
            }
            AuthenticateError::Invalid => {
                self.count("token of a revoked key refused");
                ensure(self.has_a_cause(&origin, Cause::is_of_key), "a good token is called invalid")
            }
            AuthenticateError::Expired => {
                ensure(has_expired(call, presented), "a token has expired before its time")
            }
            AuthenticateError::Store(_) => call.excuses_a_failure(),
        }
    }

    /// Whether what the token would end may not be ended, since its key was revoked.
    pub(in super::super) fn may_be_worthless(&self, presented: &Minted) -> bool {
        let origin = self.origin(presented);
        self.causes.iter().any(|cause| cause.is_of_key() && cause.may_end(&origin))
    }

    /// A refresh token is presented, which ends its session if it was spent.
    pub(in super::super) fn begin_refresh(&mut self, call: &Call, presented: &Minted) {
        let Minted { token, counter, .. } = presented;
        self.refreshes.push(Presented { session: token.session, counter: *counter, began: call.began });
    }

    pub(in super::super) fn judge_refresh(
        &mut self,
        call: &Call,
        presented: &Minted,
        answer: &Result<SignedIn, RefreshError>,
    ) -> Verdict {
        let origin = self.origin(presented);
        match answer {
            Ok(signed_in) => {
                self.count("refresh accepted");
                let is_worthless = |cause: &Cause| {
                    cause.is_of_key()
                        && cause.surely_ends(&origin)
                        && cause.was_acknowledged_before(call.began)
                };
                let is_good = !self.causes.iter().any(is_worthless);
                ensure(is_good, "a refresh token of a revoked key buys something")?;
                let minted = Minted::read(signed_in, call.began);
                ensure(minted.token.session == origin.token.session, "a refresh changes the session")?;
                ensure(minted.counter == presented.counter + 1, "a refresh buys another than the successor")?;
                self.mint(call, minted, signed_in)
            }
            Err(RefreshError::Reused) => {
                self.count("refresh token reused");
                let was_spent = self.may_be_spent(origin.token.session, presented.counter, call.began.at);
                ensure(was_spent, "a refresh token was not spent")
            }
            Err(RefreshError::Revoked) => {
                self.count("refresh refused");
                let has_a_cause =
                    self.has_a_cause(&origin, Cause::ends_sessions) || self.may_have_been_reused(&origin);
                ensure(has_a_cause, "a session has ended without a cause")
            }
            Err(RefreshError::Invalid) => {
                self.count("refresh token of no worth");
                let is_of_that_kind = |cause: &Cause| cause.is_of_key() || cause.is_deletion();
                ensure(self.has_a_cause(&origin, is_of_that_kind), "a good refresh token is called invalid")
            }
            Err(RefreshError::Expired) => Err("a good refresh token has expired".to_owned()),
            Err(RefreshError::Store(_)) => call.excuses_a_failure(),
        }
    }

    /// A login or a registration opened a session.
    pub(super) fn open(&mut self, call: &Call, signed_in: &SignedIn, password: &str) -> Verdict {
        let minted = Minted::read(signed_in, call.began);
        let opened = Opened { at: minted.token.generation, began: call.began, password: password.to_owned() };
        ensure(self.sessions.insert(minted.token.session, opened).is_none(), "two sessions have one id")?;
        self.mint(call, minted, signed_in)
    }

    /// A token came of the call: it must be of a state that is not older.
    fn mint(&mut self, call: &Call, minted: Minted, signed_in: &SignedIn) -> Verdict {
        let origin = self.origin(&minted);
        let view = call.in_store();
        if let Some(cause) = self.causes.iter().find(|cause| cause.forbids_minting(call, &origin)) {
            return Err(format!("a token is minted from a state before an acknowledged cause: {cause:?}"));
        }
        let user = &signed_in.user;
        let password = &self.sessions[&minted.token.session].password;
        let account = self.accounts.iter().find(|account| account.id == user.id).unwrap();
        ensure(account.passwords.may_show(view, |it| it == password), "a session outlives its password")?;
        ensure(account.roles.may_show(view, |it| *it == user.roles), "a token with former roles is minted")?;
        self.judge_permissions(&user.roles, &signed_in.permissions, call.in_memory())?;
        self.see(user, view)?;
        self.minted.push(Arc::new(minted));
        Ok(())
    }

    /// Whether the token may have died by now of a cause of that kind.
    fn has_a_cause(&self, origin: &Origin, is_of_kind: impl Fn(&Cause) -> bool) -> bool {
        self.causes.iter().any(|cause| is_of_kind(cause) && cause.may_end(origin))
    }

    /// Whether its session may have ended by now, since a refresh token was used twice.
    fn may_have_been_reused(&self, origin: &Origin) -> bool {
        let session = origin.token.session;
        let mut presented = self.refreshes.iter().filter(|presented| presented.session == session);
        presented.any(|late| self.may_be_spent(session, late.counter, late.began.at))
    }

    fn may_be_spent(&self, session: SessionId, counter: i64, at: Duration) -> bool {
        let mut presented = self.refreshes.iter().filter(|presented| presented.session == session);
        presented.any(|earlier| earlier.spends(counter, at))
    }
}

fn has_expired(call: &Call, presented: &Minted) -> bool {
    call.wall >= presented.expires_at + token_policy().leeway
}

impl Presented {
    /// Whether this one may have spent the token `counter`, so long before `at` that the latter is a reuse.
    fn spends(&self, counter: i64, at: Duration) -> bool {
        let grace = token_policy().refresh.reuse_grace;
        self.counter > counter || self.counter == counter && at >= self.began.at + grace
    }
}
