use actix_web::HttpResponse;
use actix_web::web::Data;
use maestro_auth_service::FeedStatus;
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
    #[schema(inline)]
    revocations: Revocations,
}

#[derive(Serialize, ToSchema)]
pub(in crate::http) struct Checks {
    #[schema(example = "ok")]
    storage: &'static str,
    #[schema(example = "ok")]
    signing_key: &'static str,
    /// `following`, or `lost`: then the storage is asked on each request, and the answers are right all the same.
    #[schema(example = "following")]
    revocation_feed: &'static str,
}

/// How this instance knows what has been revoked. The counters start with the process.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct Revocations {
    /// Where requests with a token are answered from: `memory` or `storage`.
    #[schema(example = "memory")]
    mode: &'static str,
    /// How many milliseconds ago everything that had been revoked was known here; null before the first time.
    #[schema(required, example = 12)]
    lag_ms: Option<u64>,
    /// Revocations in memory.
    #[schema(example = 3)]
    entries: usize,
    #[schema(example = 1024)]
    answers_from_memory: u64,
    #[schema(example = 16)]
    answers_from_storage: u64,
    #[schema(example = 4096)]
    reads: u64,
    #[schema(example = 0)]
    failed_reads: u64,
    /// `ok`, or `failing`: then revocations arrive by the storage alone. Left out without Redis.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "ok")]
    redis: Option<&'static str>,
}

impl Revocations {
    fn of(status: &FeedStatus) -> Self {
        Self {
            mode: if status.is_fresh { "memory" } else { "storage" },
            lag_ms: status.lag.map(|lag| u64::try_from(lag.as_millis()).unwrap_or(u64::MAX)),
            entries: status.entries,
            answers_from_memory: status.from_memory,
            answers_from_storage: status.from_store,
            reads: status.reads,
            failed_reads: status.failed_reads,
            redis: status.relay_works.map(|works| if works { "ok" } else { "failing" }),
        }
    }
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
    let feed = state.auth.revocations().status();
    let revocation_feed = if feed.is_fresh { "following" } else { "lost" };
    Ok(HttpResponse::Ok().json(ReadinessBody {
        status: "ready",
        checks: Checks { storage: "ok", signing_key: "ok", revocation_feed },
        revocations: Revocations::of(&feed),
    }))
}

fn has_signing_key(state: &HttpState) -> bool {
    !state.signer.public_keys().is_empty()
}
