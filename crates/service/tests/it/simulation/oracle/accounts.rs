use maestro_auth_domain::{Email, RoleName, Roles, UserId};
use maestro_auth_service::{LoginError, RegisterError, SignedIn, UserView};

use super::history::{History, View, WriteId};
use super::{Call, Fate, Oracle, Verdict, ensure};
use crate::simulation::world::Moment;
use crate::support::{PASSWORD, roles};

/// A user, and what was done to it.
pub(in super::super) struct Account {
    pub(in super::super) id: UserId,
    pub(in super::super) email: Email,
    pub(in super::super) exists: History<bool>,
    pub(in super::super) passwords: History<String>,
    pub(in super::super) active: History<bool>,
    pub(in super::super) roles: History<Roles>,
    /// Whether somebody has logged in whose registration was not answered.
    is_adopted: bool,
}

impl Account {
    /// Somebody who was there from the beginning.
    pub(in super::super) fn new(id: UserId, email: Email, roles: Roles) -> Self {
        Self {
            id,
            email,
            exists: History::new(true),
            passwords: History::new(PASSWORD.to_owned()),
            active: History::new(true),
            roles: History::new(roles),
            is_adopted: false,
        }
    }

    /// Somebody new, who came by this call.
    fn registered(signed_in: &SignedIn, call: &Call) -> (Self, WriteId) {
        let user = &signed_in.user;
        let mut account = Self::new(user.id, user.email.clone(), roles(&["viewer"]));
        account.exists = History::new(false);
        let write = account.exists.begin(true, call);
        (account, write)
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
                self.adopt(signed_in, call);
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

    /// From now on the address may belong to somebody, whatever the answer.
    pub(in super::super) fn begin_register(&mut self, email: &Email) {
        *self.unanswered.entry(email.canonical().to_owned()).or_default() += 1;
    }

    pub(in super::super) fn judge_register(
        &mut self,
        call: &Call,
        email: &Email,
        answer: Option<&Result<SignedIn, RegisterError>>,
        now: Moment,
    ) -> Verdict {
        let view = call.in_store();
        match answer {
            Some(Ok(signed_in)) => {
                self.is_answered(email);
                let user = signed_in.user.id;
                let is_free =
                    self.of_address(email).all(|account| account.may_be_gone(view) || account.id == user);
                ensure(is_free, "two users have one address")?;
                let is_again = self.of_address(email).next().is_some();
                self.count(if is_again { "address used again" } else { "registered" });
                match self.accounts.iter_mut().find(|account| account.id == user) {
                    None => {
                        let (mut account, write) = Account::registered(signed_in, call);
                        account.exists.end(write, now, Fate::Done);
                        self.accounts.push(account);
                    }
                    Some(adopted) if adopted.is_adopted => adopted.is_adopted = false,
                    Some(_) => return Err("a new user has a former one's id".to_owned()),
                }
                self.open(call, signed_in, PASSWORD)
            }
            Some(Err(RegisterError::EmailTaken)) => {
                self.is_answered(email);
                let may_be_taken = self.of_address(email).any(|account| account.may_exist(view));
                ensure(may_be_taken || self.may_be_unheard_of(email), "a free address is taken")
            }
            Some(Err(RegisterError::Store(_))) => call.excuses_a_failure(),
            Some(Err(error)) => Err(format!("a registration is refused: {error}")),
            None => Ok(()),
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

    /// Takes up a user whose registration was not answered.
    fn adopt(&mut self, signed_in: &SignedIn, call: &Call) {
        let user = &signed_in.user;
        let is_known = self.accounts.iter().any(|account| account.id == user.id);
        if !is_known && self.may_be_unheard_of(&user.email) {
            let (account, _) = Account::registered(signed_in, call);
            self.accounts.push(Account { is_adopted: true, ..account });
        }
    }

    /// Whether the address may belong to somebody of whom nobody has heard.
    fn may_be_unheard_of(&self, email: &Email) -> bool {
        self.unanswered.get(email.canonical()).is_some_and(|count| *count > 0)
    }

    fn is_answered(&mut self, email: &Email) {
        *self.unanswered.get_mut(email.canonical()).unwrap() -= 1;
    }

    /// Everybody who has or had the address.
    fn of_address<'a>(&'a self, email: &'a Email) -> impl Iterator<Item = &'a Account> {
        self.accounts.iter().filter(|account| account.email == *email)
    }
}
