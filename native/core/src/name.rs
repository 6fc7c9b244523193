//! Domain names and the keys that the store has for them (`dns_node.store.layout`).

/// The octets of the longest name.
pub const NAME_OCTETS_MAX: usize = 255;
/// The labels of the longest name, without the root's.
pub const LABELS_MAX: usize = 127;
const KEY_OCTETS_MAX: usize = 504;
/// Room for the longest key of table `names`.
pub const KEY_ROOM: usize = 512;
/// Octets before an owner key, for the number of the zone.
const PREFIX_OCTETS: usize = 4;

/// Return where each label of *name* begins (the root's not counted) and how many there are; None
/// when *name* is no whole uncompressed name of at most 255 octets.
pub fn label_starts(name: &[u8], starts: &mut [u8; 128]) -> Option<usize> {
    let (mut at, mut count) = (0, 0);
    if name.len() > NAME_OCTETS_MAX {
        return None;
    }
    loop {
        let size = *name.get(at)? as usize;
        if size == 0 {
            return (at + 1 == name.len()).then_some(count);
        }
        if size > 63 {
            return None;
        }
        starts[count] = at as u8;
        count += 1;
        at += size + 1;
    }
}

/// Return the size of the name at the beginning of *octets*, with its final zero octet; None when
/// there is none of at most 255 octets.
pub fn name_size(octets: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let size = *octets.get(at)? as usize;
        at += size + 1;
        if size > 63 || at > NAME_OCTETS_MAX {
            return None;
        }
        if size == 0 {
            return Some(at);
        }
    }
}

/// Say whether *name* is *ancestor* or below it.
pub fn is_at_or_below(name: &[u8], ancestor: &[u8]) -> bool {
    let Some(border) = name.len().checked_sub(ancestor.len()) else { return false };
    let mut at = 0;
    while at < border {
        at += name[at] as usize + 1;
    }
    at == border && &name[border..] == ancestor
}

/// An owner name with its key, and where the names above it end in both.
///
/// *Depth* is the number of labels: the root has depth 0, the owner itself the greatest.
pub struct Owner {
    name: [u8; NAME_OCTETS_MAX],
    size: usize,
    labels: usize,
    /// Where the name of each depth begins in `name`; that of the root is its final zero octet.
    starts: [u8; LABELS_MAX + 1],
    key: [u8; PREFIX_OCTETS + KEY_OCTETS_MAX],
    /// Where the key of each depth ends in `key`.
    ends: [u16; LABELS_MAX + 1],
}

impl Default for Owner {
    fn default() -> Self {
        Owner {
            name: [0; NAME_OCTETS_MAX],
            size: 1,
            labels: 0,
            starts: [0; LABELS_MAX + 1],
            key: [0; PREFIX_OCTETS + KEY_OCTETS_MAX],
            ends: [PREFIX_OCTETS as u16; LABELS_MAX + 1],
        }
    }
}

impl Owner {
    /// Become *name*, which is in lower case; false, and the root, when it is no name.
    #[must_use]
    pub fn set(&mut self, name: &[u8]) -> bool {
        let mut starts = [0; 128];
        let Some(labels) = label_starts(name, &mut starts) else {
            self.name[0] = 0;
            (self.size, self.labels, self.starts[0]) = (1, 0, 0);
            return false;
        };
        self.name[..name.len()].copy_from_slice(name);
        self.size = name.len();
        self.labels = labels;
        self.starts[0] = name.len() as u8 - 1;
        let mut end = PREFIX_OCTETS;
        for depth in 1..=labels {
            let start = starts[labels - depth];
            self.starts[depth] = start;
            let start = start as usize;
            for octet in &name[start + 1..start + 1 + name[start] as usize] {
                if *octet > 1 {
                    self.key[end] = *octet;
                } else {
                    // 00 is written 01 01, and 01 is written 01 02.
                    self.key[end] = 1;
                    end += 1;
                    self.key[end] = octet + 1;
                }
                end += 1;
            }
            self.key[end] = 0;
            end += 1;
            self.ends[depth] = end as u16;
        }
        true
    }

    /// The number of labels.
    pub fn depth(&self) -> usize {
        self.labels
    }

    /// The whole name.
    pub fn name(&self) -> &[u8] {
        &self.name[..self.size]
    }

    /// The name of the last *depth* labels.
    pub fn name_at(&self, depth: usize) -> &[u8] {
        &self.name[self.starts[depth] as usize..self.size]
    }

    /// The key in table `zones` of the name at *depth*.
    pub fn zone_key(&mut self, depth: usize) -> &[u8] {
        self.key[PREFIX_OCTETS - 1] = 0;
        &self.key[PREFIX_OCTETS - 1..self.ends[depth] as usize]
    }

    /// The key in table `names` of the name at *depth* in the zone with this number.
    pub fn name_key(&mut self, zone_id: u32, depth: usize) -> &[u8] {
        self.key[..PREFIX_OCTETS].copy_from_slice(&zone_id.to_be_bytes());
        &self.key[..self.ends[depth] as usize]
    }

    /// The key in table `names` of the wildcard below the name at *depth*, which has at most 253
    /// octets.
    pub fn wildcard_key<'r>(
        &mut self,
        zone_id: u32,
        depth: usize,
        room: &'r mut [u8; KEY_ROOM],
    ) -> &'r [u8] {
        let parent = self.name_key(zone_id, depth);
        let end = parent.len();
        room[..end].copy_from_slice(parent);
        room[end..end + 2].copy_from_slice(b"*\0");
        &room[..end + 2]
    }

    /// The greatest depth, up to *most*, whose owner key is at most *size_octets* long.
    pub fn depth_within(&self, size_octets: usize, most: usize) -> usize {
        let end = PREFIX_OCTETS + size_octets;
        (1..=most).rev().find(|depth| self.ends[*depth] as usize <= end).unwrap_or(0)
    }

    /// The greatest depth whose key *other*, an owner key, has in common.
    pub fn common_depth(&self, other: &[u8]) -> usize {
        let own = &self.key[PREFIX_OCTETS..self.ends[self.labels] as usize];
        let common = own.iter().zip(other).take_while(|(one, two)| one == two).count();
        self.depth_within(common, self.labels)
    }
}

/// Append the name whose owner key is *key* to *octets*; None when there is no such name.
pub fn append_name(key: &[u8], octets: &mut Vec<u8>) -> Option<usize> {
    let begin = octets.len();
    let mut end = key.len();
    if end > 0 && key[end - 1] != 0 {
        return None;
    }
    while end > 0 {
        let start = key[..end - 1].iter().rposition(|octet| *octet == 0).map_or(0, |at| at + 1);
        let size_at = octets.len();
        octets.push(0);
        let mut label = key[start..end - 1].iter();
        while let Some(octet) = label.next() {
            octets.push(if *octet == 1 { label.next()?.checked_sub(1)? } else { *octet });
        }
        let size = octets.len() - size_at - 1;
        if size == 0 || size > 63 {
            return None;
        }
        octets[size_at] = size as u8;
        end = start;
    }
    octets.push(0);
    (octets.len() - begin <= NAME_OCTETS_MAX).then_some(octets.len() - begin)
}
