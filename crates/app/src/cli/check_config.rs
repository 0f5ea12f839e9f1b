use std::io::Write;

use super::print;
use crate::config::Settings;
use crate::failure::Failure;

/// Whoever comes this far has valid settings.
pub(super) fn run(settings: &Settings, out: &mut impl Write) -> Result<(), Failure> {
    print(out, settings.effective_toml().trim_end())?;
    print(out, "\n# The configuration is valid.")
}
