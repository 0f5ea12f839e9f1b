//! Makes the token of a case: takes a good one apart, changes what the case says, and signs it as the case says.

use std::time::{SystemTime, UNIX_EPOCH};

use base64ct::{Base64, Encoding};
use serde_json::{Map, Value};

use super::case::{Edit, TokenSpec};
use super::stage::Stage;
use crate::support::forge;

/// `None` when the stage can't sign such a token as its server would.
pub(super) fn forged(spec: &TokenSpec, original: &str, stage: &Stage) -> Option<String> {
    let segments: Vec<&str> = original.split('.').collect();
    let header = part(segments[0], &spec.header, spec.header_text.as_deref(), "header", stage);
    let payload = part(segments[1], &spec.claims, spec.payload_text.as_deref(), "payload", stage);
    let header = header.unwrap_or_else(|| segments[0].to_owned());
    let payload = payload.unwrap_or_else(|| segments[1].to_owned());

    let mut signature = signature(spec, [&header, &payload], segments[2], stage)?;
    if spec.encode.as_deref() == Some("standard") {
        // Only a signature that holds one of the two letters in question tells the alphabets apart.
        while !signature.contains(['-', '_']) {
            signature = stage.sign_as_server(&header, &payload)?;
        }
    }
    Some(finish(spec, [header, payload, signature]))
}

/// The changed segment, or `None` when the case leaves it alone.
fn part(segment: &str, edit: &Edit, text: Option<&str>, name: &str, stage: &Stage) -> Option<String> {
    let mut object: Map<String, Value> = serde_json::from_slice(&forge::decode(segment)).expect("JSON");
    if let Some(text) = text {
        let json = Value::Object(object).to_string();
        let text = text
            .replace(&format!("{{{name}}}"), &json)
            .replace(&format!("{{{name}_open}}"), json.trim_end_matches('}'));
        return Some(forge::encode(text.as_bytes()));
    }
    if edit.set.is_empty() && edit.drop.is_empty() {
        return None;
    }
    for member in &edit.drop {
        assert!(object.remove(member).is_some(), "there is no {member} to drop");
    }
    for (member, value) in &edit.set {
        object.insert(member.clone(), resolved(value, stage));
    }
    Some(forge::encode(unquote_numbers(&Value::Object(object).to_string()).as_bytes()))
}

/// A value of a case: text with placeholders, or an object whose only member names a value that JSON data can't hold.
fn resolved(value: &Value, stage: &Stage) -> Value {
    match value {
        Value::String(text) => Value::String(stage.filled(text)),
        Value::Array(items) => items.iter().map(|item| resolved(item, stage)).collect(),
        Value::Object(members) if members.len() == 1 => {
            let (name, argument) = members.iter().next().expect("one member");
            match name.as_str() {
                "$now" => Value::from(unix_now() + argument.as_i64().expect("seconds")),
                "$number" => Value::String(format!("@@{}@@", argument.as_str().expect("a number as text"))),
                "$repeat" => {
                    let count = usize::try_from(argument[1].as_u64().expect("a count")).expect("a count");
                    Value::String(argument[0].as_str().expect("a unit").repeat(count))
                }
                "$own_jwk" => stage.own_jwk.clone(),
                "$foreign_jwk" => stage.foreign_es256.jwk(),
                _ => value.clone(),
            }
        }
        _ => value.clone(),
    }
}

#[expect(clippy::disallowed_methods, reason = "the test speaks for another issuer, which has a clock too")]
fn unix_now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    i64::try_from(since.as_secs()).expect("before the end of time")
}

/// Numbers that `serde_json` can't hold were written as strings between marks.
fn unquote_numbers(json: &str) -> String {
    json.replace("\"@@", "").replace("@@\"", "")
}

fn signature(
    spec: &TokenSpec,
    [header, payload]: [&str; 2],
    original: &str,
    stage: &Stage,
) -> Option<String> {
    let signing_input = format!("{header}.{payload}");
    let bytes = match spec.sign.as_deref().unwrap_or("keep") {
        "keep" => return Some(original.to_owned()),
        "none" => return Some(String::new()),
        "own" => return stage.sign_as_server(header, payload),
        "foreign:es256" => stage.foreign_es256.sign(&signing_input),
        "foreign:eddsa" => stage.foreign_eddsa.sign(&signing_input),
        other => {
            let form = other.strip_prefix("hs256:").unwrap_or_else(|| panic!("nobody signs as {other}"));
            forge::hs256(&forge::public_key_as_secret(&stage.own_jwk, form), &signing_input)
        }
    };
    Some(forge::encode(&bytes))
}

fn finish(spec: &TokenSpec, [header, payload, signature]: [String; 3]) -> String {
    let [header, payload, signature] = match spec.flip.as_deref() {
        None => [header, payload, signature],
        Some("header") => [with_bit_flipped(&header), payload, signature],
        Some("payload") => [header, with_bit_flipped(&payload), signature],
        Some("signature") => [header, payload, with_bit_flipped(&signature)],
        Some("last-bits") => [header, payload, with_loose_last_bits(&signature)],
        Some("truncate") => [header, payload, signature[..signature.len() - 4].to_owned()],
        Some("extend") => [header, payload, format!("{signature}AAAA")],
        Some("der") => {
            let der = forge::der_signature(&forge::decode(&signature));
            [header, payload, forge::encode(&der)]
        }
        Some(other) => panic!("nobody flips {other}"),
    };
    match spec.encode.as_deref() {
        None => {}
        Some("standard") => {
            return format!("{header}.{payload}.{}", signature.replace('-', "+").replace('_', "/"));
        }
        Some("padded") => {
            let padded = |segment: &str| {
                Base64::encode_string(&forge::decode(segment)).replace('+', "-").replace('/', "_")
            };
            return format!("{}.{}.{}", padded(&header), padded(&payload), padded(&signature));
        }
        Some(other) => panic!("nobody encodes as {other}"),
    }
    match &spec.text {
        None => format!("{header}.{payload}.{signature}"),
        Some(text) => text.replace("{h}", &header).replace("{p}", &payload).replace("{s}", &signature),
    }
}

fn with_bit_flipped(segment: &str) -> String {
    let mut bytes = forge::decode(segment);
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    forge::encode(&bytes)
}

/// The same 64 bytes in a base64 text whose unused last bits are not zero.
fn with_loose_last_bits(signature: &str) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (rest, last) = signature.split_at(signature.len() - 1);
    let index = ALPHABET.iter().position(|letter| *letter == last.as_bytes()[0]).expect("a base64 letter");
    format!("{rest}{}", char::from(ALPHABET[index + 1]))
}
