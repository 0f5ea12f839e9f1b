use std::sync::Arc;

use tokio::sync::Barrier;

/// Runs every call in a task of its own, lets all start at once, and gives what they gave, in their order.
pub(super) async fn race<C, T>(calls: impl IntoIterator<Item = C>) -> Vec<T>
where
    C: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    let calls: Vec<C> = calls.into_iter().collect();
    let start = Arc::new(Barrier::new(calls.len()));
    let tasks: Vec<_> = calls
        .into_iter()
        .map(|call| {
            let start = start.clone();
            tokio::spawn(async move {
                start.wait().await;
                call.await
            })
        })
        .collect();

    let mut results = Vec::with_capacity(tasks.len());
    for task in tasks {
        results.push(task.await.unwrap());
    }
    results
}
