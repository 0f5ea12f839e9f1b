//! The endpoints, one file a noun.

pub(super) mod accounts;
pub(super) mod docs;
pub(super) mod health;
pub(super) mod keys;
pub(super) mod rendered;
mod representations;
pub(super) mod sessions;
pub(super) mod verify;

use super::router::{Endpoint, Router};

/// Registers every endpoint of the server.
pub(super) fn register(router: &mut Router<'_>) {
    // The router tries one after the other, so what is asked most comes first.
    router.add(Endpoint::json("/api/v1/auth/me").get(accounts::me));
    router.add(Endpoint::page("/api/v1/auth/verify").get(verify::verify));
    router.add(Endpoint::json("/api/v1/auth/register").post(accounts::register));
    router.add(Endpoint::json("/api/v1/auth/login").post(sessions::login));
    router.add(Endpoint::json("/api/v1/auth/refresh").post(sessions::refresh));
    router.add(Endpoint::json("/api/v1/auth/logout").post(sessions::logout));
    router.add(Endpoint::json("/api/v1/auth/health").get(health::health));
    router.add(Endpoint::json("/.well-known/jwks.json").get(keys::jwks));
    router.add(Endpoint::json("/livez").get(health::livez));
    router.add(Endpoint::json("/readyz").get(health::readyz));
    router.add(Endpoint::json("/openapi.json").get(docs::openapi));
    router.add(Endpoint::page("/docs").get(docs::page));
    router.add(Endpoint::page("/docs/errors").get(docs::errors));
    router.add(Endpoint::page("/docs/assets/{name}").get(docs::asset));
}
