use std::io::{self, Write};

/// Tells the tester something that counts also when the test passes. Unlike `println!`, no test runner hides it.
pub fn say(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}
