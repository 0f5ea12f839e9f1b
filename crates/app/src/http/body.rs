use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::error::PayloadError;
use actix_web::http::header;
use actix_web::web::Payload;
use futures_util::StreamExt;
use zeroize::Zeroizing;

use super::json::{self, Value};
use super::{ApiError, ErrorCode, Fields};

/// The most bytes that a request body may have.
pub(super) const MAX_BYTES: usize = 64 * 1024;
/// How long a whole body may take to arrive (REL-32).
const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// Reads a request body that must be there: one JSON object.
pub(super) async fn required(request: &HttpRequest, payload: Payload) -> Result<Fields, ApiError> {
    optional(request, payload).await?.ok_or_else(|| ApiError::malformed("The request body is empty."))
}

/// Reads a request body that may be left out.
pub(super) async fn optional(request: &HttpRequest, payload: Payload) -> Result<Option<Fields>, ApiError> {
    let bytes = read_all(request, payload).await?;
    if bytes.is_empty() {
        return Ok(None);
    }
    check_media_type(request)?;
    let text = std::str::from_utf8(&bytes)
        .map_err(|_| ApiError::malformed("The request body is not valid UTF-8."))?;
    match json::read(text).map_err(ApiError::malformed)? {
        Value::Object(members) => Ok(Some(Fields::new(members))),
        _ => Err(Fields::not_an_object()),
    }
}

/// Reads the whole body within its limits. Both hold while bytes still arrive, whatever the headers promise (SEC-94).
async fn read_all(request: &HttpRequest, payload: Payload) -> Result<Zeroizing<Vec<u8>>, ApiError> {
    let announced = content_length(request);
    if announced > MAX_BYTES {
        return Err(ApiError::new(ErrorCode::PayloadTooLarge));
    }
    tokio::time::timeout(READ_TIMEOUT, collect(payload, announced))
        .await
        .map_err(|_| ApiError::new(ErrorCode::RequestTimeout))?
}

async fn collect(mut payload: Payload, announced: usize) -> Result<Zeroizing<Vec<u8>>, ApiError> {
    // Room for all of an announced body, so that growing leaves no copy of a password behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(announced));
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(refusal)?;
        if bytes.len() + chunk.len() > MAX_BYTES {
            return Err(ApiError::new(ErrorCode::PayloadTooLarge));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

fn content_length(request: &HttpRequest) -> usize {
    let length = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    length.map_or(0, |digits| digits.parse().unwrap_or(usize::MAX))
}

fn refusal(error: PayloadError) -> ApiError {
    ApiError::malformed("The request body broke off.").caused_by(error)
}

/// Takes `application/json` in UTF-8 without a content coding, and nothing that merely looks like it (SEC-95).
fn check_media_type(request: &HttpRequest) -> Result<(), ApiError> {
    let headers = request.headers();
    let is_plain = headers
        .get_all(header::CONTENT_ENCODING)
        .all(|coding| coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"identity"));
    let mut types = headers.get_all(header::CONTENT_TYPE);
    let is_json = types.next().and_then(|value| value.to_str().ok()).is_some_and(is_json);
    if is_plain && is_json && types.next().is_none() {
        Ok(())
    } else {
        Err(ApiError::new(ErrorCode::UnsupportedMediaType))
    }
}

fn is_json(media_type: &str) -> bool {
    let mut parts = media_type.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default();
    essence.eq_ignore_ascii_case("application/json") && parts.all(is_utf8_charset)
}

fn is_utf8_charset(parameter: &str) -> bool {
    parameter.split_once('=').is_some_and(|(name, value)| {
        name.eq_ignore_ascii_case("charset") && value.trim_matches('"').eq_ignore_ascii_case("utf-8")
    })
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;

    use actix_web::test::TestRequest;
    use actix_web::{FromRequest, web};
    use futures_util::Stream;

    use super::*;

    async fn read(content_type: &str, body: impl Into<web::Bytes>) -> Result<Option<Fields>, ApiError> {
        let (request, mut payload) = TestRequest::post()
            .insert_header(("content-type", content_type))
            .set_payload(body)
            .to_http_parts();
        let payload = Payload::from_request(&request, &mut payload).await.unwrap();
        optional(&request, payload).await
    }

    async fn code(content_type: &str, body: impl Into<web::Bytes>) -> Option<ErrorCode> {
        read(content_type, body).await.err().map(|error| error.code)
    }

    #[actix_web::test]
    async fn sec_95_takes_json_in_utf_8_only() {
        for good in
            ["application/json", "Application/JSON; charset=UTF-8", "application/json;charset=\"utf-8\""]
        {
            assert_eq!(code(good, "{}").await, None, "{good}");
        }
        for bad in [
            "",
            "text/plain",
            "application/problem+json",
            "application/json; charset=utf-16",
            "application/json; profile=x",
            "application/json, text/plain",
            "application/x-www-form-urlencoded",
        ] {
            assert_eq!(code(bad, "{}").await, Some(ErrorCode::UnsupportedMediaType), "{bad}");
        }
    }

    #[actix_web::test]
    async fn sec_94_takes_64_kib_and_not_a_byte_more() {
        let padded = |length: usize| format!("{{}}{}", " ".repeat(length - 2));
        assert_eq!(code("application/json", padded(MAX_BYTES)).await, None);
        let over = code("application/json", padded(MAX_BYTES + 1)).await;
        assert_eq!(over, Some(ErrorCode::PayloadTooLarge));
    }

    #[tokio::test(start_paused = true)]
    async fn rel_32_a_body_that_does_not_arrive_is_given_up_after_ten_seconds() {
        let silent = futures_util::stream::pending::<Result<web::Bytes, PayloadError>>();
        let mut payload = actix_web::dev::Payload::from(Box::pin(silent) as Pin<Box<dyn Stream<Item = _>>>);
        let request = TestRequest::post().to_http_request();
        let payload = Payload::from_request(&request, &mut payload).await.unwrap();

        let started = tokio::time::Instant::now();
        let error = optional(&request, payload).await.err().unwrap();
        assert_eq!((error.code, started.elapsed()), (ErrorCode::RequestTimeout, READ_TIMEOUT));
        assert!(error.closes_connection());
    }

    #[actix_web::test]
    async fn tells_no_body_from_a_bad_one() {
        assert!(read("text/plain", "").await.unwrap().is_none());
        assert_eq!(code("application/json", " ").await, Some(ErrorCode::MalformedRequest));
        assert_eq!(
            code("application/json", &b"{\"a\":\"\xff\"}"[..]).await,
            Some(ErrorCode::MalformedRequest)
        );
        for well_formed in ["[]", "null", "\"text\"", "5"] {
            let error = read("application/json", well_formed).await.err().unwrap();
            assert_eq!((error.code, error.errors[0].pointer.as_str()), (ErrorCode::ValidationFailed, ""));
        }
    }
}
