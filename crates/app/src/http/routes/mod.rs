//! The endpoints, one file a noun.

pub(super) mod accounts;
pub(super) mod admin;
pub(super) mod docs;
pub(super) mod health;
pub(super) mod introspection;
pub(super) mod keys;
pub(super) mod metadata;
pub(super) mod rendered;
mod representations;
pub(super) mod revocations;
pub(super) mod service_roles;
pub(super) mod sessions;
pub(super) mod verify;

use actix_web::App;

use super::access::Access::{Permission, Public, Service, UserByHandler};
use super::router::{Endpoint, Registered, Router};

/// Registers every endpoint of the server.
pub(super) fn register(router: &mut Router<'_>) {
    // The router tries one after the other, so what is asked most comes first.
    router.add(Endpoint::json("/api/v1/auth/me").get(UserByHandler, accounts::me));
    router.add(Endpoint::page("/api/v1/auth/verify").get(UserByHandler, verify::verify));
    router.add(Endpoint::json("/api/v1/auth/register").post(Public, accounts::register));
    router.add(Endpoint::json("/api/v1/auth/login").post(Public, sessions::login));
    router.add(Endpoint::json("/api/v1/auth/refresh").post(Public, sessions::refresh));
    router.add(Endpoint::json("/api/v1/auth/logout").post(UserByHandler, sessions::logout));
    router.add(Endpoint::json("/api/v1/auth/health").get(Public, health::health));
    register_for_services(router);
    register_admin(router);
    router.add(Endpoint::json("/.well-known/jwks.json").get(Public, keys::jwks));
    router.add(Endpoint::json("/livez").get(Public, health::livez));
    router.add(Endpoint::json("/readyz").get(Public, health::readyz));
    router.add(Endpoint::json("/openapi.json").get(Public, docs::openapi));
    router.add(Endpoint::page("/docs").get(Public, docs::page));
    router.add(Endpoint::page("/docs/errors").get(Public, docs::errors));
    router.add(Endpoint::page("/docs/assets/{name}").get(Public, docs::asset));
}

/// What other programs ask, which check the tokens of their callers.
fn register_for_services(router: &mut Router<'_>) {
    router.add(Endpoint::json("/api/v1/auth/introspect").post(Service, introspection::introspect));
    router.add(Endpoint::json("/api/v1/auth/revoke").post(Service, introspection::revoke));
    router.add(Endpoint::json_or_events("/api/v1/auth/revocations").get(Service, revocations::revocations));
    router.add(Endpoint::json("/api/v1/auth/roles").get(Service, service_roles::roles));
    router.add(Endpoint::json("/.well-known/oauth-authorization-server").get(Public, metadata::metadata));
}

/// The endpoints of administrators. The permission decides, whoever holds it: a user, or a registered service.
fn register_admin(router: &mut Router<'_>) {
    let config = Permission("system:config");
    router.add(
        Endpoint::json("/api/v1/admin/users")
            .get(Permission("user:view"), admin::users::list)
            .post(Permission("user:create"), admin::users::create),
    );
    router.add(
        Endpoint::json("/api/v1/admin/users/{id}")
            .get(Permission("user:view"), admin::users::get)
            .patch(Permission("user:update"), admin::users::update)
            .delete(Permission("user:delete"), admin::users::delete),
    );
    router.add(
        Endpoint::json("/api/v1/admin/users/{id}/end-sessions")
            .post(Permission("user:update"), admin::users::end_sessions),
    );
    router.add(Endpoint::json("/api/v1/admin/roles").get(Permission("role:view"), admin::roles::list));
    router.add(
        Endpoint::json("/api/v1/admin/roles/{name}")
            .get(Permission("role:view"), admin::roles::get)
            .put(Permission("role:update"), admin::roles::put)
            .delete(Permission("role:delete"), admin::roles::delete),
    );
    router.add(
        Endpoint::json("/api/v1/admin/permissions").get(Permission("role:view"), admin::permissions::list),
    );
    router.add(
        Endpoint::json("/api/v1/admin/permissions/{name}")
            .put(Permission("role:update"), admin::permissions::put)
            .delete(Permission("role:delete"), admin::permissions::delete),
    );
    router.add(Endpoint::json("/api/v1/admin/keys").get(config, admin::keys::list));
    router.add(Endpoint::json("/api/v1/admin/keys/rotate").post(config, admin::keys::rotate));
    router.add(Endpoint::json("/api/v1/admin/keys/{kid}").delete(config, admin::keys::revoke));
    router.add(
        Endpoint::json("/api/v1/admin/services")
            .get(config, admin::services::list)
            .post(config, admin::services::create),
    );
    router.add(
        Endpoint::json("/api/v1/admin/services/{id}")
            .get(config, admin::services::get)
            .delete(config, admin::services::delete),
    );
    router.add(Endpoint::json("/api/v1/admin/audit").get(Permission("audit:view"), admin::audit::list));
    router.add(
        Endpoint::page("/api/v1/admin/audit/export").get(Permission("audit:view"), admin::audit::export),
    );
}

/// Every method of every path that [`register`] registers.
pub(super) fn registered() -> Vec<Registered> {
    let mut registered = Vec::new();
    let _app = App::new().configure(|config| {
        let mut router = Router::new(config);
        register(&mut router);
        registered = router.into_registered();
    });
    registered
}

#[cfg(test)]
mod tests {
    use maestro_auth_domain::PermissionName;

    use super::super::access::Access;
    use super::*;

    #[test]
    fn only_these_routes_check_their_token_themselves() {
        let themselves = registered().into_iter().filter(|route| route.access == UserByHandler);
        let paths: Vec<&str> = themselves.map(|route| route.path).collect();
        // The hot ones with their HEAD; a logout takes a token that has expired.
        let (me, verify) = ("/api/v1/auth/me", "/api/v1/auth/verify");
        assert_eq!(paths, [me, me, verify, verify, "/api/v1/auth/logout"]);
    }

    #[test]
    fn only_these_routes_are_open_to_anybody() {
        let mut paths: Vec<&str> =
            registered().iter().filter(|route| route.access == Public).map(|route| route.path).collect();
        paths.dedup();
        assert_eq!(
            paths,
            [
                "/api/v1/auth/register",
                "/api/v1/auth/login",
                "/api/v1/auth/refresh",
                "/api/v1/auth/health",
                "/.well-known/oauth-authorization-server",
                "/.well-known/jwks.json",
                "/livez",
                "/readyz",
                "/openapi.json",
                "/docs",
                "/docs/errors",
                "/docs/assets/{name}",
            ]
        );
    }

    #[test]
    fn every_demanded_permission_is_well_formed() {
        for route in registered() {
            if let Access::Permission(name) = route.access {
                assert!(PermissionName::parse(name).is_ok(), "{} {}", route.path, name);
            }
        }
    }
}
