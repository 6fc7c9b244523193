//! What nobody can guess: ids, ports, letters, cookies; from the kernel, a few thousand octets at
//! once.

use crate::recursion::watch::fill_from_kernel;

const STOCK_OCTETS: usize = 4096;

/// A stock of octets by chance; each is handed out once.
pub struct Chance {
    stock: Box<[u8; STOCK_OCTETS]>,
    used: usize,
}

impl Default for Chance {
    fn default() -> Self {
        Chance { stock: Box::new([0; STOCK_OCTETS]), used: STOCK_OCTETS }
    }
}

impl Chance {
    /// Return *N* octets, at most a stock's; None when the kernel has none, and then nothing may be
    /// asked.
    #[inline]
    pub fn octets<const N: usize>(&mut self) -> Option<[u8; N]> {
        if self.used + N > STOCK_OCTETS {
            if !fill_from_kernel(&mut self.stock[..]) {
                return None;
            }
            self.used = 0;
        }
        let mut found = [0; N];
        let part = &mut self.stock[self.used..self.used + N];
        found.copy_from_slice(part);
        part.fill(0);
        self.used += N;
        Some(found)
    }

    /// Return a port from 1024 to 65535, each as likely as the others.
    pub fn port(&mut self) -> Option<u16> {
        loop {
            let port = u16::from_be_bytes(self.octets()?);
            if port >= 1024 {
                return Some(port);
            }
        }
    }

    /// Return a number below *end*, which is small against 2^32.
    pub fn below(&mut self, end: usize) -> Option<usize> {
        let number = u64::from(u32::from_be_bytes(self.octets()?));
        Some(((number * end as u64) >> 32) as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_over_the_whole_range_and_octets_are_handed_out_once() {
        let mut chance = Chance::default();
        let mut ports: Vec<u16> = (0..4000).map(|_| chance.port().unwrap()).collect();
        assert!(ports.iter().all(|&port| port >= 1024));
        assert!(ports.iter().any(|&port| port < 3000) && ports.iter().any(|&port| port > 63000));
        ports.sort_unstable();
        ports.dedup();
        assert!(ports.len() > 3700, "{} of 4000", ports.len());
        let one: [u8; 32] = chance.octets().unwrap();
        let other: [u8; 32] = chance.octets().unwrap();
        assert_ne!(one, other);
        assert!((0..1000).all(|_| chance.below(3).unwrap() < 3));
    }
}
