use unicode_normalization::UnicodeNormalization;

use crate::{DisplayName, Email, Generation, PasswordHash, RoleName, Roles, TenantId, Timestamp, UserId};

/// A user as the store holds it, without its password hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    pub id: UserId,
    pub tenant: TenantId,
    pub email: Email,
    pub name: DisplayName,
    pub roles: Roles,
    pub is_active: bool,
    pub email_verified: bool,
    pub created_at: Timestamp,
    pub last_login_at: Option<Timestamp>,
    /// What the `gen` of a live access token must be.
    pub generation: Generation,
    /// Sessions opened at an earlier generation have ended, all at once and without being listed.
    pub session_floor: Generation,
}

/// What is to change of a user. What is `None` stays.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UserChange {
    pub name: Option<DisplayName>,
    pub roles: Option<Roles>,
    pub is_active: Option<bool>,
}

impl User {
    /// Whether this user and `other`, the same one at another moment, differ in nothing that a decision about it rests on: all but
    /// the time of the last login.
    #[must_use]
    pub fn is_as(&self, other: &Self) -> bool {
        *self == Self { last_login_at: self.last_login_at, ..other.clone() }
    }

    /// The user after the change: with a higher generation if its older tokens must die, and a higher session floor if its
    /// sessions must end. Every storage follows this one rule (api.md section 8).
    #[must_use]
    pub fn changed(&self, change: &UserChange) -> Self {
        let mut user = self.clone();
        if let Some(name) = &change.name {
            user.name = name.clone();
        }
        if let Some(roles) = &change.roles {
            user.roles = roles.clone();
        }
        if let Some(is_active) = change.is_active {
            user.is_active = is_active;
        }
        let is_deactivated = self.is_active && !user.is_active;
        if is_deactivated || user.roles != self.roles {
            user.generation = self.generation.next();
        }
        if is_deactivated {
            user.session_floor = user.generation;
        }
        user
    }

    /// Whether this user is an active admin, and `after` is none: then somebody else must be one.
    #[must_use]
    pub fn stops_administrating(&self, after: &Self) -> bool {
        self.is_active_admin() && !after.is_active_admin()
    }

    /// Whether the user is active and has the role `admin`.
    #[must_use]
    pub fn is_active_admin(&self) -> bool {
        self.is_active && self.roles.contains(&RoleName::admin())
    }
}

/// Which users of a tenant are asked for. What is `None` is not asked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UserFilter {
    /// A part of the address or the name, in any case: see [`search_key`].
    pub query: Option<String>,
    pub role: Option<RoleName>,
    pub is_active: Option<bool>,
}

impl UserFilter {
    /// Whether the user is among those asked for.
    #[must_use]
    pub fn matches(&self, user: &User) -> bool {
        let contains = |part: &String| {
            let part = search_key(part);
            user.email.canonical().contains(&part)
                || search_key(user.email.as_str()).contains(&part)
                || search_key(user.name.as_str()).contains(&part)
        };
        self.query.as_ref().is_none_or(contains)
            && self.role.as_ref().is_none_or(|role| user.roles.contains(role))
            && self.is_active.is_none_or(|active| active == user.is_active)
    }
}

/// The form in which a search compares texts.
fn search_key(text: &str) -> String {
    text.nfc().collect::<String>().to_lowercase()
}

/// A user about to be stored. It starts active and unverified, at the first generation.
#[derive(Debug, Clone)]
pub struct NewUser {
    pub id: UserId,
    pub tenant: TenantId,
    pub email: Email,
    pub name: DisplayName,
    pub roles: Roles,
    pub password_hash: PasswordHash,
    pub created_at: Timestamp,
}

impl NewUser {
    /// The user that comes of it.
    #[must_use]
    pub fn into_user(self) -> User {
        User {
            id: self.id,
            tenant: self.tenant,
            email: self.email,
            name: self.name,
            roles: self.roles,
            is_active: true,
            email_verified: false,
            created_at: self.created_at,
            last_login_at: None,
            generation: Generation::FIRST,
            session_floor: Generation::FIRST,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user() -> User {
        NewUser {
            id: UserId::generate(Timestamp::from_unix_seconds(0), [1; 10]),
            tenant: TenantId::DEFAULT,
            email: Email::parse("Ada@Example.com").unwrap(),
            name: DisplayName::parse("Ada Lovelace-Ö").unwrap(),
            roles: Roles::from_names([RoleName::viewer(), RoleName::admin()]).unwrap(),
            password_hash: PasswordHash::new(String::new()),
            created_at: Timestamp::from_unix_seconds(0),
        }
        .into_user()
    }

    #[test]
    fn a_change_ends_what_it_must_and_nothing_else() {
        let user = user();
        let change = |change: UserChange| user.changed(&change);
        let named = change(UserChange { name: DisplayName::parse("Countess").ok(), ..UserChange::default() });
        assert_eq!((named.generation, named.session_floor), (user.generation, user.session_floor));
        let same = change(UserChange { roles: Some(user.roles.clone()), is_active: Some(true), name: None });
        assert_eq!(same, user);
        let demoted =
            change(UserChange { roles: Some(Roles::single(RoleName::viewer())), ..UserChange::default() });
        assert_eq!((demoted.generation, demoted.session_floor), (user.generation.next(), user.session_floor));
        let out = change(UserChange { is_active: Some(false), ..UserChange::default() });
        assert_eq!((out.generation, out.session_floor), (user.generation.next(), user.generation.next()));
        assert!(user.stops_administrating(&demoted) && user.stops_administrating(&out));
        assert!(!user.stops_administrating(&named) && !out.stops_administrating(&demoted));
        let back = out.changed(&UserChange { is_active: Some(true), ..UserChange::default() });
        assert_eq!(back.generation, out.generation, "who comes back has nothing to lose");
        assert!(!user.is_as(&named));
        assert!(user.is_as(&User { last_login_at: Some(Timestamp::from_unix_seconds(9)), ..user.clone() }));
    }

    #[test]
    fn a_filter_finds_parts_in_any_case() {
        let user = user();
        let finds = |query: &str| {
            UserFilter { query: Some(query.to_owned()), ..UserFilter::default() }.matches(&user)
        };
        assert!(finds("ada@") && finds("EXAMPLE") && finds("lovelace-o\u{308}") && finds("-ö") && finds(""));
        assert!(!finds("grace") && !finds("%"));
        let of = |role: &str, active| {
            let role = RoleName::parse(role).ok();
            UserFilter { query: None, role, is_active: Some(active) }.matches(&user)
        };
        assert!(of("admin", true) && of("viewer", true));
        assert!(!of("admin", false) && !of("adm", true));
    }
}
