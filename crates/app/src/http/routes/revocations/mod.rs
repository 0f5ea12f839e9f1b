//! The revocation feed: what services that check tokens themselves are told (api.md section 4).

mod events;
mod page;

use std::sync::Arc;
use std::time::Duration;

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use maestro_auth_ports::{BlacklistCursor, StoreError};
use maestro_auth_service::{FeedError, FeedPage};
use tokio::time::sleep;
use utoipa::IntoParams;

use self::events::Events;
pub(in crate::http) use self::page::RevocationPageBody;
use crate::http::access::Caller;
use crate::http::cursor::Cursor;
use crate::http::openapi::FeedProblems;
use crate::http::query::Query;
use crate::http::{ApiError, ErrorCode, HttpState, accept, in_time};

/// What part of the feed is asked for.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes the query; the handler takes its parameters out one by one")]
pub(in crate::http) struct RevocationsQuery {
    /// The `cursor` of the page before; left out for everything from the beginning.
    #[param(required = false, nullable = false)]
    cursor: Option<String>,
    /// For how many seconds the answer is held back at most while there is nothing new. A stream of events takes no notice of it.
    #[param(required = false, nullable = false, minimum = 0, maximum = 30, default = 0)]
    wait: Option<u8>,
}

/// What the cursors of the feed are told apart by from those of lists.
const LIST: &str = "revocations";

/// Tells a service what has been revoked, from a cursor on, and waits for something new if it is asked to.
///
/// With `Accept: text/event-stream` the answer is a stream of events that ends when the server stops: each has a page as its
/// data and the page's cursor as its id, by which `Last-Event-ID` goes on. A comment each 15 seconds says that everything which had
/// been revoked by then has been told.
///
/// A cursor is good at every instance over the same storage. Where that is SQLite or memory, a restart of the server ends it. After a
/// 410 the service starts over without one, and keeps what it knew until the new pages are complete.
#[utoipa::path(
    get,
    path = "/api/v1/auth/revocations",
    tag = "resource-servers",
    params(
        RevocationsQuery,
        ("Last-Event-ID" = Option<String>, Header, description = "For a stream: the id of its last event; wins over `cursor`.")
    ),
    responses(
        (
            status = 200,
            description = "What has been revoked.",
            content(
                (RevocationPageBody = "application/json"),
                (String = "text/event-stream"),
            ),
        ),
        FeedProblems
    ),
)]
pub(in crate::http) async fn revocations(
    state: Data<HttpState>,
    caller: Caller,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let key = &*state.cursor_key;
    let mut query = Query::of(&request)?;
    let (cursor, wait) = (query.cursor(key, LIST)?, query.wait()?);
    query.finish()?;

    if accept::asks_for_events(request.headers()) {
        let after = events::last_event(&request, key)?.or(cursor);
        let after = after.map(place).transpose()?;
        return Ok(Events::start(state, caller, after).await?.answer());
    }
    let after = cursor.map(place).transpose()?;
    let page = poll(&state, &caller, after.as_ref(), wait).await?;
    Ok(HttpResponse::Ok().json(RevocationPageBody::of(&page, key)))
}

/// The page after a place, as soon as it tells anything, or when the wait is over.
async fn poll(
    state: &HttpState,
    caller: &Caller,
    after: Option<&BlacklistCursor>,
    wait: Duration,
) -> Result<Arc<FeedPage>, ApiError> {
    if !wait.is_zero() {
        let mut follower = state.auth.follow_feed(caller)?;
        tokio::select! {
            news = state.auth.next_of_feed(&mut follower, after) => return Ok(news?),
            () = sleep(wait) => {}
            () = state.readiness.drained() => {}
        }
    }
    // After a wait, too: the answer is worth more when it says what is true now.
    in_time(state.auth.read_feed(after)).await
}

/// The place in the log that a cursor of the feed holds.
fn place(cursor: Cursor) -> Result<BlacklistCursor, ApiError> {
    // None but the feed's own cursors come this far, and those are texts.
    let text = String::from_utf8(cursor.into_place());
    text.map(BlacklistCursor::new).map_err(|error| ApiError::new(ErrorCode::InternalError).caused_by(error))
}

impl From<FeedError> for ApiError {
    fn from(error: FeedError) -> Self {
        match error {
            FeedError::CursorExpired => Self::new(ErrorCode::CursorExpired),
            FeedError::Overloaded => Self::with_detail(
                ErrorCode::Overloaded,
                "As many wait for revocations as may; ask without a wait, or later.",
            ),
            FeedError::Store(error) => {
                let code = match *error {
                    StoreError::Unavailable(_) => ErrorCode::StorageUnavailable,
                    StoreError::Corrupt { .. } => ErrorCode::InternalError,
                };
                Self::new(code).caused_by(error)
            }
        }
    }
}
