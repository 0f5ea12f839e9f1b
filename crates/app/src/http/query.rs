use std::borrow::Cow;
use std::str::FromStr;
use std::time::Duration;

use actix_web::HttpRequest;
use maestro_auth_domain::{Timestamp, Violation};
use maestro_auth_ports::KeyedHash;

use super::cursor::Cursor;
use super::urlencoded::{self, Parameters};
use super::{ApiError, path_id};

/// The parameters of a query, taken out one by one; what nobody took out is unknown, and refused: a filter that was misspelt
/// must not be passed over.
pub(super) struct Query<'a>(Parameters<'a>);

impl<'a> Query<'a> {
    /// Room for the longest cursor.
    const MAX_BYTES: usize = 20 * 1024;
    const DEFAULT_LIMIT: u16 = 50;
    const MAX_LIMIT: u16 = 200;
    const MAX_WAIT_SECONDS: u8 = 30;
    const MAX_SEARCH_CHARS: usize = 100;

    pub(super) fn of(request: &'a HttpRequest) -> Result<Self, ApiError> {
        let text = request.query_string();
        if text.len() > Self::MAX_BYTES {
            return Err(ApiError::malformed("The query is over 20 KiB."));
        }
        urlencoded::read(text).map(Self).map_err(ApiError::malformed)
    }

    /// Takes a parameter that may be left out.
    pub(super) fn optional<T>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<T, Violation>,
    ) -> Result<Option<T>, ApiError> {
        let Some(value) = self.take(name) else { return Ok(None) };
        parse(&value).map(Some).map_err(|violation| ApiError::malformed(violation.detail))
    }

    /// `limit`: how many items a page has at most.
    pub(super) fn limit(&mut self) -> Result<u16, ApiError> {
        let limit =
            self.number("limit", 1..=Self::MAX_LIMIT, "The limit is a whole number from 1 to 200.")?;
        Ok(limit.unwrap_or(Self::DEFAULT_LIMIT))
    }

    /// `wait`: how long an answer may be held back while there is nothing new.
    pub(super) fn wait(&mut self) -> Result<Duration, ApiError> {
        let range = 0..=Self::MAX_WAIT_SECONDS;
        let seconds = self.number("wait", range, "The wait is a whole number of seconds from 0 to 30.")?;
        Ok(Duration::from_secs(seconds.unwrap_or(0).into()))
    }

    /// `cursor`: where the next page of the list begins.
    pub(super) fn cursor(
        &mut self,
        key: &dyn KeyedHash,
        list: &'static str,
    ) -> Result<Option<Cursor>, ApiError> {
        self.take("cursor").map(|text| Cursor::open(key, list, &text)).transpose()
    }

    /// `query`: what somebody looks for.
    pub(super) fn search(&mut self) -> Result<Option<String>, ApiError> {
        let is_good = |text: &str| {
            (1..=Self::MAX_SEARCH_CHARS).contains(&text.chars().count())
                && !text.chars().any(char::is_control)
        };
        match self.take("query") {
            Some(text) if !is_good(&text) => Err(ApiError::malformed(
                "The query to look for is 1–100 characters without control characters.",
            )),
            text => Ok(text.map(Cow::into_owned)),
        }
    }

    /// A boolean, written `true` or `false`.
    pub(super) fn flag(&mut self, name: &'static str) -> Result<Option<bool>, ApiError> {
        self.parsed(name, |value| value.parse().ok(), "is true or false")
    }

    /// A UUID in its usual form.
    pub(super) fn id<T: FromStr>(&mut self, name: &'static str) -> Result<Option<T>, ApiError> {
        self.parsed(name, path_id::parse, "is a UUID")
    }

    /// An instant after RFC 3339.
    pub(super) fn instant(&mut self, name: &'static str) -> Result<Option<Timestamp>, ApiError> {
        self.parsed(name, |value| Timestamp::parse_rfc3339(value).ok(), "is a time after RFC 3339")
    }

    /// Refuses what was not taken out.
    pub(super) fn finish(self) -> Result<(), ApiError> {
        if self.0.is_empty() {
            return Ok(());
        }
        Err(ApiError::malformed("The query holds a parameter that this path does not take."))
    }

    fn number<N>(
        &mut self,
        name: &'static str,
        range: std::ops::RangeInclusive<N>,
        otherwise: &'static str,
    ) -> Result<Option<N>, ApiError>
    where
        N: FromStr + PartialOrd,
    {
        let Some(value) = self.take(name) else { return Ok(None) };
        let is_plain = value.bytes().all(|byte| byte.is_ascii_digit()); // no sign
        let number = value.parse().ok().filter(|number| is_plain && range.contains(number));
        number.map(Some).ok_or_else(|| ApiError::malformed(otherwise))
    }

    fn parsed<T>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
        what_it_is: &str,
    ) -> Result<Option<T>, ApiError> {
        let Some(value) = self.take(name) else { return Ok(None) };
        let refusal = || ApiError::malformed(format!("The query parameter {name} {what_it_is}."));
        parse(&value).map(Some).ok_or_else(refusal)
    }

    fn take(&mut self, name: &str) -> Option<Cow<'a, str>> {
        let index = self.0.iter().position(|(other, _)| other == name)?;
        Some(self.0.swap_remove(index).1)
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;
    use maestro_auth_domain::{RoleName, UserId};

    use super::super::ErrorCode;
    use super::super::testing::cursor_key;
    use super::*;

    fn with<T>(query: &str, read: impl FnOnce(&mut Query<'_>) -> Result<T, ApiError>) -> Result<T, String> {
        let request = TestRequest::get().uri(&format!("/?{query}")).to_http_request();
        let told = |error: ApiError| {
            assert_eq!(error.code, ErrorCode::MalformedRequest);
            error.detail.into_owned()
        };
        let mut query = Query::of(&request).map_err(told)?;
        let value = read(&mut query).map_err(told)?;
        query.finish().map_err(told)?;
        Ok(value)
    }

    fn refuses<T>(queries: &[&str], read: impl Fn(&mut Query<'_>) -> Result<T, ApiError>) {
        for query in queries {
            assert!(with(query, &read).is_err(), "{query}");
        }
    }

    fn limit(query: &mut Query<'_>) -> Result<u16, ApiError> {
        query.limit()
    }

    fn wait(query: &mut Query<'_>) -> Result<Duration, ApiError> {
        query.wait()
    }

    fn search(query: &mut Query<'_>) -> Result<Option<String>, ApiError> {
        query.search()
    }

    #[test]
    fn numbers_stay_within_their_bounds() {
        for (query, expected) in [("", 50), ("limit=1", 1), ("limit=200", 200), ("limit=007", 7)] {
            assert_eq!(with(query, limit).unwrap(), expected, "{query}");
        }
        refuses(
            &[
                "limit=0",
                "limit=201",
                "limit=-1",
                "limit=%2B1",
                "limit=",
                "limit=ten",
                "limit=1.0",
                "limit=65537",
            ],
            limit,
        );
        for (query, seconds) in [("", 0), ("wait=0", 0), ("wait=30", 30)] {
            assert_eq!(with(query, wait).unwrap(), Duration::from_secs(seconds), "{query}");
        }
        refuses(&["wait=31", "wait=-1", "wait=", "wait=1s", "wait=256"], wait);
    }

    #[test]
    fn filters_are_read_and_checked() {
        assert_eq!(with("", search).unwrap(), None);
        assert_eq!(with("query=ada+l%C3%B6ve%25", search).unwrap().as_deref(), Some("ada löve%"));
        assert!(with(&format!("query={}", "a".repeat(100)), search).is_ok());
        refuses(&["query=", "query=a%00", "query=a%0Ab", &format!("query={}", "a".repeat(101))], search);

        assert_eq!(with("active=false", |query| query.flag("active")).unwrap(), Some(false));
        refuses(&["active=", "active=1", "active=True"], |query| query.flag("active"));

        let role = |query: &mut Query<'_>| query.optional("role", RoleName::parse);
        assert_eq!(with("role=viewer", role).unwrap(), Some(RoleName::viewer()));
        refuses(&["role=", "role=Viewer"], role);

        let user = |query: &mut Query<'_>| query.id::<UserId>("user_id");
        let id = "019aba3e-5c00-7a53-9d8e-0f5e3b1c2d4a";
        assert_eq!(with(&format!("user_id={id}"), user).unwrap().unwrap().to_string(), id);
        refuses(&["user_id=", "user_id=1", "user_id=019aba3e5c007a539d8e0f5e3b1c2d4a"], user);

        let since = |query: &mut Query<'_>| query.instant("since");
        let read = with("since=2026-11-24T06:00:00%2B01:00", since).unwrap().unwrap();
        assert_eq!(read.to_rfc3339(), "2026-11-24T05:00:00Z");
        // A plus sign that was not encoded is a space.
        refuses(
            &["since=", "since=2026-11-24", "since=1800000000", "since=2026-11-24T06:00:00+01:00"],
            since,
        );
    }

    #[test]
    fn a_cursor_is_taken_by_the_list_that_gave_it_out() {
        let key = cursor_key(1);
        let text = Cursor::new(*b"a place").seal(&*key, "users");
        let cursor = |list| with(&format!("cursor={text}"), |query| query.cursor(&*key, list));
        assert_eq!(cursor("users").unwrap(), Some(Cursor::new(*b"a place")));
        assert_eq!(cursor("audit").unwrap_err(), "The cursor is not one that this list gave out.");
        refuses(&["cursor=", "cursor=x"], |query| query.cursor(&*key, "users"));
    }

    #[test]
    fn what_nobody_asked_for_is_refused() {
        assert_eq!(
            with("limt=5", limit).unwrap_err(),
            "The query holds a parameter that this path does not take."
        );
        refuses(&["limit=5&cursor=x", "limit=5&limit=5", "limit=5&%ff", "limit=5&=", "limit=%"], limit);
        refuses(&[&format!("limit=5&{}", "a".repeat(20 * 1024))], limit);
    }
}
