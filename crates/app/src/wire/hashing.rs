use std::sync::Arc;

use maestro_auth_adapters::hashing::{self, HashingLanes, LaneError};
use maestro_auth_domain::{Argon2Params, HashScheme};
use maestro_auth_ports::{Entropy, PasswordHasher};

use crate::config::{ConfigError, HashAlgorithm, HashingSettings};
use crate::failure::Failure;

/// Starts the hashing lanes. `stored_bcrypt_cost` is the highest one in the storage.
pub(super) fn start(
    settings: &HashingSettings,
    stored_bcrypt_cost: Option<u32>,
    entropy: Arc<dyn Entropy>,
) -> Result<Arc<dyn PasswordHasher>, Failure> {
    let lanes = HashingLanes::start(adapter_settings(settings), entropy).map_err(failure)?;
    if let Some(cost) = stored_bcrypt_cost {
        lanes.expect_bcrypt(cost);
    }
    Ok(Arc::new(lanes))
}

fn adapter_settings(settings: &HashingSettings) -> hashing::HashingSettings {
    let scheme = match settings.algorithm {
        HashAlgorithm::Argon2id => HashScheme::Argon2id(Argon2Params {
            memory_kib: settings.memory_kib,
            passes: settings.passes,
            lanes: settings.parallelism,
        }),
        HashAlgorithm::Bcrypt => HashScheme::Bcrypt { cost: settings.bcrypt_cost },
    };
    let default = hashing::HashingSettings::for_this_machine(scheme);
    let queue_of_a_lane = default.queue / default.lanes;
    hashing::HashingSettings {
        lanes: settings.lanes,
        queue: settings.queue.unwrap_or(queue_of_a_lane * settings.lanes),
        max_wait: settings.max_wait,
        ..default
    }
}

fn failure(error: LaneError) -> Failure {
    match error {
        // The settings check the same bounds, so this is where the two disagree.
        LaneError::Settings(error) => ConfigError::about("hashing.algorithm", &error.to_string()).into(),
        LaneError::Thread(_) => anyhow::Error::new(error).into(),
    }
}
