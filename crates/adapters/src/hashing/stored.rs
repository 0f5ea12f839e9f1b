use argon2::{Algorithm, Argon2, Block, Params, Version};
use base64ct::{Base64Unpadded, Encoding};
use maestro_auth_domain::{Argon2Params, HashRejected, HashScheme, PasswordHash};
use maestro_auth_ports::HashError;

/// A stored hash, taken apart and within the bounds: all that is left to do is to compute.
pub(super) enum StoredHash {
    Argon2id { params: Argon2Params, salt: Vec<u8>, tag: Vec<u8> },
    Bcrypt { cost: u32, encoded: PasswordHash },
}

impl StoredHash {
    /// Refuses what is malformed or too costly (SEC-10).
    pub(super) fn parse(stored: PasswordHash) -> Result<Self, HashRejected> {
        match stored.scheme()? {
            HashScheme::Argon2id(params) => {
                let mut fields = stored.as_str().rsplit('$');
                let mut decode = || {
                    Base64Unpadded::decode_vec(fields.next().unwrap_or_default()).map_err(|_| HashRejected)
                };
                let (tag, salt) = (decode()?, decode()?);
                Ok(Self::Argon2id { params, salt, tag })
            }
            HashScheme::Bcrypt { cost } => match stored.as_str().parse::<bcrypt::HashParts>() {
                Ok(_) => Ok(Self::Bcrypt { cost, encoded: stored }),
                Err(_) => Err(HashRejected),
            },
        }
    }

    pub(super) const fn scheme(&self) -> HashScheme {
        match *self {
            Self::Argon2id { params, .. } => HashScheme::Argon2id(params),
            Self::Bcrypt { cost, .. } => HashScheme::Bcrypt { cost },
        }
    }
}

/// How many blocks of memory the scheme takes.
pub(super) fn block_count(scheme: HashScheme) -> usize {
    match scheme {
        HashScheme::Argon2id(params) => usize::try_from(params.memory_kib).unwrap_or(usize::MAX),
        HashScheme::Bcrypt { .. } => 0,
    }
}

/// Computes the Argon2id tag of `password` into `tag`.
pub(super) fn argon2id(
    params: Argon2Params,
    password: &[u8],
    salt: &[u8],
    tag: &mut [u8],
    memory: &mut [Block],
) -> Result<(), HashError> {
    let argon2 = Params::new(params.memory_kib, params.passes, params.lanes, Some(tag.len()))
        .map(|params| Argon2::new(Algorithm::Argon2id, Version::V0x13, params));
    argon2.and_then(|argon2| argon2.hash_password_into_with_memory(password, salt, tag, memory)).map_err(
        |error| {
            tracing::error!(%error, ?params, "argon2id refused to hash");
            HashError::Failed
        },
    )
}

/// The PHC string of an Argon2id hash.
pub(super) fn encode_argon2id(params: Argon2Params, salt: &[u8], tag: &[u8]) -> PasswordHash {
    let Argon2Params { memory_kib, passes, lanes } = params;
    let (salt, tag) = (Base64Unpadded::encode_string(salt), Base64Unpadded::encode_string(tag));
    PasswordHash::new(format!("$argon2id$v=19$m={memory_kib},t={passes},p={lanes}${salt}${tag}"))
}
