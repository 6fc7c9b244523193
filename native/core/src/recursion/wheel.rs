//! When questions in flight are given up: a wheel of lists, one for each tick of the next two
//! seconds.

/// How often the wheel is turned.
pub const TICK_MS: u64 = 16;

const SLOTS: usize = 128;
const NONE: u32 = u32::MAX;

/// The longest time that can be waited.
pub const WAIT_MS_MAX: u64 = (SLOTS as u64 - 2) * TICK_MS;

#[derive(Clone, Copy)]
struct Link {
    before: u32,
    after: u32,
    /// The list it is in, or NONE.
    slot: u32,
    /// The tick at which it is over.
    tick: u64,
}

const LOOSE: Link = Link { before: NONE, after: NONE, slot: NONE, tick: 0 };

/// Numbered things, each in at most one list.
pub struct Wheel {
    links: Vec<Link>,
    firsts: [u32; SLOTS],
    /// The tick up to which all is over.
    tick: u64,
}

impl Wheel {
    /// A wheel for things with numbers below *things*.
    pub fn new(things: usize) -> Wheel {
        Wheel { links: vec![LOOSE; things], firsts: [NONE; SLOTS], tick: 0 }
    }

    /// Have thing *number*, which is in no list, given up *wait_ms* after *now_ms*.
    pub fn put(&mut self, number: u32, now_ms: u64, wait_ms: u64) {
        debug_assert!(self.links[number as usize].slot == NONE);
        // One tick more: of the first only a part is left.
        let tick = ((now_ms + wait_ms.min(WAIT_MS_MAX)) / TICK_MS + 1).max(self.tick + 1);
        let slot = tick as usize % SLOTS;
        let first = self.firsts[slot];
        if first != NONE {
            self.links[first as usize].before = number;
        }
        self.links[number as usize] = Link { before: NONE, after: first, slot: slot as u32, tick };
        self.firsts[slot] = number;
    }

    /// Take thing *number* out, wherever it is.
    pub fn remove(&mut self, number: u32) {
        let link = std::mem::replace(&mut self.links[number as usize], LOOSE);
        if link.slot == NONE {
            return;
        }
        if link.after != NONE {
            self.links[link.after as usize].before = link.before;
        }
        if link.before == NONE {
            self.firsts[link.slot as usize] = link.after;
        } else {
            self.links[link.before as usize].after = link.after;
        }
    }

    /// Take out one thing whose time is over at *now_ms*.
    pub fn next_over(&mut self, now_ms: u64) -> Option<u32> {
        let now = now_ms / TICK_MS;
        // After a long silence every list is looked at once.
        self.tick = self.tick.max(now.saturating_sub(SLOTS as u64));
        while self.tick < now {
            let mut number = self.firsts[(self.tick + 1) as usize % SLOTS];
            while number != NONE {
                let link = self.links[number as usize];
                // After a silence its list may be looked at before its time.
                if link.tick <= now {
                    self.remove(number);
                    return Some(number);
                }
                number = link.after;
            }
            self.tick += 1;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_comes_out_when_its_time_is_over_and_not_before() {
        let mut wheel = Wheel::new(1000);
        let mut due = Vec::new();
        let mut now_ms = 5000;
        for number in 0..1000u32 {
            let wait_ms = u64::from(number) * 37 % 900;
            wheel.put(number, now_ms, wait_ms);
            due.push((now_ms + wait_ms, number));
            if number % 3 == 0 {
                wheel.remove(number);
                wheel.remove(number);
                due.pop();
            }
            now_ms += u64::from(number % 5);
            while let Some(over) = wheel.next_over(now_ms) {
                let at = due.iter().position(|&(_, number)| number == over).unwrap();
                let (due_ms, _) = due.swap_remove(at);
                assert!(due_ms <= now_ms && now_ms < due_ms + 3 * TICK_MS);
            }
            assert!(due.iter().all(|&(due_ms, _)| now_ms < due_ms + 2 * TICK_MS));
        }
        while let Some(over) = wheel.next_over(now_ms + 100_000) {
            due.retain(|&(_, number)| number != over);
        }
        assert!(due.is_empty());
    }

    #[test]
    fn after_a_silence_nothing_is_over_before_its_time() {
        let mut wheel = Wheel::new(2);
        assert_eq!(wheel.next_over(1000), None);
        wheel.put(0, 100_000, 700);
        wheel.put(1, 100_000, 50);
        assert_eq!(wheel.next_over(100_016), None);
        assert_eq!(wheel.next_over(100_100), Some(1));
        assert_eq!(wheel.next_over(100_690), None);
        assert_eq!(wheel.next_over(100_740), Some(0));
    }
}
