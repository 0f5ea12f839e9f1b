use base64ct::{Base64UrlUnpadded, Encoding};
use serde::Deserialize;

use super::claims::from_json_object;

/// A JWS in compact serialization (RFC 7515 section 3.1), taken apart and not yet believed.
///
/// Only the one strict spelling is read: three segments of canonical unpadded base64url, no white space, at most 8 KiB, no
/// duplicate member and no header but `alg`, `kid` and `typ`; so nothing a header could bring along (`jwk`, `jku`,
/// `x5u`, `crit` …) is ever looked at (SEC-38, SEC-44).
pub(super) struct CompactToken<'a> {
    pub header: Header,
    pub payload: Vec<u8>,
    pub signature: Vec<u8>,
    /// The header and payload segments, which the signature covers.
    pub signing_input: &'a str,
}

/// The protected header of a token of this server.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Header {
    pub alg: String,
    pub kid: String,
    pub typ: String,
}

impl<'a> CompactToken<'a> {
    const MAX_BYTES: usize = 8 * 1024;

    pub(super) fn parse(token: &'a str) -> Option<Self> {
        if token.len() > Self::MAX_BYTES {
            return None;
        }
        let (signing_input, signature) = token.rsplit_once('.')?;
        let (header, payload) = signing_input.split_once('.')?;
        Some(Self {
            header: from_json_object(&decode(header)?)?,
            payload: decode(payload)?,
            signature: decode(signature)?,
            signing_input,
        })
    }
}

/// Decodes one segment; a stray dot, padding, white space or a non-canonical ending is an error.
fn decode(segment: &str) -> Option<Vec<u8>> {
    Base64UrlUnpadded::decode_vec(segment).ok().filter(|bytes| !bytes.is_empty())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn token(header: &str, payload: &str) -> String {
        let encode = |text: &str| Base64UrlUnpadded::encode_string(text.as_bytes());
        format!("{}.{}.c2ln", encode(header), encode(payload))
    }

    const HEADER: &str = r#"{"alg":"ES256","kid":"k","typ":"at+jwt"}"#;

    #[test]
    fn reads_the_one_strict_spelling() {
        assert!(CompactToken::parse(&token(HEADER, "{}")).is_some());
    }

    #[test]
    fn sec_44_refuses_every_other_spelling() {
        let good = token(HEADER, "{}");
        let with_header = |header: &str| token(header, "{}");
        for bad in [
            String::new(),
            "..".to_owned(),
            "a.b".to_owned(),
            format!("{good}.c2ln"),
            format!("{good}="),
            format!(" {good}"),
            format!("{good}\n"),
            good.replace("c2ln", "c2l+"),
            good.replace("c2ln", ""),
            token(HEADER, &"x".repeat(9_000)),
            with_header(r#"{"alg":"ES256","kid":"k"}"#),
            with_header(r#"{"alg":"ES256","alg":"none","kid":"k","typ":"at+jwt"}"#),
            with_header(r#"{"alg":"ES256","kid":"k","typ":"at+jwt","jku":"http://127.0.0.1/"}"#),
            with_header(r#"{"alg":"ES256","kid":"k","typ":"at+jwt","crit":[]}"#),
            with_header(r#"{"alg":5,"kid":"k","typ":"at+jwt"}"#),
            with_header(r#"["ES256","k","at+jwt"]"#),
        ] {
            assert!(CompactToken::parse(&bad).is_none(), "{bad:.120}");
        }
    }

    proptest! {
        #[test]
        fn parsing_never_panics(token in "[A-Za-z0-9_=.-]{0,80}|.{0,80}") {
            let _ = CompactToken::parse(&token);
        }
    }
}
