use std::sync::Arc;

use maestro_auth_adapters::redis::RedisBlacklist;
use maestro_auth_ports::TokenBlacklist;

use crate::config::{ConfigError, RedisSettings};
use crate::failure::Failure;

/// What all our keys begin with, so that the database may be shared.
const PREFIX: &str = "maestro-auth:";

/// The relay of revocations, if there is to be one. Redis need not be up, now or ever.
pub(super) fn open(settings: &RedisSettings) -> Result<Option<Arc<dyn TokenBlacklist>>, Failure> {
    let Some(url) = &settings.url else { return Ok(None) };
    let blacklist = RedisBlacklist::at(url.expose(), PREFIX)
        .map_err(|error| ConfigError::about("redis.url", &error.to_string()))?;
    Ok(Some(Arc::new(blacklist)))
}
