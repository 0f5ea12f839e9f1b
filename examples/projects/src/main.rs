//! Serves the example on loopback. The README says how.

use std::env;
use std::net::TcpListener;

use anyhow::Context;
use maestro_auth_client::MaestroAuth;
use maestro_auth_example_projects::run;

#[actix_web::main]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt().init();
    let auth_url = variable("AUTH_URL").unwrap_or_else(|_| "http://127.0.0.1:8000".to_owned());
    let port = variable("PORT").unwrap_or_else(|_| "8001".to_owned());
    let port: u16 = port.parse().context("PORT must be a port number")?;

    let auth = MaestroAuth::builder(auth_url)
        .service(variable("CLIENT_ID")?, variable("CLIENT_SECRET")?)
        .start()
        .context("the auth client can't be started")?;

    let listener =
        TcpListener::bind(("127.0.0.1", port)).with_context(|| format!("port {port} is not free"))?;
    tracing::info!("listening on http://{}", listener.local_addr()?);
    run(listener, auth)?.await.context("the server failed")
}

fn variable(name: &str) -> anyhow::Result<String> {
    #[expect(clippy::disallowed_methods, reason = "an example of one file's worth of configuration")]
    env::var(name).with_context(|| format!("the environment variable {name} is missing"))
}
