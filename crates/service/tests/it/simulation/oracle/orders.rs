//! The rules by which what administrators order is judged (SEC-88, SEC-89).

use std::sync::Arc;

use maestro_auth_domain::{
    CatalogueError, Generation, KeyId, PermissionName, RoleDefinition, RoleName, Roles, UserChange, UserId,
};
use maestro_auth_service::{AdminError, AuthorizeError, Caller, UserView};

use super::causes::Ends;
use super::history::{View, WriteId};
use super::{Call, CauseId, Fate, Minted, Oracle, TRACKED, Verdict, ensure};
use crate::simulation::world::Moment;
use crate::support::permission;

/// Who orders something: a user by a token, or an operator.
pub(in super::super) struct Orderer {
    pub(in super::super) caller: Caller,
    pub(in super::super) token: Option<Arc<Minted>>,
}

/// What somebody orders, as far as it takes permissions.
pub(in super::super) struct Order<'o> {
    pub(in super::super) by: &'o Orderer,
    pub(in super::super) touches: Option<UserId>,
    pub(in super::super) grants: Option<&'o Roles>,
    pub(in super::super) redefines: Option<&'o RoleName>,
    pub(in super::super) as_this: Option<&'o RoleDefinition>,
}

/// A change of a user that goes on.
#[derive(Clone, Copy)]
pub(in super::super) struct Update {
    user: UserId,
    tokens: Option<(CauseId, WriteId)>,
    sessions: Option<CauseId>,
    active: Option<WriteId>,
}

impl Orderer {
    pub(in super::super) fn operator() -> Self {
        Self { caller: Caller::operator(), token: None }
    }

    /// A short name for a trace.
    pub(in super::super) fn label(&self) -> String {
        self.token.as_ref().map_or_else(|| "an operator".to_owned(), |token| token.label())
    }
}

impl<'o> Order<'o> {
    pub(in super::super) const fn of(by: &'o Orderer) -> Self {
        Self { by, touches: None, grants: None, redefines: None, as_this: None }
    }

    fn roles_of_caller(&self) -> Option<&Roles> {
        self.by.token.as_ref().map(|token| &token.roles)
    }

    /// What the role that is defined permits by that of which it inherits.
    fn inherited(&self) -> Option<Roles> {
        self.as_this.and_then(|role| Roles::from_names(role.inherits.iter().cloned()))
    }
}

/// What became of an order.
pub(in super::super) const fn fate<T>(answer: Option<&Result<T, AdminError>>) -> Fate {
    match answer {
        Some(Ok(_)) => Fate::Done,
        Some(Err(AdminError::Store(_))) | None => Fate::Unknown,
        Some(Err(_)) => Fate::Refused,
    }
}

impl Oracle {
    pub(in super::super) fn judge_order<T>(
        &mut self,
        call: &Call,
        order: &Order<'_>,
        answer: Option<&Result<T, AdminError>>,
    ) -> Verdict {
        match answer {
            Some(Ok(_)) => {
                self.judge_dismissal(call, order)?;
                self.judge_permitted(call.in_store(), order)
            }
            Some(Err(refused)) => self.judge_refused(call, order, refused),
            None => Ok(()),
        }
    }

    /// Whoever was obeyed had not been dismissed before: who changes something must still be who may, on every instance (SEC-91).
    fn judge_dismissal(&self, call: &Call, order: &Order<'_>) -> Verdict {
        let Some(token) = &order.by.token else { return Ok(()) };
        let origin = self.origin(token);
        let mut causes = self.causes.iter();
        match causes.find(|cause| cause.was_acknowledged_before(call.began) && cause.surely_ends(&origin)) {
            Some(cause) => Err(format!("a token is obeyed whose end was acknowledged: {cause:?}")),
            None => Ok(()),
        }
    }

    /// Whoever was obeyed holds all that the order takes.
    fn judge_permitted(&mut self, view: View, order: &Order<'_>) -> Verdict {
        let Some(own) = order.roles_of_caller() else { return Ok(()) };
        self.count("user obeyed");
        let covers = |others: &Roles| self.definitions.may_cover(own, others, view);
        let holds = |one: &PermissionName| self.definitions.may_permit(own, one, true, view);
        ensure(order.grants.is_none_or(covers), "somebody grants what they do not hold")?;
        if let Some(user) = order.touches {
            let touched = self.accounts.iter().find(|account| account.id == user);
            let is_covered = touched.is_some_and(|touched| touched.roles.may_show(view, covers));
            ensure(is_covered, "somebody touches a user who holds more")?;
        }
        if order.redefines.is_some_and(|role| self.definitions.may_be(role, order.as_this, view)) {
            return Ok(()); // it may have changed nothing
        }
        let before = order.redefines.cloned().map(Roles::single);
        ensure(before.is_none_or(|role| covers(&role)), "somebody redefines a role beyond their own")?;
        let Some(defined) = order.as_this else { return Ok(()) };
        let names_what_it_lacks =
            TRACKED.map(permission).iter().any(|one| defined.permissions.permit(one) && !holds(one));
        let inherits_what_it_lacks = order.inherited().is_some_and(|roles| !covers(&roles));
        ensure(!names_what_it_lacks && !inherits_what_it_lacks, "somebody defines a role beyond their own")
    }

    fn judge_refused(&mut self, call: &Call, order: &Order<'_>, refused: &AdminError) -> Verdict {
        let view = call.in_store();
        match refused {
            AdminError::PermissionMissing(missing) => self.judge_denied(view, order, missing),
            AdminError::Caller(AuthorizeError::Authenticate(refused)) => match &order.by.token {
                Some(token) => self.judge_refusal(call, token, refused),
                None => Err("an operator is refused".to_owned()),
            },
            AdminError::UnknownRole(role) => {
                ensure(self.definitions.may_lack(role, view), "a role that exists is unknown")
            }
            AdminError::NotFound => {
                let is_gone = order.touches.is_none_or(|user| self.account(user).may_be_gone(view));
                let lacks = |role: &RoleName| self.definitions.may_lack(role, view);
                ensure(is_gone && order.redefines.is_none_or(lacks), "something that exists is not found")
            }
            AdminError::LastAdmin => {
                self.count("last admin stays");
                let may_be_last = order.touches.is_some_and(|user| self.may_be_last_admin(user, view));
                ensure(may_be_last, "somebody is called the last admin who is not")
            }
            AdminError::RoleHeld => {
                let has = |role: &RoleName, roles: &Roles| roles.contains(role);
                let is_held = order.redefines.is_some_and(|role| {
                    let mut accounts = self.accounts.iter().filter(|account| account.may_exist(view));
                    accounts.any(|account| account.roles.may_show(view, |roles| has(role, roles)))
                });
                ensure(is_held, "a role is called held that nobody has")
            }
            AdminError::Catalogue(CatalogueError::NamedByRole(heir)) => {
                let inherits = |role| self.definitions.may_inherit(heir, role, view);
                ensure(order.redefines.is_some_and(inherits), "a role is called inherited that is not")
            }
            AdminError::Catalogue(CatalogueError::UnknownInherited(role)) => {
                ensure(self.definitions.may_lack(role, view), "an inherited role that exists is unknown")
            }
            // Others do act at the same time, and one may lose against them again and again.
            AdminError::Overtaken => Ok(()),
            AdminError::Store(_) => call.excuses_a_failure(),
            other => Err(format!("an order is refused: {other}")),
        }
    }

    /// Somebody was told that a permission is missing: it may be missing, and the order may take it.
    fn judge_denied(&mut self, view: View, order: &Order<'_>, missing: &PermissionName) -> Verdict {
        self.count("user denied");
        let permits = |roles: &Roles| self.definitions.may_permit(roles, missing, true, view);
        let own = order.roles_of_caller();
        let may_lack = own.is_some_and(|own| self.definitions.may_permit(own, missing, false, view));
        ensure(may_lack, "somebody is denied what they hold")?;
        let touched = self.accounts.iter().find(|account| order.touches == Some(account.id));
        let is_taken = order.grants.is_some_and(permits)
            || touched.is_some_and(|touched| touched.roles.may_show(view, permits))
            || order.redefines.is_some_and(|role| permits(&self.definitions.heirs(role, view)))
            || order.as_this.is_some_and(|role| role.permissions.permit(missing))
            || order.inherited().is_some_and(|roles| permits(&roles));
        ensure(is_taken, "somebody is denied for what the order does not take")
    }

    pub(in super::super) fn begin_update(
        &mut self,
        call: &Call,
        user: UserId,
        change: &UserChange,
    ) -> Update {
        let tokens = change.roles.clone().map(|roles| {
            let none = Ends::Tokens { user, below: Generation::FIRST };
            (self.begin_cause(call, none), self.account(user).roles.begin(roles, call))
        });
        let is_deactivation = change.is_active == Some(false);
        let all = Ends::Sessions { user, up_to: self.newest(user) };
        let sessions = is_deactivation.then(|| self.begin_cause(call, all));
        let active = change.is_active.map(|is_active| self.account(user).active.begin(is_active, call));
        Update { user, tokens, sessions, active }
    }

    pub(in super::super) fn end_update(
        &mut self,
        call: &Call,
        update: Update,
        answer: Option<&Result<UserView, AdminError>>,
        now: Moment,
    ) -> Verdict {
        let Update { user, tokens, sessions, active } = update;
        let (fate, shown) = (fate(answer), answer.and_then(|answer| answer.as_ref().ok()));
        if let Some((cause, write)) = tokens {
            if let Some(UserView { user: shown, .. }) = shown {
                self.sharpen(cause, Ends::Tokens { user, below: shown.generation });
            }
            self.end_cause(cause, fate, now);
            self.account(user).roles.end(write, now, fate);
        }
        if let Some(cause) = sessions {
            if let Some(UserView { user: shown, .. }) = shown {
                let up_to = Generation::from_number(shown.session_floor.number() - 1);
                self.sharpen(cause, Ends::Sessions { user, up_to });
            }
            self.end_cause(cause, fate, now);
        }
        if let Some(write) = active {
            self.account(user).active.end(write, now, fate);
        }
        let Some(UserView { user: shown, permissions }) = shown else { return Ok(()) };
        self.judge_permissions(&shown.roles, permissions, call.in_store())?;
        self.see(shown, call.in_store())
    }

    /// A role was deleted: nobody can have it.
    pub(in super::super) fn judge_deletion_of_role(&self, call: &Call, role: &RoleName) -> Verdict {
        let view = call.in_store();
        let may_lack = |roles: &Roles| !roles.contains(role);
        let mut accounts = self.accounts.iter();
        let is_free =
            accounts.all(|account| account.may_be_gone(view) || account.roles.may_show(view, may_lack));
        ensure(is_free, "a role is deleted that somebody has")
    }

    /// Whether the key may have been revoked by another than this.
    pub(in super::super) fn may_be_revoked(&self, key: KeyId, CauseId(this): CauseId) -> bool {
        self.causes.iter().enumerate().any(|(index, cause)| index != this && cause.may_revoke(key))
    }
}
