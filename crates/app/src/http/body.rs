use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::error::PayloadError;
use actix_web::http::header;
use actix_web::web::Payload;
use futures_util::StreamExt;
use zeroize::Zeroizing;

use super::form::Form;
use super::json::{self, Value};
use super::{ApiError, ErrorCode, Fields};

/// The most bytes that a request body may have.
pub(super) const MAX_BYTES: usize = 64 * 1024;
/// The most bytes that a form may have: some tokens.
const MAX_FORM_BYTES: usize = 16 * 1024;
/// How long a whole body may take to arrive (REL-32).
const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// Reads a request body that must be there: one JSON object.
pub(super) async fn required(request: &HttpRequest, payload: Payload) -> Result<Fields, ApiError> {
    optional(request, payload).await?.ok_or_else(|| ApiError::malformed("The request body is empty."))
}

/// Reads a request body that may be left out.
pub(super) async fn optional(request: &HttpRequest, payload: Payload) -> Result<Option<Fields>, ApiError> {
    let bytes = read_all(request, payload, MAX_BYTES).await?;
    if bytes.is_empty() {
        return Ok(None);
    }
    if !is_of_type(request, "application/json") {
        return Err(ApiError::new(ErrorCode::UnsupportedMediaType));
    }
    match json::read(utf8(&bytes)?).map_err(ApiError::malformed)? {
        Value::Object(members) => Ok(Some(Fields::new(members))),
        _ => Err(Fields::not_an_object()),
    }
}

/// Reads a request body that is a form.
pub(super) async fn form(request: &HttpRequest, payload: Payload) -> Result<Form, ApiError> {
    let bytes = read_all(request, payload, MAX_FORM_BYTES).await?;
    if !bytes.is_empty() && !is_of_type(request, "application/x-www-form-urlencoded") {
        return Err(ApiError::with_detail(
            ErrorCode::UnsupportedMediaType,
            "This request body is application/x-www-form-urlencoded in UTF-8 without a content coding.",
        ));
    }
    Form::parse(utf8(&bytes)?)
}

/// Reads the whole body within its limits. Both hold while bytes still arrive, whatever the headers promise (SEC-94).
async fn read_all(
    request: &HttpRequest,
    payload: Payload,
    max_bytes: usize,
) -> Result<Zeroizing<Vec<u8>>, ApiError> {
    let announced = content_length(request);
    if announced > max_bytes {
        return Err(too_large(max_bytes));
    }
    tokio::time::timeout(READ_TIMEOUT, collect(payload, announced, max_bytes))
        .await
        .map_err(|_| ApiError::new(ErrorCode::RequestTimeout))?
}

async fn collect(
    mut payload: Payload,
    announced: usize,
    max_bytes: usize,
) -> Result<Zeroizing<Vec<u8>>, ApiError> {
    // Room for all of an announced body, so that growing leaves no copy of a password behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(announced));
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(refusal)?;
        if bytes.len() + chunk.len() > max_bytes {
            return Err(too_large(max_bytes));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

fn content_length(request: &HttpRequest) -> usize {
    let length = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    length.map_or(0, |digits| digits.parse().unwrap_or(usize::MAX))
}

fn too_large(max_bytes: usize) -> ApiError {
    let detail = format!("The request body is over {} KiB.", max_bytes / 1024);
    ApiError::with_detail(ErrorCode::PayloadTooLarge, detail)
}

fn utf8(bytes: &[u8]) -> Result<&str, ApiError> {
    std::str::from_utf8(bytes).map_err(|_| ApiError::malformed("The request body is not valid UTF-8."))
}

fn refusal(error: PayloadError) -> ApiError {
    ApiError::malformed("The request body broke off.").caused_by(error)
}

/// Takes the media type in UTF-8 without a content coding, and nothing that merely looks like it (SEC-95).
fn is_of_type(request: &HttpRequest, expected: &str) -> bool {
    let headers = request.headers();
    let is_plain = headers
        .get_all(header::CONTENT_ENCODING)
        .all(|coding| coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"identity"));
    let mut types = headers.get_all(header::CONTENT_TYPE);
    let media_type = types.next().and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut parts = media_type.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default();
    is_plain && types.next().is_none() && essence.eq_ignore_ascii_case(expected) && parts.all(is_utf8_charset)
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

    async fn request(content_type: &str, body: impl Into<web::Bytes>) -> (HttpRequest, Payload) {
        let (request, mut payload) = TestRequest::post()
            .insert_header(("content-type", content_type))
            .set_payload(body)
            .to_http_parts();
        let payload = Payload::from_request(&request, &mut payload).await.unwrap();
        (request, payload)
    }

    async fn read(content_type: &str, body: impl Into<web::Bytes>) -> Result<Option<Fields>, ApiError> {
        let (request, payload) = request(content_type, body).await;
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

    const FORM: &str = "application/x-www-form-urlencoded";

    #[actix_web::test]
    async fn a_form_is_a_form_of_16_kib_at_most() {
        let read = async |content_type: &str, body: String| {
            let (request, payload) = request(content_type, body).await;
            form(&request, payload).await.map(|mut form| form.optional("token").map(|token| token.len()))
        };
        let code = async |content_type: &str, body: String| read(content_type, body).await.unwrap_err().code;
        let padded = |length: usize| format!("token={}", "a".repeat(length - 6));
        assert_eq!(read(FORM, padded(MAX_FORM_BYTES)).await.unwrap(), Some(MAX_FORM_BYTES - 6));
        assert_eq!(read(&format!("{FORM}; charset=UTF-8"), padded(9)).await.unwrap(), Some(3));
        assert_eq!(read(FORM, String::new()).await.unwrap(), None);
        let error = read(FORM, padded(MAX_FORM_BYTES + 1)).await.unwrap_err();
        assert_eq!(
            (error.code, &*error.detail),
            (ErrorCode::PayloadTooLarge, "The request body is over 16 KiB.")
        );
        for bad in [
            "",
            "application/json",
            "multipart/form-data",
            "application/x-www-form-urlencoded; charset=latin1",
        ] {
            assert_eq!(code(bad, padded(9)).await, ErrorCode::UnsupportedMediaType, "{bad}");
        }
        assert_eq!(code(FORM, "token=a&token=b".to_owned()).await, ErrorCode::MalformedRequest);
    }
}
