//! The case of [`Effects`]: what is told of a step commits with it, or not at all.

use maestro_auth_domain::{
    CatalogueRevision, NewUser, PasswordVersion, RefreshCounter, RefreshPolicy, RoleName, Roles, Service,
    TenantId, User, UserChange,
};

use super::StorageUnderTest;
use super::audit::is_told;
use super::fixtures::{
    POLICY, admin, argon2_hash, create, effects, key_id, register, revision, role, role_name, secret_hash,
    service, session, set_active, set_roles, signing_key, stored_key, token, user, when, with_role,
};
use crate::{
    Algorithm, CatalogueChange, CatalogueOutcome, CreateOutcome, CreateServiceOutcome, DeleteOutcome,
    Effects, FirstAdminOutcome, OpenOutcome, RegisterOutcome, RevokeAllOutcome, RevokeKeyOutcome,
    RotateOutcome, SetPasswordOutcome, Stores, UpdateOutcome,
};

const TENANT: TenantId = TenantId::DEFAULT;
const FIRST: CatalogueRevision = CatalogueRevision::FIRST;

/// Every step that changes something has left its entry, once and as it was given, when it returns; a step that was refused,
/// or found done what it should do, has left none.
pub async fn an_entry_commits_with_its_cause(storage: &dyn StorageUnderTest) {
    let stores = storage.open().await;
    let trail = Trail { reader: storage.open().await };
    make_users(&stores, &trail, storage.another_tenant().await).await;
    change_users(&stores, &trail).await;
    delete_users(&stores, &trail).await;
    open_and_end_sessions(&stores, &trail).await;
    refresh(&stores, &trail).await;
    change_keys(&stores, &trail).await;
    change_roles_and_services(&stores, &trail).await;
}

/// The audit trail as another instance reads it.
struct Trail {
    reader: Stores,
}

impl Trail {
    /// Demands that a step left its entry.
    async fn tells(&self, told: &Effects, what: &str) {
        assert!(is_told(&self.reader, &told.audit).await, "{what} was not told");
    }

    /// Demands that a step left nothing.
    async fn is_silent_about(&self, told: &Effects, what: &str) {
        assert!(!is_told(&self.reader, &told.audit).await, "{what} was told, and changed nothing");
    }
}

async fn make_users(stores: &Stores, trail: &Trail, other: TenantId) {
    let new = user();
    let register = |new: &NewUser, checked, told: &Effects| {
        stores.users.register(new.clone(), session(0), checked, told.clone())
    };
    let told = effects();
    assert!(matches!(register(&new, FIRST, &told).await.unwrap(), RegisterOutcome::Registered(..)));
    trail.tells(&told, "a registration").await;
    let told = effects();
    assert_eq!(register(&new, FIRST, &told).await.unwrap(), RegisterOutcome::EmailTaken);
    trail.is_silent_about(&told, "a registration with a taken address").await;
    let told = effects();
    assert_eq!(register(&user(), FIRST.next(), &told).await.unwrap(), RegisterOutcome::Overtaken);
    trail.is_silent_about(&told, "a registration that was overtaken").await;

    let told = effects();
    let outcome = stores.users.create(user(), FIRST, told.clone()).await.unwrap();
    assert!(matches!(outcome, CreateOutcome::Created(_)));
    trail.tells(&told, "a new user").await;
    let told = effects();
    assert_eq!(stores.users.create(new, FIRST, told.clone()).await.unwrap(), CreateOutcome::EmailTaken);
    trail.is_silent_about(&told, "a new user with a taken address").await;
    let told = effects();
    let outcome = stores.users.create(user(), FIRST.next(), told.clone()).await.unwrap();
    assert_eq!(outcome, CreateOutcome::Overtaken);
    trail.is_silent_about(&told, "a new user who was overtaken").await;

    let viewer = create(stores, NewUser { tenant: other, ..user() }).await;
    let twin = NewUser { tenant: other, email: viewer.email, ..admin() };
    let told = effects();
    let outcome = stores.users.create_first_admin(twin, told.clone()).await.unwrap();
    assert_eq!(outcome, FirstAdminOutcome::EmailTaken);
    trail.is_silent_about(&told, "a first admin with a taken address").await;
    let mut told = effects();
    told.audit.tenant = other;
    let first = NewUser { tenant: other, ..admin() };
    let outcome = stores.users.create_first_admin(first, told.clone()).await.unwrap();
    assert!(matches!(outcome, FirstAdminOutcome::Created(_)));
    trail.tells(&told, "a first admin").await;
    let told = effects();
    let second = NewUser { tenant: other, ..admin() };
    let outcome = stores.users.create_first_admin(second, told.clone()).await.unwrap();
    assert_eq!(outcome, FirstAdminOutcome::AdminExists);
    trail.is_silent_about(&told, "a second first admin").await;
}

async fn change_users(stores: &Stores, trail: &Trail) {
    let only = create(stores, admin()).await;
    let seen = create(stores, user()).await;
    let update = |seen: &User, change: &UserChange, checked, told: &Effects| {
        let (seen, change, told) = (seen.clone(), change.clone(), told.clone());
        async move { stores.users.update(&seen, change, checked, when(1), told).await.unwrap() }
    };
    let out = UserChange { is_active: Some(false), ..UserChange::default() };
    let roles = Some(Roles::from_names([RoleName::viewer(), role_name("developer")]).unwrap());
    let other_roles = UserChange { roles, ..UserChange::default() };

    let told = effects();
    let UpdateOutcome::Done(now) = update(&seen, &other_roles, Some(FIRST), &told).await else {
        panic!("a user that nobody else touched was not changed");
    };
    trail.tells(&told, "a change of roles").await;
    let told = effects();
    assert_eq!(update(&now, &other_roles, Some(FIRST), &told).await, UpdateOutcome::Done(now.clone()));
    trail.is_silent_about(&told, "a change to what is so already").await;
    let told = effects();
    assert_eq!(update(&seen, &out, None, &told).await, UpdateOutcome::Overtaken);
    trail.is_silent_about(&told, "a change of what was not seen").await;
    let told = effects();
    assert_eq!(update(&now, &out, Some(FIRST.next()), &told).await, UpdateOutcome::Overtaken);
    trail.is_silent_about(&told, "a change that the catalogue overtook").await;
    let told = effects();
    assert_eq!(update(&only, &out, None, &told).await, UpdateOutcome::LastAdmin);
    trail.is_silent_about(&told, "a deactivation of the last admin").await;
    let told = effects();
    assert_eq!(update(&user().into_user(), &out, None, &told).await, UpdateOutcome::Unknown);
    trail.is_silent_about(&told, "a change of nobody").await;
    let told = effects();
    assert!(matches!(update(&now, &out, None, &told).await, UpdateOutcome::Done(_)));
    trail.tells(&told, "a deactivation").await;

    let told = effects();
    let outcome = stores.users.set_password(seen.id, argon2_hash(), when(1), told.clone()).await.unwrap();
    assert!(matches!(outcome, SetPasswordOutcome::Changed(_)));
    trail.tells(&told, "a new password").await;
    let told = effects();
    let outcome = stores.users.set_password(user().id, argon2_hash(), when(1), told.clone()).await.unwrap();
    assert_eq!(outcome, SetPasswordOutcome::Unknown);
    trail.is_silent_about(&told, "a new password of nobody").await;
}

/// There is one active admin when this begins.
async fn delete_users(stores: &Stores, trail: &Trail) {
    let admins = super::users::list(stores, TENANT).await;
    let only = admins.iter().find(|user| user.is_active_admin()).unwrap();
    let before = create(stores, user()).await;
    set_active(stores, before.id, false, when(1)).await;
    let now = stores.users.find(TENANT, before.id).await.unwrap().unwrap();
    let delete = |seen: &User, told: &Effects| {
        let (seen, told) = (seen.clone(), told.clone());
        async move { stores.users.delete(&seen, when(1), told).await.unwrap() }
    };

    let told = effects();
    assert_eq!(delete(&before, &told).await, DeleteOutcome::Overtaken);
    trail.is_silent_about(&told, "a deletion of what was not seen").await;
    let told = effects();
    assert_eq!(delete(only, &told).await, DeleteOutcome::LastAdmin);
    trail.is_silent_about(&told, "a deletion of the last admin").await;
    let told = effects();
    assert!(matches!(delete(&now, &told).await, DeleteOutcome::Deleted(_)));
    trail.tells(&told, "a deletion").await;
    let told = effects();
    assert_eq!(delete(&now, &told).await, DeleteOutcome::Unknown);
    trail.is_silent_about(&told, "a deletion of nobody").await;
}

async fn open_and_end_sessions(stores: &Stores, trail: &Trail) {
    let (user, first) = register(stores, user()).await;
    let password = PasswordVersion::FIRST;
    let told = effects();
    let outcome = stores.sessions.open(user.id, password, None, session(1), told.clone()).await.unwrap();
    assert!(matches!(outcome, OpenOutcome::Opened(_)));
    trail.tells(&told, "a login").await;
    let told = effects();
    let upgrade = Some(argon2_hash());
    let outcome =
        stores.sessions.open(user.id, password.next(), upgrade, session(1), told.clone()).await.unwrap();
    assert_eq!(outcome, OpenOutcome::Refused);
    trail.is_silent_about(&told, "a refused login").await;

    let second = session(1);
    stores.sessions.open(user.id, password, None, second, effects()).await.unwrap();
    let told = effects();
    stores.sessions.revoke(second.id, when(2), told.clone()).await.unwrap();
    trail.tells(&told, "a logout").await;
    for (ended, what) in [(second.id, "a second logout"), (session(0).id, "a logout of nobody")] {
        let told = effects();
        stores.sessions.revoke(ended, when(3), told.clone()).await.unwrap();
        trail.is_silent_about(&told, what).await;
    }

    let told = effects();
    let outcome = stores.sessions.revoke_all(first.id, when(4), told.clone()).await.unwrap();
    assert!(matches!(outcome, RevokeAllOutcome::Revoked(_)));
    trail.tells(&told, "a logout everywhere").await;
    let told = effects();
    let outcome = stores.sessions.revoke_all(first.id, when(5), told.clone()).await.unwrap();
    assert_eq!(outcome, RevokeAllOutcome::Powerless);
    trail.is_silent_about(&told, "a logout everywhere by an ended session").await;

    let (user, _) = register(stores, super::fixtures::user()).await;
    let told = effects();
    let ended = stores.sessions.revoke_all_of(TENANT, user.id, when(6), told.clone()).await.unwrap();
    assert!(ended.is_some());
    trail.tells(&told, "the end of a user's sessions").await;
    let told = effects();
    let nobody = super::fixtures::user().id;
    assert_eq!(stores.sessions.revoke_all_of(TENANT, nobody, when(7), told.clone()).await.unwrap(), None);
    trail.is_silent_about(&told, "the end of nobody's sessions").await;

    let token = token();
    let told = effects();
    stores.sessions.revoke_token(TENANT, token, when(8), told.clone()).await.unwrap();
    trail.tells(&told, "a revoked token").await;
    let told = effects();
    stores.sessions.revoke_token(TENANT, token, when(9), told.clone()).await.unwrap();
    trail.is_silent_about(&told, "a token that was revoked before").await;
}

async fn refresh(stores: &Stores, trail: &Trail) {
    let key = stored_key(stores).await;
    let (user, opened) = register(stores, user()).await;
    let (_, idle) = register(stores, super::fixtures::user()).await;
    let first = RefreshCounter::FIRST;
    let never_idle = RefreshPolicy { idle_ttl: std::time::Duration::ZERO, ..POLICY };
    let reused = RotateOutcome::Reused(user.id);
    let steps = [
        (opened.id, key, POLICY, 1, None, "a rotation"),
        (opened.id, key, POLICY, 2, None, "a replay"),
        (opened.id, key_id(), POLICY, 20, Some(RotateOutcome::KeyRevoked), "a refresh with a revoked key"),
        (opened.id, key, POLICY, 20, Some(reused), "a reuse"),
        (opened.id, key, POLICY, 21, Some(RotateOutcome::Ended), "a refresh of an ended session"),
        (idle.id, key, never_idle, 1, Some(RotateOutcome::Expired), "a refresh that comes too late"),
        (session(0).id, key, POLICY, 1, Some(RotateOutcome::Unknown), "a refresh of nothing"),
    ];
    for (session, key, policy, seconds, expected, what) in steps {
        let told = effects();
        let outcome =
            stores.sessions.rotate(session, first, key, policy, when(seconds), told.clone()).await.unwrap();
        match expected {
            Some(expected) => assert_eq!(outcome, expected, "{what}"),
            None => {
                assert!(matches!(outcome, RotateOutcome::Rotated(_) | RotateOutcome::Replayed(_)), "{what}");
            }
        }
        if what == "a reuse" {
            trail.tells(&told, what).await;
        } else {
            trail.is_silent_about(&told, what).await;
        }
    }
}

async fn change_keys(stores: &Stores, trail: &Trail) {
    let (next, told) = (signing_key(Algorithm::Es256, 0), effects());
    stores.keys.rotate_key(next.clone(), super::fixtures::at(100), told.clone()).await.unwrap();
    trail.tells(&told, "a new key").await;
    for (expected, what) in [
        (RevokeKeyOutcome::Revoked, "a revoked key"),
        (RevokeKeyOutcome::Unknown, "a key that was revoked before"),
    ] {
        let (successor, told) = (signing_key(Algorithm::Es256, 0), effects());
        let outcome =
            stores.keys.revoke_key(next.public.kid, successor, when(1), told.clone()).await.unwrap();
        assert_eq!(outcome, expected);
        if expected == RevokeKeyOutcome::Revoked {
            trail.tells(&told, what).await;
        } else {
            trail.is_silent_about(&told, what).await;
        }
    }
}

async fn change_roles_and_services(stores: &Stores, trail: &Trail) {
    let change = |change: CatalogueChange, seen, told: &Effects| {
        stores.roles.change_catalogue(TENANT, change, seen, when(1), told.clone())
    };
    let put = || CatalogueChange::PutRole(role("told", &["model:view"]));
    let told = effects();
    assert_eq!(change(put(), FIRST, &told).await.unwrap(), CatalogueOutcome::Changed(FIRST.next()));
    trail.tells(&told, "a new role").await;
    let told = effects();
    assert_eq!(change(put(), FIRST, &told).await.unwrap(), CatalogueOutcome::Overtaken);
    trail.is_silent_about(&told, "a role that was overtaken").await;
    let holder = create(stores, with_role("told")).await;
    let delete = || CatalogueChange::DeleteRole(role_name("told"));
    let told = effects();
    assert_eq!(change(delete(), FIRST.next(), &told).await.unwrap(), CatalogueOutcome::RoleHeld);
    trail.is_silent_about(&told, "a role that is held").await;
    set_roles(stores, holder.id, Roles::single(RoleName::viewer()), when(1)).await;
    let told = effects();
    let checked = FIRST.next().next();
    assert_eq!(change(delete(), FIRST.next(), &told).await.unwrap(), CatalogueOutcome::Changed(checked));
    trail.tells(&told, "a deleted role").await;
    assert_eq!(revision(stores, TENANT).await, checked);

    let made = service();
    let twin = Service { name: made.name.clone(), ..service() };
    let create = |service: &Service, checked, told: &Effects| {
        stores.services.create_service(service.clone(), secret_hash(), checked, told.clone())
    };
    let told = effects();
    assert_eq!(create(&made, checked, &told).await.unwrap(), CreateServiceOutcome::Created);
    trail.tells(&told, "a new service").await;
    let told = effects();
    assert_eq!(create(&twin, checked, &told).await.unwrap(), CreateServiceOutcome::NameTaken);
    trail.is_silent_about(&told, "a service with a taken name").await;
    let told = effects();
    assert_eq!(create(&service(), FIRST, &told).await.unwrap(), CreateServiceOutcome::Overtaken);
    trail.is_silent_about(&told, "a service that was overtaken").await;

    let delete = |told: &Effects| stores.services.delete_service(TENANT, made.id, told.clone());
    let told = effects();
    assert!(delete(&told).await.unwrap());
    trail.tells(&told, "a deleted service").await;
    let told = effects();
    assert!(!delete(&told).await.unwrap());
    trail.is_silent_about(&told, "a service that was gone before").await;
}
