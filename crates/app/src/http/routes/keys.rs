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
        headers((
            "Cache-Control" = String,
            description = "How long the answer may be kept: 300 seconds; not at all while there is no key."
        )),
    )),
)]
pub(in crate::http) async fn jwks(state: Data<HttpState>) -> HttpResponse {
    let keys: Vec<String> = state.signer.public_keys().into_iter().map(|key| key.jwk).collect();
    // For the moment between the revocation of the last key and its successor: nobody should remember that there was none.
    let caching = if keys.is_empty() { "no-store" } else { "public, max-age=300" };
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, caching))
        .content_type("application/json")
        .body(format!(r#"{{"keys":[{}]}}"#, keys.join(",")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::testing::Running;

    async fn caching(state: &Data<HttpState>) -> String {
        let answer = jwks(state.clone()).await;
        answer.headers().get(header::CACHE_CONTROL).unwrap().to_str().unwrap().to_owned()
    }

    #[actix_web::test]
    async fn no_cache_remembers_that_there_was_no_key() {
        let state = Data::from(Running::start().await.state);
        assert_eq!(caching(&state).await, "public, max-age=300");
        for key in state.signer.public_keys() {
            state.signer.drop_key(key.kid);
        }
        assert_eq!(caching(&state).await, "no-store");
    }
}
