use std::cell::RefCell;
use std::sync::Arc;

use actix_web::http::header::HeaderValue;
use actix_web::web::Bytes;
use maestro_auth_domain::{User, UserId};
use maestro_auth_ports::StoredCatalogue;

use super::representations::{Identity, UserBody, identity};
use crate::http::{ApiError, ErrorCode};

pub(super) const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// What one worker showed of users lately, as bodies and as headers: writing one takes ten times as long as finding it here.
///
/// Each lies beside the user and the roles that it shows, and serves no other, so there is nothing to keep up to date. Whoever comes to a
/// slot takes it over, so there is nothing to sweep.
pub(in crate::http) struct RenderedUsers {
    slots: RefCell<Vec<Option<Rendered>>>,
}

struct Rendered {
    user: Arc<User>,
    /// By which the body tells what the roles permit; `None` beside an empty body, which nobody has asked for yet.
    catalogue: Option<Arc<StoredCatalogue>>,
    body: Bytes,
    identity: Identity,
}

impl RenderedUsers {
    /// The last byte of an id is random, so it makes a fair slot. All of them full take about 300 KiB.
    const SLOTS: usize = 256;

    /// The user as the body of an answer.
    pub(super) fn body_of(
        &self,
        user: Arc<User>,
        catalogue: Arc<StoredCatalogue>,
    ) -> Result<Bytes, ApiError> {
        self.show(user, Some(catalogue), |rendered| rendered.body.clone())
    }

    /// The user as the headers of an answer.
    pub(super) fn identity_of(&self, user: Arc<User>) -> Result<Identity, ApiError> {
        self.show(user, None, |rendered| rendered.identity.clone())
    }

    fn show<T>(
        &self,
        user: Arc<User>,
        catalogue: Option<Arc<StoredCatalogue>>,
        part: impl Fn(&Rendered) -> T,
    ) -> Result<T, ApiError> {
        let slot = slot_of(user.id);
        if let Some(rendered) = &self.slots.borrow()[slot]
            && rendered.user == user
            && (catalogue.is_none() || rendered.catalogue == catalogue)
        {
            return Ok(part(rendered));
        }
        let rendered = Rendered::of(user, catalogue)?;
        let shown = part(&rendered);
        self.slots.borrow_mut()[slot] = Some(rendered);
        Ok(shown)
    }
}

impl Rendered {
    fn of(user: Arc<User>, catalogue: Option<Arc<StoredCatalogue>>) -> Result<Self, ApiError> {
        let body = match &catalogue {
            Some(roles) => {
                let permissions = roles.catalogue.permissions_of(&user.roles);
                serde_json::to_vec(&UserBody::of(&user, &permissions)).map(Bytes::from)
            }
            None => Ok(Bytes::new()),
        };
        let body = body.map_err(|error| ApiError::new(ErrorCode::InternalError).caused_by(error))?;
        Ok(Self { identity: identity(&user)?, user, catalogue, body })
    }
}

impl Default for RenderedUsers {
    fn default() -> Self {
        Self { slots: RefCell::new((0..Self::SLOTS).map(|_| None).collect()) }
    }
}

fn slot_of(user: UserId) -> usize {
    let [.., last] = *user.as_uuid().as_bytes();
    usize::from(last)
}

#[cfg(test)]
mod tests {
    use maestro_auth_domain::{
        CatalogueRevision, Description, DisplayName, Email, Generation, PermissionName, RoleCatalogue,
        RoleDefinition, RoleName, Roles, TenantId, Timestamp,
    };

    use super::*;

    fn user(first_random: u8, name: &str) -> Arc<User> {
        let mut random = [7; 10];
        random[0] = first_random;
        let created_at = Timestamp::from_unix_seconds(1_800_000_000);
        Arc::new(User {
            id: UserId::generate(created_at, random),
            tenant: TenantId::DEFAULT,
            email: Email::parse("test@example.com").unwrap(),
            name: DisplayName::parse(name).unwrap(),
            roles: Roles::single(RoleName::viewer()),
            is_active: true,
            email_verified: false,
            created_at,
            last_login_at: None,
            generation: Generation::FIRST,
            session_floor: Generation::FIRST,
        })
    }

    fn catalogue(permission: &str) -> Arc<StoredCatalogue> {
        let viewer = RoleDefinition {
            name: RoleName::viewer(),
            description: Description::default(),
            permissions: std::iter::once(PermissionName::parse(permission).unwrap()).collect(),
            inherits: Vec::new(),
        };
        let catalogue = RoleCatalogue::from_stored([viewer], []);
        Arc::new(StoredCatalogue { catalogue, revision: CatalogueRevision::FIRST })
    }

    #[test]
    fn a_body_shows_what_the_roles_permit_now() {
        let rendered = RenderedUsers::default();
        let user = user(1, "Test User");
        let identity = rendered.identity_of(Arc::clone(&user)).unwrap();
        for permission in ["model:view", "model:deploy", "model:view"] {
            let body = rendered.body_of(Arc::clone(&user), catalogue(permission)).unwrap();
            let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(body["permissions"], serde_json::json!([permission]));
            assert_eq!(rendered.identity_of(Arc::clone(&user)).unwrap(), identity);
        }
    }

    #[test]
    fn a_body_shows_its_user_as_it_is_now() {
        let rendered = RenderedUsers::default();
        let name_shown = |user: &Arc<User>| {
            let body = rendered.body_of(Arc::clone(user), catalogue("model:view")).unwrap();
            serde_json::from_slice::<serde_json::Value>(&body).unwrap()["name"].as_str().unwrap().to_owned()
        };
        // The same user twice, the same one changed, another one in the same slot, and the first again.
        let (before, after, other) = (user(1, "Before"), user(1, "After"), user(2, "Other"));
        assert_eq!(slot_of(before.id), slot_of(other.id));
        for (user, name) in [
            (&before, "Before"),
            (&before, "Before"),
            (&after, "After"),
            (&other, "Other"),
            (&before, "Before"),
        ] {
            assert_eq!(name_shown(user), name);
        }
    }

    #[test]
    fn a_user_is_rendered_once() {
        let rendered = RenderedUsers::default();
        let first = rendered.body_of(user(1, "Test User"), catalogue("model:view")).unwrap();
        let second = rendered.body_of(user(1, "Test User"), catalogue("model:view")).unwrap();
        assert_eq!(first.as_ptr(), second.as_ptr());
    }
}
