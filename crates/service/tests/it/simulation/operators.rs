//! What operators do.

use std::time::Duration;

use maestro_auth_domain::{BlacklistEntry, Generation, Password, Revoked, RoleName, Roles, TenantId, UserId};

use super::clients::Client;
use super::oracle::Ends;
use crate::support::token_policy;

impl Client<'_> {
    pub(super) async fn set_roles(self) {
        let (at, user) = (self.some_instance(), self.some_user());
        let role = RoleName::parse(self.world.dice.pick(&["viewer", "developer", "ml_engineer"])).unwrap();
        let mut call = self.call(at);
        let (cause, write) = {
            let mut oracle = self.world.oracle();
            let none = Ends::Tokens { user, below: Generation::FIRST };
            let cause = oracle.begin_cause(&call, none);
            (cause, oracle.account(user).roles.begin(role.clone(), call.began))
        };
        let request = at.auth.set_roles(user, Roles::single(role.clone()));
        let answer = self.ask(&mut call, || format!("make {user} a {role}"), request).await;
        if let Some(Ok(user)) = &answer {
            self.world.expect(self.world.oracle().see(user));
        }
        let ends = answer.map(|answer| answer.map(|shown| Ends::Tokens { user, below: shown.generation }));
        let is_done = matches!(ends, Some(Ok(_)));
        self.settle(&call, cause, ends.as_ref());
        self.world.oracle().account(user).roles.end(write, self.world.moment(), is_done);
    }

    /// Ends all sessions that anybody has heard of, at least.
    pub(super) async fn set_password(self) {
        let (at, user) = (self.some_instance(), self.some_user());
        let text = format!("correct horse {:016x}", self.world.dice.below(u64::MAX));
        let password = at.auth.passwords().accept(Password::parse(&text).unwrap(), None, None).unwrap();
        let mut call = self.call(at);
        let (ends, cause, write) = {
            let mut oracle = self.world.oracle();
            let ends = Ends::Sessions { user, up_to: oracle.newest(user) };
            let cause = oracle.begin_cause(&call, ends);
            (ends, cause, oracle.account(user).passwords.begin(text.clone(), call.began))
        };
        let request = at.auth.set_password(user, password);
        let answer = self.ask(&mut call, || format!("set the password of {user} to {text}"), request).await;
        let is_done = matches!(answer, Some(Ok(())));
        self.settle(&call, cause, answer.map(|answer| answer.map(|()| ends)).as_ref());
        self.world.oracle().account(user).passwords.end(write, self.world.moment(), is_done);
    }

    pub(super) async fn set_active(self, active: bool) {
        let (at, user) = (self.some_instance(), self.some_user());
        let mut call = self.call(at);
        let (cause, write) = {
            let mut oracle = self.world.oracle();
            let ends = Ends::Sessions { user, up_to: oracle.newest(user) };
            let cause = (!active).then(|| oracle.begin_cause(&call, ends));
            (cause, oracle.account(user).active.begin(active, call.began))
        };
        let request = at.auth.set_active(user, active);
        let answer = self.ask(&mut call, || format!("make {user} active: {active}"), request).await;
        if let Some(Ok(user)) = &answer {
            self.world.expect(self.world.oracle().see(user));
        }
        let is_done = matches!(answer, Some(Ok(_)));
        if let Some(cause) = cause {
            let up_to = |floor: Generation| Generation::from_number(floor.number() - 1);
            let ends = |floor| Ends::Sessions { user, up_to: up_to(floor) };
            self.settle(
                &call,
                cause,
                answer.map(|answer| answer.map(|shown| ends(shown.session_floor))).as_ref(),
            );
        }
        self.world.oracle().account(user).active.end(write, self.world.moment(), is_done);
    }

    /// Revokes one token, as somebody who writes to the log.
    pub(super) async fn revoke_token(self) {
        let Some(token) = self.some_token() else { return };
        let at = self.some_instance();
        let mut call = self.call(at);
        let id = token.token.id;
        let policy = token_policy();
        let until = call.wall + policy.access_ttl + policy.leeway + Duration::from_mins(1);
        let entry = BlacklistEntry { tenant: TenantId::DEFAULT, revoked: Revoked::Token(id), until };
        let cause = self.world.oracle().begin_cause(&call, Ends::Token(id));
        let entries = [entry];
        let request = at.stores.blacklist.add(&entries);
        let answer = self.ask(&mut call, || format!("revoke {}", token.label()), request).await;
        self.settle(&call, cause, answer.map(|answer| answer.map(|()| Ends::Token(id))).as_ref());
    }

    fn some_user(self) -> UserId {
        let accounts = &self.world.oracle().accounts;
        accounts[self.world.dice.index(accounts.len())].id
    }
}
