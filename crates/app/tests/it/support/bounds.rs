//! The bounds within which a revocation must be known (api.md section 8).

use std::time::{Duration, Instant};

use super::{Answer, Server};

/// For an instance that did not answer the cause.
pub const ELSEWHERE: Duration = Duration::from_secs(1);

/// Demands that a token which was revoked just now is refused by `/me`, also by an instance that must hear of it first.
pub async fn is_refused_soon(server: &Server, access_token: &str) {
    is_refused_after(server, "/api/v1/auth/me", access_token, Instant::now() + ELSEWHERE).await;
}

/// Demands that a revoked token is refused whenever it is presented after `deadline`; before, either may be said. The bound is that
/// of the contract, so it holds on the slowest machine: an instance that can't keep it asks the storage.
pub async fn is_refused_after(server: &Server, path: &str, access_token: &str, deadline: Instant) {
    loop {
        let asked = Instant::now();
        let answer = Answer::to_get(server, path, Some(access_token)).await;
        if answer.status == 401 {
            // A token whose key is gone is one that nobody can have signed.
            assert!(matches!(answer.code(), "token_revoked" | "invalid_token"), "{}", answer.text);
            return;
        }
        answer.ok(200);
        assert!(asked < deadline, "{path} lets a revoked token in past its bound");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
