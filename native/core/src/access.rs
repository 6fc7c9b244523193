//! Who may do what: lists of networks (`dns_node.answer.access`).

use std::net::IpAddr;

/// A list of networks; an IPv4-mapped IPv6 address is the IPv4 address.
#[derive(Clone, Debug, Default)]
pub struct Networks {
    is_any: bool,
    groups: Vec<Group>,
}

/// The networks of one family and size, so that a list of any length is searched once per size.
#[derive(Clone, Debug)]
struct Group {
    is_ipv4: bool,
    mask: u128,
    numbers: Vec<u128>,
}

impl Networks {
    /// Every address.
    pub fn any() -> Self {
        Networks { is_any: true, groups: Vec::new() }
    }

    /// The list that *texts* write: networks, addresses or `any`; None when one is none of them.
    pub fn parse<'t>(texts: impl IntoIterator<Item = &'t str>) -> Option<Self> {
        let mut networks = Networks::default();
        for text in texts {
            if text == "any" {
                networks.is_any = true;
                continue;
            }
            let (address, length) = match text.split_once('/') {
                Some((address, length)) => (address, Some(length.parse::<u32>().ok()?)),
                None => (text, None),
            };
            let address: IpAddr = address.parse().ok()?;
            let bits = if address.is_ipv4() { 32 } else { 128 };
            let length = length.unwrap_or(bits);
            if length > bits {
                return None;
            }
            networks.put(address, !u128::MAX.checked_shr(length + (128 - bits)).unwrap_or(0));
        }
        for group in &mut networks.groups {
            group.numbers.sort_unstable();
            group.numbers.dedup();
        }
        Some(networks)
    }

    fn put(&mut self, address: IpAddr, mask: u128) {
        let (number, is_ipv4) = (number(address) & mask, address.is_ipv4());
        let same = |group: &&mut Group| group.mask == mask && group.is_ipv4 == is_ipv4;
        match self.groups.iter_mut().find(same) {
            Some(group) => group.numbers.push(number),
            None => self.groups.push(Group { is_ipv4, mask, numbers: vec![number] }),
        }
    }

    /// Say whether *address* is in one of the networks.
    #[inline]
    pub fn lists(&self, address: IpAddr) -> bool {
        self.is_any || !self.groups.is_empty() && self.search(address.to_canonical())
    }

    fn search(&self, address: IpAddr) -> bool {
        let (wanted, is_ipv4) = (number(address), address.is_ipv4());
        self.groups.iter().any(|group| {
            group.is_ipv4 == is_ipv4 && group.numbers.binary_search(&(wanted & group.mask)).is_ok()
        })
    }
}

/// The address as a number: IPv4 in the low 32 bits.
fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lists(texts: &[&str], address: &str) -> bool {
        Networks::parse(texts.iter().copied()).unwrap().lists(address.parse().unwrap())
    }

    #[test]
    fn a_network_lists_its_addresses() {
        assert!(lists(&["192.0.2.0/24"], "192.0.2.255"));
        assert!(!lists(&["192.0.2.0/24"], "192.0.3.0"));
        assert!(lists(&["192.0.2.7/24", "10.0.0.0/8"], "192.0.2.1"));
        assert!(lists(&["192.0.2.7"], "::ffff:192.0.2.7"));
        assert!(!lists(&["::ffff:192.0.2.7"], "192.0.2.7"));
        assert!(lists(&["2001:db8::/32"], "2001:db8:ffff::1"));
        assert!(!lists(&["::/0"], "192.0.2.1"));
        assert!(lists(&["0.0.0.0/0"], "192.0.2.1"));
        assert!(!lists(&["0.0.0.0/0"], "::c000:201"));
        assert!(lists(&["any"], "::1"));
        assert!(!lists(&[], "::1"));
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in ["", "x", "192.0.2.0/33", "::/129", "192.0.2.0/", "192.0.2.0/-1", "1.2.3"] {
            assert!(Networks::parse([text]).is_none(), "{text}");
        }
    }
}
