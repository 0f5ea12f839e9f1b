//! What clients do: each waits a little, asks one of the two instances for something, and lets the oracle judge the answer.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use maestro_auth_domain::{Email, Origin, Password};
use maestro_auth_ports::Clock;
use maestro_auth_service::{
    AuthService, AuthenticateError, Demand, Login, LogoutError, LogoutScope, RefreshError, Register,
};

use super::oracle::{Account, Call, CauseId, Ends, Fate, Minted, TRACKED};
use super::scheduler::{stand_back, with_patience};
use super::signer::PlainSigner;
use super::world::World;
use crate::support::{PASSWORD, display_name, email, permission};

/// One of the two servers.
pub(super) struct Instance {
    pub(super) number: usize,
    pub(super) auth: AuthService,
    pub(super) signer: Arc<PlainSigner>,
}

/// Somebody who sends requests, to any instance.
#[derive(Clone, Copy)]
pub(super) struct Client<'w> {
    pub(super) world: &'w World,
    pub(super) instances: &'w [Instance; 2],
    /// Whether it waits for every answer.
    pub(super) is_patient: bool,
}

impl<'w> Client<'w> {
    /// Sends so many requests, one after the other.
    pub(super) async fn act(self, requests: u64) {
        self.login().await;
        for _ in 0..requests {
            self.world.linger().await;
            if self.world.dice.chance(self.world.orders) {
                self.order().await;
                continue;
            }
            match self.world.dice.below(100) {
                0..32 => self.authenticate().await,
                32..45 => self.authorize().await,
                45..69 => self.refresh().await,
                69..84 => self.login().await,
                84..89 => self.logout().await,
                89..92 => self.logout_everywhere().await,
                92..95 => self.revoke_token().await,
                _ => self.register().await,
            }
        }
    }

    /// Presents every token to both instances, once they have heard of everything; they must agree.
    pub(super) async fn present_all(self) {
        for instance in self.instances {
            let read = instance.auth.revocations().catch_up().await;
            self.world.expect(read.map_err(|error| error.to_string()));
        }
        let minted = self.world.oracle().minted.clone();
        for token in minted {
            let here = self.present(&self.instances[0], &token).await;
            let there = self.present(&self.instances[1], &token).await;
            if here.is_some() && there.is_some() && here != there {
                self.world.expect(Err(format!("the instances disagree about {}", token.label())));
            }
        }
        for instance in self.instances {
            self.list_admins(instance).await;
        }
        let [here, there] = self.instances;
        let roles = (here.auth.catalogue().await.unwrap(), there.auth.catalogue().await.unwrap());
        if roles.0 != roles.1 {
            self.world.expect(Err("the instances disagree about roles".to_owned()));
        }
    }

    async fn authenticate(self) {
        let Some(token) = self.some_token() else { return };
        self.present(self.some_instance(), &token).await;
    }

    /// Presents an access token; says whether it is accepted, if that can be told.
    async fn present(self, at: &Instance, token: &Minted) -> Option<bool> {
        let mut call = self.call(at);
        let request = at.auth.authenticate(&token.access);
        let answer = self.ask(&mut call, || format!("authenticate {}", token.label()), request).await?;
        self.world.expect(self.world.oracle().judge_authenticate(&call, token, &answer));
        match answer {
            Err(AuthenticateError::Store(_) | AuthenticateError::Expired) => None,
            answer => Some(answer.is_ok()),
        }
    }

    async fn authorize(self) {
        let Some(token) = self.some_token() else { return };
        self.demand(&token, self.world.dice.pick(&TRACKED), self.some_instance()).await;
    }

    /// Looks what becomes of a token like this at the other instance, once that must have heard of what was done at this one.
    /// Time passes in pieces, so that it need not lose the feed.
    pub(super) async fn look_after(self, done_at: &Instance, is_like_this: impl Fn(&Minted) -> bool) {
        for _ in 0..4 {
            self.world.clock.advance(Duration::from_millis(300));
            stand_back(10).await;
        }
        let token = self.world.oracle().minted.iter().rfind(|token| is_like_this(token)).cloned();
        let Some(token) = token else { return };
        for demanded in &TRACKED[..3] {
            self.demand(&token, demanded, &self.instances[1 - done_at.number]).await;
        }
    }

    async fn demand(self, token: &Minted, demanded: &str, at: &Instance) {
        let demanded = permission(demanded);
        let mut call = self.call(at);
        let demand = Demand { permission: Some(demanded.clone()), role: None };
        let request = at.auth.authorize(&token.access, demand);
        let what = || format!("authorize {} for {demanded}", token.label());
        if let Some(answer) = self.ask(&mut call, what, request).await {
            self.world.expect(self.world.oracle().judge_authorize(&call, token, &demanded, &answer));
        }
    }

    async fn refresh(self) {
        let Some(token) = self.some_token() else { return };
        let at = self.some_instance();
        let mut call = self.call(at);
        let session = Ends::Session(token.token.session);
        self.world.oracle().begin_refresh(&call, &token);
        let from = Origin::default();
        let request = at.auth.refresh(&token.refresh, &from);
        let answer = self.ask(&mut call, || format!("refresh {}", token.label()), request).await;
        let Some(answer) = answer else { return };
        let mut oracle = self.world.oracle();
        self.world.expect(oracle.judge_refresh(&call, &token, &answer));
        if matches!(answer, Err(RefreshError::Reused)) {
            let cause = oracle.begin_cause(&call, session);
            oracle.end_cause(cause, Fate::Done, self.world.moment());
        }
    }

    /// Mostly with the password that was set last, now and then with another that once was right.
    async fn login(self) {
        let (dice, at) = (&self.world.dice, self.some_instance());
        let (email, password) = {
            let accounts = &self.world.oracle().accounts;
            let Account { email, passwords, .. } = &accounts[dice.index(accounts.len())];
            let former: Vec<_> = passwords.values().collect();
            let password = if dice.chance(70) { passwords.latest() } else { dice.pick(&former) };
            (email.clone(), password.clone())
        };
        let mut call = self.call(at);
        let (form, from) = (login_form(&email, &password), Origin::default());
        let request = at.auth.login(form, &from);
        let what = || format!("login as {} with {password}", email.as_str());
        if let Some(answer) = self.ask(&mut call, what, request).await {
            self.world.expect(self.world.oracle().judge_login(&call, &email, &password, &answer));
        }
    }

    /// With a new address, or with one that somebody has had.
    async fn register(self) {
        let (dice, at) = (&self.world.dice, self.some_instance());
        let mut email = email(&format!("{:x}@example.org", dice.below(u64::MAX)));
        if dice.chance(80) {
            let accounts = &self.world.oracle().accounts;
            let gone = accounts.iter().rfind(|account| !account.exists.latest());
            let former = gone.unwrap_or(&accounts[dice.index(accounts.len())]);
            email = former.email.clone();
        }
        let password = at.auth.passwords().accept(Password::parse(PASSWORD).unwrap(), None, None).unwrap();
        let form = Register { email: email.clone(), name: display_name("Ada"), password, role: None };
        let (mut call, from) = (self.call(at), Origin::default());
        self.world.oracle().begin_register(&email);
        let request = at.auth.register(form, &from);
        let answer = self.ask(&mut call, || format!("register {}", email.as_str()), request).await;
        let now = self.world.moment();
        self.world.expect(self.world.oracle().judge_register(&call, &email, answer.as_ref(), now));
    }

    async fn logout(self) {
        let Some(token) = self.some_token() else { return };
        self.log_out(&token, LogoutScope::ThisSession, Ends::Session(token.token.session)).await;
    }

    /// Ends all sessions up to the generation of the token at least: had it been raised before, the token would be refused.
    async fn logout_everywhere(self) {
        let Some(token) = self.some_token() else { return };
        let ends = Ends::Sessions { user: token.token.user, up_to: token.token.generation };
        self.log_out(&token, LogoutScope::Everywhere, ends).await;
    }

    async fn log_out(self, token: &Minted, scope: LogoutScope, ends: Ends) {
        let at = self.some_instance();
        let mut call = self.call(at);
        let cause = self.world.oracle().begin_cause(&call, ends);
        let from = Origin::default();
        let request = at.auth.logout(&token.access, scope, &from);
        let answer = self.ask(&mut call, || format!("log out {} {scope:?}", token.label()), request).await;
        let fate = match &answer {
            Some(Ok(())) => Fate::Done,
            Some(Err(LogoutError::Store(_))) | None => Fate::Unknown,
            Some(Err(_)) => Fate::Refused,
        };
        self.settle(cause, fate);
        if let Some(Err(refused)) = answer {
            self.world.expect(self.world.oracle().judge_refusal(&call, token, &refused));
        }
    }

    pub(super) fn some_instance(self) -> &'w Instance {
        &self.instances[self.world.dice.index(2)]
    }

    pub(super) fn some_token(self) -> Option<Arc<Minted>> {
        self.world.dice.pick_late(&self.world.oracle().minted).cloned()
    }

    /// A request to that instance begins.
    pub(super) fn call(self, at: &Instance) -> Call {
        let wall = self.world.clock.now();
        Call { instance: at.number, began: self.world.moment(), wall, has_met_a_fault: false }
    }

    /// Waits for an answer; `None` when the client goes away before.
    pub(super) async fn ask<T, E: Debug>(
        self,
        call: &mut Call,
        what: impl Fn() -> String,
        request: impl Future<Output = Result<T, E>>,
    ) -> Option<Result<T, E>> {
        let World { dice, .. } = self.world;
        let (instance, faults_before) = (call.instance, self.world.faults());
        self.world.note(|| format!("{} on {instance} …", what()));
        let gives_up = !self.is_patient && dice.chance(8);
        let patience = gives_up.then(|| dice.below(12));
        let answer = with_patience(request, patience).await;
        call.has_met_a_fault = self.world.faults() > faults_before;
        self.world.note(|| match &answer {
            Some(Ok(_)) => format!("{} on {instance}: OK", what()),
            Some(Err(error)) => format!("{} on {instance}: {error:?}", what()),
            None => format!("{} on {instance}: given up", what()),
        });
        answer
    }

    /// Tells the oracle what became of a cause.
    pub(super) fn settle(self, cause: CauseId, fate: Fate) {
        let now = self.world.moment();
        self.world.oracle().end_cause(cause, fate, now);
    }
}

fn login_form(email: &Email, password: &str) -> Login {
    Login { email: email.clone(), password: Password::parse(password).unwrap() }
}
