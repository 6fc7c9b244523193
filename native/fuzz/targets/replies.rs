//! Replies of servers of every kind.
#![no_main]

use std::cell::RefCell;

use dns_node_fuzz::replies::ReplyBench;
use libfuzzer_sys::fuzz_target;

thread_local! {
    static BENCH: RefCell<ReplyBench> = RefCell::default();
}

fuzz_target!(|input: &[u8]| BENCH.with_borrow_mut(|bench| bench.judge(input)));
