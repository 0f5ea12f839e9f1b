use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use maestro_auth_ports::{Clock, Entropy};

pub(super) const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// Gives every request its id: the client's own when it is sane, else a fresh UUID v7.
///
/// A request id is no secret. So the random part of fresh ones is drawn once, and a counter keeps them apart
/// (RFC 9562 section 6.2 method 1): `GET /me` then costs no system call for it.
pub struct RequestIds {
    clock: Arc<dyn Clock>,
    process: [u8; 6],
    counter: AtomicU32,
}

impl RequestIds {
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, entropy: &dyn Entropy) -> Self {
        let mut process = [0; 6];
        entropy.fill(&mut process);
        Self { clock, process, counter: AtomicU32::new(0) }
    }

    pub(super) fn of(&self, headers: &HeaderMap) -> RequestId {
        match headers.get(HEADER) {
            Some(presented) if is_sane(presented) => RequestId(presented.clone()),
            _ => self.fresh(),
        }
    }

    fn fresh(&self) -> RequestId {
        let mut tail = [0; 10];
        tail[..6].copy_from_slice(&self.process);
        tail[6..].copy_from_slice(&self.counter.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        let millis = u64::try_from(self.clock.now().unix_micros() / 1_000).unwrap_or(0);
        let id = uuid::Builder::from_unix_timestamp_millis(millis, &tail).into_uuid();
        let mut text = uuid::Uuid::encode_buffer();
        let text = id.hyphenated().encode_lower(&mut text);
        RequestId(HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static("-")))
    }
}

/// The id of one request: 1–64 characters of `A-Z`, `a-z`, `0-9`, `.`, `_` and `-`.
#[derive(Clone)]
pub(super) struct RequestId(HeaderValue);

impl RequestId {
    pub(super) fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    pub(super) fn into_header(self) -> HeaderValue {
        self.0
    }
}

fn is_sane(presented: &HeaderValue) -> bool {
    let id = presented.as_bytes();
    (1..=64).contains(&id.len())
        && id.iter().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(byte))
}

#[cfg(test)]
pub(super) mod tests {
    use actix_web::test::TestRequest;
    use maestro_auth_domain::Timestamp;

    use super::*;

    struct Fixed;

    impl Clock for Fixed {
        fn now(&self) -> Timestamp {
            Timestamp::from_unix_seconds(1_800_000_000)
        }

        fn monotonic(&self) -> std::time::Duration {
            std::time::Duration::ZERO
        }
    }

    impl Entropy for Fixed {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(7);
        }
    }

    pub(in crate::http) fn request_ids() -> Arc<RequestIds> {
        Arc::new(RequestIds::new(Arc::new(Fixed), &Fixed))
    }

    fn id_of(presented: &str) -> String {
        let request = TestRequest::get().insert_header((HEADER, presented)).to_http_request();
        request_ids().of(request.headers()).as_str().to_owned()
    }

    #[test]
    fn a_sane_id_is_taken_over_and_any_other_replaced() {
        for sane in ["a", "trace.4_f-2", &"x".repeat(64)] {
            assert_eq!(id_of(sane), sane);
        }
        for insane in ["", "a b", "a;b", "é", &"x".repeat(65)] {
            let id = uuid::Uuid::parse_str(&id_of(insane)).unwrap();
            assert_eq!(id.get_version_num(), 7);
        }
    }

    #[test]
    fn fresh_ids_differ() {
        let ids = request_ids();
        assert_ne!(ids.fresh().as_str(), ids.fresh().as_str());
    }
}
