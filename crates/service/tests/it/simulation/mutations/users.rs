use maestro_auth_domain::{
    CatalogueRevision, Email, NewUser, PasswordHash, RevocationTime, RoleName, Roles, TenantId, User,
    UserChange, UserFilter, UserId,
};
use maestro_auth_ports::{Credentials, DeleteOutcome, Effects, StoreResult, UpdateOutcome, UserPage};

use super::{Mutant, Mutation};
use crate::support::{display_name, email};

/// The address of an admin who isn't one.
const STAND_IN: &str = "stand-in@example.org";

impl Mutant {
    pub(in super::super) async fn find(&self, tenant: TenantId, user: UserId) -> StoreResult<Option<User>> {
        Ok(self.users().find(tenant, user).await?.map(|user| self.shown(user)))
    }

    pub(in super::super) async fn find_credentials(
        &self,
        tenant: TenantId,
        email: &Email,
    ) -> StoreResult<Option<Credentials>> {
        let found = self.users().find_credentials(tenant, email).await?;
        Ok(found.map(|found| Credentials { user: self.shown(found.user.clone()), ..found }))
    }

    pub(in super::super) async fn list(
        &self,
        tenant: TenantId,
        filter: &UserFilter,
        after: Option<UserId>,
        limit: u32,
    ) -> StoreResult<UserPage> {
        let mut page = self.users().list(tenant, filter, after, limit).await?;
        page.users = page.users.into_iter().map(|user| self.shown(user)).collect();
        page.users.retain(|user| user.email.as_str() != STAND_IN);
        Ok(page)
    }

    pub(in super::super) async fn update(
        &self,
        seen: &User,
        change: UserChange,
        checked: Option<CatalogueRevision>,
        when: RevocationTime,
        effects: Effects,
    ) -> StoreResult<UpdateOutcome> {
        if self.has(Mutation::LastAdminGoes) {
            self.make_stand_in(seen, when, effects.clone()).await?;
        }
        let seen = self.stored(seen.clone());
        let outcome = self.users().update(&seen, change, checked, when, effects).await?;
        let UpdateOutcome::Done(after) = outcome else { return Ok(outcome) };
        if after.generation != seen.generation {
            let is_active_still = after.is_active || !seen.is_active;
            if self.has(Mutation::UpdateKeepsGeneration) && is_active_still {
                *self.world.planted.lock().unwrap().held_back.entry(after.id).or_default() += 1;
                self.forget_entry(after.id, after.generation);
            }
            if self.has(Mutation::UpdateWithoutEntry) {
                self.forget_entry(after.id, after.generation);
            }
        }
        Ok(UpdateOutcome::Done(self.shown(after)))
    }

    pub(in super::super) async fn delete(
        &self,
        seen: &User,
        when: RevocationTime,
        effects: Effects,
    ) -> StoreResult<DeleteOutcome> {
        let seen = self.stored(seen.clone());
        let outcome = self.users().delete(&seen, when, effects).await?;
        if let DeleteOutcome::Deleted(generation) = outcome
            && self.has(Mutation::DeletionWithoutEntry)
        {
            self.forget_entry(seen.id, generation.next());
        }
        Ok(outcome)
    }

    /// Another admin, whom nobody ever sees, so that the storage takes nobody for the last one.
    async fn make_stand_in(&self, seen: &User, when: RevocationTime, effects: Effects) -> StoreResult<()> {
        let admin = NewUser {
            id: UserId::generate(when.at, [0xff; 10]),
            tenant: seen.tenant,
            email: email(STAND_IN),
            name: display_name("Stand-in"),
            roles: Roles::single(RoleName::admin()),
            password_hash: PasswordHash::new(String::new()),
            created_at: when.at,
        };
        let revision = self.roles().catalogue(seen.tenant).await?.revision;
        let _made_or_there = self.users().create(admin, revision, effects).await?;
        Ok(())
    }
}
