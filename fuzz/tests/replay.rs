//! Replays every kept corpus file, so that what a fuzzer once found stays found.

#![expect(clippy::unwrap_used, reason = "a test tells by panicking")]

use std::path::Path;

fn replay(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    let files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(files.len() >= 10, "{} holds only {} files", folder.display(), files.len());
    for file in files {
        check(&std::fs::read(&file).unwrap());
    }
}

#[test]
fn the_address_corpus_holds() {
    replay("address", maestro_auth_fuzz::address);
}

#[test]
fn the_stored_hash_corpus_holds() {
    replay("stored_hash", maestro_auth_fuzz::stored_hash);
}

#[test]
fn the_token_corpus_holds() {
    replay("token", maestro_auth_fuzz::token);
}
