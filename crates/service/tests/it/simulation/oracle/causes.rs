use maestro_auth_domain::{Generation, RevocableToken, SessionId, TokenId, UserId};

use super::super::world::Moment;

/// Something that ends tokens. It was done at some moment between its beginning and its end, or never if it was not
/// acknowledged.
#[derive(Debug)]
pub(super) struct Cause {
    pub(super) ends: Ends,
    /// The instance that answered it, and so must know it at once.
    pub(super) instance: Option<usize>,
    began: Moment,
    ended: Option<Moment>,
    pub(super) is_acknowledged: bool,
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
    pub(super) const fn new(ends: Ends, instance: Option<usize>, began: Moment) -> Self {
        Self { ends, instance, began, ended: None, is_acknowledged: false, is_void: false }
    }

    /// It was answered with success.
    pub(super) const fn acknowledge(&mut self, ends: Ends, ended: Moment) {
        (self.ends, self.ended, self.is_acknowledged) = (ends, Some(ended), true);
    }

    /// Nobody knows whether it was done, but it won't be any more.
    pub(super) const fn give_up(&mut self, ended: Moment) {
        self.ended = Some(ended);
    }

    /// It was refused.
    pub(super) const fn cancel(&mut self) {
        self.is_void = true;
    }

    pub(super) fn was_acknowledged_before(&self, moment: Moment) -> bool {
        self.is_acknowledged && self.ended.is_some_and(|ended| ended < moment)
    }

    /// When it was acknowledged, given that it was.
    pub(super) fn acknowledged(&self) -> Moment {
        self.ended.unwrap_or(self.began)
    }

    pub(super) const fn ends_sessions(&self) -> bool {
        matches!(self.ends, Ends::Session(_) | Ends::Sessions { .. })
    }

    /// Whether the token is refused from its acknowledgement on.
    pub(super) fn surely_ends(&self, origin: &Origin) -> bool {
        let token = &origin.token;
        match self.ends {
            Ends::Token(id) => id == token.id,
            Ends::Session(session) => session == token.session,
            Ends::Sessions { user, up_to } => user == token.user && origin.opened_at <= up_to,
            Ends::Tokens { user, below } => user == token.user && token.generation < below,
        }
    }

    /// Whether the token can be refused for it by now.
    pub(super) fn may_end(&self, origin: &Origin) -> bool {
        let token = &origin.token;
        let may_come_after = |began: Moment| self.ended.is_none_or(|ended| began < ended);
        !self.is_void
            && match self.ends {
                Ends::Token(id) => id == token.id,
                Ends::Session(session) => session == token.session,
                Ends::Sessions { user, .. } => user == token.user && may_come_after(origin.opening_began),
                Ends::Tokens { .. } if self.is_acknowledged => self.surely_ends(origin),
                Ends::Tokens { user, .. } => user == token.user && may_come_after(origin.minting_began),
            }
    }
}
