//! The cases of [`UserRepository`](crate::UserRepository).

use maestro_auth_domain::{
    AuditEntry, AuditFilter, CatalogueRevision, DisplayName, Email, NewUser, PasswordHash, PasswordVersion,
    RefreshCounter, RoleCatalogue, RoleName, Service, TenantId, User, UserChange, UserFilter, UserId,
};

use super::StorageUnderTest;
use super::fixtures::{
    admin, argon2_hash, at, audit_entry, bcrypt_hash, create, delete, effects, email, find_principal,
    principal, register, revision, role, role_name, rotate, secret_hash, service, session, set_active,
    stored_key, user, when,
};
use super::race::race;
use crate::{
    CatalogueChange, CreateOutcome, CreateServiceOutcome, Credentials, DeleteOutcome, FirstAdminOutcome,
    OpenOutcome, RegisterOutcome, RotateOutcome, SetPasswordOutcome, Stores, UpdateOutcome, UserPage,
};

/// 24 callers on two instances, in two spellings, over and over: one has the address, and nothing is left of the others.
pub async fn one_of_many_concurrent_registrations_wins(storage: &dyn StorageUnderTest) {
    let instances = [storage.open().await, storage.open().await];
    for round in 0..8 {
        let attempts: Vec<_> = (0..24)
            .map(|caller| {
                let spelling = if caller % 2 == 0 { "raced" } else { "RACED" };
                (NewUser { email: email(&format!("{spelling}-{round}@example.com")), ..user() }, session(0))
            })
            .collect();
        let outcomes =
            race(instances.iter().cycle().zip(attempts.clone()).map(|(stores, (user, session))| {
                let stores = stores.clone();
                async move {
                    stores.users.register(user, session, CatalogueRevision::FIRST, effects()).await.unwrap()
                }
            }))
            .await;

        let winners: Vec<User> = outcomes.into_iter().filter_map(registered).collect();
        let [winner] = winners.as_slice() else {
            panic!("{} callers have one address", winners.len());
        };
        let stored = credentials(&instances[1], winner.tenant, &winner.email).await.unwrap();
        assert_eq!(stored.user, *winner);
        for (user, session) in attempts {
            let principal = find_principal(&instances[1], session.id).await;
            assert_eq!(
                principal.is_some(),
                user.id == winner.id,
                "a loser has a session, or the winner has none"
            );
        }
    }
}

/// Whoever comes second changes neither the user nor the password, and gets no session.
pub async fn a_refused_registration_leaves_nothing(storage: &dyn StorageUnderTest) {
    let stores = storage.open().await;
    let first = user();
    let (owner, _) = register(&stores, first.clone()).await;
    let second = NewUser { email: first.email.clone(), ..admin() };
    let late_session = session(5);

    let outcome =
        stores.users.register(second, late_session, CatalogueRevision::FIRST, effects()).await.unwrap();

    assert_eq!(outcome, RegisterOutcome::EmailTaken);
    let found = credentials(&stores, first.tenant, &first.email).await.unwrap();
    assert_eq!((found.user, found.password_hash), (owner.clone(), first.password_hash));
    assert_eq!(find_principal(&stores, late_session.id).await, None);
    assert_eq!(list(&stores, first.tenant).await, [owner]);
}

/// What was registered comes back exactly, whichever way the address is typed; the first session is a login.
pub async fn a_registered_user_is_found_by_any_spelling(storage: &dyn StorageUnderTest) {
    let stores = storage.open().await;
    let new = NewUser { email: email("Ada.Lovelace+x@Bücher.example"), ..admin() };
    let opened = session(3);
    let expected = User { last_login_at: Some(at(3)), ..new.clone().into_user() };

    let outcome =
        stores.users.register(new.clone(), opened, CatalogueRevision::FIRST, effects()).await.unwrap();

    let expected_session = opened.open_for(&expected);
    assert_eq!(outcome, RegisterOutcome::Registered(expected.clone(), expected_session.clone()));
    for spelling in ["ADA.LOVELACE+X@BÜCHER.EXAMPLE", " ada.lovelace+x@xn--bcher-kva.example "] {
        let found = credentials(&stores, new.tenant, &email(spelling)).await;
        let whole = Credentials {
            user: expected.clone(),
            password_hash: new.password_hash.clone(),
            password_version: PasswordVersion::FIRST,
        };
        assert_eq!(found, Some(whole), "{spelling}");
    }
    assert_eq!(credentials(&stores, new.tenant, &email("ada.lovelace@bücher.example")).await, None);
    let principal = principal(&stores, opened.id).await;
    assert_eq!((principal.user, principal.session), (expected, expected_session));
}

/// A user that an operator makes has never logged in, can log in, and competes for its address like everybody.
pub async fn a_created_user_has_no_session_and_a_unique_address(storage: &dyn StorageUnderTest) {
    let stores = storage.open().await;
    let new = user();
    assert_eq!(
        create(&stores, new.clone()).await,
        new.clone().into_user(),
        "a created user has not logged in"
    );

    let twin = || NewUser { email: new.email.clone(), ..user() };
    assert_eq!(
        stores.users.create(twin(), CatalogueRevision::FIRST, effects()).await.unwrap(),
        CreateOutcome::EmailTaken
    );
    let late_session = session(1);
    assert_eq!(
        stores.users.register(twin(), late_session, CatalogueRevision::FIRST, effects()).await.unwrap(),
        RegisterOutcome::EmailTaken
    );
    assert_eq!(find_principal(&stores, late_session.id).await, None);
    let login =
        stores.sessions.open(new.id, PasswordVersion::FIRST, None, session(2), effects()).await.unwrap();
    assert!(matches!(login, OpenOutcome::Opened(principal) if principal.user.last_login_at == Some(at(2))));

    let address = email("created-or-registered@example.com");
    let winners = race((0..16).map(|caller| {
        let (stores, new) = (stores.clone(), NewUser { email: address.clone(), ..user() });
        async move {
            if caller % 2 == 0 {
                let outcome = stores.users.create(new, CatalogueRevision::FIRST, effects()).await;
                matches!(outcome.unwrap(), CreateOutcome::Created(_))
            } else {
                let outcome =
                    stores.users.register(new, session(0), CatalogueRevision::FIRST, effects()).await;
                matches!(outcome.unwrap(), RegisterOutcome::Registered(..))
            }
        }
    }))
    .await;
    assert_eq!(winners.into_iter().filter(|won| *won).count(), 1, "one address, one user");
}

/// However many instances start at once, a tenant gets one first admin, and never a second.
pub async fn the_first_admin_is_made_once(storage: &dyn StorageUnderTest) {
    let instances = [storage.open().await, storage.open().await];
    for _ in 0..6 {
        let tenant = storage.another_tenant().await;
        let viewer = NewUser { tenant, ..user() };
        create(&instances[0], viewer.clone()).await;
        let twin = NewUser { tenant, email: viewer.email, ..admin() };
        assert_eq!(first_admin(&instances[0], twin.clone()).await, FirstAdminOutcome::EmailTaken);

        let outcomes = race(instances.iter().cycle().take(16).map(|stores| {
            let stores = stores.clone();
            async move { first_admin(&stores, NewUser { tenant, ..admin() }).await }
        }))
        .await;

        let made = outcomes.iter().filter(|outcome| matches!(outcome, FirstAdminOutcome::Created(_))).count();
        assert_eq!(made, 1, "one tenant, one first admin");
        let others = outcomes.iter().filter(|outcome| **outcome == FirstAdminOutcome::AdminExists).count();
        assert_eq!(others, 15);
        assert_eq!(list(&instances[1], tenant).await.len(), 2);
        assert_eq!(
            first_admin(&instances[1], twin).await,
            FirstAdminOutcome::AdminExists,
            "the admin goes first"
        );
    }

    let tenant = storage.another_tenant().await;
    register(&instances[0], NewUser { tenant, ..admin() }).await;
    let late = first_admin(&instances[1], NewUser { tenant, ..admin() }).await;
    assert_eq!(late, FirstAdminOutcome::AdminExists, "whoever made the admin");
}

/// The same address is two users in two tenants, and nothing of the one is found, changed or counted in the other.
pub async fn tenants_do_not_see_each_other(storage: &dyn StorageUnderTest) {
    let stores = storage.open().await;
    let other = storage.another_tenant().await;
    let address = email("both@example.com");
    let here = create(&stores, NewUser { email: address.clone(), ..admin() }).await;
    let there = create(&stores, NewUser { email: address.clone(), tenant: other, ..admin() }).await;

    assert_eq!(credentials(&stores, TenantId::DEFAULT, &address).await.unwrap().user, here);
    assert_eq!(credentials(&stores, other, &address).await.unwrap().user, there);
    assert_eq!(list(&stores, TenantId::DEFAULT).await, std::slice::from_ref(&here));
    assert_eq!(list(&stores, other).await, std::slice::from_ref(&there));
    let only_here = create(&stores, user()).await;
    assert_eq!(credentials(&stores, other, &only_here.email).await, None);
    assert_eq!(stores.users.find(other, there.id).await.unwrap().as_ref(), Some(&there));
    assert_eq!(stores.users.find(other, here.id).await.unwrap(), None);

    for admin in [&here, &there] {
        let out = UserChange { is_active: Some(false), ..UserChange::default() };
        let outcome = stores.users.update(admin, out, None, when(1), effects()).await.unwrap();
        assert_eq!(outcome, UpdateOutcome::LastAdmin, "the admin of another tenant does not count");
        let outcome = stores.users.delete(admin, when(1), effects()).await.unwrap();
        assert_eq!(outcome, DeleteOutcome::LastAdmin, "the admin of another tenant does not count");
    }
    let claimed = User { tenant: other, ..only_here.clone() };
    let outcome = stores.users.delete(&claimed, when(1), effects()).await.unwrap();
    assert!(!matches!(outcome, DeleteOutcome::Deleted(_)), "a tenant deleted the user of another");
    let renamed = UserChange { name: Some(here.name.clone()), ..UserChange::default() };
    let outcome = stores.users.update(&claimed, renamed, None, when(1), effects()).await.unwrap();
    assert!(!matches!(outcome, UpdateOutcome::Done(_)), "a tenant changed the user of another");
    let ended = stores.sessions.revoke_all_of(other, only_here.id, when(1), effects()).await.unwrap();
    assert_eq!(ended, None, "a tenant ended the sessions of the user of another");
    assert_eq!(stores.users.find(TenantId::DEFAULT, only_here.id).await.unwrap(), Some(only_here));

    let theirs = CatalogueChange::PutRole(role("theirs", &["model:view"]));
    stores.roles.change_catalogue(other, theirs, CatalogueRevision::FIRST, when(1), effects()).await.unwrap();
    assert!(stores.roles.catalogue(other).await.unwrap().catalogue.role(&role_name("theirs")).is_some());
    let ours = stores.roles.catalogue(TenantId::DEFAULT).await.unwrap();
    assert_eq!((ours.catalogue, ours.revision), (RoleCatalogue::built_in(), CatalogueRevision::FIRST));

    let twins = [service(), Service { tenant: other, ..service() }];
    let twins = twins.map(|service| Service { name: here.name.clone(), ..service });
    for twin in &twins {
        let checked = revision(&stores, twin.tenant).await;
        let created =
            stores.services.create_service(twin.clone(), secret_hash(), checked, effects()).await.unwrap();
        assert_eq!(created, CreateServiceOutcome::Created, "a service of another tenant has the name");
    }
    for (twin, stranger) in [(&twins[0], &twins[1]), (&twins[1], &twins[0])] {
        let listed = stores.services.list_services(twin.tenant, None, 10).await.unwrap();
        assert_eq!(listed, std::slice::from_ref(twin));
        let is_deleted = stores.services.delete_service(twin.tenant, stranger.id, effects()).await.unwrap();
        assert!(!is_deleted, "a tenant deleted the service of another");
    }

    let told = [audit_entry(2), AuditEntry { tenant: other, ..audit_entry(2) }];
    stores.audit.append(&told).await.unwrap();
    for (ours, theirs) in [(&told[0], &told[1]), (&told[1], &told[0])] {
        let found = stores.audit.find_entries(ours.tenant, &AuditFilter::default(), None, 100).await.unwrap();
        assert!(found.contains(ours) && !found.contains(theirs), "a tenant reads the audit trail of another");
    }
}

/// Pages of any size give every user who matches once, in the order of ids, whatever the order of writing.
pub async fn pages_of_users_are_complete_and_ordered(storage: &dyn StorageUnderTest) {
    let stores = storage.open().await;
    let other = storage.another_tenant().await;
    let mut news: Vec<NewUser> = (0..24).map(|number| a_user_to_look_for(number, other)).collect();
    news.reverse();
    news.swap(3, 11);
    let mut everybody = Vec::new();
    for (number, new) in news.into_iter().enumerate() {
        let mut user = create(&stores, new).await;
        if user.tenant == TenantId::DEFAULT {
            if number % 5 == 0 {
                user = done(set_active(&stores, user.id, false, when(1)).await);
            }
            everybody.push(user);
        }
    }
    everybody.sort_by_key(|user| user.id);

    let queries =
        ["", "SOUGHT", "ÉMILE", "e\u{301}mile", "bücher", "xn--b", "100%", "_", "nobody", "' OR 1=1"];
    let queries: Vec<Option<String>> =
        std::iter::once(None).chain(queries.map(|query| Some(query.to_owned()))).collect();
    for query in queries {
        for role in [None, Some(RoleName::admin()), Some(RoleName::viewer()), Some(role_name("adm"))] {
            for is_active in [None, Some(true), Some(false)] {
                let filter = UserFilter { query: query.clone(), role: role.clone(), is_active };
                let expected: Vec<User> =
                    everybody.iter().filter(|user| filter.matches(user)).cloned().collect();
                for limit in [1, 5, 24, 100] {
                    let listed = list_in_pages(&stores, TenantId::DEFAULT, &filter, limit).await;
                    assert_eq!(listed, expected, "pages of {limit} for {filter:?}");
                }
            }
        }
    }
    assert_the_last_of_many_is_found(&stores, other).await;
}

/// Every fourth one is of another tenant; the others differ in what a filter asks for.
fn a_user_to_look_for(number: usize, other: TenantId) -> NewUser {
    let new = if number.is_multiple_of(2) { admin() } else { user() };
    let unlike = new.id;
    match number % 8 {
        0 | 3 => NewUser { tenant: other, ..new },
        1 => NewUser { email: email(&format!("Sought.{unlike}@example.com")), ..new },
        2 => NewUser { name: DisplayName::parse("the Sought one").unwrap(), ..new },
        4 => NewUser { name: DisplayName::parse("Émile 100% _").unwrap(), ..new },
        5 => NewUser { name: DisplayName::parse("E\u{301}MILE").unwrap(), ..new },
        6 => NewUser { email: email(&format!("{unlike}@Bücher.example")), ..new },
        _ => new,
    }
}

/// Pages that nobody on them matches do not end the list: what is sought comes after more users than one page looks at.
async fn assert_the_last_of_many_is_found(stores: &Stores, tenant: TenantId) {
    const WRITERS: u32 = 8;
    race((0..WRITERS).map(|_| {
        let stores = stores.clone();
        async move {
            for _ in 0..=UserPage::LOOKED_AT / WRITERS {
                create(&stores, NewUser { tenant, ..user() }).await;
            }
        }
    }))
    .await;
    let late = UserId::generate(at(60), [0; 10]);
    let name = DisplayName::parse("the last one").unwrap();
    let last = create(stores, NewUser { id: late, tenant, name, ..user() }).await;

    let filter = UserFilter { query: Some("last one".to_owned()), ..UserFilter::default() };
    assert_eq!(list_in_pages(stores, tenant, &filter, 10).await, [last]);
    let all = list_in_pages(stores, tenant, &UserFilter::default(), 400).await;
    assert!(all.len() > UserPage::LOOKED_AT as usize && all.is_sorted_by_key(|user| user.id));
}

/// A changed password ends all sessions of its user and of nobody else; the old password opens none.
pub async fn a_new_password_ends_every_session(storage: &dyn StorageUnderTest) {
    let stores = storage.open().await;
    let key = stored_key(&stores).await;
    let (before, first) = register(&stores, user()).await;
    let second = session(1);
    stores.sessions.open(before.id, PasswordVersion::FIRST, None, second, effects()).await.unwrap();
    let (_, foreign) = register(&stores, user()).await;
    let hash = argon2_hash();

    assert_eq!(
        stores.users.set_password(before.id, hash.clone(), when(1), effects()).await.unwrap(),
        SetPasswordOutcome::Changed(before.generation.next())
    );

    let found = credentials(&stores, before.tenant, &before.email).await.unwrap();
    assert_eq!((found.password_hash, found.password_version), (hash, PasswordVersion::FIRST.next()));
    assert_ended(&before, &found.user);
    for ended in [first.id, second.id] {
        let principal = principal(&stores, ended).await;
        assert!(!principal.session.is_live(&principal.user, at(2)));
        let outcome = rotate(&stores, key, ended, RefreshCounter::FIRST, at(2)).await;
        assert_eq!(outcome, RotateOutcome::Ended);
    }
    let old =
        stores.sessions.open(before.id, PasswordVersion::FIRST, None, session(3), effects()).await.unwrap();
    assert_eq!(old, OpenOutcome::Refused);
    let new =
        stores.sessions.open(before.id, found.password_version, None, session(3), effects()).await.unwrap();
    assert!(matches!(new, OpenOutcome::Opened(now) if now.session.is_live(&now.user, at(3))));
    let foreign = principal(&stores, foreign.id).await;
    assert!(foreign.session.is_live(&foreign.user, at(3)), "another user lost a session");
    let nobody = stores.users.set_password(user().id, argon2_hash(), when(1), effects()).await.unwrap();
    assert_eq!(nobody, SetPasswordOutcome::Unknown);
}

/// The highest cost follows every way in which hashes come and go; hashes that are never computed do not count.
pub async fn the_highest_bcrypt_cost_is_known(storage: &dyn StorageUnderTest) {
    let stores = storage.open().await;
    let highest = || async { stores.users.highest_bcrypt_cost().await.unwrap() };
    let with_hash = |password_hash: PasswordHash| NewUser { password_hash, ..user() };
    assert_eq!(highest().await, None);
    create(&stores, user()).await;
    create(&stores, with_hash(bcrypt_hash(31))).await;
    create(&stores, with_hash(PasswordHash::new("$2b$14$broken".to_owned()))).await;
    assert_eq!(highest().await, None);

    let (ten, _) = register(&stores, with_hash(bcrypt_hash(10))).await;
    let also_ten = create(&stores, with_hash(bcrypt_hash(10))).await;
    let twelve = create(&stores, with_hash(bcrypt_hash(12))).await;
    assert_eq!(highest().await, Some(12));
    stores.users.set_password(twelve.id, bcrypt_hash(4), when(1), effects()).await.unwrap();
    assert_eq!(highest().await, Some(10));
    stores
        .sessions
        .open(ten.id, PasswordVersion::FIRST, Some(argon2_hash()), session(1), effects())
        .await
        .unwrap();
    assert_eq!(highest().await, Some(10), "one of two hashes of this cost is left");
    stores.users.set_password(also_ten.id, argon2_hash(), when(1), effects()).await.unwrap();
    assert_eq!(highest().await, Some(4));
    let upgrade = Some(argon2_hash());
    let refused = stores
        .sessions
        .open(twelve.id, PasswordVersion::FIRST, upgrade, session(1), effects())
        .await
        .unwrap();
    assert_eq!((refused, highest().await), (OpenOutcome::Refused, Some(4)));
    let eight = create(&stores, with_hash(bcrypt_hash(8))).await;
    assert_eq!(highest().await, Some(8));
    delete(&stores, eight.id, when(1)).await;
    assert_eq!(highest().await, Some(4), "a deleted user has no hash");
    stores.users.set_password(twelve.id, argon2_hash(), when(1), effects()).await.unwrap();
    assert_eq!(highest().await, None);
}

/// Demands that every session of `before` has ended and `now` may open new ones: one generation, and the floor at it.
pub(super) fn assert_ended(before: &User, now: &User) {
    assert_eq!(now.generation, before.generation.next(), "the generation rises by one");
    assert_eq!(now.session_floor, now.generation, "the floor rises to the generation");
}

fn registered(outcome: RegisterOutcome) -> Option<User> {
    match outcome {
        RegisterOutcome::Registered(user, _) => Some(user),
        RegisterOutcome::EmailTaken | RegisterOutcome::Overtaken => None,
    }
}

/// The user after a change, and demands that there was none to refuse it.
pub(super) fn done(outcome: UpdateOutcome) -> User {
    match outcome {
        UpdateOutcome::Done(user) => user,
        other => panic!("a user could not be changed: {other:?}"),
    }
}

/// Every user of a tenant.
pub(super) async fn list(stores: &Stores, tenant: TenantId) -> Vec<User> {
    list_in_pages(stores, tenant, &UserFilter::default(), 1_000).await
}

async fn list_in_pages(stores: &Stores, tenant: TenantId, filter: &UserFilter, limit: u32) -> Vec<User> {
    let (mut listed, mut after) = (Vec::new(), None);
    for _ in 0..1_000 {
        let page = stores.users.list(tenant, filter, after, limit).await.unwrap();
        assert!(page.users.len() <= limit as usize, "a page is longer than its limit");
        listed.extend(page.users);
        match page.next {
            Some(next) => after = Some(next),
            None => return listed,
        }
    }
    panic!("the pages never end");
}

pub(super) async fn credentials(stores: &Stores, tenant: TenantId, email: &Email) -> Option<Credentials> {
    stores.users.find_credentials(tenant, email).await.unwrap()
}

async fn first_admin(stores: &Stores, new: NewUser) -> FirstAdminOutcome {
    stores.users.create_first_admin(new, effects()).await.unwrap()
}
