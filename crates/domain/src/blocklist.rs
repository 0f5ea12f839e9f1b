//! The passwords that everybody tries first (SEC-07; NIST SP 800-63B-4 section 3.1.1.2), checked without a network.

use std::collections::HashSet;
use std::sync::LazyLock;

/// Common passwords of six and more characters, in lower case, one a line. Taken from Django (BSD-3-Clause, see NOTICE).
static COMMON: LazyLock<HashSet<&'static str>> =
    LazyLock::new(|| include_str!("blocklist/common-passwords.txt").lines().collect());

/// Words that a password for this product must not be built around.
const PRODUCT: [&str; 2] = ["maestroauth", "maestro"];

/// Fewer letters than this beside a context word add nothing that an attacker would not try.
const MIN_OWN_LETTERS: usize = 6;

/// Whether `password` is common, a mere pattern, or built around the product or one of the `context` words.
pub(crate) fn is_blocked(password: &str, context: &[&str]) -> bool {
    let lower = password.to_lowercase();
    is_common(&lower)
        || is_common(lower.trim_matches(|character: char| !character.is_alphabetic()))
        || is_pattern(&lower)
        || PRODUCT.iter().chain(context).any(|word| is_built_around(&lower, word))
}

fn is_common(lower: &str) -> bool {
    COMMON.contains(lower)
}

/// One character or one step over and over (`aaaa`, `1234`), or a short or common unit repeated (`abcabcabc`).
fn is_pattern(lower: &str) -> bool {
    let characters: Vec<char> = lower.chars().collect();
    let step = |pair: &[char]| (u32::from(pair[1]) + 10 - u32::from(pair[0]) % 10) % 10;
    let one_step =
        characters.iter().all(char::is_ascii_digit) || characters.iter().all(char::is_ascii_lowercase);
    if one_step
        && let Some(first) = characters.windows(2).next().map(step)
        && matches!(first, 0 | 1 | 9)
        && characters.windows(2).all(|pair| step(pair) == first)
    {
        return true;
    }
    (1..=characters.len() / 2).any(|unit| {
        characters.len().is_multiple_of(unit)
            && characters.chunks(unit).all(|chunk| chunk == &characters[..unit])
            && (unit <= 4 || is_common(&characters[..unit].iter().collect::<String>()))
    })
}

fn is_built_around(lower: &str, word: &str) -> bool {
    let fold = |text: &str| text.to_lowercase().chars().filter(|c| c.is_alphanumeric()).collect::<String>();
    let word = fold(word);
    if word.chars().count() < 4 {
        return false;
    }
    let folded = fold(lower);
    folded.contains(&word)
        && folded.replace(&word, "").chars().filter(|character| character.is_alphabetic()).count()
            < MIN_OWN_LETTERS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_long_enough_and_folded() {
        assert!(COMMON.iter().filter(|entry| entry.len() >= 8).count() >= 3_000);
        assert!(COMMON.iter().all(|entry| entry.to_lowercase() == **entry));
    }

    #[test]
    fn blocks_what_everybody_tries_first() {
        let context = ["ada.lovelace@example.com", "ada.lovelace", "Ada Lovelace"];
        for password in [
            "password123",
            "Password2026!!!",
            "passwordpassword",
            "aaaaaaaaaaaaaaa",
            "123456789012345",
            "abcabcabcabcabc",
            "maestroauth2026",
            "Maestro-Auth-2026!",
            "ada.lovelace@example.com",
            "AdaLovelace1815",
        ] {
            assert!(is_blocked(password, &context), "{password} passed");
        }
    }

    #[test]
    fn lets_long_uncommon_passwords_pass() {
        let context = ["ada@example.com", "ada", "Ada"];
        for password in
            ["qmzvtklwpxrhsgdbnyfc", "correct horse battery staple", "🦀🦞🦐🐚🌊🏖🐟🐠🐡🦈🐳🐋🦑🐙🪸"]
        {
            assert!(!is_blocked(password, &context), "{password} was blocked");
        }
    }
}
