//! Who may do what: lists of networks (`dns_node.answer.access`).

use std::net::IpAddr;

/// A list of networks; an IPv4-mapped IPv6 address is the IPv4 address.
#[derive(Clone, Debug, Default)]
pub struct Networks {
    is_any: bool,
    prefixes: Vec<(u128, u128, bool)>,
}

impl Networks {
    /// Every address.
    pub fn any() -> Self {
        Networks { is_any: true, prefixes: Vec::new() }
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
            let mask = !(u128::MAX.checked_shr(length + (128 - bits)).unwrap_or(0));
            let mask = if address.is_ipv4() { mask | !(u128::MAX >> 96) } else { mask };
            networks.prefixes.push((number(address) & mask, mask, address.is_ipv4()));
        }
        Some(networks)
    }

    /// Say whether *address* is in one of the networks.
    pub fn lists(&self, address: IpAddr) -> bool {
        if self.is_any {
            return true;
        }
        let address = address.to_canonical();
        let wanted = number(address);
        self.prefixes.iter().any(|(network, mask, is_ipv4)| {
            *is_ipv4 == address.is_ipv4() && wanted & mask == *network
        })
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address),
    }
}
