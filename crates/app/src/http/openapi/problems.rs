use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;
use utoipa::IntoResponses;
use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::{
    ContentBuilder, ObjectBuilder, Ref, RefOr, Response, ResponseBuilder, Responses, Type,
};

use crate::http::{ErrorCode, problem};

/// Names the errors that the operations of one kind can answer with.
macro_rules! problem_sets {
    ($($name:ident = [$($code:ident),+];)+) => {
        $(
            pub(in crate::http) struct $name;

            impl IntoResponses for $name {
                fn responses() -> BTreeMap<String, RefOr<Response>> {
                    responses(&[$(ErrorCode::$code),+])
                }
            }
        )+
    };
}

problem_sets! {
    RegisterProblems = [
        MalformedRequest, RegistrationClosed, RoleNotAssignable, RequestTimeout, EmailTaken, PayloadTooLarge,
        UnsupportedMediaType, ValidationFailed, Overloaded, StorageUnavailable
    ];
    LoginProblems = [
        MalformedRequest, InvalidCredentials, RequestTimeout, PayloadTooLarge, UnsupportedMediaType, ValidationFailed,
        Overloaded, StorageUnavailable
    ];
    RefreshProblems = [
        MalformedRequest, MissingToken, InvalidToken, TokenExpired, TokenRevoked, RefreshReused, RequestTimeout,
        PayloadTooLarge, UnsupportedMediaType, ValidationFailed, StorageUnavailable
    ];
    LogoutProblems = [
        MalformedRequest, MissingToken, InvalidToken, TokenExpired, TokenRevoked, RequestTimeout, PayloadTooLarge,
        UnsupportedMediaType, ValidationFailed, StorageUnavailable
    ];
    BearerProblems = [MalformedRequest, MissingToken, InvalidToken, TokenExpired, TokenRevoked, StorageUnavailable];
    VerifyProblems = [
        MalformedRequest, MissingToken, InvalidToken, TokenExpired, TokenRevoked, Forbidden, StorageUnavailable
    ];
    FormProblems = [RequestTimeout, PayloadTooLarge, UnsupportedMediaType];
    FeedProblems = [CursorExpired, Overloaded];
    HealthProblems = [StorageUnavailable];
    ReadyProblems = [NotReady, StorageUnavailable];
    AssetProblems = [NotFound];
    UnknownProblems = [NotFound];
    BodyProblems = [RequestTimeout, PayloadTooLarge, UnsupportedMediaType, ValidationFailed];
    UserCreateProblems = [
        RequestTimeout, EmailTaken, Conflict, PayloadTooLarge, UnsupportedMediaType, ValidationFailed, Overloaded
    ];
    UserUpdateProblems = [
        NotFound, RequestTimeout, LastAdmin, Conflict, PayloadTooLarge, UnsupportedMediaType, ValidationFailed
    ];
    UserDeleteProblems = [NotFound, LastAdmin, Conflict];
    CataloguePutProblems = [RequestTimeout, Conflict, PayloadTooLarge, UnsupportedMediaType, ValidationFailed];
    CatalogueDeleteProblems = [NotFound, Conflict];
}

/// Adds errors to those that an operation is already said to answer with.
pub(super) fn add(responses: &mut Responses, codes: &[ErrorCode]) {
    let described: BTreeSet<ErrorCode> = responses.responses.values().flat_map(codes_of).collect();
    let all: Vec<ErrorCode> = ErrorCode::ALL
        .iter()
        .copied()
        .filter(|code| described.contains(code) || codes.contains(code))
        .collect();
    responses.responses.extend(self::responses(&all));
}

/// The codes that a response is described with.
fn codes_of(response: &RefOr<Response>) -> Vec<ErrorCode> {
    let RefOr::T(response) = response else { return Vec::new() };
    let Some(RefOr::T(content)) = response.content.get(problem::CONTENT_TYPE) else { return Vec::new() };
    let is_described = |code: &ErrorCode| content.examples.contains_key(code.as_str());
    ErrorCode::ALL.iter().copied().filter(is_described).collect()
}

/// One response a status, with an example a code.
fn responses(codes: &[ErrorCode]) -> BTreeMap<String, RefOr<Response>> {
    let mut by_status: BTreeMap<String, Vec<ErrorCode>> = BTreeMap::new();
    for code in codes {
        by_status.entry(code.status().as_str().to_owned()).or_default().push(*code);
    }
    by_status.into_iter().map(|(status, codes)| (status, RefOr::T(response(&codes)))).collect()
}

fn response(codes: &[ErrorCode]) -> Response {
    let names: Vec<String> = codes.iter().map(|code| format!("`{}`", code.as_str())).collect();
    let mut content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem")));
    for code in codes {
        let example = ExampleBuilder::new().summary(code.title()).value(Some(example(*code)));
        content = content.examples_from_iter([(code.as_str(), example)]);
    }
    let response =
        ResponseBuilder::new().description(names.join(", ")).content(problem::CONTENT_TYPE, content.build());
    match codes.first().map(|code| code.status().as_u16()) {
        Some(401) => response.header(
            "WWW-Authenticate",
            header("A challenge after RFC 6750 section 3 (Bearer) or RFC 7617 (Basic)."),
        ),
        Some(503) => response.header("Retry-After", header("How many seconds to wait before the next try.")),
        _ => response,
    }
    .build()
}

fn header(description: &str) -> utoipa::openapi::Header {
    let text = ObjectBuilder::new().schema_type(Type::String).build();
    HeaderBuilder::new().schema(Some(text)).description(Some(description)).build()
}

fn example(code: ErrorCode) -> serde_json::Value {
    let mut problem = json!({
        "type": code.type_reference(),
        "title": code.title(),
        "status": code.status().as_u16(),
        "detail": code.detail(),
        "code": code.as_str(),
        "request_id": "019aba3e-5c00-7a53-9d8e-0f5e3b1c2d4a",
    });
    if code == ErrorCode::ValidationFailed {
        let error = json!({"pointer": "/email", "code": "email_invalid", "detail": "This is not a valid e-mail address."});
        problem["errors"] = json!([error]);
    }
    problem
}
