//! For tower, and so for axum, tonic and hyper: a layer that lets through only whoever holds a permission.
//!
//! The [`Identity`] of the caller is in the extensions of the requests that get through. In axum:
//!
//! ```text
//! async fn deploy(Extension(caller): Extension<Identity>) -> String {
//!     caller.user_id().to_string()
//! }
//!
//! Router::new()
//!     .route("/deployments", post(deploy))
//!     .layer(RequirePermissionLayer::new(auth, "model:deploy"))
//! ```

use std::borrow::Cow;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Request, Response, StatusCode};
use tower_layer::Layer;
use tower_service::Service;

use crate::{Identity, MaestroAuth, Refusal, bearer};

/// Lets through only whoever holds a permission; everybody else gets 401, 403 or 503.
///
/// The wrapped service answers with any body that can be made of a `String`, as those of axum and `http-body-util` can.
#[derive(Debug, Clone)]
pub struct RequirePermissionLayer {
    auth: MaestroAuth,
    permission: Cow<'static, str>,
}

impl RequirePermissionLayer {
    /// Demands the permission, written `resource:action`.
    #[must_use]
    pub fn new(auth: MaestroAuth, permission: impl Into<Cow<'static, str>>) -> Self {
        Self { auth, permission: permission.into() }
    }
}

impl<S> Layer<S> for RequirePermissionLayer {
    type Service = RequirePermission<S>;

    fn layer(&self, inner: S) -> Self::Service {
        RequirePermission { inner, auth: self.auth.clone(), permission: self.permission.clone() }
    }
}

/// What [`RequirePermissionLayer`] wraps a service in.
#[derive(Debug, Clone)]
pub struct RequirePermission<S> {
    inner: S,
    auth: MaestroAuth,
    permission: Cow<'static, str>,
}

impl<S, B, R> Service<Request<B>> for RequirePermission<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    B: Send + 'static,
    R: From<String>,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        // The one that is ready is taken along; its clone need not be.
        let clone = self.inner.clone();
        let mut inner = mem::replace(&mut self.inner, clone);
        let auth = self.auth.clone();
        let permission = self.permission.clone();
        Box::pin(async move {
            let headers = request.headers().get_all(AUTHORIZATION).iter().map(HeaderValue::as_bytes);
            let token = bearer::token(headers).map(ToOwned::to_owned);
            match authorize(&auth, token, &permission).await {
                Ok(identity) => {
                    request.extensions_mut().insert(identity);
                    inner.call(request).await
                }
                Err(refusal) => Ok(response(&refusal)),
            }
        })
    }
}

async fn authorize(
    auth: &MaestroAuth,
    token: Result<String, Refusal>,
    permission: &str,
) -> Result<Identity, Refusal> {
    let identity = auth.verify(&token?).await?;
    identity.require_permission(permission)?;
    Ok(identity)
}

fn response<R: From<String>>(refusal: &Refusal) -> Response<R> {
    let mut response = Response::new(R::from(refusal.problem()));
    *response.status_mut() =
        StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(Refusal::CONTENT_TYPE));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(challenge) = refusal.challenge().and_then(|value| HeaderValue::try_from(value).ok()) {
        headers.insert(WWW_AUTHENTICATE, challenge);
    }
    if let Some(seconds) = refusal.retry_after() {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}
