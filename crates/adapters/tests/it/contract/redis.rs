use std::sync::Arc;

use async_trait::async_trait;
use maestro_auth_adapters::memory::MemoryStore;
use maestro_auth_adapters::redis::RedisBlacklist;
use maestro_auth_adapters::testing::RedisServer;
use maestro_auth_ports::Stores;
use maestro_auth_ports::contract::StorageUnderTest;
use tokio::task::spawn_blocking;

/// A Redis of the case's own, and as many clients of it as the case opens. Only the blacklist counts.
pub(crate) struct Redis(Option<RedisServer>);

#[async_trait]
impl StorageUnderTest for Redis {
    async fn open(&self) -> Stores {
        let server = self.0.as_ref().expect("a case that is not skipped");
        let blacklist = RedisBlacklist::at(&server.url(), "test:").unwrap();
        Stores { blacklist: Arc::new(blacklist), ..Stores::of(Arc::new(MemoryStore::new())) }
    }

    fn is_skipped(&self) -> bool {
        self.0.is_none()
    }
}

pub(crate) async fn fresh() -> Redis {
    Redis(spawn_blocking(RedisServer::start).await.unwrap())
}

maestro_auth_ports::blacklist_contract!(fresh);
