//! What must hold of the answer to every case, and what its own expectation adds.

use serde_json::Value;

use super::case::{Case, Expect};
use super::stage::Stage;
use crate::support::wire::Reply;

/// Words that only the inside of the server uses (SEC-104).
const INTERNALS: [&str; 8] = ["sqlx", "postgres", "sqlite", "actix", "panicked", ".rs:", "select ", "serde"];

/// The status and code of an answer: what has to be the same on every storage.
pub(super) type Verdict = (u16, Option<String>);

pub(super) fn verdict(reply: &Reply) -> Verdict {
    let code = reply.json().and_then(|body| body["code"].as_str().map(str::to_owned));
    (reply.status, code)
}

/// Everything that is wrong with the answer.
pub(super) fn complaints(case: &Case, reply: &Reply, stage: &Stage) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut demand = |holds: bool, complaint: String| {
        if !holds {
            complaints.push(complaint);
        }
    };
    let (status, code) = verdict(reply);
    demand(case.expect.status.any(|expected| *expected == status), format!("the status is {status}"));
    if let Some(expected) = &case.expect.code {
        demand(expected.any(|expected| Some(expected) == code.as_ref()), format!("the code is {code:?}"));
    }
    demand(reply.rest.is_empty(), "there was a second answer".to_owned());
    let is_repeated = reply.text().contains(stage.value("canary"));
    demand(status < 400 || !is_repeated, "the answer repeats the input".to_owned());
    let lower = reply.text().to_lowercase();
    for word in INTERNALS {
        demand(status < 400 || !lower.contains(word), format!("the answer says {word:?}"));
    }
    // What the HTTP parser refuses never becomes a request, so it has no id and no problem. Only cases that name no code
    // may end so.
    let is_of_parser = case.expect.code.is_none() && status >= 400 && reply.header("x-request-id").is_none();
    if !is_of_parser {
        demand(
            reply.header("x-request-id").is_some_and(|id| !id.is_empty()),
            "there is no X-Request-Id".to_owned(),
        );
        demand(reply.header("x-content-type-options") == Some("nosniff"), "nosniff is missing".to_owned());
        demand(reply.header("access-control-allow-origin").is_none(), "CORS is open".to_owned());
        if status >= 400 && case.request.method != "HEAD" {
            complaints.extend(problem_complaints(reply));
        }
    }
    complaints.extend(expectation_complaints(&case.expect, reply));
    if status == 201 {
        complaints.extend(registration_complaints(case, reply, stage));
    }
    complaints
}

fn problem_complaints(reply: &Reply) -> Vec<String> {
    const MEMBERS: [&str; 7] = ["type", "title", "status", "detail", "code", "request_id", "errors"];
    let Some(Value::Object(problem)) = reply.json() else {
        return vec!["the body is no JSON object".to_owned()];
    };
    let mut complaints = Vec::new();
    if reply.header("content-type") != Some("application/problem+json") {
        complaints.push("the body is not declared a problem".to_owned());
    }
    for text in ["type", "title", "detail", "code", "request_id"] {
        if problem.get(text).and_then(Value::as_str).is_none_or(str::is_empty) {
            complaints.push(format!("the problem has no {text}"));
        }
    }
    if problem.get("status").and_then(Value::as_u64) != Some(u64::from(reply.status)) {
        complaints.push("the problem has another status".to_owned());
    }
    if problem.get("request_id").and_then(Value::as_str) != reply.header("x-request-id") {
        complaints.push("the problem has another request id".to_owned());
    }
    for member in problem.keys().filter(|member| !MEMBERS.contains(&member.as_str())) {
        complaints.push(format!("the problem has a member {member}"));
    }
    if problem.contains_key("errors") != (problem["code"] == "validation_failed") {
        complaints.push("errors belong to validation_failed, and only there".to_owned());
    }
    if reply.status == 401
        && !reply.header("www-authenticate").is_some_and(|value| value.starts_with("Bearer"))
    {
        complaints.push("a 401 without WWW-Authenticate: Bearer".to_owned());
    }
    complaints
}

fn expectation_complaints(expect: &Expect, reply: &Reply) -> Vec<String> {
    let body = reply.json().unwrap_or_default();
    let mut listed: Vec<(&str, &str)> = Vec::new();
    for error in body["errors"].as_array().map(Vec::as_slice).unwrap_or_default() {
        listed.push((error["pointer"].as_str().unwrap_or("?"), error["code"].as_str().unwrap_or("?")));
    }
    listed.sort_unstable();
    let mut complaints = Vec::new();
    if let Some(pointers) = &expect.pointers
        && !listed.iter().map(|(pointer, _)| *pointer).eq(pointers.iter().map(String::as_str))
    {
        complaints.push(format!("the offending fields are {listed:?}"));
    }
    if let Some(codes) = &expect.errors
        && !listed.iter().map(|(_, code)| *code).eq(codes.iter().map(String::as_str))
    {
        complaints.push(format!("the offending fields are {listed:?}"));
    }
    if expect.allow.is_some() {
        let allowed = reply.header("allow").unwrap_or_default();
        if !allowed.split(',').any(|method| Some(method.trim()) == expect.allow.as_deref()) {
            complaints.push(format!("Allow is {allowed:?}"));
        }
    }
    for (member, value) in expect.user.iter().flatten() {
        let user = if body["user"].is_object() { &body["user"] } else { &body };
        if user[member] != *value {
            complaints.push(format!("the user's {member} is {}", user[member]));
        }
    }
    complaints
}

/// A new account is a viewer, and its name is stored as it was typed.
fn registration_complaints(case: &Case, reply: &Reply, stage: &Stage) -> Vec<String> {
    let (Some(sent), Some(answer)) = (stage.json_of(&case.request), reply.json()) else { return Vec::new() };
    let mut complaints = Vec::new();
    if answer["user"]["name"] != sent["name"] {
        complaints.push(format!("the name became {}", answer["user"]["name"]));
    }
    if answer["user"]["roles"] != serde_json::json!(["viewer"]) {
        complaints.push(format!("the roles became {}", answer["user"]["roles"]));
    }
    complaints
}
