use std::collections::BTreeMap;

use maestro_auth_domain::{PermissionName, Permissions, RoleCatalogue, RoleDefinition, RoleName, Roles};

use super::history::{History, View, WriteId};
use super::{Call, Fate, Oracle, Verdict, ensure};
use crate::simulation::world::Moment;
use crate::support::{permission, role, role_name};

/// The roles that users get.
pub(in super::super) const ROLES: [&str; 6] =
    ["viewer", "developer", "ml_engineer", "helper", "lead", "admin"];
/// Those among them that are defined anew now and then, most of all `viewer`, which most users have and which is never deleted;
/// `lead` may inherit from `helper`.
pub(in super::super) const DEFINABLE: [&str; 4] = ["viewer", "viewer", "helper", "lead"];
/// The permissions that are watched.
pub(in super::super) const TRACKED: [&str; 4] = ["model:view", "model:deploy", "user:view", "system:admin"];

const FORMER_ROLES: &str = "former roles decide what is permitted";

/// What each role has been defined to be; `None` while there was none.
pub(in super::super) struct Definitions(BTreeMap<RoleName, History<Option<RoleDefinition>>>);

/// The roles that are there at the start beside the built-in ones.
pub(in super::super) fn first_roles() -> [RoleDefinition; 2] {
    [role("helper", &["user:view"], &[]), role("lead", &["model:deploy"], &["helper"])]
}

impl Definitions {
    /// What there is at the start.
    pub(super) fn new() -> Self {
        let catalogue = RoleCatalogue::from_stored(first_roles(), []);
        let first = |name: &str| {
            let role = catalogue.role(&role_name(name));
            (role_name(name), History::new(role.map(|role| role.definition.clone())))
        };
        Self(ROLES.into_iter().map(first).collect())
    }

    pub(in super::super) fn begin(
        &mut self,
        role: &RoleName,
        definition: Option<RoleDefinition>,
        call: &Call,
    ) -> WriteId {
        self.of_mut(role).begin(definition, call)
    }

    pub(in super::super) fn end(&mut self, role: &RoleName, write: WriteId, ended: Moment, fate: Fate) {
        self.of_mut(role).end(write, ended, fate);
    }

    pub(super) fn may_exist(&self, role: &RoleName, view: View) -> bool {
        self.of(role).may_show(view, Option::is_some)
    }

    pub(super) fn may_lack(&self, role: &RoleName, view: View) -> bool {
        self.of(role).may_show(view, Option::is_none)
    }

    pub(super) fn may_inherit(&self, heir: &RoleName, role: &RoleName, view: View) -> bool {
        let inherits = |definition: &RoleDefinition| definition.inherits.contains(role);
        self.of(heir).may_show(view, |definition| definition.as_ref().is_some_and(inherits))
    }

    /// Whether the role may be defined like this already.
    pub(super) fn may_be(&self, role: &RoleName, definition: Option<&RoleDefinition>, view: View) -> bool {
        self.of(role).may_show(view, |shown| shown.as_ref() == definition)
    }

    /// The role, and those that may inherit from it.
    pub(super) fn heirs(&self, role: &RoleName, view: View) -> Roles {
        let heirs = self.0.keys().filter(|heir| self.may_inherit(heir, role, view));
        Roles::from_names([role].into_iter().chain(heirs).cloned()).unwrap()
    }

    /// Whether somebody with these roles may be found to have the permission, or not to have it.
    pub(super) fn may_permit(
        &self,
        roles: &Roles,
        permission: &PermissionName,
        is_permitted: bool,
        view: View,
    ) -> bool {
        if is_permitted {
            roles.iter().any(|role| self.role_may_permit(role, permission, view))
        } else {
            roles.iter().all(|role| self.role_may_not_permit(role, permission, view))
        }
    }

    /// Whether whoever has the roles `own` may be found to hold all that `others` permit.
    pub(super) fn may_cover(&self, own: &Roles, others: &Roles, view: View) -> bool {
        TRACKED
            .map(permission)
            .iter()
            .all(|one| self.may_permit(others, one, false, view) || self.may_permit(own, one, true, view))
    }

    fn role_may_permit(&self, role: &RoleName, permission: &PermissionName, view: View) -> bool {
        self.of(role).may_show(view, |definition| {
            definition.as_ref().is_some_and(|definition| {
                definition.permissions.permit(permission)
                    || definition.inherits.iter().any(|one| self.role_may_permit(one, permission, view))
            })
        })
    }

    fn role_may_not_permit(&self, role: &RoleName, permission: &PermissionName, view: View) -> bool {
        self.of(role).may_show(view, |definition| {
            definition.as_ref().is_none_or(|definition| {
                !definition.permissions.permit(permission)
                    && definition.inherits.iter().all(|one| self.role_may_not_permit(one, permission, view))
            })
        })
    }

    fn of(&self, role: &RoleName) -> &History<Option<RoleDefinition>> {
        &self.0[role]
    }

    fn of_mut(&mut self, role: &RoleName) -> &mut History<Option<RoleDefinition>> {
        self.0.get_mut(role).unwrap()
    }
}

impl Oracle {
    /// Somebody was told what these roles permit.
    pub(super) fn judge_permissions(&self, roles: &Roles, shown: &Permissions, view: View) -> Verdict {
        let may_be_so =
            |one: &PermissionName| self.definitions.may_permit(roles, one, shown.permit(one), view);
        ensure(TRACKED.map(permission).iter().all(may_be_so), FORMER_ROLES)
    }

    /// Somebody was let through who demands this, or was not.
    pub(super) fn judge_demand(
        &self,
        call: &Call,
        roles: &Roles,
        demanded: &PermissionName,
        is_permitted: bool,
    ) -> Verdict {
        let may_be_so = self.definitions.may_permit(roles, demanded, is_permitted, call.in_memory());
        ensure(may_be_so, FORMER_ROLES)
    }
}
