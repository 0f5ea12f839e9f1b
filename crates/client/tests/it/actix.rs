use actix_web::body::MessageBody;
use actix_web::dev::ServiceResponse;
use actix_web::http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::test::{TestRequest, call_service, init_service};
use actix_web::{App, test, web};
use maestro_auth_client::actix::RequirePermission;
use maestro_auth_client::{Identity, MaestroAuth};
use serde_json::Value;

use crate::support::{Claims, Scene, id, settings};

async fn whoami(caller: Identity) -> String {
    caller.user_id().to_string()
}

/// Calls `path` with these `Authorization` headers: of `/guarded`, behind the guard, or `/open`, which only wants an identity.
async fn call(auth: MaestroAuth, path: &str, headers: &[&str]) -> (u16, [Option<String>; 3], String) {
    let guarded = web::scope("/guarded").wrap(RequirePermission::new("model:deploy"));
    let app = App::new()
        .app_data(auth)
        .service(guarded.route("", web::get().to(whoami)))
        .route("/open", web::get().to(whoami));
    let app = init_service(app).await;
    let mut request = TestRequest::get().uri(path);
    for header in headers {
        request = request.append_header((AUTHORIZATION, *header));
    }
    answer(call_service(&app, request.to_request()).await).await
}

async fn answer<B: MessageBody>(response: ServiceResponse<B>) -> (u16, [Option<String>; 3], String) {
    let header = |name| {
        response
            .headers()
            .get(name)
            .map(|value: &actix_web::http::header::HeaderValue| value.to_str().unwrap().to_owned())
    };
    let headers = [header(WWW_AUTHENTICATE), header(CONTENT_TYPE), header(RETRY_AFTER)];
    let status = response.status().as_u16();
    let body = test::read_body(response).await;
    (status, headers, String::from_utf8(body.to_vec()).unwrap())
}

#[actix_web::test]
async fn the_guard_and_the_extractor_let_the_right_callers_through() {
    let scene = Scene::new().await;
    let [admin, viewer] =
        ["admin", "viewer"].map(|role| format!("Bearer {}", scene.token(Claims::of(&[role]))));
    for (path, token) in [("/guarded", &admin), ("/open", &admin), ("/open", &viewer)] {
        let (status, [challenge, ..], body) = call(scene.auth.clone(), path, &[token]).await;
        assert_eq!((status, challenge, body), (200, None, id(1)));
    }
}

#[actix_web::test]
async fn everybody_else_is_told_why_by_headers_and_a_problem() {
    let scene = Scene::new().await;
    let viewer = format!("Bearer {}", scene.token(Claims::of(&["viewer"])));
    let expired = format!("Bearer {}", scene.token(Claims::of(&["admin"]).with("exp", 1)));
    let error = r#"Bearer realm="maestro-auth", error="#;
    let invalid = format!(r#"{error}"invalid_token", error_description="The token is invalid.""#);
    let late = format!(r#"{error}"invalid_token", error_description="The token has expired.""#);
    let poor = format!(r#"{error}"insufficient_scope", scope="model:deploy""#);
    for (headers, status, code, challenge) in [
        (&[][..], 401, "missing_token", Some(r#"Bearer realm="maestro-auth""#)),
        (&["Basic YTpi"], 401, "missing_token", Some(r#"Bearer realm="maestro-auth""#)),
        (&["Bearer rubbish"], 401, "invalid_token", Some(&*invalid)),
        (&[&*expired], 401, "token_expired", Some(&*late)),
        (&[&*viewer, &*viewer], 400, "malformed_request", None),
        (&[&*viewer], 403, "forbidden", Some(&*poor)),
    ] {
        let paths = if status == 403 { &["/guarded"][..] } else { &["/guarded", "/open"] };
        for path in paths {
            let (given, headers, body) = call(scene.auth.clone(), path, headers).await;
            let problem: Value = serde_json::from_str(&body).unwrap();
            assert_eq!((given, problem["code"].as_str()), (status, Some(code)), "{path}");
            assert_eq!(headers[0].as_deref(), challenge, "{path} {code}");
            assert_eq!(headers[1].as_deref(), Some("application/problem+json"));
            assert_eq!(problem["status"], status);
            for member in ["type", "title", "detail"] {
                assert!(problem[member].as_str().is_some_and(|text| !text.is_empty()), "{code}: {member}");
            }
        }
    }
    let (_, _, body) = call(scene.auth.clone(), "/guarded", &[&viewer]).await;
    assert!(body.contains("The permission model:deploy is missing."), "{body}");
}

#[actix_web::test]
async fn what_can_not_be_told_is_503_with_the_time_to_wait() {
    let scene = Scene::new().await;
    let nobody = settings("http://127.0.0.1:9").start().unwrap();
    let admin = format!("Bearer {}", scene.token(Claims::of(&["admin"])));
    let (status, [challenge, _, retry_after], body) = call(nobody, "/guarded", &[&admin]).await;
    assert_eq!((status, challenge, retry_after.as_deref()), (503, None, Some("2")));
    assert!(body.contains("keys_unavailable"), "{body}");
}

#[actix_web::test]
async fn an_app_that_was_put_together_wrongly_lets_nobody_in() {
    let guard = web::resource("/").wrap(RequirePermission::new("model:view")).to(|| async { "in" });
    let app = init_service(App::new().service(guard)).await;
    let request = TestRequest::get().uri("/").append_header((AUTHORIZATION, "Bearer x")).to_request();
    assert_eq!(answer(call_service(&app, request).await).await.0, 500);

    let scene = Scene::new().await;
    let app = App::new().app_data(web::Data::new(scene.auth.clone()));
    let app = init_service(app.route("/", web::get().to(whoami))).await;
    let admin = format!("Bearer {}", scene.token(Claims::of(&["admin"])));
    let request = TestRequest::get().uri("/").append_header((AUTHORIZATION, admin)).to_request();
    assert_eq!(answer(call_service(&app, request).await).await.0, 200, "web::Data does as well");
}
