use base64ct::{Base64UrlUnpadded, Encoding};
use maestro_auth_ports::KeyedHash;

use super::ApiError;

/// A place in a list: on the wire base64url of the place and a tag over it. Clients can't read anything into it, make one up
/// or take it to another list.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Cursor(Vec<u8>);

impl Cursor {
    const TAG_BYTES: usize = 16;
    /// The place of a reader of the revocation feed names every transaction that was under way, where there are many.
    const MAX_CHARS: usize = 16 * 1024;

    pub(super) fn new(place: impl Into<Vec<u8>>) -> Self {
        Self(place.into())
    }

    /// The place, as it was given to [`Self::new`].
    pub(super) fn place(&self) -> &[u8] {
        &self.0
    }

    pub(super) fn into_place(self) -> Vec<u8> {
        self.0
    }

    /// The cursor as clients of this list see it.
    pub(super) fn seal(&self, key: &dyn KeyedHash, list: &'static str) -> String {
        let tag = key.tag(&context(list), &self.0);
        Base64UrlUnpadded::encode_string(&[&self.0, &tag[..Self::TAG_BYTES]].concat())
    }

    /// Takes a cursor that was given out for this list, and nothing else.
    pub(super) fn open(key: &dyn KeyedHash, list: &'static str, text: &str) -> Result<Self, ApiError> {
        Self::authentic(key, list, text)
            .ok_or_else(|| ApiError::malformed("The cursor is not one that this list gave out."))
    }

    fn authentic(key: &dyn KeyedHash, list: &'static str, text: &str) -> Option<Self> {
        if text.len() > Self::MAX_CHARS {
            return None;
        }
        let mut place = Base64UrlUnpadded::decode_vec(text).ok()?;
        let tag = place.split_off(place.len().checked_sub(Self::TAG_BYTES)?);
        key.is_tag(&context(list), &place, &tag).then_some(Self(place))
    }
}

fn context(list: &str) -> String {
    format!("cursor/{list}")
}

#[cfg(test)]
mod tests {
    use super::super::ErrorCode;
    use super::super::testing::cursor_key;
    use super::*;

    #[test]
    fn a_list_takes_its_own_cursors() {
        for place in [&b""[..], b"2026-11-24T06:00:00Z 019aba3e", &[0; 12_000], b"\xff"] {
            let text = Cursor::new(place).seal(&*cursor_key(1), "users");
            assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)), "{text}");
            assert_eq!(Cursor::open(&*cursor_key(1), "users", &text).unwrap().place(), place);
        }
    }

    #[test]
    fn nothing_else_is_a_cursor() {
        let key = cursor_key(1);
        let is_refused = |list, text: &str| {
            let error = Cursor::open(&*key, list, text).unwrap_err();
            assert_eq!(error.code, ErrorCode::MalformedRequest, "{text}");
        };
        let text = Cursor::new(b"a place".as_slice()).seal(&*key, "users");
        is_refused("audit", &text);
        is_refused("users", &Cursor::new(b"a place".as_slice()).seal(&*cursor_key(2), "users"));
        for index in 0..text.len() {
            is_refused("users", &text[..index]);
            for other in "ABab09-_+/=. \u{e9}".chars().filter(|other| !text[index..].starts_with(*other)) {
                let changed = format!("{}{other}{}", &text[..index], &text[index + 1..]);
                is_refused("users", &changed);
            }
        }
        for more in ["A", "AA", "AAAA", "="] {
            is_refused("users", &format!("{text}{more}"));
        }
        is_refused("users", &Cursor::new(vec![0; 12_288]).seal(&*key, "users"));
    }
}
