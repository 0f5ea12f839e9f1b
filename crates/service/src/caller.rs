use std::sync::Arc;

use maestro_auth_domain::{Actor, Origin, PermissionName, Permissions, RoleCatalogue, Service, User};

/// Whoever asks for something, and from where. A use case learns it from here and nowhere else (SEC-86).
#[derive(Debug, Clone)]
pub struct Caller {
    identity: Identity,
    origin: Origin,
}

#[derive(Debug, Clone)]
enum Identity {
    User(Arc<User>),
    Service(Arc<Service>),
    Operator,
}

impl Caller {
    /// A signed-in user.
    #[must_use]
    pub const fn user(user: Arc<User>, origin: Origin) -> Self {
        Self { identity: Identity::User(user), origin }
    }

    /// A registered service that has shown its credentials.
    #[must_use]
    pub const fn service(service: Arc<Service>, origin: Origin) -> Self {
        Self { identity: Identity::Service(service), origin }
    }

    /// Whoever runs commands on the server's machine, and so can do everything anyhow.
    #[must_use]
    pub fn operator() -> Self {
        Self { identity: Identity::Operator, origin: Origin::default() }
    }

    #[must_use]
    pub const fn as_user(&self) -> Option<&Arc<User>> {
        match &self.identity {
            Identity::User(user) => Some(user),
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

    #[must_use]
    pub const fn origin(&self) -> &Origin {
        &self.origin
    }

    #[must_use]
    pub fn actor(&self) -> Actor {
        match &self.identity {
            Identity::User(user) => Actor::User(user.id),
            Identity::Service(service) => Actor::Service(service.id),
            Identity::Operator => Actor::Operator,
        }
    }

    /// What the caller holds, by the roles as they are in `catalogue`.
    #[must_use]
    pub fn permissions(&self, catalogue: &RoleCatalogue) -> Permissions {
        match &self.identity {
            Identity::User(user) => catalogue.permissions_of(&user.roles),
            Identity::Service(service) => service.permissions.clone(),
            Identity::Operator => Permissions::from_iter([PermissionName::system_admin()]),
        }
    }
}
