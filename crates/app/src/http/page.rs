use std::str::FromStr;

use maestro_auth_ports::KeyedHash;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::ApiError;
use super::cursor::Cursor;
use super::query::Query;

/// One page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Page<T> {
    items: Vec<T>,
    /// Where the next page begins; null on the last one.
    #[schema(required, example = "MjAyNi0xMS0yNFQwNjowMDowMFqT0pQK3mFLm0V3sP1kq8Qx")]
    next_cursor: Option<String>,
}

impl<T> Page<T> {
    pub(super) const fn new(items: Vec<T>, next_cursor: Option<String>) -> Self {
        Self { items, next_cursor }
    }
}

/// Which page of which list somebody asks for.
pub(super) struct Asked<'a> {
    key: &'a dyn KeyedHash,
    /// What the cursors of the list are told apart by from those of others.
    list: &'static str,
    limit: u16,
    after: Option<Cursor>,
}

impl<'a> Asked<'a> {
    /// Takes `limit` and `cursor` out of the query.
    pub(super) fn of(
        query: &mut Query<'_>,
        key: &'a dyn KeyedHash,
        list: &'static str,
    ) -> Result<Self, ApiError> {
        Ok(Self { key, list, limit: query.limit()?, after: query.cursor(key, list)? })
    }

    pub(super) fn limit(&self) -> u32 {
        self.limit.into()
    }

    /// The last item of the page before, where the places of the list are ids.
    pub(super) fn after<T: FromStr>(&self) -> Result<Option<T>, ApiError> {
        let Some(cursor) = &self.after else { return Ok(None) };
        let id = std::str::from_utf8(cursor.place()).ok().and_then(|text| text.parse().ok());
        // None but this list's own cursors come this far, so it was given out by another version of the server.
        id.map(Some).ok_or_else(|| ApiError::malformed("The cursor is not one that this list gives out now."))
    }

    /// The page, and where the next one begins if there is one: after `last`.
    pub(super) fn page<T>(&self, items: Vec<T>, last: Option<impl Into<Vec<u8>>>) -> Page<T> {
        Page::new(items, last.map(|place| Cursor::new(place).seal(self.key, self.list)))
    }

    /// The page of a list that is there as a whole, in the order of its items' places.
    pub(super) fn page_of_all<I, T>(
        &self,
        all: impl Iterator<Item = I>,
        place: impl Fn(&I) -> Vec<u8>,
        show: impl Fn(I) -> T,
    ) -> Page<T> {
        let is_ahead = |item: &I| self.after.as_ref().is_none_or(|after| *place(item) > *after.place());
        let mut ahead = all.filter(is_ahead).peekable();
        let mut last = None;
        let mut items = Vec::new();
        while items.len() < usize::from(self.limit)
            && let Some(item) = ahead.next()
        {
            last = Some(place(&item));
            items.push(show(item));
        }
        let last = last.filter(|_| ahead.peek().is_some());
        self.page(items, last)
    }
}

/// How a page is asked for.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes the query; handlers take its parameters out one by one")]
pub(super) struct PageParams {
    /// How many items the page has at most.
    #[param(minimum = 1, maximum = 200, default = 50, example = 50)]
    limit: Option<u16>,
    /// The `next_cursor` of the page before; left out for the first page.
    #[param(max_length = 4096)]
    cursor: Option<String>,
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;
    use serde_json::{Value, json};
    use utoipa::OpenApi;

    use super::super::error::FieldError;
    use super::super::testing::cursor_key;
    use super::*;

    #[utoipa::path(get, path = "/", params(PageParams), responses((status = 200, body = Page<FieldError>)))]
    #[expect(dead_code, reason = "only what describes it is used")]
    fn list() {}

    #[derive(OpenApi)]
    #[openapi(paths(list))]
    struct Document;

    #[test]
    fn the_last_page_says_null() {
        assert_eq!(
            serde_json::to_value(Page::new(vec![1], None)).unwrap(),
            json!({"items": [1], "next_cursor": null})
        );
    }

    #[test]
    fn describes_itself() {
        let document: Value = serde_json::to_value(Document::openapi()).unwrap();
        let operation = &document["paths"]["/"]["get"];
        let reference =
            operation["responses"]["200"]["content"]["application/json"]["schema"]["$ref"].as_str().unwrap();
        let name = reference.strip_prefix("#/components/schemas/").unwrap();
        let schema = &document["components"]["schemas"][name];
        assert_eq!(name, "Page_FieldError");
        assert_eq!(schema["required"], json!(["items", "next_cursor"]));
        assert_eq!(schema["properties"]["next_cursor"]["type"], json!(["string", "null"]));
        assert_eq!(operation["parameters"][0]["schema"]["maximum"], 200);
        assert_eq!(operation["parameters"][1]["name"], "cursor");
    }

    /// The numbers from 10 to `last` on the page that the query asks for, and where the next one begins.
    fn numbers(last: u8, query: &str) -> (Vec<u8>, Option<String>) {
        let (key, request) = (cursor_key(1), TestRequest::get().uri(&format!("/?{query}")).to_http_request());
        let mut query = Query::of(&request).unwrap();
        let asked = Asked::of(&mut query, &*key, "numbers").unwrap();
        let page = asked.page_of_all(10..=last, |number| vec![*number], |number| number);
        (page.items, page.next_cursor)
    }

    #[test]
    fn the_pages_of_a_list_show_each_item_once() {
        assert_eq!(numbers(12, ""), (vec![10, 11, 12], None));
        assert_eq!(numbers(9, ""), (vec![], None));
        assert_eq!(numbers(12, "limit=3"), (vec![10, 11, 12], None), "a full last page is the last");
        let (first, cursor) = numbers(13, "limit=3");
        assert_eq!(first, [10, 11, 12]);
        let next = |last| numbers(last, &format!("limit=3&cursor={}", cursor.clone().unwrap()));
        assert_eq!(next(13), (vec![13], None));
        assert_eq!(next(12), (vec![], None), "it went away in between");
        assert_eq!(next(16).0, [13, 14, 15]);
    }
}
