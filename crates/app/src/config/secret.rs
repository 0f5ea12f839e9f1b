use std::fmt;

use base64ct::{Base64, Base64Unpadded, Encoding};
use url::Url;
use zeroize::{Zeroize, Zeroizing};

use super::value::Value;

/// What a secret looks like wherever it is shown.
const MASK: &str = "***";

/// A value that neither `Debug` nor an error nor `check-config` shows, wiped from memory on drop.
#[derive(Clone)]
pub struct Secret<T: Zeroize>(Zeroizing<T>);

impl<T: Zeroize> Secret<T> {
    pub fn new(value: T) -> Self {
        Self(Zeroizing::new(value))
    }

    #[must_use]
    pub fn expose(&self) -> &T {
        &self.0
    }
}

impl<T: Zeroize> fmt::Debug for Secret<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(MASK)
    }
}

impl Value for Secret<String> {
    const EXPECTED: &'static str = "a text";
    const IS_SECRET: bool = true;

    /// Takes the text as it is; nobody trims a password.
    fn parse(text: &str) -> Option<Self> {
        (!text.is_empty()).then(|| Self::new(text.to_owned()))
    }

    fn show(&self) -> String {
        MASK.to_owned()
    }
}

/// The key that other secrets are sealed under.
#[derive(Debug, Clone)]
pub struct EncryptionKey(Secret<[u8; 32]>);

impl EncryptionKey {
    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        self.0.expose()
    }

    /// Whether a human or an example made this key (SEC-114). A random key looks so once in 10¹³.
    #[must_use]
    pub fn is_guessable(&self) -> bool {
        let key = self.0.expose();
        let is_distinct = |(index, byte): (usize, &u8)| !key[..index].contains(byte);
        let distinct = key.iter().enumerate().filter(|&entry| is_distinct(entry)).count();
        let step = key[1].wrapping_sub(key[0]);
        let is_counted = key.windows(2).all(|pair| pair[1].wrapping_sub(pair[0]) == step);
        let is_text = key.iter().all(|byte| (b' '..=b'~').contains(byte));
        distinct < 16 || is_counted || is_text
    }
}

impl Value for EncryptionKey {
    const EXPECTED: &'static str = "32 bytes in base64, as `openssl rand -base64 32` makes them";
    const IS_SECRET: bool = true;

    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let mut key = Zeroizing::new([0; 32]);
        let decoded = Base64::decode(text, &mut *key).map(<[u8]>::len).ok();
        let decoded = decoded.or_else(|| Base64Unpadded::decode(text, &mut *key).map(<[u8]>::len).ok());
        (decoded == Some(32)).then(|| Self(Secret::new(*key)))
    }

    fn show(&self) -> String {
        MASK.to_owned()
    }
}

/// A URL that may carry a password, which is masked wherever the URL is shown.
#[derive(Clone)]
pub struct SecretUrl {
    text: Secret<String>,
    masked: String,
}

impl SecretUrl {
    /// Takes a URL of one of the `schemes`.
    #[must_use]
    pub fn parse(text: &str, schemes: &[&str]) -> Option<Self> {
        let mut url = Url::parse(text).ok().filter(|url| schemes.contains(&url.scheme()))?;
        if url.password().is_some() {
            url.set_password(Some(MASK)).ok()?;
        }
        if url.query().is_some() {
            url.set_query(Some(MASK)); // may carry a password as well
        }
        Some(Self { text: Secret::new(text.to_owned()), masked: url.to_string() })
    }

    #[must_use]
    pub fn expose(&self) -> &str {
        self.text.expose()
    }

    #[must_use]
    pub fn masked(&self) -> &str {
        &self.masked
    }
}

impl fmt::Debug for SecretUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.masked)
    }
}
