//! The revocation matrix (api.md section 8), cell by cell: each cause, which tokens it ends, and by when each verifier
//! refuses them. Every token is warm with every verifier before its cause, but where the
//! operator's command needs the SQLite file for itself and the server is started anew after it. What else section 8 names
//! (the changes of an account by its owner) has no request yet.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;

use crate::support::bounds::{ELSEWHERE, is_refused_after};
use crate::support::{
    Answer, Client, PASSWORD, Server, SignedIn, Storage, admin, key_id, operated, operated_around,
    patch_user, service, user_id,
};

/// Spent tokens are reused at once.
const SETTINGS: [(&str, &str); 1] = [("MAESTRO_AUTH__TOKENS__REUSE_GRACE", "0s")];
const EMAIL: &str = "ada@example.com";

/// What ends tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    Logout,
    LogoutEverywhere,
    Deactivation,
    NewPassword,
    NewRoles,
    Reuse,
    DeactivationByAdmin,
    NewRolesByAdmin,
    DeletionByAdmin,
    EndOfSessionsByAdmin,
    /// `POST /revoke` with an access token (RFC 7009).
    TokenRevocation,
    /// The same with a refresh token.
    SessionRevocation,
    KeyRevocation,
}

/// Which tokens of a user die.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dies {
    /// That one access token.
    Token,
    /// The access tokens and the refresh token of that session.
    Session,
    /// The access tokens of every session, and no refresh token.
    EveryAccessToken,
    /// Everything.
    EverySession,
    /// Everything of everybody.
    Everything,
}

impl Cause {
    const fn ends(self) -> Dies {
        match self {
            Self::TokenRevocation => Dies::Token,
            Self::Logout | Self::Reuse | Self::SessionRevocation => Dies::Session,
            Self::NewRoles | Self::NewRolesByAdmin => Dies::EveryAccessToken,
            Self::LogoutEverywhere
            | Self::Deactivation
            | Self::NewPassword
            | Self::DeactivationByAdmin
            | Self::DeletionByAdmin
            | Self::EndOfSessionsByAdmin => Dies::EverySession,
            Self::KeyRevocation => Dies::Everything,
        }
    }
}

/// Makes a test of each cause on one instance, over the storages on which it can happen, and on two.
macro_rules! matrix {
    ($($name:ident: $cause:ident on [$($storage:ident),*];)+) => {
        $(mod $name {
            use super::*;

            $(#[tokio::test(flavor = "multi_thread")]
            async fn $storage() {
                one_instance(Cause::$cause, storages::$storage().await).await;
            })*

            #[tokio::test(flavor = "multi_thread")]
            async fn on_two_instances() {
                two_instances(Cause::$cause, storages::postgres().await).await;
            }
        })+
    };
}

matrix! {
    logout: Logout on [memory, sqlite, postgres];
    logout_everywhere: LogoutEverywhere on [memory, sqlite, postgres];
    deactivation: Deactivation on [sqlite, postgres];
    new_password: NewPassword on [sqlite, postgres];
    new_roles: NewRoles on [sqlite, postgres];
    reuse_of_a_spent_refresh_token: Reuse on [memory, sqlite, postgres];
    deactivation_by_an_admin: DeactivationByAdmin on [memory, sqlite, postgres];
    new_roles_by_an_admin: NewRolesByAdmin on [memory, sqlite, postgres];
    deletion_by_an_admin: DeletionByAdmin on [memory, sqlite, postgres];
    end_of_sessions_by_an_admin: EndOfSessionsByAdmin on [memory, sqlite, postgres];
    revocation_of_a_token: TokenRevocation on [memory, sqlite, postgres];
    revocation_of_a_refresh_token: SessionRevocation on [memory, sqlite, postgres];
    revocation_of_a_key: KeyRevocation on [memory, sqlite, postgres];
}

mod storages {
    use super::Storage;

    pub(super) async fn memory() -> Option<Storage> {
        Some(Storage::memory())
    }

    pub(super) async fn sqlite() -> Option<Storage> {
        Some(Storage::sqlite())
    }

    pub(super) async fn postgres() -> Option<Storage> {
        Storage::postgres().await
    }
}

async fn one_instance(cause: Cause, storage: Option<Storage>) {
    let Some(storage) = storage else { return };
    let server = Server::start(&storage, &SETTINGS);
    let people = People::on(&server).await;
    people.warm_up(&[&server]).await;

    let server = if let Some((arguments, input)) = command(cause) {
        operated_around(server, &storage, &arguments, input)
    } else {
        people.meet(cause, &server, &storage).await;
        server
    };

    let bound = if is_of_the_server(cause) { Duration::ZERO } else { ELSEWHERE };
    people.are_judged(cause, &[(&server, bound)], Instant::now()).await;
}

async fn two_instances(cause: Cause, storage: Option<Storage>) {
    let Some(storage) = storage else { return };
    let (here, there) = (Server::start(&storage, &SETTINGS), Server::start(&storage, &SETTINGS));
    let people = People::on(&here).await;
    people.warm_up(&[&here, &there]).await;

    people.meet(cause, &here, &storage).await;

    let bound_here = if is_of_the_server(cause) { Duration::ZERO } else { ELSEWHERE };
    people.are_judged(cause, &[(&here, bound_here), (&there, ELSEWHERE)], Instant::now()).await;
}

/// Two sessions of one user, the first of which meets the cause, and a bystander.
struct People {
    first: SignedIn,
    second: SignedIn,
    /// Their id.
    user: String,
    bystander: SignedIn,
    admin: SignedIn,
    service: Client,
}

impl People {
    async fn on(server: &Server) -> Self {
        let first = SignedIn::from_body(&Answer::to_register(server, EMAIL, PASSWORD).await.ok(201).body);
        let second = SignedIn::from_body(&Answer::to_login(server, EMAIL, PASSWORD).await.ok(200).body);
        let bystander = Answer::to_register(server, "bob@example.com", PASSWORD).await.ok(201);
        let (user, admin) = (user_id(server, &first).await, admin(server).await);
        let service = service(server, &admin, "projects", &[]).await;
        Self { first, second, user, bystander: SignedIn::from_body(&bystander.body), admin, service }
    }

    /// Shows every access token to every verifier, twice, so that it is cached wherever it can be.
    async fn warm_up(&self, servers: &[&Server]) {
        for server in servers.iter().chain(servers) {
            for signed_in in [&self.first, &self.second, &self.bystander] {
                for path in ["/api/v1/auth/me", "/api/v1/auth/verify"] {
                    Answer::to_get(server, path, Some(&signed_in.access)).await.ok(200);
                }
            }
        }
    }

    /// Lets the cause happen; when this returns, it has been acknowledged.
    async fn meet(&self, cause: Cause, server: &Server, storage: &Storage) {
        if let Some((arguments, input)) = command(cause) {
            operated(storage, &arguments, input);
            return;
        }
        match cause {
            Cause::Logout => drop(Answer::to_logout(server, &self.first.access).await.ok(200)),
            Cause::LogoutEverywhere => {
                Answer::to_logout_everywhere(server, &self.first.access).await.ok(200);
            }
            Cause::Reuse => {
                Answer::to_refresh(server, &self.first.refresh).await.ok(200);
                Answer::to_refresh(server, &self.first.refresh).await.is(401, "refresh_reused");
            }
            Cause::DeactivationByAdmin => {
                let change = json!({"is_active": false});
                patch_user(server, &self.admin, &self.user, change).await.ok(200);
            }
            Cause::NewRolesByAdmin => {
                let change = json!({"roles": ["ml_engineer"]});
                patch_user(server, &self.admin, &self.user, change).await.ok(200);
            }
            Cause::DeletionByAdmin => {
                let path = format!("/api/v1/admin/users/{}", self.user);
                Answer::to_json(server, Method::DELETE, &path, &self.admin.access, None).await.ok(204);
            }
            Cause::EndOfSessionsByAdmin => {
                let path = format!("/api/v1/admin/users/{}/end-sessions", self.user);
                Answer::to_json(server, Method::POST, &path, &self.admin.access, None).await.ok(204);
            }
            Cause::TokenRevocation => self.revoke(server, &self.first.access).await,
            Cause::SessionRevocation => self.revoke(server, &self.first.refresh).await,
            Cause::KeyRevocation => {
                let path = format!("/api/v1/admin/keys/{}", key_id(&self.first.access));
                Answer::to_json(server, Method::DELETE, &path, &self.admin.access, None).await.ok(204);
            }
            Cause::Deactivation | Cause::NewPassword | Cause::NewRoles => {}
        }
    }

    async fn revoke(&self, server: &Server, token: &str) {
        Answer::to_form(server, "/api/v1/auth/revoke", &self.service, &[("token", token)]).await.ok(200);
    }

    /// Looks at every cell: what must be dead is refused by each verifier within its bound from `caused`, and nothing else
    /// is refused by anyone.
    async fn are_judged(&self, cause: Cause, verifiers: &[(&Server, Duration)], caused: Instant) {
        let dies = cause.ends();
        let access_of_second_dies =
            matches!(dies, Dies::EveryAccessToken | Dies::EverySession | Dies::Everything);
        for (server, bound) in verifiers {
            for path in ["/api/v1/auth/me", "/api/v1/auth/verify"] {
                is_refused_after(server, path, &self.first.access, caused + *bound).await;
                if access_of_second_dies {
                    is_refused_after(server, path, &self.second.access, caused + *bound).await;
                } else {
                    Answer::to_get(server, path, Some(&self.second.access)).await.ok(200);
                }
                if dies == Dies::Everything {
                    is_refused_after(server, path, &self.bystander.access, caused + *bound).await;
                } else {
                    Answer::to_get(server, path, Some(&self.bystander.access)).await.ok(200);
                }
            }
        }

        // A refresh asks the storage, so no instance has any delay. What lives is spent by the last one asked.
        let first_dies = matches!(dies, Dies::Session | Dies::EverySession | Dies::Everything);
        let second_dies = matches!(dies, Dies::EverySession | Dies::Everything);
        let bystander_dies = dies == Dies::Everything;
        for (signed_in, is_dead) in
            [(&self.first, first_dies), (&self.second, second_dies), (&self.bystander, bystander_dies)]
        {
            if is_dead {
                for (server, _) in verifiers {
                    Answer::to_refresh(server, &signed_in.refresh).await.is(401, code_of_dead_refresh(cause));
                }
            } else if let Some((server, _)) = verifiers.last() {
                let answer = Answer::to_refresh(server, &signed_in.refresh).await.ok(200);
                let access = SignedIn::from_body(&answer.body).access;
                for (server, _) in verifiers {
                    Answer::to_me(server, &access).await.ok(200);
                }
            }
        }
    }
}

/// Whether the server itself answers the cause; the others come from another process.
const fn is_of_the_server(cause: Cause) -> bool {
    !matches!(cause, Cause::Deactivation | Cause::NewPassword | Cause::NewRoles)
}

/// What is gone altogether can't be told from what never was.
const fn code_of_dead_refresh(cause: Cause) -> &'static str {
    match cause {
        Cause::DeletionByAdmin | Cause::KeyRevocation => "invalid_token",
        _ => "token_revoked",
    }
}

/// The operator's command that is the cause, and its input.
fn command(cause: Cause) -> Option<(Vec<&'static str>, &'static str)> {
    match cause {
        Cause::Deactivation => Some((vec!["user", "deactivate", "--email", EMAIL], "")),
        Cause::NewPassword => {
            Some((vec!["user", "set-password", "--email", EMAIL], "a wholly different phrase\n"))
        }
        Cause::NewRoles => Some((vec!["user", "set-roles", "--email", EMAIL, "--role", "ml_engineer"], "")),
        _ => None,
    }
}
