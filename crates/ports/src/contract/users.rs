//! The cases of [`UserRepository`](crate::UserRepository).

use maestro_auth_domain::{
    Email, NewUser, PasswordHash, PasswordVersion, RefreshCounter, RoleName, Roles, TenantId, User, UserId,
};

use super::StorageUnderTest;
use super::fixtures::{POLICY, admin, argon2_hash, at, bcrypt_hash, create, email, principal, register};
use super::fixtures::{session, token, user, when};
use super::race::race;
use crate::{
    CreateOutcome, Credentials, FirstAdminOutcome, OpenOutcome, RegisterOutcome, RotateOutcome,
    SetActiveOutcome, SetPasswordOutcome, SetRolesOutcome, Stores,
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
                async move { stores.users.register(user, session).await.unwrap() }
            }))
            .await;

        let winners: Vec<User> = outcomes.into_iter().filter_map(registered).collect();
        let [winner] = winners.as_slice() else {
            panic!("{} callers have one address", winners.len());
        };
        let stored = credentials(&instances[1], winner.tenant, &winner.email).await.unwrap();
        assert_eq!(stored.user, *winner);
        for (user, session) in attempts {
            let principal = instances[1].sessions.find_principal(session.id, token()).await.unwrap();
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

    let outcome = stores.users.register(second, late_session).await.unwrap();

    assert_eq!(outcome, RegisterOutcome::EmailTaken);
    let found = credentials(&stores, first.tenant, &first.email).await.unwrap();
    assert_eq!((found.user, found.password_hash), (owner.clone(), first.password_hash));
    assert_eq!(stores.sessions.find_principal(late_session.id, token()).await.unwrap(), None);
    assert_eq!(stores.users.list(first.tenant, None, 10).await.unwrap(), [owner]);
}

/// What was registered comes back exactly, whichever way the address is typed; the first session is a login.
pub async fn a_registered_user_is_found_by_any_spelling(storage: &dyn StorageUnderTest) {
    let stores = storage.open().await;
    let new = NewUser { email: email("Ada.Lovelace+x@Bücher.example"), ..admin() };
    let opened = session(3);
    let expected = User { last_login_at: Some(at(3)), ..new.clone().into_user() };

    let outcome = stores.users.register(new.clone(), opened).await.unwrap();

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
    assert_eq!(stores.users.create(twin()).await.unwrap(), CreateOutcome::EmailTaken);
    let late_session = session(1);
    assert_eq!(stores.users.register(twin(), late_session).await.unwrap(), RegisterOutcome::EmailTaken);
    assert_eq!(stores.sessions.find_principal(late_session.id, token()).await.unwrap(), None);
    let login = stores.sessions.open(new.id, PasswordVersion::FIRST, None, session(2)).await.unwrap();
    assert!(matches!(login, OpenOutcome::Opened(principal) if principal.user.last_login_at == Some(at(2))));

    let address = email("created-or-registered@example.com");
    let winners = race((0..16).map(|caller| {
        let (stores, new) = (stores.clone(), NewUser { email: address.clone(), ..user() });
        async move {
            if caller % 2 == 0 {
                stores.users.create(new).await.unwrap() != CreateOutcome::EmailTaken
            } else {
                stores.users.register(new, session(0)).await.unwrap() != RegisterOutcome::EmailTaken
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
        assert_eq!(instances[1].users.list(tenant, None, 10).await.unwrap().len(), 2);
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

/// The same address is two users in two tenants, and neither list nor last admin reaches across.
pub async fn tenants_do_not_see_each_other(storage: &dyn StorageUnderTest) {
    let stores = storage.open().await;
    let other = storage.another_tenant().await;
    let address = email("both@example.com");
    let here = create(&stores, NewUser { email: address.clone(), ..admin() }).await;
    let there = create(&stores, NewUser { email: address.clone(), tenant: other, ..admin() }).await;

    assert_eq!(credentials(&stores, TenantId::DEFAULT, &address).await.unwrap().user, here);
    assert_eq!(credentials(&stores, other, &address).await.unwrap().user, there);
    assert_eq!(stores.users.list(TenantId::DEFAULT, None, 10).await.unwrap(), std::slice::from_ref(&here));
    assert_eq!(stores.users.list(other, None, 10).await.unwrap(), std::slice::from_ref(&there));
    let only_here = create(&stores, user()).await;
    assert_eq!(credentials(&stores, other, &only_here.email).await, None);
    for admin in [here.id, there.id] {
        let outcome = stores.users.set_active(admin, false, when(1)).await.unwrap();
        assert_eq!(outcome, SetActiveOutcome::LastAdmin, "the admin of another tenant does not count");
    }
}

/// Pages of any size give every user once, in the order of ids, whatever the order of writing.
pub async fn pages_of_users_are_complete_and_ordered(storage: &dyn StorageUnderTest) {
    let stores = storage.open().await;
    let other = storage.another_tenant().await;
    let mut news: Vec<NewUser> = (0..21)
        .map(|number| if number % 3 == 0 { NewUser { tenant: other, ..user() } } else { user() })
        .collect();
    news.reverse();
    news.swap(3, 11);
    let mut expected = Vec::new();
    for new in news {
        let user = create(&stores, new).await;
        if user.tenant == TenantId::DEFAULT {
            expected.push(user);
        }
    }
    expected.sort_by_key(|user| user.id);

    for limit in [1, 5, 14, 100] {
        let mut listed: Vec<User> = Vec::new();
        loop {
            let after: Option<UserId> = listed.last().map(|user| user.id);
            let page = stores.users.list(TenantId::DEFAULT, after, limit).await.unwrap();
            assert!(page.len() <= limit as usize, "a page is longer than its limit");
            if page.is_empty() {
                break;
            }
            listed.extend(page);
            assert!(listed.len() <= expected.len(), "pages repeat themselves");
        }
        assert_eq!(listed, expected, "pages of {limit}");
    }
}

/// A changed password ends all sessions of its user and of nobody else; the old password opens none.
pub async fn a_new_password_ends_every_session(storage: &dyn StorageUnderTest) {
    let stores = storage.open().await;
    let (before, first) = register(&stores, user()).await;
    let second = session(1);
    stores.sessions.open(before.id, PasswordVersion::FIRST, None, second).await.unwrap();
    let (_, foreign) = register(&stores, user()).await;
    let hash = argon2_hash();

    assert_eq!(
        stores.users.set_password(before.id, hash.clone(), when(1)).await.unwrap(),
        SetPasswordOutcome::Changed(before.generation.next())
    );

    let found = credentials(&stores, before.tenant, &before.email).await.unwrap();
    assert_eq!((found.password_hash, found.password_version), (hash, PasswordVersion::FIRST.next()));
    assert_ended(&before, &found.user);
    for ended in [first.id, second.id] {
        let principal = principal(&stores, ended).await;
        assert!(!principal.session.is_live(&principal.user, at(2)));
        let outcome = stores.sessions.rotate(ended, RefreshCounter::FIRST, POLICY, when(2)).await.unwrap();
        assert_eq!(outcome, RotateOutcome::Ended);
    }
    let old = stores.sessions.open(before.id, PasswordVersion::FIRST, None, session(3)).await.unwrap();
    assert_eq!(old, OpenOutcome::Refused);
    let new = stores.sessions.open(before.id, found.password_version, None, session(3)).await.unwrap();
    assert!(matches!(new, OpenOutcome::Opened(now) if now.session.is_live(&now.user, at(3))));
    let foreign = principal(&stores, foreign.id).await;
    assert!(foreign.session.is_live(&foreign.user, at(3)), "another user lost a session");
    let nobody = stores.users.set_password(user().id, argon2_hash(), when(1)).await.unwrap();
    assert_eq!(nobody, SetPasswordOutcome::Unknown);
}

/// Deactivation ends the sessions and keeps new ones out; activation lets the user in and no old session back.
pub async fn a_deactivated_user_is_out_and_stays_out(storage: &dyn StorageUnderTest) {
    let stores = storage.open().await;
    let (before, opened) = register(&stores, user()).await;
    let rotate = || stores.sessions.rotate(opened.id, RefreshCounter::FIRST, POLICY, when(1));
    let open = || stores.sessions.open(before.id, PasswordVersion::FIRST, None, session(1));

    let out = done(stores.users.set_active(before.id, false, when(1)).await.unwrap());

    assert!(!out.is_active);
    assert_ended(&before, &out);
    assert_eq!(principal(&stores, opened.id).await.user, out);
    assert_eq!(rotate().await.unwrap(), RotateOutcome::Ended);
    assert_eq!(open().await.unwrap(), OpenOutcome::Refused);

    let back = done(stores.users.set_active(before.id, true, when(1)).await.unwrap());

    assert_eq!(back, User { is_active: true, ..out });
    let old = principal(&stores, opened.id).await;
    assert!(!old.session.is_live(&old.user, at(1)), "activation brought a session back");
    assert_eq!(rotate().await.unwrap(), RotateOutcome::Ended);
    assert!(
        matches!(open().await.unwrap(), OpenOutcome::Opened(now) if now.session.is_live(&now.user, at(1)))
    );
}

/// Admins that deactivate or demote each other at the same moment leave one.
pub async fn the_last_active_admin_stays(storage: &dyn StorageUnderTest) {
    let instances = [storage.open().await, storage.open().await];
    let mut admins = vec![create(&instances[0], admin()).await.id];
    create(&instances[0], user()).await;
    let alone = instances[0].users.set_active(admins[0], false, when(1)).await.unwrap();
    assert_eq!(alone, SetActiveOutcome::LastAdmin);
    let demoted = Roles::single(RoleName::viewer());
    let alone = instances[0].users.set_roles(admins[0], demoted.clone(), when(1)).await.unwrap();
    assert_eq!(alone, SetRolesOutcome::LastAdmin);

    for (count, rounds) in [(2, 24), (16, 4)] {
        while admins.len() < count {
            admins.push(create(&instances[0], admin()).await.id);
        }
        for _ in 0..rounds {
            let leavers = instances.iter().cycle().zip(admins.clone()).enumerate();
            let outcomes = race(leavers.map(|(number, (stores, admin))| {
                let (stores, demoted) = (stores.clone(), demoted.clone());
                async move {
                    if number % 4 < 2 {
                        let outcome = stores.users.set_active(admin, false, when(1)).await.unwrap();
                        outcome == SetActiveOutcome::LastAdmin
                    } else {
                        let outcome = stores.users.set_roles(admin, demoted, when(1)).await.unwrap();
                        outcome == SetRolesOutcome::LastAdmin
                    }
                }
            }))
            .await;

            let refused = outcomes.into_iter().filter(|is_refused| *is_refused).count();
            assert_eq!(refused, 1, "of {count} admins that leave at once, one must be refused");
            let users = instances[1].users.list(TenantId::DEFAULT, None, 100).await.unwrap();
            let is_left = |user: &&User| user.is_active && user.roles.contains(&RoleName::admin());
            assert_eq!(users.iter().filter(is_left).count(), 1, "one admin must stay active");
            for id in &admins {
                done(instances[0].users.set_active(*id, true, when(1)).await.unwrap());
                changed(instances[0].users.set_roles(*id, admin().roles, when(1)).await.unwrap());
            }
        }
    }
}

/// Only a real change ends sessions: 16 callers that deactivate one user raise its generation once.
pub async fn setting_the_same_activity_changes_nothing(storage: &dyn StorageUnderTest) {
    let stores = storage.open().await;
    let (before, opened) = register(&stores, user()).await;
    assert_eq!(done(stores.users.set_active(before.id, true, when(1)).await.unwrap()), before);
    assert_eq!(principal(&stores, opened.id).await.user, before);

    let outcomes = race((0..16).map(|_| {
        let stores = stores.clone();
        async move { done(stores.users.set_active(before.id, false, when(1)).await.unwrap()) }
    }))
    .await;

    for user in outcomes {
        assert_ended(&before, &user);
    }
    assert_ended(&before, &principal(&stores, opened.id).await.user);
    assert_eq!(stores.users.set_active(user().id, false, when(1)).await.unwrap(), SetActiveOutcome::Unknown);
}

/// Other roles outdate the tokens that tell of the former ones; the sessions go on, and the roles come back as given.
pub async fn new_roles_outdate_tokens_and_keep_sessions(storage: &dyn StorageUnderTest) {
    let stores = storage.open().await;
    let (before, opened) = register(&stores, user()).await;
    let roles = Roles::from_names([RoleName::admin(), RoleName::viewer()]).unwrap();

    let after = changed(stores.users.set_roles(before.id, roles.clone(), when(1)).await.unwrap());

    let generation = before.generation.next();
    assert_eq!(after, User { roles, generation, ..before });
    let now = principal(&storage.open().await, opened.id).await;
    assert_eq!(now.user, after);
    assert!(now.session.is_live(&now.user, at(1)), "new roles ended a session");
    let nobody = stores.users.set_roles(user().id, after.roles, when(1)).await.unwrap();
    assert_eq!(nobody, SetRolesOutcome::Unknown);
}

/// Only a real change outdates tokens: 16 callers that set the same new roles raise the generation once.
pub async fn setting_the_same_roles_changes_nothing(storage: &dyn StorageUnderTest) {
    let stores = storage.open().await;
    let (before, _) = register(&stores, user()).await;
    let same = stores.users.set_roles(before.id, before.roles.clone(), when(1)).await.unwrap();
    assert_eq!(changed(same), before);

    let roles = Roles::single(RoleName::admin());
    let outcomes = race((0..16).map(|_| {
        let (stores, roles) = (stores.clone(), roles.clone());
        async move { changed(stores.users.set_roles(before.id, roles, when(1)).await.unwrap()) }
    }))
    .await;

    for user in outcomes {
        assert_eq!(user.generation, before.generation.next());
    }
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
    stores.users.set_password(twelve.id, bcrypt_hash(4), when(1)).await.unwrap();
    assert_eq!(highest().await, Some(10));
    stores.sessions.open(ten.id, PasswordVersion::FIRST, Some(argon2_hash()), session(1)).await.unwrap();
    assert_eq!(highest().await, Some(10), "one of two hashes of this cost is left");
    stores.users.set_password(also_ten.id, argon2_hash(), when(1)).await.unwrap();
    assert_eq!(highest().await, Some(4));
    let upgrade = Some(argon2_hash());
    let refused = stores.sessions.open(twelve.id, PasswordVersion::FIRST, upgrade, session(1)).await.unwrap();
    assert_eq!((refused, highest().await), (OpenOutcome::Refused, Some(4)));
    stores.users.set_password(twelve.id, argon2_hash(), when(1)).await.unwrap();
    assert_eq!(highest().await, None);
}

/// Demands that every session of `before` has ended and `now` may open new ones: one generation, and the floor at it.
fn assert_ended(before: &User, now: &User) {
    assert_eq!(now.generation, before.generation.next(), "the generation rises by one");
    assert_eq!(now.session_floor, now.generation, "the floor rises to the generation");
}

fn registered(outcome: RegisterOutcome) -> Option<User> {
    match outcome {
        RegisterOutcome::Registered(user, _) => Some(user),
        RegisterOutcome::EmailTaken => None,
    }
}

fn done(outcome: SetActiveOutcome) -> User {
    match outcome {
        SetActiveOutcome::Done(user) => user,
        other => panic!("a user could not be activated or deactivated: {other:?}"),
    }
}

fn changed(outcome: SetRolesOutcome) -> User {
    match outcome {
        SetRolesOutcome::Done(user) => user,
        other => panic!("a user could not be given roles: {other:?}"),
    }
}

async fn credentials(stores: &Stores, tenant: TenantId, email: &Email) -> Option<Credentials> {
    stores.users.find_credentials(tenant, email).await.unwrap()
}

async fn first_admin(stores: &Stores, new: NewUser) -> FirstAdminOutcome {
    stores.users.create_first_admin(new).await.unwrap()
}
