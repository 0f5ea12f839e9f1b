//! The page for authors of storages says what is.

use std::collections::BTreeSet;

const PAGE: &str = include_str!("../../../../../docs/STORAGE-CONTRACT.md");

#[test]
fn the_example_on_the_page_is_the_test_of_the_memory_storage() {
    assert!(PAGE.contains(include_str!("memory.rs")), "docs/STORAGE-CONTRACT.md shows another memory.rs");
}

#[test]
fn the_page_explains_every_case() {
    let explained: BTreeSet<&str> = PAGE
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once("` |"))
        .map(|(case, _)| case)
        .collect();
    assert_eq!(explained, BTreeSet::from(maestro_auth_ports::storage_contract!(@names)));
}
