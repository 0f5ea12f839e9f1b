use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use zeroize::Zeroizing;

/// How deep arrays and objects may nest (SEC-96).
const MAX_DEPTH: u8 = 32;

/// A JSON value, as far as the endpoints look at it.
pub(super) enum Value {
    /// Wiped on drop, since it may be a password.
    String(Zeroizing<String>),
    Bool(bool),
    Array(Vec<Self>),
    Object(Members),
    /// A null or a number: of the wrong type wherever it stands.
    Other,
}

pub(super) type Members = BTreeMap<String, Value>;

/// Reads exactly one JSON document that repeats no key, at any depth (SEC-97); otherwise says in one sentence why not.
pub(super) fn read(text: &str) -> Result<Value, &'static str> {
    let fault = Cell::new("The request body is not well-formed JSON.");
    let mut deserializer = serde_json::Deserializer::from_str(text);
    ValueReader { depth: 0, fault: &fault }
        .deserialize(&mut deserializer)
        .and_then(|value| deserializer.end().map(|()| value))
        .map_err(|_| fault.get())
}

#[derive(Clone, Copy)]
struct ValueReader<'a> {
    depth: u8,
    /// Why reading stopped, where serde's own words would not do.
    fault: &'a Cell<&'static str>,
}

impl ValueReader<'_> {
    fn inner<E: Error>(self) -> Result<Self, E> {
        if self.depth == MAX_DEPTH {
            return Err(self.fail("The request body nests deeper than 32 levels."));
        }
        Ok(Self { depth: self.depth + 1, ..self })
    }

    fn fail<E: Error>(self, fault: &'static str) -> E {
        self.fault.set(fault);
        E::custom(fault)
    }
}

impl<'de> DeserializeSeed<'de> for ValueReader<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ValueReader<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::String(Zeroizing::new(text.to_owned())))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Value, E> {
        Ok(Value::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Value, E> {
        Ok(Value::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Value, E> {
        Ok(Value::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let reader = self.inner()?;
        let mut values = Vec::new();
        while let Some(value) = items.next_element_seed(reader)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let reader = self.inner()?;
        let mut members = Members::new();
        while let Some(key) = entries.next_key::<String>()? {
            let value = entries.next_value_seed(reader)?;
            if members.insert(key, value).is_some() {
                return Err(self.fail("The request body repeats a key."));
            }
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> &'static str {
        read(text).err().unwrap_or("accepted")
    }

    #[test]
    fn sec_97_refuses_a_repeated_key_at_any_depth_and_in_any_spelling() {
        for text in [r#"{"a":1,"a":2}"#, r#"{"a":1,"\u0061":2}"#, r#"{"b":[{"a":{},"a":null}]}"#] {
            assert!(fault(text).contains("repeats a key"), "{text}");
        }
    }

    #[test]
    fn sec_96_nests_32_deep_and_no_deeper() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(fault(&nested(32)), "accepted");
        assert!(fault(&nested(33)).contains("nests deeper"));
        assert!(fault(&"[".repeat(100_000)).contains("nests deeper"));
    }

    #[test]
    fn refuses_what_is_not_one_json_document() {
        for text in [
            "",
            " ",
            "{",
            "{}{}",
            "{},",
            r#"{"a":1,}"#,
            "{'a':1}",
            "{a:1}",
            "NaN",
            "[1e400]",
            "// hi\n{}",
            r#"{"a":"\ud800"}"#,
            "{\"a\":\"\u{1}\"}",
            r#"{"a":01}"#,
            "\u{feff}{}",
        ] {
            assert!(fault(text).contains("not well-formed"), "{text:?}");
        }
    }
}
