//! The adapters against the contract of the ports.

mod contract;
