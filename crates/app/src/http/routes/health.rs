use actix_web::HttpResponse;
use actix_web::web::Data;
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::openapi::{HealthProblems, ReadyProblems};
use crate::http::{ApiError, ErrorCode, HttpState, in_time};

/// What the service says of itself.
#[derive(Serialize, ToSchema)]
#[schema(as = Health)]
pub(in crate::http) struct HealthBody {
    #[schema(example = "healthy")]
    status: &'static str,
    #[schema(example = "authentication")]
    service: &'static str,
    /// Whether there is a key to sign tokens with.
    #[schema(example = true)]
    jwt_configured: bool,
    #[schema(example = "available")]
    storage: &'static str,
    #[schema(example = "0.1.0")]
    version: &'static str,
}

/// That the process lives.
#[derive(Serialize, ToSchema)]
#[schema(as = Liveness)]
pub(in crate::http) struct LivenessBody {
    #[schema(example = "alive")]
    status: &'static str,
}

/// That the instance takes requests, and what was checked for it.
#[derive(Serialize, ToSchema)]
#[schema(as = Readiness)]
pub(in crate::http) struct ReadinessBody {
    #[schema(example = "ready")]
    status: &'static str,
    #[schema(inline)]
    checks: Checks,
}

#[derive(Serialize, ToSchema)]
pub(in crate::http) struct Checks {
    #[schema(example = "ok")]
    storage: &'static str,
    #[schema(example = "ok")]
    signing_key: &'static str,
}

/// Tells whether the service works.
#[utoipa::path(
    get,
    path = "/api/v1/auth/health",
    tag = "authentication",
    responses((status = 200, description = "The service works.", body = HealthBody), HealthProblems),
)]
pub(in crate::http) async fn health(state: Data<HttpState>) -> Result<HttpResponse, ApiError> {
    in_time(state.auth.check_storage()).await?;
    Ok(HttpResponse::Ok().json(HealthBody {
        status: "healthy",
        service: "authentication",
        jwt_configured: has_signing_key(&state),
        storage: "available",
        version: env!("CARGO_PKG_VERSION"),
    }))
}

/// Tells that the process lives. Asks nothing of storage, so that a restart is never the cure for a database.
#[utoipa::path(
    get,
    path = "/livez",
    tag = "operations",
    responses((status = 200, description = "The process lives.", body = LivenessBody)),
)]
pub(in crate::http) async fn livez() -> HttpResponse {
    HttpResponse::Ok().json(LivenessBody { status: "alive" })
}

/// Tells whether a load balancer should send requests here.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "operations",
    responses((status = 200, description = "The instance takes requests.", body = ReadinessBody), ReadyProblems),
)]
pub(in crate::http) async fn readyz(state: Data<HttpState>) -> Result<HttpResponse, ApiError> {
    if state.readiness.is_draining() {
        return Err(ApiError::with_detail(ErrorCode::NotReady, "This instance is stopping."));
    }
    if !has_signing_key(&state) {
        return Err(ApiError::with_detail(ErrorCode::NotReady, "This instance has no signing key."));
    }
    in_time(state.auth.check_storage()).await?;
    let checks = Checks { storage: "ok", signing_key: "ok" };
    Ok(HttpResponse::Ok().json(ReadinessBody { status: "ready", checks }))
}

fn has_signing_key(state: &HttpState) -> bool {
    !state.signer.public_keys().is_empty()
}
