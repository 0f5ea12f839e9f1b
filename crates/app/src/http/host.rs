use actix_web::http::header::{self, HeaderMap};

/// Whether the `Host` header, if there is one, names a host (RFC 9112 section 3.2): else a proxy may have read another
/// host out of it. Nothing of it is ever used.
pub(super) fn is_valid(headers: &HeaderMap) -> bool {
    headers.get(header::HOST).is_none_or(|host| is_host(host.as_bytes()))
}

/// `uri-host [ ":" port ]` of RFC 9110 section 7.2; a client without an authority sends an empty one.
fn is_host(value: &[u8]) -> bool {
    let end_of_literal = value.iter().rposition(|&byte| byte == b']').map_or(0, |end| end + 1);
    let colon = value[end_of_literal..].iter().position(|&byte| byte == b':').map(|at| end_of_literal + at);
    let (host, port) = colon.map_or((value, &[][..]), |at| (&value[..at], &value[at + 1..]));
    is_name(host) && port.len() <= 5 && port.iter().all(u8::is_ascii_digit)
}

/// An IP literal in brackets, or a registered name (RFC 3986 section 3.2.2).
fn is_name(host: &[u8]) -> bool {
    let (name, extra): (&[u8], &[u8]) = match host {
        [b'[', literal @ .., b']'] => (literal, b":.%"),
        name => (name, b"-._~%!$&'()*+,;="),
    };
    name.iter().all(|byte| byte.is_ascii_alphanumeric() || extra.contains(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_a_host_from_something_else() {
        for good in
            ["", "a", "localhost:8000", "auth.example.com", "127.0.0.1:1", "[::1]", "[::1]:8000", "a:"]
        {
            assert!(is_host(good.as_bytes()), "{good}");
        }
        for bad in
            ["a b", "a/b", "user@a", "a:99999999", "a:b", "a:1:2", "::1", "[::1", "[a/b]", "a\\b", "a?b", "é"]
        {
            assert!(!is_host(bad.as_bytes()), "{bad}");
        }
    }
}
