use actix_web::HttpResponse;
use actix_web::http::header;
use actix_web::web::Data;
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::HttpState;

/// What the server offers to services and gateways, after RFC 8414.
#[derive(Serialize, ToSchema)]
#[schema(as = ServerMetadata)]
pub(in crate::http) struct MetadataBody<'a> {
    /// The `iss` of the tokens.
    #[schema(example = "https://auth.example.com")]
    issuer: &'a str,
    #[schema(format = "uri", example = "https://auth.example.com/.well-known/jwks.json")]
    jwks_uri: String,
    #[schema(format = "uri", example = "https://auth.example.com/api/v1/auth/introspect")]
    introspection_endpoint: String,
    #[schema(example = json!(["client_secret_basic"]))]
    introspection_endpoint_auth_methods_supported: [&'static str; 1],
    #[schema(format = "uri", example = "https://auth.example.com/api/v1/auth/revoke")]
    revocation_endpoint: String,
    #[schema(example = json!(["client_secret_basic"]))]
    revocation_endpoint_auth_methods_supported: [&'static str; 1],
    /// None: there is no authorization endpoint. RFC 8414 section 2 requires the member all the same.
    response_types_supported: [&'static str; 0],
    #[schema(format = "uri", example = "https://auth.example.com/docs")]
    service_documentation: String,
}

/// Tells where everything is that other programs need (RFC 8414).
///
/// The addresses come from the configured public URL, and never from what the request says.
#[utoipa::path(
    get,
    path = "/.well-known/oauth-authorization-server",
    tag = "resource-servers",
    responses((
        status = 200,
        description = "The metadata.",
        body = MetadataBody,
        headers(("Cache-Control" = String, description = "How long the answer may be kept: 300 seconds.")),
    )),
)]
pub(in crate::http) async fn metadata(state: Data<HttpState>) -> HttpResponse {
    const BY_CLIENT_SECRET: [&str; 1] = ["client_secret_basic"];
    let at = |path: &str| format!("{}{path}", state.public_url.as_str());

    HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "public, max-age=300")).json(MetadataBody {
        issuer: state.auth.issuer(),
        jwks_uri: at("/.well-known/jwks.json"),
        introspection_endpoint: at("/api/v1/auth/introspect"),
        introspection_endpoint_auth_methods_supported: BY_CLIENT_SECRET,
        revocation_endpoint: at("/api/v1/auth/revoke"),
        revocation_endpoint_auth_methods_supported: BY_CLIENT_SECRET,
        response_types_supported: [],
        service_documentation: at("/docs"),
    })
}
