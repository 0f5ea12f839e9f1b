use std::time::Duration;

use maestro_auth_domain::{
    Action, CatalogueError, ClientId, Description, Permission, PermissionName, RevocationTime, Revoked, Role,
    RoleCatalogue, RoleDefinition, RoleName, Subject,
};
use maestro_auth_ports::{CatalogueChange, CatalogueOutcome, StoreResult, StoredCatalogue};

use super::{AdminError, MAX_TRIES, words};
use crate::audit::Event;
use crate::register::is_assignable;
use crate::{AuthService, Caller, TENANT};

impl AuthService {
    /// Makes a role or replaces it, and says whether it is a new one. Whoever has it permits more or less by it at once, on every
    /// instance; tokens name roles, so none of them becomes wrong.
    ///
    /// The caller must hold all that it permitted and all that it will: a role is touched as its holders are.
    pub async fn put_role(&self, by: &Caller, role: RoleDefinition) -> Result<(Role, bool), AdminError> {
        let name = role.name.clone();
        let (before, after) = self
            .change_roles(by, CatalogueChange::PutRole(role.clone()), |before| {
                let after = before.with_role(role.clone())?;
                let event = Event::new(Action::RolePut, by.actor(), by.origin())
                    .about(Subject::Role(name.clone()))
                    .with("permissions", words(role.permissions.iter().map(PermissionName::as_str)))
                    .with("inherits", words(role.inherits.iter().map(RoleName::as_str)));
                Ok(Change { after, event })
            })
            .await?;
        let is_new = before.role(&name).is_none();
        let role = after.role(&name).cloned().ok_or(AdminError::NotFound)?;
        Ok((role, is_new))
    }

    /// Deletes a role that no account has and no role inherits from.
    pub async fn delete_role(&self, by: &Caller, name: &RoleName) -> Result<(), AdminError> {
        self.change_roles(by, CatalogueChange::DeleteRole(name.clone()), |before| {
            let after = before.without_role(name)?;
            let event =
                Event::new(Action::RoleDeleted, by.actor(), by.origin()).about(Subject::Role(name.clone()));
            Ok(Change { after, event })
        })
        .await
        .map(drop)
    }

    /// Makes a permission, or describes it anew, and says whether it is a new one.
    pub async fn put_permission(
        &self,
        by: &Caller,
        name: PermissionName,
        description: Description,
    ) -> Result<(Permission, bool), AdminError> {
        let change = CatalogueChange::PutPermission(name.clone(), description.clone());
        let (before, after) = self
            .change_roles(by, change, |before| {
                let after = before.with_permission(name.clone(), description.clone())?;
                let event = Event::new(Action::PermissionPut, by.actor(), by.origin())
                    .about(Subject::Permission(name.clone()));
                Ok(Change { after, event })
            })
            .await?;
        let permission = after.permission(&name).cloned().ok_or(AdminError::NotFound)?;
        Ok((permission, before.permission(&name).is_none()))
    }

    /// Deletes a permission that no role names and no service has. A service that is given it in the same moment can't use it.
    pub async fn delete_permission(&self, by: &Caller, name: &PermissionName) -> Result<(), AdminError> {
        if let Some(service) = self.service_with(name).await? {
            return Err(AdminError::PermissionHeld(service));
        }
        self.change_roles(by, CatalogueChange::DeletePermission(name.clone()), |before| {
            let event = Event::new(Action::PermissionDeleted, by.actor(), by.origin())
                .about(Subject::Permission(name.clone()));
            Ok(Change { after: before.without_permission(name)?, event })
        })
        .await
        .map(drop)
    }

    /// Changes the catalogue by what `plan` makes of it as it is, and gives it as it was and as it is then.
    async fn change_roles<'a>(
        &self,
        by: &Caller,
        change: CatalogueChange,
        plan: impl Fn(&RoleCatalogue) -> Result<Change<'a>, CatalogueError>,
    ) -> Result<(RoleCatalogue, RoleCatalogue), AdminError> {
        let now = self.clock.now();
        let when = RevocationTime { at: now, until: now + TOLD_FOR };
        for _ in 0..MAX_TRIES {
            let (by, stored) = self.as_of_now(by).await?;
            let StoredCatalogue { catalogue: before, revision } = &*stored;
            let planned = plan(before).map_err(|error| match error {
                CatalogueError::Unknown => AdminError::NotFound,
                error => AdminError::Catalogue(error),
            })?;
            self.demand_all(&by, &before.touched(&planned.after), before, when.at)?;
            self.strangers_may_still_ask(before, &planned.after)?;
            let effects = self.effects(when.at, planned.event);
            let roles = &self.stores.roles;
            match roles.change_catalogue(TENANT, change.clone(), *revision, when, effects).await? {
                CatalogueOutcome::Changed(_) => {
                    self.note(Revoked::RoleDefinitions, when);
                    return Ok((before.clone(), planned.after));
                }
                CatalogueOutcome::RoleHeld => return Err(AdminError::RoleHeld),
                CatalogueOutcome::Overtaken => {}
            }
        }
        Err(AdminError::Overtaken)
    }

    /// Refuses a change by which a role that strangers may ask for would go, or permit everything. The next start would be refused
    /// for it.
    fn strangers_may_still_ask(
        &self,
        before: &RoleCatalogue,
        after: &RoleCatalogue,
    ) -> Result<(), AdminError> {
        let mut listed = self.registration.self_assignable_roles.iter();
        match listed.find(|role| is_assignable(before, role) && !is_assignable(after, role)) {
            Some(role) => Err(AdminError::RoleAssignable(role.clone())),
            None => Ok(()),
        }
    }

    /// A service that has the permission, if there is one.
    async fn service_with(&self, permission: &PermissionName) -> StoreResult<Option<ClientId>> {
        const PAGE: u32 = 200;

        let mut after = None;
        loop {
            let page = self.stores.services.list_services(TENANT, after, PAGE).await?;
            if let Some(holder) = page.iter().find(|service| service.permissions.contains(permission)) {
                return Ok(Some(holder.id));
            }
            match page.last() {
                Some(last) if page.len() == PAGE as usize => after = Some(last.id),
                _ => return Ok(None),
            }
        }
    }
}

/// How long the feed tells of a change: long enough for a service that was cut off, and goes on where it stood. They are few.
const TOLD_FOR: Duration = Duration::from_hours(30 * 24);

/// What a change comes to.
struct Change<'a> {
    after: RoleCatalogue,
    event: Event<'a>,
}
