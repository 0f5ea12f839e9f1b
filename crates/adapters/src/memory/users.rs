use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;

use async_trait::async_trait;
use maestro_auth_domain::{
    Email, HashScheme, NewSession, NewUser, PasswordHash, PasswordVersion, RevocationTime, RoleName, Roles,
    TenantId, Timestamp, User, UserId,
};
use maestro_auth_ports::{
    CreateOutcome, Credentials, FirstAdminOutcome, RegisterOutcome, SetActiveOutcome, SetPasswordOutcome,
    SetRolesOutcome, StoreResult, UserRepository,
};

use super::MemoryStore;

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

    /// Stores the user under its address, unless that is taken.
    fn insert(&mut self, new: NewUser) -> Option<&mut User> {
        let tenant = self.tenants.entry(new.tenant).or_default();
        if tenant.by_address.contains_key(new.email.canonical()) {
            return None;
        }
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
        Some(&mut stored.into_mut().user)
    }

    fn is_last_active_admin(&self, user: &User) -> bool {
        let Some(tenant) = self.tenant(user.tenant) else { return false };
        let is_active = |id: &UserId| self.get(*id).is_some_and(|admin| admin.is_active);
        tenant.admins.contains(&user.id)
            && !tenant.admins.iter().any(|other| *other != user.id && is_active(other))
    }

    /// Gives the user other roles, and gives the user as it is then.
    fn replace_roles(&mut self, user: UserId, roles: Roles) -> Option<&User> {
        let user = &mut self.by_id.get_mut(&user)?.user;
        let admins = &mut self.tenants.entry(user.tenant).or_default().admins;
        if roles.contains(&RoleName::admin()) {
            admins.insert(user.id);
        } else {
            admins.remove(&user.id);
        }
        user.roles = roles;
        Some(user)
    }

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
    async fn register(&self, user: NewUser, session: NewSession) -> StoreResult<RegisterOutcome> {
        let state = &mut *self.state()?;
        let Some(user) = state.users.insert(user) else { return Ok(RegisterOutcome::EmailTaken) };
        user.last_login_at = Some(session.created_at);
        let session = session.open_for(user);
        state.sessions.insert(session.clone());
        Ok(RegisterOutcome::Registered(user.clone(), session))
    }

    async fn create(&self, user: NewUser) -> StoreResult<CreateOutcome> {
        let users = &mut self.state()?.users;
        let created = users.insert(user).cloned();
        Ok(created.map_or(CreateOutcome::EmailTaken, CreateOutcome::Created))
    }

    async fn create_first_admin(&self, admin: NewUser) -> StoreResult<FirstAdminOutcome> {
        let mut state = self.state()?;
        if state.users.tenant(admin.tenant).is_some_and(|tenant| !tenant.admins.is_empty()) {
            return Ok(FirstAdminOutcome::AdminExists);
        }
        let created = state.users.insert(admin).cloned();
        Ok(created.map_or(FirstAdminOutcome::EmailTaken, FirstAdminOutcome::Created))
    }

    async fn find_credentials(&self, tenant: TenantId, email: &Email) -> StoreResult<Option<Credentials>> {
        let users = &self.state()?.users;
        let id = users.tenant(tenant).and_then(|tenant| tenant.by_address.get(email.canonical()));
        Ok(id.and_then(|id| users.by_id.get(id)).cloned())
    }

    async fn list(&self, tenant: TenantId, after: Option<UserId>, limit: u32) -> StoreResult<Vec<User>> {
        let users = &self.state()?.users;
        let Some(tenant) = users.tenant(tenant) else { return Ok(Vec::new()) };
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let page = tenant.in_order.range((start, Bound::Unbounded)).take(limit as usize);
        Ok(page.filter_map(|id| users.get(*id)).cloned().collect())
    }

    async fn set_password(
        &self,
        user: UserId,
        hash: PasswordHash,
        when: RevocationTime,
    ) -> StoreResult<SetPasswordOutcome> {
        let mut state = self.state()?;
        if let Some(credentials) = state.users.by_id.get_mut(&user) {
            credentials.password_version = credentials.password_version.next();
            state.users.replace_hash(user, hash);
        }
        Ok(match state.end_sessions(user, when) {
            Some(user) => SetPasswordOutcome::Changed(user.generation),
            None => SetPasswordOutcome::Unknown,
        })
    }

    async fn set_active(
        &self,
        user: UserId,
        active: bool,
        when: RevocationTime,
    ) -> StoreResult<SetActiveOutcome> {
        let mut state = self.state()?;
        let Some(before) = state.users.get(user) else { return Ok(SetActiveOutcome::Unknown) };
        if before.is_active == active {
            return Ok(SetActiveOutcome::Done(before.clone()));
        }
        if !active && state.users.is_last_active_admin(before) {
            return Ok(SetActiveOutcome::LastAdmin);
        }
        let changed = if active { state.users.get_mut(user) } else { state.end_sessions(user, when) };
        let Some(user) = changed else { return Ok(SetActiveOutcome::Unknown) };
        user.is_active = active;
        Ok(SetActiveOutcome::Done(user.clone()))
    }

    async fn set_roles(
        &self,
        user: UserId,
        roles: Roles,
        when: RevocationTime,
    ) -> StoreResult<SetRolesOutcome> {
        let mut state = self.state()?;
        let Some(before) = state.users.get(user) else { return Ok(SetRolesOutcome::Unknown) };
        if before.roles == roles {
            return Ok(SetRolesOutcome::Done(before.clone()));
        }
        let is_demotion = !roles.contains(&RoleName::admin());
        if is_demotion && before.is_active && state.users.is_last_active_admin(before) {
            return Ok(SetRolesOutcome::LastAdmin);
        }
        state.raise_generation(user, when);
        let changed = state.users.replace_roles(user, roles).cloned();
        Ok(changed.map_or(SetRolesOutcome::Unknown, SetRolesOutcome::Done))
    }

    async fn highest_bcrypt_cost(&self) -> StoreResult<Option<u32>> {
        Ok(self.state()?.users.bcrypt_costs.last_key_value().map(|(cost, _)| *cost))
    }
}
