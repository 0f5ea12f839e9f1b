//! The one middleware: what holds for every request and every answer, whatever happens in between.

use std::future::{Future, Ready, ready};
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use actix_web::body::{self, BodySize, BoxBody, MessageBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::error::InternalError;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{ConnectionType, Method};
use actix_web::{Error, HttpMessage, HttpResponse};
use futures_util::FutureExt;

use super::logged_request::LoggedRequest;
use super::request_id::{self, RequestId, RequestIds};
use super::unread::ChunkedBody;
use super::{ApiError, ErrorCode, Readiness, host, problem};

/// Gives each request its id, its log lines, and an answer even if its handler panics; writes errors as problems; and puts the
/// security headers on every answer (SEC-104, SEC-105, REL-38).
pub(super) struct Boundary {
    pub request_ids: Arc<RequestIds>,
    pub readiness: Arc<Readiness>,
    pub hsts: bool,
}

impl<S> Transform<S, ServiceRequest> for Boundary
where
    S: Service<ServiceRequest, Response = ServiceResponse<BoxBody>, Error = Error> + 'static,
{
    type Response = ServiceResponse<BoxBody>;
    type Error = Error;
    type Transform = BoundaryService<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        let (request_ids, readiness) = (Arc::clone(&self.request_ids), Arc::clone(&self.readiness));
        ready(Ok(BoundaryService { service: Rc::new(service), request_ids, readiness, hsts: self.hsts }))
    }
}

pub(super) struct BoundaryService<S> {
    service: Rc<S>,
    request_ids: Arc<RequestIds>,
    readiness: Arc<Readiness>,
    hsts: bool,
}

impl<S> Service<ServiceRequest> for BoundaryService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<BoxBody>, Error = Error> + 'static,
{
    type Response = ServiceResponse<BoxBody>;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Error>>>>;

    forward_ready!(service);

    fn call(&self, mut request: ServiceRequest) -> Self::Future {
        let request_id = self.request_ids.of(request.headers());
        request.extensions_mut().insert(request_id.clone());
        let logged = LoggedRequest::of(&request, &request_id);
        let passage = Passage {
            started: Instant::now(),
            request_id,
            unread: ChunkedBody::of(&mut request),
            readiness: Arc::clone(&self.readiness),
            is_head: request.method() == Method::HEAD,
            hsts: self.hsts,
        };
        let service = Rc::clone(&self.service);

        Box::pin(logged.while_handled(async move {
            let handling = async move {
                if !host::is_valid(request.headers()) {
                    return Err(ApiError::malformed("The Host header is not a host.").into());
                }
                service.call(request).await
            };
            let outcome = AssertUnwindSafe(handling).catch_unwind().await;
            passage.answer(outcome)
        }))
    }
}

type Outcome = std::thread::Result<Result<ServiceResponse<BoxBody>, Error>>;

/// What a request needs on its way out.
struct Passage {
    started: Instant,
    request_id: RequestId,
    unread: Option<ChunkedBody>,
    readiness: Arc<Readiness>,
    is_head: bool,
    hsts: bool,
}

impl Passage {
    fn answer(self, outcome: Outcome) -> Result<ServiceResponse<BoxBody>, Error> {
        let refused = match outcome {
            Ok(Ok(response)) => {
                let (request, response) = response.into_parts();
                let refused = response.error().map(|error| refusal(error, &self.request_id));
                return Ok(ServiceResponse::new(request, self.finish(refused.unwrap_or(response))));
            }
            Ok(Err(error)) => refusal(&error, &self.request_id),
            Err(_panic) => self.after_panic(),
        };
        Err(InternalError::from_response("answered at the boundary", self.finish(refused)).into())
    }

    /// The panic hook has told the log what happened; its message is not for the client.
    fn after_panic(&self) -> HttpResponse {
        let error = ApiError::new(ErrorCode::InternalError).caused_by("the handler panicked");
        problem::log(&error);
        problem::render(&error, self.request_id.as_str())
    }

    fn finish(self, mut response: HttpResponse) -> HttpResponse {
        secure(response.headers_mut(), self.request_id, self.hsts);
        if self.readiness.is_draining() {
            // The client's next request then goes to an instance that stays (REL-28).
            response.head_mut().set_connection_type(ConnectionType::Close);
        }
        tracing::debug!(
            http.status = response.status().as_u16(),
            latency_us = u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX),
            "request answered"
        );
        if self.is_head && response.body().size() == BodySize::Stream {
            // The framework reads what it does not send, and a stream of events has no end.
            response = response.set_body(BoxBody::new(body::None::new()));
        }
        match self.unread {
            Some(unread) => response.map_body(|_, body| unread.held_by(body)),
            None => response,
        }
    }
}

fn refusal(error: &Error, request_id: &RequestId) -> HttpResponse {
    let of_framework;
    let error = if let Some(error) = error.as_error::<ApiError>() {
        error
    } else {
        of_framework = ApiError::of_framework(error);
        &of_framework
    };
    problem::log(error);
    problem::render(error, request_id.as_str())
}

const ALWAYS: [(HeaderName, HeaderValue); 2] = [
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
];
const UNLESS_SET: [(HeaderName, HeaderValue); 2] = [
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'")),
];
const TWO_YEARS: HeaderValue = HeaderValue::from_static("max-age=63072000");

fn secure(headers: &mut HeaderMap, request_id: RequestId, hsts: bool) {
    headers.insert(request_id::HEADER, request_id.into_header());
    for (name, value) in ALWAYS {
        headers.insert(name, value);
    }
    for (name, value) in UNLESS_SET {
        if !headers.contains_key(&name) {
            headers.insert(name, value);
        }
    }
    if hsts {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, TWO_YEARS);
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use actix_web::http::StatusCode;
    use actix_web::test::{TestRequest, call_service, init_service, read_body_json, try_call_service};
    use actix_web::web::Bytes;
    use actix_web::{App, web};
    use futures_util::StreamExt;
    use futures_util::future::{join, poll_fn};
    use futures_util::stream;
    use serde_json::Value;

    use super::super::request_id::tests::request_ids;
    use super::*;
    use crate::config::LogFormat;
    use crate::telemetry::tests::Captured;

    fn boundary(hsts: bool) -> Boundary {
        Boundary { request_ids: request_ids(), readiness: Arc::default(), hsts }
    }

    async fn panicking() -> HttpResponse {
        panic!("a canary that stays inside")
    }

    async fn failing() -> Result<HttpResponse, ApiError> {
        Err(ApiError::new(ErrorCode::Overloaded).caused_by("a canary that stays inside"))
    }

    #[actix_web::test]
    async fn rel_38_a_panic_is_a_500_and_the_next_request_is_served() {
        let app =
            init_service(App::new().route("/boom", web::get().to(panicking)).wrap(boundary(false))).await;
        for _ in 0..2 {
            let request = TestRequest::get().uri("/boom").to_request();
            let error = try_call_service(&app, request).await.unwrap_err();
            let response = error.error_response();
            assert_eq!(response.status(), 500);
            assert!(response.headers().contains_key("x-request-id"));
            let body = actix_web::body::to_bytes(response.into_body()).await.ok().unwrap();
            let problem: Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(problem["code"], "internal_error");
            assert!(!problem.to_string().contains("canary"));
        }
    }

    async fn logging() -> HttpResponse {
        tokio::task::yield_now().await;
        tracing::info!(target: "maestro_auth_service::login", { user = "\"me\"" }, "logged in");
        HttpResponse::Ok().finish()
    }

    #[actix_web::test]
    async fn every_log_line_of_a_request_tells_of_it() {
        for id in ["first", "second"] {
            let text = format!(r#" http.method="GET" http.route="/users/{{id}}" request.id="{id}""#);
            let json = format!(r#","http.method":"GET","http.route":"/users/{{id}}","request.id":"{id}"}}"#);
            let lines = lines_of_two_requests(LogFormat::Text, id).await;
            assert!(lines.iter().all(|line| line.ends_with(&text)), "{lines:?}");

            let lines = lines_of_two_requests(LogFormat::Json, id).await;
            assert!(lines.iter().all(|line| line.ends_with(&json)), "{lines:?}");
            let is_object =
                |line: &String| serde_json::from_str::<Value>(line).is_ok_and(|line| line.is_object());
            assert!(lines.iter().all(is_object), "{lines:?}");
        }
    }

    /// Two lines, one of the handler and one of the boundary, in which `id` occurs; the other request comes in between.
    async fn lines_of_two_requests(format: LogFormat, id: &str) -> Vec<String> {
        let (captured, _guard) = Captured::start(format);
        let app =
            init_service(App::new().route("/users/{id}", web::get().to(logging)).wrap(boundary(false))).await;
        let ask = |id| {
            let request =
                TestRequest::get().uri("/users/8?secret=canary").insert_header(("x-request-id", id));
            call_service(&app, request.to_request())
        };
        join(ask("first"), ask("second")).await;
        tracing::info!("a line of no request");

        let log = captured.text();
        assert!(!log.contains("canary"), "{log}");
        assert_eq!(log.matches("http.route").count(), 4, "{log}");
        let lines: Vec<String> =
            log.lines().filter(|line| line.contains(id)).map(ToOwned::to_owned).collect();
        assert_eq!(lines.len(), 2, "{log}");
        lines
    }

    async fn endless() -> HttpResponse {
        let events = stream::iter([": alive\n\n", "data: 1\n\n"]).chain(stream::pending());
        let events = events.map(|event| Ok::<_, Infallible>(Bytes::from(event)));
        HttpResponse::Ok().content_type("text/event-stream").streaming(events)
    }

    #[actix_web::test]
    async fn a_stream_passes_as_it_comes_and_a_head_does_not_wait_for_its_end() {
        let route = web::route().to(endless);
        let app = init_service(App::new().route("/events", route).wrap(boundary(false))).await;
        let ask = |method| {
            let request =
                TestRequest::default().method(method).uri("/events").insert_header(("x-request-id", "mine"));
            // Chunked, so that the answer holds the request body as well.
            call_service(&app, request.insert_header(("transfer-encoding", "chunked")).to_request())
        };
        for method in [Method::GET, Method::HEAD] {
            let mut response = ask(method.clone()).await;
            let expected = [
                ("content-type", "text/event-stream"),
                ("x-request-id", "mine"),
                ("cache-control", "no-store"),
                ("x-content-type-options", "nosniff"),
            ];
            for (name, value) in expected {
                assert_eq!(response.headers().get(name).unwrap(), value, "{method} {name}");
            }
            let body = response.response_mut();
            let mut body = std::mem::replace(body, HttpResponse::new(StatusCode::OK)).into_body();
            let mut next = async || poll_fn(|context| Pin::new(&mut body).poll_next(context)).await;
            if method == Method::HEAD {
                assert!(next().await.is_none());
                continue;
            }
            assert_eq!(next().await.unwrap().unwrap(), ": alive\n\n");
            assert_eq!(next().await.unwrap().unwrap(), "data: 1\n\n");
        }
    }

    #[actix_web::test]
    async fn an_error_is_a_problem_that_keeps_its_cause_to_itself() {
        let app = init_service(App::new().route("/fail", web::get().to(failing)).wrap(boundary(true))).await;
        let request = TestRequest::get().uri("/fail").insert_header(("x-request-id", "mine")).to_request();
        let response = call_service(&app, request).await;
        let expected = [
            ("content-type", "application/problem+json"),
            ("retry-after", "2"),
            ("x-request-id", "mine"),
            ("cache-control", "no-store"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
            ("strict-transport-security", "max-age=63072000"),
        ];
        for (name, value) in expected {
            assert_eq!(response.headers().get(name).unwrap(), value, "{name}");
        }
        let problem: Value = read_body_json(response).await;
        assert_eq!(
            problem,
            serde_json::json!({
                "type": "/docs/errors#overloaded", "title": "Overloaded", "status": 503, "code": "overloaded",
                "detail": "The server has too much to do at the moment.", "request_id": "mine",
            })
        );
    }
}
