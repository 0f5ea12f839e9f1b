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
        self.demand(name);
        self.optional(name, parse)
    }

    /// Takes a string that may be left out.
    pub(super) fn optional<T>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<T, Violation>,
    ) -> Option<T> {
        match self.members.remove(name)? {
            Value::String(text) => self.accept(pointer(name), parse(&text)),
            _ => self.refuse(name, "invalid_type", "This field is a JSON string."),
        }
    }

    /// Takes an array of at most `max_items` strings that may be left out. It may be empty, as far as this goes.
    ///
    /// Each offending item is listed by its index.
    fn optional_list<T>(
        &mut self,
        name: &'static str,
        max_items: usize,
        mut parse: impl FnMut(&str) -> Result<T, Violation>,
    ) -> Option<Vec<T>> {
        let Value::Array(items) = self.members.remove(name)? else {
            return self.refuse(name, "invalid_type", "This field is a JSON array of strings.");
        };
        if items.len() > max_items {
            return self.refuse(name, "too_many_items", "This list has too many items.");
        }
        let parsed: Vec<Option<T>> = items
            .into_iter()
            .enumerate()
            .map(|(index, item)| {
                let place = format!("{}/{index}", pointer(name));
                match item {
                    Value::String(text) => self.accept(place, parse(&text)),
                    _ => self.refuse_at(place, "invalid_type", "This item is a JSON string."),
                }
            })
            .collect();
        parsed.into_iter().collect()
    }

    /// The same where no item may be there twice.
    pub(super) fn optional_set<T: PartialEq + Clone>(
        &mut self,
        name: &'static str,
        max_items: usize,
        parse: impl Fn(&str) -> Result<T, Violation>,
    ) -> Option<Vec<T>> {
        let mut seen = Vec::new();
        self.optional_list(name, max_items, |text| {
            let item = parse(text)?;
            if seen.contains(&item) {
                return Err(Violation::new("repeated", "This item is listed twice."));
            }
            seen.push(item.clone());
            Ok(item)
        })
    }

    /// Takes what was made of a field, unless it broke a rule.
    pub(super) fn check<T>(&mut self, name: &'static str, made: Result<T, Violation>) -> Option<T> {
        self.accept(pointer(name), made)
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
        for name in unknown.keys().take(Self::MAX_ERRORS) {
            self.refuse::<T>(name, "unknown_field", "There is no such field.");
        }
        if self.errors.is_empty()
            && let Some(request) = build()
        {
            return Ok(request);
        }
        Err(ApiError::invalid_fields(self.errors))
    }

    fn demand(&mut self, name: &'static str) {
        if !self.members.contains_key(name) {
            self.refuse::<()>(name, "required", "This field is required.");
        }
    }

    fn accept<T>(&mut self, pointer: String, parsed: Result<T, Violation>) -> Option<T> {
        parsed.map_err(|violation| self.list(FieldError::of(pointer, violation))).ok()
    }

    fn refuse<T>(&mut self, name: &str, code: &'static str, detail: &'static str) -> Option<T> {
        self.refuse_at(pointer(name), code, detail)
    }

    fn refuse_at<T>(&mut self, pointer: String, code: &'static str, detail: &'static str) -> Option<T> {
        self.list(FieldError::new(pointer, code, detail));
        None
    }

    fn list(&mut self, error: FieldError) {
        if self.errors.len() < Self::MAX_ERRORS {
            self.errors.push(error);
        }
    }
}

/// The JSON pointer of a member (RFC 6901 section 3).
fn pointer(name: &str) -> String {
    let shown: String = name.chars().take(Fields::MAX_POINTER_CHARS).collect();
    format!("/{}", shown.replace('~', "~0").replace('/', "~1"))
}

#[cfg(test)]
mod tests {
    use maestro_auth_domain::{DisplayName, Email, RoleName};

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

    fn list_errors(text: &str) -> Vec<(String, &'static str)> {
        let mut fields = fields(text);
        let roles = fields.optional_set("roles", 40, RoleName::parse);
        match fields.finish(|| Some(roles)) {
            Ok(_) => Vec::new(),
            Err(error) => error.errors.into_iter().map(|error| (error.pointer, error.code)).collect(),
        }
    }

    #[test]
    fn a_list_names_its_offending_items_by_their_index() {
        let one = |pointer: &str, code| vec![(pointer.to_owned(), code)];
        assert!(list_errors(r#"{"roles": []}"#).is_empty());
        assert!(list_errors(r#"{"roles": ["viewer", "admin"]}"#).is_empty());
        assert!(list_errors("{}").is_empty());
        for other in ["null", "\"viewer\"", "{}", "1"] {
            assert_eq!(
                list_errors(&format!(r#"{{"roles": {other}}}"#)),
                one("/roles", "invalid_type"),
                "{other}"
            );
        }
        let listed = list_errors(r#"{"roles": ["viewer", "Ä", null, ["admin"], "viewer"]}"#);
        let expected = [
            ("/roles/1", "role_invalid"),
            ("/roles/2", "invalid_type"),
            ("/roles/3", "invalid_type"),
            ("/roles/4", "repeated"),
        ];
        assert_eq!(listed, expected.map(|(pointer, code)| (pointer.to_owned(), code)));
    }

    #[test]
    fn a_list_and_what_is_said_of_it_are_bounded() {
        let numbers = |count: usize| format!(r#"{{"roles": [{}]}}"#, vec!["1"; count].join(","));
        assert_eq!(list_errors(&numbers(41)), [("/roles".to_owned(), "too_many_items")]);
        assert_eq!(list_errors(&numbers(40)).len(), Fields::MAX_ERRORS);
    }

    #[test]
    fn a_merge_patch_changes_what_it_names_and_removes_nothing() {
        let patch = |text: &str| {
            let mut fields = fields(text);
            let name = fields.optional("name", DisplayName::parse);
            let roles = fields.optional_list("roles", 8, RoleName::parse);
            let active = fields.optional_bool("is_active");
            fields.finish(|| Some((name.map(|name| name.as_str().to_owned()), roles, active)))
        };
        assert_eq!(patch("{}").unwrap(), (None, None, None));
        assert_eq!(patch(r#"{"name": "Ada"}"#).unwrap(), (Some("Ada".to_owned()), None, None));
        assert_eq!(
            patch(r#"{"is_active": false, "roles": []}"#).unwrap(),
            (None, Some(Vec::new()), Some(false))
        );
        let errors = patch(r#"{"name": null, "roles": null, "is_active": null}"#).unwrap_err().errors;
        assert_eq!(errors.len(), 3);
        assert!(errors.iter().all(|error| error.code == "invalid_type"));
    }
}
