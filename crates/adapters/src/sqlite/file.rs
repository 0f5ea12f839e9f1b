use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Why an SQLite file could not be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// Another process has it.
    #[error(
        "the SQLite database {} is in use by another process; one process at a time may serve it \
         (several instances need PostgreSQL)",
        .0.display()
    )]
    InUse(PathBuf),
    /// The file system refuses.
    #[error("the SQLite database {} cannot be opened", .file.display())]
    Io {
        file: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// Makes the file for its owner alone, and takes the lock beside it. The lock ends with the handle, also by a crash.
///
/// The lock lies beside the file itself, so that every symbolic link to it leads to the same lock.
pub(super) fn claim(file: &Path) -> Result<File, OpenError> {
    let failed = |source| OpenError::Io { file: file.to_owned(), source };
    if let Some(folder) = file.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
    }
    if !file.exists() {
        private(file).map_err(failed)?; // only a file that exists has a real path
    }
    let real = file.canonicalize().map_err(failed)?;
    let lock = private(&beside(&real)).map_err(failed)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse(file.to_owned())),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

/// SQLite gives its further files the permissions of this one.
fn private(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

fn beside(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".lock");
    name.into()
}
