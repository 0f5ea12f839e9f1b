//! Black-box tests: the server as its users meet it, over HTTP, on every storage.

mod support;
