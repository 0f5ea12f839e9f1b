use std::fmt;

use unicode_normalization::UnicodeNormalization;

use crate::Violation;

/// An e-mail address: the form to show and write to, and the one canonical form that lookups and uniqueness use.
///
/// The canonical form is computed here and nowhere else (SEC-100): trimmed, NFKC, the domain in its ASCII form
/// (UTS 46), all in lower case. The local part must be ASCII after NFKC, so that no two accounts differ
/// by a look-alike letter alone (SEC-99).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Email {
    address: String,
    canonical: String,
}

impl Email {
    /// RFC 5321 section 4.5.3.1.3 leaves 254 bytes for an address between its angle brackets.
    pub const MAX_BYTES: usize = 254;
    /// RFC 5321 section 4.5.3.1.1.
    const MAX_LOCAL_BYTES: usize = 64;

    /// Parses what a person typed.
    pub fn parse(typed: &str) -> Result<Self, Violation> {
        const INVALID: Violation = Violation::new("email_invalid", "This is not a valid e-mail address.");
        const TOO_LONG: Violation =
            Violation::new("email_too_long", "An e-mail address is at most 254 bytes long.");

        let trimmed = typed.trim();
        if trimmed.len() > Self::MAX_BYTES {
            return Err(TOO_LONG);
        }
        let normalized: String = trimmed.nfkc().collect();
        let (local, domain) = normalized.split_once('@').ok_or(INVALID)?;
        if !is_local_part(local) {
            return Err(INVALID);
        }
        let domain = ascii_domain(domain).ok_or(INVALID)?;
        let address = format!("{local}@{domain}");
        if address.len() > Self::MAX_BYTES {
            return Err(TOO_LONG);
        }
        Ok(Self { canonical: address.to_ascii_lowercase(), address })
    }

    /// Takes the two forms back from a storage that kept them.
    #[must_use]
    pub fn from_stored(address: String, canonical: String) -> Self {
        Self { address, canonical }
    }

    /// The address as its owner writes it, ready for mail.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.address
    }

    /// The key column: equal for every spelling of one account (SEC-20).
    #[must_use]
    pub fn canonical(&self) -> &str {
        &self.canonical
    }

    /// The part before the `@`, in canonical form.
    #[must_use]
    pub fn canonical_local_part(&self) -> &str {
        self.canonical.split_once('@').map_or("", |(local, _)| local)
    }
}

impl fmt::Display for Email {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.address)
    }
}

/// A `Dot-string` of RFC 5321 section 4.1.2. Quoted local parts are refused: they carry spaces, quotes and `@`.
fn is_local_part(local: &str) -> bool {
    let is_atom = |atom: &str| {
        !atom.is_empty()
            && atom.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte))
    };
    local.len() <= Email::MAX_LOCAL_BYTES && local.split('.').all(is_atom)
}

/// The domain in lower-case ASCII; `None` for an IP literal, a single label, or anything UTS 46 refuses.
fn ascii_domain(domain: &str) -> Option<String> {
    let domain = idna::domain_to_ascii_strict(domain).ok()?;
    let (_, top_level) = domain.rsplit_once('.')?;
    let is_name = top_level.bytes().any(|byte| byte.is_ascii_alphabetic());
    (is_name && !domain.contains('@')).then_some(domain)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keeps_the_typed_case_and_compares_without_it() {
        let email = Email::parse("  Ada.Lovelace@Example.COM ").unwrap();
        assert_eq!(email.as_str(), "Ada.Lovelace@example.com");
        assert_eq!(email.canonical(), "ada.lovelace@example.com");
    }

    #[test]
    fn spellings_of_one_address_share_the_canonical_form() {
        let twins =
            ["\u{212A}im@example.com", "kim@example.com", "KIM@EXAMPLE.COM", "kim\u{FF20}example.com"];
        for twin in twins {
            assert_eq!(Email::parse(twin).unwrap().canonical(), "kim@example.com", "{twin:?}");
        }
        assert_eq!(Email::parse("a@bücher.example").unwrap().canonical(), "a@xn--bcher-kva.example");
    }

    #[test]
    fn refuses_what_is_no_address() {
        let long_local = format!("{}@example.com", "a".repeat(65));
        let long = format!("a@{}.example", "b".repeat(300));
        for typed in [
            "",
            "@",
            "ada",
            "ada@",
            "@example.com",
            "a@b@example.com",
            "ada@example",
            "ada@[127.0.0.1]",
            "ada@127.0.0.1",
            "\"ada\"@example.com",
            "a da@example.com",
            "ada@exam ple.com",
            ".ada@example.com",
            "ada.@example.com",
            "a..b@example.com",
            "ada@.example.com",
            "ada@example..com",
            "ada\r\n@example.com",
            "ada\0@example.com",
            "\u{131}@example.com",
            "stra\u{DF}e@example.com",
            "\u{430}da@example.com",
            "a\u{200D}da@example.com",
            "ada@xn--a.example",
            "ada@-example.com",
            "ada(x)@example.com",
            "ada@example.com\n.",
            &long_local,
            &long,
        ] {
            assert!(Email::parse(typed).is_err(), "{typed:?} was accepted");
        }
    }

    proptest! {
        #[test]
        fn parsing_never_panics_and_is_idempotent(typed in ".{0,300}") {
            if let Ok(email) = Email::parse(&typed) {
                let again = Email::parse(email.as_str()).unwrap();
                prop_assert_eq!(&again, &email);
                let folded = Email::parse(email.canonical()).unwrap();
                prop_assert_eq!(folded.canonical(), email.canonical());
            }
        }
    }
}
