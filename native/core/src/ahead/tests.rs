//! Guesses change no answer, right ones or wrong ones.

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use super::*;
use crate::{respond, Client, Decision, Scratch, Settings, Snapshot, Store};

const CLIENT: Client =
    Client { address: IpAddr::V4(Ipv4Addr::LOCALHOST), port: 4000, is_tcp: false };

/// The small store of the fuzz targets, copied: LMDB wants to write a lock file.
fn store(name: &str) -> (Store, PathBuf) {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/store/data.mdb");
    let copy = std::env::temp_dir().join(format!("dns-node-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&copy).unwrap();
    std::fs::copy(from, copy.join("data.mdb")).unwrap();
    (Store::open(&copy).unwrap(), copy)
}

/// The queries that the fuzz targets begin with, each behind an octet that says who asks.
fn queries() -> Vec<Vec<u8>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/queries.pack");
    let octets = std::fs::read(path).unwrap();
    let (mut rest, mut found) = (&octets[..], Vec::new());
    while let [high, low, behind @ ..] = rest {
        let (input, behind) = behind.split_at(usize::from(*high) << 8 | usize::from(*low));
        found.push(input[1..].to_vec());
        rest = behind;
    }
    found
}

fn answer(query: &[u8], view: &Snapshot<'_>) -> (Decision, Vec<u8>) {
    let mut out = vec![0; 1472];
    let (settings, mut scratch) = (Settings::default(), Scratch::default());
    let decision = respond(query, Some(view), &CLIENT, 0.0, &settings, &mut scratch, &mut out);
    if let Decision::Reply(size) = decision {
        out.truncate(size);
    }
    (decision, out)
}

/// Answer all queries in batches with the guess for the query *shift* further on; return how many
/// guesses there were.
fn compare(name: &str, shift: usize) -> usize {
    let (mut store, directory) = store(name);
    let mut guesses = 0;
    for batch in queries().chunks(BATCH_SIZE_MAX) {
        store.renew().unwrap();
        let view = store.snapshot().unwrap();
        for first in batch {
            // Whatever zone the first answer came from, the others are sought in it.
            answer(first, &view);
            let Some(ahead) = view.seek_ahead(batch.iter().map(Vec::as_slice)) else { continue };
            for (number, query) in batch.iter().enumerate() {
                let expected = answer(query, &store.snapshot().unwrap());
                let guess = ahead.guess((number + shift) % batch.len());
                guesses += usize::from(guess.is_some());
                view.expect(guess);
                assert!(answer(query, &view) == expected, "{query:02x?}");
            }
        }
    }
    drop(store);
    std::fs::remove_dir_all(directory).unwrap();
    guesses
}

#[test]
fn what_was_sought_ahead_is_answered_like_what_was_not() {
    assert!(compare("ahead", 0) > 1000);
}

#[test]
fn a_wrong_guess_changes_no_answer() {
    assert!(compare("wrong", 1) > 1000);
}
