use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use maestro_auth_ports::HashError;

use super::memory::BlockMemory;

/// The bounded queue in front of the lanes: first come, first served.
///
/// One kind of job may be overtaken: of those that need more memory than a lane keeps, only one runs at a time in the
/// process, and the others wait for it without holding a lane up.
pub(super) struct Queue {
    state: Mutex<State>,
    wake: Condvar,
    capacity: usize,
}

struct State {
    /// In the order of their numbers.
    jobs: VecDeque<(u64, Job)>,
    next_number: u64,
    is_oversized_running: bool,
    is_closed: bool,
}

/// A piece of hashing.
pub(super) struct Job {
    pub work: Work,
    /// When it is too late to begin.
    pub deadline: Instant,
    /// Whether it needs more memory than a lane keeps.
    pub is_oversized: bool,
}

/// What a job does at its turn: compute in the lane's memory, or pass the error on.
pub(super) type Work = Box<dyn FnOnce(Result<&mut BlockMemory, HashError>) + Send>;

/// A place in the queue. To drop it is to give the place up, so a caller that goes away frees it at once (REL-34).
pub(super) struct Ticket<'a> {
    queue: &'a Queue,
    number: u64,
}

impl Queue {
    pub(super) fn new(capacity: usize) -> Self {
        let state = State {
            jobs: VecDeque::with_capacity(capacity),
            next_number: 0,
            is_oversized_running: false,
            is_closed: false,
        };
        Self { state: Mutex::new(state), wake: Condvar::new(), capacity }
    }

    /// Puts a job at the end, unless the queue is full.
    pub(super) fn push(&self, job: Job) -> Result<Ticket<'_>, HashError> {
        let mut state = self.lock();
        if state.jobs.len() >= self.capacity {
            return Err(HashError::Overloaded);
        }
        let number = state.next_number;
        state.next_number += 1;
        state.jobs.push_back((number, job));
        drop(state);
        self.wake.notify_one();
        Ok(Ticket { queue: self, number })
    }

    /// Waits for the next job. There is none once the queue is closed.
    pub(super) fn next(&self) -> Option<Job> {
        let mut state = self.lock();
        loop {
            if state.is_closed {
                return None;
            }
            if let Some(job) = state.take_next() {
                return Some(job);
            }
            state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Notes that an oversized job is done, so that the next one may run.
    pub(super) fn end_oversized(&self) {
        self.lock().is_oversized_running = false;
        self.wake.notify_one();
    }

    /// Forgets what waits and lets the lanes end.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.is_closed = true;
        let forgotten = std::mem::take(&mut state.jobs);
        drop(state);
        self.wake.notify_all();
        drop(forgotten);
    }

    /// How many jobs wait.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.lock().jobs.len()
    }

    /// No job runs under the lock, so a poisoned one is as good as any.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn take_next(&mut self) -> Option<Job> {
        let may_run = |job: &Job| !(job.is_oversized && self.is_oversized_running);
        let index = self.jobs.iter().position(|(_, job)| may_run(job))?;
        let (_, job) = self.jobs.remove(index)?;
        self.is_oversized_running |= job.is_oversized;
        Some(job)
    }
}

impl Ticket<'_> {
    /// Takes the job back; `false` when a lane has taken it before.
    pub(super) fn withdraw(&self) -> bool {
        let mut state = self.queue.lock();
        let found = state.jobs.binary_search_by_key(&self.number, |(number, _)| *number);
        let withdrawn = found.ok().and_then(|index| state.jobs.remove(index));
        drop(state);
        withdrawn.is_some()
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        self.withdraw();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn job(is_oversized: bool) -> Job {
        let deadline = Instant::now() + Duration::from_mins(1);
        Job { work: Box::new(|_| ()), deadline, is_oversized }
    }

    #[test]
    fn a_full_queue_refuses_and_a_dropped_ticket_frees_its_place() {
        let queue = Queue::new(2);
        let _first = queue.push(job(false)).unwrap();
        let second = queue.push(job(false)).unwrap();
        assert_eq!(queue.push(job(false)).err(), Some(HashError::Overloaded));

        drop(second);
        assert!(queue.push(job(false)).is_ok());
    }

    #[test]
    fn one_oversized_job_runs_at_a_time_and_the_others_do_not_hold_the_queue_up() {
        let queue = Queue::new(8);
        let _tickets = [true, true, false].map(|is_oversized| queue.push(job(is_oversized)).unwrap());

        assert!(queue.next().unwrap().is_oversized);
        assert!(!queue.next().unwrap().is_oversized);
        assert_eq!(queue.len(), 1);
        queue.end_oversized();
        assert!(queue.next().unwrap().is_oversized);
    }

    #[test]
    fn a_taken_job_cannot_be_withdrawn() {
        let queue = Queue::new(8);
        let (first, second) = (queue.push(job(false)).unwrap(), queue.push(job(false)).unwrap());
        queue.next();
        assert!(!first.withdraw());
        assert!(second.withdraw());
        assert!(!second.withdraw());
    }
}
