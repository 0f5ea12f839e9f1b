/// The time by the system's clock, in seconds since 1970.
///
/// Only the times inside of tokens and revocations are compared with it. How stale something is goes by the monotonic clock.
pub(crate) fn unix_now() -> i64 {
    #[expect(
        clippy::disallowed_methods,
        reason = "this crate has no Clock port; here is the only place that asks"
    )]
    let now = std::time::SystemTime::now();
    now.duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}
