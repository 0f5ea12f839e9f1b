use std::io::Write;
use std::process::{Output, Stdio};

use super::{Storage, command};

/// Runs a command of the command line to its end, with this on its standard input.
pub fn operate(storage: &Storage, settings: &[(&str, &str)], arguments: &[&str], input: &str) -> Output {
    let mut child = command(storage, settings)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    // A command that refuses before it reads has closed its input.
    let _ = child.stdin.take().expect("stdin is piped").write_all(input.as_bytes());
    child.wait_with_output().expect("the command ends")
}

/// What a command that must succeed prints.
pub fn operated(storage: &Storage, arguments: &[&str], input: &str) -> String {
    let output = operate(storage, &[], arguments, input);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// The one line and the exit code of a command that must fail.
pub fn refused(
    storage: &Storage,
    settings: &[(&str, &str)],
    arguments: &[&str],
    input: &str,
) -> (i32, String) {
    let output = operate(storage, settings, arguments, input);
    let line = String::from_utf8(output.stderr).expect("text");
    assert!(!output.status.success(), "{arguments:?} with {settings:?} was accepted");
    assert_eq!(line.lines().count(), 1, "{line}");
    (output.status.code().expect("an exit code"), line)
}
