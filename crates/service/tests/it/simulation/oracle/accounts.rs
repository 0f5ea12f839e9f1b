use maestro_auth_domain::{Email, RoleName, Roles, UserId};
use maestro_auth_service::{LoginError, RegisterError, SignedIn, UserView};

use super::history::{History, View};
use super::{Call, Oracle, Verdict, ensure};
use crate::support::PASSWORD;

/// A user, and what was done to it.
pub(in super::super) struct Account {
    pub(in super::super) id: UserId,
    pub(in super::super) email: Email,
    pub(in super::super) exists: History<bool>,
    pub(in super::super) passwords: History<String>,
    pub(in super::super) active: History<bool>,
    pub(in super::super) roles: History<Roles>,
}

impl Account {
    pub(in super::super) fn new(id: UserId, email: Email, roles: Roles) -> Self {
        Self {
            id,
            email,
            exists: History::new(true),
            passwords: History::new(PASSWORD.to_owned()),
            active: History::new(true),
            roles: History::new(roles),
        }
    }

    pub(super) fn may_exist(&self, view: View) -> bool {
        self.exists.may_show(view, |exists| *exists)
    }

    pub(super) fn may_be_gone(&self, view: View) -> bool {
        self.exists.may_show(view, |exists| !*exists)
    }

    /// Whether somebody who has this password may be refused.
    fn may_refuse(&self, password: &str, view: View) -> bool {
        self.may_be_gone(view)
            || self.active.may_show(view, |active| !*active)
            || self.passwords.may_show(view, |now| now != password)
    }

    fn may_be_no_active_admin(&self, view: View) -> bool {
        self.may_be_gone(view)
            || self.active.may_show(view, |active| !*active)
            || self.roles.may_show(view, |roles| !roles.contains(&RoleName::admin()))
    }

    fn may_be_active_admin(&self, view: View) -> bool {
        self.may_exist(view)
            && self.active.may_show(view, |active| *active)
            && self.roles.may_show(view, |roles| roles.contains(&RoleName::admin()))
    }
}

impl Oracle {
    pub(in super::super) fn judge_login(
        &mut self,
        call: &Call,
        email: &Email,
        password: &str,
        answer: &Result<SignedIn, LoginError>,
    ) -> Verdict {
        let view = call.in_store();
        match answer {
            Ok(signed_in) => {
                self.adopt(signed_in);
                let user = signed_in.user.id;
                let account = self.accounts.iter().find(|account| account.id == user);
                let Some(account) = account.filter(|account| account.email == *email) else {
                    return Err("a login opens somebody else's session".to_owned());
                };
                ensure(account.may_exist(view), "a deleted user logs in")?;
                ensure(account.active.may_show(view, |active| *active), "an inactive user logs in")?;
                self.count("login accepted");
                self.open(call, signed_in, password)
            }
            Err(LoginError::InvalidCredentials) => {
                self.count("login refused");
                let may_fail = self.of_address(email).all(|account| account.may_refuse(password, view));
                ensure(may_fail, "the right password is refused")
            }
            Err(LoginError::Store(_)) => call.excuses_a_failure(),
            Err(LoginError::Hash(error)) => Err(error.to_string()),
        }
    }

    pub(in super::super) fn judge_register(
        &mut self,
        call: &Call,
        email: &Email,
        answer: Option<&Result<SignedIn, RegisterError>>,
    ) -> Verdict {
        let view = call.in_store();
        match answer {
            Some(Ok(signed_in)) => {
                let is_free = self.of_address(email).all(|account| account.may_be_gone(view));
                ensure(is_free, "two users have one address")?;
                let is_again = self.of_address(email).next().is_some();
                self.count(if is_again { "address used again" } else { "registered" });
                let is_known = self.accounts.iter().any(|account| account.id == signed_in.user.id);
                ensure(!is_known, "a new user has a former one's id")?;
                let roles = signed_in.user.roles.clone();
                self.accounts.push(Account::new(signed_in.user.id, email.clone(), roles));
                self.open(call, signed_in, PASSWORD)
            }
            Some(Err(RegisterError::EmailTaken)) => {
                let may_be_taken = self.of_address(email).any(|account| account.may_exist(view));
                ensure(may_be_taken || self.unclear.contains(email.canonical()), "a free address is taken")
            }
            Some(Err(RegisterError::Store(_))) => {
                self.unclear.insert(email.canonical().to_owned());
                call.excuses_a_failure()
            }
            Some(Err(error)) => Err(format!("a registration is refused: {error}")),
            None => {
                self.unclear.insert(email.canonical().to_owned());
                Ok(())
            }
        }
    }

    /// Active admins were listed: there is always one (SEC-89).
    pub(in super::super) fn judge_admins(&mut self, call: &Call, admins: &[UserView]) -> Verdict {
        ensure(!admins.is_empty(), "nobody administers")?;
        self.count("admins listed");
        for UserView { user, permissions } in admins {
            self.see(user, call.in_store())?;
            self.judge_permissions(&user.roles, permissions, call.in_memory())?;
            let account = self.accounts.iter().find(|account| account.id == user.id);
            let may_be_one = account.is_some_and(|account| account.may_be_active_admin(call.in_store()));
            ensure(may_be_one, "somebody is an active admin whom nobody has made one")?;
        }
        Ok(())
    }

    /// Whether the user may be the only active admin.
    pub(super) fn may_be_last_admin(&self, user: UserId, view: View) -> bool {
        self.accounts.iter().all(|account| {
            if account.id == user {
                account.may_be_active_admin(view)
            } else {
                account.may_be_no_active_admin(view)
            }
        })
    }

    /// Takes up a user whose registration was never answered.
    fn adopt(&mut self, signed_in: &SignedIn) {
        let user = &signed_in.user;
        let is_known = self.accounts.iter().any(|account| account.id == user.id);
        if !is_known && self.unclear.contains(user.email.canonical()) {
            let roles = crate::support::roles(&["viewer"]);
            self.accounts.push(Account::new(user.id, user.email.clone(), roles));
        }
    }

    /// Everybody who has or had the address.
    fn of_address<'a>(&'a self, email: &'a Email) -> impl Iterator<Item = &'a Account> {
        self.accounts.iter().filter(|account| account.email == *email)
    }
}
