use aws_lc_rs::error::Unspecified;
use aws_lc_rs::{constant_time, hkdf, hmac};
use maestro_auth_ports::KeyedHash;

/// A key to recognise what this server has given out: HMAC-SHA256 (RFC 2104).
///
/// All instances derive the same one from the secret that they share. It has no `Debug`.
#[derive(Clone)]
pub struct MacKey(hmac::Key);

impl MacKey {
    /// Half of a tag is as short as one may be cut (RFC 2104 section 5).
    const MIN_TAG_BYTES: usize = 16;

    /// Derives the key from 32 random bytes by HKDF-SHA256 (RFC 5869), so that it tells nothing of them or of other keys that
    /// come of them.
    pub fn derive(secret: &[u8; 32]) -> Result<Self, Unspecified> {
        let extracted = hkdf::Salt::new(hkdf::HKDF_SHA256, b"maestro-auth").extract(secret);
        let expanded = extracted.expand(&[b"mac/1"], hmac::HMAC_SHA256)?;
        Ok(Self(hmac::Key::from(expanded)))
    }
}

impl KeyedHash for MacKey {
    fn tag(&self, context: &str, bytes: &[u8]) -> [u8; 32] {
        let mut message = hmac::Context::with_key(&self.0);
        // The length keeps the context apart from what follows.
        message.update(&(context.len() as u64).to_be_bytes());
        message.update(context.as_bytes());
        message.update(bytes);
        let mut tag = [0; 32];
        tag.copy_from_slice(message.sign().as_ref());
        tag
    }

    fn is_tag(&self, context: &str, bytes: &[u8], tag: &[u8]) -> bool {
        let expected = self.tag(context, bytes);
        tag.len() >= Self::MIN_TAG_BYTES
            && expected
                .get(..tag.len())
                .is_some_and(|expected| constant_time::verify_slices_are_equal(expected, tag).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u8) -> MacKey {
        MacKey::derive(&[number; 32]).unwrap()
    }

    #[test]
    fn a_tag_holds_for_its_key_its_context_and_its_bytes_alone() {
        let tag = key(1).tag("cursor/users", b"place");
        assert!(key(1).is_tag("cursor/users", b"place", &tag));
        assert!(key(1).is_tag("cursor/users", b"place", &tag[..16]));
        assert!(!key(2).is_tag("cursor/users", b"place", &tag));
        assert!(!key(1).is_tag("cursor/audit", b"place", &tag));
        assert!(!key(1).is_tag("cursor/user", b"splace", &tag));
        assert!(!key(1).is_tag("cursor/users", b"places", &tag));
        for length in 0..16 {
            assert!(!key(1).is_tag("cursor/users", b"place", &tag[..length]), "{length} bytes are too short");
        }
        assert!(!key(1).is_tag("cursor/users", b"place", &[&tag[..], b"x"].concat()));
    }

    #[test]
    fn every_version_makes_the_same_tags() {
        // Computed by another implementation.
        let known =
            [0x6b, 0x5c, 0x07, 0xb9, 0xfe, 0x36, 0xca, 0xe3, 0x85, 0x37, 0x9d, 0xef, 0x92, 0xf2, 0x0f, 0xcb];
        assert_eq!(key(7).tag("cursor/users", b"place")[..16], known);
    }
}
