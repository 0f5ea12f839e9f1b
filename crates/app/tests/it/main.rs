//! Black-box tests: the server as its users meet it, over HTTP, on every storage.

mod crash;
mod faults;
mod keys;
mod lifecycle;
mod operator;
mod production;
mod races;
mod storms;
mod support;
