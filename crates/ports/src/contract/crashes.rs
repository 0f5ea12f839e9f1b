//! The cases of [`Stores`] as a whole: what outlives a stop, and a caller that goes away.

use std::collections::HashSet;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use maestro_auth_domain::{
    AuditEntry, AuditLink, BlacklistEntry, CatalogueRevision, ClientId, Description, DisplayName, KeyId,
    NewUser, PasswordVersion, RefreshCounter, Revoked, RoleCatalogue, RoleDefinition, SecretHash, Service,
    Session, SessionId, TenantId, User, UserChange,
};

use super::StorageUnderTest;
use super::audit::{is_told, links_after, read_chain, waiting, whole_trail};
use super::blacklist::whole_log;
use super::fixtures::{
    argon2_hash, at, audit_entry, create, delete, effects, entry, find_principal, permission_name, principal,
    register, revision, role, role_name, rotate, secret_hash, service, session, set_active, signing_key,
    stored_key, token, update, user, when,
};
use super::race::race;
use super::roles::{change, stored};
use super::users::{credentials, list};
use crate::{
    Algorithm, CatalogueChange, CatalogueOutcome, CreateServiceOutcome, OpenOutcome, RegisterOutcome,
    RevokeKeyOutcome, RotateOutcome, SigningKeyRecord, StoredEntry, Stores, UpdateOutcome,
};

const TENANT: TenantId = TenantId::DEFAULT;
const FIRST: CatalogueRevision = CatalogueRevision::FIRST;

/// Whatever was acknowledged is there after every instance was dropped: users, sessions, ends, keys, roles, services and the
/// audit trail with its chain.
pub async fn acknowledged_writes_survive_a_reopen(storage: &dyn StorageUnderTest) {
    let stores = storage.open().await;
    let key = stored_key(&stores).await;
    let (changed, _) = register(&stores, user()).await;
    let hash = argon2_hash();
    stores.users.set_password(changed.id, hash.clone(), when(1), effects()).await.unwrap();
    let written = race((0..32).map(|number| {
        let stores = stores.clone();
        async move {
            let (user, session) = register(&stores, user()).await;
            match number % 4 {
                0 => stores.sessions.revoke(session.id, when(1), effects()).await.unwrap(),
                1 => stores.sessions.revoke_all(session.id, when(1), effects()).await.map(drop).unwrap(),
                2 => drop(set_active(&stores, user.id, false, when(1)).await),
                _ => drop(rotate(&stores, key, session.id, RefreshCounter::FIRST, at(1)).await),
            }
            principal(&stores, session.id).await
        }
    }))
    .await;
    assert_eq!(whole_log(&stores).await.len(), 25, "a change of password and three ends of four");
    let services = write_what_an_admin_writes(&stores, key).await;
    let acknowledged = Everything::of(&stores).await;
    assert_eq!(acknowledged.log.len(), 30, "a deletion, a token, a key, and two changes of roles");
    drop(stores);

    let reopened = storage.open().await;

    for acknowledged in written {
        assert_eq!(principal(&reopened, acknowledged.session.id).await, acknowledged);
    }
    let found = credentials(&reopened, changed.tenant, &changed.email).await.unwrap();
    assert_eq!((found.password_hash, found.password_version), (hash, PasswordVersion::FIRST.next()));
    for (service, secret) in services {
        assert_eq!(reopened.services.find_service(service.id).await.unwrap(), Some((service, secret)));
    }
    assert_eq!(Everything::of(&reopened).await, acknowledged);
}

/// Changes and deletes users, tokens, keys, roles and services, lays a part of the chain, and gives the services that are
/// left.
async fn write_what_an_admin_writes(stores: &Stores, key: KeyId) -> Vec<(Service, SecretHash)> {
    let made = create(stores, user()).await;
    let renamed = UserChange { name: DisplayName::parse("Ren Amed").ok(), ..UserChange::default() };
    assert!(matches!(update(stores, made.id, renamed, when(2)).await, UpdateOutcome::Done(_)));
    let gone = create(stores, user()).await;
    delete(stores, gone.id, when(2)).await;

    stores.sessions.revoke_token(TENANT, token(), when(2), effects()).await.unwrap();
    stores.keys.rotate_key(signing_key(Algorithm::Es256, 1), at(100), effects()).await.unwrap();
    let successor = signing_key(Algorithm::Es256, 2);
    let revoked = stores.keys.revoke_key(key, successor, when(2), effects()).await.unwrap();
    assert_eq!(revoked, RevokeKeyOutcome::Revoked);

    let mut services = Vec::new();
    for _ in 0..3 {
        let (service, secret) = (service(), secret_hash());
        let outcome =
            stores.services.create_service(service.clone(), secret, FIRST, effects()).await.unwrap();
        assert_eq!(outcome, CreateServiceOutcome::Created);
        services.push((service, secret));
    }
    let (gone, _) = services.remove(1);
    assert!(stores.services.delete_service(TENANT, gone.id, effects()).await.unwrap());

    let text = Description::parse("Prints.").unwrap();
    change(stores, TENANT, CatalogueChange::PutPermission(permission_name("report:print"), text)).await;
    let put = CatalogueChange::PutRole(role("printer", &["report:print"]));
    let seen = revision(stores, TENANT).await;
    let outcome = stores.roles.change_catalogue(TENANT, put, seen, when(2), effects()).await.unwrap();
    assert_eq!(outcome, CatalogueOutcome::Changed(seen.next()));

    stores.audit.append(&[audit_entry(3), audit_entry(4)]).await.unwrap();
    let some = waiting(stores, None, 20).await;
    assert!(stores.audit.link(0, &links_after(0, &some)).await.unwrap());
    services
}

/// Everything that a storage lists.
#[derive(Debug, PartialEq)]
struct Everything {
    users: Vec<User>,
    keys: Vec<SigningKeyRecord>,
    log: HashSet<BlacklistEntry>,
    catalogue: (RoleCatalogue, CatalogueRevision),
    services: Vec<Service>,
    trail: Vec<AuditEntry>,
    chain: Vec<(AuditLink, Option<StoredEntry>)>,
    unlinked: Vec<AuditEntry>,
}

impl Everything {
    async fn of(stores: &Stores) -> Self {
        Self {
            users: list(stores, TENANT).await,
            keys: stores.keys.list_keys(at(0)).await.unwrap(),
            log: whole_log(stores).await,
            catalogue: stored(stores, TENANT).await,
            services: stores.services.list_services(TENANT, None, 100).await.unwrap(),
            trail: whole_trail(stores, TENANT).await,
            chain: read_chain(stores, 100).await,
            unlinked: waiting(stores, None, 1_000).await,
        }
    }
}

/// Callers that go away at any moment leave each step done or not done, with all that commits with it, and a store that
/// still works.
///
/// Each call is cut off at its first, second, … point of waiting, and others after a short time, as when a client
/// closes its connection. A pooled connection that keeps the half-open transaction of such a caller swallows later
/// writes, so those are made on the same instance and looked for in another.
pub async fn an_aborted_caller_leaves_no_half_step(storage: &dyn StorageUnderTest) {
    let stores = storage.open().await;
    let witness = storage.open().await;
    let key = stored_key(&stores).await;
    let other = storage.another_tenant().await;
    let cuts = (1..=12).map(Cut::AtWait).chain((0..24).map(|n| Cut::After(Duration::from_micros(n * 250))));
    for (cut, round) in cuts.zip(0..) {
        abort_a_registration(cut, &stores, &witness).await;
        abort_a_rotation(cut, &stores, &witness, key).await;
        abort_a_logout_everywhere(cut, &stores, &witness).await;
        abort_a_deactivation(cut, &stores, &witness).await;
        abort_a_deletion(cut, &stores, &witness).await;
        abort_a_change_of_roles(cut, &stores, &witness, other, round).await;
        abort_a_new_service(cut, &stores, &witness).await;
        abort_a_report(cut, &stores, &witness).await;
        assert_still_works(&stores, &witness, key).await;
    }
}

/// When a caller goes away.
#[derive(Clone, Copy)]
enum Cut {
    /// The moment it waits for the n-th time.
    AtWait(usize),
    /// After this time.
    After(Duration),
}

async fn cut_off(cut: Cut, call: impl Future<Output = ()> + Send + 'static) {
    match cut {
        Cut::AtWait(waits) => {
            let mut call = pin!(call);
            let mut left = waits;
            std::future::poll_fn(|context| {
                let done = call.as_mut().poll(context).is_ready();
                left -= 1;
                if done || left == 0 { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
        }
        Cut::After(time) => {
            let task = tokio::spawn(call);
            tokio::time::sleep(time).await;
            task.abort();
            assert!(task.await.map_or_else(|error| error.is_cancelled(), |()| true), "the call panicked");
        }
    }
}

/// One of the things that a step leaves behind.
enum Trace {
    /// A user is found by its address.
    Address(NewUser),
    /// A user is as it should be after the step.
    UserAs(User),
    NoUser(User),
    Session(SessionId),
    NoSession(SessionId),
    Entry(BlacklistEntry),
    Report(AuditEntry),
    /// Whoever lays the chain finds the entry.
    Unlinked(AuditEntry),
    /// There is a role with these permissions, at a revision other than that.
    Role(TenantId, RoleDefinition, CatalogueRevision),
    Service(ClientId),
}

impl Trace {
    async fn is_seen(&self, witness: &Stores) -> bool {
        match self {
            Self::Address(new) => credentials(witness, new.tenant, &new.email).await.is_some(),
            Self::UserAs(user) => found(witness, user).await.is_some_and(|found| found == *user),
            Self::NoUser(user) => found(witness, user).await.is_none(),
            Self::Session(id) => find_principal(witness, *id).await.is_some(),
            Self::NoSession(id) => find_principal(witness, *id).await.is_none(),
            Self::Entry(entry) => whole_log(witness).await.contains(entry),
            Self::Report(entry) => is_told(witness, entry).await,
            Self::Unlinked(entry) => waiting(witness, None, 100_000).await.contains(entry),
            Self::Role(tenant, role, before) => {
                let (catalogue, revision) = stored(witness, *tenant).await;
                revision != *before
                    && catalogue.role(&role.name).is_some_and(|found| found.definition == *role)
            }
            Self::Service(id) => witness.services.find_service(*id).await.unwrap().is_some(),
        }
    }
}

async fn found(witness: &Stores, user: &User) -> Option<User> {
    witness.users.find(user.tenant, user.id).await.unwrap()
}

/// Demands that a step has left all of its traces or none. It may still be on its way, so each later look may show more than
/// the one before, but never a part of it.
async fn assert_all_or_none(witness: &Stores, step: &str, traces: &[Trace]) {
    for (number, trace) in traces.iter().enumerate() {
        if trace.is_seen(witness).await {
            for (other_number, other) in traces.iter().enumerate() {
                let is_seen = other.is_seen(witness).await;
                assert!(is_seen, "half of {step}: it left trace {number}, and not trace {other_number}");
            }
        }
    }
}

/// The end of the user's tokens below its next generation, at second 1.
fn end_of(user: &User) -> BlacklistEntry {
    entry(Revoked::User { user: user.id, min_generation: user.generation.next() }, 931)
}

async fn abort_a_registration(cut: Cut, stores: &Stores, witness: &Stores) {
    let (new, first, told) = (user(), session(0), effects());
    let call = {
        let (stores, new, told) = (stores.clone(), new.clone(), told.clone());
        async move { drop(stores.users.register(new, first, FIRST, told).await.unwrap()) }
    };
    cut_off(cut, call).await;

    let traces = [Trace::Address(new), Trace::Session(first.id), Trace::Report(told.audit)];
    assert_all_or_none(witness, "a registration", &traces).await;
}

async fn abort_a_rotation(cut: Cut, stores: &Stores, witness: &Stores, key: KeyId) {
    let (user, before) = register(stores, user()).await;
    let call = {
        let (stores, session) = (stores.clone(), before.id);
        async move { drop(rotate(&stores, key, session, RefreshCounter::FIRST, at(1)).await) }
    };
    cut_off(cut, call).await;

    let seen = principal(witness, before.id).await;
    assert_eq!(seen.user, user);
    let is_whole = seen.session == before || seen.session == before.rotated(at(1));
    assert!(is_whole, "a half rotation: {:?}", seen.session);
}

async fn abort_a_logout_everywhere(cut: Cut, stores: &Stores, witness: &Stores) {
    let ((before, session), told) = (register(stores, user()).await, effects());
    let call = {
        let (stores, told) = (stores.clone(), told.clone());
        async move { stores.sessions.revoke_all(session.id, when(1), told).await.map(drop).unwrap() }
    };
    cut_off(cut, call).await;

    let (generation, entry) = (before.generation.next(), end_of(&before));
    let after = User { generation, session_floor: generation, ..before.clone() };
    assert_user_is_one_of(witness, &before, &after).await;
    let traces = [Trace::UserAs(after), Trace::Entry(entry), Trace::Report(told.audit)];
    assert_all_or_none(witness, "a logout everywhere", &traces).await;
}

async fn abort_a_deactivation(cut: Cut, stores: &Stores, witness: &Stores) {
    let ((before, _), told) = (register(stores, user()).await, effects());
    let out = UserChange { is_active: Some(false), ..UserChange::default() };
    let after = before.changed(&out);
    let call = {
        let (stores, before, told) = (stores.clone(), before.clone(), told.clone());
        async move { drop(stores.users.update(&before, out, None, when(1), told).await.unwrap()) }
    };
    cut_off(cut, call).await;

    assert_user_is_one_of(witness, &before, &after).await;
    let traces = [Trace::UserAs(after), Trace::Entry(end_of(&before)), Trace::Report(told.audit)];
    assert_all_or_none(witness, "a deactivation", &traces).await;
}

async fn assert_user_is_one_of(witness: &Stores, before: &User, after: &User) {
    let now = found(witness, before).await;
    assert!(now.as_ref() == Some(before) || now.as_ref() == Some(after), "a half change of a user: {now:?}");
}

async fn abort_a_deletion(cut: Cut, stores: &Stores, witness: &Stores) {
    let ((before, session), told) = (register(stores, user()).await, effects());
    let call = {
        let (stores, before, told) = (stores.clone(), before.clone(), told.clone());
        async move { stores.users.delete(&before, when(1), told).await.map(drop).unwrap() }
    };
    cut_off(cut, call).await;

    let entry = end_of(&before);
    let traces =
        [Trace::NoUser(before), Trace::NoSession(session.id), Trace::Entry(entry), Trace::Report(told.audit)];
    assert_all_or_none(witness, "a deletion", &traces).await;
}

async fn abort_a_change_of_roles(cut: Cut, stores: &Stores, witness: &Stores, tenant: TenantId, round: i64) {
    let role = RoleDefinition {
        inherits: vec![role_name("viewer"), role_name("developer")],
        ..role(&format!("role-{round}"), &["model:view", "data:view"])
    };
    let (seen, time, told) = (revision(witness, tenant).await, when(1_000 + round), effects());
    let call = {
        let (stores, put, told) = (stores.clone(), CatalogueChange::PutRole(role.clone()), told.clone());
        async move { stores.roles.change_catalogue(tenant, put, seen, time, told).await.map(drop).unwrap() }
    };
    cut_off(cut, call).await;

    let (catalogue, revision) = stored(witness, tenant).await;
    assert_eq!(catalogue.role(&role.name).is_some(), revision > seen, "half a change of roles");
    let entry = BlacklistEntry { tenant, revoked: Revoked::RoleDefinitions, until: time.until };
    let traces = [Trace::Role(tenant, role, seen), Trace::Entry(entry), Trace::Report(told.audit)];
    assert_all_or_none(witness, "a change of roles", &traces).await;
}

async fn abort_a_new_service(cut: Cut, stores: &Stores, witness: &Stores) {
    let (made, told) = (service(), effects());
    let call = {
        let (stores, made, told) = (stores.clone(), made.clone(), told.clone());
        async move { stores.services.create_service(made, secret_hash(), FIRST, told).await.map(drop).unwrap() }
    };
    cut_off(cut, call).await;

    assert_all_or_none(witness, "a new service", &[Trace::Service(made.id), Trace::Report(told.audit)]).await;
}

async fn abort_a_report(cut: Cut, stores: &Stores, witness: &Stores) {
    let report = [effects().audit, effects().audit, effects().audit];
    let call = {
        let (stores, report) = (stores.clone(), report.clone());
        async move { stores.audit.append(&report).await.unwrap() }
    };
    cut_off(cut, call).await;

    let [first, second, third] = report;
    let traces = [Trace::Report(first), Trace::Unlinked(second), Trace::Report(third)];
    assert_all_or_none(witness, "a report of three entries", &traces).await;
}

/// 12 writes of every kind on `stores`, which a leaked transaction or lock would block or swallow.
async fn assert_still_works(stores: &Stores, witness: &Stores, key: KeyId) {
    let writes = race((0..12).map(|_| {
        let stores = stores.clone();
        async move { tokio::time::timeout(Duration::from_secs(10), write_everything(&stores, key)).await }
    }));
    for write in writes.await {
        let (user, session, service) = write.expect("a write after an aborted call never ended");
        let seen = principal(witness, session.id).await;
        assert_eq!((seen.user.id, seen.session.counter), (user.id, RefreshCounter::FIRST.next()));
        assert_eq!(seen.user.generation, user.generation.next(), "an acknowledged write is lost");
        assert_eq!(seen.user.name.as_str(), "Ren Amed", "an acknowledged write is lost");
        let found = witness.services.find_service(service.id).await.unwrap();
        assert!(found.is_some(), "an acknowledged write is lost");
    }
}

async fn write_everything(stores: &Stores, key: KeyId) -> (User, Session, Service) {
    let outcome = stores.users.register(user(), session(0), FIRST, effects()).await.unwrap();
    let RegisterOutcome::Registered(user, first) = outcome else {
        panic!("an address that nobody has is taken");
    };
    let login = session(1);
    let opened = stores.sessions.open(user.id, PasswordVersion::FIRST, None, login, effects()).await.unwrap();
    assert!(matches!(opened, OpenOutcome::Opened(_)));
    let rotated = rotate(stores, key, first.id, RefreshCounter::FIRST, at(1)).await;
    assert!(matches!(rotated, RotateOutcome::Rotated(_)));
    stores.sessions.revoke_all(first.id, when(1), effects()).await.unwrap();
    let renamed = UserChange { name: DisplayName::parse("Ren Amed").ok(), ..UserChange::default() };
    assert!(matches!(update(stores, user.id, renamed, when(1)).await, UpdateOutcome::Done(_)));
    let service = service();
    let outcome =
        stores.services.create_service(service.clone(), secret_hash(), FIRST, effects()).await.unwrap();
    assert_eq!(outcome, CreateServiceOutcome::Created);
    (user, first, service)
}
