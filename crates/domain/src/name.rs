use std::fmt;

use crate::Violation;

/// The name that a user shows: 1–100 characters, kept exactly as typed.
///
/// Control characters and direction overrides are refused, since a name is printed beside other text (SEC-98, SEC-119);
/// so is `@`, since a name that looks like an address could be taken for its owner's (SEC-21).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DisplayName(String);

impl DisplayName {
    pub const MAX_CHARS: usize = 100;

    pub fn parse(typed: &str) -> Result<Self, Violation> {
        if typed.chars().all(is_blank) {
            return Err(Violation::new("name_empty", "A name has at least one visible character."));
        }
        if typed.chars().count() > Self::MAX_CHARS {
            return Err(Violation::new("name_too_long", "A name is at most 100 characters long."));
        }
        if typed.contains(['@', '\u{FF20}', '\u{FE6B}']) {
            return Err(Violation::new("name_looks_like_email", "A name does not contain an @ sign."));
        }
        if typed.chars().any(is_unprintable) {
            return Err(Violation::new(
                "name_invalid_chars",
                "A name does not contain control characters or direction overrides.",
            ));
        }
        Ok(Self(typed.to_owned()))
    }

    /// Takes the name back from a storage that kept it.
    #[must_use]
    pub fn from_stored(name: String) -> Self {
        Self(name)
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DisplayName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// White space, and the characters that leave no mark of their own: the default-ignorable ones of Unicode (a joiner inside
/// a name is fine, nothing but joiners is not), and the fillers and the empty Braille cell, which are drawn as blanks.
fn is_blank(character: char) -> bool {
    character.is_whitespace()
        || matches!(character,
            '\u{00AD}' | '\u{034F}' | '\u{115F}'..='\u{1160}' | '\u{17B4}'..='\u{17B5}' | '\u{180B}'..='\u{180F}'
            | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{2800}' | '\u{3164}'
            | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}' | '\u{E0000}'..='\u{E0FFF}')
}

/// C0, C1, line separators, zero-width space and BOM, and the bidirectional controls of UAX 9 section 2.
pub(crate) fn is_unprintable(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{061C}' | '\u{200B}' | '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{FEFF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_a_name_as_typed() {
        for name in ["Test User", "O'Brien", "<b>Ada</b>", "李小龙", "{{7*7}}", &"é".repeat(100)] {
            assert_eq!(DisplayName::parse(name).unwrap().as_str(), name);
        }
    }

    #[test]
    fn refuses_names_that_are_empty_long_or_disguised() {
        for name in
            ["", "   ", "a\nb", "a\0b", "\u{1b}[31mred", "\u{202E}evil", "victim@x.test", &"a".repeat(101)]
        {
            assert!(DisplayName::parse(name).is_err(), "{name:?} was accepted");
        }
    }

    #[test]
    fn a_name_shows_at_least_one_character() {
        for blank in
            ["", " \t", "\u{00A0}", "\u{200D}", "\u{3164}\u{2800}", "\u{FE0F}\u{E0041} \u{115F}", "\u{FEFF}"]
        {
            assert_eq!(DisplayName::parse(blank).unwrap_err().code, "name_empty", "{blank:?}");
        }
        for name in ["a\u{00AD}b", "👩\u{200D}💻", "❤\u{FE0F}", "می\u{200C}خواهم"] {
            assert!(DisplayName::parse(name).is_ok(), "{name:?} was refused");
        }
    }
}
