//! Tells the module which sources it was built from (`dns_node.net.native` asks).

use std::fs;
use std::path::{Path, PathBuf};

/// CRC-32 as zlib has it: nobody is kept out by it, it tells old from new.
fn checksum(mut sum: u32, octets: &[u8]) -> u32 {
    sum = !sum;
    for octet in octets {
        sum ^= u32::from(*octet);
        for _ in 0..8 {
            sum = sum >> 1 ^ if sum & 1 == 1 { 0xEDB8_8320 } else { 0 };
        }
    }
    !sum
}

fn collect(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("the sources are here").flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn main() {
    let mut sum = 0;
    for part in ["src", "../core/src"] {
        println!("cargo:rerun-if-changed={part}");
        let mut found = Vec::new();
        collect(Path::new(part), &mut found);
        found.sort();
        for path in &found {
            sum = checksum(sum, &fs::read(path).expect("the sources can be read"));
        }
    }
    println!("cargo:rustc-env=DNS_NODE_SOURCES={sum:08x}");
}
