//! The native data path of dns-node: what a worker does with a packet, without Python.
//!
//! `respond` is a shortcut to `dns_node.answer.respond.respond`, which defines every answer:
//! it may always punt (`Decision::Punt`), and what it answers equals the definition octet for
//! octet.  Nothing is allocated for a packet that is answered.
#![deny(unsafe_code)]
#![deny(missing_docs)]

pub mod access;
pub mod additional;
pub mod ahead;
pub mod cookies;
pub mod counters;
pub mod denial;
pub mod edns;
pub mod exchange;
pub mod find;
pub mod guess;
pub mod kept_reply;
pub mod lookup;
pub mod mapping;
pub mod message;
pub mod message_cache;
pub mod name;
pub mod outbox;
pub mod pages;
pub mod query;
pub mod rate;
pub mod recursion;
pub mod respond;
pub mod rows;
pub mod sections;
pub mod serve;
pub mod shared_block;
pub mod snapshot;
pub mod socket;
pub mod store;
pub mod turn;

pub use access::Networks;
pub use respond::{
    respond, respond_limited, respond_servfail, Client, Decision, Facts, Scratch, Settings,
};
pub use store::{Snapshot, Store, StoreError};
