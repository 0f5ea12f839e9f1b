use maestro_auth_domain::Violation;

use super::ApiError;
use super::error::FieldError;
use super::json::{Members, Value};

/// The members of a JSON object that a request brought, taken out one by one.
///
/// Offending members are collected rather than answered one at a time; what nobody took out is unknown, and refused.
pub(super) struct Fields {
    members: Members,
    errors: Vec<FieldError>,
}

impl Fields {
    /// An answer lists at most so many offending fields, however many a body has.
    const MAX_ERRORS: usize = 32;
    /// So many characters of an unknown field's name are shown in its pointer.
    const MAX_POINTER_CHARS: usize = 64;

    pub(super) fn new(members: Members) -> Self {
        Self { members, errors: Vec::new() }
    }

    /// What a body is told that is well-formed JSON, but no object.
    pub(super) fn not_an_object() -> ApiError {
        ApiError::invalid_fields(vec![FieldError::new(
            "",
            "invalid_type",
            "The request body is a JSON object.",
        )])
    }

    /// Takes a string that must be there.
    pub(super) fn required<T>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<T, Violation>,
    ) -> Option<T> {
        if !self.members.contains_key(name) {
            self.refuse::<T>(name, "required", "This field is required.");
        }
        self.optional(name, parse)
    }

    /// Takes a string that may be left out.
    pub(super) fn optional<T>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<T, Violation>,
    ) -> Option<T> {
        match self.members.remove(name)? {
            Value::String(text) => parse(&text)
                .map_err(|violation| self.errors.push(FieldError::of(pointer(name), violation)))
                .ok(),
            _ => self.refuse(name, "invalid_type", "This field is a JSON string."),
        }
    }

    /// Takes a boolean that may be left out.
    pub(super) fn optional_bool(&mut self, name: &'static str) -> Option<bool> {
        match self.members.remove(name)? {
            Value::Bool(value) => Some(value),
            _ => self.refuse(name, "invalid_type", "This field is a JSON boolean."),
        }
    }

    /// Builds the request from what was taken out, unless anything is amiss.
    pub(super) fn finish<T>(mut self, build: impl FnOnce() -> Option<T>) -> Result<T, ApiError> {
        let unknown = std::mem::take(&mut self.members);
        for name in unknown.keys().take(Self::MAX_ERRORS.saturating_sub(self.errors.len())) {
            self.errors.push(FieldError::new(pointer(name), "unknown_field", "There is no such field."));
        }
        if self.errors.is_empty()
            && let Some(request) = build()
        {
            return Ok(request);
        }
        Err(ApiError::invalid_fields(self.errors))
    }

    fn refuse<T>(&mut self, name: &str, code: &'static str, detail: &'static str) -> Option<T> {
        self.errors.push(FieldError::new(pointer(name), code, detail));
        None
    }
}

/// The JSON pointer of a member (RFC 6901 section 3).
fn pointer(name: &str) -> String {
    let shown: String = name.chars().take(Fields::MAX_POINTER_CHARS).collect();
    format!("/{}", shown.replace('~', "~0").replace('/', "~1"))
}

#[cfg(test)]
mod tests {
    use maestro_auth_domain::{DisplayName, Email};

    use super::super::json;
    use super::*;

    fn fields(text: &str) -> Fields {
        match json::read(text) {
            Ok(Value::Object(members)) => Fields::new(members),
            _ => panic!("not an object: {text}"),
        }
    }

    fn errors(text: &str) -> Vec<(String, &'static str)> {
        let mut fields = fields(text);
        let email = fields.required("email", Email::parse);
        let name = fields.optional("name", DisplayName::parse);
        let everywhere = fields.optional_bool("everywhere");
        match fields.finish(|| Some((email?, name, everywhere))) {
            Ok(_) => Vec::new(),
            Err(error) => error.errors.into_iter().map(|error| (error.pointer, error.code)).collect(),
        }
    }

    #[test]
    fn every_offending_field_is_listed_at_once() {
        let listed =
            errors(r#"{"name": null, "everywhere": "yes", "a/b~c": {}, "Email": "ada@example.com"}"#);
        let expected = [
            ("/email", "required"),
            ("/name", "invalid_type"),
            ("/everywhere", "invalid_type"),
            ("/Email", "unknown_field"),
            ("/a~1b~0c", "unknown_field"),
        ];
        assert_eq!(listed, expected.map(|(pointer, code)| (pointer.to_owned(), code)));
        assert!(errors(r#"{"email": "ada@example.com", "everywhere": false}"#).is_empty());
    }

    #[test]
    fn the_list_and_its_pointers_stay_short() {
        let many: Vec<String> = (0..500).map(|number| format!(r#""{number:0>100}": 0"#)).collect();
        let listed = errors(&format!("{{{}}}", many.join(",")));
        assert_eq!(listed.len(), Fields::MAX_ERRORS);
        assert!(listed.iter().all(|(pointer, _)| pointer.len() <= 65));
    }
}
