use actix_web::HttpRequest;
use actix_web::http::header;
use base64ct::{Base64, Encoding};
use zeroize::Zeroizing;

use super::{ApiError, ErrorCode};

/// The client credentials of the `Authorization` header (RFC 7617). They have no `Debug`, since one is a secret.
pub(super) struct BasicCredentials {
    pub client_id: String,
    pub client_secret: Zeroizing<String>,
}

/// Credentials in base64 are at most so long; ours take 108 characters.
const MAX_CHARS: usize = 1_024;

/// Whether the request brings credentials of this kind, good or not.
pub(super) fn is_presented(request: &HttpRequest) -> bool {
    let credentials = request.headers().get(header::AUTHORIZATION);
    credentials.is_some_and(|value| {
        let scheme = value.as_bytes().trim_ascii_start().split(|byte| *byte == b' ').next();
        scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"basic"))
    })
}

/// The client credentials of a request. Whatever is wrong with them, the client hears the same.
pub(super) fn required(request: &HttpRequest) -> Result<BasicCredentials, ApiError> {
    let mut headers = request.headers().get_all(header::AUTHORIZATION);
    let first = headers.next();
    if headers.next().is_some() {
        return Err(ApiError::malformed("The request carries more than one Authorization header."));
    }
    let credentials = first.and_then(|value| value.to_str().ok()).and_then(decode);
    credentials.ok_or_else(|| ApiError::new(ErrorCode::InvalidClient))
}

fn decode(credentials: &str) -> Option<BasicCredentials> {
    let (scheme, encoded) = credentials.trim().split_once(' ')?;
    let encoded = encoded.trim_start();
    if !scheme.eq_ignore_ascii_case("basic") || encoded.len() > MAX_CHARS {
        return None;
    }
    let bytes = Zeroizing::new(Base64::decode_vec(encoded).ok()?);
    let text = std::str::from_utf8(&bytes).ok()?;
    let (client_id, client_secret) = text.split_once(':')?;
    (!text.chars().any(char::is_control)).then(|| BasicCredentials {
        client_id: client_id.to_owned(),
        client_secret: Zeroizing::new(client_secret.to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn request(headers: &[&str]) -> HttpRequest {
        let start = TestRequest::get();
        let add = |request: TestRequest, header: &&str| request.append_header(("authorization", *header));
        headers.iter().fold(start, add).to_http_request()
    }

    fn presented(plain: impl AsRef<[u8]>) -> String {
        format!("Basic {}", Base64::encode_string(plain.as_ref()))
    }

    #[test]
    fn takes_one_pair_of_credentials_from_the_header() {
        for (plain, id, secret) in [("id:secret", "id", "secret"), ("id:a:b", "id", "a:b"), ("ü:ß", "ü", "ß")]
        {
            for header in [presented(plain), presented(plain).replace("Basic ", "bAsIc   ")] {
                let request = request(&[&header]);
                assert!(is_presented(&request));
                let read = required(&request).ok().unwrap();
                assert_eq!((read.client_id.as_str(), read.client_secret.as_str()), (id, secret));
            }
        }
    }

    #[test]
    fn everything_else_is_an_invalid_client() {
        let code = |headers: &[&str]| required(&request(headers)).err().unwrap().code;
        assert_eq!(code(&[]), ErrorCode::InvalidClient);
        for bad in [
            "",
            "Basic",
            "Basic ",
            "Basic aWQ6c2VjcmV",
            "Basic aWQ6c2VjcmV0=",
            "Basic aWQ6c2VjcmV0 x",
            "Basic a-_b",
            "Bearer aWQ6c2VjcmV0",
            "BasicaWQ6c2VjcmV0",
            "Basic\taWQ6c2VjcmV0",
            &presented("no colon"),
            &presented(b"id:\xff"),
            &presented("id:a\nb"),
            &presented(format!("id:{:0800}", 0)),
        ] {
            assert_eq!(code(&[bad]), ErrorCode::InvalidClient, "{bad}");
        }
        let good = presented("id:secret");
        assert_eq!(code(&[&good, &good]), ErrorCode::MalformedRequest);
        assert!(!is_presented(&request(&["Bearer abc"])));
    }
}
