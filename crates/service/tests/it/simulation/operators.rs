//! What operators and administrators do.

use maestro_auth_domain::{
    Origin, Password, RoleDefinition, RoleName, Roles, UserChange, UserFilter, UserId,
};
use maestro_auth_service::{AdminError, AuthorizeError, Caller};

use super::clients::{Client, Instance};
use super::oracle::{DEFINABLE, Ends, Fate, Order, Orderer, ROLES, TRACKED, fate};
use crate::support::{role, role_name, roles};

impl Client<'_> {
    /// Orders something.
    pub(super) async fn order(self) {
        match self.world.dice.below(100) {
            0..27 => self.update(with_roles(self.some_roles())).await,
            27..35 => self.update(with_activity(false)).await,
            35..47 => self.update(with_activity(true)).await,
            47..50 => {
                let roles = with_roles(self.some_roles());
                self.update(UserChange { is_active: Some(false), ..roles }).await;
            }
            50..58 => self.set_password().await,
            58..65 => self.delete_user().await,
            65..71 => self.end_sessions().await,
            71..84 => self.put_role().await,
            84..88 => self.delete_role().await,
            88..90 => self.rotate_key().await,
            90..94 => self.revoke_key().await,
            _ => self.list_admins(self.some_instance()).await,
        }
    }

    async fn update(self, change: UserChange) {
        let Some(by) = self.some_orderer().await else { return };
        self.world.linger().await;
        let (at, user) = (self.some_instance(), self.some_user());
        let mut call = self.call(at);
        let update = self.world.oracle().begin_update(&call, user, &change);
        let request = at.auth.update_user(&by.caller, user, change.clone());
        let what = || format!("{} makes {user} {change:?}", by.label());
        let answer = self.ask(&mut call, what, request).await;
        let order = Order { touches: Some(user), grants: change.roles.as_ref(), ..Order::of(&by) };
        let (mut oracle, now) = (self.world.oracle(), self.world.moment());
        self.world.expect(oracle.end_update(&call, update, answer.as_ref(), now));
        self.world.expect(oracle.judge_order(&call, &order, answer.as_ref()));
    }

    /// Ends all sessions that anybody has heard of, at least.
    async fn set_password(self) {
        let (at, user) = (self.some_instance(), self.some_user());
        let text = format!("correct horse {:016x}", self.world.dice.below(u64::MAX));
        let password = at.auth.passwords().accept(Password::parse(&text).unwrap(), None, None).unwrap();
        let mut call = self.call(at);
        let (cause, write) = {
            let mut oracle = self.world.oracle();
            let ends = Ends::Sessions { user, up_to: oracle.newest(user) };
            let cause = oracle.begin_cause(&call, ends);
            (cause, oracle.account(user).passwords.begin(text.clone(), &call))
        };
        let request = at.auth.set_password(user, password);
        let answer = self.ask(&mut call, || format!("set the password of {user} to {text}"), request).await;
        let operator = Orderer::operator();
        let order = Order { touches: Some(user), ..Order::of(&operator) };
        let fate = fate(answer.as_ref());
        self.settle(cause, fate);
        let (mut oracle, now) = (self.world.oracle(), self.world.moment());
        oracle.account(user).passwords.end(write, now, fate);
        self.world.expect(oracle.judge_order(&call, &order, answer.as_ref()));
    }

    async fn delete_user(self) {
        let Some(by) = self.some_orderer().await else { return };
        self.world.linger().await;
        let (at, user) = (self.some_instance(), self.some_user());
        let mut call = self.call(at);
        let (cause, write) = {
            let mut oracle = self.world.oracle();
            let cause = oracle.begin_cause(&call, Ends::User(user));
            (cause, oracle.account(user).exists.begin(false, &call))
        };
        let request = at.auth.delete_user(&by.caller, user);
        let what = || format!("{} deletes {user}", by.label());
        let answer = self.ask(&mut call, what, request).await;
        let order = Order { touches: Some(user), ..Order::of(&by) };
        let fate = fate(answer.as_ref());
        self.settle(cause, fate);
        {
            let (mut oracle, now) = (self.world.oracle(), self.world.moment());
            oracle.account(user).exists.end(write, now, fate);
            self.world.expect(oracle.judge_order(&call, &order, answer.as_ref()));
        }
        if fate == Fate::Done {
            self.look_after(at, |token| token.token.user == user).await;
        }
    }

    async fn end_sessions(self) {
        let Some(by) = self.some_orderer().await else { return };
        self.world.linger().await;
        let (at, user) = (self.some_instance(), self.some_user());
        let mut call = self.call(at);
        let cause = {
            let mut oracle = self.world.oracle();
            let ends = Ends::Sessions { user, up_to: oracle.newest(user) };
            oracle.begin_cause(&call, ends)
        };
        let request = at.auth.end_sessions_of(&by.caller, user);
        let what = || format!("{} ends the sessions of {user}", by.label());
        let answer = self.ask(&mut call, what, request).await;
        let order = Order { touches: Some(user), ..Order::of(&by) };
        self.settle(cause, fate(answer.as_ref()));
        self.world.expect(self.world.oracle().judge_order(&call, &order, answer.as_ref()));
    }

    async fn put_role(self) {
        let Some(by) = self.some_orderer().await else { return };
        self.world.linger().await;
        let (at, definition) = (self.some_instance(), self.some_definition());
        let name = &definition.name;
        let mut call = self.call(at);
        let write = self.world.oracle().definitions.begin(name, Some(definition.clone()), &call);
        let request = at.auth.put_role(&by.caller, definition.clone());
        let what = || format!("{} defines {definition:?}", by.label());
        let answer = self.ask(&mut call, what, request).await;
        let order = Order { redefines: Some(name), as_this: Some(&definition), ..Order::of(&by) };
        {
            let (mut oracle, now) = (self.world.oracle(), self.world.moment());
            oracle.definitions.end(name, write, now, fate(answer.as_ref()));
            self.world.expect(oracle.judge_order(&call, &order, answer.as_ref()));
        }
        if let Some(Ok(_)) = answer {
            self.world.oracle().count("role defined");
            self.look_after(at, |token| token.roles.contains(name)).await;
        }
    }

    async fn delete_role(self) {
        let Some(by) = self.some_orderer().await else { return };
        self.world.linger().await;
        let (at, name) = (self.some_instance(), role_name(self.world.dice.pick(&["helper", "lead"])));
        let mut call = self.call(at);
        let write = self.world.oracle().definitions.begin(&name, None, &call);
        let request = at.auth.delete_role(&by.caller, &name);
        let what = || format!("{} deletes the role {name}", by.label());
        let answer = self.ask(&mut call, what, request).await;
        let order = Order { redefines: Some(&name), ..Order::of(&by) };
        let (mut oracle, now) = (self.world.oracle(), self.world.moment());
        oracle.definitions.end(&name, write, now, fate(answer.as_ref()));
        self.world.expect(oracle.judge_order(&call, &order, answer.as_ref()));
        if let Some(Ok(())) = answer {
            oracle.count("role deleted");
            self.world.expect(oracle.judge_deletion_of_role(&call, &name));
        }
    }

    async fn rotate_key(self) {
        let (at, operator) = (self.some_instance(), Caller::operator());
        let mut call = self.call(at);
        let request = at.auth.rotate_key(&operator, true);
        if let Some(Err(error)) = self.ask(&mut call, || "rotate the key".to_owned(), request).await {
            self.world.note(|| error.to_string());
            self.world.expect(call.excuses_a_failure());
        }
    }

    async fn revoke_key(self) {
        let Some(token) = self.some_token() else { return };
        let (at, operator, key) = (self.some_instance(), Caller::operator(), token.token.key);
        let mut call = self.call(at);
        let cause = self.world.oracle().begin_cause(&call, Ends::Key(key));
        let request = at.auth.revoke_key(&operator, key);
        let answer = self.ask(&mut call, || format!("revoke the key {key}"), request).await;
        self.settle(cause, fate(answer.as_ref()));
        self.world.expect(match answer {
            Some(Ok(())) | None => Ok(()),
            Some(Err(AdminError::NotFound)) if self.world.oracle().may_be_revoked(key, cause) => Ok(()),
            Some(Err(AdminError::Store(_))) => call.excuses_a_failure(),
            Some(Err(error)) => Err(format!("a key is not revoked: {error}")),
        });
    }

    /// Revokes an access token alone, or the session of a refresh token, as a service may (RFC 7009).
    pub(super) async fn revoke_token(self) {
        let Some(token) = self.some_token() else { return };
        let (at, operator) = (self.some_instance(), Caller::operator());
        let is_access = self.world.dice.chance(60);
        let (text, ends) = if is_access {
            (&token.access, Ends::Token(token.token.id))
        } else {
            (&token.refresh, Ends::Session(token.token.session))
        };
        let mut call = self.call(at);
        let cause = self.world.oracle().begin_cause(&call, ends);
        let request = at.auth.revoke_token(&operator, text);
        let answer = self.ask(&mut call, || format!("revoke {} {ends:?}", token.label()), request).await;
        let fate = match &answer {
            // Whoever has a token of a revoked key has nothing that could end anything.
            Some(Ok(())) if self.world.oracle().may_be_worthless(&token) => Fate::Unknown,
            Some(Ok(())) => Fate::Done,
            Some(Err(_)) | None => Fate::Unknown,
        };
        self.settle(cause, fate);
        if let Some(Err(_)) = answer {
            self.world.expect(call.excuses_a_failure());
        }
    }

    pub(super) async fn list_admins(self, at: &Instance) {
        let operator = Caller::operator();
        let filter = UserFilter { role: Some(RoleName::admin()), is_active: Some(true), query: None };
        let mut call = self.call(at);
        let request = at.auth.list_users(&operator, &filter, None, 100);
        match self.ask(&mut call, || "list admins".to_owned(), request).await {
            Some(Ok((admins, _))) => self.world.expect(self.world.oracle().judge_admins(&call, &admins)),
            Some(Err(_)) => self.world.expect(call.excuses_a_failure()),
            None => {}
        }
    }

    /// An operator, or a user who presents a token; `None` when that is refused.
    async fn some_orderer(self) -> Option<Orderer> {
        if self.world.dice.chance(60) {
            return Some(Orderer::operator());
        }
        let (token, at) = (self.some_token()?, self.some_instance());
        let mut call = self.call(at);
        let request = at.auth.admit_user(&token.access, None, Origin::default());
        match self.ask(&mut call, || format!("admit {}", token.label()), request).await? {
            Ok(caller) => {
                let answer = Ok(caller.as_user().cloned().unwrap());
                self.world.expect(self.world.oracle().judge_authenticate(&call, &token, &answer));
                Some(Orderer { caller, token: Some(token) })
            }
            Err(AuthorizeError::Authenticate(refused)) => {
                self.world.expect(self.world.oracle().judge_refusal(&call, &token, &refused));
                None
            }
            Err(other) => {
                self.world.expect(Err(format!("refused for what was not demanded: {other}")));
                None
            }
        }
    }

    fn some_user(self) -> UserId {
        let accounts = &self.world.oracle().accounts;
        accounts[self.world.dice.index(accounts.len())].id
    }

    fn some_roles(self) -> Roles {
        let dice = &self.world.dice;
        let one = dice.pick(&ROLES);
        if dice.chance(70) { roles(&[one]) } else { roles(&[one, dice.pick(&ROLES)]) }
    }

    fn some_definition(self) -> RoleDefinition {
        let dice = &self.world.dice;
        let name = dice.pick(&DEFINABLE);
        let permits: Vec<_> = TRACKED[..3].iter().copied().filter(|_| dice.chance(50)).collect();
        let inherits: &[&str] = if name == "lead" && dice.chance(50) { &["helper"] } else { &[] };
        role(name, &permits, inherits)
    }
}

fn with_roles(roles: Roles) -> UserChange {
    UserChange { roles: Some(roles), ..UserChange::default() }
}

fn with_activity(is_active: bool) -> UserChange {
    UserChange { is_active: Some(is_active), ..UserChange::default() }
}
