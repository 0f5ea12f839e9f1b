use actix_web::http::header::{self, HeaderMap};

/// Whether a client takes JSON (RFC 9110 section 12.5.1): the most specific of its media ranges decides, and a client
/// that says nothing takes anything.
pub(super) fn takes_json(headers: &HeaderMap) -> bool {
    let mut said_anything = false;
    let mut best = (0, false);
    for value in headers.get_all(header::ACCEPT) {
        let Ok(value) = value.to_str() else { continue };
        for range in value.split(',').map(str::trim).filter(|range| !range.is_empty()) {
            said_anything = true;
            let specificity = specificity(range);
            if specificity > best.0 {
                best = (specificity, is_wanted(range));
            } else if specificity == best.0 && specificity > 0 {
                best.1 |= is_wanted(range);
            }
        }
    }
    !said_anything || best.1
}

/// Whether a client asks for server-sent events by their name. One that takes anything gets JSON.
pub(super) fn asks_for_events(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::ACCEPT).filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|range| {
        let essence = range.split(';').next().unwrap_or_default().trim();
        essence.eq_ignore_ascii_case("text/event-stream") && is_wanted(range)
    })
}

/// How closely a media range names what is served; 0 when it does not.
fn specificity(range: &str) -> u8 {
    let essence = range.split(';').next().unwrap_or_default().trim();
    match () {
        () if essence.eq_ignore_ascii_case("application/json") => 4,
        () if essence.eq_ignore_ascii_case("application/problem+json") => 3,
        () if essence.eq_ignore_ascii_case("application/*") => 2,
        () if essence == "*/*" => 1,
        () => 0,
    }
}

/// Whether the weight of a media range is above zero.
fn is_wanted(range: &str) -> bool {
    let weight = range
        .split(';')
        .skip(1)
        .filter_map(|parameter| parameter.split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("q"));
    weight.is_none_or(|(_, weight)| weight.trim().parse::<f32>().is_ok_and(|weight| weight > 0.0))
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn takes(accept: &str) -> bool {
        takes_json(TestRequest::get().insert_header(("accept", accept)).to_http_request().headers())
    }

    #[test]
    fn the_most_specific_range_decides() {
        for good in [
            "",
            "*/*",
            "application/json",
            "Application/JSON;q=0.1",
            "application/*",
            "text/html, application/xhtml+xml, */*;q=0.8",
            "application/problem+json",
            "*/*;q=0, application/json",
            "application/json; charset=utf-8",
        ] {
            assert!(takes(good), "{good}");
        }
        for bad in
            ["text/html", "application/json;q=0, */*", "*/*;q=0.0", "application/xml", "application/json;q=x"]
        {
            assert!(!takes(bad), "{bad}");
        }
        assert!(takes_json(TestRequest::get().to_http_request().headers()));
    }

    #[test]
    fn events_are_asked_for_by_name() {
        let asks = |accept: &str| {
            asks_for_events(TestRequest::get().insert_header(("accept", accept)).to_http_request().headers())
        };
        for yes in [
            "text/event-stream",
            "application/json;q=0.5, Text/Event-Stream;q=0.9",
            "text/event-stream; charset=utf-8",
        ] {
            assert!(asks(yes), "{yes}");
        }
        for no in ["", "*/*", "text/*", "application/json", "text/event-stream;q=0"] {
            assert!(!asks(no), "{no}");
        }
    }
}
