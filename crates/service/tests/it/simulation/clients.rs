//! What clients do: each waits a little, asks one of the two instances for something, and lets the oracle judge the answer.

use std::fmt::Debug;
use std::sync::Arc;

use maestro_auth_domain::{DisplayName, Email, Password};
use maestro_auth_ports::{Clock, Stores};
use maestro_auth_service::{
    AuthService, AuthenticateError, Login, LogoutError, LogoutScope, Register, RegisterError,
};

use super::oracle::{Account, Call, CauseId, Ends, Minted};
use super::scheduler::with_patience;
use super::world::World;
use crate::support::PASSWORD;

/// One of the two servers.
pub(super) struct Instance {
    pub(super) number: usize,
    pub(super) auth: AuthService,
    pub(super) stores: Stores,
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
            match self.world.dice.below(100) {
                0..38 => self.authenticate().await,
                38..58 => self.refresh().await,
                58..73 => self.login().await,
                73..78 => self.logout().await,
                78..81 => self.logout_everywhere().await,
                81..86 => self.set_roles().await,
                86..89 => self.set_password().await,
                89..91 => self.set_active(false).await,
                91..95 => self.set_active(true).await,
                95..98 => self.revoke_token().await,
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

    async fn refresh(self) {
        let Some(token) = self.some_token() else { return };
        let at = self.some_instance();
        let mut call = self.call(at);
        let session = Ends::Session(token.token.session);
        self.world.oracle().begin_refresh(&call, &token);
        let request = at.auth.refresh(&token.refresh);
        let answer = self.ask(&mut call, || format!("refresh {}", token.label()), request).await;
        let Some(answer) = answer else { return };
        let mut oracle = self.world.oracle();
        self.world.expect(oracle.judge_refresh(&call, &token, &answer));
        if matches!(answer, Err(maestro_auth_service::RefreshError::Reused)) {
            let cause = oracle.begin_cause(&call, session);
            oracle.acknowledge(cause, session, self.world.moment());
        }
    }

    /// Mostly with the password that was set last, now and then with another that once was right.
    async fn login(self) {
        let (dice, at) = (&self.world.dice, self.some_instance());
        let (index, email, password) = {
            let accounts = &self.world.oracle().accounts;
            let index = dice.index(accounts.len());
            let Account { email, passwords, .. } = &accounts[index];
            let former: Vec<_> = passwords.values().collect();
            let password = if dice.chance(70) { passwords.latest() } else { dice.pick(&former) };
            (index, email.clone(), password.clone())
        };
        let mut call = self.call(at);
        let request = at.auth.login(Login { email, password: Password::parse(&password).unwrap() });
        let answer = self.ask(&mut call, || format!("login as {index} with {password}"), request).await;
        if let Some(answer) = answer {
            self.world.expect(self.world.oracle().judge_login(&call, index, &password, &answer));
        }
    }

    async fn register(self) {
        let at = self.some_instance();
        let email = Email::parse(&format!("{:x}@example.org", self.world.dice.below(u64::MAX))).unwrap();
        let form = Register {
            email: email.clone(),
            name: DisplayName::parse("Ada").unwrap(),
            password: at.auth.passwords().accept(Password::parse(PASSWORD).unwrap(), None, None).unwrap(),
            role: None,
        };
        let mut call = self.call(at);
        let answer = self.ask(&mut call, || "register".to_owned(), at.auth.register(form)).await;
        let mut oracle = self.world.oracle();
        self.world.expect(match answer {
            Some(Ok(signed_in)) => {
                oracle.accounts.push(Account::new(signed_in.user.id, email, PASSWORD.to_owned()));
                oracle.open(&call, &signed_in, PASSWORD)
            }
            Some(Err(RegisterError::Store(_))) => call.excuses_a_failure(),
            Some(Err(error)) => Err(format!("a registration is refused: {error}")),
            None => Ok(()),
        });
    }

    async fn logout(self) {
        let Some(token) = self.some_token() else { return };
        let at = self.some_instance();
        let mut call = self.call(at);
        let ends = Ends::Session(token.token.session);
        let cause = self.world.oracle().begin_cause(&call, ends);
        let request = at.auth.logout(&token.access, LogoutScope::ThisSession);
        let answer = self.ask(&mut call, || format!("log out {}", token.label()), request).await;
        self.settle(&call, cause, answer.map(|answer| answer.map(|()| ends)).as_ref());
    }

    /// Ends all sessions up to the generation of the token at least: had it been raised before, the token would be refused.
    async fn logout_everywhere(self) {
        let Some(token) = self.some_token() else { return };
        let at = self.some_instance();
        let mut call = self.call(at);
        let ends = Ends::Sessions { user: token.token.user, up_to: token.token.generation };
        let cause = self.world.oracle().begin_cause(&call, ends);
        let request = at.auth.logout(&token.access, LogoutScope::Everywhere);
        let answer = self.ask(&mut call, || format!("log out {} everywhere", token.label()), request).await;
        match answer {
            Some(Err(refused)) if !matches!(refused, LogoutError::Store(_)) => {
                let mut oracle = self.world.oracle();
                oracle.cancel(cause);
                self.world.expect(oracle.judge_authenticate(&call, &token, &Err(refused)));
            }
            answer => self.settle(&call, cause, answer.map(|answer| answer.map(|()| ends)).as_ref()),
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
    pub(super) fn settle<E>(self, call: &Call, cause: CauseId, answer: Option<&Result<Ends, E>>) {
        let (mut oracle, now) = (self.world.oracle(), self.world.moment());
        match answer {
            Some(Ok(ends)) => oracle.acknowledge(cause, *ends, now),
            Some(Err(_)) => {
                self.world.expect(call.excuses_a_failure());
                oracle.give_up(cause, now);
            }
            None => oracle.give_up(cause, now),
        }
    }
}
