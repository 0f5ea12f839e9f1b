use std::hint;
use std::sync::Arc;

use maestro_auth_domain::{Argon2Params, HashScheme, Password, PasswordHash, PasswordPolicy};
use maestro_auth_ports::{Entropy, HashError, Verification};
use subtle::ConstantTimeEq;

use super::floor::{FailureFloor, thread_cpu_time};
use super::memory::BlockMemory;
use super::stored::{self, StoredHash};

/// What a lane does with a password once it has one.
pub(super) struct Engine {
    scheme: HashScheme,
    entropy: Arc<dyn Entropy>,
    pub floor: FailureFloor,
}

impl Engine {
    const SALT_BYTES: usize = 16;
    const TAG_BYTES: usize = 32;

    pub(super) fn new(scheme: HashScheme, entropy: Arc<dyn Entropy>) -> Self {
        Self { scheme, entropy, floor: FailureFloor::new(scheme) }
    }

    /// How many blocks of memory a lane keeps: what new hashes take, or, where those are bcrypt, what an Argon2id hash
    /// from before usually takes.
    pub(super) fn kept_blocks(&self) -> usize {
        match self.scheme {
            HashScheme::Argon2id(_) => stored::block_count(self.scheme),
            HashScheme::Bcrypt { .. } => stored::block_count(HashScheme::Argon2id(Argon2Params::DEFAULT)),
        }
    }

    /// Hashes `password` with the configured scheme.
    pub(super) fn hash(
        &self,
        password: &Password,
        memory: &mut BlockMemory,
    ) -> Result<PasswordHash, HashError> {
        let salt = self.entropy.bytes::<{ Self::SALT_BYTES }>();
        match self.scheme {
            HashScheme::Argon2id(params) => {
                let mut tag = [0; Self::TAG_BYTES];
                memory.lend(stored::block_count(self.scheme), |blocks| {
                    stored::argon2id(params, password.expose().as_bytes(), &salt, &mut tag, blocks)
                })??;
                Ok(stored::encode_argon2id(params, &salt, &tag))
            }
            HashScheme::Bcrypt { cost } if fits_bcrypt(password) => bcrypt_2b(password, cost, salt),
            // The password policy refuses it before; cutting it here would be a hole (SEC-06).
            HashScheme::Bcrypt { .. } => Err(HashError::Failed),
        }
    }

    /// Verifies `password`; with nothing to verify it against, does the same work in vain (SEC-16).
    pub(super) fn verify(
        &self,
        password: &Password,
        stored: Option<&StoredHash>,
        memory: &mut BlockMemory,
    ) -> Result<Verification, HashError> {
        let started = thread_cpu_time();
        let matches = match stored {
            Some(StoredHash::Argon2id { params, salt, tag }) => {
                verify_argon2id(*params, password, salt, tag, memory)?
            }
            Some(StoredHash::Bcrypt { encoded, .. }) => verify_bcrypt(password, encoded)?,
            None => self.work_in_vain(password, memory)?,
        };
        let scheme = stored.map_or(self.scheme, StoredHash::scheme);
        self.floor.observe(scheme, thread_cpu_time().saturating_sub(started));

        if !matches {
            return Ok(Verification::Mismatch);
        }
        let upgrade = if self.is_weaker(scheme) { Some(self.hash(password, memory)?) } else { None };
        Ok(Verification::Match { upgrade })
    }

    /// Computes a hash that nobody asked for, and says that it does not match.
    fn work_in_vain(&self, password: &Password, memory: &mut BlockMemory) -> Result<bool, HashError> {
        let salt = [0; Self::SALT_BYTES];
        match self.scheme {
            HashScheme::Argon2id(params) => {
                let tag = [0; Self::TAG_BYTES];
                hint::black_box(verify_argon2id(params, password, &salt, &tag, memory)?);
            }
            HashScheme::Bcrypt { cost } => {
                hint::black_box(bcrypt_2b(password, cost, salt)?);
            }
        }
        Ok(false)
    }

    /// Whether a hash of this scheme is to be replaced by one of the configured scheme (SEC-11).
    const fn is_weaker(&self, stored: HashScheme) -> bool {
        match (stored, self.scheme) {
            (HashScheme::Argon2id(stored), HashScheme::Argon2id(wanted)) => {
                stored.memory_kib < wanted.memory_kib || stored.passes < wanted.passes
            }
            (HashScheme::Bcrypt { .. }, HashScheme::Argon2id(_)) => true,
            (HashScheme::Bcrypt { cost: stored }, HashScheme::Bcrypt { cost: wanted }) => stored < wanted,
            (HashScheme::Argon2id(_), HashScheme::Bcrypt { .. }) => false,
        }
    }
}

fn verify_argon2id(
    params: Argon2Params,
    password: &Password,
    salt: &[u8],
    expected: &[u8],
    memory: &mut BlockMemory,
) -> Result<bool, HashError> {
    let mut tag = vec![0; expected.len()];
    memory.lend(stored::block_count(HashScheme::Argon2id(params)), |blocks| {
        stored::argon2id(params, password.expose().as_bytes(), salt, &mut tag, blocks)
    })??;
    Ok(tag.ct_eq(expected).into())
}

/// A password that bcrypt would cut costs the same work and never matches (SEC-06).
fn verify_bcrypt(password: &Password, stored: &PasswordHash) -> Result<bool, HashError> {
    match bcrypt::verify(password.expose(), stored.as_str()) {
        Ok(matches) => Ok(matches & fits_bcrypt(password)),
        Err(error) => Err(bcrypt_failed(&error)),
    }
}

fn bcrypt_2b(password: &Password, cost: u32, salt: [u8; 16]) -> Result<PasswordHash, HashError> {
    match bcrypt::hash_with_salt(password.expose(), cost, salt) {
        Ok(parts) => Ok(PasswordHash::new(parts.format_for_version(bcrypt::Version::TwoB))),
        Err(error) => Err(bcrypt_failed(&error)),
    }
}

/// Whether bcrypt takes in the whole password: it ignores what comes after 72 bytes or a NUL.
fn fits_bcrypt(password: &Password) -> bool {
    let password = password.expose();
    password.len() <= PasswordPolicy::BCRYPT_MAX_BYTES && !password.contains('\0')
}

fn bcrypt_failed(error: &bcrypt::BcryptError) -> HashError {
    tracing::error!(%error, "bcrypt refused to hash");
    HashError::Failed
}
