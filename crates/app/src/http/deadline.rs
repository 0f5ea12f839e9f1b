use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use super::{ApiError, ErrorCode};

/// How long a use case may take before its client gets a 503 instead of silence (REL-05).
const DEADLINE: Duration = Duration::from_secs(5);

/// How long a gateway waits for its verdict at most: without one, nobody is let in (SEC-113).
const VERDICT_DEADLINE: Duration = Duration::from_secs(2);

/// Awaits the verdict of forward authentication.
pub(super) async fn in_time_for_a_gateway<T, E>(
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, ApiError>
where
    ApiError: From<E>,
{
    within(VERDICT_DEADLINE, work).await
}

/// Awaits a use case, and gives up when it takes too long.
///
/// Giving up drops its future. That is safe at any point: a storage drives what it has begun to its end in a task of its
/// own, and a write that nobody heard of is one that the client may simply ask for again.
pub(super) async fn in_time<T, E>(work: impl Future<Output = Result<T, E>>) -> Result<T, ApiError>
where
    ApiError: From<E>,
{
    in_time_after(Duration::ZERO, work).await
}

/// The same for a use case that may wait for something to happen, which is no fault of the storage.
pub(super) async fn in_time_after<T, E>(
    wait: Duration,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, ApiError>
where
    ApiError: From<E>,
{
    within(wait + DEADLINE, work).await
}

async fn within<T, E>(limit: Duration, work: impl Future<Output = Result<T, E>>) -> Result<T, ApiError>
where
    ApiError: From<E>,
{
    let mut work = pin!(work);
    // What comes from memory is there at once, and needs no timer.
    if let Poll::Ready(outcome) = poll_fn(|context| Poll::Ready(work.as_mut().poll(context))).await {
        return outcome.map_err(ApiError::from);
    }
    match tokio::time::timeout(limit, work).await {
        Ok(outcome) => outcome.map_err(ApiError::from),
        Err(elapsed) => Err(ApiError::new(ErrorCode::StorageUnavailable).caused_by(elapsed)),
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use maestro_auth_ports::StoreError;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn rel_05_a_hanging_storage_is_a_503_after_five_seconds() {
        let started = tokio::time::Instant::now();
        let error = in_time(pending::<Result<(), StoreError>>()).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::StorageUnavailable);
        assert_eq!(started.elapsed(), DEADLINE);

        let wait = Duration::from_secs(30);
        in_time_after(wait, pending::<Result<(), StoreError>>()).await.unwrap_err();
        assert_eq!(started.elapsed(), wait + 2 * DEADLINE);
    }
}
