use actix_web::http::StatusCode;

/// Declares the closed list of error codes. It exists once; the enum, the `OpenAPI` document and the page `/docs/errors`
/// all come from it, and a test holds docs/API.md to it.
macro_rules! error_codes {
    ($($variant:ident = $status:ident, $code:literal, $title:literal, $detail:literal;)+) => {
        /// A stable error code of the wire contract.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum ErrorCode {
            $($variant,)+
        }

        impl ErrorCode {
            /// All of them, by status.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The `code` member.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code,)+ }
            }

            #[must_use]
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$variant => StatusCode::$status,)+ }
            }

            /// The `title` member: the same for every occurrence (RFC 9457 section 3.1.3).
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)+ }
            }

            /// The `detail` member, unless there is more to say.
            #[must_use]
            pub const fn detail(self) -> &'static str {
                match self { $(Self::$variant => $detail,)+ }
            }
        }
    };
}

error_codes! {
    MalformedRequest = BAD_REQUEST, "malformed_request", "Malformed request",
        "The request can't be read.";
    InvalidCredentials = UNAUTHORIZED, "invalid_credentials", "Invalid credentials",
        "Invalid email or password";
    MissingToken = UNAUTHORIZED, "missing_token", "Missing token",
        "The request carries no bearer token.";
    InvalidToken = UNAUTHORIZED, "invalid_token", "Invalid token",
        "The token is invalid.";
    TokenExpired = UNAUTHORIZED, "token_expired", "Expired token",
        "The token has expired.";
    TokenRevoked = UNAUTHORIZED, "token_revoked", "Revoked token",
        "The token has been revoked.";
    RefreshReused = UNAUTHORIZED, "refresh_reused", "Refresh token reused",
        "The refresh token was used before, so its session has ended.";
    InvalidClient = UNAUTHORIZED, "invalid_client", "Invalid client",
        "The client credentials are missing or wrong.";
    Forbidden = FORBIDDEN, "forbidden", "Forbidden",
        "A permission or a role is missing for this.";
    RoleNotAssignable = FORBIDDEN, "role_not_assignable", "Role not assignable",
        "A registration may not ask for this role.";
    RegistrationClosed = FORBIDDEN, "registration_closed", "Registration closed",
        "This server registers nobody.";
    NotFound = NOT_FOUND, "not_found", "Not found",
        "There is nothing at this path.";
    MethodNotAllowed = METHOD_NOT_ALLOWED, "method_not_allowed", "Method not allowed",
        "This path does not take this method; the Allow header lists those that it takes.";
    NotAcceptable = NOT_ACCEPTABLE, "not_acceptable", "Not acceptable",
        "This path answers in JSON, which the Accept header excludes.";
    RequestTimeout = REQUEST_TIMEOUT, "request_timeout", "Request timeout",
        "The request body did not arrive in time.";
    EmailTaken = CONFLICT, "email_taken", "E-mail address taken",
        "An account with this e-mail address exists already.";
    LastAdmin = CONFLICT, "last_admin", "Last administrator",
        "This is the last active administrator, who can't be deleted, deactivated or demoted.";
    Conflict = CONFLICT, "conflict", "Conflict",
        "This does not go with what is there already.";
    CursorExpired = GONE, "cursor_expired", "Expired cursor",
        "This cursor is too old or of another history; start over without one.";
    PayloadTooLarge = PAYLOAD_TOO_LARGE, "payload_too_large", "Payload too large",
        "The request body is over 64 KiB.";
    UnsupportedMediaType = UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", "Unsupported media type",
        "A request body is application/json in UTF-8 without a content coding.";
    ValidationFailed = UNPROCESSABLE_ENTITY, "validation_failed", "Validation failed",
        "The request is well-formed, but not acceptable; see errors.";
    InternalError = INTERNAL_SERVER_ERROR, "internal_error", "Internal error",
        "The server failed; the operator finds the cause in the log by the request id.";
    Overloaded = SERVICE_UNAVAILABLE, "overloaded", "Overloaded",
        "The server has too much to do at the moment.";
    StorageUnavailable = SERVICE_UNAVAILABLE, "storage_unavailable", "Storage unavailable",
        "The storage does not answer at the moment.";
    NotReady = SERVICE_UNAVAILABLE, "not_ready", "Not ready",
        "This instance takes no requests at the moment.";
}

impl ErrorCode {
    /// The `type` member: where [`super::routes::docs`] explains the code.
    #[must_use]
    pub fn type_reference(self) -> String {
        format!("/docs/errors#{}", self.as_str())
    }

    /// The `WWW-Authenticate` header of a 401 (RFC 6750 section 3, RFC 7617 section 2): an error is named only to a client
    /// that presented a token.
    #[must_use]
    pub fn challenge(self) -> Option<String> {
        match self {
            Self::InvalidCredentials | Self::MissingToken => {
                Some(r#"Bearer realm="maestro-auth""#.to_owned())
            }
            Self::InvalidToken | Self::TokenExpired | Self::TokenRevoked | Self::RefreshReused => {
                Some(format!(
                    r#"Bearer realm="maestro-auth", error="invalid_token", error_description="{}""#,
                    self.detail()
                ))
            }
            Self::InvalidClient => Some(r#"Basic realm="maestro-auth", charset="UTF-8""#.to_owned()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_snake_case_and_every_401_has_a_challenge() {
        let mut seen = std::collections::BTreeSet::new();
        for code in ErrorCode::ALL {
            assert!(seen.insert(code.as_str()), "{code:?} is listed twice");
            assert!(code.as_str().bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'));
            assert_eq!(code.challenge().is_some(), code.status() == StatusCode::UNAUTHORIZED, "{code:?}");
        }
    }
}
