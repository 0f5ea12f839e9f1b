use actix_web::HttpRequest;
use actix_web::http::header::{self, HeaderValue};

use super::{ApiError, ErrorCode};

/// The token of the `Authorization` header (RFC 6750 section 2.1). A token anywhere else counts for nothing (SEC-58).
pub(super) fn required(request: &HttpRequest) -> Result<&str, ApiError> {
    optional(request)?.ok_or_else(|| ApiError::new(ErrorCode::MissingToken))
}

/// The same where the header may be left out; a header that is there must carry a token.
pub(super) fn optional(request: &HttpRequest) -> Result<Option<&str>, ApiError> {
    let mut headers = request.headers().get_all(header::AUTHORIZATION);
    let Some(credentials) = headers.next() else { return Ok(None) };
    if headers.next().is_some() {
        return Err(ApiError::malformed("The request carries more than one Authorization header."));
    }
    let credentials = ascii(credentials).ok_or_else(|| ApiError::new(ErrorCode::InvalidToken))?.trim();
    let (scheme, token) = credentials.split_once(' ').unwrap_or((credentials, ""));
    let token = token.trim_start();
    if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() {
        return Err(ApiError::new(ErrorCode::MissingToken));
    }
    Ok(Some(token)) // a token with white space or commas in it is one that nobody issued
}

/// `HeaderValue::to_str`, which goes byte by byte: too slow for a token.
fn ascii(value: &HeaderValue) -> Option<&str> {
    std::str::from_utf8(value.as_bytes()).ok().filter(|text| text.is_ascii())
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn token(headers: &[&str]) -> Result<String, ErrorCode> {
        let mut request = TestRequest::get().uri("/?access_token=abc");
        for header in headers {
            request = request.append_header(("authorization", *header));
        }
        required(&request.to_http_request()).map(ToOwned::to_owned).map_err(|error| error.code)
    }

    #[test]
    fn sec_58_takes_one_bearer_token_from_the_header_alone() {
        assert_eq!(token(&["Bearer abc"]).unwrap(), "abc");
        assert_eq!(token(&["bEaReR  abc"]).unwrap(), "abc");
        for missing in
            [&[][..], &[""], &["Bearer"], &["Bearer "], &["Basic YTpi"], &["abc"], &["Bearer\tabc"]]
        {
            assert_eq!(token(missing).unwrap_err(), ErrorCode::MissingToken, "{missing:?}");
        }
        assert_eq!(token(&["Bearer abc", "Bearer abc"]).unwrap_err(), ErrorCode::MalformedRequest);
    }
}
