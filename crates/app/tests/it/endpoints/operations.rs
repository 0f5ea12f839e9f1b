//! What a load balancer and an operator ask (api.md sections 2 and 6).

use crate::support::{Answer, Server, Storage};

super::on_every_storage!(a_healthy_server_says_so);

async fn a_healthy_server_says_so(storage: Storage) {
    let server = Server::start(&storage, &[]);
    let health = Answer::to_get(&server, "/api/v1/auth/health", None).await.ok(200).body;
    assert_eq!(health["status"], "healthy");
    assert_eq!(health["service"], "authentication");
    assert_eq!(health["jwt_configured"], true);
    Answer::to_get(&server, "/livez", None).await.ok(200);
    let ready = Answer::to_get(&server, "/readyz", None).await.ok(200).body;
    assert_eq!(ready["status"], "ready");
    assert_eq!((&ready["checks"]["storage"], &ready["checks"]["signing_key"]), (&"ok".into(), &"ok".into()));
}
