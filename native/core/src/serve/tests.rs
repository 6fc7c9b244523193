//! What a wake-up and a turn of a stream do with odd answers.

use super::*;
use crate::counters::{BUCKETS, NAMES};
use crate::snapshot::Snapshot;
use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::sync::atomic::Ordering;

const NOW: Now = Now { s: 0.0, us: 0 };

/// Panics at queries that begin with 0xFF, drops empty ones, punts `?`, else echoes.
fn respond_oddly(
    query: &[u8],
    _: Option<&Snapshot<'_>>,
    _: &Client,
    _: f64,
    _: &Settings,
    _: &mut Scratch,
    out: &mut [u8],
) -> Decision {
    match query.first() {
        Some(0xFF) => panic!("a fault in the program"),
        Some(b'?') => Decision::Punt,
        Some(_) => {
            out[..query.len()].copy_from_slice(query);
            Decision::Reply(query.len())
        }
        None => Decision::Drop,
    }
}

#[derive(Default)]
struct Notes {
    handed_up: Vec<Vec<u8>>,
    answered: Vec<Vec<u8>>,
}

impl Witness for Notes {
    fn wants_answers(&self) -> bool {
        true
    }
    fn answered(&mut self, _: &[u8], reply: &[u8], _: &Sender) {
        self.answered.push(reply.to_vec());
    }
    fn handed_up(&mut self, query: &[u8], _: &Sender, _: Option<(i32, i32, &[u8])>) {
        self.handed_up.push(query.to_vec());
    }
    fn answered_late(&mut self, _: RawFd, _: &[u8], reply: &[u8], _: &Sender) {
        self.answered.push(reply.to_vec());
    }
    fn handed_up_late(
        &mut self,
        _: RawFd,
        _: Duration,
        query: &[u8],
        _: &Sender,
        _: Option<(i32, i32, &[u8])>,
    ) {
        self.handed_up.push(query.to_vec());
    }
}

fn server() -> (Server, &'static [AtomicU64]) {
    let mut names: Vec<String> = NAMES.iter().map(|name| name.to_string()).collect();
    names.extend((0..BUCKETS).map(|number| format!("bucket_{number}")));
    let block: Vec<AtomicU64> = names.iter().map(|_| AtomicU64::new(0)).collect();
    let block = Box::leak(block.into_boxed_slice());
    let mut server = Server::new(Places::find(&names, "bucket_0").unwrap(), block, None);
    server.responder = respond_oddly;
    (server, block)
}

fn count(block: &[AtomicU64], counter: Counter) -> u64 {
    block[counter as usize].load(Ordering::Relaxed)
}

#[test]
fn a_panic_is_handed_up_and_the_rest_is_answered() {
    let (mut server, block) = server();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let queries: [&[u8]; 4] = [&[1; 12], &[0xFF; 12], b"?", &[2; 12]];
    for query in queries {
        client.send_to(query, socket.local_addr().unwrap()).unwrap();
    }
    let mut notes = Notes::default();
    let served = server.serve(socket.as_raw_fd(), false, NOW, &mut notes);
    assert_eq!(served, Served { received: 4, punts: 2 });
    assert_eq!(notes.handed_up, [vec![0xFF; 12], b"?".to_vec()]);
    assert_eq!(notes.answered, [[1; 12], [2; 12]]);
    let mut octets = [0; 64];
    for expected in [1, 2] {
        assert_eq!(client.recv(&mut octets).unwrap(), 12);
        assert_eq!(octets[0], expected);
    }
    assert_eq!(count(block, Counter::NativePanics), 1);
    assert_eq!(count(block, Counter::NativePunts), 2);
    assert_eq!(count(block, Counter::RepliesUdp), 2);
    let buckets: u64 = block[NAMES.len()..].iter().map(|cell| cell.load(Ordering::Relaxed)).sum();
    assert_eq!(buckets, 2);
}

#[test]
fn a_stream_is_answered_up_to_what_python_must_do() {
    let (mut server, _) = server();
    let client = Client { address: [127, 0, 0, 1].into(), port: 1, is_tcp: true };
    let mut octets = Vec::new();
    for query in [&[1; 12][..], &[2; 13], b"?", &[3; 12], &[4; 12]] {
        octets.extend((query.len() as u16).to_be_bytes());
        octets.extend(query);
    }
    octets.pop();
    let mut seen = 0;
    let mut answered = |_: &[u8], _: &[u8]| seen += 1;
    let first = server.serve_stream(&octets, &client, NOW, 64, &mut answered);
    assert_eq!((first.queries, first.end, first.consumed), (2, StreamEnd::Punt, 29));
    assert_eq!(server.stream(first.replies_octets), &octets[..29]);
    let rest = &octets[first.consumed + 3..];
    let second = server.serve_stream(rest, &client, NOW, 64, &mut answered);
    assert_eq!((second.queries, second.end, second.consumed), (1, StreamEnd::Empty, 14));
    let third = server.serve_stream(&octets, &client, NOW, 1, &mut answered);
    assert_eq!((third.queries, third.end), (1, StreamEnd::Share));
    let last = server.serve_stream(&[0, 0], &client, NOW, 1, &mut answered);
    assert_eq!((last.queries, last.end), (1, StreamEnd::Drop));
    assert_eq!(seen, 4);
}
