use std::sync::Arc;

use async_trait::async_trait;
use maestro_auth_adapters::memory::MemoryStore;
use maestro_auth_ports::Stores;
use maestro_auth_ports::contract::StorageUnderTest;

/// Keeps the one store that all instances are, so that its data outlive them.
pub(crate) struct Memory(Arc<MemoryStore>);

#[async_trait]
impl StorageUnderTest for Memory {
    async fn open(&self) -> Stores {
        Stores::of(self.0.clone())
    }
}

pub(crate) async fn fresh() -> Memory {
    Memory(Arc::new(MemoryStore::new()))
}

maestro_auth_ports::storage_contract!(fresh);
