//! The HTTP layer: requests in, use cases called, answers out.
//!
//! A handler parses, calls one use case, and renders. **Invariant:** no storage, driver or adapter is reachable from
//! here; what a route needs comes in by [`HttpState`].

mod accept;
mod access;
mod basic;
mod bearer;
mod body;
mod boundary;
mod cursor;
mod deadline;
mod error;
mod error_code;
mod fields;
mod form;
mod host;
mod json;
mod logged_request;
mod openapi;
mod origin;
mod page;
mod path_id;
mod problem;
mod query;
mod readiness;
mod request_id;
mod router;
mod routes;
#[cfg(test)]
mod testing;
mod unread;
mod urlencoded;

use std::sync::Arc;

use actix_web::body::BoxBody;
use actix_web::dev::{ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::{App, Error, web};
use maestro_auth_ports::{KeyedHash, TokenSigner};
use maestro_auth_service::AuthService;

use self::boundary::Boundary;
use self::deadline::{in_time, in_time_for_a_gateway};
pub(crate) use self::error::ApiError;
pub use self::error_code::ErrorCode;
use self::fields::Fields;
pub(crate) use self::logged_request::LoggedRequest;
pub use self::openapi::openapi_json;
pub use self::origin::TrustedProxies;
pub use self::readiness::Readiness;
pub use self::request_id::RequestIds;
use self::router::Router;
use self::routes::rendered::RenderedUsers;
use crate::config::PublicUrl;

/// What the routes work with; one for all workers.
pub struct HttpState {
    pub auth: Arc<AuthService>,
    pub signer: Arc<dyn TokenSigner>,
    pub readiness: Arc<Readiness>,
    pub request_ids: Arc<RequestIds>,
    pub cursor_key: Arc<dyn KeyedHash>,
    pub trusted_proxies: TrustedProxies,
    /// Where clients reach the server. When that is by HTTPS, browsers are told to come back by HTTPS only.
    pub public_url: PublicUrl,
}

/// The whole application over `state`, for one worker or one test.
pub fn app(
    state: Arc<HttpState>,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<BoxBody>,
        Error = Error,
        InitError = (),
    >,
> {
    let boundary = Boundary {
        request_ids: Arc::clone(&state.request_ids),
        readiness: Arc::clone(&state.readiness),
        hsts: state.public_url.is_https(),
    };
    App::new()
        .app_data(web::Data::from(state))
        .app_data(web::Data::new(RenderedUsers::default()))
        .configure(|config| routes::register(&mut Router::new(config)))
        .default_service(web::to(router::not_found))
        .wrap(boundary)
}
