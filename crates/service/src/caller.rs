use std::sync::Arc;

use maestro_auth_domain::{
    Actor, Origin, PermissionName, Permissions, RevocableToken, RoleCatalogue, Service, User,
};

/// Whoever asks for something, and from where. A use case learns it from here and nowhere else (SEC-86).
#[derive(Debug, Clone)]
pub struct Caller {
    identity: Identity,
    /// What the caller must be permitted for as long as it acts.
    demanded: Option<PermissionName>,
    origin: Origin,
}

#[derive(Debug, Clone)]
pub(crate) enum Identity {
    User(Arc<User>, RevocableToken),
    Service(Arc<Service>),
    Operator,
}

impl Caller {
    pub(crate) const fn new(identity: Identity, demanded: Option<PermissionName>, origin: Origin) -> Self {
        Self { identity, demanded, origin }
    }

    /// The same caller as it is now.
    pub(crate) fn now(&self, identity: Identity) -> Self {
        Self { identity, ..self.clone() }
    }

    /// Whoever runs commands on the server's machine, and so can do everything anyhow.
    #[must_use]
    pub fn operator() -> Self {
        Self { identity: Identity::Operator, demanded: None, origin: Origin::default() }
    }

    #[must_use]
    pub const fn as_user(&self) -> Option<&Arc<User>> {
        match &self.identity {
            Identity::User(user, _) => Some(user),
            _ => None,
        }
    }

    #[must_use]
    pub const fn as_service(&self) -> Option<&Arc<Service>> {
        match &self.identity {
            Identity::Service(service) => Some(service),
            _ => None,
        }
    }

    pub(crate) const fn identity(&self) -> &Identity {
        &self.identity
    }

    pub(crate) const fn demanded(&self) -> Option<&PermissionName> {
        self.demanded.as_ref()
    }

    #[must_use]
    pub const fn origin(&self) -> &Origin {
        &self.origin
    }

    #[must_use]
    pub fn actor(&self) -> Actor {
        match &self.identity {
            Identity::User(user, _) => Actor::User(user.id),
            Identity::Service(service) => Actor::Service(service.id),
            Identity::Operator => Actor::Operator,
        }
    }

    /// What the caller holds, by the roles as they are in `catalogue`.
    #[must_use]
    pub fn permissions(&self, catalogue: &RoleCatalogue) -> Permissions {
        match &self.identity {
            Identity::User(user, _) => catalogue.permissions_of(&user.roles),
            // What was deleted since permits nothing.
            Identity::Service(service) => {
                let exists = |name: &&PermissionName| catalogue.permission(name).is_some();
                service.permissions.iter().filter(exists).cloned().collect()
            }
            Identity::Operator => Permissions::from_iter([PermissionName::system_admin()]),
        }
    }
}
