use std::fmt;

use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

use crate::blocklist;
use crate::{DisplayName, Email, Violation};

/// A password as presented, in NFC and otherwise untouched: nothing trimmed, folded or cut (SEC-04, SEC-05).
///
/// Its bounds hold for every password that may ever be verified, so hashing never sees an unbounded input.
/// The text is wiped from memory on drop, and neither `Debug` nor an error ever shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(Zeroizing<String>);

impl Password {
    pub const MAX_CHARS: usize = 128;
    pub const MAX_BYTES: usize = 512;

    /// Checks the bounds of any password, old or new. What a *new* one must fulfil is [`PasswordPolicy`]'s matter.
    pub fn parse(typed: &str) -> Result<Self, Violation> {
        const TOO_LONG: Violation =
            Violation::new("password_too_long", "A password is at most 128 characters and 512 bytes long.");

        if typed.is_empty() {
            return Err(Violation::new("password_empty", "A password is not empty."));
        }
        if typed.len() > Self::MAX_BYTES {
            return Err(TOO_LONG);
        }
        if typed.contains('\0') {
            return Err(Violation::new("password_invalid_chars", "A password does not contain U+0000."));
        }
        let normalized: Zeroizing<String> = Zeroizing::new(typed.nfc().collect());
        if normalized.chars().count() > Self::MAX_CHARS || normalized.len() > Self::MAX_BYTES {
            return Err(TOO_LONG);
        }
        Ok(Self(normalized))
    }

    /// The text, for hashing alone.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Password(…)")
    }
}

/// A password that passed the policy for new ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPassword(Password);

impl NewPassword {
    #[must_use]
    pub fn into_password(self) -> Password {
        self.0
    }
}

/// What a new password must fulfil.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PasswordPolicy {
    /// Least length in characters (SEC-01).
    pub min_length: usize,
    /// Whether common passwords and ones built around the user's own data are refused (SEC-07).
    pub blocklist: bool,
    /// Most bytes that the hash for new passwords takes in; bcrypt ignores all after 72, so they are refused (SEC-06).
    pub max_bytes: usize,
}

impl PasswordPolicy {
    /// No policy may go below this (NIST SP 800-63B-4 section 3.1.1.2).
    pub const MIN_LENGTH_FLOOR: usize = 8;
    /// Where bcrypt stops reading.
    pub const BCRYPT_MAX_BYTES: usize = 72;

    /// Accepts `password` as a new one. `email` and `name` are those of the account, as far as they are known.
    pub fn accept(
        &self,
        password: Password,
        email: Option<&Email>,
        name: Option<&DisplayName>,
    ) -> Result<NewPassword, Violation> {
        self.check_length(&password)?;
        let context: Vec<&str> = email
            .into_iter()
            .flat_map(|email| [email.canonical(), email.canonical_local_part()])
            .chain(name.map(DisplayName::as_str))
            .collect();
        if self.blocklist && blocklist::is_blocked(password.expose(), &context) {
            return Err(Violation::new(
                "password_blocklisted",
                "This password is too common or too close to your own data.",
            ));
        }
        Ok(NewPassword(password))
    }

    fn check_length(&self, password: &Password) -> Result<(), Violation> {
        if password.expose().chars().count() < self.min_length.max(Self::MIN_LENGTH_FLOOR) {
            return Err(Violation::new(
                "password_too_short",
                "The password is shorter than this server demands.",
            ));
        }
        if password.expose().len() > self.max_bytes {
            return Err(Violation::new(
                "password_too_long",
                "The password is longer than the 72 bytes that this server's bcrypt hashes take in.",
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accept(min_length: usize, typed: &str) -> Result<NewPassword, Violation> {
        let policy = PasswordPolicy { min_length, blocklist: true, max_bytes: Password::MAX_BYTES };
        let email = Email::parse("ada@example.com").unwrap();
        policy.accept(Password::parse(typed)?, Some(&email), Some(&DisplayName::parse("Ada").unwrap()))
    }

    #[test]
    fn sec_01_counts_characters_not_bytes() {
        assert_eq!(accept(15, "qmzvtklwpxrhsg").unwrap_err().code, "password_too_short");
        assert!(accept(15, "qmzvtklwpxrhsgd").is_ok());
        assert!(accept(15, "🦀🦞🦐🐚🌊🏖🐟🐠🐡🦈🐳🐋🦑🐙🪸").is_ok());
    }

    #[test]
    fn sec_02_takes_128_characters_and_no_more() {
        let varied: String = ('!'..='~').cycle().take(128).collect();
        assert!(accept(8, &varied).is_ok());
        assert_eq!(accept(8, &format!("{varied}x")).unwrap_err().code, "password_too_long");
        assert_eq!(accept(8, &"🦀".repeat(129)).unwrap_err().code, "password_too_long");
    }

    #[test]
    fn sec_05_normalizes_to_nfc_and_nothing_more() {
        assert_eq!(Password::parse("cafe\u{301}").unwrap(), Password::parse("café").unwrap());
        assert_ne!(Password::parse("\u{FB01}sh").unwrap(), Password::parse("fish").unwrap());
        assert_ne!(Password::parse(" pad ").unwrap(), Password::parse("pad").unwrap());
    }

    #[test]
    fn sec_06_refuses_nul() {
        assert_eq!(Password::parse("pass\0word").unwrap_err().code, "password_invalid_chars");
    }

    #[test]
    fn never_shows_itself() {
        let password = Password::parse("canary-secret").unwrap();
        assert!(!format!("{password:?}").contains("canary"));
    }
}
