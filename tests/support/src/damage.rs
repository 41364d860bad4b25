//! Repeatable damage to good files.

/// SplitMix64; the same seed gives the same damage in every run.
#[derive(Debug)]
pub struct Chance(pub u64);

impl Chance {
    /// A number below `below`, or 0 if that is 0.
    pub fn next(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % below.max(1) as u64) as usize
    }
}

/// A damaged copy: cut off, a lying number, bytes left out, bytes twice, other digits, or flipped bits.
///
/// Two thirds of the damage lies in the first `head_bytes`, since headers are small and matter most.
pub fn mutate(bytes: &[u8], head_bytes: usize, chance: &mut Chance) -> Vec<u8> {
    let mut mutant = bytes.to_vec();
    let reach = if chance.next(3) > 0 { mutant.len().min(head_bytes) } else { mutant.len() };
    match chance.next(7) {
        0 => mutant.truncate(chance.next(reach)),
        1 => {
            let at = chance.next(reach).min(mutant.len().saturating_sub(4));
            let lie = [u32::MAX, 0x7FFF_FFFF, 0xFFFF_FFFE, 0, 0x0001_0000][chance.next(5)];
            mutant[at..at + 4].copy_from_slice(&lie.to_le_bytes());
        }
        2 => {
            let at = chance.next(reach);
            mutant.drain(at..(at + 1 + chance.next(16)).min(bytes.len()));
        }
        3 => {
            let at = chance.next(reach);
            let piece = mutant[at..(at + 64).min(mutant.len())].to_vec();
            let to = chance.next(reach);
            mutant.splice(to..to, piece);
        }
        4 => {
            // Numbers written as text become other numbers.
            let digits: Vec<usize> = (0..reach).filter(|&i| mutant[i].is_ascii_digit()).collect();
            for _ in 0..=chance.next(6) {
                if let Some(&at) = digits.get(chance.next(digits.len())) {
                    mutant[at] = b"0123456789eE-+."[chance.next(15)];
                }
            }
        }
        _ => {
            for _ in 0..=chance.next(8) {
                let at = chance.next(reach);
                mutant[at] ^= 1 << chance.next(8);
            }
        }
    }
    mutant
}
