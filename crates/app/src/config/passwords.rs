use std::ops::RangeInclusive;
use std::time::Duration;

use maestro_auth_domain::{Argon2Params, PasswordPolicy};

use super::Profile;
use super::reader::Reader;
use super::server::cores;
use super::value::choice;

choice! {
    /// What new passwords are hashed with.
    HashAlgorithm, "argon2id or bcrypt", {
        Argon2id = "argon2id",
        /// Takes in 72 bytes, so longer passwords are refused.
        Bcrypt = "bcrypt",
    }
}

/// The weakest argon2id costs that OWASP still recommends: passes, and the memory in KiB that so few passes need.
const OWASP_FLOORS: [(u32, u32); 5] = [(1, 47_104), (2, 19_456), (3, 12_288), (4, 9_216), (5, 7_168)];

/// What a new bcrypt hash may cost. Stored ones verify up to `PasswordHash::MAX_BCRYPT_COST`; but each step doubles the
/// time, and the answer must still come within the deadline of a request.
const BCRYPT_COSTS: RangeInclusive<u32> = 10..=13;

/// Leaves time for the hash itself before the deadline of a request, which is five seconds.
const LONGEST_WAIT: Duration = Duration::from_secs(3);

/// How passwords are hashed, and how much of that happens at once.
#[derive(Debug, Clone)]
pub struct HashingSettings {
    pub algorithm: HashAlgorithm,
    /// How many passwords are hashed at once, each by a thread with memory of its own.
    pub lanes: usize,
    pub memory_kib: u32,
    pub passes: u32,
    /// The lanes *within* one argon2id hash.
    pub parallelism: u32,
    pub bcrypt_cost: u32,
    /// How many passwords may wait; `None` lets the hashing lane decide.
    pub queue: Option<usize>,
    /// How long one may wait.
    pub max_wait: Duration,
}

impl HashingSettings {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let (default, max) = (Argon2Params::DEFAULT, Argon2Params::MAX);
        Self {
            algorithm: reader.get("hashing.algorithm", HashAlgorithm::Argon2id),
            lanes: reader.within("hashing.lanes", cores().min(256), 1..=256),
            memory_kib: reader.within("hashing.memory_kib", default.memory_kib, 7_168..=max.memory_kib),
            passes: reader.within("hashing.passes", default.passes, 1..=max.passes),
            parallelism: reader.within("hashing.parallelism", default.lanes, 1..=max.lanes),
            bcrypt_cost: reader.within("hashing.bcrypt_cost", 12, BCRYPT_COSTS),
            queue: reader.optional_within("hashing.queue", 1..=65_536),
            max_wait: reader.within(
                "hashing.max_wait",
                Duration::from_secs(1),
                Duration::from_millis(1)..=LONGEST_WAIT,
            ),
        }
    }

    /// SEC-09: fewer passes need more memory.
    pub(super) fn check(&self, reader: &mut Reader) {
        let floor = OWASP_FLOORS.iter().rfind(|(passes, _)| *passes <= self.passes);
        if let Some((_, memory_kib)) = floor.filter(|(_, memory_kib)| self.memory_kib < *memory_kib) {
            let why = format!(
                "{} is less than the {memory_kib} that hashing.passes = {} needs",
                self.memory_kib, self.passes
            );
            reader.refuse("hashing.memory_kib", &why);
        }
    }
}

/// What a new password must fulfil.
#[derive(Debug, Clone)]
pub struct PasswordSettings {
    /// In characters.
    pub min_length: usize,
    /// Whether common passwords are refused.
    pub blocklist: bool,
}

impl PasswordSettings {
    pub(super) fn read(reader: &mut Reader, profile: Profile) -> Self {
        let floor = PasswordPolicy::MIN_LENGTH_FLOOR;
        Self {
            min_length: reader.within("password.min_length", profile.pick(floor, 15), floor..=64),
            blocklist: reader.get("password.blocklist", profile.pick(false, true)),
        }
    }

    /// The policy under hashes of `algorithm`.
    #[must_use]
    pub const fn policy(&self, algorithm: HashAlgorithm) -> PasswordPolicy {
        PasswordPolicy {
            min_length: self.min_length,
            blocklist: self.blocklist,
            max_bytes: match algorithm {
                HashAlgorithm::Argon2id => maestro_auth_domain::Password::MAX_BYTES,
                HashAlgorithm::Bcrypt => PasswordPolicy::BCRYPT_MAX_BYTES,
            },
        }
    }
}
