//! The native data path of dns-node: what a worker does with a packet, without Python.
//!
//! `respond` is a shortcut to `dns_node.answer.respond.respond`, which defines every answer:
//! it may always punt (`Decision::Punt`), and what it answers equals the definition octet for
//! octet.  Nothing is allocated for a packet that is answered.
#![deny(unsafe_code)]
#![deny(missing_docs)]

pub mod access;
pub mod cookies;
pub mod counters;
pub mod kept_reply;
pub mod mapping;
pub mod message_cache;
pub mod pages;
pub mod rate;
pub mod respond;
pub mod shared_block;
pub mod snapshot;
pub mod socket;
pub mod store;

pub use access::Networks;
pub use respond::{respond, Client, Decision, Scratch, Settings};
pub use store::{Snapshot, Store, StoreError};
