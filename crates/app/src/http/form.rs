use zeroize::Zeroizing;

use super::{ApiError, urlencoded};

/// The parameters of a form, as RFC 7662 and RFC 7009 have their requests.
///
/// What nobody asks for is passed over, and a parameter without a value counts as left out (RFC 6749 section 3.2).
pub(super) struct Form(Vec<(String, Zeroizing<String>)>);

impl Form {
    pub(super) fn parse(text: &str) -> Result<Self, ApiError> {
        let parameters = urlencoded::read(text).map_err(ApiError::malformed)?.into_iter();
        // Wiped on drop, since it may be a token.
        Ok(Self(
            parameters.map(|(name, value)| (name.into_owned(), Zeroizing::new(value.into_owned()))).collect(),
        ))
    }

    pub(super) fn required(&mut self, name: &'static str) -> Result<Zeroizing<String>, ApiError> {
        self.optional(name)
            .ok_or_else(|| ApiError::malformed(format!("The form lacks the parameter {name}.")))
    }

    pub(super) fn optional(&mut self, name: &'static str) -> Option<Zeroizing<String>> {
        let index = self.0.iter().position(|(other, value)| other == name && !value.is_empty())?;
        Some(self.0.swap_remove(index).1)
    }
}

#[cfg(test)]
mod tests {
    use super::super::ErrorCode;
    use super::*;

    #[test]
    fn takes_what_it_is_asked_for_and_passes_over_the_rest() {
        let mut form = Form::parse("token_type_hint=&token=a.b%2Ec&resource=x").ok().unwrap();
        assert_eq!(form.required("token").unwrap().as_str(), "a.b.c");
        assert!(form.optional("token_type_hint").is_none());
        let error = form.required("token_type_hint").unwrap_err();
        assert_eq!(error.code, ErrorCode::MalformedRequest);
        assert_eq!(error.detail, "The form lacks the parameter token_type_hint.");
    }

    #[test]
    fn refuses_what_can_be_read_two_ways() {
        for bad in ["token=a&token=a", "token=a&x=1&x=2", "token=%", "token=%ff"] {
            assert!(
                matches!(Form::parse(bad), Err(error) if error.code == ErrorCode::MalformedRequest),
                "{bad}"
            );
        }
    }
}
