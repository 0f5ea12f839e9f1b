use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::error::Unspecified;
use maestro_auth_domain::KeyId;
use zeroize::Zeroizing;

/// The key under which private keys are kept: AES-256-GCM, so what it opens is what it has sealed.
///
/// It has no `Debug` and is wiped from memory on drop.
pub struct SealingKey(Zeroizing<[u8; 32]>);

impl SealingKey {
    /// Leads every sealed value, so that another form can follow.
    const VERSION: u8 = 1;

    /// Takes 32 random bytes as key.
    #[must_use]
    pub fn new(key: [u8; 32]) -> Self {
        Self(Zeroizing::new(key))
    }

    /// Seals the private key called `kid`. `nonce` must be random: it must never come again under this key.
    pub(super) fn seal(
        &self,
        kid: KeyId,
        private_key: &[u8],
        nonce: [u8; NONCE_LEN],
    ) -> Result<Vec<u8>, Unspecified> {
        let mut ciphertext = private_key.to_vec();
        self.cipher()?.seal_in_place_append_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(place(kid)),
            &mut ciphertext,
        )?;
        Ok([&[Self::VERSION], &nonce[..], &ciphertext].concat())
    }

    /// Opens what was sealed as the private key called `kid` under this key, and nothing else.
    pub(super) fn open(&self, kid: KeyId, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Unspecified> {
        let (&Self::VERSION, sealed) = sealed.split_first().ok_or(Unspecified)? else {
            return Err(Unspecified);
        };
        let (nonce, ciphertext) = sealed.split_at_checked(NONCE_LEN).ok_or(Unspecified)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce)?;
        let mut buffer = Zeroizing::new(ciphertext.to_vec());
        let length = self.cipher()?.open_in_place(nonce, Aad::from(place(kid)), &mut buffer)?.len();
        buffer.truncate(length);
        Ok(buffer)
    }

    fn cipher(&self) -> Result<LessSafeKey, Unspecified> {
        Ok(LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &*self.0)?))
    }
}

/// Binds a sealed value to its row and column, so that none can stand in for another.
fn place(kid: KeyId) -> String {
    format!("signing_keys/{kid}/sealed_private_key")
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 32] = [7; 32];

    /// The key id that is all of one letter.
    fn kid(letter: &str) -> KeyId {
        KeyId::parse(&letter.repeat(KeyId::LENGTH)).unwrap()
    }

    fn sealed() -> Vec<u8> {
        SealingKey::new(KEY).seal(kid("k"), b"private", [1; NONCE_LEN]).unwrap()
    }

    fn opens(key: [u8; 32], kid: KeyId, sealed: &[u8]) -> bool {
        SealingKey::new(key).open(kid, sealed).is_ok()
    }

    #[test]
    fn opens_what_it_sealed() {
        assert_eq!(**SealingKey::new(KEY).open(kid("k"), &sealed()).unwrap(), *b"private");
        assert!(!sealed().windows(7).any(|window| window == b"private"));
    }

    #[test]
    fn sec_116_opens_nothing_else() {
        let good = sealed();
        assert!(!opens([8; 32], kid("k"), &good), "another key");
        assert!(!opens(KEY, kid("o"), &good), "another row");
        for length in 0..good.len() {
            assert!(!opens(KEY, kid("k"), &good[..length]), "cut to {length} bytes");
        }
        for index in 0..good.len() {
            let mut changed = good.clone();
            changed[index] ^= 1;
            assert!(!opens(KEY, kid("k"), &changed), "byte {index} changed");
        }
    }
}
