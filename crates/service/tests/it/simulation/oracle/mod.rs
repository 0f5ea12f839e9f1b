//! Watches what clients see, and objects to whatever breaks the promise of api.md section 8. It knows requests and answers
//! alone, and nothing of how the service comes to them.

mod causes;
mod history;
mod rules;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use maestro_auth_domain::{
    Email, Generation, RevocableToken, RoleName, Roles, SessionId, Timestamp, User, UserId,
};
use maestro_auth_service::SignedIn;

pub(super) use self::causes::Ends;
use self::causes::{Cause, Origin};
pub(super) use self::history::History;
use super::world::Moment;
use crate::tokens::claims;

/// `Err` says what was promised otherwise.
pub(super) type Verdict = Result<(), String>;

/// Everything that clients have asked for and heard.
#[derive(Default)]
pub(super) struct Oracle {
    pub(super) accounts: Vec<Account>,
    /// Every token that a client holds, in the order in which they came.
    pub(super) minted: Vec<Arc<Minted>>,
    sessions: HashMap<SessionId, Opened>,
    causes: Vec<Cause>,
    refreshes: Vec<Presented>,
    /// The highest generation of each user that anybody has seen.
    newest: HashMap<UserId, Generation>,
    roles: HashMap<(UserId, Generation), Roles>,
    tally: BTreeMap<&'static str, u64>,
}

/// A user, and what was done to it.
pub(super) struct Account {
    pub(super) id: UserId,
    pub(super) email: Email,
    pub(super) passwords: History<String>,
    pub(super) active: History<bool>,
    pub(super) roles: History<RoleName>,
}

/// The tokens that one call gave.
pub(super) struct Minted {
    pub(super) token: RevocableToken,
    pub(super) access: String,
    pub(super) refresh: String,
    pub(super) counter: i64,
    pub(super) expires_at: Timestamp,
    began: Moment,
}

/// How a session began.
struct Opened {
    at: Generation,
    began: Moment,
    /// The password that opened it.
    password: String,
}

/// A refresh token that was presented.
struct Presented {
    session: SessionId,
    counter: i64,
    began: Moment,
}

/// A request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call {
    pub(super) instance: usize,
    pub(super) began: Moment,
    /// What the wall clock showed then.
    pub(super) wall: Timestamp,
    /// Whether its storage has failed during it.
    pub(super) has_met_a_fault: bool,
}

/// A cause that was asked for.
#[derive(Clone, Copy)]
pub(super) struct CauseId(usize);

impl Account {
    pub(super) fn new(id: UserId, email: Email, password: String) -> Self {
        Self {
            id,
            email,
            passwords: History::new(password),
            active: History::new(true),
            roles: History::new(RoleName::viewer()),
        }
    }
}

impl Minted {
    pub(super) fn read(signed_in: &SignedIn, began: Moment) -> Self {
        let (access, refresh) = (claims(&signed_in.access_token), claims(&signed_in.refresh_token));
        let id = |name: &str| access[name].as_str().unwrap();
        let roles: Vec<_> = signed_in.user.roles.iter().map(RoleName::as_str).collect();
        assert_eq!(access["roles"], serde_json::json!(roles), "a token tells of the roles of its user");
        assert_eq!((&access["sub"], &access["sid"]), (&refresh["sub"], &refresh["sid"]));
        Self {
            token: RevocableToken {
                id: id("jti").parse().unwrap(),
                user: id("sub").parse().unwrap(),
                session: id("sid").parse().unwrap(),
                generation: Generation::from_number(access["gen"].as_i64().unwrap()),
            },
            access: signed_in.access_token.clone(),
            refresh: signed_in.refresh_token.clone(),
            counter: refresh["ctr"].as_i64().unwrap(),
            expires_at: Timestamp::from_unix_seconds(access["exp"].as_i64().unwrap()),
            began,
        }
    }

    /// A short name for a trace.
    pub(super) fn label(&self) -> String {
        let end = |id: String| id[id.len() - 4..].to_owned();
        let RevocableToken { id, session, generation, .. } = self.token;
        let (id, session) = (end(id.to_string()), end(session.to_string()));
        format!("token {id} of session {session}, gen {}, ctr {}", generation.number(), self.counter)
    }
}

impl Oracle {
    pub(super) fn account(&mut self, user: UserId) -> &mut Account {
        self.accounts.iter_mut().find(|account| account.id == user).unwrap()
    }

    /// Somebody asks for something that ends tokens.
    pub(super) fn begin_cause(&mut self, call: &Call, ends: Ends) -> CauseId {
        // Who adds an entry to the log itself is no instance, and told no instance.
        let instance = (!matches!(ends, Ends::Token(_))).then_some(call.instance);
        self.causes.push(Cause::new(ends, instance, call.began));
        CauseId(self.causes.len() - 1)
    }

    /// It was answered with success.
    pub(super) fn acknowledge(&mut self, CauseId(index): CauseId, ends: Ends, ended: Moment) {
        self.causes[index].acknowledge(ends, ended);
        self.count(match ends {
            Ends::Token(_) => "token revoked",
            Ends::Session(_) => "session ended",
            Ends::Sessions { .. } => "all sessions ended",
            Ends::Tokens { .. } => "roles changed",
        });
    }

    /// Nobody knows what became of it.
    pub(super) fn give_up(&mut self, CauseId(index): CauseId, ended: Moment) {
        self.causes[index].give_up(ended);
        self.count("cause of unknown outcome");
    }

    /// It was refused.
    pub(super) fn cancel(&mut self, CauseId(index): CauseId) {
        self.causes[index].cancel();
    }

    /// The highest generation that anybody has seen of the user.
    pub(super) fn newest(&self, user: UserId) -> Generation {
        self.newest.get(&user).copied().unwrap_or(Generation::FIRST)
    }

    /// How often what happened.
    pub(super) const fn tally(&self) -> &BTreeMap<&'static str, u64> {
        &self.tally
    }

    pub(super) fn count(&mut self, what: &'static str) {
        *self.tally.entry(what).or_default() += 1;
    }

    /// A user was shown: one generation has one set of roles.
    pub(super) fn see(&mut self, user: &User) -> Verdict {
        let newest = self.newest.entry(user.id).or_insert(user.generation);
        *newest = (*newest).max(user.generation);
        let known = self.roles.entry((user.id, user.generation)).or_insert_with(|| user.roles.clone());
        if *known == user.roles {
            Ok(())
        } else {
            Err(format!(
                "generation {:?} showed {:?} before, and {:?} now",
                user.generation, known, user.roles
            ))
        }
    }

    fn origin(&self, minted: &Minted) -> Origin {
        let opened = &self.sessions[&minted.token.session];
        Origin {
            token: minted.token,
            opened_at: opened.at,
            opening_began: opened.began,
            minting_began: minted.began,
        }
    }
}
