use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use maestro_auth_adapters::jose::{KeyRing, KeyRingSettings, SealingKey};
use maestro_auth_ports::{Clock, Entropy, Stores};

use super::encryption_key::encryption_key;
use crate::config::Settings;

/// How long another instance may go on signing with a key that was replaced at once: until it reloads.
const UNAWARE: Duration = Duration::from_mins(1);

/// Loads the signing keys, and makes the first one if there is none.
pub(super) async fn open(
    settings: &Settings,
    stores: &Stores,
    clock: &Arc<dyn Clock>,
    entropy: &Arc<dyn Entropy>,
) -> anyhow::Result<Arc<KeyRing>> {
    let sealing_key = SealingKey::new(*encryption_key(settings, entropy)?);
    let tokens = &settings.tokens;
    let ring_settings = KeyRingSettings {
        algorithm: tokens.algorithm,
        publish_ahead: settings.keys.publish_ahead,
        retire_after: tokens.refresh_ttl.max(tokens.access_ttl) + tokens.leeway + UNAWARE,
    };
    let ring =
        KeyRing::open(stores.keys.clone(), sealing_key, ring_settings, clock.clone(), entropy.clone()).await;
    Ok(Arc::new(ring.context("the signing keys can't be loaded")?))
}
