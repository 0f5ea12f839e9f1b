use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use crate::{RoleName, Violation};

/// The name of a permission, `resource:action`, whether such a permission exists or not. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PermissionName(Arc<str>);

impl PermissionName {
    pub const MAX_CHARS: usize = 128;
    /// The permission that implies all others (api.md section 4).
    pub const SYSTEM_ADMIN: &'static str = "system:admin";

    /// Takes `resource:action`, both of `a-z`, `0-9`, `_` and `-` and starting with a letter.
    pub fn parse(typed: &str) -> Result<Self, Violation> {
        let is_word = |word: &str| RoleName::parse(word).is_ok();
        match typed.split_once(':') {
            Some((resource, action))
                if typed.len() <= Self::MAX_CHARS && is_word(resource) && is_word(action) =>
            {
                Ok(Self(typed.into()))
            }
            _ => Err(Violation::new(
                "permission_invalid",
                "A permission is written resource:action, in 128 characters of a–z, 0–9, _ and - at most.",
            )),
        }
    }

    /// For names that are written in this crate.
    pub(crate) fn known(name: &'static str) -> Self {
        Self(name.into())
    }

    #[must_use]
    pub fn system_admin() -> Self {
        Self::known(Self::SYSTEM_ADMIN)
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PermissionName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A set of permissions that somebody holds. One that has `system:admin` implies every other.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Permissions(BTreeSet<PermissionName>);

impl Permissions {
    /// How many a role or a service may name.
    pub const MAX: usize = 200;

    #[must_use]
    pub fn contains(&self, permission: &PermissionName) -> bool {
        self.0.contains(permission)
    }

    /// Whether whoever holds these may do what `permission` is for.
    #[must_use]
    pub fn permit(&self, permission: &PermissionName) -> bool {
        self.permit_all() || self.0.contains(permission)
    }

    /// Whether `system:admin` is among them.
    #[must_use]
    pub fn permit_all(&self) -> bool {
        self.0.iter().any(|held| held.as_str() == PermissionName::SYSTEM_ADMIN)
    }

    /// The first of `others` that these do not imply: what its holder has and the holder of these lacks (SEC-88).
    #[must_use]
    pub fn first_missing<'a>(&self, others: &'a Self) -> Option<&'a PermissionName> {
        others.iter().find(|other| !self.permit(other))
    }

    /// In alphabetical order.
    pub fn iter(&self) -> impl Iterator<Item = &PermissionName> {
        self.0.iter()
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn extend(&mut self, others: &Self) {
        self.0.extend(others.0.iter().cloned());
    }
}

impl FromIterator<PermissionName> for Permissions {
    fn from_iter<I: IntoIterator<Item = PermissionName>>(names: I) -> Self {
        Self(names.into_iter().collect())
    }
}

/// A permission that exists, so that roles and services can be given it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permission {
    pub name: PermissionName,
    pub description: Description,
    /// Whether it comes with the server, so that it can't be deleted.
    pub built_in: bool,
}

/// What a role, a permission or a service is for: at most 200 characters of one line, or none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Description(String);

impl Description {
    pub const MAX_CHARS: usize = 200;

    pub fn parse(typed: &str) -> Result<Self, Violation> {
        if typed.chars().count() > Self::MAX_CHARS {
            return Err(Violation::new(
                "description_too_long",
                "A description is at most 200 characters long.",
            ));
        }
        if typed.chars().any(crate::name::is_unprintable) {
            return Err(Violation::new(
                "description_invalid_chars",
                "A description does not contain control characters or direction overrides.",
            ));
        }
        Ok(Self(typed.to_owned()))
    }

    /// Takes the text back from a storage that kept it, or one that is written in the server.
    #[must_use]
    pub fn from_stored(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permissions(names: &[&str]) -> Permissions {
        names.iter().map(|name| PermissionName::parse(name).unwrap()).collect()
    }

    #[test]
    fn a_permission_is_written_resource_action() {
        for name in ["model:deploy", "any-thing:at_all", "a1:b2"] {
            assert_eq!(PermissionName::parse(name).unwrap().as_str(), name);
        }
        for name in ["", "model", "model:", ":view", "model:view:all", "Model:view", "model:*", "model: view"]
        {
            assert!(PermissionName::parse(name).is_err(), "{name:?} was accepted");
        }
    }

    #[test]
    fn an_admin_lacks_nothing_and_everybody_else_lacks_what_they_do_not_hold() {
        let (admin, viewer) = (permissions(&["system:admin"]), permissions(&["model:view"]));
        assert_eq!(admin.first_missing(&permissions(&["model:view", "x:y"])), None);
        assert_eq!(viewer.first_missing(&permissions(&["model:view"])), None);
        assert_eq!(viewer.first_missing(&admin).unwrap().as_str(), "system:admin");
        assert_eq!(
            viewer.first_missing(&permissions(&["model:deploy", "model:view"])).unwrap().as_str(),
            "model:deploy"
        );
    }

    #[test]
    fn a_description_is_one_short_line() {
        assert!(Description::parse("").is_ok());
        assert!(Description::parse(&"ü".repeat(200)).is_ok());
        for bad in [&"x".repeat(201), "two\nlines", "\u{202E}evil"] {
            assert!(Description::parse(bad).is_err(), "{bad:?} was accepted");
        }
    }
}
