//! Who may call a route. Each says so when it is registered, and is checked before its handler runs: a handler that forgets
//! to check can't be open.

use std::future::{Ready, ready};
use std::ops::Deref;

use actix_web::dev::Payload as RawPayload;
use actix_web::web::{Data, Payload};
use actix_web::{FromRequest, Handler, HttpMessage, HttpRequest, HttpResponse, Responder};
use maestro_auth_domain::PermissionName;
use maestro_auth_service as service;

use super::{ApiError, ErrorCode, HttpState, basic, bearer, in_time, origin};

/// Who may call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// Anybody.
    Public,
    /// Any signed-in user, whose token the handler reads itself: the few routes whose cost counts, and those that take a token
    /// which opens nothing else. A test lists them.
    UserByHandler,
    /// A registered service, by its client credentials.
    Service,
    /// Whoever has this permission: a signed-in user, or a registered service.
    Permission(&'static str),
}

impl Access {
    /// The extension `x-permission` of an operation in the `OpenAPI` document.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::UserByHandler => "user",
            Self::Service => "service",
            Self::Permission(permission) => permission,
        }
    }

    /// Whether the route can be left to its handler alone.
    pub(super) const fn is_checked_by_router(self) -> bool {
        !matches!(self, Self::Public | Self::UserByHandler)
    }
}

/// Whoever acts in a request. The only way to one is the check that the route was registered with.
#[derive(Debug, Clone)]
pub(super) struct Caller(service::Caller);

impl Deref for Caller {
    type Target = service::Caller;

    fn deref(&self) -> &service::Caller {
        &self.0
    }
}

impl FromRequest for Caller {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut RawPayload) -> Self::Future {
        let caller = request.extensions().get::<Self>().cloned();
        ready(caller.ok_or_else(|| {
            ApiError::new(ErrorCode::InternalError)
                .caused_by("the handler asks for the caller of a route that checks none")
        }))
    }
}

/// `handler`, which runs only once its caller was let in. Nothing of the request body is read before that.
pub(super) fn checked<F, Args>(
    access: Access,
    handler: F,
) -> impl Handler<(HttpRequest, Payload), Output = Result<HttpResponse, actix_web::Error>>
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    move |request: HttpRequest, payload: Payload| {
        let handler = handler.clone();
        async move {
            let caller = admit(access, &request).await?;
            request.extensions_mut().insert(caller);
            let args = Args::from_request(&request, &mut payload.into_inner()).await.map_err(Into::into)?;
            Ok(handler.call(args).await.respond_to(&request).map_into_boxed_body())
        }
    }
}

/// Finds out who calls, and refuses whoever lacks what the route demands.
async fn admit(access: Access, request: &HttpRequest) -> Result<Caller, ApiError> {
    let state = request.app_data::<Data<HttpState>>();
    let state =
        state.ok_or_else(|| ApiError::new(ErrorCode::InternalError).caused_by("there is no state"))?;
    let permission = match access {
        Access::Permission(name) => Some(parse(name)?),
        Access::Public | Access::UserByHandler | Access::Service => None,
    };
    let is_service = match access {
        Access::Service => true,
        Access::Permission(_) => basic::is_presented(request),
        Access::Public | Access::UserByHandler => false,
    };
    let origin = origin::of(request, &state.trusted_proxies);
    let admitted = if is_service {
        let basic::BasicCredentials { client_id, client_secret } = basic::required(request)?;
        in_time(state.auth.admit_service(&client_id, &client_secret, permission, origin)).await
    } else {
        in_time(state.auth.admit_user(bearer::required(request)?, permission, origin)).await
    };
    admitted.map(Caller)
}

fn parse(permission: &str) -> Result<PermissionName, ApiError> {
    PermissionName::parse(permission)
        .map_err(|violation| ApiError::new(ErrorCode::InternalError).caused_by(violation.detail))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use actix_web::http::Method;
    use actix_web::test::{TestRequest, init_service, read_body_json, try_call_service};
    use actix_web::web::Bytes;
    use actix_web::{App, web};
    use serde_json::Value;

    use super::super::boundary::Boundary;
    use super::super::request_id::tests::request_ids;
    use super::super::router::{Endpoint, Router};
    use super::super::testing::{ADMIN, Running, VIEWER};
    use super::*;

    async fn who(caller: Caller) -> String {
        caller.as_user().unwrap().email.as_str().to_owned()
    }

    async fn touch(caller: Caller, body: Bytes) -> String {
        format!("{}: {}", caller.as_user().unwrap().email.as_str(), body.len())
    }

    async fn unchecked(_: Caller) -> HttpResponse {
        HttpResponse::NoContent().finish()
    }

    fn routes(router: &mut Router<'_>) {
        router.add(
            Endpoint::json("/users/{id}")
                .get(Access::Permission("user:view"), who)
                .put(Access::Permission("user:update"), touch)
                .patch(Access::Permission("user:update"), touch)
                .delete(Access::Permission("model:view"), who),
        );
        router.add(Endpoint::json_or_events("/feed").get(Access::Service, who));
        router.add(Endpoint::json("/forgetful").get(Access::Public, unchecked));
        router.add(Endpoint::json("/misspelt").get(Access::Permission("no permission"), who));
    }

    struct Asked {
        status: u16,
        code: String,
        text: String,
        challenge: Option<String>,
    }

    async fn ask(running: &Running, method: Method, path: &str, authorization: Option<String>) -> Asked {
        ask_accepting("*/*", running, method, path, authorization).await
    }

    async fn ask_accepting(
        accept: &str,
        running: &Running,
        method: Method,
        path: &str,
        authorization: Option<String>,
    ) -> Asked {
        let boundary = Boundary { request_ids: request_ids(), readiness: Arc::default(), hsts: false };
        let app = App::new()
            .app_data(Data::from(Arc::clone(&running.state)))
            .configure(|config| routes(&mut Router::new(config)))
            .default_service(web::to(super::super::router::not_found))
            .wrap(boundary);
        let app = init_service(app).await;
        let mut request = TestRequest::default().method(method).uri(path).set_payload("12345");
        request = request.insert_header(("accept", accept));
        if let Some(authorization) = authorization {
            request = request.insert_header(("authorization", authorization));
        }
        let response = try_call_service(&app, request.to_request()).await.unwrap();
        let status = response.status().as_u16();
        let challenge =
            response.headers().get("www-authenticate").map(|value| value.to_str().unwrap().to_owned());
        if status < 400 {
            let text = actix_web::test::read_body(response).await;
            return Asked {
                status,
                code: String::new(),
                text: String::from_utf8(text.to_vec()).unwrap(),
                challenge,
            };
        }
        let problem: Value = read_body_json(response).await;
        let text = |member: &str| problem[member].as_str().unwrap().to_owned();
        Asked { status, code: text("code"), text: text("detail"), challenge }
    }

    #[actix_web::test]
    async fn sec_84_and_86_a_route_lets_in_whoever_has_its_permission_and_nobody_else() {
        let running = Running::start().await;
        let (admin, viewer) = (running.bearer(ADMIN).await, running.bearer(VIEWER).await);
        for method in [Method::GET, Method::HEAD, Method::PUT, Method::PATCH] {
            let asked = ask(&running, method.clone(), "/users/1", None).await;
            assert_eq!((asked.status, asked.code.as_str()), (401, "missing_token"), "{method}");
            let asked = ask(&running, method.clone(), "/users/1", Some("Bearer a.b.c".to_owned())).await;
            assert_eq!((asked.status, asked.code.as_str()), (401, "invalid_token"), "{method}");
            let asked = ask(&running, method.clone(), "/users/1", Some(viewer.clone())).await;
            assert_eq!((asked.status, asked.code.as_str()), (403, "forbidden"), "{method}");
            let permission =
                if method == Method::GET || method == Method::HEAD { "user:view" } else { "user:update" };
            assert_eq!(asked.text, format!("The permission {permission} is missing."));
            assert_eq!(ask(&running, method, "/users/1", Some(admin.clone())).await.status, 200);
        }
        let asked = ask(&running, Method::PATCH, "/users/1", Some(admin.clone())).await;
        assert_eq!(asked.text, format!("{ADMIN}: 5"), "the handler reads the body after the check");
        assert_eq!(ask(&running, Method::DELETE, "/users/1", Some(viewer)).await.text, VIEWER);
        assert_eq!(ask(&running, Method::POST, "/users/1", None).await.code, "method_not_allowed");
        for broken in ["/forgetful", "/misspelt"] {
            let asked = ask(&running, Method::GET, broken, Some(admin.clone())).await;
            assert_eq!((asked.status, asked.code.as_str()), (500, "internal_error"), "{broken}");
        }
    }

    #[actix_web::test]
    async fn a_route_for_services_takes_client_credentials_alone() {
        let running = Running::start().await;
        let admin = running.bearer(ADMIN).await;
        let basic = || Some("Basic aWQ6c2VjcmV0".to_owned());
        for (path, authorization) in
            [("/feed", None), ("/feed", Some(admin)), ("/feed", basic()), ("/users/1", basic())]
        {
            let asked = ask(&running, Method::GET, path, authorization).await;
            assert_eq!((asked.status, asked.code.as_str()), (401, "invalid_client"), "{path}");
            assert_eq!(asked.challenge.unwrap(), r#"Basic realm="maestro-auth", charset="UTF-8""#);
        }
    }

    #[actix_web::test]
    async fn a_path_with_events_takes_whoever_takes_one_of_its_two_types() {
        let running = Running::start().await;
        for (accept, status) in [("text/event-stream", 401), ("application/json", 401), ("text/html", 406)] {
            let asked = ask_accepting(accept, &running, Method::GET, "/feed", None).await;
            assert_eq!(asked.status, status, "{accept}");
        }
    }
}
