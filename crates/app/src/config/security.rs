use maestro_auth_domain::{DisplayName, Email};

use super::reader::Reader;
use super::secret::{EncryptionKey, Secret};

/// What protects the stored secrets.
#[derive(Debug, Clone)]
pub struct SecuritySettings {
    /// Seals the private signing keys in the storage.
    pub encryption_key: Option<EncryptionKey>,
}

impl SecuritySettings {
    pub(super) fn read(reader: &mut Reader) -> Self {
        Self { encryption_key: reader.secret("security.encryption_key") }
    }
}

/// The admin that is made at the first start, when there is none.
#[derive(Debug, Clone)]
pub struct BootstrapSettings {
    pub admin_email: Option<Email>,
    pub admin_name: Option<DisplayName>,
    pub admin_password: Option<Secret<String>>,
}

impl BootstrapSettings {
    pub(super) fn read(reader: &mut Reader) -> Self {
        Self {
            admin_email: reader.optional("bootstrap.admin_email"),
            admin_name: reader.optional("bootstrap.admin_name"),
            admin_password: reader.secret("bootstrap.admin_password"),
        }
    }

    pub(super) fn check(&self, reader: &mut Reader) {
        match (&self.admin_email, &self.admin_password) {
            (Some(_), None) => {
                reader.refuse("bootstrap.admin_password", "is needed beside bootstrap.admin_email");
            }
            (None, Some(_)) => {
                reader.refuse("bootstrap.admin_email", "is needed beside bootstrap.admin_password");
            }
            _ => {}
        }
    }
}
