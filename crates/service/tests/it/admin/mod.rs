//! What administrators do (api.md section 4), on one instance and on two.

mod catalogue_races;
mod denials;
mod keys;
mod roles;
mod services;
mod users;

use maestro_auth_domain::{Action, AuditEntry, AuditFilter, Origin, TenantId};
use maestro_auth_service::{AdminError, Caller};

use crate::support::{TestAuth, display_name, permissions, role};

/// What somebody may do who manages users and roles, and sees what a viewer does.
const MANAGES: [&str; 8] = [
    "role:delete",
    "role:update",
    "role:view",
    "system:config",
    "user:create",
    "user:delete",
    "user:update",
    "user:view",
];

/// Managers who lack what an admin has beyond [`MANAGES`]: a user and a service. No rule tells the two apart.
async fn limited_managers(t: &TestAuth) -> [Caller; 2] {
    let operator = Caller::operator();
    t.auth.put_role(&operator, role("manager", &MANAGES, &["viewer"])).await.unwrap();
    let user = t.signed_in_as("manager@example.org", &["manager"]).await;

    let mut names = MANAGES.to_vec();
    names.extend(["data:view", "experiment:view", "model:view"]);
    let (service, secret) =
        t.auth.create_service(&operator, display_name("manager"), permissions(&names)).await.unwrap();
    let service = t.auth.admit_service(&service.id.to_string(), &secret, None, Origin::default()).await;
    [t.caller(&user).await, service.unwrap()]
}

/// The permission that was missing.
fn missing<T>(answer: Result<T, AdminError>) -> String {
    match answer {
        Err(AdminError::PermissionMissing(permission)) => permission.to_string(),
        Err(other) => panic!("refused for another reason: {other:?}"),
        Ok(_) => panic!("it was let through"),
    }
}

/// What the trail tells of an action, the newest first.
async fn told(t: &TestAuth, action: Action) -> Vec<AuditEntry> {
    let filter = AuditFilter { action: Some(action), ..AuditFilter::default() };
    t.stores.audit.find_entries(TenantId::DEFAULT, &filter, None, 1_000).await.unwrap()
}
