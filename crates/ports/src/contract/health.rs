//! The case of [`StoreHealth`](crate::StoreHealth).

use std::time::Duration;

use super::StorageUnderTest;
use super::race::race;

/// 16 callers at once are answered within 5 s, which is the time that a whole request has.
pub async fn a_healthy_store_answers(storage: &dyn StorageUnderTest) {
    let stores = storage.open().await;
    let pings = race((0..16).map(|_| {
        let stores = stores.clone();
        async move { tokio::time::timeout(Duration::from_secs(5), stores.health.ping()).await }
    }))
    .await;
    for ping in pings {
        ping.expect("a ping took more than 5 s").unwrap();
    }
}
