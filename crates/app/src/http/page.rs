use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

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
    use serde_json::{Value, json};
    use utoipa::OpenApi;

    use super::super::error::FieldError;
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
}
