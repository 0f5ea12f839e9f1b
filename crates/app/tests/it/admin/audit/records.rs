use std::collections::BTreeMap;

use serde_json::Value;

/// Reads what RFC 4180 describes: records by the names in the first.
pub(super) fn read_csv(text: &str) -> Vec<BTreeMap<String, String>> {
    let mut records = vec![vec![String::new()]];
    let mut is_quoted = false;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let record = records.last_mut().expect("a record");
        match character {
            '"' if is_quoted && characters.peek() == Some(&'"') => {
                characters.next();
                record.last_mut().expect("a field").push('"');
            }
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => record.push(String::new()),
            '\r' if !is_quoted => assert_eq!(characters.next(), Some('\n'), "a line ends with CR LF"),
            other => record.last_mut().expect("a field").push(other),
        }
        if !is_quoted && character == '\r' && characters.peek().is_some() {
            records.push(vec![String::new()]);
        }
    }
    let names = records.remove(0);
    let by_name = |record: Vec<String>| {
        assert_eq!(record.len(), names.len(), "{record:?}");
        names.iter().cloned().zip(record).collect()
    };
    records.into_iter().map(by_name).collect()
}

/// One JSON value a line.
pub(super) fn read_jsonl(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}
