use base64ct::{Base64UrlUnpadded, Encoding};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// A JWS in compact serialization (RFC 7515 section 3.1), taken apart and not yet believed.
///
/// Only the one strict spelling is read: three segments of canonical unpadded base64url, no white space, at most 8 KiB, no
/// duplicate member and no header but `alg`, `kid` and `typ`; so nothing a header could bring along (`jwk`, `jku`,
/// `x5u`, `x5c`, `crit` …) is ever looked at.
pub(super) struct CompactToken<'a> {
    pub header: Header,
    pub payload: Vec<u8>,
    /// In canonical base64url.
    pub signature: &'a str,
    /// The header and payload segments, which the signature covers.
    pub signing_input: &'a str,
}

/// The protected header.
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
        decode(signature)?;
        Some(Self {
            header: from_json_object(&decode(header)?)?,
            payload: decode(payload)?,
            signature,
            signing_input,
        })
    }
}

/// Reads a JSON object; serde alone would also take an array of the members for a struct.
pub(super) fn from_json_object<T: DeserializeOwned>(json: &[u8]) -> Option<T> {
    json.starts_with(b"{").then(|| serde_json::from_slice(json).ok())?
}

/// Decodes one segment; a stray dot, padding, white space or a non-canonical ending is an error.
fn decode(segment: &str) -> Option<Vec<u8>> {
    Base64UrlUnpadded::decode_vec(segment).ok().filter(|bytes| !bytes.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_one_strict_spelling_and_no_other() {
        let encode = |text: &str| Base64UrlUnpadded::encode_string(text.as_bytes());
        let token = |header: &str, payload: &str| format!("{}.{}.c2ln", encode(header), encode(payload));
        let good = token(r#"{"alg":"ES256","kid":"k","typ":"at+jwt"}"#, "{}");
        assert!(CompactToken::parse(&good).is_some());
        for bad in [
            String::new(),
            "..".to_owned(),
            "a.b".to_owned(),
            format!("{good}.c2ln"),
            format!("{good}="),
            format!(" {good}"),
            format!("{good}\n"),
            good.replace("c2ln", "c2l+"),
            good.replace("c2ln", "c2l"), // not canonical: the last bits are not zero
            good.replace("c2ln", ""),
            token(r#"{"alg":"ES256","kid":"k","typ":"at+jwt"}"#, &"x".repeat(9_000)),
            token(r#"{"alg":"ES256","kid":"k"}"#, "{}"),
            token(r#"{"alg":"ES256","alg":"none","kid":"k","typ":"at+jwt"}"#, "{}"),
            token(r#"{"alg":"ES256","kid":"k","typ":"at+jwt","crit":[]}"#, "{}"),
            token(r#"["ES256","k","at+jwt"]"#, "{}"),
        ] {
            assert!(CompactToken::parse(&bad).is_none(), "{bad:.120}");
        }
    }
}
