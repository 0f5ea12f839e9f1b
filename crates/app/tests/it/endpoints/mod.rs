//! The wire contract (api.md sections 2, 3, 5 to 8), as sentences, each over every storage.

mod accounts;
mod http;
mod keys;
mod logins;
mod logouts;
mod old_hashes;
mod operations;
mod refreshes;
mod revocation_matrix;
mod secrets;
mod two_instances;
mod verify;

/// Makes each case a test of its own on each storage.
macro_rules! on_every_storage {
    ($($case:ident),+ $(,)?) => {
        mod memory {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $case() {
                super::$case(crate::support::Storage::memory()).await;
            })+
        }
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $case() {
                super::$case(crate::support::Storage::sqlite()).await;
            })+
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $case() {
                if let Some(storage) = crate::support::Storage::postgres().await {
                    super::$case(storage).await;
                }
            })+
        }
    };
}

/// The same for cases that need a storage which can be looked into from outside, or which survives its server.
macro_rules! on_every_database {
    ($($case:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $case() {
                super::$case(crate::support::Storage::sqlite()).await;
            })+
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $case() {
                if let Some(storage) = crate::support::Storage::postgres().await {
                    super::$case(storage).await;
                }
            })+
        }
    };
}

pub(crate) use {on_every_database, on_every_storage};
