use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use maestro_auth_adapters::jose::{KeyRing, KeyRingSettings, SealingKey};
use maestro_auth_ports::{Clock, Entropy, Stores};

use super::Purpose;
use crate::config::Settings;

/// How long another instance may go on signing with a key that was replaced at once: until it reloads.
const UNAWARE: Duration = Duration::from_mins(1);

/// Loads the signing keys; whoever serves makes one if none goes on signing.
pub(super) async fn open(
    settings: &Settings,
    encryption_key: &[u8; 32],
    stores: &Stores,
    clock: &Arc<dyn Clock>,
    entropy: &Arc<dyn Entropy>,
    purpose: Purpose,
) -> anyhow::Result<Arc<KeyRing>> {
    let sealing_key = SealingKey::new(*encryption_key);
    let tokens = &settings.tokens;
    let ring_settings = KeyRingSettings {
        algorithm: tokens.algorithm,
        publish_ahead: settings.keys.publish_ahead,
        retire_after: tokens.refresh_ttl.max(tokens.access_ttl) + tokens.leeway + UNAWARE,
    };
    let (store, clock, entropy) = (stores.keys.clone(), clock.clone(), entropy.clone());
    let ring = match purpose {
        Purpose::Serve => KeyRing::open(store, sealing_key, ring_settings, clock, entropy).await,
        Purpose::Operate => KeyRing::load_only(store, sealing_key, ring_settings, clock, entropy).await,
    };
    Ok(Arc::new(ring.context("the signing keys can't be loaded")?))
}
