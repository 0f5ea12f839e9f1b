use std::fmt;

use crate::Violation;

/// The name of a role: 1–64 characters of `a-z`, `0-9`, `_` and `-`, starting with a letter.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoleName(String);

impl RoleName {
    pub const MAX_CHARS: usize = 64;

    pub fn parse(typed: &str) -> Result<Self, Violation> {
        let is_name = typed.len() <= Self::MAX_CHARS
            && typed.starts_with(|first: char| first.is_ascii_lowercase())
            && typed
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte));
        if is_name {
            Ok(Self(typed.to_owned()))
        } else {
            Err(Violation::new("role_invalid", "A role name is 1–64 characters of a–z, 0–9, _ and -."))
        }
    }

    /// The built-in role that holds every permission.
    #[must_use]
    pub fn admin() -> Self {
        Self("admin".to_owned())
    }

    /// The built-in role that new accounts get.
    #[must_use]
    pub fn viewer() -> Self {
        Self("viewer".to_owned())
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RoleName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The roles of one user, at least one, without repetition; the first is the primary one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roles {
    primary: RoleName,
    others: Vec<RoleName>,
}

impl Roles {
    pub const MAX: usize = 50;
    pub const MAX_BYTES: usize = 2_000;

    #[must_use]
    pub const fn single(role: RoleName) -> Self {
        Self { primary: role, others: Vec::new() }
    }

    /// Keeps the first of every repetition. `None` when there is no role at all.
    pub fn from_names(names: impl IntoIterator<Item = RoleName>) -> Option<Self> {
        let mut names = names.into_iter();
        let mut roles = Self::single(names.next()?);
        for name in names {
            if !roles.contains(&name) {
                roles.others.push(name);
            }
        }
        Some(roles)
    }

    #[must_use]
    pub const fn primary(&self) -> &RoleName {
        &self.primary
    }

    pub fn iter(&self) -> impl Iterator<Item = &RoleName> {
        std::iter::once(&self.primary).chain(&self.others)
    }

    /// Whether a token can carry them and stay small (SEC-60): at most 50, of 2000 bytes in all.
    #[must_use]
    pub fn is_within_bounds(&self) -> bool {
        let bytes: usize = self.iter().map(|role| role.as_str().len()).sum();
        self.iter().count() <= Self::MAX && bytes <= Self::MAX_BYTES
    }

    #[must_use]
    pub fn contains(&self, role: &RoleName) -> bool {
        self.iter().any(|held| held == role)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_keep_their_order_and_have_bounds() {
        let names = ["viewer", "ml_engineer", "viewer"].map(|name| RoleName::parse(name).unwrap());
        let roles = Roles::from_names(names).unwrap();
        assert_eq!(roles.primary().as_str(), "viewer");
        assert_eq!(roles.iter().count(), 2);
        assert!(Roles::from_names([]).is_none());
        let many =
            |count: usize| Roles::from_names((0..count).map(|n| RoleName::parse(&format!("r{n}")).unwrap()));
        assert!(many(50).unwrap().is_within_bounds());
        assert!(!many(51).unwrap().is_within_bounds());
        let long = (0..40).map(|n| RoleName::parse(&format!("{}{n}", "r".repeat(60))).unwrap());
        assert!(!Roles::from_names(long).unwrap().is_within_bounds());
    }

    #[test]
    fn a_role_name_is_plain() {
        for name in ["", "Admin", "1st", "a b", "a%", "ünï", &"a".repeat(65)] {
            assert!(RoleName::parse(name).is_err(), "{name:?} was accepted");
        }
    }
}
