//! Measures what an answer costs without the network:
//! `measure STORE QUERIES [ROUNDS [BATCH [AHEAD]]]`.
//!
//! STORE is the directory of a store generation, QUERIES a file of messages with their sizes before
//! them as over TCP.  AHEAD 0 seeks each name by itself.  Prints the processor's nanoseconds per
//! query.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use dns_node_core::{respond, Client, Decision, Scratch, Settings, Store};

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let number = |at: usize, otherwise| {
        arguments.get(at).map_or(otherwise, |text| text.parse().expect("a number"))
    };
    let (rounds, batch): (usize, usize) = (number(3, 5), number(4, 64));
    let is_ahead = number(5, 1) != 0;
    let octets = std::fs::read(&arguments[2]).expect("the file of queries");
    let mut queries = Vec::new();
    let mut rest = &octets[..];
    while let [high, low, behind @ ..] = rest {
        let (query, behind) = behind.split_at(usize::from(*high) << 8 | usize::from(*low));
        queries.push(query);
        rest = behind;
    }
    let mut store = Store::open(Path::new(&arguments[1])).expect("a store");
    let settings = Settings::default();
    let client = Client { address: IpAddr::V4(Ipv4Addr::LOCALHOST), port: 4000, is_tcp: false };
    let mut scratch = Scratch::default();
    let mut out = vec![0; 1232];
    let (mut sizes, mut punts) = (0, 0);
    for _ in 0..rounds {
        let begin = processor_ns();
        for batch in queries.chunks(batch) {
            store.renew().expect("a revision");
            let snapshot = store.snapshot();
            let view = snapshot.as_ref();
            let mut ahead = None;
            for (place, query) in batch.iter().enumerate() {
                if place == 1 && is_ahead {
                    // By now it is known in which zone the queries are; as `serve` does it.
                    ahead = view.and_then(|view| view.seek_ahead(batch.iter().copied()));
                }
                if let Some(view) = view {
                    view.expect(ahead.as_ref().and_then(|ahead| ahead.guess(place)));
                }
                match respond(query, view, &client, 0.0, &settings, &mut scratch, &mut out) {
                    Decision::Reply(size) => sizes += size,
                    _ => punts += 1,
                }
            }
            store.reset();
        }
        println!("{} ns", (processor_ns() - begin) / queries.len() as u64);
    }
    println!("{} octets a reply, {punts} punts", sizes / (rounds * queries.len()).max(1));
}

/// The time that this process has had a processor: others may use it too.
fn processor_ns() -> u64 {
    let text = std::fs::read_to_string("/proc/self/schedstat").expect("Linux");
    text.split(' ').next().and_then(|first| first.parse().ok()).expect("a number")
}
