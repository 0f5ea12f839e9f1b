use std::future::Future;

use actix_web::dev::ServiceRequest;
use actix_web::http::Method;

use super::request_id::RequestId;

tokio::task_local! {
    static CURRENT: LoggedRequest;
}

/// What every log line of a request tells of it: no query, no address, nothing that a user typed but the id.
///
/// A span would be formatted and filed for each request, which costs as much as answering one. This is formatted when
/// there is a line to write.
pub(crate) struct LoggedRequest {
    method: Method,
    route: Option<String>,
    id: RequestId,
}

impl LoggedRequest {
    pub(super) fn of(request: &ServiceRequest, id: &RequestId) -> Self {
        Self { method: request.method().clone(), route: request.match_pattern(), id: id.clone() }
    }

    /// `handling`, whose log lines tell of this request.
    pub(super) fn while_handled<F: Future>(self, handling: F) -> impl Future<Output = F::Output> {
        CURRENT.scope(self, handling)
    }

    /// Shows the request that the current task handles, if it handles one.
    pub(crate) fn with_current<R>(show: impl FnOnce(&Self) -> R) -> Option<R> {
        CURRENT.try_with(show).ok()
    }

    pub(crate) fn fields(&self) -> [(&'static str, &str); 3] {
        [
            ("http.method", self.method.as_str()),
            ("http.route", self.route.as_deref().unwrap_or("unmatched")),
            ("request.id", self.id.as_str()),
        ]
    }
}
