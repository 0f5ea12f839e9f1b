//! The cases of [`RoleRepository`](crate::RoleRepository).

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use maestro_auth_domain::{
    BlacklistEntry, CatalogueRevision, Description, NewUser, Permissions, RevocationTime, Revoked,
    RoleCatalogue, RoleDefinition, RoleName, Roles, Service, TenantId, User, UserChange,
};

use super::StorageUnderTest;
use super::audit::is_told;
use super::blacklist::whole_log;
use super::fixtures::{
    create, delete, effects, find_principal, permission_name, register, revision, role, role_name,
    secret_hash, service, session, set_active, set_roles, user, when, with_role,
};
use super::race::race;
use super::users::{credentials, list};
use crate::CatalogueOutcome::{Changed, Overtaken, RoleHeld};
use crate::{
    CatalogueChange, CatalogueOutcome, CreateOutcome, CreateServiceOutcome, Effects, RegisterOutcome,
    StoredCatalogue, Stores, UpdateOutcome,
};

const TENANT: TenantId = TenantId::DEFAULT;

/// After each change of every kind the catalogue is, on every instance, what the domain makes of that change, one revision
/// further; and whoever keeps roles in memory hears that they must be read anew.
pub async fn a_changed_catalogue_comes_back_as_stored(storage: &dyn StorageUnderTest) {
    let (here, there) = (storage.open().await, storage.open().await);
    let mut catalogue = RoleCatalogue::built_in();
    let mut revision = CatalogueRevision::FIRST;
    let mut log = whole_log(&there).await;
    assert_eq!(stored(&here, TENANT).await, (catalogue.clone(), revision), "nobody has changed it");

    for (change, seconds) in changes_of_every_kind().into_iter().zip(1..) {
        let outcome = change_at(&here, TENANT, change.clone(), revision, when(seconds), effects()).await;

        (catalogue, revision) = (changed(&catalogue, change.clone()), revision.next());
        assert_eq!(outcome, Changed(revision), "{change:?}");
        assert_eq!(stored(&there, TENANT).await, (catalogue.clone(), revision), "{change:?}");
        let (revoked, until) = (Revoked::RoleDefinitions, when(seconds).until);
        log.insert(BlacklistEntry { tenant: TENANT, revoked, until });
        assert_eq!(whole_log(&there).await, log, "{change:?}");
    }
}

/// Roles and permissions made, replaced, laid over the built-in ones, and deleted.
fn changes_of_every_kind() -> Vec<CatalogueChange> {
    let print = || permission_name("report:print");
    let text = Description::parse("Prünt \"reports\" 🦀, it's said; 100 % of them.").unwrap();
    let heirs = |names: &[&str]| names.iter().map(|name| role_name(name)).collect();
    let wide = RoleDefinition {
        inherits: heirs(&["viewer", "printer", "ml_engineer"]),
        ..role("wide", &["user:view", "audit:view", "report:print", "data:delete"])
    };
    let turned = RoleDefinition { inherits: heirs(&["ml_engineer", "printer"]), ..role("wide", &[]) };
    let bare = RoleDefinition { description: Description::default(), ..role("wide", &["report:print"]) };
    let viewer = RoleDefinition { inherits: heirs(&["printer"]), ..role("viewer", &["data:view"]) };
    vec![
        CatalogueChange::PutPermission(print(), text),
        CatalogueChange::PutPermission(print(), Description::default()),
        CatalogueChange::PutRole(role("printer", &["report:print", "model:view"])),
        CatalogueChange::PutRole(wide),
        CatalogueChange::PutRole(turned),
        CatalogueChange::PutRole(viewer),
        CatalogueChange::PutRole(bare),
        CatalogueChange::PutRole(role("viewer", &["model:view"])),
        CatalogueChange::DeleteRole(role_name("printer")),
        CatalogueChange::PutRole(role("wide", &[])),
        CatalogueChange::DeletePermission(print()),
        CatalogueChange::DeleteRole(role_name("wide")),
    ]
}

/// 16 callers on two instances have seen the same catalogue: one changes it, and nothing is left of the others, in a tenant
/// that has changed it before as in one that has not.
pub async fn one_of_many_concurrent_catalogue_changes_wins(storage: &dyn StorageUnderTest) {
    let instances = [storage.open().await, storage.open().await];
    for round in 0..12 {
        let tenant = if round % 2 == 0 { TENANT } else { storage.another_tenant().await };
        let (before, seen) = stored(&instances[0], tenant).await;
        let log = whole_log(&instances[1]).await.len();
        let attempts: Vec<_> = (0..16).map(|caller| (a_change(round, caller), effects())).collect();
        let outcomes =
            race(instances.iter().cycle().zip(attempts.clone()).map(|(stores, (change, told))| {
                let stores = stores.clone();
                async move { change_at(&stores, tenant, change, seen, when(round), told).await }
            }))
            .await;

        let winners = outcomes.iter().zip(&attempts).filter(|(outcome, _)| **outcome != Overtaken);
        let winners: Vec<_> = winners.collect();
        let [(outcome, (change, told))] = winners.as_slice() else {
            panic!("{} callers changed what they had not seen", winners.len());
        };
        assert_eq!(**outcome, Changed(seen.next()));
        let after = (changed(&before, change.clone()), seen.next());
        assert_eq!(stored(&instances[1], tenant).await, after, "something is left of the others");
        assert_eq!(whole_log(&instances[1]).await.len(), log + 1, "one change, one entry in the blacklist");
        for (_, of_caller) in &attempts {
            let is_told = is_told(&instances[1], &of_caller.audit).await;
            assert_eq!(is_told, of_caller == told, "one change, one entry in the audit trail");
        }

        for never_seen in [seen, seen.next().next()] {
            let late = a_change(round, 99);
            let outcome = change_at(&instances[1], tenant, late, never_seen, when(round), effects()).await;
            assert_eq!(outcome, Overtaken);
        }
        assert_eq!(stored(&instances[0], tenant).await, after);
    }
}

fn a_change(round: i64, caller: usize) -> CatalogueChange {
    if caller.is_multiple_of(2) {
        return CatalogueChange::PutRole(role(&format!("role-{round}-{caller}"), &["model:view"]));
    }
    let name = permission_name(&format!("round{round}:caller{caller}"));
    CatalogueChange::PutPermission(name, Description::default())
}

/// A role that anybody of the tenant has is kept, whether the user is active or not, and the role the first or not; and
/// goes once nobody has it. In a race nobody is left with a role that is gone.
pub async fn a_role_that_somebody_has_stays(storage: &dyn StorageUnderTest) {
    let instances = [storage.open().await, storage.open().await];
    let (here, there) = (&instances[0], &instances[1]);
    let other = storage.another_tenant().await;
    let delete_held = || change(there, TENANT, CatalogueChange::DeleteRole(role_name("held")));
    for (tenant, name) in [(TENANT, "held"), (TENANT, "hel"), (other, "held")] {
        change(here, tenant, CatalogueChange::PutRole(role(name, &["model:view"]))).await;
    }
    create(here, NewUser { tenant: other, ..with_role("held") }).await;
    let (second, inactive) = (create(here, with_role("held")).await, create(here, with_role("held")).await);
    let (only, _) = register(here, NewUser { roles: Roles::single(role_name("held")), ..user() }).await;
    set_active(here, inactive.id, false, when(1)).await;
    let before = stored(there, TENANT).await;

    assert_eq!(delete_held().await, RoleHeld);
    set_roles(here, second.id, Roles::single(role_name("hel")), when(2)).await;
    assert_eq!(delete_held().await, RoleHeld, "somebody has no other role");
    set_roles(here, second.id, Roles::single(RoleName::viewer()), when(2)).await;
    delete(here, only.id, when(3)).await;
    assert_eq!(delete_held().await, RoleHeld, "somebody inactive has it");
    assert_eq!(stored(there, TENANT).await, before);
    let replaced = change(there, TENANT, CatalogueChange::PutRole(role("held", &[]))).await;
    assert!(matches!(replaced, Changed(_)), "a role that is held can be replaced");
    let unheld = change(there, TENANT, CatalogueChange::DeleteRole(role_name("hel"))).await;
    assert!(matches!(unheld, Changed(_)), "who has a role does not have every one that its name begins with");
    delete(here, inactive.id, when(4)).await;
    assert!(matches!(delete_held().await, Changed(_)), "a user of another tenant holds no role of this one");

    for round in 0..12 {
        let name = role_name(&format!("raced-{round}"));
        change(here, TENANT, CatalogueChange::PutRole(role(name.as_str(), &["model:view"]))).await;
        let seen = revision(here, TENANT).await;
        let user = create(here, user()).await;
        let outcomes = race(instances.iter().cycle().take(4).enumerate().map(|(caller, stores)| {
            let (stores, name, user) = (stores.clone(), name.clone(), user.clone());
            async move {
                if caller == 0 {
                    let roles = Roles::from_names([RoleName::viewer(), name]);
                    let given = UserChange { roles, ..UserChange::default() };
                    stores.users.update(&user, given, Some(seen), when(5), effects()).await.unwrap();
                    return RoleHeld;
                }
                let delete = CatalogueChange::DeleteRole(name);
                change_at(&stores, TENANT, delete, seen, when(5), effects()).await
            }
        }))
        .await;

        let is_gone = stored(there, TENANT).await.0.role(&name).is_none();
        assert_eq!(outcomes.contains(&Changed(seen.next())), is_gone);
        assert_eq!(
            holders(there, TENANT, &name).await,
            usize::from(!is_gone),
            "of a role that is gone: {is_gone}"
        );
    }
}

/// Registration, creation, a change of roles and a new service against a change of the catalogue that each of them was
/// checked against: whatever is given is given before the change, or not at all.
pub async fn nobody_is_given_what_was_checked_against_another_catalogue(storage: &dyn StorageUnderTest) {
    let instances = [storage.open().await, storage.open().await];
    refuse_what_was_checked_too_early(&instances[0], &instances[1], TENANT).await;
    refuse_what_was_checked_too_early(&instances[0], &instances[1], storage.another_tenant().await).await;

    for round in 0..24 {
        // A tenant whose catalogue nobody has changed may have no row to lock; one with a role to delete has.
        let tenant = storage.another_tenant().await;
        let name = role_name("given");
        let (against, takers) = if round % 2 == 0 {
            (CatalogueChange::PutPermission(permission_name("report:print"), Description::default()), 16)
        } else {
            change(&instances[0], tenant, CatalogueChange::PutRole(role("given", &["model:view"]))).await;
            (CatalogueChange::DeleteRole(name.clone()), 4)
        };
        let checked = revision(&instances[0], tenant).await;
        let state = Arc::new(AtomicU8::new(PENDING));
        let mut callers = Vec::new();
        for (caller, stores) in instances.iter().cycle().take(takers + 1).enumerate() {
            let user = create(stores, NewUser { tenant, ..user() }).await;
            callers.push((caller, stores.clone(), user));
        }

        let seen_after = race(callers.into_iter().map(|(caller, stores, user)| {
            let (against, state, name) = (against.clone(), state.clone(), name.clone());
            async move {
                if caller < takers {
                    take_until_changed(Taker { stores, user, checked, name }, caller, &state).await;
                    return None;
                }
                let outcome = change_at(&stores, tenant, against, checked, when(1), effects()).await;
                state.store(if outcome == RoleHeld { REFUSED } else { CHANGED }, Ordering::SeqCst);
                if outcome == RoleHeld { None } else { Some(what_is_given(&stores, tenant).await) }
            }
        }))
        .await;

        if let Some(seen_after) = seen_after.into_iter().flatten().next() {
            let now = what_is_given(&instances[1], tenant).await;
            assert_eq!(now, seen_after, "something was given after the catalogue had changed");
        }
        let is_gone = stored(&instances[1], tenant).await.0.role(&name).is_none();
        assert_eq!(is_gone, round % 2 == 0 || state.load(Ordering::SeqCst) == CHANGED);
        if round % 2 == 1 && is_gone {
            assert_eq!(
                holders(&instances[1], tenant, &name).await,
                0,
                "somebody was given a role that is gone"
            );
        }
    }
}

/// All that anybody of the tenant was ever given.
async fn what_is_given(stores: &Stores, tenant: TenantId) -> (Vec<User>, Vec<Service>) {
    (list(stores, tenant).await, stores.services.list_services(tenant, None, 10_000).await.unwrap())
}

const PENDING: u8 = 0;
const CHANGED: u8 = 1;
const REFUSED: u8 = 2;

/// Somebody who was checked against a catalogue, and wants what that allowed.
struct Taker {
    stores: Stores,
    user: User,
    checked: CatalogueRevision,
    name: RoleName,
}

impl Taker {
    /// Takes it in one of four ways, and says whether it was given.
    async fn take(&mut self, way: usize) -> bool {
        let tenant = self.user.tenant;
        let new = NewUser { tenant, ..with_role(self.name.as_str()) };
        match way % 4 {
            0 => match self.stores.users.register(new, session(0), self.checked, effects()).await.unwrap() {
                RegisterOutcome::Registered(..) => true,
                RegisterOutcome::Overtaken => false,
                RegisterOutcome::EmailTaken => panic!("an address that nobody has is taken"),
            },
            1 => match self.stores.users.create(new, self.checked, effects()).await.unwrap() {
                CreateOutcome::Created(_) => true,
                CreateOutcome::Overtaken => false,
                CreateOutcome::EmailTaken => panic!("an address that nobody has is taken"),
            },
            2 => {
                let mut roles = vec![RoleName::viewer(), self.name.clone()];
                if self.user.roles.iter().eq(&roles) {
                    roles.reverse();
                }
                let given = UserChange { roles: Roles::from_names(roles), ..UserChange::default() };
                let call =
                    self.stores.users.update(&self.user, given, Some(self.checked), when(1), effects());
                match call.await.unwrap() {
                    UpdateOutcome::Done(user) => {
                        self.user = user;
                        true
                    }
                    UpdateOutcome::Overtaken => false,
                    other => panic!("a user that nobody else touched was not changed: {other:?}"),
                }
            }
            _ => {
                let service = Service { tenant, ..service() };
                let call =
                    self.stores.services.create_service(service, secret_hash(), self.checked, effects());
                match call.await.unwrap() {
                    CreateServiceOutcome::Created => true,
                    CreateServiceOutcome::Overtaken => false,
                    CreateServiceOutcome::NameTaken => panic!("a name that nobody has is taken"),
                }
            }
        }
    }
}

/// Takes over and over, and once more after the change: that must go by how the change ended.
async fn take_until_changed(mut taker: Taker, way: usize, state: &AtomicU8) {
    loop {
        let before = state.load(Ordering::SeqCst);
        let is_given = taker.take(way).await;
        match before {
            CHANGED => return assert!(!is_given, "something was given after the catalogue had changed"),
            REFUSED => return assert!(is_given, "something was refused, and the catalogue is as it was"),
            _ => tokio::task::yield_now().await, // a storage that never waits must let the others have their turn
        }
    }
}

/// The revision before the present one, or one that is yet to come, gets nobody anything, and leaves nothing.
async fn refuse_what_was_checked_too_early(here: &Stores, there: &Stores, tenant: TenantId) {
    let seen = revision(here, tenant).await;
    let before = create(here, NewUser { tenant, ..user() }).await;
    change(here, tenant, CatalogueChange::PutRole(role("reader", &["model:view"]))).await;
    for stale in [seen, seen.next().next()] {
        let new = NewUser { tenant, ..with_role("reader") };
        let (told, opened) = (effects(), session(0));
        let outcome = there.users.register(new.clone(), opened, stale, told.clone()).await.unwrap();
        assert_eq!(outcome, RegisterOutcome::Overtaken);
        assert_eq!(find_principal(here, opened.id).await, None);
        let outcome = there.users.create(new.clone(), stale, told.clone()).await.unwrap();
        assert_eq!(outcome, CreateOutcome::Overtaken);
        assert_eq!(credentials(here, tenant, &new.email).await, None);

        let given = UserChange { roles: Some(new.roles), ..UserChange::default() };
        let outcome = there.users.update(&before, given, Some(stale), when(1), told.clone()).await.unwrap();
        assert_eq!(outcome, UpdateOutcome::Overtaken);
        assert_eq!(here.users.find(tenant, before.id).await.unwrap().as_ref(), Some(&before));

        let permissions = Permissions::from_iter([permission_name("model:view")]);
        let service = Service { tenant, permissions, ..service() };
        let id = service.id;
        let outcome =
            there.services.create_service(service, secret_hash(), stale, told.clone()).await.unwrap();
        assert_eq!(outcome, CreateServiceOutcome::Overtaken);
        assert_eq!(here.services.find_service(id).await.unwrap(), None);
        assert!(!is_told(here, &told.audit).await, "a refusal was told");
    }
    create(there, NewUser { tenant, ..with_role("reader") }).await;
    let unchecked = UserChange { is_active: Some(false), ..UserChange::default() };
    let outcome = there.users.update(&before, unchecked, None, when(1), effects()).await.unwrap();
    assert!(matches!(outcome, UpdateOutcome::Done(_)), "a change that gives nothing needs no catalogue");
}

/// What the domain makes of a change.
pub(super) fn changed(catalogue: &RoleCatalogue, change: CatalogueChange) -> RoleCatalogue {
    match change {
        CatalogueChange::PutRole(definition) => catalogue.with_role(definition),
        CatalogueChange::DeleteRole(name) => catalogue.without_role(&name),
        CatalogueChange::PutPermission(name, text) => catalogue.with_permission(name, text),
        CatalogueChange::DeletePermission(name) => catalogue.without_permission(&name),
    }
    .unwrap()
}

/// The catalogue as it is now.
pub(super) async fn stored(stores: &Stores, tenant: TenantId) -> (RoleCatalogue, CatalogueRevision) {
    let StoredCatalogue { catalogue, revision } = stores.roles.catalogue(tenant).await.unwrap();
    (catalogue, revision)
}

/// Changes the catalogue as it is now.
pub(super) async fn change(stores: &Stores, tenant: TenantId, change: CatalogueChange) -> CatalogueOutcome {
    change_at(stores, tenant, change, revision(stores, tenant).await, when(1), effects()).await
}

async fn change_at(
    stores: &Stores,
    tenant: TenantId,
    change: CatalogueChange,
    seen: CatalogueRevision,
    when: RevocationTime,
    told: Effects,
) -> CatalogueOutcome {
    stores.roles.change_catalogue(tenant, change, seen, when, told).await.unwrap()
}

async fn holders(stores: &Stores, tenant: TenantId, role: &RoleName) -> usize {
    list(stores, tenant).await.iter().filter(|user| user.roles.contains(role)).count()
}
