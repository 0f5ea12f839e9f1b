use std::fs;
use std::io::{self, BufRead, BufReader, IsTerminal, Stdin, Write};
use std::path::Path;

use anyhow::{Context, bail};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

/// More than any password; what is longer is not read to its end.
const MAX_BYTES: u64 = 4_096;

/// Takes a password from a file, or from stdin: asked for twice on a terminal, else as the first line.
///
/// Never from an argument, which every user of the machine can read (SEC-115).
pub(super) fn read_password(file: Option<&Path>) -> anyhow::Result<Zeroizing<String>> {
    let stdin = io::stdin();
    let password = match file {
        Some(file) => {
            let opened =
                fs::File::open(file).with_context(|| format!("the password file {}", file.display()))?;
            first_line(BufReader::new(opened))?
        }
        None if stdin.is_terminal() => ask_twice(&stdin)?,
        None => first_line(stdin.lock())?,
    };
    if password.is_empty() {
        bail!("no password was given; write it to stdin, or name a file with --password-file");
    }
    Ok(password)
}

fn ask_twice(stdin: &Stdin) -> anyhow::Result<Zeroizing<String>> {
    let _silence = Silence::over(stdin)?;
    let password = ask(stdin, "Password: ")?;
    if *ask(stdin, "Once more: ")? != *password {
        bail!("the two passwords differ");
    }
    Ok(password)
}

fn ask(stdin: &Stdin, prompt: &str) -> anyhow::Result<Zeroizing<String>> {
    let mut terminal = io::stderr().lock();
    write!(terminal, "{prompt}")?;
    terminal.flush()?;
    let password = first_line(stdin.lock())?;
    writeln!(terminal)?;
    Ok(password)
}

fn first_line(input: impl BufRead) -> anyhow::Result<Zeroizing<String>> {
    let mut line = Zeroizing::new(String::new());
    input.take(MAX_BYTES).read_line(&mut line).context("the password can't be read")?;
    let end = line.trim_end_matches(['\r', '\n']).len();
    line.truncate(end);
    Ok(line)
}

/// A terminal that does not show what is typed, until this is dropped.
struct Silence<'a> {
    stdin: &'a Stdin,
    before: Termios,
}

impl<'a> Silence<'a> {
    fn over(stdin: &'a Stdin) -> anyhow::Result<Self> {
        let before = tcgetattr(stdin)?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        tcsetattr(stdin, OptionalActions::Flush, &silent)?;
        Ok(Self { stdin, before })
    }
}

impl Drop for Silence<'_> {
    fn drop(&mut self) {
        let _ = tcsetattr(self.stdin, OptionalActions::Flush, &self.before);
    }
}
