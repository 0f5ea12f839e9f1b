//! Who may call an operation and by which media types, from the table that the router enforces: the document can't promise anything else.

use serde_json::Value;
use utoipa::Modify;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};

use super::{operation, problems};
use crate::http::ErrorCode;
use crate::http::access::Access;
use crate::http::router::Registered;
use crate::http::routes;

const BEARER: &str = "bearerAuth";
const SERVICE: &str = "serviceAuth";

/// What a route that the router checks answers to whoever it does not let in.
const OF_USERS: &[ErrorCode] = &[
    ErrorCode::MalformedRequest,
    ErrorCode::MissingToken,
    ErrorCode::InvalidToken,
    ErrorCode::TokenExpired,
    ErrorCode::TokenRevoked,
    ErrorCode::StorageUnavailable,
];
const OF_SERVICES: &[ErrorCode] =
    &[ErrorCode::MalformedRequest, ErrorCode::InvalidClient, ErrorCode::StorageUnavailable];

/// Declares the ways to authenticate.
pub(super) struct Schemes;

impl Modify for Schemes {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let mut bearer = Http::new(HttpAuthScheme::Bearer);
        bearer.bearer_format = Some("JWT".to_owned());
        bearer.description = Some("An access token; for `/refresh`, a refresh token.".to_owned());
        let mut basic = Http::new(HttpAuthScheme::Basic);
        basic.description = Some("The `client_id` and `client_secret` of a registered service.".to_owned());

        let components = document.components.get_or_insert_default();
        components.add_security_scheme(BEARER, SecurityScheme::Http(bearer));
        components.add_security_scheme(SERVICE, SecurityScheme::Http(basic));
    }
}

/// Writes the declared access of every route to its operation.
pub(super) struct DeclaredAccess;

impl Modify for DeclaredAccess {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        for Registered { path, method, access, is_negotiated } in routes::registered() {
            let item = document.paths.paths.get_mut(path);
            let Some(operation) = item.and_then(|item| operation(item, &method)) else { continue };
            let extensions = operation.extensions.get_or_insert_default();
            extensions.insert("x-permission".to_owned(), Value::from(access.as_str()));
            if access != Access::Public {
                operation.security = Some(security(access));
            }
            if is_negotiated {
                problems::add(&mut operation.responses, &[ErrorCode::NotAcceptable]);
            }
            if access.is_checked_by_router() {
                problems::add(&mut operation.responses, &refusals(access));
            }
        }
    }
}

/// The alternatives, any of which will do.
fn security(access: Access) -> Vec<SecurityRequirement> {
    let schemes: &[&str] = match access {
        Access::Public => &[],
        Access::UserByHandler => &[BEARER],
        Access::Service => &[SERVICE],
        Access::Permission(_) => &[BEARER, SERVICE],
    };
    schemes.iter().map(|scheme| SecurityRequirement::new(*scheme, [""; 0])).collect()
}

fn refusals(access: Access) -> Vec<ErrorCode> {
    match access {
        Access::Public => Vec::new(),
        Access::UserByHandler => OF_USERS.to_vec(),
        Access::Service => OF_SERVICES.to_vec(),
        Access::Permission(_) => [OF_USERS, OF_SERVICES, &[ErrorCode::Forbidden]].concat(),
    }
}
