use super::super::world::Moment;

/// The writes of one value by callers that overlap. Each write was done at some moment between its beginning and its end,
/// or never if it was not acknowledged.
pub(in super::super) struct History<T> {
    writes: Vec<Write<T>>,
}

struct Write<T> {
    value: T,
    began: Option<Moment>,
    ended: Option<Moment>,
    is_acknowledged: bool,
}

/// A write that goes on.
#[derive(Clone, Copy)]
pub(in super::super) struct WriteId(usize);

impl<T: PartialEq> History<T> {
    pub(in super::super) fn new(first: T) -> Self {
        Self { writes: vec![Write { value: first, began: None, ended: None, is_acknowledged: true }] }
    }

    pub(in super::super) fn begin(&mut self, value: T, began: Moment) -> WriteId {
        self.writes.push(Write { value, began: Some(began), ended: None, is_acknowledged: false });
        WriteId(self.writes.len() - 1)
    }

    pub(in super::super) fn end(&mut self, write: WriteId, ended: Moment, is_acknowledged: bool) {
        let write = &mut self.writes[write.0];
        (write.ended, write.is_acknowledged) = (Some(ended), is_acknowledged);
    }

    /// Whether somebody who looked from the moment `since` until now can have seen a value like this.
    pub(in super::super) fn may_show(&self, since: Moment, is_like: impl Fn(&T) -> bool) -> bool {
        self.writes.iter().any(|write| is_like(&write.value) && !self.was_overwritten(write, since))
    }

    /// The value whose write began last.
    pub(in super::super) fn latest(&self) -> &T {
        &self.writes[self.writes.len() - 1].value
    }

    pub(in super::super) fn values(&self) -> impl Iterator<Item = &T> {
        self.writes.iter().map(|write| &write.value)
    }

    /// Whether a later write was done for certain before `moment`.
    fn was_overwritten(&self, write: &Write<T>, moment: Moment) -> bool {
        let is_first = write.began.is_none();
        self.writes.iter().any(|other| {
            other.is_acknowledged
                && other.ended.is_some_and(|ended| ended < moment)
                && (is_first || other.began > write.ended && write.ended.is_some())
        })
    }
}
