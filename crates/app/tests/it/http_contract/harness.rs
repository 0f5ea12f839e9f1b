use std::sync::Arc;
use std::time::Duration;

use actix_web::body::to_bytes;
use actix_web::http::StatusCode;
use actix_web::http::header::HeaderMap;
use actix_web::test::{TestRequest, init_service, try_call_service};
use async_trait::async_trait;
use base64ct::{Base64UrlUnpadded, Encoding};
use futures_util::FutureExt;
use maestro_auth::config::PublicUrl;
use maestro_auth::http::{self, HttpState, Readiness, RequestIds, TrustedProxies};
use maestro_auth_adapters::jose::MacKey;
use maestro_auth_adapters::memory::{FailingStore, MemoryStore, OffSwitch};
use maestro_auth_adapters::system::OsEntropy;
use maestro_auth_adapters::system::testing::ManualClock;
use maestro_auth_domain::{
    KeyId, Password, PasswordHash, PasswordPolicy, RefreshPolicy, RevocationTime, RoleName, Timestamp,
};
use maestro_auth_ports::{
    Algorithm, Effects, HashError, PasswordHasher, PublicKey, RevokeKeyOutcome, RotationEffects,
    SignatureCheck, Signed, SigningKeyRecord, StoreError, StoreResult, Stores, TokenSigner, TokenType,
    Verification,
};
use maestro_auth_service::{AuthService, Policies, RegistrationMode, RegistrationPolicy, TokenPolicy};
use serde_json::{Value, json};

/// The HTTP layer in this process, over storage in memory.
pub struct Api {
    pub state: Arc<HttpState>,
    pub clock: Arc<ManualClock>,
    pub storage: OffSwitch,
}

/// An answer, taken apart.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Api {
    pub fn new() -> Self {
        Self::build(ToyHasher { is_busy: false }, RegistrationMode::Open)
    }

    pub fn with_registration_closed() -> Self {
        Self::build(ToyHasher { is_busy: false }, RegistrationMode::Closed)
    }

    pub fn with_busy_hasher() -> Self {
        Self::build(ToyHasher { is_busy: true }, RegistrationMode::Open)
    }

    fn build(hasher: ToyHasher, mode: RegistrationMode) -> Self {
        let clock = Arc::new(ManualClock::new(Timestamp::from_unix_seconds(1_800_000_000)));
        let (stores, storage) = FailingStore::over(Stores::of(Arc::new(MemoryStore::new())));
        let signer = Arc::new(ToySigner);
        let keyed_hash = Arc::new(MacKey::derive(&[7; 32]).unwrap());
        store_toy_key(&stores);
        let auth = AuthService::new(
            stores,
            Arc::new(hasher),
            signer.clone(),
            keyed_hash.clone(),
            clock.clone(),
            Arc::new(OsEntropy),
            policies(mode),
        );
        let state = Arc::new(HttpState {
            auth: Arc::new(auth),
            signer,
            readiness: Arc::new(Readiness::new()),
            request_ids: Arc::new(RequestIds::new(clock.clone(), &OsEntropy)),
            cursor_key: keyed_hash,
            trusted_proxies: TrustedProxies::default(),
            public_url: PublicUrl::parse("https://auth.example.com").unwrap(),
        });
        Self { state, clock, storage }
    }

    pub async fn call(&self, request: TestRequest) -> Answer {
        let app = init_service(http::app(self.state.clone())).await;
        let response = match try_call_service(&app, request.to_request()).await {
            Ok(response) => response.into_parts().1,
            Err(error) => error.error_response(),
        };
        let (status, headers) = (response.status(), response.headers().clone());
        let body = to_bytes(response.into_body()).await.ok().unwrap().to_vec();
        Answer { status, headers, body }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.call(TestRequest::get().uri(path)).await
    }

    pub async fn get_with_token(&self, path: &str, token: &str) -> Answer {
        self.call(TestRequest::get().uri(path).insert_header(bearer(token))).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.call(TestRequest::post().uri(path).set_json(body)).await
    }

    /// Posts without a body.
    pub async fn post_with_token(&self, path: &str, token: &str) -> Answer {
        self.call(TestRequest::post().uri(path).insert_header(bearer(token))).await
    }

    /// Registers somebody and gives the answer's body.
    pub async fn registered(&self, email: &str) -> Value {
        let body = json!({"email": email, "password": "password123", "name": "Test User"});
        self.post("/api/v1/auth/register", body).await.json(201)
    }
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The JSON of an answer that must have this status.
    #[track_caller]
    pub fn json(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The code of an answer that must be a whole problem; also checks what holds for every problem.
    #[track_caller]
    pub fn problem(&self) -> (u16, String) {
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        assert_eq!(self.header("cache-control"), Some("no-store"));
        let problem: Value = serde_json::from_slice(&self.body).unwrap();
        let code = problem["code"].as_str().unwrap();
        assert_eq!(problem["type"], format!("/docs/errors#{code}"));
        assert_eq!(problem["status"], self.status.as_u16());
        assert_eq!(problem["request_id"].as_str(), self.header("x-request-id"));
        assert!(problem["title"].is_string() && problem["detail"].is_string());
        assert_eq!(problem["errors"].is_array(), code == "validation_failed");
        assert_eq!(self.header("retry-after").is_some(), self.status == 503);
        assert_eq!(self.header("www-authenticate").is_some(), self.status == 401);
        (self.status.as_u16(), code.to_owned())
    }

    /// Pointers and codes of the offending fields of a 422.
    #[track_caller]
    pub fn offences(&self) -> Vec<(String, String)> {
        assert_eq!(self.problem(), (422, "validation_failed".to_owned()));
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let problem = self.json(422);
        let errors = problem["errors"].as_array().unwrap();
        errors.iter().map(|error| (text(&error["pointer"]), text(&error["code"]))).collect()
    }
}

pub fn bearer(token: &str) -> (&'static str, String) {
    ("authorization", format!("Bearer {token}"))
}

fn policies(mode: RegistrationMode) -> Policies {
    let day = Duration::from_hours(24);
    Policies {
        tokens: TokenPolicy {
            issuer: "http://127.0.0.1:8000".to_owned(),
            audience: "maestro".to_owned(),
            access_ttl: Duration::from_mins(15),
            refresh: RefreshPolicy { reuse_grace: Duration::from_secs(10), idle_ttl: 7 * day },
            session_ttl: 30 * day,
            leeway: Duration::from_secs(30),
            include_email: false,
        },
        passwords: PasswordPolicy { min_length: 8, blocklist: false, max_bytes: Password::MAX_BYTES },
        registration: RegistrationPolicy { mode, self_assignable_roles: vec![RoleName::viewer()] },
    }
}

/// A hasher of no strength that takes no time, or one whose queue is always full: real ones are proven elsewhere.
struct ToyHasher {
    is_busy: bool,
}

impl ToyHasher {
    fn digest(&self, password: &Password) -> Result<PasswordHash, HashError> {
        if self.is_busy {
            return Err(HashError::Overloaded);
        }
        Ok(PasswordHash::new(format!("toy:{}", password.expose())))
    }
}

#[async_trait]
impl PasswordHasher for ToyHasher {
    async fn hash(&self, password: Password) -> Result<PasswordHash, HashError> {
        self.digest(&password)
    }

    async fn verify(
        &self,
        password: Password,
        stored: Option<PasswordHash>,
    ) -> Result<Verification, HashError> {
        let is_right = Some(self.digest(&password)?) == stored;
        Ok(if is_right { Verification::Match { upgrade: None } } else { Verification::Mismatch })
    }

    fn failure_floor(&self) -> Duration {
        Duration::ZERO
    }
}

/// A signer of the right form and of no strength: what tokens are worth is proven elsewhere.
struct ToySigner;

impl ToySigner {
    fn signature(signing_input: &str) -> Vec<u8> {
        signing_input.bytes().rev().take(32).collect()
    }
}

#[async_trait]
impl TokenSigner for ToySigner {
    fn sign(&self, token_type: TokenType, claims: &[u8]) -> StoreResult<Signed> {
        let kid = toy_key().kid;
        let header = json!({"alg": "ES256", "kid": kid.as_str(), "typ": token_type.header()}).to_string();
        let encode = Base64UrlUnpadded::encode_string;
        let signing_input = format!("{}.{}", encode(header.as_bytes()), encode(claims));
        let signature = encode(&Self::signature(&signing_input));
        Ok(Signed { token: format!("{signing_input}.{signature}"), key: kid })
    }

    async fn check(
        &self,
        _kid: &str,
        _alg: &str,
        signing_input: &str,
        signature: &[u8],
    ) -> StoreResult<SignatureCheck> {
        let is_valid = signature == Self::signature(signing_input);
        Ok(if is_valid { SignatureCheck::Valid } else { SignatureCheck::Invalid })
    }

    fn revision(&self) -> u64 {
        0
    }

    fn public_keys(&self) -> Vec<PublicKey> {
        vec![toy_key()]
    }

    fn drop_key(&self, _: KeyId) {}

    async fn rotate(&self, _at_once: bool, _: RotationEffects<'_>) -> StoreResult<PublicKey> {
        Err(StoreError::unavailable("the toy key is the only one"))
    }

    async fn revoke(&self, _: KeyId, _: RevocationTime, _: Effects) -> StoreResult<RevokeKeyOutcome> {
        Ok(RevokeKeyOutcome::Unknown)
    }
}

fn toy_key() -> PublicKey {
    let kid = KeyId::parse(&"t".repeat(KeyId::LENGTH)).unwrap();
    PublicKey {
        kid,
        algorithm: Algorithm::Es256,
        jwk: json!({"kty": "EC", "kid": kid.as_str(), "alg": "ES256", "use": "sig"}).to_string(),
        created_at: Timestamp::from_unix_seconds(0),
        active_from: Timestamp::from_unix_seconds(0),
        retires_at: None,
    }
}

/// A refresh demands that its key is one of the storage. Nothing is waited for in memory.
fn store_toy_key(stores: &Stores) {
    let now = Timestamp::from_unix_seconds(0);
    let record = SigningKeyRecord { public: toy_key(), sealed_private_key: Vec::new() };
    stores.keys.ensure_key(record, now, now).now_or_never().unwrap().unwrap();
}
