//! The classic mistakes, one step each.

use async_trait::async_trait;
use maestro_auth_domain::{
    AuditLink, BlacklistEntry, CatalogueRevision, KeyId, NewSession, NewUser, PasswordVersion,
    RefreshCounter, RefreshPolicy, RefreshVerdict, RevocationTime, Revoked, RoleName, Roles, SecretHash,
    Service, SessionId, TenantId, TokenId, User, UserChange, UserFilter, UserId,
};
use maestro_auth_ports::contract::fixtures::{self, token};
use maestro_auth_ports::{
    CatalogueChange, CatalogueOutcome, CreateOutcome, CreateServiceOutcome, DeleteOutcome, Effects,
    RegisterOutcome, RotateOutcome, StoreResult, Stores, UpdateOutcome, UserPage,
};
use tokio::task::yield_now;

use super::planted::Mistake;

/// None: what is red over this is red for another reason than a mistake.
#[derive(Clone, Copy)]
pub(super) struct NoMistake;

impl Mistake for NoMistake {}

/// Has no unique index: whoever saw the address free is told that it is theirs.
#[derive(Clone, Copy)]
pub(super) struct ChecksAnAddressThenInserts;

#[async_trait]
impl Mistake for ChecksAnAddressThenInserts {
    async fn register(
        &self,
        right: &Stores,
        user: NewUser,
        session: NewSession,
        checked: CatalogueRevision,
        effects: Effects,
    ) -> StoreResult<RegisterOutcome> {
        if right.users.find_credentials(user.tenant, &user.email).await?.is_some() {
            return Ok(RegisterOutcome::EmailTaken);
        }
        yield_now().await;
        let expected = user.clone().into_user();
        right.users.register(user, session, checked, effects).await?;
        let session = session.open_for(&expected);
        Ok(RegisterOutcome::Registered(expected, session))
    }
}

/// Stores the user, and then its session.
#[derive(Clone, Copy)]
pub(super) struct RegistersInTwoSteps;

#[async_trait]
impl Mistake for RegistersInTwoSteps {
    async fn register(
        &self,
        right: &Stores,
        user: NewUser,
        session: NewSession,
        checked: CatalogueRevision,
        effects: Effects,
    ) -> StoreResult<RegisterOutcome> {
        let user = match right.users.create(user, checked, effects.clone()).await? {
            CreateOutcome::Created(user) => user,
            CreateOutcome::EmailTaken => return Ok(RegisterOutcome::EmailTaken),
            CreateOutcome::Overtaken => return Ok(RegisterOutcome::Overtaken),
        };
        yield_now().await;
        right.sessions.open(user.id, PasswordVersion::FIRST, None, session, effects).await?;
        let session = session.open_for(&user);
        Ok(RegisterOutcome::Registered(User { last_login_at: Some(session.created_at), ..user }, session))
    }
}

/// Filters what it has read for a page, and takes one that is short then for the last.
#[derive(Clone, Copy)]
pub(super) struct TakesAShortPageForTheLast;

#[async_trait]
impl Mistake for TakesAShortPageForTheLast {
    async fn list(
        &self,
        right: &Stores,
        tenant: TenantId,
        filter: &UserFilter,
        after: Option<UserId>,
        limit: u32,
    ) -> StoreResult<UserPage> {
        let mut page = right.users.list(tenant, &UserFilter::default(), after, limit).await?;
        page.users.retain(|user| filter.matches(user));
        if page.users.len() < limit as usize {
            page.next = None;
        }
        Ok(page)
    }
}

/// Changes the user whatever it is by now: the last one to write wins.
#[derive(Clone, Copy)]
pub(super) struct ChangesWhatNobodySaw;

#[async_trait]
impl Mistake for ChangesWhatNobodySaw {
    async fn update(
        &self,
        right: &Stores,
        seen: &User,
        change: UserChange,
        checked: Option<CatalogueRevision>,
        when: RevocationTime,
        effects: Effects,
    ) -> StoreResult<UpdateOutcome> {
        let Some(now) = right.users.find(seen.tenant, seen.id).await? else {
            return Ok(UpdateOutcome::Unknown);
        };
        right.users.update(&now, change, checked, when, effects).await
    }
}

/// Gives roles that were checked against any catalogue.
#[derive(Clone, Copy)]
pub(super) struct GivesWhatWasNotChecked;

#[async_trait]
impl Mistake for GivesWhatWasNotChecked {
    async fn update(
        &self,
        right: &Stores,
        seen: &User,
        change: UserChange,
        _: Option<CatalogueRevision>,
        when: RevocationTime,
        effects: Effects,
    ) -> StoreResult<UpdateOutcome> {
        right.users.update(seen, change, None, when, effects).await
    }
}

/// Asks nobody whether an admin is left. For want of another way past the rule, it brings one of its own.
#[derive(Clone, Copy)]
pub(super) struct DeletesTheLastAdmin;

#[async_trait]
impl Mistake for DeletesTheLastAdmin {
    async fn delete(
        &self,
        right: &Stores,
        seen: &User,
        when: RevocationTime,
        effects: Effects,
    ) -> StoreResult<DeleteOutcome> {
        fixtures::create(right, NewUser { tenant: seen.tenant, ..fixtures::admin() }).await;
        right.users.delete(seen, when, effects).await
    }
}

/// Tells of what was refused, too.
#[derive(Clone, Copy)]
pub(super) struct TellsOfARefusedStep;

#[async_trait]
impl Mistake for TellsOfARefusedStep {
    async fn create(
        &self,
        right: &Stores,
        user: NewUser,
        checked: CatalogueRevision,
        effects: Effects,
    ) -> StoreResult<CreateOutcome> {
        let outcome = right.users.create(user, checked, effects.clone()).await?;
        if outcome == CreateOutcome::EmailTaken {
            right.audit.append(&[effects.audit]).await?;
        }
        Ok(outcome)
    }
}

/// Tells nobody of it: the entry goes where none is looked for.
#[derive(Clone, Copy)]
pub(super) struct TellsNobody;

#[async_trait]
impl Mistake for TellsNobody {
    async fn revoke(
        &self,
        right: &Stores,
        session: SessionId,
        when: RevocationTime,
        mut effects: Effects,
    ) -> StoreResult<()> {
        effects.audit.tenant = fixtures::tenant();
        right.sessions.revoke(session, when, effects).await
    }
}

/// Writes whatever the counter is by now: the statement does not name the state that it expects.
#[derive(Clone, Copy)]
pub(super) struct ReadsACounterThenWrites;

#[async_trait]
impl Mistake for ReadsACounterThenWrites {
    async fn rotate(
        &self,
        right: &Stores,
        session: SessionId,
        presented: RefreshCounter,
        key: KeyId,
        policy: RefreshPolicy,
        when: RevocationTime,
        on_reuse: Effects,
    ) -> StoreResult<RotateOutcome> {
        let read = right.sessions.find_principal(session, token(), key).await?;
        let verdict = read.map(|read| read.session.judge(&read.user, presented, &policy, when.at));
        if verdict != Some(RefreshVerdict::Rotate) {
            return right.sessions.rotate(session, presented, key, policy, when, on_reuse).await;
        }
        yield_now().await;
        let current = right.sessions.find_principal(session, token(), key).await?;
        let current = current.map_or(presented, |now| now.session.counter);
        right.sessions.rotate(session, current, key, policy, when, on_reuse).await
    }
}

/// Looks at the session alone: whoever could sign once can refresh for ever.
#[derive(Clone, Copy)]
pub(super) struct RotatesForARevokedKey;

#[async_trait]
impl Mistake for RotatesForARevokedKey {
    async fn rotate(
        &self,
        right: &Stores,
        session: SessionId,
        presented: RefreshCounter,
        key: KeyId,
        policy: RefreshPolicy,
        when: RevocationTime,
        on_reuse: Effects,
    ) -> StoreResult<RotateOutcome> {
        let stored = right.keys.list_keys(when.at).await?;
        let any = stored.first().map_or(key, |stored| stored.public.kid);
        right.sessions.rotate(session, presented, any, policy, when, on_reuse).await
    }
}

/// Adds an entry at each call.
#[derive(Clone, Copy)]
pub(super) struct RevokesATokenAgain;

#[async_trait]
impl Mistake for RevokesATokenAgain {
    async fn revoke_token(
        &self,
        right: &Stores,
        tenant: TenantId,
        token: TokenId,
        when: RevocationTime,
        effects: Effects,
    ) -> StoreResult<()> {
        let revoked = Revoked::Token(token);
        right.sessions.revoke_token(tenant, token, when, effects).await?;
        let entry = BlacklistEntry { tenant, revoked, until: when.until };
        right.blacklist.add(&[entry]).await
    }
}

/// Changes a catalogue whatever it is by now.
#[derive(Clone, Copy)]
pub(super) struct ChangesACatalogueNobodySaw;

#[async_trait]
impl Mistake for ChangesACatalogueNobodySaw {
    async fn change_catalogue(
        &self,
        right: &Stores,
        tenant: TenantId,
        change: CatalogueChange,
        _: CatalogueRevision,
        when: RevocationTime,
        effects: Effects,
    ) -> StoreResult<CatalogueOutcome> {
        let now = right.roles.catalogue(tenant).await?.revision;
        right.roles.change_catalogue(tenant, change, now, when, effects).await
    }
}

/// Takes a role away from whoever has it, as a cascade does, and deletes it.
#[derive(Clone, Copy)]
pub(super) struct DeletesARoleThatIsHeld;

#[async_trait]
impl Mistake for DeletesARoleThatIsHeld {
    async fn change_catalogue(
        &self,
        right: &Stores,
        tenant: TenantId,
        change: CatalogueChange,
        seen: CatalogueRevision,
        when: RevocationTime,
        effects: Effects,
    ) -> StoreResult<CatalogueOutcome> {
        if let CatalogueChange::DeleteRole(role) = &change {
            let holders = UserFilter { role: Some(role.clone()), ..UserFilter::default() };
            for holder in right.users.list(tenant, &holders, None, u32::MAX).await?.users {
                fixtures::set_roles(right, holder.id, Roles::single(RoleName::viewer()), when).await;
            }
        }
        right.roles.change_catalogue(tenant, change, seen, when, effects).await
    }
}

/// Holds no lock: whoever saw nobody with the role is told that it is gone.
#[derive(Clone, Copy)]
pub(super) struct LooksForHoldersThenDeletes;

#[async_trait]
impl Mistake for LooksForHoldersThenDeletes {
    async fn change_catalogue(
        &self,
        right: &Stores,
        tenant: TenantId,
        change: CatalogueChange,
        seen: CatalogueRevision,
        when: RevocationTime,
        effects: Effects,
    ) -> StoreResult<CatalogueOutcome> {
        if let CatalogueChange::DeleteRole(role) = &change {
            let holders = UserFilter { role: Some(role.clone()), ..UserFilter::default() };
            if !right.users.list(tenant, &holders, None, 1).await?.users.is_empty() {
                return Ok(CatalogueOutcome::RoleHeld);
            }
            for _ in 0..100 {
                yield_now().await; // somebody is given the role meanwhile
            }
        }
        let outcome = right.roles.change_catalogue(tenant, change, seen, when, effects).await?;
        let is_held = outcome == CatalogueOutcome::RoleHeld;
        Ok(if is_held { CatalogueOutcome::Changed(seen.next()) } else { outcome })
    }
}

/// Has no unique index: whoever saw the name free is told that it is theirs.
#[derive(Clone, Copy)]
pub(super) struct ChecksANameThenInserts;

#[async_trait]
impl Mistake for ChecksANameThenInserts {
    async fn create_service(
        &self,
        right: &Stores,
        service: Service,
        secret: SecretHash,
        checked: CatalogueRevision,
        effects: Effects,
    ) -> StoreResult<CreateServiceOutcome> {
        let others = right.services.list_services(service.tenant, None, u32::MAX).await?;
        if others.iter().any(|other| other.name == service.name) {
            return Ok(CreateServiceOutcome::NameTaken);
        }
        yield_now().await;
        right.services.create_service(service, secret, checked, effects).await?;
        Ok(CreateServiceOutcome::Created)
    }
}

/// Goes on wherever the chain ends by now, so that two linkers go on from one link.
#[derive(Clone, Copy)]
pub(super) struct LinksWhereverTheChainEnds;

#[async_trait]
impl Mistake for LinksWhereverTheChainEnds {
    async fn link(&self, right: &Stores, _: i64, links: &[AuditLink]) -> StoreResult<bool> {
        yield_now().await;
        let last = right.audit.unlinked(None, 1).await?.last;
        right.audit.link(last.map_or(0, |last| last.position), links).await
    }
}
