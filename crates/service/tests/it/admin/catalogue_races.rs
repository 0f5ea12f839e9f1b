//! Orders that were judged by roles which somebody changes before the order is carried out.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use maestro_auth_domain::{CatalogueRevision, RevocationTime, TenantId, UserChange};
use maestro_auth_ports::{
    CatalogueChange, CatalogueOutcome, Effects, RoleRepository, StoreResult, StoredCatalogue, Stores,
};
use maestro_auth_service::{AdminError, Caller, RegisterError};

use super::{limited_managers, missing};
use crate::support::{TestAuth, display_name, permissions, role, role_name, roles};

/// A storage whose catalogue is changed by somebody else whenever it has been read, so many times: whoever reads it sees what
/// was there before.
struct Overtaking {
    roles: Arc<dyn RoleRepository>,
    former: Mutex<Option<StoredCatalogue>>,
    times: AtomicUsize,
}

impl Overtaking {
    /// Another instance over the storage of `t`, and what shows it former catalogues.
    async fn instance_of(t: &TestAuth) -> (TestAuth, Arc<Self>) {
        let (roles, former) = (t.stores.roles.clone(), Mutex::default());
        let overtaking = Arc::new(Self { roles, former, times: AtomicUsize::new(0) });
        let stores = Stores { roles: overtaking.clone(), ..t.stores.clone() };
        (t.instance_over(stores).await, overtaking)
    }

    /// Keeps what is there now.
    async fn remember(&self) {
        let now = self.roles.catalogue(TenantId::DEFAULT).await.unwrap();
        *self.former.lock().unwrap() = Some(now);
    }

    /// Shows what was remembered to the next readers.
    fn show_former(&self, times: usize) {
        self.times.store(times, Ordering::SeqCst);
    }
}

#[async_trait]
impl RoleRepository for Overtaking {
    async fn catalogue(&self, tenant: TenantId) -> StoreResult<StoredCatalogue> {
        let one_less = |times: usize| times.checked_sub(1);
        match self.times.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less) {
            Ok(_) => Ok(self.former.lock().unwrap().clone().unwrap()),
            Err(_) => self.roles.catalogue(tenant).await,
        }
    }

    async fn change_catalogue(
        &self,
        tenant: TenantId,
        change: CatalogueChange,
        seen: CatalogueRevision,
        when: RevocationTime,
        effects: Effects,
    ) -> StoreResult<CatalogueOutcome> {
        self.roles.change_catalogue(tenant, change, seen, when, effects).await
    }
}

#[tokio::test]
async fn sec_88_a_role_that_grows_before_it_is_given_is_not_given() {
    let t = TestAuth::new().await;
    let (slow, former) = Overtaking::instance_of(&t).await;
    let operator = Caller::operator();
    let [by, _] = limited_managers(&t).await;
    t.auth.put_role(&operator, role("helper", &["user:view"], &[])).await.unwrap();
    let ada = t.signed_in("ada@example.org").await.user.id;
    former.remember().await;
    t.auth.put_role(&operator, role("helper", &["system:admin"], &[])).await.unwrap();

    let change = UserChange { roles: Some(roles(&["helper"])), ..UserChange::default() };
    for shown in 1..4 {
        former.show_former(shown);
        let account = t.account("eve@example.org", &["helper"]);
        assert_eq!(missing(slow.auth.create_user(&by, account).await), "system:admin");
        former.show_former(shown);
        assert_eq!(missing(slow.auth.update_user(&by, ada, change.clone()).await), "system:admin");
        former.show_former(shown);
        let heir = role("heir", &[], &["helper"]);
        assert_eq!(missing(slow.auth.put_role(&by, heir).await), "system:admin");
    }
}

#[tokio::test]
async fn sec_88_whoever_loses_a_permission_meanwhile_does_not_pass_it_on() {
    let t = TestAuth::new().await;
    let (slow, former) = Overtaking::instance_of(&t).await;
    let [by, _] = limited_managers(&t).await;
    let ada = t.signed_in("ada@example.org").await.user.id;
    former.remember().await;
    t.auth.put_role(&Caller::operator(), role("manager", &["user:view"], &[])).await.unwrap();

    former.show_former(2);
    let created = slow.auth.create_user(&by, t.account("eve@example.org", &["viewer"])).await;
    assert_eq!(missing(created), "data:view");
    former.show_former(1);
    assert_eq!(missing(slow.auth.update_user(&by, ada, UserChange::default()).await), "data:view");
    former.show_former(1);
    let service = slow.auth.create_service(&by, display_name("a"), permissions(&["user:update"])).await;
    assert_eq!(missing(service), "user:update");
    former.show_former(1);
    assert_eq!(missing(slow.auth.put_role(&by, role("new", &["role:view"], &[])).await), "role:view");
}

#[tokio::test]
async fn a_role_that_is_deleted_before_it_is_given_is_not_given() {
    let t = TestAuth::new().await;
    let (slow, former) = Overtaking::instance_of(&t).await;
    let operator = Caller::operator();
    t.auth.put_role(&operator, role("lead", &[], &[])).await.unwrap();
    former.remember().await;
    t.auth.delete_role(&operator, &role_name("lead")).await.unwrap();

    former.show_former(2);
    let created = slow.auth.create_user(&operator, t.account("ada@example.org", &["lead"])).await;
    assert!(matches!(created, Err(AdminError::UnknownRole(_))));
}

#[tokio::test]
async fn whoever_is_overtaken_again_and_again_is_told_so() {
    let t = TestAuth::new().await;
    let (slow, former) = Overtaking::instance_of(&t).await;
    let operator = Caller::operator();
    let ada = t.signed_in("ada@example.org").await.user.id;
    former.remember().await;
    t.auth.put_role(&operator, role("lead", &[], &[])).await.unwrap();

    former.show_former(usize::MAX);
    let account = t.account("ida@example.org", &["viewer"]);
    assert!(matches!(slow.auth.create_user(&operator, account).await, Err(AdminError::Overtaken)));
    let renamed = UserChange { name: Some(display_name("Ida")), ..UserChange::default() };
    assert!(matches!(slow.auth.update_user(&operator, ada, renamed).await, Err(AdminError::Overtaken)));
    let put = slow.auth.put_role(&operator, role("chief", &[], &[])).await;
    assert!(matches!(put, Err(AdminError::Overtaken)));
    let service = slow.auth.create_service(&operator, display_name("a"), permissions(&[])).await;
    assert!(matches!(service, Err(AdminError::Overtaken)));
    let registered = slow.register(slow.register_form("ida@example.org")).await;
    assert!(matches!(registered, Err(RegisterError::Store(_))));

    former.show_former(0);
    assert!(slow.register(slow.register_form("ida@example.org")).await.is_ok());
}
