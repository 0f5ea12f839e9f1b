use actix_web::HttpResponse;
use actix_web::http::header;
use actix_web::web::Data;
use utoipa::ToSchema;

use crate::http::HttpState;

/// The public keys of the server (RFC 7517 section 5).
#[derive(ToSchema)]
#[schema(as = KeySet)]
#[expect(dead_code, reason = "describes the answer; the keys come from the signer as JSON")]
pub(in crate::http) struct KeySetBody {
    /// Active, coming and retiring keys, public members only; each `kid` is its key's RFC 7638 thumbprint.
    #[schema(example = json!([{
        "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    }]))]
    keys: Vec<serde_json::Map<String, serde_json::Value>>,
}

/// Lists the public keys that tokens of this server can be checked with.
#[utoipa::path(
    get,
    path = "/.well-known/jwks.json",
    tag = "keys",
    responses((
        status = 200,
        description = "The public keys.",
        body = KeySetBody,
        headers(("Cache-Control" = String, description = "How long the answer may be kept: 300 seconds.")),
    )),
)]
pub(in crate::http) async fn jwks(state: Data<HttpState>) -> HttpResponse {
    let keys: Vec<String> = state.signer.public_keys().into_iter().map(|key| key.jwk).collect();
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "public, max-age=300"))
        .content_type("application/json")
        .body(format!(r#"{{"keys":[{}]}}"#, keys.join(",")))
}
