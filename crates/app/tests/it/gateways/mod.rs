//! The shipped configurations of `deploy/gateways/` in the real gateways, between a client that can't be trusted and a
//! service that believes what the gateway tells it.

mod broken;
mod cases;
mod check;
mod client;
mod gateway;
mod listener;
mod python;
mod service;

use gateway::{Gateway, Product};

use crate::support::{Answer, Server, SignedIn, Storage, registered};
use cases::{AMBIGUOUS_PATHS, CASES, SPOOFS};
use check::World;
use client::Request;
use service::EchoService;

#[tokio::test(flavor = "multi_thread")]
async fn nginx_lets_in_only_whom_the_server_names() {
    lets_in_only_whom_the_server_names(Product::Nginx).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn caddy_lets_in_only_whom_the_server_names() {
    lets_in_only_whom_the_server_names(Product::Caddy).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn haproxy_lets_in_only_whom_the_server_names() {
    lets_in_only_whom_the_server_names(Product::Haproxy).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn traefik_lets_in_only_whom_the_server_names() {
    lets_in_only_whom_the_server_names(Product::Traefik).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn envoy_lets_in_only_whom_the_server_names() {
    lets_in_only_whom_the_server_names(Product::Envoy).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sec_113_envoy_without_a_verification_lets_nobody_in() {
    broken::lets_nobody_in(Product::Envoy).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sec_113_nginx_without_a_verification_lets_nobody_in() {
    broken::lets_nobody_in(Product::Nginx).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sec_113_caddy_without_a_verification_lets_nobody_in() {
    broken::lets_nobody_in(Product::Caddy).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sec_113_haproxy_without_a_verification_lets_nobody_in() {
    broken::lets_nobody_in(Product::Haproxy).await;
}

/// Runs the table of cases that all gateways share.
async fn lets_in_only_whom_the_server_names(product: Product) {
    if product.is_skipped() {
        return;
    }
    let storage = Storage::memory();
    let server = Server::start(&storage, &[]);
    let service = EchoService::start().await;
    let gateway = Gateway::start(product, service.port(), port_of(&server)).await;
    let world = World::new(product, &server, &gateway, &service).await;
    for case in CASES {
        world.check(case).await;
    }
    for line in SPOOFS {
        world.check_spoof(line).await;
    }
    for path in AMBIGUOUS_PATHS {
        world.check_ambiguous(path).await;
    }
    world.check_odd_address(&server).await;
    world.check_upgrade().await;
    world.check_two_tokens().await;
    world.check_trailers().await;
    world.check_bodies().await;
    a_logout_counts_at_once(&server, &world).await;
    a_stopped_server_lets_nobody_in(product, server, &world).await;
}

async fn a_logout_counts_at_once(server: &Server, world: &World<'_>) {
    let ada = registered(server, "ada@example.com").await;
    let request = Request::get("/projects").with_token(&ada.access);
    let entered = world.send(&request).await;
    assert_eq!(entered.status, 200, "{entered:?}");
    Answer::to_logout(server, &ada.access).await.ok(200);
    let refused = world.send_unseen("after the logout", &request).await;
    refused.is_a_refusal("after the logout", 401, "token_revoked");
}

/// Also over the connections that the gateway has kept open to it.
async fn a_stopped_server_lets_nobody_in(product: Product, server: Server, world: &World<'_>) {
    server.kill();
    let request = Request::get("/projects").with_token(&world.viewer.access);
    let refused = world.send_unseen("the server is stopped", &request).await;
    match product {
        Product::Traefik => assert_eq!(refused.status, 500, "it has no other word for it: {refused:?}"),
        _ => refused.is_a_refusal("the server is stopped", 503, "verification_unavailable"),
    }
    let open = world.send(&Request::get("/healthz")).await;
    assert_eq!(open.status, 200, "what is open needs no verification: {open:?}");
}

fn port_of(server: &Server) -> u16 {
    let (_, port) = server.address().rsplit_once(':').expect("a port");
    port.parse().expect("a number")
}

/// The administrator that the development profile creates.
async fn administrator(server: &Server) -> SignedIn {
    let answer = Answer::to_login(server, "admin@maestro.ml", "admin123").await.ok(200);
    SignedIn::from_body(&answer.body)
}
