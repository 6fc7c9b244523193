//! Queries of every kind, answered from the store in `DNS_NODE_FUZZ_STORE`.
#![no_main]

use std::cell::RefCell;
use std::path::PathBuf;

use dns_node_fuzz::Bench;
use libfuzzer_sys::fuzz_target;

thread_local! {
    static BENCH: RefCell<Bench> = RefCell::new(Bench::open(&store()));
}

fn store() -> PathBuf {
    std::env::var_os("DNS_NODE_FUZZ_STORE").expect("DNS_NODE_FUZZ_STORE").into()
}

fuzz_target!(|input: &[u8]| BENCH.with_borrow_mut(|bench| bench.answer(input)));
