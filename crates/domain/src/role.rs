use std::collections::BTreeSet;
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

/// A permission, written `resource:action`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Permission(&'static str);

impl Permission {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

/// The name of a permission that somebody asks for, whether it exists or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PermissionName(String);

impl PermissionName {
    pub const MAX_CHARS: usize = 128;

    /// Takes `resource:action`, both of `a-z`, `0-9`, `_` and `-` and starting with a letter.
    pub fn parse(typed: &str) -> Result<Self, Violation> {
        let is_word = |word: &str| RoleName::parse(word).is_ok();
        match typed.split_once(':') {
            Some((resource, action))
                if typed.len() <= Self::MAX_CHARS && is_word(resource) && is_word(action) =>
            {
                Ok(Self(typed.to_owned()))
            }
            _ => Err(Violation::new("permission_invalid", "A permission is written resource:action.")),
        }
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The roles of one user, at least one, without repetition; the first is the primary one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roles {
    primary: RoleName,
    others: Vec<RoleName>,
}

impl Roles {
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

    #[must_use]
    pub fn contains(&self, role: &RoleName) -> bool {
        self.iter().any(|held| held == role)
    }

    /// Whether any of the roles holds the permission; `system:admin` implies all.
    #[must_use]
    pub fn permit(&self, permission: &PermissionName) -> bool {
        let implies = |held: &str| held == permission.as_str() || held == "system:admin";
        self.iter().filter_map(built_in).flatten().any(|held| implies(held))
    }

    /// Every permission that any of the roles grants, in alphabetical order.
    #[must_use]
    pub fn permissions(&self) -> BTreeSet<Permission> {
        self.iter().filter_map(built_in).flatten().copied().map(Permission).collect()
    }
}

/// The permissions of a built-in role; `None` when there is no such role.
fn built_in(role: &RoleName) -> Option<&'static [&'static str]> {
    BUILT_IN.iter().find(|(name, _)| *name == role.as_str()).map(|(_, permissions)| *permissions)
}

impl RoleName {
    /// Whether a role of this name exists.
    #[must_use]
    pub fn exists(&self) -> bool {
        built_in(self).is_some()
    }
}

const BUILT_IN: [(&str, &[&str]); 5] = [
    ("admin", &["system:admin"]),
    (
        "developer",
        &[
            "data:create",
            "data:update",
            "data:view",
            "experiment:create",
            "experiment:update",
            "experiment:view",
            "model:create",
            "model:update",
            "model:view",
        ],
    ),
    (
        "data_scientist",
        &[
            "data:create",
            "data:update",
            "data:view",
            "experiment:create",
            "experiment:update",
            "experiment:view",
            "model:create",
            "model:view",
        ],
    ),
    (
        "ml_engineer",
        &[
            "data:view",
            "experiment:create",
            "experiment:update",
            "experiment:view",
            "model:create",
            "model:deploy",
            "model:update",
            "model:view",
        ],
    ),
    ("viewer", &["data:view", "experiment:view", "model:view"]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_role_has_a_valid_name_and_well_formed_permissions() {
        for (name, permissions) in BUILT_IN {
            assert!(RoleName::parse(name).unwrap().exists());
            assert!(permissions.is_sorted());
            assert!(permissions.iter().all(|permission| permission.split(':').count() == 2));
        }
        assert!(!RoleName::parse("owner").unwrap().exists());
    }

    #[test]
    fn roles_keep_their_order_and_unite_their_permissions() {
        let names = ["viewer", "ml_engineer", "viewer"].map(|name| RoleName::parse(name).unwrap());
        let roles = Roles::from_names(names).unwrap();
        assert_eq!(roles.primary().as_str(), "viewer");
        assert_eq!(roles.iter().count(), 2);
        assert!(roles.permissions().contains(&Permission("model:deploy")));
        assert!(Roles::from_names([]).is_none());
    }

    #[test]
    fn roles_permit_what_they_hold_and_an_admin_everything() {
        let permits = |role: &str, permission: &str| {
            Roles::single(RoleName::parse(role).unwrap()).permit(&PermissionName::parse(permission).unwrap())
        };
        assert!(permits("viewer", "model:view"));
        assert!(!permits("viewer", "model:deploy"));
        assert!(!permits("unknown", "model:view"));
        assert!(permits("admin", "model:deploy"));
        assert!(permits("admin", "any-thing:at_all"));
        for name in ["", "model", "model:", ":view", "model:view:all", "Model:view", "model:*", "model: view"]
        {
            assert!(PermissionName::parse(name).is_err(), "{name:?} was accepted");
        }
    }

    #[test]
    fn a_role_name_is_plain() {
        for name in ["", "Admin", "1st", "a b", "a%", "ünï", &"a".repeat(65)] {
            assert!(RoleName::parse(name).is_err(), "{name:?} was accepted");
        }
    }
}
