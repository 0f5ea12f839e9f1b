use std::convert::Infallible;
use std::time::Duration;

use actix_web::web::{Bytes, Data};
use actix_web::{HttpRequest, HttpResponse};
use futures_util::{StreamExt, stream};
use maestro_auth_ports::{BlacklistCursor, KeyedHash};
use maestro_auth_service::{FeedFollower, FeedPage};
use tokio::time::{Instant, timeout_at};

use super::{LIST, RevocationPageBody};
use crate::http::access::Caller;
use crate::http::cursor::Cursor;
use crate::http::{ApiError, HttpState, in_time};

/// How often a stream is looked after: whether it may go on, and whether it has missed anything. The client hears each time that
/// the server lives.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// The feed as a stream of server-sent events, which goes on until the server stops, the service is deleted, or the storage
/// fails: a stream that stays open says that nothing is missing.
pub(super) struct Events {
    state: Data<HttpState>,
    caller: Caller,
    follower: FeedFollower,
    /// Where the last event has led to.
    after: BlacklistCursor,
    /// The next event, if it is there already.
    ahead: Option<Bytes>,
    heartbeat: Instant,
}

impl Events {
    /// Takes a place and reads the first page, so that whatever is wrong with the request is still answered with a status.
    pub(super) async fn start(
        state: Data<HttpState>,
        caller: Caller,
        after: Option<BlacklistCursor>,
    ) -> Result<Self, ApiError> {
        let follower = state.auth.follow_feed(&caller)?;
        let page = in_time(state.auth.read_feed(after.as_ref())).await?;
        let ahead = Some(event(&page, &*state.cursor_key));
        let heartbeat = Instant::now() + HEARTBEAT;
        Ok(Self { state, caller, follower, after: page.next.clone(), ahead, heartbeat })
    }

    pub(super) fn answer(self) -> HttpResponse {
        let events = stream::unfold(self, async |mut events| {
            let bytes = events.next().await?;
            Some((Ok::<_, Infallible>(bytes), events))
        });
        HttpResponse::Ok()
            .content_type("text/event-stream")
            .insert_header(("x-accel-buffering", "no")) // nginx would otherwise hold events back
            .streaming(events.boxed_local())
    }

    /// The next event or heartbeat; `None` at the end.
    async fn next(&mut self) -> Option<Bytes> {
        if let Some(ahead) = self.ahead.take() {
            return Some(ahead);
        }
        if Instant::now() < self.heartbeat {
            let Self { state, follower, after, heartbeat, .. } = self;
            let news = timeout_at(*heartbeat, state.auth.next_of_feed(follower, Some(after)));
            tokio::select! {
                () = state.readiness.drained() => return None,
                news = news => match news {
                    Ok(page) => {
                        let page = page.ok()?;
                        return Some(self.take(&page));
                    }
                    Err(_nothing_new) => {}
                }
            }
        }
        self.beat().await
    }

    /// Looks whether the service still exists and whether there is anything after all.
    async fn beat(&mut self) -> Option<Bytes> {
        let Self { state, caller, after, .. } = self;
        let is_registered = match caller.as_service() {
            Some(service) => in_time(state.auth.is_registered(service)).await.ok()?,
            None => true,
        };
        if !is_registered || state.readiness.is_draining() {
            return None;
        }
        let page = in_time(state.auth.read_feed(Some(after))).await.ok()?;
        self.heartbeat = Instant::now() + HEARTBEAT;
        if page.is_news() { Some(self.take(&page)) } else { Some(Bytes::from_static(b":\n\n")) }
    }

    fn take(&mut self, page: &FeedPage) -> Bytes {
        self.after = page.next.clone();
        event(page, &*self.state.cursor_key)
    }
}

/// Where the client of an interrupted stream wants to go on from.
pub(super) fn last_event(request: &HttpRequest, key: &dyn KeyedHash) -> Result<Option<Cursor>, ApiError> {
    let Some(id) = request.headers().get("last-event-id").filter(|id| !id.is_empty()) else {
        return Ok(None);
    };
    Cursor::open(key, LIST, id.to_str().unwrap_or_default()).map(Some)
}

/// A page as an event: its cursor is the id, so that a browser's `EventSource` sends it back by itself.
fn event(page: &FeedPage, key: &dyn KeyedHash) -> Bytes {
    let body = RevocationPageBody::of(page, key);
    // A page is strings, numbers and lists of them, which always have a JSON form, on one line.
    let data = serde_json::to_string(&body).unwrap_or_default();
    Bytes::from(format!("id: {}\nevent: revocations\ndata: {data}\n\n", body.cursor()))
}
