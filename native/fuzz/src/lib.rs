//! What must hold of every reply, whatever the octets of the query.
//!
//! An input is one octet that says who asks (`Circumstances`), then the query.

pub mod replies;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};

use dns_node_core::cookies::CookieSecrets;
use dns_node_core::query::Query;
use dns_node_core::{
    respond, respond_limited, respond_servfail, Client, Decision, Networks, Scratch, Settings,
    Snapshot, Store,
};

const IS_TCP: u8 = 1;
const IS_IPV6: u8 = 2;
const HAS_NO_STORE: u8 = 4;
const HAS_NO_COOKIES: u8 = 8;
const MAY_NOT_ASK: u8 = 16;
const HAS_NO_PORT: u8 = 32;
const IS_LIMITED: u8 = 64;
const IS_FAULT: u8 = 128;

const NOW_S: f64 = 1_750_000_000.0;

/// Every so many inputs a fresh scratch must give the same reply.
const TWINS_EVERY: u64 = 16;

/// What one input after another is answered with.
pub struct Bench {
    store: Store,
    settings: [Settings; 3],
    scratch: Scratch,
    out: Vec<u8>,
    again: Vec<u8>,
    answered: u64,
}

impl Bench {
    /// Read a copy of the store in the directory *path*: LMDB wants to write a lock file.
    pub fn open(path: &Path) -> Bench {
        let copy = scratch_directory();
        std::fs::create_dir_all(&copy).expect("a directory for the store");
        std::fs::copy(path.join("data.mdb"), copy.join("data.mdb")).expect("a copy of the store");
        let store = Store::open(&copy).expect("a store");
        let plain = Settings {
            identity: b"node-0".to_vec(),
            version: vec![b'v'; 300],
            ..Settings::default()
        };
        let secrets = CookieSecrets::new([7; 16], &[[8; 16]]);
        let with_cookies = Settings { cookie_secrets: secrets, ..plain.clone() };
        let closed = Settings {
            query: Networks::parse(["192.0.2.0/24", "2001:db8::/32"]).expect("networks"),
            ..with_cookies.clone()
        };
        Bench {
            store,
            settings: [plain, with_cookies, closed],
            scratch: Scratch::default(),
            out: vec![0; 65535],
            again: vec![0; 65535],
            answered: 0,
        }
    }

    /// Answer one input, and panic when the reply is none that may be sent.
    pub fn answer(&mut self, input: &[u8]) {
        let Some((&who, query)) = input.split_first() else { return };
        let address = if who & IS_IPV6 != 0 {
            IpAddr::V6(Ipv6Addr::LOCALHOST)
        } else {
            IpAddr::V4(Ipv4Addr::LOCALHOST)
        };
        let port = if who & HAS_NO_PORT != 0 { 0 } else { 4000 };
        let client = Client { address, port, is_tcp: who & IS_TCP != 0 };
        let settings = &self.settings[match (who & MAY_NOT_ASK != 0, who & HAS_NO_COOKIES != 0) {
            (true, _) => 2,
            (_, true) => 0,
            _ => 1,
        }];
        let snapshot = self.store.snapshot();
        let view = snapshot.as_ref().filter(|_| who & HAS_NO_STORE == 0);
        let room = if client.is_tcp { 65535 } else { 1232 };
        let out = &mut self.out[..room];
        let decision = decide(who, query, view, &client, settings, &mut self.scratch, out);
        check(query, &client, decision, out);
        self.answered += 1;
        if self.answered % TWINS_EVERY != 0 {
            return;
        }
        let again = &mut self.again[..room];
        again.fill(0xFF);
        let mut fresh = Scratch::default();
        let twin = decide(who, query, view, &client, settings, &mut fresh, again);
        assert_eq!(decision, twin, "what was answered before shows");
        if let Decision::Reply(size) = decision {
            assert_eq!(out[..size], again[..size], "what was answered before shows");
            assert_eq!(self.scratch.facts(), fresh.facts());
            assert_eq!(self.scratch.subject(), fresh.subject());
        }
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(scratch_directory());
    }
}

fn scratch_directory() -> PathBuf {
    std::env::temp_dir().join(format!("dns-node-fuzz-{}", std::process::id()))
}

fn decide(
    who: u8,
    query: &[u8],
    view: Option<&Snapshot<'_>>,
    client: &Client,
    settings: &Settings,
    scratch: &mut Scratch,
    out: &mut [u8],
) -> Decision {
    match who & (IS_LIMITED | IS_FAULT) {
        IS_LIMITED => respond_limited(query, client, NOW_S, settings, scratch, out),
        IS_FAULT => respond_servfail(query, client, NOW_S, settings, scratch, out),
        _ => respond(query, view, client, NOW_S, settings, scratch, out),
    }
}

fn check(query: &[u8], client: &Client, decision: Decision, out: &[u8]) {
    let is_unanswerable = query.len() < 12 || query[2] & 0x80 != 0 || client.port == 0;
    let size = match decision {
        Decision::Drop => return assert!(is_unanswerable, "a request was dropped"),
        Decision::Punt | Decision::Wait => panic!("a sound store never needs the definition"),
        Decision::Reply(size) => size,
    };
    assert!(!is_unanswerable, "a reply to one who must get none");
    let reply = &out[..size];
    let may_be = match (client.is_tcp, query[10..12] == [0, 0]) {
        (true, _) => 65535,
        (_, true) => 512,
        _ => 1232,
    };
    assert!(size <= may_be, "{size} octets");
    assert_eq!(reply[..2], query[..2], "the id");
    assert!(reply[2] & 0x80 != 0, "QR");
    check_form(query, reply);
}

/// Walk the reply: every name ends, every pointer leads backwards, and nothing is left behind.
fn check_form(query: &[u8], reply: &[u8]) {
    let count = |at: usize| usize::from(reply[at]) << 8 | usize::from(reply[at + 1]);
    assert!(count(4) <= 1);
    let mut at = 12;
    if count(4) == 1 {
        at = skip_name(reply, at) + 4;
        assert_eq!(reply[12..at], query[12..at], "the question");
    }
    for _ in 0..count(6) + count(8) + count(10) {
        at = skip_name(reply, at);
        at += 10 + count(at + 8);
    }
    assert_eq!(at, reply.len());
}

fn skip_name(reply: &[u8], start: usize) -> usize {
    let (mut at, mut end, mut size, mut jumps) = (start, None, 0, 0);
    loop {
        let label = usize::from(reply[at]);
        if label >= 0xC0 {
            let target = (label & 0x3F) << 8 | usize::from(reply[at + 1]);
            end = end.or(Some(at + 2));
            assert!(target < at, "a pointer that does not lead backwards");
            jumps += 1;
            assert!(jumps < 128);
            at = target;
            continue;
        }
        size += 1 + label;
        assert!(size <= 255, "a name of {size} octets");
        at += 1 + label;
        if label == 0 {
            return end.unwrap_or(at);
        }
    }
}

/// Parse one input as a query; what is found lies within it.
pub fn parse(input: &[u8]) {
    let Some((&who, octets)) = input.split_first() else { return };
    if octets.len() < 12 {
        return;
    }
    if let Ok(query) = Query::parse(octets, who & IS_TCP != 0) {
        assert!(query.question.len() <= 259);
        assert!(octets[12..].starts_with(query.question));
        assert!(query.edns.is_none_or(|edns| edns.payload_size_octets >= 512));
    }
}
