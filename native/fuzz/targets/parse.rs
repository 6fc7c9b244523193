//! Queries of every kind for the parser.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| dns_node_fuzz::parse(input));
