use std::borrow::Cow;

/// A query or a form has at most so many parameters.
const MAX_PARAMETERS: usize = 32;

pub(super) type Parameters<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;

/// Reads `application/x-www-form-urlencoded`, also the one of a query: no parameter twice, nothing guessed; otherwise says in
/// one sentence why not.
pub(super) fn read(text: &str) -> Result<Parameters<'_>, &'static str> {
    let mut parameters = Parameters::new();
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (Some(name), Some(value)) = (decode(name), decode(value)) else {
            return Err("A parameter is not percent-encoded UTF-8.");
        };
        if parameters.iter().any(|(other, _)| *other == name) {
            return Err("A parameter is repeated.");
        }
        if parameters.len() == MAX_PARAMETERS {
            return Err("There are more than 32 parameters.");
        }
        parameters.push((name, value));
    }
    Ok(parameters)
}

fn decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains(['%', '+']) {
        return Some(Cow::Borrowed(text));
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let byte;
        (byte, rest) = match (first, after) {
            (b'%', [high, low, after @ ..]) => ((digit(*high)? << 4) | digit(*low)?, after),
            (b'%', _) => return None,
            (b'+', _) => (b' ', after),
            (other, _) => (*other, after),
        };
        bytes.push(byte);
    }
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

fn digit(hexadecimal: u8) -> Option<u8> {
    char::from(hexadecimal).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<(String, String)> {
        read(text).unwrap().into_iter().map(|(name, value)| (name.into_owned(), value.into_owned())).collect()
    }

    fn numbered(count: usize) -> String {
        (0..count).map(|number| number.to_string()).collect::<Vec<_>>().join("&")
    }

    #[test]
    fn reads_names_and_values() {
        assert_eq!(pairs(""), []);
        let read = pairs("a=1&&b=x+y%20z&c=&d&%65=%c3%A9%2B=&f;g=é");
        let expected = [("a", "1"), ("b", "x y z"), ("c", ""), ("d", ""), ("e", "é+="), ("f;g", "é")];
        assert_eq!(read, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert_eq!(pairs(&numbered(32)).len(), 32);
    }

    #[test]
    fn guesses_nothing() {
        for bad in ["a=%", "a=%4", "a=%zz", "a=%+1", "a=%ff", "%c3=1", "a=%ed%a0%80", "a=%c3%"] {
            assert!(read(bad).unwrap_err().contains("not percent-encoded"), "{bad}");
        }
        for bad in ["a=1&a=1", "a&b&%61", "a=&a"] {
            assert!(read(bad).unwrap_err().contains("repeated"), "{bad}");
        }
        assert!(read(&numbered(33)).unwrap_err().contains("more than 32"));
    }
}
