mod policies;
mod values;

use std::sync::Arc;
use std::time::Duration;

use maestro_auth_adapters::jose::{KeyRing, KeyRingSettings, MacKey, SealingKey};
use maestro_auth_adapters::memory::{FailingStore, MemoryStore, OffSwitch};
use maestro_auth_adapters::system::testing::{ManualClock, SeededEntropy};
use maestro_auth_domain::{NewPassword, Origin, Password, Timestamp, User, UserChange, UserId};
use maestro_auth_ports::{Algorithm, Entropy, Stores, TokenBlacklist, TokenSigner};
use maestro_auth_service::{
    AdminError, AuthService, Caller, FeedStatus, Login, LoginError, LogoutError, LogoutScope, NewAccount,
    Policies, RefreshError, Register, RegisterError, RegistrationMode, SignedIn, TokenPolicy,
};

pub(crate) use self::policies::{PlainHasher, policies, token_policy};
pub(crate) use self::values::{
    display_name, email, permission, permissions, role, role_name, roles, some_effects,
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
        Self::with(policies(RegistrationMode::Open)).await
    }

    pub(crate) async fn with(policies: Policies) -> Self {
        let store = Stores::of(Arc::new(MemoryStore::new()));
        let clock = Arc::new(ManualClock::new(Timestamp::from_unix_seconds(1_800_000_000)));
        Self::over(store, clock, Arc::new(SeededEntropy::new(42)), policies, None).await
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
        self.instance_over(Stores { blacklist, ..self.shared.clone() }).await
    }

    /// An instance over these stores, by the same clock.
    pub(crate) async fn instance_over(&self, stores: Stores) -> Self {
        let (clock, entropy) = (self.clock.clone(), self.entropy.clone());
        Self::over(stores, clock, entropy, policies(RegistrationMode::Open), None).await
    }

    async fn instance(&self, relay: Option<Arc<dyn TokenBlacklist>>) -> Self {
        let (clock, entropy) = (self.clock.clone(), self.entropy.clone());
        Self::over(self.shared.clone(), clock, entropy, policies(RegistrationMode::Open), relay).await
    }

    async fn over(
        shared: Stores,
        clock: Arc<ManualClock>,
        entropy: Arc<dyn Entropy>,
        policies: Policies,
        relay: Option<Arc<dyn TokenBlacklist>>,
    ) -> Self {
        let (stores, storage) = FailingStore::over(shared.clone());
        let signer = key_ring(&stores, &clock, &entropy).await;
        let policy = policies.tokens.clone();
        let auth = AuthService::new(
            stores.clone(),
            Arc::new(PlainHasher { floor: FLOOR }),
            signer.clone(),
            Arc::new(MacKey::derive(&[7; 32]).unwrap()),
            clock.clone(),
            entropy.clone(),
            policies,
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

    pub(crate) fn new_password(&self, typed: &str) -> NewPassword {
        self.auth.passwords().accept(Password::parse(typed).unwrap(), None, None).unwrap()
    }

    pub(crate) fn register_form(&self, address: &str) -> Register {
        let password = self.new_password(PASSWORD);
        Register { email: email(address), name: display_name("Ada"), password, role: None }
    }

    pub(crate) async fn register(&self, form: Register) -> Result<SignedIn, RegisterError> {
        self.auth.register(form, &Origin::default()).await
    }

    pub(crate) async fn login(&self, address: &str, password: &str) -> Result<SignedIn, LoginError> {
        let request = Login { email: email(address), password: Password::parse(password).unwrap() };
        self.auth.login(request, &Origin::default()).await
    }

    pub(crate) async fn refresh(&self, token: &SignedIn) -> Result<SignedIn, RefreshError> {
        self.auth.refresh(&token.refresh_token, &Origin::default()).await
    }

    pub(crate) async fn logout(&self, token: &SignedIn, scope: LogoutScope) -> Result<(), LogoutError> {
        self.auth.logout(&token.access_token, scope, &Origin::default()).await
    }

    pub(crate) async fn is_accepted(&self, access_token: &str) -> bool {
        self.auth.authenticate(access_token).await.is_ok()
    }

    /// Somebody new, who has registered.
    pub(crate) async fn signed_in(&self, address: &str) -> SignedIn {
        self.register(self.register_form(address)).await.unwrap()
    }

    /// Somebody new with these roles, whom an operator has made.
    pub(crate) async fn signed_in_as(&self, address: &str, roles: &[&str]) -> SignedIn {
        self.auth.create_user(&Caller::operator(), self.account(address, roles)).await.unwrap();
        self.login(address, PASSWORD).await.unwrap()
    }

    pub(crate) async fn login_or_register(&self, address: &str) -> SignedIn {
        match self.login(address, PASSWORD).await {
            Ok(signed_in) => signed_in,
            Err(_) => self.signed_in(address).await,
        }
    }

    pub(crate) fn account(&self, address: &str, roles: &[&str]) -> NewAccount {
        NewAccount {
            email: email(address),
            name: display_name("Ada"),
            password: self.new_password(PASSWORD),
            roles: values::roles(roles),
        }
    }

    /// Whoever signed in, asking for something from nowhere in particular.
    pub(crate) async fn caller(&self, signed_in: &SignedIn) -> Caller {
        self.auth.admit_user(&signed_in.access_token, None, Origin::default()).await.unwrap()
    }

    pub(crate) async fn user_id(&self, address: &str) -> UserId {
        self.auth.find_account(&email(address)).await.unwrap().id
    }

    /// Gives a user other roles, as an operator.
    pub(crate) async fn set_roles(&self, user: UserId, names: &[&str]) -> Result<User, AdminError> {
        let change = UserChange { roles: Some(roles(names)), ..UserChange::default() };
        self.auth.update_user(&Caller::operator(), user, change).await.map(|view| view.user)
    }

    /// Lets a user in or not, as an operator.
    pub(crate) async fn set_active(&self, user: UserId, is_active: bool) -> Result<User, AdminError> {
        let change = UserChange { is_active: Some(is_active), ..UserChange::default() };
        self.auth.update_user(&Caller::operator(), user, change).await.map(|view| view.user)
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
