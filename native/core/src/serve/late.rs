//! What servers have answered becomes replies, and what they have not is handed up.

use std::panic::{catch_unwind, AssertUnwindSafe};

use crate::counters::Counter;
use crate::recursion::watch::{CLOCK, EVENTS_MAX};
use crate::recursion::{Heard, Misses};
use crate::respond::Client;
use crate::serve::{Server, Witness};
use crate::turn::{compose_due, Now};

/// Looks at the sockets in one turn: what waits at others has its turn after that.
const LOOKS_MAX: usize = 8;

/// What Python hears of, of all that was learnt: what is asked seldom; of a flood, a part.
const LEARNT_MAX: usize = 256;

impl Server {
    /// Go on with what is in flight; return how many queries were handed up.
    pub fn resume(&mut self, now: Now, witness: &mut dyn Witness) -> usize {
        let Some(mut misses) = self.misses.take() else { return 0 };
        let mut punts = 0;
        for _ in 0..LOOKS_MAX {
            let found = misses.watch.look();
            for event in 0..found {
                let token = misses.watch.token(event);
                if token == CLOCK {
                    misses.watch.hear_clock();
                } else if let Some(number) = misses.asks.of_token(token) {
                    punts += self.hear(&mut misses, number, now, witness);
                }
            }
            if found < EVENTS_MAX {
                break;
            }
        }
        while let Some(number) = misses.next_over() {
            punts += self.hand_up(&mut misses, number, Counter::UpstreamTimeouts, now, witness);
        }
        if misses.asks.is_empty() {
            misses.watch.wind_up(None);
        }
        self.misses = Some(misses);
        // Counted before a client can know that it was answered.
        self.write_tally();
        let sent = self.outbox.flush();
        self.tally.add(Counter::RepliesUdp, sent.replies);
        self.tally.add(Counter::SendFailures, sent.failures);
        self.tally.add(Counter::NativePunts, punts);
        self.write_tally();
        punts
    }

    /// Ask no more, and hand up who waits.
    pub fn stop_asking(&mut self, now: Now, witness: &mut dyn Witness) {
        let Some(mut misses) = self.misses.take() else { return };
        while let Some(number) = misses.any() {
            misses.asks.end(number);
            self.hand_up_waiters(&mut misses, number, now, witness);
        }
        self.write_tally();
    }

    /// Take what the socket of question *number* has.
    fn hear(
        &mut self,
        misses: &mut Misses,
        number: u32,
        now: Now,
        witness: &mut dyn Witness,
    ) -> usize {
        match misses.hear(number) {
            Heard::Nothing => 0,
            Heard::Failure => self.hand_up(misses, number, Counter::UpstreamFailures, now, witness),
            Heard::Reply(size) => {
                let work = || self.keep(misses, number, size, now);
                let is_kept = catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
                    self.tally.add(Counter::NativePanics, 1);
                    false
                });
                if is_kept {
                    self.answer_waiters(misses, number, now, witness)
                } else {
                    self.hand_up_waiters(misses, number, now, witness)
                }
            }
        }
    }

    /// Keep the reply to question *number* in the message cache; false when it can't be.
    fn keep(&mut self, misses: &mut Misses, number: u32, size: usize, now: Now) -> bool {
        let Some(message) = misses.finish(number, size, now.s) else { return false };
        let kept = &mut self.kept;
        if kept.learnt.len() < LEARNT_MAX {
            kept.learnt.push(compose_due(&message.key));
        }
        kept.cache.put(&message.key, message.octets, message.ttl_s, now.s, None)
    }

    fn answer_waiters(
        &mut self,
        misses: &mut Misses,
        number: u32,
        now: Now,
        witness: &mut dyn Witness,
    ) -> usize {
        let wants_answers = witness.wants_answers();
        let ask = misses.asks.get(number);
        let (took, near_misses) = (ask.sent.elapsed(), ask.near_misses);
        let (mut place, mut answered, mut punts) = (None, 0, 0);
        let mut outbox = std::mem::take(&mut self.outbox);
        let (mut turn, _, _) = self.turn(now, false);
        while let Some(next) = misses.asks.next_waiter(number, place) {
            place = Some(next);
            let waiter = misses.asks.waiter(next);
            turn.count_end(waiter);
            let sender = waiter.back.sender();
            let client = Client { address: sender.address, port: sender.port, is_tcp: false };
            let room = outbox.room();
            let back = &waiter.back;
            match turn.answer_late(&waiter.query, &client, room) {
                Some(size) => {
                    let reply = &room[..size];
                    turn.tally.add_reply(&waiter.query, reply);
                    turn.count_query(&waiter.query, &client);
                    turn.count_cookie(waiter.facts);
                    if wants_answers {
                        witness.answered_late(back.socket, &waiter.query, reply, &sender);
                    }
                    outbox.queue(size, back);
                    answered += 1;
                }
                None => {
                    let (query, source) = (&waiter.query, back.source());
                    witness.handed_up_late(back.socket, took, query, &sender, source);
                    punts += 1;
                }
            }
        }
        turn.tally.add_resolved(answered, took);
        turn.tally.add(Counter::UpstreamNearMisses, near_misses as usize);
        self.outbox = outbox;
        self.places.write_latency(took, answered, self.numbers);
        misses.asks.release(number);
        punts
    }

    /// Give up question *number*.
    fn hand_up(
        &mut self,
        misses: &mut Misses,
        number: u32,
        why: Counter,
        now: Now,
        witness: &mut dyn Witness,
    ) -> usize {
        self.tally.add(why, 1);
        misses.give_up(number, now.s);
        self.hand_up_waiters(misses, number, now, witness)
    }

    fn hand_up_waiters(
        &mut self,
        misses: &mut Misses,
        number: u32,
        now: Now,
        witness: &mut dyn Witness,
    ) -> usize {
        let ask = misses.asks.get(number);
        let (took, near_misses) = (ask.sent.elapsed(), ask.near_misses);
        self.tally.add(Counter::UpstreamNearMisses, near_misses as usize);
        let (mut place, mut punts) = (None, 0);
        let (mut turn, _, _) = self.turn(now, false);
        while let Some(next) = misses.asks.next_waiter(number, place) {
            place = Some(next);
            let waiter = misses.asks.waiter(next);
            turn.count_end(waiter);
            let back = &waiter.back;
            let (query, source) = (&waiter.query, back.source());
            witness.handed_up_late(back.socket, took, query, &back.sender(), source);
            punts += 1;
        }
        misses.asks.release(number);
        punts
    }
}
