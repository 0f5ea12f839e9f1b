//! One schedule: the world as a seed makes it, and what comes of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use maestro_auth_adapters::jose::MacKey;
use maestro_auth_adapters::memory::MemoryStore;
use maestro_auth_domain::{
    CatalogueRevision, NewUser, PasswordHash, RevocationTime, TenantId, Timestamp, UserId,
};
use maestro_auth_ports::{
    CatalogueChange, Clock, RoleRepository, SigningKeyRecord, SigningKeyRepository, UserRepository,
};
use maestro_auth_service::{AuthService, RegistrationMode};

use super::clients::{Client, Instance};
use super::mutations::{InstanceClock, Mutation};
use super::oracle::{Account, first_roles};
use super::scheduler::{self, Actor, at_once};
use super::signer::{PlainSigner, new_key};
use super::store::RoughStore;
use super::surroundings::{change_weather, follow, keep_up};
use super::world::World;
use crate::support::{PASSWORD, PlainHasher, display_name, email, policies, roles, some_effects};

/// What has come of a seed.
pub(super) struct Schedule {
    /// What was promised otherwise.
    pub(super) objection: Option<String>,
    /// How often what happened.
    pub(super) tally: BTreeMap<&'static str, u64>,
    pub(super) trace: Vec<String>,
}

const CLIENTS: usize = 5;
const REQUESTS: u64 = 8;
/// The roles of those who are there at the start.
const USERS: [&[&str]; 3] = [&["admin"], &["viewer"], &["developer", "viewer"]];

/// Runs the schedule of a seed.
pub(super) fn run(seed: u64, mutation: Option<Mutation>, is_traced: bool) -> Schedule {
    // A failed login waits until its floor is over; here the floor is zero, and tokio's clock stands still.
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let _entered = runtime.enter();

    let world = Arc::new(World::new(seed, mutation, is_traced));
    let memory = Arc::new(MemoryStore::new());
    for (number, roles) in (1..).zip(USERS) {
        world.oracle().accounts.push(new_account(number, roles, &memory, world.clock.now()));
    }
    define_first_roles(&memory, world.clock.now());
    let keys = at_once(memory.ensure_key(new_key(&world), world.clock.now(), world.clock.now())).unwrap();
    let instances = [0, 1].map(|number| instance(number, &world, &memory, &keys));
    let client = Client { world: &world, instances: &instances, is_patient: false };

    let surroundings = || -> Vec<Actor<'_>> {
        let followers = instances.iter().map(|instance| -> Actor<'_> { Box::pin(follow(&world, instance)) });
        followers.chain([Box::pin(keep_up(&world, &instances)) as Actor<'_>]).collect()
    };
    let clients = (0..CLIENTS).map(|_| -> Actor<'_> { Box::pin(client.act(REQUESTS)) });
    let weather: Actor<'_> = Box::pin(change_weather(&world));
    scheduler::run(&world, clients.collect(), surroundings().into_iter().chain([weather]).collect());

    world.note(|| "the weather clears up".to_owned());
    for weather in &world.weather {
        weather.storage_is_off.store(false, Ordering::SeqCst);
        weather.feed_is_off.store(false, Ordering::SeqCst);
    }
    world.clock.advance(Duration::from_secs(2));
    let judge = Client { is_patient: true, ..client };
    scheduler::run(&world, vec![Box::pin(judge.present_all())], surroundings());

    let mut tally = world.oracle().tally().clone();
    for status in instances.iter().map(|instance| instance.auth.revocations().status()) {
        *tally.entry("answered from memory").or_default() += status.from_memory;
        *tally.entry("answered by the store").or_default() += status.from_store;
    }
    Schedule { objection: world.objection(), tally, trace: world.trace() }
}

fn instance(
    number: usize,
    world: &Arc<World>,
    memory: &Arc<MemoryStore>,
    keys: &[SigningKeyRecord],
) -> Instance {
    let stores = RoughStore::over(world, number, memory);
    let stands_still = world.mutation == Some(Mutation::ClockStandsStill);
    let signer = Arc::new(PlainSigner::new(world, &stores.keys, keys));
    let auth = AuthService::new(
        stores,
        Arc::new(PlainHasher { floor: Duration::ZERO }),
        signer.clone(),
        Arc::new(MacKey::derive(&[7; 32]).unwrap()),
        Arc::new(InstanceClock { clock: Arc::clone(&world.clock), stands_still }),
        world.entropy.clone(),
        policies(RegistrationMode::Open),
    );
    Instance { number, auth, signer }
}

/// A user who was there before.
fn new_account(number: u8, names: &[&str], memory: &Arc<MemoryStore>, now: Timestamp) -> Account {
    let user = NewUser {
        id: UserId::generate(now, [number; 10]),
        tenant: TenantId::DEFAULT,
        email: email(&format!("user{number}@example.org")),
        name: display_name("Ada"),
        roles: roles(names),
        password_hash: PasswordHash::new(format!("new:{PASSWORD}")),
        created_at: now,
    };
    let account = Account::new(user.id, user.email.clone(), user.roles.clone());
    at_once(memory.create(user, CatalogueRevision::FIRST, some_effects())).unwrap();
    account
}

/// The roles that there were before.
fn define_first_roles(memory: &MemoryStore, now: Timestamp) {
    let (mut seen, when) = (CatalogueRevision::FIRST, RevocationTime { at: now, until: now });
    for role in first_roles() {
        let change = CatalogueChange::PutRole(role);
        at_once(memory.change_catalogue(TenantId::DEFAULT, change, seen, when, some_effects())).unwrap();
        seen = seen.next();
    }
}
