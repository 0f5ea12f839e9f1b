//! The docs of the ports, the cases and the list of them name the same things.

use std::collections::BTreeSet;

const PORTS: [&str; 9] = [
    include_str!("../lib.rs"),
    include_str!("../effects.rs"),
    include_str!("../users.rs"),
    include_str!("../sessions.rs"),
    include_str!("../blacklist.rs"),
    include_str!("../signing.rs"),
    include_str!("../roles.rs"),
    include_str!("../services.rs"),
    include_str!("../audit.rs"),
];

const CASES: [&str; 12] = [
    include_str!("users.rs"),
    include_str!("changes.rs"),
    include_str!("sessions.rs"),
    include_str!("ends.rs"),
    include_str!("blacklist.rs"),
    include_str!("keys.rs"),
    include_str!("roles.rs"),
    include_str!("services.rs"),
    include_str!("audit.rs"),
    include_str!("effects.rs"),
    include_str!("health.rs"),
    include_str!("crashes.rs"),
];

#[test]
fn every_case_is_on_the_list_once_and_every_must_has_its_case() {
    let list = crate::storage_contract!(@names);
    let listed: BTreeSet<&str> = list.into_iter().collect();
    let written: BTreeSet<&str> = CASES.iter().flat_map(|source| case_names(source)).collect();
    let promised: BTreeSet<&str> = PORTS.iter().flat_map(|source| promised_names(source)).collect();

    assert_eq!(listed.len(), list.len(), "a case is on the list twice");
    assert_eq!(listed, written, "the list in mod.rs and the cases differ");
    assert_eq!(promised, written, "the docs of the ports and the cases differ");
}

#[test]
fn every_must_of_a_storage_port_names_a_case() {
    for doc in PORTS.iter().flat_map(|source| doc_comments(source)) {
        for must in doc.split("MUST").skip(1) {
            assert!(promised_names(must).next().is_some(), "no case is named for: MUST{must}");
        }
    }
}

/// The functions that take a storage under test.
fn case_names(source: &str) -> impl Iterator<Item = &str> {
    source.lines().filter_map(|line| {
        line.strip_prefix("pub async fn ")?.strip_suffix("(storage: &dyn StorageUnderTest) {")
    })
}

/// What stands in backticks and reads as a sentence: four words or more.
fn promised_names(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').filter(|quoted| {
        quoted.split('_').count() >= 4
            && quoted.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
    })
}

/// The doc comments of items, each as one text.
fn doc_comments(source: &str) -> Vec<String> {
    let mut docs = vec![String::new()];
    for line in source.lines() {
        match (line.trim().strip_prefix("///"), docs.last_mut()) {
            (Some(text), Some(doc)) => doc.push_str(text),
            _ => docs.push(String::new()),
        }
    }
    docs
}
