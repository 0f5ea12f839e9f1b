use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::Arc;

use anyhow::{Context, bail};
use base64ct::{Base64, Encoding};
use maestro_auth_ports::Entropy;
use zeroize::Zeroizing;

use crate::config::{DatabaseSettings, Settings, StorageUrl};

type Key = Zeroizing<[u8; 32]>;

/// The key that seals the stored signing keys: the configured one; else, as only the development profile permits, one
/// of our own in a file beside the storage.
pub(super) fn encryption_key(settings: &Settings, entropy: &Arc<dyn Entropy>) -> anyhow::Result<Key> {
    if let Some(key) = &settings.security.encryption_key {
        return Ok(Zeroizing::new(*key.expose()));
    }
    let Some(file) = key_file(&settings.database) else { return Ok(Zeroizing::new(entropy.bytes())) };
    let shown = file.display();
    if !file.exists() {
        make(&file, entropy).with_context(|| format!("the key file {shown} can't be made"))?;
    }
    read(&file).with_context(|| format!("the key file {shown} can't be used"))
}

/// Where the key of a storage is kept; `None` when it may go with the process, as the storage does.
fn key_file(settings: &DatabaseSettings) -> Option<PathBuf> {
    match &settings.url {
        StorageUrl::Memory => None,
        StorageUrl::Sqlite(database) => {
            // Beside the database itself, whatever link leads to it. It exists by now, unless it is made anew.
            let mut file = database.canonicalize().unwrap_or_else(|_| database.clone()).into_os_string();
            file.push(".key");
            Some(file.into())
        }
        StorageUrl::Postgres(_) => Some(PathBuf::from("data/maestro-auth.key")),
    }
}

/// Makes the file whole or not at all, also when two processes do it at once: then one of the keys stays.
fn make(file: &Path, entropy: &Arc<dyn Entropy>) -> io::Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let draft = file.with_extension(format!("key.{}", process::id()));
    let written = write_private(&draft, &Base64::encode_string(&*Zeroizing::new(entropy.bytes::<32>())))
        .and_then(|()| fs::hard_link(&draft, file));
    let removed = fs::remove_file(&draft);
    match written {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        written => written?,
    }
    removed?;
    File::open(folder)?.sync_all() // so that the name of the file lasts as well
}

fn write_private(file: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(file)?;
    writeln!(file, "{text}")?;
    file.sync_all() // without the key, the signing keys that are stored next are lost
}

fn read(file: &Path) -> anyhow::Result<Key> {
    let mut file = File::open(file)?;
    if file.metadata()?.permissions().mode() & 0o077 != 0 {
        bail!(
            "others may read it, so it is no secret any more; if nobody did, make it yours alone (chmod 600)"
        );
    }
    let mut text = Zeroizing::new(String::new());
    Read::by_ref(&mut file).take(256).read_to_string(&mut text)?;
    let mut key = Key::new([0; 32]);
    let decoded = Base64::decode(text.trim(), &mut *key).map(<[u8]>::len);
    if decoded != Ok(key.len()) {
        bail!("it does not hold 32 bytes in base64");
    }
    Ok(key)
}

#[cfg(test)]
mod tests {
    use maestro_auth_adapters::system::OsEntropy;

    use super::*;

    fn settings(database: &Path) -> Settings {
        let url = ("DATABASE_URL".to_owned(), format!("sqlite://{}", database.display()));
        Settings::from_sources(&[], &[url]).unwrap()
    }

    #[test]
    fn a_key_is_made_once_for_its_owner_alone() {
        let entropy: Arc<dyn Entropy> = Arc::new(OsEntropy);
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(&folder.path().join("data/auth.db"));
        let first = encryption_key(&settings, &entropy).unwrap();
        assert_eq!(*encryption_key(&settings, &entropy).unwrap(), *first);
        let file = folder.path().join("data/auth.db.key");
        assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path().join("data")).unwrap().count(), 1, "no draft stays behind");
    }

    #[test]
    fn a_link_to_a_database_leads_to_its_key() {
        let entropy: Arc<dyn Entropy> = Arc::new(OsEntropy);
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("x.db"), folder.path().join("y.db"));
        File::create(&file).unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let key = encryption_key(&settings(&link), &entropy).unwrap();
        assert_eq!(*encryption_key(&settings(&file), &entropy).unwrap(), *key);
        assert!(folder.path().join("x.db.key").exists());
    }

    #[test]
    fn sec_115_a_key_that_others_can_read_is_refused() {
        let entropy: Arc<dyn Entropy> = Arc::new(OsEntropy);
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(&folder.path().join("auth.db"));
        encryption_key(&settings, &entropy).unwrap();
        for mode in [0o604, 0o640] {
            let file = folder.path().join("auth.db.key");
            fs::set_permissions(file, fs::Permissions::from_mode(mode)).unwrap();
            let error = encryption_key(&settings, &entropy).unwrap_err();
            assert!(format!("{error:#}").contains("chmod 600"), "{error:#}");
        }
    }
}
