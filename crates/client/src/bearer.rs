#![cfg(any(feature = "actix", feature = "tower"))]

use crate::Refusal;

/// The token of the `Authorization` header, given all headers of that name (RFC 6750 section 2.1). A token anywhere else
/// counts for nothing.
pub(crate) fn token<'a>(mut headers: impl Iterator<Item = &'a [u8]>) -> Result<&'a str, Refusal> {
    let credentials = headers.next().ok_or(Refusal::MissingToken)?;
    if headers.next().is_some() {
        return Err(Refusal::MalformedRequest);
    }
    let credentials = std::str::from_utf8(credentials).map_err(|_| Refusal::InvalidToken)?.trim();
    let (scheme, token) = credentials.split_once(' ').unwrap_or((credentials, ""));
    let token = token.trim_start();
    if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() {
        return Err(Refusal::MissingToken);
    }
    Ok(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(headers: &[&'static str]) -> Result<&'static str, &'static str> {
        token(headers.iter().map(|header| header.as_bytes())).map_err(|refusal| refusal.code())
    }

    #[test]
    fn takes_one_bearer_token() {
        assert_eq!(read(&["Bearer abc"]), Ok("abc"));
        assert_eq!(read(&["bEaReR  abc"]), Ok("abc"));
        for missing in
            [&[][..], &[""], &["Bearer"], &["Bearer "], &["Basic YTpi"], &["abc"], &["Bearer\tabc"]]
        {
            assert_eq!(read(missing), Err("missing_token"), "{missing:?}");
        }
        assert_eq!(read(&["Bearer abc", "Bearer abc"]), Err("malformed_request"));
        assert_eq!(token([b"Bearer \xff".as_slice()].into_iter()).unwrap_err().code(), "invalid_token");
    }
}
