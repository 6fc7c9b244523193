//! Names in a message of a server (`dns_node.resolver.message`).

use crate::name::NAME_OCTETS_MAX;

/// Compression pointers that are followed in one name.
const POINTERS_MAX: usize = 32;
/// What all names of one message have together when they are written out.
const NAMES_SIZE_OCTETS_MAX: usize = 65_536;

/// The octets of one message, and how much its names may still have together.
pub struct Octets<'m> {
    octets: &'m [u8],
    room: usize,
}

impl<'m> Octets<'m> {
    /// Begin to read *octets*.
    pub fn new(octets: &'m [u8]) -> Octets<'m> {
        Octets { octets, room: NAMES_SIZE_OCTETS_MAX }
    }

    /// The octets from *start* to *end*.
    #[inline]
    pub fn part(&self, start: usize, end: usize) -> Option<&'m [u8]> {
        self.octets.get(start..end)
    }

    /// Two octets as a number.
    #[inline]
    pub fn u16_at(&self, at: usize) -> Option<u16> {
        let pair = self.octets.get(at..at + 2)?;
        Some(u16::from_be_bytes([pair[0], pair[1]]))
    }

    /// Four octets as a number.
    #[inline]
    pub fn u32_at(&self, at: usize) -> Option<u32> {
        let four = self.octets.get(at..at + 4)?;
        Some(u32::from_be_bytes([four[0], four[1], four[2], four[3]]))
    }

    /// Append the name at *start* to *name* in lower case; return the offset behind it.  None when
    /// there is none, or it costs too much.
    pub fn name(&mut self, start: usize, name: &mut Vec<u8>) -> Option<usize> {
        let begin = name.len();
        let (mut offset, mut segment, mut end, mut pointers) = (start, start, 0, 0);
        loop {
            let size = usize::from(*self.octets.get(offset)?);
            if size >= 0xC0 {
                let target = (size & 0x3F) << 8 | usize::from(*self.octets.get(offset + 1)?);
                pointers += 1;
                if target >= segment || pointers > POINTERS_MAX {
                    return None;
                }
                if end == 0 {
                    end = offset + 2;
                }
                (offset, segment) = (target, target);
                continue;
            }
            if size > 63 {
                return None;
            }
            name.extend_from_slice(self.octets.get(offset..offset + 1 + size)?);
            if name.len() - begin > NAME_OCTETS_MAX {
                return None;
            }
            offset += 1 + size;
            if size == 0 {
                // Length octets are at most 63, below "A".
                name[begin..].make_ascii_lowercase();
                self.room = self.room.checked_sub(name.len() - begin)?;
                return Some(if end == 0 { offset } else { end });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(octets: &[u8], start: usize) -> Option<(Vec<u8>, usize)> {
        let mut name = Vec::new();
        let end = Octets::new(octets).name(start, &mut name)?;
        Some((name, end))
    }

    #[test]
    fn a_name_is_written_out_and_in_lower_case() {
        let octets = b"\x01A\0\x01b\xC0\0\xC0\x03";
        assert_eq!(read(octets, 7), Some((b"\x01b\x01a\0".to_vec(), 9)));
        assert_eq!(read(octets, 3), Some((b"\x01b\x01a\0".to_vec(), 7)));
    }

    #[test]
    fn a_pointer_that_does_not_point_backwards_is_none() {
        for octets in [&b"\xC0\0"[..], b"\x01a\xC0\0", b"\x01a\xC0\x05\0\0", b"\x40", b"\x01a"] {
            assert_eq!(read(octets, 0), None);
        }
        let long: Vec<u8> = (0..5).flat_map(|_| [&[63][..], &[b'x'; 63]].concat()).collect();
        assert_eq!(read(&[&long[..], b"\0"].concat(), 0), None);
    }
}
