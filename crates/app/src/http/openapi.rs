//! The `OpenAPI` document: put together from the handlers' own annotations, and held to the registered routes by a test.

mod access;
mod problems;

use std::sync::LazyLock;

use actix_web::http::Method;
pub(super) use problems::{
    AssetProblems, BearerProblems, BodyProblems, CatalogueDeleteProblems, CataloguePutProblems, FeedProblems,
    FormProblems, HealthProblems, LoginProblems, LogoutProblems, ReadyProblems, RefreshProblems,
    RegisterProblems, UnknownProblems, UserCreateProblems, UserDeleteProblems, UserUpdateProblems,
    VerifyProblems,
};
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::request_body::RequestBody;
use utoipa::openapi::{Content, ObjectBuilder, RefOr, Required, Schema, Type};
use utoipa::{Modify, OpenApi};

use self::access::{DeclaredAccess, Schemes};
use super::problem::Problem;
use super::routes::{
    accounts, admin, docs, health, introspection, keys, metadata, revocations, service_roles, sessions,
    verify,
};
use super::{ErrorCode, error::FieldError};

/// The document as JSON.
#[must_use]
pub fn openapi_json() -> String {
    static DOCUMENT: LazyLock<String> =
        LazyLock::new(|| Document::openapi().to_pretty_json().unwrap_or_default());
    DOCUMENT.clone()
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Maestro Auth",
        description = "Registers users, signs them in, and tells other services who they are.\n\n\
            Every error is a problem after RFC 9457 with a stable `code`; `/docs/errors` explains them. Every answer carries \
            `X-Request-Id`, taken over from the request when it is 1–64 characters of `A-Z`, `a-z`, `0-9`, `.`, `_`, `-`. \
            An unknown path is 404 `not_found`, a method that a path does not take 405 `method_not_allowed` with `Allow`.",
        license(name = "Apache-2.0 OR MIT", identifier = "Apache-2.0 OR MIT"),
    ),
    paths(
        accounts::register, sessions::login, sessions::refresh, sessions::logout, accounts::me, verify::verify,
        health::health,
        introspection::introspect, introspection::revoke, revocations::revocations, service_roles::roles,
        metadata::metadata,
        admin::users::list, admin::users::create, admin::users::get, admin::users::update, admin::users::delete,
        admin::users::end_sessions,
        admin::roles::list, admin::roles::get, admin::roles::put, admin::roles::delete,
        admin::permissions::list, admin::permissions::put, admin::permissions::delete,
        admin::keys::list, admin::keys::rotate, admin::keys::revoke,
        admin::services::list, admin::services::create, admin::services::get, admin::services::delete,
        admin::audit::list, admin::audit::export,
        keys::jwks, health::livez, health::readyz, docs::openapi, docs::page, docs::errors, docs::asset,
    ),
    components(schemas(Problem, FieldError)),
    tags(
        (name = "authentication", description = "Accounts, sessions and their tokens"),
        (name = "resource-servers", description = "For registered services: what a token is worth, and what has been revoked"),
        (name = "administration", description = "Users, roles, signing keys, registered services, and what has happened to them"),
        (name = "keys", description = "What other services check tokens with"),
        (name = "operations", description = "For load balancers and orchestrators"),
        (name = "documentation", description = "This document, and pages about it"),
    ),
    modifiers(&Schemes, &DeclaredAccess, &OnEveryAnswer),
)]
struct Document;

/// What holds for every operation, so that no handler repeats it.
struct OnEveryAnswer;

impl Modify for OnEveryAnswer {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        for item in document.paths.paths.values_mut() {
            for operation in operations(item) {
                let common = [ErrorCode::MalformedRequest, ErrorCode::InternalError];
                problems::add(&mut operation.responses, &common);
                operation.responses.responses.values_mut().for_each(add_request_id);
                if let Some(RefOr::T(body)) = &mut operation.request_body {
                    leave_out_rather_than_null(body);
                }
            }
        }
    }
}

/// An optional body is one that may be left out; utoipa describes it as one that may be null as well.
fn leave_out_rather_than_null(body: &mut RequestBody) {
    for content in body.content.values_mut() {
        if let RefOr::T(Content { schema: Some(schema), .. }) = content
            && let RefOr::T(Schema::OneOf(alternatives)) = schema
            && let Some(reference) = alternatives.items.iter().find(|item| matches!(item, RefOr::Ref(_)))
        {
            *schema = reference.clone();
            body.required = Some(Required::False);
        }
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.post, &mut item.put, &mut item.patch, &mut item.delete].into_iter().flatten()
}

fn operation<'a>(item: &'a mut PathItem, method: &Method) -> Option<&'a mut Operation> {
    match *method {
        Method::GET => item.get.as_mut(),
        Method::POST => item.post.as_mut(),
        Method::PUT => item.put.as_mut(),
        Method::PATCH => item.patch.as_mut(),
        Method::DELETE => item.delete.as_mut(),
        _ => None, // HEAD is the companion of every GET
    }
}

fn add_request_id(response: &mut RefOr<utoipa::openapi::Response>) {
    let RefOr::T(response) = response else { return };
    let id = ObjectBuilder::new().schema_type(Type::String).max_length(Some(64)).build();
    let header = HeaderBuilder::new()
        .schema(Some(id))
        .description(Some("The id of this request in the server's log."))
        .build();
    response.headers.insert("X-Request-Id".to_owned(), RefOr::T(header));
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::{Value, json};

    use super::super::routes;
    use super::*;

    fn document() -> Value {
        serde_json::from_str(&openapi_json()).unwrap()
    }

    fn registered() -> BTreeSet<(String, String)> {
        let name = |method: &Method| method.as_str().to_ascii_lowercase();
        let routes =
            routes::registered().into_iter().map(|route| (route.path.to_owned(), name(&route.method)));
        routes.filter(|(_, method)| method != "head").collect() // the companion of every GET
    }

    #[test]
    fn the_document_lists_every_route_and_nothing_else() {
        let document = document();
        assert_eq!(document["openapi"], "3.1.0");
        let documented: BTreeSet<(String, String)> = document["paths"]
            .as_object()
            .unwrap()
            .iter()
            .flat_map(|(path, item)| {
                item.as_object().unwrap().keys().map(move |method| (path.clone(), method.clone()))
            })
            .collect();
        assert_eq!(documented, registered());
    }

    #[test]
    fn every_operation_says_who_may_call_it_and_how() {
        let document = document();
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let place = format!("{method} {path}");
                let names = |scheme: &str| operation["security"].to_string().contains(scheme);
                let (bearer, service) = match operation["x-permission"].as_str().unwrap() {
                    // A token may be brought, but need not: `{}` is no demand.
                    "public" if operation["security"].is_array() => {
                        assert!(operation["security"].as_array().unwrap().contains(&json!({})), "{place}");
                        continue;
                    }
                    "public" => (false, false),
                    "user" => (true, false),
                    "service" => (false, true),
                    permission => {
                        assert!(permission.contains(':'), "{place}");
                        assert!(operation["responses"]["403"].is_object(), "{place}");
                        (true, true)
                    }
                };
                assert_eq!((names("bearerAuth"), names("serviceAuth")), (bearer, service), "{place}");
                assert!(operation["responses"]["401"].is_object() || !(bearer || service), "{place}");
            }
        }
    }

    #[test]
    fn every_answer_is_described_and_every_error_is_a_problem() {
        for (path, item) in document()["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                for (status, response) in operation["responses"].as_object().unwrap() {
                    let place = format!("{method} {path} {status}");
                    assert!(response["headers"]["X-Request-Id"].is_object(), "{place}");
                    if status.as_str() >= "400" {
                        let schema = &response["content"]["application/problem+json"]["schema"]["$ref"];
                        assert_eq!(schema, "#/components/schemas/Problem", "{place}");
                    }
                }
            }
        }
    }

    #[test]
    fn every_operation_has_an_id_of_its_own_and_a_tag_that_is_explained() {
        let document = document();
        let tags: Vec<&Value> = document["tags"].as_array().unwrap().iter().map(|tag| &tag["name"]).collect();
        let mut ids = BTreeSet::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let id = operation["operationId"].as_str().unwrap().to_owned();
                assert!(ids.insert(id), "{method} {path} has the id of another operation");
                assert!(tags.contains(&&operation["tags"][0]), "{method} {path}");
            }
        }
    }

    #[test]
    fn request_bodies_take_no_other_fields() {
        let bodies = [
            "Register",
            "Login",
            "Refresh",
            "Logout",
            "NewUser",
            "UserPatch",
            "RoleDefinition",
            "PermissionDefinition",
            "Rotation",
            "ServiceRegistration",
        ];
        for name in bodies {
            assert_eq!(document()["components"]["schemas"][name]["additionalProperties"], false, "{name}");
        }
    }

    #[test]
    fn an_optional_body_is_left_out_and_never_null() {
        for (path, is_required) in [
            ("auth/register", true),
            ("auth/login", true),
            ("auth/refresh", false),
            ("auth/logout", false),
            ("admin/users", true),
            ("admin/keys/rotate", false),
        ] {
            let body = &document()["paths"][format!("/api/v1/{path}")]["post"]["requestBody"];
            assert_eq!(body["required"].as_bool().unwrap_or(false), is_required, "{path}");
            assert!(body["content"]["application/json"]["schema"]["$ref"].is_string(), "{path}");
        }
    }

    #[test]
    fn every_error_code_is_explained_in_the_manual() {
        let manual = include_str!("../../../../docs/API.md");
        for code in ErrorCode::ALL {
            let row = format!("| {} `{}` |", code.status().as_u16(), code.as_str());
            assert!(manual.contains(&row), "docs/API.md lacks {row}");
        }
    }
}
