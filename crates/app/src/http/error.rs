use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;

use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError};
use maestro_auth_domain::Violation;
use maestro_auth_ports::{HashError, StoreError};
use maestro_auth_service::{AuthenticateError, AuthorizeError, LoginError, RefreshError, RegisterError};
use serde::Serialize;
use utoipa::ToSchema;

use super::ErrorCode;

/// What a client is told of a failure, and what only the log is told: the cause.
///
/// The boundary ([`super::boundary`]) writes it as a problem, since only it knows the request id.
#[derive(Debug)]
pub(crate) struct ApiError {
    pub code: ErrorCode,
    pub detail: Cow<'static, str>,
    /// The offending fields of a `validation_failed`.
    pub errors: Vec<FieldError>,
    /// The methods of a path, for a `method_not_allowed`.
    pub allow: Option<String>,
    pub cause: Option<Box<dyn StdError + Send + Sync>>,
}

/// One offending field of a request body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct FieldError {
    /// Where in the body it is (RFC 6901); at most 64 characters of an unknown field's name are shown.
    #[schema(example = "/email")]
    pub pointer: String,
    /// A stable code, such as `required`, `invalid_type`, `unknown_field`, or the one of the broken rule.
    #[schema(example = "email_invalid")]
    pub code: &'static str,
    /// One English sentence.
    #[schema(example = "This is not a valid e-mail address.")]
    pub detail: &'static str,
}

impl FieldError {
    pub(crate) fn new(pointer: impl Into<String>, code: &'static str, detail: &'static str) -> Self {
        Self { pointer: pointer.into(), code, detail }
    }

    pub(crate) fn of(pointer: String, violation: Violation) -> Self {
        Self { pointer, code: violation.code, detail: violation.detail }
    }
}

impl ApiError {
    pub(crate) fn new(code: ErrorCode) -> Self {
        Self { code, detail: Cow::Borrowed(code.detail()), errors: Vec::new(), allow: None, cause: None }
    }

    /// An error that has more to say than its code.
    pub(crate) fn with_detail(code: ErrorCode, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { detail: detail.into(), ..Self::new(code) }
    }

    pub(crate) fn malformed(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::with_detail(ErrorCode::MalformedRequest, detail)
    }

    /// A refusal that names what is missing.
    pub(crate) fn forbidden(detail: String) -> Self {
        Self::with_detail(ErrorCode::Forbidden, detail)
    }

    /// What an id or a name in the path is answered that nobody has: `noun` is `user`, `role`, …
    pub(crate) fn no_such(noun: &'static str) -> Self {
        Self::with_detail(ErrorCode::NotFound, format!("There is no such {noun}."))
    }

    pub(crate) fn invalid_fields(errors: Vec<FieldError>) -> Self {
        Self { errors, ..Self::new(ErrorCode::ValidationFailed) }
    }

    pub(crate) fn method_not_allowed(allow: String) -> Self {
        Self { allow: Some(allow), ..Self::new(ErrorCode::MethodNotAllowed) }
    }

    pub(crate) fn caused_by(self, cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { cause: Some(cause.into()), ..self }
    }

    /// What a failure of the framework itself is to the client.
    pub(crate) fn of_framework(error: &actix_web::Error) -> Self {
        let code = match error.as_response_error().status_code() {
            StatusCode::NOT_FOUND => ErrorCode::NotFound,
            StatusCode::REQUEST_TIMEOUT => ErrorCode::RequestTimeout,
            StatusCode::PAYLOAD_TOO_LARGE => ErrorCode::PayloadTooLarge,
            status if status.is_client_error() => ErrorCode::MalformedRequest,
            _ => ErrorCode::InternalError,
        };
        Self::new(code).caused_by(error.to_string())
    }

    /// Whether the rest of the request may be left unread, so that its connection can't be used again.
    pub(crate) fn closes_connection(&self) -> bool {
        matches!(self.code, ErrorCode::RequestTimeout | ErrorCode::PayloadTooLarge)
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.code.as_str())
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        self.code.status()
    }

    fn error_response(&self) -> HttpResponse<BoxBody> {
        HttpResponse::new(self.status_code())
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        let code = match error {
            StoreError::Unavailable(_) => ErrorCode::StorageUnavailable,
            StoreError::Corrupt { .. } => ErrorCode::InternalError, // a defect, and no wait will mend it
        };
        Self::new(code).caused_by(error)
    }
}

impl From<HashError> for ApiError {
    fn from(error: HashError) -> Self {
        let code = match error {
            HashError::Overloaded => ErrorCode::Overloaded,
            HashError::Failed => ErrorCode::InternalError,
        };
        Self::new(code).caused_by(error)
    }
}

impl From<RegisterError> for ApiError {
    fn from(error: RegisterError) -> Self {
        match error {
            RegisterError::Closed => Self::new(ErrorCode::RegistrationClosed),
            RegisterError::UnknownRole => Self::invalid_fields(vec![FieldError::new(
                "/role",
                "unknown_role",
                "There is no role of this name.",
            )]),
            RegisterError::RoleNotAssignable => Self::new(ErrorCode::RoleNotAssignable),
            RegisterError::EmailTaken => Self::new(ErrorCode::EmailTaken),
            RegisterError::Hash(error) => error.into(),
            RegisterError::Store(error) => error.into(),
        }
    }
}

impl From<LoginError> for ApiError {
    fn from(error: LoginError) -> Self {
        match error {
            LoginError::InvalidCredentials => Self::new(ErrorCode::InvalidCredentials),
            LoginError::Hash(error) => error.into(),
            LoginError::Store(error) => error.into(),
        }
    }
}

impl From<RefreshError> for ApiError {
    fn from(error: RefreshError) -> Self {
        match error {
            RefreshError::Invalid => Self::new(ErrorCode::InvalidToken),
            RefreshError::Expired => Self::new(ErrorCode::TokenExpired),
            RefreshError::Revoked => Self::new(ErrorCode::TokenRevoked),
            RefreshError::Reused => Self::new(ErrorCode::RefreshReused),
            RefreshError::Store(error) => error.into(),
        }
    }
}

impl From<AuthorizeError> for ApiError {
    fn from(error: AuthorizeError) -> Self {
        match error {
            AuthorizeError::Authenticate(error) => error.into(),
            AuthorizeError::PermissionMissing(permission) => {
                Self::forbidden(format!("The permission {} is missing.", permission.as_str()))
            }
            AuthorizeError::RoleMissing(role) => Self::forbidden(format!("The role {role} is missing.")),
            AuthorizeError::InvalidClient => Self::new(ErrorCode::InvalidClient),
        }
    }
}

impl From<AuthenticateError> for ApiError {
    fn from(error: AuthenticateError) -> Self {
        match error {
            AuthenticateError::Invalid => Self::new(ErrorCode::InvalidToken),
            AuthenticateError::Expired => Self::new(ErrorCode::TokenExpired),
            AuthenticateError::Revoked => Self::new(ErrorCode::TokenRevoked),
            AuthenticateError::Store(error) => error.into(),
        }
    }
}
