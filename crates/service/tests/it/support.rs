use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use maestro_auth_adapters::jose::{KeyRing, KeyRingSettings, SealingKey};
use maestro_auth_adapters::memory::{FailingStore, MemoryStore, OffSwitch};
use maestro_auth_adapters::system::testing::{ManualClock, SeededEntropy};
use maestro_auth_domain::{
    DisplayName, Email, NewPassword, Password, PasswordHash, PasswordPolicy, RefreshPolicy, RoleName,
    Timestamp, UserId,
};
use maestro_auth_ports::{
    Algorithm, Entropy, HashError, PasswordHasher, Stores, TokenBlacklist, TokenSigner, Verification,
};
use maestro_auth_service::{
    AuthService, FeedStatus, Login, LoginError, Policies, Register, RegistrationMode, RegistrationPolicy,
    SignedIn, TokenPolicy,
};

pub(crate) const PASSWORD: &str = "correct horse battery staple";
/// How long a failed login takes at least.
pub(crate) const FLOOR: Duration = Duration::from_millis(300);

/// The use cases over memory, and the handles that move their world.
pub(crate) struct TestAuth {
    pub(crate) auth: Arc<AuthService>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) signer: Arc<dyn TokenSigner>,
    pub(crate) stores: Stores,
    pub(crate) storage: OffSwitch,
    pub(crate) policy: TokenPolicy,
    /// The storage behind the switch.
    shared: Stores,
    entropy: Arc<dyn Entropy>,
}

impl TestAuth {
    pub(crate) async fn new() -> Self {
        Self::with_registration(RegistrationMode::Open).await
    }

    pub(crate) async fn with_registration(mode: RegistrationMode) -> Self {
        let store = Stores::of(Arc::new(MemoryStore::new()));
        let clock = Arc::new(ManualClock::new(Timestamp::from_unix_seconds(1_800_000_000)));
        Self::over(store, clock, Arc::new(SeededEntropy::new(42)), mode, None).await
    }

    /// Two instances over one storage, by one clock. Each has a switch of its own between itself and the storage.
    pub(crate) async fn two_instances() -> (Self, Self) {
        let here = Self::new().await;
        let there = here.another_instance().await;
        (here, there)
    }

    /// The same with a relay between them, and its switch.
    pub(crate) async fn two_instances_with_a_relay() -> (Self, Self, OffSwitch) {
        let (relay, switch) = FailingStore::over(Stores::of(Arc::new(MemoryStore::new())));
        let first = Self::new().await;
        let here = first.instance(Some(relay.blacklist.clone())).await;
        let there = first.instance(Some(relay.blacklist)).await;
        (here, there, switch)
    }

    pub(crate) async fn another_instance(&self) -> Self {
        self.instance(None).await
    }

    /// An instance over the same storage, which follows another log of revocations.
    pub(crate) async fn instance_that_follows(&self, blacklist: Arc<dyn TokenBlacklist>) -> Self {
        let (clock, entropy) = (self.clock.clone(), self.entropy.clone());
        let shared = Stores { blacklist, ..self.shared.clone() };
        Self::over(shared, clock, entropy, RegistrationMode::Open, None).await
    }

    async fn instance(&self, relay: Option<Arc<dyn TokenBlacklist>>) -> Self {
        let (clock, entropy) = (self.clock.clone(), self.entropy.clone());
        Self::over(self.shared.clone(), clock, entropy, RegistrationMode::Open, relay).await
    }

    async fn over(
        shared: Stores,
        clock: Arc<ManualClock>,
        entropy: Arc<dyn Entropy>,
        mode: RegistrationMode,
        relay: Option<Arc<dyn TokenBlacklist>>,
    ) -> Self {
        let (stores, storage) = FailingStore::over(shared.clone());
        let signer = key_ring(&stores, &clock, &entropy).await;
        let policy = token_policy();
        let hasher = Arc::new(PlainHasher { floor: FLOOR });
        let auth = AuthService::new(
            stores.clone(),
            hasher,
            signer.clone(),
            clock.clone(),
            entropy.clone(),
            policies(mode),
        );
        let auth = Arc::new(match relay {
            Some(relay) => auth.with_relay(relay),
            None => auth,
        });
        Self { auth, clock, signer, stores, storage, policy, shared, entropy }
    }

    /// Reads the blacklist, as an instance does all the time.
    pub(crate) async fn catch_up(&self) {
        self.auth.revocations().catch_up().await.unwrap();
    }

    /// Lets time pass until the feed is as demanded.
    pub(crate) async fn until(&self, is_so: impl Fn(FeedStatus) -> bool) {
        for _ in 0..1_000 {
            if is_so(self.auth.revocations().status()) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("it never is: {:?}", self.auth.revocations().status());
    }

    pub(crate) async fn login_or_register(&self, email: &str) -> SignedIn {
        match self.login(email, PASSWORD).await {
            Ok(signed_in) => signed_in,
            Err(_) => self.signed_in(email).await,
        }
    }

    pub(crate) fn register_form(&self, email: &str) -> Register {
        let email = Email::parse(email).unwrap();
        Register {
            password: self.new_password(PASSWORD),
            name: DisplayName::parse("Ada").unwrap(),
            role: None,
            email,
        }
    }

    pub(crate) fn new_password(&self, typed: &str) -> NewPassword {
        self.auth.passwords().accept(Password::parse(typed).unwrap(), None, None).unwrap()
    }

    pub(crate) async fn signed_in(&self, email: &str) -> SignedIn {
        self.auth.register(self.register_form(email)).await.unwrap()
    }

    pub(crate) async fn login(&self, email: &str, password: &str) -> Result<SignedIn, LoginError> {
        let request =
            Login { email: Email::parse(email).unwrap(), password: Password::parse(password).unwrap() };
        self.auth.login(request).await
    }

    pub(crate) async fn user_id(&self, email: &str) -> UserId {
        self.auth.find_account(&Email::parse(email).unwrap()).await.unwrap().id
    }

    pub(crate) async fn is_accepted(&self, access_token: &str) -> bool {
        self.auth.authenticate(access_token).await.is_ok()
    }
}

async fn key_ring(
    stores: &Stores,
    clock: &Arc<ManualClock>,
    entropy: &Arc<dyn Entropy>,
) -> Arc<dyn TokenSigner> {
    let settings = KeyRingSettings {
        algorithm: Algorithm::EdDsa,
        publish_ahead: Duration::from_mins(10),
        retire_after: Duration::from_hours(8 * 24),
    };
    let sealing_key = SealingKey::new([7; 32]);
    let ring =
        KeyRing::open(stores.keys.clone(), sealing_key, settings, clock.clone(), entropy.clone()).await;
    Arc::new(ring.unwrap())
}

pub(crate) fn policies(mode: RegistrationMode) -> Policies {
    Policies {
        tokens: token_policy(),
        passwords: PasswordPolicy { min_length: 8, blocklist: true, max_bytes: Password::MAX_BYTES },
        registration: RegistrationPolicy { mode, self_assignable_roles: vec![RoleName::viewer()] },
    }
}

pub(crate) fn token_policy() -> TokenPolicy {
    TokenPolicy {
        issuer: "https://auth.example.com".to_owned(),
        audience: "maestro-auth".to_owned(),
        access_ttl: Duration::from_mins(15),
        refresh: RefreshPolicy {
            reuse_grace: Duration::from_secs(10),
            idle_ttl: Duration::from_hours(7 * 24),
        },
        session_ttl: Duration::from_hours(30 * 24),
        leeway: Duration::from_secs(30),
        include_email: false,
    }
}

/// Keeps passwords as they are, since no rule of a use case depends on how they are hashed. What starts with `old:` is
/// verified and asks for an upgrade, as a bcrypt hash does.
pub(crate) struct PlainHasher {
    /// How long a failed login takes at least.
    pub(crate) floor: Duration,
}

#[async_trait]
impl PasswordHasher for PlainHasher {
    async fn hash(&self, password: Password) -> Result<PasswordHash, HashError> {
        Ok(PasswordHash::new(format!("new:{}", password.expose())))
    }

    async fn verify(
        &self,
        password: Password,
        stored: Option<PasswordHash>,
    ) -> Result<Verification, HashError> {
        let Some(stored) = stored else { return Ok(Verification::Mismatch) };
        let (scheme, text) = stored.as_str().split_once(':').unwrap();
        if text != password.expose() {
            return Ok(Verification::Mismatch);
        }
        let upgrade = if scheme == "old" { Some(self.hash(password).await?) } else { None };
        Ok(Verification::Match { upgrade })
    }

    fn failure_floor(&self) -> Duration {
        self.floor
    }
}
