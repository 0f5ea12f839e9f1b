use std::collections::{BTreeMap, BTreeSet};

use thiserror::Error;

use crate::{Description, Permission, PermissionName, Permissions, RoleName, Roles};

/// What a role is defined to be: a named set of permissions, with those of the roles that it inherits from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleDefinition {
    pub name: RoleName,
    pub description: Description,
    pub permissions: Permissions,
    /// In the order in which they were given, without repetition.
    pub inherits: Vec<RoleName>,
}

impl RoleDefinition {
    /// How many roles one may inherit from.
    pub const MAX_INHERITS: usize = 50;
}

/// A role that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    pub definition: RoleDefinition,
    /// What it permits, inherited permissions included.
    pub effective: Permissions,
    /// Whether it comes with the server, so that it can't be deleted.
    pub built_in: bool,
}

/// Every role and every permission that exists in a tenant: the built-in ones, and what was stored over them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleCatalogue {
    roles: BTreeMap<RoleName, Role>,
    permissions: BTreeMap<PermissionName, Permission>,
}

/// Why a catalogue does not take a change.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CatalogueError {
    #[error("there is no permission {0}")]
    UnknownPermission(PermissionName),
    #[error("there is no role {0} to inherit from")]
    UnknownInherited(RoleName),
    #[error("the role {0} is this one or inherits from it, so that it would inherit from itself")]
    Cycle(RoleName),
    #[error("it comes with the server and stays as it is")]
    BuiltIn,
    #[error("there is none of that name")]
    Unknown,
    #[error("the role {0} still names it")]
    NamedByRole(RoleName),
    #[error("there are as many as there may be")]
    TooMany,
    #[error("all roles together permit more than the services that load them take")]
    TooLarge,
}

impl RoleCatalogue {
    pub const MAX_ROLES: usize = 500;
    pub const MAX_PERMISSIONS: usize = 1_000;
    /// What the names of all effective permissions of all roles may take. Services load them in one piece.
    pub const MAX_EFFECTIVE_BYTES: usize = 512 * 1024;

    /// What comes with the server.
    #[must_use]
    pub fn built_in() -> Self {
        Self::from_stored([], [])
    }

    /// The built-in roles and permissions with what was stored over them.
    ///
    /// What a storage kept was checked when it came in; should it name what is gone all the same, that permits nothing.
    #[must_use]
    pub fn from_stored(
        roles: impl IntoIterator<Item = RoleDefinition>,
        permissions: impl IntoIterator<Item = (PermissionName, Description)>,
    ) -> Self {
        let own = BUILT_IN_PERMISSIONS.iter().map(|(name, text)| {
            let name = PermissionName::known(name);
            Permission { name, description: Description::from_stored(*text), built_in: true }
        });
        let own: BTreeMap<_, _> = own.map(|permission| (permission.name.clone(), permission)).collect();
        let mut all = own.clone();
        for (name, description) in permissions {
            let built_in = own.contains_key(&name);
            all.insert(name.clone(), Permission { name, description, built_in });
        }
        let mut definitions: BTreeMap<_, _> =
            built_in_roles().map(|role| (role.name.clone(), role)).collect();
        let admin = RoleName::admin();
        let stored = roles.into_iter().filter(|role| role.name != admin);
        definitions.extend(stored.map(|role| (role.name.clone(), role)));
        Self { roles: resolve(definitions), permissions: all }
    }

    #[must_use]
    pub fn role(&self, name: &RoleName) -> Option<&Role> {
        self.roles.get(name)
    }

    /// Every role, by name.
    #[must_use]
    pub fn roles(&self) -> impl DoubleEndedIterator<Item = &Role> {
        self.roles.values()
    }

    #[must_use]
    pub fn permission(&self, name: &PermissionName) -> Option<&Permission> {
        self.permissions.get(name)
    }

    /// Every permission, by name.
    #[must_use]
    pub fn permissions(&self) -> impl DoubleEndedIterator<Item = &Permission> {
        self.permissions.values()
    }

    /// Everything that any of the roles permits. A role that does not exist permits nothing.
    #[must_use]
    pub fn permissions_of(&self, roles: &Roles) -> Permissions {
        let mut all = Permissions::default();
        self.each(roles).for_each(|role| all.extend(&role.effective));
        all
    }

    /// Whether any of the roles permits it; `system:admin` implies all.
    #[must_use]
    pub fn permit(&self, roles: &Roles, permission: &PermissionName) -> bool {
        self.each(roles).any(|role| role.effective.permit(permission))
    }

    fn each<'a>(&'a self, roles: &'a Roles) -> impl Iterator<Item = &'a Role> {
        roles.iter().filter_map(|name| self.roles.get(name))
    }

    /// The catalogue with the role made or replaced.
    pub fn with_role(&self, definition: RoleDefinition) -> Result<Self, CatalogueError> {
        let name = definition.name.clone();
        if name == RoleName::admin() {
            return Err(CatalogueError::BuiltIn);
        }
        if let Some(unknown) = definition.permissions.iter().find(|one| !self.permissions.contains_key(one)) {
            return Err(CatalogueError::UnknownPermission(unknown.clone()));
        }
        for inherited in &definition.inherits {
            if *inherited != name && !self.roles.contains_key(inherited) {
                return Err(CatalogueError::UnknownInherited(inherited.clone()));
            }
            if *inherited == name || self.inherits_from(inherited, &name) {
                return Err(CatalogueError::Cycle(inherited.clone()));
            }
        }
        let mut definitions = self.definitions();
        definitions.insert(name, definition);
        let changed = Self { roles: resolve(definitions), permissions: self.permissions.clone() };
        if changed.roles.len() > Self::MAX_ROLES {
            return Err(CatalogueError::TooMany);
        }
        let names = changed.roles().flat_map(|role| role.effective.iter());
        if names.map(|name| name.as_str().len() + 3).sum::<usize>() > Self::MAX_EFFECTIVE_BYTES {
            return Err(CatalogueError::TooLarge);
        }
        Ok(changed)
    }

    /// The catalogue without the role.
    pub fn without_role(&self, name: &RoleName) -> Result<Self, CatalogueError> {
        let role = self.roles.get(name).ok_or(CatalogueError::Unknown)?;
        if role.built_in {
            return Err(CatalogueError::BuiltIn);
        }
        if let Some(heir) = self.roles().find(|role| role.definition.inherits.contains(name)) {
            return Err(CatalogueError::NamedByRole(heir.definition.name.clone()));
        }
        let mut definitions = self.definitions();
        definitions.remove(name);
        Ok(Self { roles: resolve(definitions), permissions: self.permissions.clone() })
    }

    /// The catalogue with the permission made, or described anew.
    pub fn with_permission(
        &self,
        name: PermissionName,
        description: Description,
    ) -> Result<Self, CatalogueError> {
        if self.permissions.get(&name).is_some_and(|permission| permission.built_in) {
            return Err(CatalogueError::BuiltIn);
        }
        let mut changed = self.clone();
        changed.permissions.insert(name.clone(), Permission { name, description, built_in: false });
        if changed.permissions.len() > Self::MAX_PERMISSIONS {
            return Err(CatalogueError::TooMany);
        }
        Ok(changed)
    }

    /// The catalogue without the permission, which no role names any more.
    pub fn without_permission(&self, name: &PermissionName) -> Result<Self, CatalogueError> {
        let permission = self.permissions.get(name).ok_or(CatalogueError::Unknown)?;
        if permission.built_in {
            return Err(CatalogueError::BuiltIn);
        }
        if let Some(role) = self.roles().find(|role| role.definition.permissions.contains(name)) {
            return Err(CatalogueError::NamedByRole(role.definition.name.clone()));
        }
        let mut changed = self.clone();
        changed.permissions.remove(name);
        Ok(changed)
    }

    /// Everything that a role permits or has permitted which is another one in `after`. Whoever makes that change touches all of
    /// its holders, and those of every role that inherits from it.
    #[must_use]
    pub fn touched(&self, after: &Self) -> Permissions {
        let differs =
            |role: &&Role| self.roles.get(&role.definition.name) != after.roles.get(&role.definition.name);
        let mut touched = Permissions::default();
        self.roles().chain(after.roles()).filter(differs).for_each(|role| touched.extend(&role.effective));
        touched
    }

    /// Whether `heir` inherits from `ancestor`, however indirectly.
    fn inherits_from(&self, heir: &RoleName, ancestor: &RoleName) -> bool {
        let mut seen = BTreeSet::new();
        let mut ahead = vec![heir];
        while let Some(name) = ahead.pop() {
            if name == ancestor {
                return true;
            }
            if seen.insert(name) {
                ahead.extend(self.roles.get(name).into_iter().flat_map(|role| &role.definition.inherits));
            }
        }
        false
    }

    fn definitions(&self) -> BTreeMap<RoleName, RoleDefinition> {
        self.roles.iter().map(|(name, role)| (name.clone(), role.definition.clone())).collect()
    }
}

/// Works out what each role permits. Each is worked out once, however many inherit from it.
fn resolve(definitions: BTreeMap<RoleName, RoleDefinition>) -> BTreeMap<RoleName, Role> {
    let mut effective = BTreeMap::new();
    for name in definitions.keys() {
        work_out(name, &definitions, &mut effective);
    }
    let is_built_in = |name: &RoleName| BUILT_IN_ROLES.iter().any(|role| role.0 == name.as_str());
    let with_effective = |(name, definition): (RoleName, RoleDefinition)| {
        let effective = effective.remove(&name).unwrap_or_default();
        let built_in = is_built_in(&name);
        (name, Role { definition, effective, built_in })
    };
    definitions.into_iter().map(with_effective).collect()
}

/// Works out `start` and whatever it inherits from, deepest first, with a stack of its own: a long line of heirs must not use up
/// the thread's. Whoever is on the stack already counts as nothing, so that a circle ends.
fn work_out(
    start: &RoleName,
    definitions: &BTreeMap<RoleName, RoleDefinition>,
    effective: &mut BTreeMap<RoleName, Permissions>,
) {
    let mut begun = BTreeSet::new();
    let mut stack = vec![start];
    while let Some(&name) = stack.last() {
        let Some(definition) = definitions.get(name).filter(|_| !effective.contains_key(name)) else {
            stack.pop();
            continue;
        };
        if begun.insert(name) {
            stack.extend(definition.inherits.iter().filter(|inherited| !begun.contains(inherited)));
            continue;
        }
        let mut all = definition.permissions.clone();
        definition
            .inherits
            .iter()
            .filter_map(|inherited| effective.get(inherited))
            .for_each(|one| all.extend(one));
        effective.insert(name.clone(), all);
        stack.pop();
    }
}

fn built_in_roles() -> impl Iterator<Item = RoleDefinition> {
    BUILT_IN_ROLES.iter().filter_map(|(name, text, permissions)| {
        Some(RoleDefinition {
            name: RoleName::parse(name).ok()?,
            description: Description::from_stored(*text),
            permissions: permissions.iter().map(|name| PermissionName::known(name)).collect(),
            inherits: Vec::new(),
        })
    })
}

/// A name, what it is for, and its permissions.
type BuiltInRole = (&'static str, &'static str, &'static [&'static str]);

const BUILT_IN_ROLES: [BuiltInRole; 5] = [
    ("admin", "May do everything.", &["system:admin"]),
    (
        "developer",
        "Builds models, experiments and data sets.",
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
        "Works with data and experiments, and makes models.",
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
        "Makes models and deploys them.",
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
    ("viewer", "Sees models, experiments and data.", &["data:view", "experiment:view", "model:view"]),
];

const BUILT_IN_PERMISSIONS: [(&str, &str); 23] = [
    ("audit:view", "See the audit trail."),
    ("data:create", "Make data sets."),
    ("data:delete", "Delete data sets."),
    ("data:update", "Change data sets."),
    ("data:view", "See data sets."),
    ("experiment:create", "Make experiments."),
    ("experiment:delete", "Delete experiments."),
    ("experiment:update", "Change experiments."),
    ("experiment:view", "See experiments."),
    ("model:create", "Make models."),
    ("model:delete", "Delete models."),
    ("model:deploy", "Deploy models."),
    ("model:update", "Change models."),
    ("model:view", "See models."),
    ("role:delete", "Delete roles and permissions."),
    ("role:update", "Make and change roles and permissions."),
    ("role:view", "See roles and permissions."),
    ("system:admin", "Do everything: it implies every other permission."),
    ("system:config", "Manage signing keys and registered services."),
    ("user:create", "Make user accounts."),
    ("user:delete", "Delete user accounts."),
    ("user:update", "Change user accounts and end their sessions."),
    ("user:view", "See user accounts."),
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name(name: &str) -> RoleName {
        RoleName::parse(name).unwrap()
    }

    fn permission(name: &str) -> PermissionName {
        PermissionName::parse(name).unwrap()
    }

    fn role(own: &str, permissions: &[&str], inherits: &[&str]) -> RoleDefinition {
        RoleDefinition {
            name: name(own),
            description: Description::default(),
            permissions: permissions.iter().map(|one| permission(one)).collect(),
            inherits: inherits.iter().map(|one| name(one)).collect(),
        }
    }

    #[test]
    fn what_is_built_in_is_well_formed() {
        let catalogue = RoleCatalogue::built_in();
        assert_eq!(catalogue.roles().count(), BUILT_IN_ROLES.len());
        assert_eq!(catalogue.permissions().count(), BUILT_IN_PERMISSIONS.len());
        for (own, _, permissions) in BUILT_IN_ROLES {
            assert!(permissions.is_sorted());
            assert!(catalogue.role(&name(own)).unwrap().built_in);
            assert!(permissions.iter().all(|one| catalogue.permission(&permission(one)).unwrap().built_in));
        }
        assert!(BUILT_IN_PERMISSIONS.iter().all(|(own, _)| PermissionName::parse(own).is_ok()));
    }

    #[test]
    fn roles_permit_what_they_hold_and_inherit_and_an_admin_everything() {
        let catalogue = RoleCatalogue::built_in()
            .with_role(role("lead", &["user:view"], &["ml_engineer"]))
            .unwrap()
            .with_role(role("chief", &[], &["lead", "viewer"]))
            .unwrap();
        let permits = |own: &str, one: &str| catalogue.permit(&Roles::single(name(own)), &permission(one));
        assert!(permits("viewer", "model:view") && !permits("viewer", "model:deploy"));
        assert!(permits("chief", "model:deploy") && permits("chief", "user:view"));
        assert!(!permits("chief", "user:update") && !permits("unknown", "model:view"));
        assert!(permits("admin", "any-thing:at_all"));
        let both = Roles::from_names([name("viewer"), name("lead")]).unwrap();
        assert!(catalogue.permissions_of(&both).contains(&permission("model:deploy")));
    }

    #[test]
    fn a_change_touches_the_heirs_of_a_role_too() {
        let before = RoleCatalogue::built_in()
            .with_role(role("base", &["model:view"], &[]))
            .unwrap()
            .with_role(role("ops", &["user:delete"], &["base"]))
            .unwrap();
        let touched = |definition| before.touched(&before.with_role(definition).unwrap());
        let emptied = touched(role("base", &[], &[]));
        assert!(emptied.contains(&permission("user:delete")) && emptied.contains(&permission("model:view")));
        let made = touched(role("other", &["data:view"], &[]));
        assert_eq!(made.iter().map(PermissionName::as_str).collect::<Vec<_>>(), ["data:view"]);
        assert!(before.touched(&before).is_empty());
    }

    #[test]
    fn a_built_in_role_can_be_changed_but_for_admin_and_none_can_be_deleted() {
        let catalogue = RoleCatalogue::built_in();
        let changed = catalogue.with_role(role("viewer", &["model:deploy"], &[])).unwrap();
        assert!(changed.role(&name("viewer")).unwrap().built_in);
        assert!(changed.permit(&Roles::single(name("viewer")), &permission("model:deploy")));
        assert_eq!(catalogue.with_role(role("admin", &[], &[])), Err(CatalogueError::BuiltIn));
        assert_eq!(changed.without_role(&name("viewer")), Err(CatalogueError::BuiltIn));
        let stored = RoleCatalogue::from_stored([role("admin", &[], &[])], []);
        assert!(stored.permit(&Roles::single(name("admin")), &permission("x:y")), "admin is what it is");
    }

    #[test]
    fn what_does_not_exist_and_what_goes_in_circles_is_refused() {
        let catalogue = RoleCatalogue::built_in();
        let refused = |role| catalogue.with_role(role).unwrap_err();
        assert_eq!(
            refused(role("a", &["data:view", "no:such"], &[])),
            CatalogueError::UnknownPermission(permission("no:such"))
        );
        assert_eq!(refused(role("a", &[], &["viewer", "b"])), CatalogueError::UnknownInherited(name("b")));
        assert_eq!(refused(role("a", &[], &["a"])), CatalogueError::Cycle(name("a")));
        let catalogue = catalogue.with_role(role("a", &[], &["viewer"])).unwrap();
        let catalogue = catalogue.with_role(role("b", &[], &["a"])).unwrap();
        assert_eq!(catalogue.with_role(role("viewer", &[], &["b"])), Err(CatalogueError::Cycle(name("b"))));
        assert_eq!(catalogue.without_role(&name("a")), Err(CatalogueError::NamedByRole(name("b"))));
        assert_eq!(catalogue.without_role(&name("c")), Err(CatalogueError::Unknown));
        let catalogue = catalogue.without_role(&name("b")).unwrap().without_role(&name("a")).unwrap();
        assert_eq!(catalogue, RoleCatalogue::built_in());
    }

    #[test]
    fn permissions_come_and_go_while_no_role_names_them() {
        let catalogue = RoleCatalogue::built_in();
        let own = permission("report:print");
        let catalogue = catalogue.with_permission(own.clone(), Description::default()).unwrap();
        let named = catalogue.with_role(role("printer", &["report:print"], &[])).unwrap();
        assert_eq!(named.without_permission(&own), Err(CatalogueError::NamedByRole(name("printer"))));
        assert_eq!(catalogue.without_permission(&own).unwrap(), RoleCatalogue::built_in());
        let built_in = permission("user:view");
        assert_eq!(catalogue.without_permission(&built_in), Err(CatalogueError::BuiltIn));
        assert_eq!(catalogue.with_permission(built_in, Description::default()), Err(CatalogueError::BuiltIn));
        assert_eq!(catalogue.without_permission(&permission("no:such")), Err(CatalogueError::Unknown));
    }

    #[test]
    fn a_catalogue_has_bounds() {
        let mut catalogue = RoleCatalogue::built_in();
        let mut heir = "viewer".to_owned();
        for number in catalogue.roles().count()..RoleCatalogue::MAX_ROLES {
            let own = format!("r{number}");
            catalogue = catalogue.with_role(role(&own, &[], &[&heir])).unwrap();
            heir = own;
        }
        assert!(catalogue.permit(&Roles::single(name(&heir)), &permission("model:view")), "a long line");
        assert_eq!(catalogue.with_role(role("more", &[], &[])), Err(CatalogueError::TooMany));

        let long = |number: usize| permission(&format!("{}:a{number}", "x".repeat(60)));
        let all: Vec<_> = (0..200).map(|number| (long(number), Description::default())).collect();
        let base = RoleDefinition {
            permissions: all.iter().map(|(own, _)| own.clone()).collect(),
            ..role("base", &[], &[])
        };
        let mut wide = RoleCatalogue::from_stored([base], all);
        let refused = (0..100).find_map(|number| {
            match wide.with_role(role(&format!("w{number}"), &[], &["base"])) {
                Ok(changed) => wide = changed,
                Err(error) => return Some(error),
            }
            None
        });
        assert_eq!(refused, Some(CatalogueError::TooLarge));
    }

    proptest! {
        /// Whatever a storage gives back, circles included, is worked out in an end.
        #[test]
        fn any_inheritance_is_worked_out(edges in prop::collection::vec((0..12_usize, 0..12_usize), 0..40)) {
            let names: Vec<String> = (0..12).map(|number| format!("r{number}")).collect();
            let definitions = (0..12).map(|own| {
                let inherits: Vec<&str> =
                    edges.iter().filter(|edge| edge.0 == own).map(|edge| names[edge.1].as_str()).collect();
                role(&names[own], if own == 11 { &["model:deploy"] } else { &[] }, &inherits)
            });
            let catalogue = RoleCatalogue::from_stored(definitions, []);
            for own in &names {
                let is_heir = own == "r11" || catalogue.inherits_from(&name(own), &name("r11"));
                let is_circular = edges.iter().any(|edge| {
                    edge.0 == edge.1 || catalogue.inherits_from(&name(&names[edge.1]), &name(&names[edge.0]))
                });
                let permits = catalogue.permit(&Roles::single(name(own)), &permission("model:deploy"));
                prop_assert!(is_circular || permits == is_heir);
            }
        }
    }
}
