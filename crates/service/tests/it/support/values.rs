//! Short ways to write values of the domain.

use maestro_auth_domain::{
    Action, Actor, AuditEntry, AuditId, Description, DisplayName, Email, Origin, Outcome, PermissionName,
    Permissions, RoleDefinition, RoleName, Roles, TenantId, Timestamp,
};
use maestro_auth_ports::Effects;

pub(crate) fn email(text: &str) -> Email {
    Email::parse(text).unwrap()
}

pub(crate) fn display_name(text: &str) -> DisplayName {
    DisplayName::parse(text).unwrap()
}

pub(crate) fn role_name(text: &str) -> RoleName {
    RoleName::parse(text).unwrap()
}

pub(crate) fn roles(names: &[&str]) -> Roles {
    Roles::from_names(names.iter().map(|name| role_name(name))).unwrap()
}

pub(crate) fn permission(text: &str) -> PermissionName {
    PermissionName::parse(text).unwrap()
}

pub(crate) fn permissions(names: &[&str]) -> Permissions {
    names.iter().map(|name| permission(name)).collect()
}

/// A role that permits this, and what the roles in `inherits` do.
pub(crate) fn role(name: &str, permits: &[&str], inherits: &[&str]) -> RoleDefinition {
    RoleDefinition {
        name: role_name(name),
        description: Description::default(),
        permissions: permissions(permits),
        inherits: inherits.iter().map(|name| role_name(name)).collect(),
    }
}

/// What a step leaves that a test asks a store for itself.
pub(crate) fn some_effects() -> Effects {
    let at = Timestamp::from_unix_seconds(0);
    Effects::audit(AuditEntry {
        id: AuditId::generate(at, [0; 10]),
        tenant: TenantId::DEFAULT,
        at,
        action: Action::UserCreated,
        outcome: Outcome::Success,
        actor: Actor::Server,
        subject: None,
        origin: Origin::default(),
        details: Vec::new(),
    })
}
