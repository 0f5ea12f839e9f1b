use std::collections::BTreeSet;
use std::time::Duration;

use base64ct::{Base64UrlUnpadded, Encoding};
use maestro_auth_domain::{Action, Actor, ClientId, Origin, SecretHash, Service, Subject};
use maestro_auth_service::{AdminError, AuthenticateError, AuthorizeError, Caller};

use super::{limited_managers, missing, told};
use crate::support::{TestAuth, display_name, permission, permissions};

async fn create(t: &TestAuth, name: &str, permits: &[&str]) -> (Service, String) {
    t.auth.create_service(&Caller::operator(), display_name(name), permissions(permits)).await.unwrap()
}

async fn admit(t: &TestAuth, id: &str, secret: &str) -> Result<Caller, AuthorizeError> {
    t.auth.admit_service(id, secret, None, Origin::default()).await
}

#[tokio::test]
async fn a_service_is_known_by_its_credentials_and_by_no_others() {
    let (here, there) = TestAuth::two_instances().await;
    let (gateway, secret) = create(&here, "gateway", &["data:view"]).await;
    let (other, other_secret) = create(&here, "reports", &[]).await;
    let id = gateway.id.to_string();
    for t in [&here, &there] {
        let caller = admit(t, &id, &secret).await.unwrap();
        assert_eq!(**caller.as_service().unwrap(), gateway);
        assert_eq!(caller.actor(), Actor::Service(gateway.id));
        for (id, secret) in [
            (id.as_str(), "wrong"),
            (&id, ""),
            (&id, &secret[..secret.len() - 1]),
            (&id, &format!("{secret}=")),
            (&id, &other_secret),
            (&other.id.to_string(), &secret),
            ("0190a000-0000-7000-8000-000000000000", &secret),
            ("gateway", &secret),
            ("", ""),
        ] {
            let refused = admit(t, id, secret).await;
            assert!(matches!(refused, Err(AuthorizeError::InvalidClient)), "{id}:{secret}");
        }
    }
}

#[tokio::test]
async fn a_service_does_what_it_is_permitted_to() {
    let t = TestAuth::new().await;
    let (gateway, secret) = create(&t, "gateway", &["data:view"]).await;
    let demand = async |what: &str| {
        let id = gateway.id.to_string();
        t.auth.admit_service(&id, &secret, Some(permission(what)), Origin::default()).await
    };
    assert!(demand("data:view").await.is_ok());
    let refused = demand("data:create").await;
    assert!(matches!(refused, Err(AuthorizeError::PermissionMissing(it)) if it.as_str() == "data:create"));
}

#[tokio::test]
async fn a_deleted_service_is_nobody_at_once_on_every_instance() {
    let (here, there) = TestAuth::two_instances().await;
    let (gateway, secret) = create(&here, "gateway", &[]).await;
    let id = gateway.id.to_string();
    assert!(admit(&there, &id, &secret).await.is_ok());
    assert!(there.auth.is_registered(&gateway).await.unwrap());
    here.auth.delete_service(&Caller::operator(), gateway.id).await.unwrap();
    for t in [&here, &there] {
        assert!(matches!(admit(t, &id, &secret).await, Err(AuthorizeError::InvalidClient)));
        assert!(!t.auth.is_registered(&gateway).await.unwrap());
        let again = t.auth.delete_service(&Caller::operator(), gateway.id).await;
        assert!(matches!(again, Err(AdminError::NotFound)));
    }
    let deleted = told(&here, Action::ServiceDeleted).await;
    assert_eq!(deleted.len(), 1);
    assert_eq!(deleted[0].subject, Some(Subject::Service(gateway.id)));

    let (heir, heirs_secret) = create(&there, "gateway", &[]).await;
    assert!(admit(&here, &heir.id.to_string(), &heirs_secret).await.is_ok());
    assert!(admit(&here, &heir.id.to_string(), &secret).await.is_err(), "a name is no identity");
}

#[tokio::test]
async fn a_storage_that_fails_refuses_nobody() {
    let t = TestAuth::new().await;
    let (gateway, secret) = create(&t, "gateway", &[]).await;
    t.storage.turn_off();
    let failed = admit(&t, &gateway.id.to_string(), &secret).await;
    assert!(matches!(failed, Err(AuthorizeError::Authenticate(AuthenticateError::Store(_)))));
}

#[tokio::test]
async fn sec_48_a_secret_is_told_once_and_stored_nowhere() {
    let t = TestAuth::new().await;
    let (gateway, secret) = create(&t, "gateway", &[]).await;
    assert_eq!(secret.len(), 43, "256 bits in base64url");
    let (stored, SecretHash(hash)) = t.stores.services.find_service(gateway.id).await.unwrap().unwrap();
    assert_eq!(stored, gateway);
    assert_ne!(hash.to_vec(), Base64UrlUnpadded::decode_vec(&secret).unwrap(), "it is hashed");
    let (other, other_secret) = create(&t, "reports", &[]).await;
    assert_ne!(secret, other_secret);
    let (_, other_hash) = t.stores.services.find_service(other.id).await.unwrap().unwrap();
    assert_ne!(hash, other_hash.0);
    for entry in told(&t, Action::ServiceCreated).await {
        let text = format!("{entry:?}");
        assert!(!text.contains(&secret) && !text.contains(&other_secret));
    }
}

#[tokio::test]
async fn sec_88_nobody_registers_a_service_that_may_do_more_than_they() {
    let t = TestAuth::new().await;
    for (number, by) in limited_managers(&t).await.iter().enumerate() {
        let create = async |name: &str, permits: &[&str]| {
            let name = display_name(&format!("{name} {number}"));
            t.auth.create_service(by, name, permissions(permits)).await
        };
        assert!(create("good", &["user:view", "model:view"]).await.is_ok());
        assert_eq!(missing(create("bad", &["user:view", "model:deploy"]).await), "model:deploy");
        assert_eq!(missing(create("bad", &["system:admin"]).await), "system:admin");
        let unknown = create("bad", &["no:such"]).await;
        assert!(matches!(unknown, Err(AdminError::UnknownPermission(it)) if it.as_str() == "no:such"));
        assert!(matches!(create("good", &[]).await, Err(AdminError::NameTaken)));
    }
    let services = t.auth.list_services(None, 10).await.unwrap();
    let names: BTreeSet<_> = services.iter().map(|service| service.name.as_str()).collect();
    assert_eq!(names, BTreeSet::from(["manager", "good 0", "good 1"]));
}

#[tokio::test]
async fn services_are_listed_in_the_order_of_their_registration() {
    let t = TestAuth::new().await;
    let mut made = Vec::new();
    for number in 0..5 {
        made.push(create(&t, &format!("service {number}"), &[]).await.0);
        t.clock.advance(Duration::from_millis(1));
    }
    let first = t.auth.list_services(None, 3).await.unwrap();
    assert_eq!(first, made[..3]);
    assert_eq!(t.auth.list_services(Some(first[2].id), 3).await.unwrap(), made[3..]);
    assert_eq!(t.auth.find_service(made[1].id).await.unwrap(), made[1]);
    let unknown = ClientId::generate(made[0].created_at, [9; 10]);
    assert!(matches!(t.auth.find_service(unknown).await, Err(AdminError::NotFound)));
}
