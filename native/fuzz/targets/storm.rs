//! `storm STORE PACK [INPUTS [SECONDS [SEED]]]`: answers every query of the pack, then mutations of
//! them, and judges as many replies of servers, until there were so many inputs or so many seconds
//! are over.
//!
//! Ends with an error at the first reply that is none that may be sent; the input is printed.

use std::panic::{catch_unwind, AssertUnwindSafe};
use std::path::Path;
use std::process::exit;
use std::time::{Duration, Instant};

use dns_node_fuzz::replies::{seeds, ReplyBench};
use dns_node_fuzz::{parse, Bench};

/// Labels and options that chance alone would seldom write.
const WORDS: [&[u8]; 12] = [
    b"\x01*",
    b"\x03www",
    b"\x07example\0",
    b"\x05other\0",
    b"\xC0\x0C",
    b"\0\0\x29\x04\xD0\0\0\x80\0\0\0",
    b"\0\x0A\0\x08",
    b"\0\x03\0\0",
    b"\0\x0B\0\0",
    b"\0\xFF\0\x01",
    b"\0\x06\0\x01",
    b"\0\x2B\0\x01",
];

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let number = |at: usize, otherwise: u64| {
        arguments.get(at).map_or(otherwise, |text| text.parse().expect("a number"))
    };
    let (most, seconds, seed) = (number(3, u64::MAX), number(4, 20), number(5, 1));
    let octets = std::fs::read(&arguments[2]).expect("the pack");
    let mut pack = Vec::new();
    let mut rest = &octets[..];
    while let [high, low, behind @ ..] = rest {
        let (input, behind) = behind.split_at(usize::from(*high) << 8 | usize::from(*low));
        pack.push(input);
        rest = behind;
    }
    let mut bench = Bench::open(Path::new(&arguments[1]));
    let mut chance = Chance(seed.max(1));
    let mut input = Vec::new();
    let replies = seeds();
    let replies: Vec<&[u8]> = replies.iter().map(Vec::as_slice).collect();
    let mut judge = ReplyBench::default();
    let mut reply = Vec::new();
    let (begin, mut inputs) = (Instant::now(), 0);
    while inputs < most {
        if let Some(known) = pack.get(inputs as usize) {
            input.clear();
            input.extend_from_slice(known);
        } else {
            mutate(&pack, &mut chance, &mut input);
        }
        match replies.get(inputs as usize) {
            Some(known) => reply = known.to_vec(),
            None => mutate(&replies, &mut chance, &mut reply),
        }
        inputs += 1;
        let work = || {
            bench.answer(&input);
            parse(&input);
            judge.judge(&reply);
        };
        if catch_unwind(AssertUnwindSafe(work)).is_err() {
            println!("after {inputs} inputs of seed {seed}: {}", input.escape_ascii());
            println!("and the reply {}", reply.escape_ascii());
            exit(1);
        }
        if inputs % 4096 == 0 && begin.elapsed() > Duration::from_secs(seconds) {
            break;
        }
    }
    let (taken, seconds) = (judge.taken, begin.elapsed().as_secs_f64());
    println!("{inputs} inputs of seed {seed} in {seconds:.0} s, {taken} replies taken: no fault");
}

fn mutate(pack: &[&[u8]], chance: &mut Chance, input: &mut Vec<u8>) {
    input.clear();
    input.extend_from_slice(pack[chance.below(pack.len())]);
    for _ in 0..1 + chance.below(4) {
        if input.len() < 2 {
            return;
        }
        let at = chance.below(input.len());
        match chance.below(8) {
            0 => input.truncate(at),
            1 => input.insert(at, chance.next() as u8),
            2 => drop(input.remove(at)),
            3 => input[at] ^= 1 << chance.below(8),
            4 => {
                let word = WORDS[chance.below(WORDS.len())];
                input.splice(at..at, word.iter().copied());
            }
            5 => {
                let other = pack[chance.below(pack.len())];
                let from = chance.below(other.len().max(1));
                input.truncate(at);
                input.extend_from_slice(other.get(from..).unwrap_or(&[]));
            }
            6 => input[0] = chance.next() as u8,
            _ => input[at] = chance.next() as u8,
        }
    }
    input.truncate(4096);
}

/// Numbers by chance (xorshift64*): the same ones for the same seed.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }
}
