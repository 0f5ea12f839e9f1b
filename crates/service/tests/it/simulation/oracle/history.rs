use super::super::world::Moment;
use super::{BOUND, Call, Fate};

/// The writes of one value by callers that overlap. Each write was done at some moment between its beginning and its end,
/// or never if it was not acknowledged.
pub(in super::super) struct History<T> {
    writes: Vec<Write<T>>,
}

struct Write<T> {
    value: T,
    began: Option<Moment>,
    ended: Option<Moment>,
    /// The instance that answered it.
    instance: Option<usize>,
    is_acknowledged: bool,
    /// Whether it was refused, so that it was never done.
    is_void: bool,
}

/// A write that goes on.
#[derive(Clone, Copy)]
pub(in super::super) struct WriteId(usize);

/// Where somebody looks at a value, from some moment until now.
#[derive(Clone, Copy)]
pub(super) enum View {
    /// In the store, where whatever was acknowledged is seen.
    Store(Moment),
    /// In the memory of the instance that is called, which may hear a little late of what others have done.
    Memory(Call),
}

impl<T: PartialEq> History<T> {
    pub(in super::super) fn new(first: T) -> Self {
        let first = Write {
            value: first,
            began: None,
            ended: None,
            instance: None,
            is_acknowledged: true,
            is_void: false,
        };
        Self { writes: vec![first] }
    }

    pub(in super::super) fn begin(&mut self, value: T, call: &Call) -> WriteId {
        self.writes.push(Write {
            value,
            began: Some(call.began),
            ended: None,
            instance: Some(call.instance),
            is_acknowledged: false,
            is_void: false,
        });
        WriteId(self.writes.len() - 1)
    }

    pub(in super::super) fn end(&mut self, write: WriteId, ended: Moment, fate: Fate) {
        let write = &mut self.writes[write.0];
        write.ended = Some(ended);
        write.is_acknowledged = fate == Fate::Done;
        write.is_void = fate == Fate::Refused;
    }

    /// Whether somebody who looks there can see a value like this.
    pub(super) fn may_show(&self, view: View, is_like: impl Fn(&T) -> bool) -> bool {
        let mut possible = self.writes.iter().filter(|write| !write.is_void && is_like(&write.value));
        possible.any(|write| !self.was_overwritten(write, view))
    }

    /// The value whose write began last.
    pub(in super::super) fn latest(&self) -> &T {
        let last = self.writes.iter().rfind(|write| !write.is_void);
        &last.unwrap_or(&self.writes[0]).value
    }

    pub(in super::super) fn values(&self) -> impl Iterator<Item = &T> {
        self.writes.iter().map(|write| &write.value)
    }

    /// Whether a later write was done for certain before anybody looked.
    fn was_overwritten(&self, write: &Write<T>, view: View) -> bool {
        let is_first = write.began.is_none();
        self.writes.iter().any(|other| {
            other.is_acknowledged
                && view.must_show(other)
                && (is_first || other.began > write.ended && write.ended.is_some())
        })
    }
}

impl View {
    /// Whether an acknowledged write is seen there, if no later one is.
    fn must_show<T>(self, write: &Write<T>) -> bool {
        let Some(ended) = write.ended else { return false };
        match self {
            Self::Store(since) => ended < since,
            Self::Memory(Call { began, instance, .. }) => {
                let is_old = began.at.saturating_sub(ended.at) > BOUND;
                ended < began && (write.instance == Some(instance) || is_old)
            }
        }
    }
}
