//! The cases of [`UserRepository`](crate::UserRepository) that change and delete users.

use maestro_auth_domain::{
    BlacklistEntry, DisplayName, Generation, NewUser, PasswordVersion, RefreshCounter, Revoked, RoleName,
    Roles, TenantId, User, UserChange,
};

use super::StorageUnderTest;
use super::audit::whole_trail;
use super::blacklist::whole_log;
use super::fixtures::{
    admin, argon2_hash, at, create, delete, effects, find_principal, principal, register, rotate, session,
    set_active, set_roles, stored_key, update, user, when,
};
use super::race::race;
use super::users::{assert_ended, credentials, done, list};
use crate::{DeleteOutcome, OpenOutcome, RotateOutcome, SetPasswordOutcome, Stores, UpdateOutcome};

const FIRST: RefreshCounter = RefreshCounter::FIRST;

/// Deactivation ends the sessions and keeps new ones out; activation lets the user in and no old session back.
pub async fn a_deactivated_user_is_out_and_stays_out(storage: &dyn StorageUnderTest) {
    let stores = storage.open().await;
    let key = stored_key(&stores).await;
    let (before, opened) = register(&stores, user()).await;
    let open = || stores.sessions.open(before.id, PasswordVersion::FIRST, None, session(1), effects());

    let out = done(set_active(&stores, before.id, false, when(1)).await);

    assert!(!out.is_active);
    assert_ended(&before, &out);
    assert_eq!(principal(&stores, opened.id).await.user, out);
    assert_eq!(rotate(&stores, key, opened.id, FIRST, at(1)).await, RotateOutcome::Ended);
    assert_eq!(open().await.unwrap(), OpenOutcome::Refused);

    let back = done(set_active(&stores, before.id, true, when(1)).await);

    assert_eq!(back, User { is_active: true, ..out });
    let old = principal(&stores, opened.id).await;
    assert!(!old.session.is_live(&old.user, at(1)), "activation brought a session back");
    assert_eq!(rotate(&stores, key, opened.id, FIRST, at(1)).await, RotateOutcome::Ended);
    assert!(
        matches!(open().await.unwrap(), OpenOutcome::Opened(now) if now.session.is_live(&now.user, at(1)))
    );
}

/// Admins that deactivate, demote or delete each other at the same moment leave one.
pub async fn the_last_active_admin_stays(storage: &dyn StorageUnderTest) {
    let instances = [storage.open().await, storage.open().await];
    let mut admins = vec![create(&instances[0], admin()).await];
    create(&instances[0], user()).await;
    done(set_active(&instances[0], create(&instances[0], admin()).await.id, false, when(1)).await);
    for way in Leaving::ALL {
        assert!(is_kept(&instances[0], &admins[0], way).await, "{way:?}: the last admin left");
    }
    assert_eq!(
        instances[1].users.find(TenantId::DEFAULT, admins[0].id).await.unwrap().as_ref(),
        Some(&admins[0])
    );

    for (count, rounds) in [(2, 18), (16, 6)] {
        for round in 0..rounds {
            while admins.len() < count {
                admins.push(create(&instances[0], admin()).await);
            }
            let leavers = instances.iter().cycle().zip(admins.clone()).enumerate();
            let kept = race(leavers.map(|(number, (stores, admin))| {
                let way = Leaving::ALL[(round + number * (1 + round / 3)) % 3]; // two admins: every pair of ways
                let stores = stores.clone();
                async move { is_kept(&stores, &admin, way).await }
            }))
            .await;

            let kept = kept.into_iter().filter(|is_kept| *is_kept).count();
            assert_eq!(kept, 1, "of {count} admins that leave at once, one must be refused");
            admins = list(&instances[1], TenantId::DEFAULT).await;
            admins.retain(User::is_active_admin);
            assert_eq!(admins.len(), 1, "one admin must stay active");
        }
    }
}

/// A way to stop being an active admin.
#[derive(Debug, Clone, Copy)]
enum Leaving {
    Deactivated,
    Demoted,
    Deleted,
}

impl Leaving {
    const ALL: [Self; 3] = [Self::Deactivated, Self::Demoted, Self::Deleted];
}

/// Lets an admin leave, and says whether it was refused as the last one.
async fn is_kept(stores: &Stores, admin: &User, way: Leaving) -> bool {
    let change = match way {
        Leaving::Deactivated => UserChange { is_active: Some(false), ..UserChange::default() },
        Leaving::Demoted => {
            UserChange { roles: Some(Roles::single(RoleName::viewer())), ..UserChange::default() }
        }
        Leaving::Deleted => {
            return match stores.users.delete(admin, when(1), effects()).await.unwrap() {
                DeleteOutcome::LastAdmin => true,
                DeleteOutcome::Deleted(_) => false,
                other => panic!("an admin that nobody else touched was not deleted: {other:?}"),
            };
        }
    };
    match stores.users.update(admin, change, None, when(1), effects()).await.unwrap() {
        UpdateOutcome::LastAdmin => true,
        UpdateOutcome::Done(_) => false,
        other => panic!("an admin that nobody else touched was not changed: {other:?}"),
    }
}

/// Only a real change ends sessions, outdates tokens and is told: 16 callers that want the same raise the generation once,
/// and those who come late look again and find it done.
pub async fn setting_the_same_changes_nothing(storage: &dyn StorageUnderTest) {
    let instances = [storage.open().await, storage.open().await];
    let renamed = DisplayName::parse("Ren Amed").unwrap();
    for (change, rises, is_an_end) in [
        (UserChange { is_active: Some(false), ..UserChange::default() }, true, true),
        (UserChange { roles: Some(Roles::single(RoleName::admin())), ..UserChange::default() }, true, false),
        (UserChange { name: Some(renamed), ..UserChange::default() }, false, false),
    ] {
        let (before, opened) = register(&instances[0], user()).await;
        let (log, trail) =
            (whole_log(&instances[1]).await.len(), whole_trail(&instances[1], TenantId::DEFAULT).await.len());
        let as_it_is = UserChange {
            name: Some(before.name.clone()),
            roles: Some(before.roles.clone()),
            is_active: Some(true),
        };
        for nothing in [as_it_is, UserChange::default()] {
            assert_eq!(done(update(&instances[0], before.id, nothing, when(1)).await), before);
        }
        assert_eq!(principal(&instances[1], opened.id).await.user, before);

        let outcomes = race(instances.iter().cycle().take(16).map(|stores| {
            let (stores, change) = (stores.clone(), change.clone());
            async move { done(update(&stores, before.id, change, when(2)).await) }
        }))
        .await;

        let after = before.changed(&change);
        assert_eq!(after.generation, if rises { before.generation.next() } else { before.generation });
        for user in outcomes {
            assert_eq!(user, after);
        }
        let now = principal(&instances[1], opened.id).await;
        assert_eq!((now.session.is_live(&now.user, at(2)), now.user), (!is_an_end, after));
        assert_eq!(
            whole_log(&instances[1]).await.len(),
            log + usize::from(rises),
            "entries of the blacklist"
        );
        assert_eq!(
            whole_trail(&instances[1], TenantId::DEFAULT).await.len(),
            trail + 1,
            "one change, one entry in the audit trail"
        );
    }
    assert_eq!(set_active(&instances[0], user().id, false, when(1)).await, UpdateOutcome::Unknown);
}

/// Other roles outdate the tokens that tell of the former ones; the sessions go on, and the roles come back as given.
pub async fn new_roles_outdate_tokens_and_keep_sessions(storage: &dyn StorageUnderTest) {
    let stores = storage.open().await;
    let (before, opened) = register(&stores, user()).await;
    let roles = Roles::from_names([RoleName::admin(), RoleName::viewer()]).unwrap();

    let after = done(set_roles(&stores, before.id, roles.clone(), when(1)).await);

    let generation = before.generation.next();
    assert_eq!(after, User { roles, generation, ..before });
    let now = principal(&storage.open().await, opened.id).await;
    assert_eq!(now.user, after);
    assert!(now.session.is_live(&now.user, at(1)), "new roles ended a session");
}

/// Whoever looked before the last change neither changes nor deletes; a login in between is no change. Of 16 who saw the
/// same and want different things, one gets its will.
pub async fn a_change_of_a_user_that_was_not_seen_is_refused(storage: &dyn StorageUnderTest) {
    let instances = [storage.open().await, storage.open().await];
    let stores = &instances[0];
    let named = |name: &str| UserChange { name: DisplayName::parse(name).ok(), ..UserChange::default() };
    let other = || create(stores, admin());
    other().await;
    for missed in [
        named("Somebody Else"),
        UserChange { roles: Some(Roles::single(RoleName::admin())), ..UserChange::default() },
        UserChange { is_active: Some(false), ..UserChange::default() },
    ] {
        let (seen, _) = register(stores, user()).await;
        let now = done(instances[1].users.update(&seen, missed, None, when(1), effects()).await.unwrap());
        assert_refused(stores, &seen, &now).await;
    }
    let (seen, opened) = register(stores, user()).await;
    instances[1].sessions.revoke_all(opened.id, when(1), effects()).await.unwrap();
    assert_refused(stores, &seen, &principal(stores, opened.id).await.user).await;

    let (seen, _) = register(stores, user()).await;
    let login = instances[1].sessions.open(seen.id, PasswordVersion::FIRST, None, session(9), effects());
    assert!(matches!(login.await.unwrap(), OpenOutcome::Opened(_)));
    let outcome = stores.users.update(&seen, named("Logged In"), None, when(9), effects()).await.unwrap();
    let now = done(outcome);
    assert_eq!((now.name.as_str(), now.last_login_at), ("Logged In", Some(at(9))), "a login was undone");

    for _ in 0..6 {
        let seen = create(stores, user()).await;
        let outcomes = race(instances.iter().cycle().take(16).enumerate().map(|(caller, stores)| {
            let (stores, seen, change) = (stores.clone(), seen.clone(), named(&format!("Caller {caller}")));
            async move { stores.users.update(&seen, change, None, when(1), effects()).await.unwrap() }
        }))
        .await;

        let overtaken = outcomes.iter().filter(|outcome| **outcome == UpdateOutcome::Overtaken).count();
        assert_eq!(overtaken, 15, "callers overwrote what they had not seen");
        let now = instances[1].users.find(seen.tenant, seen.id).await.unwrap().unwrap();
        assert!(outcomes.contains(&UpdateOutcome::Done(now)), "the change of another was stored");
    }
}

async fn assert_refused(stores: &Stores, seen: &User, now: &User) {
    let (log, trail) = (whole_log(stores).await, whole_trail(stores, seen.tenant).await);
    let change = UserChange { name: DisplayName::parse("Too Late").ok(), ..UserChange::default() };
    let outcome = stores.users.update(seen, change, None, when(2), effects()).await.unwrap();
    assert_eq!(outcome, UpdateOutcome::Overtaken);
    let outcome = stores.users.delete(seen, when(2), effects()).await.unwrap();
    assert_eq!(outcome, DeleteOutcome::Overtaken);
    assert_eq!(stores.users.find(seen.tenant, seen.id).await.unwrap().as_ref(), Some(now));
    assert_eq!(
        (whole_log(stores).await, whole_trail(stores, seen.tenant).await),
        (log, trail),
        "a refusal leaves nothing"
    );
}

/// Nothing finds a deleted user, its sessions or its password, and its tokens are blacklisted; whoever registers its
/// address is somebody new. Logins beside it are gone as well, and of 16 who delete, one does.
pub async fn a_deleted_user_is_gone_and_its_address_free(storage: &dyn StorageUnderTest) {
    let instances = [storage.open().await, storage.open().await];
    let (here, there) = (&instances[0], &instances[1]);
    let key = stored_key(here).await;
    let new = user();
    let (gone, opened) = register(here, new.clone()).await;
    let gone = done(set_roles(here, gone.id, admin().roles, when(1)).await);
    create(here, admin()).await;

    let outcome = here.users.delete(&gone, when(2), effects()).await.unwrap();

    assert_eq!(outcome, DeleteOutcome::Deleted(gone.generation));
    assert!(whole_log(there).await.contains(&end_of(&gone, gone.generation)), "the tokens live on");
    assert_eq!(there.users.find(gone.tenant, gone.id).await.unwrap(), None);
    assert_eq!(credentials(there, gone.tenant, &gone.email).await, None);
    assert!(!list(there, gone.tenant).await.iter().any(|user| user.id == gone.id));
    assert_eq!(find_principal(there, opened.id).await, None);
    assert_eq!(rotate(there, key, opened.id, FIRST, at(2)).await, RotateOutcome::Unknown);
    let login =
        there.sessions.open(gone.id, PasswordVersion::FIRST, None, session(2), effects()).await.unwrap();
    assert_eq!(login, OpenOutcome::Refused);
    let password = there.users.set_password(gone.id, argon2_hash(), when(2), effects()).await.unwrap();
    assert_eq!(password, SetPasswordOutcome::Unknown);
    let ended = there.sessions.revoke_all_of(gone.tenant, gone.id, when(2), effects()).await.unwrap();
    assert_eq!(ended, None);
    let back = UserChange { is_active: Some(true), ..UserChange::default() };
    let outcome = there.users.update(&gone, back, None, when(2), effects()).await.unwrap();
    assert_eq!(outcome, UpdateOutcome::Unknown);
    let outcome = there.users.delete(&gone, when(2), effects()).await.unwrap();
    assert_eq!(outcome, DeleteOutcome::Unknown);

    let (heir, _) = register(there, NewUser { email: new.email, ..user() }).await;
    assert_ne!(heir.id, gone.id);
    assert_eq!(credentials(here, heir.tenant, &gone.email).await.unwrap().user, heir);
    assert_eq!(find_principal(here, opened.id).await, None, "an old session found the new user");

    for _ in 0..8 {
        let (leaver, first) = register(here, user()).await;
        let outcomes = race(instances.iter().cycle().take(16).enumerate().map(|(caller, stores)| {
            let (stores, login) = (stores.clone(), session(1));
            async move {
                if caller % 4 == 0 {
                    let is_done =
                        matches!(delete(&stores, leaver.id, when(3)).await, DeleteOutcome::Deleted(_));
                    return (is_done, None);
                }
                let verified = PasswordVersion::FIRST;
                stores.sessions.open(leaver.id, verified, None, login, effects()).await.unwrap();
                (false, Some(login.id))
            }
        }))
        .await;

        assert_eq!(
            outcomes.iter().filter(|(is_done, _)| *is_done).count(),
            1,
            "one user was deleted more than once"
        );
        for session in outcomes.iter().filter_map(|(_, login)| *login).chain([first.id]) {
            assert_eq!(find_principal(there, session).await, None, "a session outlived its user");
        }
    }
}

/// What must be in the blacklist once a user of this generation was deleted at second 2.
fn end_of(user: &User, generation: Generation) -> BlacklistEntry {
    let revoked = Revoked::User { user: user.id, min_generation: generation.next() };
    BlacklistEntry { tenant: user.tenant, revoked, until: when(2).until }
}
