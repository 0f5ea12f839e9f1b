use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;

use async_trait::async_trait;
use maestro_auth_domain::{
    CatalogueRevision, Email, HashScheme, NewSession, NewUser, PasswordHash, PasswordVersion, RevocationTime,
    RoleName, TenantId, Timestamp, User, UserChange, UserFilter, UserId,
};
use maestro_auth_ports::{
    CreateOutcome, Credentials, DeleteOutcome, Effects, FirstAdminOutcome, RegisterOutcome,
    SetPasswordOutcome, StoreResult, UpdateOutcome, UserPage, UserRepository,
};

use super::MemoryStore;
use super::sessions::below;

/// All users, and what finds them without a search.
#[derive(Default)]
pub(super) struct Users {
    by_id: HashMap<UserId, Credentials>,
    tenants: HashMap<TenantId, Tenant>,
    /// How many stored hashes have each bcrypt cost.
    bcrypt_costs: BTreeMap<u32, usize>,
}

/// The users of one tenant.
#[derive(Default)]
struct Tenant {
    by_address: HashMap<String, UserId>,
    in_order: BTreeSet<UserId>,
    /// The holders of the role `admin`, active or not.
    admins: BTreeSet<UserId>,
}

impl Users {
    pub(super) fn get(&self, user: UserId) -> Option<&User> {
        self.by_id.get(&user).map(|credentials| &credentials.user)
    }

    pub(super) fn get_mut(&mut self, user: UserId) -> Option<&mut User> {
        self.by_id.get_mut(&user).map(|credentials| &mut credentials.user)
    }

    /// Notes a login with the password `verified` and replaces its hash by `upgrade`; `None` when the user must not log
    /// in with it any more.
    pub(super) fn log_in(
        &mut self,
        user: UserId,
        verified: PasswordVersion,
        upgrade: Option<PasswordHash>,
        now: Timestamp,
    ) -> Option<&User> {
        let credentials = self.by_id.get_mut(&user)?;
        if !credentials.user.is_active || credentials.password_version != verified {
            return None;
        }
        credentials.user.last_login_at = Some(now);
        if let Some(hash) = upgrade {
            self.replace_hash(user, hash);
        }
        self.get(user)
    }

    fn tenant(&self, tenant: TenantId) -> Option<&Tenant> {
        self.tenants.get(&tenant)
    }

    /// Whether a user of its tenant has the address already.
    fn is_taken(&self, tenant: TenantId, email: &Email) -> bool {
        self.tenant(tenant).is_some_and(|tenant| tenant.by_address.contains_key(email.canonical()))
    }

    /// Stores a user whose address is not taken.
    fn insert(&mut self, new: NewUser) -> &mut User {
        let tenant = self.tenants.entry(new.tenant).or_default();
        tenant.by_address.insert(new.email.canonical().to_owned(), new.id);
        tenant.in_order.insert(new.id);
        if new.roles.contains(&RoleName::admin()) {
            tenant.admins.insert(new.id);
        }
        self.count_cost(bcrypt_cost(&new.password_hash));
        let credentials = Credentials {
            password_hash: new.password_hash.clone(),
            password_version: PasswordVersion::FIRST,
            user: new.into_user(),
        };
        let stored = self.by_id.entry(credentials.user.id).insert_entry(credentials);
        &mut stored.into_mut().user
    }

    /// Whether anybody of the tenant has the role, active or not.
    pub(super) fn hold(&self, tenant: TenantId, role: &RoleName) -> bool {
        let mut ids = self.tenant(tenant).into_iter().flat_map(|tenant| &tenant.in_order);
        ids.any(|id| self.get(*id).is_some_and(|user| user.roles.contains(role)))
    }

    fn is_last_active_admin(&self, user: &User) -> bool {
        let Some(tenant) = self.tenant(user.tenant) else { return false };
        let is_active = |id: &UserId| self.get(*id).is_some_and(|admin| admin.is_active);
        user.is_active_admin() && !tenant.admins.iter().any(|other| *other != user.id && is_active(other))
    }

    /// Stores a user who is there already as it is now.
    fn replace(&mut self, user: User) {
        let Some(credentials) = self.by_id.get_mut(&user.id) else { return };
        let admins = &mut self.tenants.entry(user.tenant).or_default().admins;
        if user.roles.contains(&RoleName::admin()) {
            admins.insert(user.id);
        } else {
            admins.remove(&user.id);
        }
        credentials.user = user;
    }

    fn delete(&mut self, user: UserId) {
        let Some(Credentials { user, password_hash, .. }) = self.by_id.remove(&user) else { return };
        let tenant = self.tenants.entry(user.tenant).or_default();
        tenant.by_address.remove(user.email.canonical());
        tenant.in_order.remove(&user.id);
        tenant.admins.remove(&user.id);
        self.uncount_cost(bcrypt_cost(&password_hash));
    }

    fn set_password(&mut self, user: UserId, hash: PasswordHash) {
        if let Some(credentials) = self.by_id.get_mut(&user) {
            credentials.password_version = credentials.password_version.next();
            self.replace_hash(user, hash);
        }
    }

    /// Replaces the hash of a password that stays the same, or of one that has just been counted.
    fn replace_hash(&mut self, user: UserId, hash: PasswordHash) {
        let Some(credentials) = self.by_id.get_mut(&user) else { return };
        let new_cost = bcrypt_cost(&hash);
        let old = std::mem::replace(&mut credentials.password_hash, hash);
        self.uncount_cost(bcrypt_cost(&old));
        self.count_cost(new_cost);
    }

    fn count_cost(&mut self, cost: Option<u32>) {
        if let Some(cost) = cost {
            *self.bcrypt_costs.entry(cost).or_default() += 1;
        }
    }

    fn uncount_cost(&mut self, cost: Option<u32>) {
        if let Some(cost) = cost
            && let Some(count) = self.bcrypt_costs.get_mut(&cost)
        {
            *count -= 1;
            if *count == 0 {
                self.bcrypt_costs.remove(&cost);
            }
        }
    }
}

/// The cost of a bcrypt hash that this server would verify.
fn bcrypt_cost(hash: &PasswordHash) -> Option<u32> {
    match hash.scheme() {
        Ok(HashScheme::Bcrypt { cost }) => Some(cost),
        _ => None,
    }
}

#[async_trait]
impl UserRepository for MemoryStore {
    async fn register(
        &self,
        user: NewUser,
        session: NewSession,
        checked: CatalogueRevision,
        effects: Effects,
    ) -> StoreResult<RegisterOutcome> {
        let state = &mut *self.state()?;
        if state.users.is_taken(user.tenant, &user.email) {
            return Ok(RegisterOutcome::EmailTaken);
        }
        if state.revision(user.tenant) != checked {
            return Ok(RegisterOutcome::Overtaken);
        }
        let user = state.users.insert(user);
        user.last_login_at = Some(session.created_at);
        let session = session.open_for(user);
        state.sessions.insert(session.clone());
        state.audit.add(effects.audit);
        Ok(RegisterOutcome::Registered(user.clone(), session))
    }

    async fn create(
        &self,
        user: NewUser,
        checked: CatalogueRevision,
        effects: Effects,
    ) -> StoreResult<CreateOutcome> {
        let state = &mut *self.state()?;
        if state.users.is_taken(user.tenant, &user.email) {
            return Ok(CreateOutcome::EmailTaken);
        }
        if state.revision(user.tenant) != checked {
            return Ok(CreateOutcome::Overtaken);
        }
        state.audit.add(effects.audit);
        Ok(CreateOutcome::Created(state.users.insert(user).clone()))
    }

    async fn create_first_admin(&self, admin: NewUser, effects: Effects) -> StoreResult<FirstAdminOutcome> {
        let state = &mut *self.state()?;
        if state.users.tenant(admin.tenant).is_some_and(|tenant| !tenant.admins.is_empty()) {
            return Ok(FirstAdminOutcome::AdminExists);
        }
        if state.users.is_taken(admin.tenant, &admin.email) {
            return Ok(FirstAdminOutcome::EmailTaken);
        }
        state.audit.add(effects.audit);
        Ok(FirstAdminOutcome::Created(state.users.insert(admin).clone()))
    }

    async fn find(&self, tenant: TenantId, user: UserId) -> StoreResult<Option<User>> {
        Ok(self.state()?.users.get(user).filter(|user| user.tenant == tenant).cloned())
    }

    async fn find_credentials(&self, tenant: TenantId, email: &Email) -> StoreResult<Option<Credentials>> {
        let users = &self.state()?.users;
        let id = users.tenant(tenant).and_then(|tenant| tenant.by_address.get(email.canonical()));
        Ok(id.and_then(|id| users.by_id.get(id)).cloned())
    }

    async fn list(
        &self,
        tenant: TenantId,
        filter: &UserFilter,
        after: Option<UserId>,
        limit: u32,
    ) -> StoreResult<UserPage> {
        let users = &self.state()?.users;
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let later = users.tenant(tenant).into_iter().flat_map(|tenant| {
            tenant.in_order.range((start, Bound::Unbounded)).take(UserPage::LOOKED_AT as usize)
        });
        let looked_at = later.filter_map(|id| users.get(*id)).cloned().collect();
        Ok(UserPage::of(looked_at, filter, limit))
    }

    async fn update(
        &self,
        seen: &User,
        change: UserChange,
        checked: Option<CatalogueRevision>,
        when: RevocationTime,
        effects: Effects,
    ) -> StoreResult<UpdateOutcome> {
        let state = &mut *self.state()?;
        let Some(before) = state.users.get(seen.id) else { return Ok(UpdateOutcome::Unknown) };
        let is_checked = checked.is_none_or(|checked| checked == state.revision(before.tenant));
        if !before.is_as(seen) || !is_checked {
            return Ok(UpdateOutcome::Overtaken);
        }
        let after = before.changed(&change);
        if after == *before {
            return Ok(UpdateOutcome::Done(after));
        }
        if before.stops_administrating(&after) && state.users.is_last_active_admin(before) {
            return Ok(UpdateOutcome::LastAdmin);
        }
        if after.generation != before.generation {
            state.blacklist.add(below(&after, after.generation, when));
        }
        state.users.replace(after.clone());
        state.audit.add(effects.audit);
        Ok(UpdateOutcome::Done(after))
    }

    async fn delete(
        &self,
        seen: &User,
        when: RevocationTime,
        effects: Effects,
    ) -> StoreResult<DeleteOutcome> {
        let state = &mut *self.state()?;
        let Some(before) = state.users.get(seen.id) else { return Ok(DeleteOutcome::Unknown) };
        if !before.is_as(seen) {
            return Ok(DeleteOutcome::Overtaken);
        }
        if state.users.is_last_active_admin(before) {
            return Ok(DeleteOutcome::LastAdmin);
        }
        state.blacklist.add(below(seen, seen.generation.next(), when));
        state.users.delete(seen.id);
        state.sessions.delete_of(seen.id);
        state.audit.add(effects.audit);
        Ok(DeleteOutcome::Deleted(seen.generation))
    }

    async fn set_password(
        &self,
        user: UserId,
        hash: PasswordHash,
        when: RevocationTime,
        effects: Effects,
    ) -> StoreResult<SetPasswordOutcome> {
        let state = &mut *self.state()?;
        let Some(generation) = state.end_sessions(user, when) else {
            return Ok(SetPasswordOutcome::Unknown);
        };
        state.users.set_password(user, hash);
        state.audit.add(effects.audit);
        Ok(SetPasswordOutcome::Changed(generation))
    }

    async fn highest_bcrypt_cost(&self) -> StoreResult<Option<u32>> {
        Ok(self.state()?.users.bcrypt_costs.last_key_value().map(|(cost, _)| *cost))
    }
}
