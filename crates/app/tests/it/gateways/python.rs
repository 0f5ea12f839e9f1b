//! The example of `examples/python-behind-nginx/`, as its README runs it.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::net::TcpStream;
use tokio::time::sleep;

use super::client::{Request, Response};
use super::gateway::{Gateway, Product, free_port, repository};
use super::{administrator, port_of};
use crate::support::{Answer, Server, Storage, registered};

#[tokio::test(flavor = "multi_thread")]
async fn the_python_service_behind_nginx_is_protected_without_a_line_of_its_own() {
    if Product::Nginx.is_skipped() {
        return;
    }
    let storage = Storage::memory();
    let server = Server::start(&storage, &[]);
    let service = PythonService::start().await;
    let configuration = "examples/python-behind-nginx/nginx.conf";
    let nginx = Gateway::start_with(Product::Nginx, configuration, service.port, port_of(&server)).await;
    let send = async |request: Request| -> Response { request.send_to(nginx.port()).await };

    send(Request::get("/projects")).await.is_a_refusal("the example", 401, "missing_token");
    assert_eq!(send(Request::get("/healthz")).await.json(), json!({ "status": "healthy" }));

    let ada = registered(&server, "ada@example.com").await;
    let projects = send(Request::get("/projects").with_token(&ada.access)).await;
    assert_eq!(projects.json(), json!({ "projects": ["alpha", "beta"], "asked_by": "ada@example.com" }));
    let added = send(Request::post("/projects", r#"{"name": "gamma"}"#).with_token(&ada.access)).await;
    assert_eq!((added.status, added.json()), (201, json!({ "projects": ["alpha", "beta", "gamma"] })));

    let report = || Request::get("/admin/report");
    send(report().with_token(&ada.access)).await.is_a_refusal("the example", 403, "forbidden");
    let administrator = administrator(&server).await;
    assert_eq!(send(report().with_token(&administrator.access)).await.json(), json!({ "projects": 3 }));

    Answer::to_logout(&server, &ada.access).await.ok(200);
    send(Request::get("/projects").with_token(&ada.access)).await.is_a_refusal(
        "the example",
        401,
        "token_revoked",
    );
}

struct PythonService {
    process: Child,
    port: u16,
}

impl PythonService {
    async fn start() -> Self {
        let port = free_port();
        let mut process = Command::new("python3")
            .arg(repository().join("examples/python-behind-nginx/service.py"))
            .env("PORT", port.to_string())
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("python3 runs; scripts/test.sh installs it");
        let deadline = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            assert!(
                matches!(process.try_wait(), Ok(None)) && Instant::now() < deadline,
                "it does not listen"
            );
            sleep(Duration::from_millis(20)).await;
        }
        Self { process, port }
    }
}

impl Drop for PythonService {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
