use std::str::FromStr;

use actix_web::HttpRequest;
use maestro_auth_domain::Violation;

use super::ApiError;
use super::error::FieldError;

/// The id in the path, `{id}`. A malformed one leads nowhere, just as one that nobody has (SEC-85).
pub(super) fn required<T: FromStr>(request: &HttpRequest, noun: &'static str) -> Result<T, ApiError> {
    request.match_info().get("id").and_then(parse).ok_or_else(|| ApiError::no_such(noun))
}

/// The name in the path, `{name}`, of something that is there. A malformed one is one that nobody has, likewise.
pub(super) fn name<T>(
    request: &HttpRequest,
    noun: &'static str,
    parse: impl FnOnce(&str) -> Result<T, Violation>,
) -> Result<T, ApiError> {
    new_name(request, parse).map_err(|_| ApiError::no_such(noun))
}

/// The name in the path, `{name}`, of something that may be made by it: a malformed one is told what is wrong with it.
pub(super) fn new_name<T>(
    request: &HttpRequest,
    parse: impl FnOnce(&str) -> Result<T, Violation>,
) -> Result<T, ApiError> {
    let text = request.match_info().get("name").unwrap_or_default();
    parse(text)
        .map_err(|violation| ApiError::invalid_fields(vec![FieldError::of("/name".to_owned(), violation)]))
}

/// Takes a UUID in its usual form of 36 characters, and in none of the others that the type reads.
pub(super) fn parse<T: FromStr>(text: &str) -> Option<T> {
    (text.len() == 36).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;
    use maestro_auth_domain::{PermissionName, UserId};

    use super::super::ErrorCode;
    use super::*;

    #[test]
    fn sec_85_a_malformed_id_is_one_that_nobody_has() {
        let id = "019aba3e-5c00-7a53-9d8e-0f5e3b1c2d4a";
        let read = |text: &str| {
            let request = TestRequest::get().param("id", text.to_owned()).to_http_request();
            required::<UserId>(&request, "user")
        };
        assert_eq!(read(id).unwrap().to_string(), id);
        assert_eq!(read(&id.to_uppercase()).unwrap().to_string(), id);
        for bad in [
            "",
            "1",
            "me",
            "019aba3e5c007a539d8e0f5e3b1c2d4a",
            "{019aba3e-5c00-7a53-9d8e-0f5e3b1c2d4a}",
            "urn:uuid:019aba3e-5c00-7a53-9d8e-0f5e3b1c2d4a",
            "019aba3e-5c00-7a53-9d8e-0f5e3b1c2d4g",
            "019aba3e-5c00-7a53-9d8e-0f5e3b1c2d4%",
            "019aba3e-5c00-7a539-d8e-0f5e3b1c2d4a",
        ] {
            let error = read(bad).unwrap_err();
            assert_eq!(
                (error.code, &*error.detail),
                (ErrorCode::NotFound, "There is no such user."),
                "{bad}"
            );
        }
    }

    #[test]
    fn a_malformed_name_is_unknown_where_it_is_looked_for_and_unacceptable_where_it_is_given() {
        let request = |text: &str| TestRequest::get().param("name", text.to_owned()).to_http_request();
        let read = |text: &str| name(&request(text), "permission", PermissionName::parse);
        assert_eq!(read("model:view").unwrap().as_str(), "model:view");
        for bad in ["", "model", "model:view:all", "Model:view"] {
            assert_eq!(read(bad).unwrap_err().code, ErrorCode::NotFound, "{bad}");
            let error = new_name(&request(bad), PermissionName::parse).unwrap_err();
            assert_eq!(
                (error.code, error.errors[0].pointer.as_str()),
                (ErrorCode::ValidationFailed, "/name")
            );
        }
    }
}
