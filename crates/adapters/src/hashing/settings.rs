use std::fmt::Display;
use std::ops::RangeInclusive;
use std::thread;
use std::time::Duration;

use maestro_auth_domain::{Argon2Params, HashScheme, PasswordHash};
use thiserror::Error;

/// How new passwords are hashed, and how much the machine may spend on hashing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HashingSettings {
    /// What new hashes are made with.
    pub scheme: HashScheme,
    /// How many hashes are computed at a time; each takes a thread and, with Argon2id, a block of memory.
    pub lanes: usize,
    /// How many more may wait for a lane.
    pub queue: usize,
    /// How long one may wait for a lane.
    pub max_wait: Duration,
}

/// A setting that is out of its bounds.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{parameter} is {found}; {demand}")]
pub struct SettingsError {
    /// The parameter's name.
    pub parameter: &'static str,
    /// Its value.
    pub found: String,
    /// What it must be.
    pub demand: String,
}

impl HashingSettings {
    /// The Argon2id costs that OWASP holds to be equally strong (Password Storage Cheat Sheet): memory in KiB and passes.
    pub const OWASP_FLOORS: [(u32, u32); 5] = [(47_104, 1), (19_456, 2), (12_288, 3), (9_216, 4), (7_168, 5)];
    /// The bcrypt costs that new hashes may have, from OWASP's least to the most that is ever computed.
    pub const BCRYPT_COSTS: RangeInclusive<u32> = 10..=PasswordHash::MAX_BCRYPT_COST;
    /// The bcrypt cost that is taken when none is demanded.
    pub const DEFAULT_BCRYPT_COST: u32 = 12;

    /// The settings for `scheme` on this machine: a lane for each core, and as many waiting as the lanes get through in
    /// about a second with the default scheme.
    #[must_use]
    pub fn for_this_machine(scheme: HashScheme) -> Self {
        let lanes = thread::available_parallelism().map_or(2, usize::from).min(256);
        Self { scheme, lanes, queue: 64 * lanes, max_wait: Duration::from_secs(1) }
    }

    /// Checks every bound (SEC-09); the error names the parameter.
    pub fn validate(&self) -> Result<(), SettingsError> {
        match self.scheme {
            HashScheme::Argon2id(params) => validate_argon2id(params)?,
            HashScheme::Bcrypt { cost } => within("bcrypt_cost", cost, Self::BCRYPT_COSTS)?,
        }
        within("lanes", self.lanes, 1..=256)?;
        within("queue", self.queue, 1..=65_536)?;
        let wait_ms = u64::try_from(self.max_wait.as_millis()).unwrap_or(u64::MAX);
        within("max_wait (in milliseconds)", wait_ms, 1..=10_000)
    }
}

impl Default for HashingSettings {
    fn default() -> Self {
        Self::for_this_machine(HashScheme::Argon2id(Argon2Params::DEFAULT))
    }
}

fn validate_argon2id(params: Argon2Params) -> Result<(), SettingsError> {
    let max = Argon2Params::MAX;
    within("argon2_memory_kib", params.memory_kib, 1..=max.memory_kib)?;
    within("argon2_passes", params.passes, 1..=max.passes)?;
    within("argon2_lanes", params.lanes, 1..=max.lanes)?;

    let is_strong_enough = HashingSettings::OWASP_FLOORS
        .iter()
        .any(|&(memory_kib, passes)| params.memory_kib >= memory_kib && params.passes >= passes);
    if is_strong_enough {
        return Ok(());
    }
    let floors: Vec<String> = HashingSettings::OWASP_FLOORS
        .iter()
        .map(|(memory_kib, passes)| format!("{memory_kib} with argon2_passes {passes}"))
        .collect();
    Err(SettingsError {
        parameter: "argon2_memory_kib",
        found: format!("{} with argon2_passes {}", params.memory_kib, params.passes),
        demand: format!("the weakest that OWASP allows are {}", floors.join(", ")),
    })
}

fn within<T: Copy + PartialOrd + Display>(
    parameter: &'static str,
    value: T,
    bounds: RangeInclusive<T>,
) -> Result<(), SettingsError> {
    if bounds.contains(&value) {
        return Ok(());
    }
    let demand = format!("it must be from {} to {}", bounds.start(), bounds.end());
    Err(SettingsError { parameter, found: value.to_string(), demand })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(scheme: HashScheme) -> String {
        HashingSettings::for_this_machine(scheme).validate().unwrap_err().to_string()
    }

    fn argon2id(memory_kib: u32, passes: u32, lanes: u32) -> HashScheme {
        HashScheme::Argon2id(Argon2Params { memory_kib, passes, lanes })
    }

    #[test]
    fn sec_09_refuses_what_is_below_the_floor_or_above_the_cap_by_name() {
        assert!(refusal(argon2id(1_024, 2, 1)).starts_with("argon2_memory_kib is 1024"));
        assert!(
            refusal(argon2id(19_456, 1, 1)).starts_with("argon2_memory_kib is 19456 with argon2_passes 1")
        );
        assert!(refusal(argon2id(4 << 20, 2, 1)).starts_with("argon2_memory_kib is 4194304"));
        assert!(refusal(argon2id(19_456, 11, 1)).starts_with("argon2_passes is 11"));
        assert!(refusal(argon2id(19_456, 2, 17)).starts_with("argon2_lanes is 17"));
        assert!(refusal(HashScheme::Bcrypt { cost: 9 }).starts_with("bcrypt_cost is 9"));
        assert!(refusal(HashScheme::Bcrypt { cost: 16 }).starts_with("bcrypt_cost is 16"));
    }

    #[test]
    fn takes_every_cost_that_owasp_names() {
        for (memory_kib, passes) in HashingSettings::OWASP_FLOORS {
            assert_eq!(HashingSettings::for_this_machine(argon2id(memory_kib, passes, 1)).validate(), Ok(()));
        }
        assert_eq!(HashingSettings::default().validate(), Ok(()));
    }

    #[test]
    fn refuses_lanes_queues_and_waits_out_of_bounds_by_name() {
        let good = HashingSettings::default();
        let parameter = |settings: HashingSettings| settings.validate().unwrap_err().parameter;
        assert_eq!(parameter(HashingSettings { lanes: 0, ..good }), "lanes");
        assert_eq!(parameter(HashingSettings { queue: 0, ..good }), "queue");
        let too_long = HashingSettings { max_wait: Duration::from_secs(11), ..good };
        assert_eq!(parameter(too_long), "max_wait (in milliseconds)");
    }
}
