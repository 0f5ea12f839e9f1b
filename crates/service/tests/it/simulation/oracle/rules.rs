//! The rules by which an answer is judged.

use std::sync::Arc;
use std::time::Duration;

use maestro_auth_domain::{SessionId, User};
use maestro_auth_service::{AuthenticateError, LoginError, RefreshError, SignedIn};

use super::causes::{Cause, Origin};
use super::{Account, Call, Minted, Opened, Oracle, Presented, Verdict};
use crate::support::token_policy;

/// How soon other instances know what was acknowledged (api.md section 8).
const BOUND: Duration = Duration::from_secs(1);

impl Oracle {
    pub(in super::super) fn judge_authenticate(
        &mut self,
        call: &Call,
        presented: &Minted,
        answer: &Result<Arc<User>, AuthenticateError>,
    ) -> Verdict {
        let origin = self.origin(presented);
        let has_expired = call.wall >= presented.expires_at + token_policy().leeway;
        match answer {
            Ok(user) => {
                self.count("token accepted");
                ensure(!has_expired, "an expired token is accepted")?;
                if let Some(cause) = self.causes.iter().find(|cause| cause.is_binding(call, &origin)) {
                    let since = call.began.at.saturating_sub(cause.acknowledged().at);
                    return Err(format!(
                        "a token is accepted {since:?} after its end was acknowledged: {cause:?}"
                    ));
                }
                ensure(user.id == origin.token.user && user.is_active, "a token stands for somebody else")?;
                ensure(user.generation == origin.token.generation, "an outdated user is shown")?;
                self.see(user)
            }
            Err(AuthenticateError::Revoked) => {
                self.count("token refused");
                ensure(self.has_a_cause(&origin, |_| true), "a token is refused without a cause")
            }
            Err(AuthenticateError::Expired) => ensure(has_expired, "a token has expired before its time"),
            Err(AuthenticateError::Invalid) => Err("a good token is called invalid".to_owned()),
            Err(AuthenticateError::Store(_)) => call.excuses_a_failure(),
        }
    }

    pub(in super::super) fn judge_login(
        &mut self,
        call: &Call,
        account: usize,
        password: &str,
        answer: &Result<SignedIn, LoginError>,
    ) -> Verdict {
        let Account { passwords, active, .. } = &self.accounts[account];
        match answer {
            Ok(signed_in) => {
                ensure(active.may_show(call.began, |active| *active), "an inactive user logs in")?;
                self.count("login accepted");
                self.open(call, signed_in, password)
            }
            Err(LoginError::InvalidCredentials) => {
                let may_fail = active.may_show(call.began, |active| !*active)
                    || passwords.may_show(call.began, |now| now != password);
                self.count("login refused");
                ensure(may_fail, "the right password is refused")
            }
            Err(LoginError::Store(_)) => call.excuses_a_failure(),
            Err(LoginError::Hash(error)) => Err(error.to_string()),
        }
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
                ensure(self.has_a_cause(&origin, Cause::ends_sessions), "a session has ended without a cause")
            }
            Err(RefreshError::Expired | RefreshError::Invalid) => {
                Err("a good refresh token is refused".to_owned())
            }
            Err(RefreshError::Store(_)) => call.excuses_a_failure(),
        }
    }

    /// A login or a registration opened a session.
    pub(in super::super) fn open(&mut self, call: &Call, signed_in: &SignedIn, password: &str) -> Verdict {
        let minted = Minted::read(signed_in, call.began);
        let opened = Opened { at: minted.token.generation, began: call.began, password: password.to_owned() };
        ensure(self.sessions.insert(minted.token.session, opened).is_none(), "two sessions have one id")?;
        self.mint(call, minted, signed_in)
    }

    /// A token came of the call: it must be of a state that is not older.
    fn mint(&mut self, call: &Call, minted: Minted, signed_in: &SignedIn) -> Verdict {
        let origin = self.origin(&minted);
        let is_outdated =
            |cause: &&Cause| cause.was_acknowledged_before(call.began) && cause.surely_ends(&origin);
        if let Some(cause) = self.causes.iter().find(is_outdated) {
            return Err(format!("a token is minted from a state before an acknowledged cause: {cause:?}"));
        }
        let role = signed_in.user.roles.primary();
        let password = &self.sessions[&minted.token.session].password;
        let account = self.accounts.iter().find(|account| account.id == signed_in.user.id).unwrap();
        ensure(
            account.passwords.may_show(call.began, |it| it == password),
            "a session outlives its password",
        )?;
        ensure(account.roles.may_show(call.began, |it| it == role), "a token with former roles is minted")?;
        self.see(&signed_in.user)?;
        self.minted.push(Arc::new(minted));
        Ok(())
    }

    /// Whether the token may have died by now, of a cause of that kind or of the reuse of a refresh token.
    fn has_a_cause(&self, origin: &Origin, is_of_kind: impl Fn(&Cause) -> bool) -> bool {
        let session = origin.token.session;
        let mut presented = self.refreshes.iter().filter(|presented| presented.session == session);
        self.causes.iter().any(|cause| is_of_kind(cause) && cause.may_end(origin))
            || presented.any(|late| self.may_be_spent(session, late.counter, late.began.at))
    }

    fn may_be_spent(&self, session: SessionId, counter: i64, at: Duration) -> bool {
        let mut presented = self.refreshes.iter().filter(|presented| presented.session == session);
        presented.any(|earlier| earlier.spends(counter, at))
    }
}

impl Cause {
    /// Whether the instance of the call must have known by then that the token has ended.
    fn is_binding(&self, call: &Call, origin: &Origin) -> bool {
        let answers_itself = self.instance == Some(call.instance);
        let is_old = call.began.at.saturating_sub(self.acknowledged().at) > BOUND;
        self.was_acknowledged_before(call.began) && self.surely_ends(origin) && (answers_itself || is_old)
    }
}

impl Presented {
    /// Whether this one may have spent the token `counter`, so long before `at` that the latter is a reuse.
    fn spends(&self, counter: i64, at: Duration) -> bool {
        let grace = token_policy().refresh.reuse_grace;
        self.counter > counter || self.counter == counter && at >= self.began.at + grace
    }
}

impl Call {
    /// The storage may fail a call only if it was off.
    pub(in super::super) fn excuses_a_failure(&self) -> Verdict {
        ensure(self.has_met_a_fault, "the storage fails without a fault")
    }
}

fn ensure(is_kept: bool, objection: &str) -> Verdict {
    if is_kept { Ok(()) } else { Err(objection.to_owned()) }
}
