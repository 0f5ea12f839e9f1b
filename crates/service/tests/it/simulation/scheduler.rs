//! Decides who acts next. There is one thread and no runtime: whoever waits is asked again when the dice say so.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::world::World;

/// Somebody who acts, a step at a time.
pub(super) type Actor<'w> = Pin<Box<dyn Future<Output = ()> + 'w>>;

/// Lets all act, in an order that the dice choose, until every one of `clients` is done or the oracle has objected.
/// `others` go on for as long as that takes.
pub(super) fn run(world: &World, clients: Vec<Actor<'_>>, others: Vec<Actor<'_>>) {
    // In a quiet world nobody is so slow that the feed is lost.
    let paces = if world.is_quiet { &[50, 1_000][..] } else { &[50, 1_000, 5_000, 20_000] };
    let pace = Duration::from_micros(world.dice.pick(paces));
    let client_count = clients.len();
    let mut clients_left = client_count;
    let mut actors: Vec<_> = clients.into_iter().chain(others).enumerate().collect();
    while clients_left > 0 && world.objection().is_none() {
        let chosen = world.dice.index(actors.len());
        let (number, actor) = &mut actors[chosen];
        world.now_acts(*number);
        if actor.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready() {
            clients_left -= usize::from(*number < client_count);
            drop(actors.swap_remove(chosen));
        }
        let dice = &world.dice;
        world.clock.advance(if world.is_quiet { dice.pause(pace) } else { dice.pause_or_leap(pace) });
    }
}

/// What a future gives that never waits.
pub(super) fn at_once<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it waits"),
    }
}

/// Lets others act, so many times.
pub(super) async fn stand_back(times: u64) {
    let mut left = times;
    poll_fn(|_| {
        let is_over = left == 0;
        left = left.saturating_sub(1);
        if is_over { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// What a call gives, unless its caller goes away before: after having waited `patience` times.
pub(super) async fn with_patience<F: Future>(call: F, patience: Option<u64>) -> Option<F::Output> {
    let (mut call, mut left) = (pin!(call), patience);
    poll_fn(|context| match (call.as_mut().poll(context), &mut left) {
        (Poll::Ready(output), _) => Poll::Ready(Some(output)),
        (Poll::Pending, Some(0)) => Poll::Ready(None),
        (Poll::Pending, Some(left)) => {
            *left -= 1;
            Poll::Pending
        }
        (Poll::Pending, None) => Poll::Pending,
    })
    .await
}
