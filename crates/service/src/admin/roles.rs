use maestro_auth_domain::{
    Action, CatalogueError, Description, Permission, PermissionName, Permissions, RevocationTime, Revoked,
    Role, RoleCatalogue, RoleDefinition, RoleName, Subject,
};
use maestro_auth_ports::{CatalogueChange, CatalogueOutcome, StoredCatalogue};

use super::{AdminError, MAX_TRIES};
use crate::audit::Event;
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
                let touched = [before, &after].into_iter().filter_map(|catalogue| catalogue.role(&name));
                let touched = touched.flat_map(|role| role.effective.iter()).cloned().collect();
                let event = Event::new(Action::RolePut, by.actor(), by.origin())
                    .about(Subject::Role(name.clone()))
                    .with("permissions", words(role.permissions.iter().map(PermissionName::as_str)))
                    .with("inherits", words(role.inherits.iter().map(RoleName::as_str)));
                Ok(Change { after, touched, event })
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
            let touched = before.role(name).map(|role| role.effective.clone()).unwrap_or_default();
            let event =
                Event::new(Action::RoleDeleted, by.actor(), by.origin()).about(Subject::Role(name.clone()));
            Ok(Change { after, touched, event })
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
                Ok(Change { after, touched: Permissions::default(), event })
            })
            .await?;
        let permission = after.permission(&name).cloned().ok_or(AdminError::NotFound)?;
        Ok((permission, before.permission(&name).is_none()))
    }

    /// Deletes a permission that no role names.
    pub async fn delete_permission(&self, by: &Caller, name: &PermissionName) -> Result<(), AdminError> {
        self.change_roles(by, CatalogueChange::DeletePermission(name.clone()), |before| {
            let event = Event::new(Action::PermissionDeleted, by.actor(), by.origin())
                .about(Subject::Permission(name.clone()));
            Ok(Change { after: before.without_permission(name)?, touched: Permissions::default(), event })
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
        let when = self.tokens.revocation_time(self.clock.now());
        for _ in 0..MAX_TRIES {
            let stored = self.load_catalogue().await?;
            let StoredCatalogue { catalogue: before, revision } = &*stored;
            let planned = plan(before).map_err(|error| match error {
                CatalogueError::Unknown => AdminError::NotFound,
                error => AdminError::Catalogue(error),
            })?;
            self.demand_all(by, &planned.touched, before, when.at)?;
            let effects = self.effects(when.at, planned.event);
            let roles = &self.stores.roles;
            match roles.change_catalogue(TENANT, change.clone(), *revision, when, effects).await? {
                CatalogueOutcome::Changed(_) => {
                    self.note_changed_roles(when);
                    return Ok((before.clone(), planned.after));
                }
                CatalogueOutcome::RoleHeld => return Err(AdminError::RoleHeld),
                CatalogueOutcome::Overtaken => {}
            }
        }
        Err(AdminError::Overtaken)
    }

    fn note_changed_roles(&self, when: RevocationTime) {
        self.note(Revoked::RoleDefinitions, when);
    }
}

/// What a change comes to.
struct Change<'a> {
    after: RoleCatalogue,
    /// What the caller must hold.
    touched: Permissions,
    event: Event<'a>,
}

fn words<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<_>>().join(" ")
}
