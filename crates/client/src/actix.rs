//! For actix-web: a guard for scopes and resources, and [`Identity`] as a parameter of handlers.
//!
//! ```
//! use actix_web::{App, HttpResponse, web};
//! use maestro_auth_client::actix::RequirePermission;
//! use maestro_auth_client::{Identity, MaestroAuth};
//!
//! async fn deploy(caller: Identity) -> HttpResponse {
//!     HttpResponse::Accepted().body(caller.user_id().to_string())
//! }
//!
//! # fn app(auth: MaestroAuth) {
//! App::new().app_data(auth).service(
//!     web::resource("/deployments")
//!         .wrap(RequirePermission::new("model:deploy"))
//!         .route(web::post().to(deploy)),
//! );
//! # }
//! ```

use std::borrow::Cow;
use std::future::{Ready, ready};
use std::pin::Pin;
use std::rc::Rc;

use actix_web::body::{BoxBody, EitherBody};
use actix_web::dev::{Payload, Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::http::{StatusCode, header};
use actix_web::{Error, FromRequest, HttpMessage, HttpRequest, HttpResponse, ResponseError, web};

use crate::{Identity, MaestroAuth, Refusal, bearer};

type LocalFuture<T> = Pin<Box<dyn Future<Output = T>>>;

/// Lets through only whoever holds a permission; everybody else gets 401, 403 or 503. Wrap a scope, a resource or the app in it.
///
/// The [`MaestroAuth`] must be in the `app_data` of the app, as itself or as `web::Data`.
#[derive(Debug, Clone)]
pub struct RequirePermission {
    permission: Cow<'static, str>,
}

impl RequirePermission {
    /// Demands the permission, written `resource:action`.
    #[must_use]
    pub fn new(permission: impl Into<Cow<'static, str>>) -> Self {
        Self { permission: permission.into() }
    }
}

impl<S, B> Transform<S, ServiceRequest> for RequirePermission
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type InitError = ();
    type Transform = RequirePermissionMiddleware<S>;
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        let permission = self.permission.clone();
        ready(Ok(RequirePermissionMiddleware { service: Rc::new(service), permission }))
    }
}

/// What [`RequirePermission`] wraps a service in.
#[derive(Debug)]
pub struct RequirePermissionMiddleware<S> {
    service: Rc<S>,
    permission: Cow<'static, str>,
}

impl<S, B> Service<ServiceRequest> for RequirePermissionMiddleware<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Future = LocalFuture<Result<Self::Response, Error>>;

    forward_ready!(service);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let service = Rc::clone(&self.service);
        let permission = self.permission.clone();
        Box::pin(async move {
            match authorize(request.request(), &permission).await {
                Ok(()) => Ok(service.call(request).await?.map_into_left_body()),
                Err(refusal) => Ok(request.into_response(refusal.error_response()).map_into_right_body()),
            }
        })
    }
}

/// Keeps the identity with the request, so that the handler need not have the token verified again.
async fn authorize(request: &HttpRequest, permission: &str) -> Result<(), Refusal> {
    let identity = identify(request).await?;
    identity.require_permission(permission)?;
    request.extensions_mut().insert(identity);
    Ok(())
}

async fn identify(request: &HttpRequest) -> Result<Identity, Refusal> {
    if let Some(identity) = request.extensions().get::<Identity>() {
        return Ok(identity.clone());
    }
    let Some(auth) = auth_of(request) else {
        tracing::error!("there is no MaestroAuth in the app_data of this actix-web app");
        return Err(Refusal::InternalError);
    };
    let headers = request.headers().get_all(header::AUTHORIZATION);
    auth.verify(bearer::token(headers.map(header::HeaderValue::as_bytes))?).await
}

fn auth_of(request: &HttpRequest) -> Option<&MaestroAuth> {
    let in_data = || request.app_data::<web::Data<MaestroAuth>>().map(web::Data::get_ref);
    request.app_data::<MaestroAuth>().or_else(in_data)
}

/// Whoever makes the request; without a good token, the handler is not called.
impl FromRequest for Identity {
    type Error = Refusal;
    type Future = LocalFuture<Result<Self, Refusal>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move { identify(&request).await })
    }
}

impl ResponseError for Refusal {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse<BoxBody> {
        let mut response = HttpResponse::build(self.status_code());
        response.content_type(Self::CONTENT_TYPE).insert_header((header::CACHE_CONTROL, "no-store"));
        if let Some(challenge) = self.challenge() {
            response.insert_header((header::WWW_AUTHENTICATE, challenge));
        }
        if let Some(seconds) = self.retry_after() {
            response.insert_header((header::RETRY_AFTER, seconds));
        }
        response.body(self.problem())
    }
}
