//! The interactive page and what belongs to it. Everything is in the binary: the page works without a network.

use actix_web::HttpResponse;
use actix_web::http::header;
use actix_web::web::Path;

use crate::http::openapi::AssetProblems;
use crate::http::{ApiError, ErrorCode, openapi_json};

/// Lets the page run its own two scripts and call its own server, and nothing else. Swagger UI draws icons from `data:`.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                           connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A file of the page.
struct Asset {
    name: &'static str,
    media_type: &'static str,
    bytes: &'static [u8],
    /// Packed files carry their version in the name, so they may be kept for ever.
    packed: bool,
}

const ASSETS: [Asset; 3] = [
    Asset {
        name: "swagger-ui-bundle-5.35.0.js",
        media_type: "text/javascript; charset=utf-8",
        bytes: include_bytes!("../../../assets/swagger-ui/swagger-ui-bundle.js.gz"),
        packed: true,
    },
    Asset {
        name: "swagger-ui-5.35.0.css",
        media_type: "text/css; charset=utf-8",
        bytes: include_bytes!("../../../assets/swagger-ui/swagger-ui.css.gz"),
        packed: true,
    },
    Asset {
        name: "docs.js",
        media_type: "text/javascript; charset=utf-8",
        bytes: include_bytes!("../../../assets/docs.js"),
        packed: false,
    },
];

/// Describes this API to programs.
#[utoipa::path(
    get,
    operation_id = "openapi_document",
    path = "/openapi.json",
    tag = "documentation",
    responses((status = 200, description = "This document.", body = Object)),
)]
pub(in crate::http) async fn openapi() -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(openapi_json())
}

/// Shows this API as an interactive page.
#[utoipa::path(
    get,
    operation_id = "docs_page",
    path = "/docs",
    tag = "documentation",
    responses((status = 200, description = "The page.", body = String, content_type = "text/html")),
)]
pub(in crate::http) async fn page() -> HttpResponse {
    html(include_str!("../../../assets/docs.html").to_owned())
}

/// Explains every error code: what the type of a problem refers to.
#[utoipa::path(
    get,
    operation_id = "docs_errors",
    path = "/docs/errors",
    tag = "documentation",
    responses((status = 200, description = "The page.", body = String, content_type = "text/html")),
)]
pub(in crate::http) async fn errors() -> HttpResponse {
    let explain = |code: &ErrorCode| {
        let (name, status) = (code.as_str(), code.status());
        format!("<h2 id=\"{name}\">{name}</h2>\n<p>{status}. {}</p>\n", code.detail())
    };
    let explanations: String = ErrorCode::ALL.iter().map(explain).collect();
    html(format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>Maestro Auth error codes</title>\n\
         <h1>Error codes</h1>\n{explanations}</html>\n"
    ))
}

/// Serves a file of the interactive page.
#[utoipa::path(
    get,
    operation_id = "docs_asset",
    path = "/docs/assets/{name}",
    tag = "documentation",
    params(("name" = String, Path, description = "The name of the file.", example = "docs.js")),
    responses(
        (status = 200, description = "The file; the big ones always with `Content-Encoding: gzip`.", body = String, content_type = "text/javascript"),
        AssetProblems,
    ),
)]
pub(in crate::http) async fn asset(name: Path<String>) -> Result<HttpResponse, ApiError> {
    let asset = ASSETS.iter().find(|asset| asset.name == name.as_str());
    let asset = asset.ok_or_else(|| ApiError::new(ErrorCode::NotFound))?;
    let mut response = HttpResponse::Ok();
    response.content_type(asset.media_type);
    if asset.packed {
        response.insert_header((header::CONTENT_ENCODING, "gzip"));
        response.insert_header((header::CACHE_CONTROL, "public, max-age=31536000, immutable"));
    }
    Ok(response.body(asset.bytes))
}

fn html(page: String) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header((header::CONTENT_SECURITY_POLICY, PAGE_POLICY))
        .body(page)
}
