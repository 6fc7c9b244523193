//! A damaged store is never read outside its pages: its queries are handed up, or answered.

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use dns_node_core::{respond, Client, Decision, Scratch, Settings, Store};

const PAGE_OCTETS: usize = 4096;
const STORES: u64 = 150;
const QUERIES: usize = 120;

/// The same numbers at each run (xorshift64*).
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16) as usize % end
    }
}

fn kept(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz").join(name);
    std::fs::read(path).expect("what the fuzzer keeps")
}

fn queries(pack: &[u8]) -> Vec<&[u8]> {
    let (mut found, mut rest) = (Vec::new(), pack);
    while let [high, low, behind @ ..] = rest {
        let (input, behind) = behind.split_at(usize::from(*high) << 8 | usize::from(*low));
        // The first octet says who asks.
        found.extend(input.get(1..));
        rest = behind;
    }
    found
}

fn damage(store: &mut [u8], chance: &mut Chance) {
    for _ in 0..1 + chance.below(40) {
        // Pages 0 and 1 are LMDB's; it checks them when it opens the environment.
        let page = 2 + chance.below(store.len() / PAGE_OCTETS - 2);
        // What leads from one place to another is mostly at the beginning.
        let at = [chance.below(64), chance.below(PAGE_OCTETS)][chance.below(2)];
        store[page * PAGE_OCTETS + at] = match chance.below(4) {
            0 => 0,
            1 => 255,
            _ => chance.below(256) as u8,
        };
    }
}

/// Return what the queries came to: replies and queries that were handed up.
fn ask(path: &Path, queries: &[&[u8]], chance: &mut Chance) -> (usize, usize) {
    let Ok(mut store) = Store::open(path) else { return (0, 0) };
    let (settings, mut scratch) = (Settings::default(), Scratch::default());
    let mut out = vec![0; 65535];
    let (mut replies, mut punts) = (0, 0);
    store.renew().expect("the revision that was opened");
    let snapshot = store.snapshot();
    for _ in 0..QUERIES {
        let query = queries[chance.below(queries.len())];
        let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let client = Client { address, port: 4000, is_tcp: chance.below(2) == 0 };
        let view = snapshot.as_ref();
        match respond(query, view, &client, 0.0, &settings, &mut scratch, &mut out) {
            Decision::Reply(_) => replies += 1,
            Decision::Punt | Decision::Wait => punts += 1,
            Decision::Drop => (),
        }
    }
    (replies, punts)
}

fn directory() -> PathBuf {
    std::env::temp_dir().join(format!("dns-node-damage-{}", std::process::id()))
}

#[test]
fn a_damaged_store_is_read_within_its_pages() {
    let (sound, pack) = (kept("store/data.mdb"), kept("queries.pack"));
    let queries = queries(&pack);
    let mut chance = Chance(7);
    let (mut replies, mut punts) = (0, 0);
    for number in 0..STORES {
        let path = directory().join(number.to_string());
        std::fs::create_dir_all(&path).expect("a directory");
        let mut octets = sound.clone();
        damage(&mut octets, &mut chance);
        std::fs::write(path.join("data.mdb"), octets).expect("a store");
        let found = ask(&path, &queries, &mut chance);
        (replies, punts) = (replies + found.0, punts + found.1);
    }
    std::fs::remove_dir_all(directory()).expect("the directory");
    assert!(replies > 1000 && punts > 100, "{replies} replies, {punts} punts");
}
