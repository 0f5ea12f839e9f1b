use maestro_auth_domain::{Generation, KeyId, RevocableToken, SessionId, TokenId, UserId};

use super::super::world::Moment;
use super::{BOUND, Call, Fate};

/// Something that ends tokens. It was done at some moment between its beginning and its end, or never if it was not
/// acknowledged.
#[derive(Debug)]
pub(super) struct Cause {
    pub(super) ends: Ends,
    /// The instance that answered it, and so must know it at once.
    pub(super) instance: usize,
    began: Moment,
    ended: Option<Moment>,
    is_acknowledged: bool,
    /// Whether the service refused it, so that nothing was done.
    is_void: bool,
}

/// What a cause ends for certain, once it is acknowledged.
#[derive(Debug, Clone, Copy)]
pub(in super::super) enum Ends {
    Token(TokenId),
    Session(SessionId),
    /// The sessions of the user that were opened at this generation or before.
    Sessions {
        user: UserId,
        up_to: Generation,
    },
    /// The tokens of the user below this generation.
    Tokens {
        user: UserId,
        below: Generation,
    },
    /// The user, with all that it has.
    User(UserId),
    /// Whatever was signed with this key.
    Key(KeyId),
}

/// A token, and what is known of when it came to be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Origin {
    pub(super) token: RevocableToken,
    /// The generation at which its session was opened.
    pub(super) opened_at: Generation,
    /// When the calls began that opened its session, and that minted it.
    pub(super) opening_began: Moment,
    pub(super) minting_began: Moment,
}

impl Cause {
    pub(super) const fn new(ends: Ends, instance: usize, began: Moment) -> Self {
        Self { ends, instance, began, ended: None, is_acknowledged: false, is_void: false }
    }

    /// Nothing of it will be done any more.
    pub(super) fn end(&mut self, fate: Fate, ended: Moment) {
        self.ended = Some(ended);
        self.is_acknowledged = fate == Fate::Done;
        self.is_void = fate == Fate::Refused;
    }

    pub(super) fn was_acknowledged_before(&self, moment: Moment) -> bool {
        self.is_acknowledged && self.ended.is_some_and(|ended| ended < moment)
    }

    /// When it was acknowledged, given that it was.
    pub(super) fn acknowledged(&self) -> Moment {
        self.ended.unwrap_or(self.began)
    }

    /// Whether the instance of the call must have known by then that the token has ended.
    pub(super) fn is_binding(&self, call: &Call, origin: &Origin) -> bool {
        let answers_itself = self.instance == call.instance;
        let is_old = call.began.at.saturating_sub(self.acknowledged().at) > BOUND;
        self.was_acknowledged_before(call.began) && self.surely_ends(origin) && (answers_itself || is_old)
    }

    /// Whether no token that it ends may be minted by a call that began after its acknowledgement. A key is another matter:
    /// an instance that has not heard of its revocation signs with it, and all others refuse what it has signed.
    pub(super) fn forbids_minting(&self, call: &Call, origin: &Origin) -> bool {
        let may_not_have_heard = matches!(self.ends, Ends::Key(_)) && self.instance != call.instance;
        self.was_acknowledged_before(call.began) && self.surely_ends(origin) && !may_not_have_heard
    }

    pub(super) const fn ends_sessions(&self) -> bool {
        matches!(self.ends, Ends::Session(_) | Ends::Sessions { .. } | Ends::User(_))
    }

    pub(super) const fn is_of_key(&self) -> bool {
        matches!(self.ends, Ends::Key(_))
    }

    pub(super) fn may_revoke(&self, key: KeyId) -> bool {
        !self.is_void && matches!(self.ends, Ends::Key(revoked) if revoked == key)
    }

    pub(super) const fn is_deletion(&self) -> bool {
        matches!(self.ends, Ends::User(_))
    }

    /// Whether the token is refused from its acknowledgement on.
    pub(super) fn surely_ends(&self, origin: &Origin) -> bool {
        let token = &origin.token;
        match self.ends {
            Ends::Token(id) => id == token.id,
            Ends::Session(session) => session == token.session,
            Ends::Sessions { user, up_to } => user == token.user && origin.opened_at <= up_to,
            Ends::Tokens { user, below } => user == token.user && token.generation < below,
            Ends::User(user) => user == token.user,
            Ends::Key(key) => key == token.key,
        }
    }

    /// Whether the token can be refused for it by now.
    pub(super) fn may_end(&self, origin: &Origin) -> bool {
        let token = &origin.token;
        let may_come_after = |began: Moment| self.ended.is_none_or(|ended| began < ended);
        !self.is_void
            && match self.ends {
                Ends::Token(_) | Ends::Session(_) | Ends::User(_) | Ends::Key(_) => self.surely_ends(origin),
                Ends::Sessions { user, .. } => user == token.user && may_come_after(origin.opening_began),
                Ends::Tokens { .. } if self.is_acknowledged => self.surely_ends(origin),
                Ends::Tokens { user, .. } => user == token.user && may_come_after(origin.minting_began),
            }
    }
}
