use maestro_auth_domain::{Action, Actor, Email, Origin, Password, RoleName, Roles, Subject};
use maestro_auth_ports::{FirstAdminOutcome, Verification};

use crate::admin::{AdminError, NewAccount};
use crate::audit::Event;
use crate::{AuthService, TENANT};

/// What became of the first admin at a start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FirstAdmin {
    Created,
    /// There was an admin before, or another instance was faster.
    AdminExists,
    /// There is no admin, but an account with this address, which is nobody's to promote.
    EmailTaken,
}

impl AuthService {
    /// Makes `account` the first admin of an installation that has none (SEC-83).
    pub async fn ensure_first_admin(&self, account: NewAccount) -> Result<FirstAdmin, AdminError> {
        if let Some(existing) = self.stores.users.find_credentials(TENANT, &account.email).await?
            && existing.user.roles.contains(&RoleName::admin())
        {
            return Ok(FirstAdmin::AdminExists); // the usual start, without the cost of a hash
        }
        let now = self.clock.now();
        let admin = self.new_user(account, now).await?;
        let nowhere = Origin::default();
        let event = Event::new(Action::UserCreated, Actor::Server, &nowhere)
            .about(Subject::User(admin.id))
            .with("roles", "admin");
        let effects = self.effects(now, event);
        Ok(match self.stores.users.create_first_admin(admin, effects).await? {
            FirstAdminOutcome::Created(_) => FirstAdmin::Created,
            FirstAdminOutcome::AdminExists => FirstAdmin::AdminExists,
            FirstAdminOutcome::EmailTaken => FirstAdmin::EmailTaken,
        })
    }

    /// Whether this address and password open an account *that may do everything*, so that a known default can be refused at the
    /// start (SEC-114). Of anybody else it would tell nothing: whoever may register can have such an account.
    pub async fn is_admin_password(&self, email: &Email, password: Password) -> Result<bool, AdminError> {
        let found = self.stores.users.find_credentials(TENANT, email).await?;
        let catalogue = &self.load_catalogue().await?.catalogue;
        let may_do_everything = |roles: &Roles| catalogue.permissions_of(roles).permit_all();
        let Some(admin) = found.filter(|found| may_do_everything(&found.user.roles)) else {
            return Ok(false);
        };
        let verification = self.hasher.verify(password, Some(admin.password_hash)).await?;
        Ok(matches!(verification, Verification::Match { .. }))
    }
}
