//! Who acts beside the clients: the followers of the feed, the upkeep, and the weather.

use std::sync::atomic::Ordering;

use super::clients::Instance;
use super::scheduler::{stand_back, with_patience};
use super::world::World;

/// Follows the log for an instance, now sooner and now later, and sometimes breaks off; and the keys that it tells of.
pub(super) async fn follow(world: &World, instance: &Instance) {
    loop {
        let patience = world.dice.chance(15).then(|| world.dice.below(8));
        let read = with_patience(instance.auth.revocations().catch_up(), patience).await;
        world.note(|| format!("the log is read on {}: {:?}", instance.number, read.map(|read| read.is_ok())));
        instance.signer.replace_dropped().await;
        let pause = if world.is_quiet {
            2
        } else if world.dice.chance(5) {
            200
        } else {
            6
        };
        stand_back(1 + world.dice.below(pause)).await;
    }
}

/// Forgets what has expired.
pub(super) async fn keep_up(world: &World, instances: &[Instance; 2]) {
    loop {
        stand_back(1 + world.dice.below(30)).await;
        let limit = u32::try_from(1 + world.dice.below(5)).unwrap();
        let instance = &instances[world.dice.index(2)];
        let _tried_again_later = instance.auth.forget_expired_revocations(limit).await;
    }
}

/// Turns the storage of an instance off and on again, or its feed alone; never in a quiet world.
pub(super) async fn change_weather(world: &World) {
    loop {
        stand_back(1 + world.dice.below(40)).await;
        if world.is_quiet {
            continue;
        }
        let weather = &world.weather[world.dice.index(2)];
        let switch = if world.dice.chance(50) { &weather.storage_is_off } else { &weather.feed_is_off };
        switch.store(true, Ordering::SeqCst);
        let outage = if world.dice.chance(20) { 150 } else { 12 };
        stand_back(1 + world.dice.below(outage)).await;
        switch.store(false, Ordering::SeqCst);
    }
}
