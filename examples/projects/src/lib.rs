//! An example: a service for projects that Maestro Auth protects.
//!
//! All it needs is a [`MaestroAuth`] in its app data; each route names the permission that it demands, in one line, and a
//! handler that wants to know who calls takes an `Identity`.

mod projects;

use std::io;
use std::net::TcpListener;

use actix_web::dev::Server;
use actix_web::web::{self, Data, JsonConfig, ServiceConfig};
use actix_web::{App, HttpResponse, HttpServer};
use maestro_auth_client::MaestroAuth;
use maestro_auth_client::actix::RequirePermission;

use crate::projects::{Projects, create, delete, list};

/// Serves on the listener until the future that it gives is dropped or its handle stops it.
pub fn run(listener: TcpListener, auth: MaestroAuth) -> io::Result<Server> {
    let projects = Data::new(Projects::default());
    let app = move || {
        let (auth, projects) = (auth.clone(), projects.clone());
        App::new().configure(|config| routes(config, auth, projects))
    };
    Ok(HttpServer::new(app).workers(2).listen(listener)?.run())
}

fn routes(config: &mut ServiceConfig, auth: MaestroAuth, projects: Data<Projects>) {
    config
        .app_data(Data::new(auth))
        .app_data(projects)
        .app_data(JsonConfig::default().limit(4 * 1024))
        .route("/readyz", web::get().to(ready))
        .service(
            web::resource("/projects")
                .route(web::get().to(list).wrap(RequirePermission::new("model:view")))
                .route(web::post().to(create).wrap(RequirePermission::new("model:create"))),
        )
        .service(
            web::resource("/projects/{id}")
                .wrap(RequirePermission::new("model:deploy"))
                .route(web::delete().to(delete)),
        );
}

/// Whether this service can tell good tokens from revoked ones. It is for the load balancer, so it demands no token.
async fn ready(auth: Data<MaestroAuth>) -> HttpResponse {
    if auth.status().ready {
        HttpResponse::NoContent().finish()
    } else {
        HttpResponse::ServiceUnavailable().finish()
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::WWW_AUTHENTICATE;
    use actix_web::test::{TestRequest, call_service, init_service};

    use super::*;

    /// The whole story, with the real server, is told in the tests of the app.
    #[actix_web::test]
    async fn without_a_token_or_a_server_nothing_is_served() {
        let auth = MaestroAuth::builder("http://127.0.0.1:9").service("id", "secret").start().unwrap();
        let projects = Data::new(Projects::default());
        let app = init_service(App::new().configure(|config| routes(config, auth, projects))).await;
        for request in [
            TestRequest::get().uri("/projects"),
            TestRequest::post().uri("/projects"),
            TestRequest::delete().uri("/projects/1"),
        ] {
            let response = call_service(&app, request.to_request()).await;
            assert_eq!(response.status(), 401);
            assert!(response.headers().contains_key(WWW_AUTHENTICATE));
        }
        let ready = TestRequest::get().uri("/readyz").to_request();
        assert_eq!(call_service(&app, ready).await.status(), 503);
    }
}
