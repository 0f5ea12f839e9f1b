//! A cursor of another log: what was read by it says nothing about this one.

use super::{FEED, a_service, cursor_of, entries_of, get_by, page};
use crate::support::{Answer, Server, Storage, registered};

/// Both servers recognise each other's cursors, as a server does that was put on another storage.
const KEY: (&str, &str) =
    ("MAESTRO_AUTH__SECURITY__ENCRYPTION_KEY", "0V1ZxvZq3s6mC2Qn4Qp1B8nU2s1kq3mJb0v9o6hXrTg=");

async fn a_cursor_of_another_storage_has_expired(first: Storage, second: Storage) {
    let (before, after) = (Server::start(&first, &[KEY]), Server::start(&second, &[KEY]));
    let ((by, _), (again, _)) = (a_service(&before).await, a_service(&after).await);
    for (server, count) in [(&before, 2), (&after, 4)] {
        for number in 0..count {
            let signed_in = registered(server, &format!("user-{number}@example.com")).await;
            Answer::to_logout(server, &signed_in.access).await.ok(200);
        }
    }
    let told = page(&before, &by, None, 0).await;
    assert_eq!(entries_of(&told).len(), 2);
    for wait in [0, 5] {
        let path = format!("{FEED}?cursor={}&wait={wait}", cursor_of(&told));
        get_by(&after, &again, &path).await.is(410, "cursor_expired");
    }
    assert_eq!(entries_of(&page(&after, &again, None, 0).await).len(), 4, "from the beginning");
}

/// Whether a cursor is good for the next server over the same storage.
async fn cursor_after_a_restart(storage: &Storage) -> Answer {
    let server = Server::start(storage, &[]);
    let (by, _) = a_service(&server).await;
    let ada = registered(&server, "ada@example.com").await;
    let start = page(&server, &by, None, 0).await;
    Answer::to_logout(&server, &ada.access).await.ok(200);
    server.kill();
    let server = Server::start(storage, &[]);
    get_by(&server, &by, &format!("{FEED}?cursor={}", cursor_of(&start))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_outlives_the_server_on_postgres() {
    let Some(storage) = Storage::postgres().await else { return };
    let told = cursor_after_a_restart(&storage).await.ok(200).body;
    assert_eq!(entries_of(&told).len(), 1, "{told}");
}

/// Nobody can tell what was done to the file in between.
#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_ends_with_the_server_on_sqlite() {
    cursor_after_a_restart(&Storage::sqlite()).await.is(410, "cursor_expired");
}

#[tokio::test(flavor = "multi_thread")]
async fn in_memory() {
    a_cursor_of_another_storage_has_expired(Storage::memory(), Storage::memory()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_sqlite() {
    a_cursor_of_another_storage_has_expired(Storage::sqlite(), Storage::sqlite()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_postgres() {
    let (Some(first), Some(second)) = (Storage::postgres().await, Storage::postgres().await) else { return };
    a_cursor_of_another_storage_has_expired(first, second).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_another_kind_of_storage() {
    a_cursor_of_another_storage_has_expired(Storage::memory(), Storage::sqlite()).await;
    let Some(postgres) = Storage::postgres().await else { return };
    a_cursor_of_another_storage_has_expired(Storage::sqlite(), postgres).await;
}
