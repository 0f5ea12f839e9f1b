use std::str::FromStr;

use actix_web::HttpRequest;

use super::ApiError;

/// The id in the path, `{id}`. A malformed one leads nowhere, just as one that nobody has (SEC-85).
pub(super) fn required<T: FromStr>(request: &HttpRequest, noun: &'static str) -> Result<T, ApiError> {
    request.match_info().get("id").and_then(parse).ok_or_else(|| ApiError::no_such(noun))
}

/// Takes a UUID in its usual form of 36 characters, and in none of the others that the type reads.
pub(super) fn parse<T: FromStr>(text: &str) -> Option<T> {
    (text.len() == 36).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;
    use maestro_auth_domain::UserId;

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
}
