use std::convert::Infallible;
use std::future::{Ready, poll_fn, ready};
use std::task::{Context, Poll};

use http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{Request, Response};
use maestro_auth_client::tower::RequirePermissionLayer;
use maestro_auth_client::{Identity, MaestroAuth};
use tower_layer::Layer;
use tower_service::Service;

use crate::support::{Claims, Scene, id, settings};

/// Answers with the id of the caller.
#[derive(Clone)]
struct WhoAmI;

impl Service<Request<()>> for WhoAmI {
    type Response = Response<String>;
    type Error = Infallible;
    type Future = Ready<Result<Response<String>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        let caller = request.extensions().get::<Identity>().unwrap();
        ready(Ok(Response::new(caller.user_id().to_string())))
    }
}

async fn call(auth: &MaestroAuth, headers: &[&str]) -> Response<String> {
    let mut service = RequirePermissionLayer::new(auth.clone(), "model:deploy").layer(WhoAmI);
    let mut request = Request::new(());
    for header in headers {
        request.headers_mut().append(AUTHORIZATION, header.parse().unwrap());
    }
    poll_fn(|context| service.poll_ready(context)).await.unwrap();
    service.call(request).await.unwrap()
}

#[tokio::test]
async fn whoever_holds_the_permission_gets_through_with_their_identity() {
    let scene = Scene::new().await;
    let response = call(&scene.auth, &[&format!("bearer {}", scene.token(Claims::of(&["admin"])))]).await;
    assert_eq!((response.status().as_u16(), response.body()), (200, &id(1)));
}

#[tokio::test]
async fn everybody_else_is_told_why() {
    let scene = Scene::new().await;
    let viewer = format!("Bearer {}", scene.token(Claims::of(&["viewer"])));
    for (headers, status, code, challenge) in [
        (&[][..], 401, "missing_token", Some("Bearer realm=\"maestro-auth\"")),
        (&["Bearer x"], 401, "invalid_token", Some("error=\"invalid_token\"")),
        (&[&*viewer], 403, "forbidden", Some("error=\"insufficient_scope\", scope=\"model:deploy\"")),
        (&[&*viewer, &*viewer], 400, "malformed_request", None),
    ] {
        let response = call(&scene.auth, headers).await;
        assert_eq!(response.status(), status);
        assert!(response.body().contains(&format!(r#""code":"{code}""#)), "{}", response.body());
        assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
        let given = response.headers().get(WWW_AUTHENTICATE).map(|value| value.to_str().unwrap());
        assert_eq!(given.is_some(), challenge.is_some());
        assert!(given.unwrap_or_default().ends_with(challenge.unwrap_or_default()) || status == 401);
        assert!(given.unwrap_or_default().contains(challenge.unwrap_or_default()));
    }
    let nobody = settings("http://127.0.0.1:9").start().unwrap();
    let response = call(&nobody, &[&viewer]).await;
    assert_eq!((response.status().as_u16(), &response.headers()[RETRY_AFTER]), (503, &"2".parse().unwrap()));
}
