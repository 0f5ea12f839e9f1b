//! Watches what clients see, and objects to whatever breaks the promise of api.md section 8. It knows requests and answers
//! alone, and nothing of how the service comes to them.

mod accounts;
mod causes;
mod history;
mod orders;
mod roles;
mod rules;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use maestro_auth_domain::{Generation, RevocableToken, RoleName, Roles, SessionId, Timestamp, User, UserId};
use maestro_auth_service::SignedIn;

pub(super) use self::accounts::Account;
pub(super) use self::causes::Ends;
use self::causes::{Cause, Origin};
use self::history::View;
pub(super) use self::orders::{Order, Orderer, fate};
use self::roles::Definitions;
pub(super) use self::roles::{DEFINABLE, ROLES, TRACKED, first_roles};
use super::world::Moment;
use crate::tokens::{claims, key_of};

/// How soon other instances know what was acknowledged (api.md section 8).
const BOUND: Duration = Duration::from_secs(1);

/// `Err` says what was promised otherwise.
pub(super) type Verdict = Result<(), String>;

/// Everything that clients have asked for and heard.
pub(super) struct Oracle {
    pub(super) accounts: Vec<Account>,
    /// Every token that a client holds, in the order in which they came.
    pub(super) minted: Vec<Arc<Minted>>,
    pub(super) definitions: Definitions,
    /// How many registrations with an address were not answered, or have not been yet.
    unanswered: HashMap<String, usize>,
    sessions: HashMap<SessionId, Opened>,
    causes: Vec<Cause>,
    refreshes: Vec<Presented>,
    /// The highest generation of each user that anybody has seen.
    newest: HashMap<UserId, Generation>,
    seen_roles: HashMap<(UserId, Generation), Roles>,
    tally: BTreeMap<&'static str, u64>,
}

/// The tokens that one call gave.
pub(super) struct Minted {
    pub(super) token: RevocableToken,
    pub(super) access: String,
    pub(super) refresh: String,
    pub(super) counter: i64,
    pub(super) expires_at: Timestamp,
    pub(super) roles: Roles,
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

/// What became of something that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Done,
    /// It was not done and won't be.
    Refused,
    /// Nobody knows whether it was done, but it won't be any more.
    Unknown,
}

/// A cause that was asked for.
#[derive(Clone, Copy)]
pub(super) struct CauseId(usize);

impl Call {
    fn in_store(&self) -> View {
        View::Store(self.began)
    }

    fn in_memory(&self) -> View {
        View::Memory(*self)
    }

    /// The storage may fail a call only if it was off.
    pub(super) fn excuses_a_failure(&self) -> Verdict {
        ensure(self.has_met_a_fault, "the storage fails without a fault")
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
                key: key_of(&signed_in.access_token), // and of the refresh token: see `Tokens::issue`
            },
            access: signed_in.access_token.clone(),
            refresh: signed_in.refresh_token.clone(),
            counter: refresh["ctr"].as_i64().unwrap(),
            expires_at: Timestamp::from_unix_seconds(access["exp"].as_i64().unwrap()),
            roles: signed_in.user.roles.clone(),
            began,
        }
    }

    /// A short name for a trace.
    pub(super) fn label(&self) -> String {
        let end = |id: String| id[id.len() - 4..].to_owned();
        let RevocableToken { id, session, generation, key, .. } = self.token;
        let (id, session, key) = (end(id.to_string()), end(session.to_string()), end(key.to_string()));
        format!(
            "token {id} of session {session}, gen {}, ctr {}, key {key}",
            generation.number(),
            self.counter
        )
    }
}

impl Oracle {
    pub(super) fn new() -> Self {
        Self {
            accounts: Vec::new(),
            minted: Vec::new(),
            definitions: Definitions::new(),
            unanswered: HashMap::new(),
            sessions: HashMap::new(),
            causes: Vec::new(),
            refreshes: Vec::new(),
            newest: HashMap::new(),
            seen_roles: HashMap::new(),
            tally: BTreeMap::new(),
        }
    }

    pub(super) fn account(&mut self, user: UserId) -> &mut Account {
        self.accounts.iter_mut().find(|account| account.id == user).unwrap()
    }

    /// Somebody asks for something that ends tokens.
    pub(super) fn begin_cause(&mut self, call: &Call, ends: Ends) -> CauseId {
        self.causes.push(Cause::new(ends, call.instance, call.began));
        CauseId(self.causes.len() - 1)
    }

    /// It was answered, or nobody waits for the answer any more.
    pub(super) fn end_cause(&mut self, CauseId(index): CauseId, fate: Fate, ended: Moment) {
        let cause = &mut self.causes[index];
        cause.end(fate, ended);
        let what = match (fate, cause.ends) {
            (Fate::Done, Ends::Token(_)) => "token revoked",
            (Fate::Done, Ends::Session(_)) => "session ended",
            (Fate::Done, Ends::Sessions { .. }) => "all sessions ended",
            (Fate::Done, Ends::Tokens { .. }) => "roles changed",
            (Fate::Done, Ends::User(_)) => "user deleted",
            (Fate::Done, Ends::Key(_)) => "key revoked",
            (Fate::Refused, _) => return,
            (Fate::Unknown, _) => "cause of unknown outcome",
        };
        self.count(what);
    }

    /// The answer told more exactly what it ended.
    pub(super) fn sharpen(&mut self, CauseId(index): CauseId, ends: Ends) {
        self.causes[index].ends = ends;
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

    /// A user was shown: one generation has one set of roles, and each of them exists.
    fn see(&mut self, user: &User, view: View) -> Verdict {
        let newest = self.newest.entry(user.id).or_insert(user.generation);
        *newest = (*newest).max(user.generation);
        let known = self.seen_roles.entry((user.id, user.generation)).or_insert_with(|| user.roles.clone());
        if *known != user.roles {
            return Err(format!(
                "generation {:?} showed {:?} before, and {:?} now",
                user.generation, known, user.roles
            ));
        }
        let may_exist = |role: &RoleName| self.definitions.may_exist(role, view);
        ensure(user.roles.iter().all(may_exist), "a user has a role that does not exist")
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

fn ensure(is_kept: bool, objection: &str) -> Verdict {
    if is_kept { Ok(()) } else { Err(objection.to_owned()) }
}
