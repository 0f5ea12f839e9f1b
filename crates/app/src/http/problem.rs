use actix_web::HttpResponse;
use actix_web::http::header;
use serde::Serialize;
use utoipa::ToSchema;

use super::error::FieldError;
use super::{ApiError, ErrorCode};
use crate::failure::with_causes;

pub(super) const CONTENT_TYPE: &str = "application/problem+json";

/// How many seconds a client waits before it tries again after a 503.
pub(super) const RETRY_AFTER_SECONDS: &str = "2";

/// What every error looks like (RFC 9457).
#[derive(Serialize, ToSchema)]
pub(super) struct Problem<'a> {
    /// A reference to the explanation of the code.
    #[serde(rename = "type")]
    #[schema(format = "uri-reference", example = "/docs/errors#validation_failed")]
    type_reference: String,
    /// The name of the code in words.
    title: &'static str,
    /// The HTTP status.
    #[schema(example = 422)]
    status: u16,
    /// One English sentence about this occurrence.
    detail: &'a str,
    /// A stable code for programs.
    code: &'static str,
    /// The `X-Request-Id` of this answer, by which the operator finds it in the log.
    request_id: &'a str,
    /// Every offending field; for `validation_failed` only.
    #[serde(skip_serializing_if = "<[FieldError]>::is_empty")]
    #[schema(nullable = false, required = false)]
    errors: &'a [FieldError],
}

/// Writes the answer to a failed request.
pub(super) fn render(error: &ApiError, request_id: &str) -> HttpResponse {
    let problem = Problem {
        type_reference: error.code.type_reference(),
        title: error.code.title(),
        status: error.code.status().as_u16(),
        detail: &error.detail,
        code: error.code.as_str(),
        request_id,
        errors: &error.errors,
    };
    let mut response = HttpResponse::build(error.code.status());
    response.content_type(CONTENT_TYPE);
    if let Some(challenge) = error.code.challenge() {
        response.insert_header((header::WWW_AUTHENTICATE, challenge));
    }
    if error.code.status() == actix_web::http::StatusCode::SERVICE_UNAVAILABLE {
        response.insert_header((header::RETRY_AFTER, RETRY_AFTER_SECONDS));
    }
    if let Some(allow) = &error.allow {
        response.insert_header((header::ALLOW, allow.as_str()));
    }
    if error.closes_connection() {
        response.force_close();
    }
    response.json(problem)
}

/// Logs what the client is not told, once and with every cause.
pub(super) fn log(error: &ApiError) {
    let Some(cause) = &error.cause else { return };
    let cause = with_causes(cause.as_ref());
    let code = error.code.as_str();
    match error.code {
        ErrorCode::InternalError => tracing::error!(error.code = code, error.cause = cause, "request failed"),
        // A storm brings thousands of these; the log must not become its second victim.
        ErrorCode::Overloaded => tracing::debug!(error.code = code, error.cause = cause, "request shed"),
        code if code.status().is_server_error() => {
            tracing::warn!(error.code = code.as_str(), error.cause = cause, "request not served");
        }
        _ => tracing::debug!(error.code = code, error.cause = cause, "request refused"),
    }
}
