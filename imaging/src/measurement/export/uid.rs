//! UIDs without a registered root.

/// What UIDs are made from: the same seed gives the same UIDs, so that exports can be repeated and tested.
///
/// A seed is 128 random bits of the caller, one per document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UidSeed(pub u128);

impl UidSeed {
    /// The UID of a purpose (from 0): `2.25.` and a UUID of its own as a decimal number.
    ///
    /// Source: PS3.5 B.2; RFC 9562 5.8 (version 8, made in a way of one's own).
    pub fn uid(self, purpose: u64) -> String {
        let low_seed = self.0 as u64;
        let high = mixed((self.0 >> 64) as u64 ^ mixed(low_seed ^ mixed(purpose)));
        let low = mixed(low_seed ^ mixed(high ^ purpose));
        let bits = (u128::from(high) << 64) | u128::from(low);
        let versioned = (bits & !(0xF << 76)) | (8 << 76);
        let uuid = (versioned & !(0b11 << 62)) | (0b10 << 62);
        format!("2.25.{uuid}")
    }
}

/// SplitMix64's output function: every bit of the input reaches every bit of the output.
///
/// Source: Steele, Lea and Flood, *Fast splittable pseudorandom number generators*, 2014.
fn mixed(value: u64) -> u64 {
    let z = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn uids_are_valid_repeatable_and_all_different() {
        let mut seen = BTreeSet::new();
        for seed in [0, 1, u128::MAX, 0x1234_5678_9ABC_DEF0 << 40] {
            for purpose in 0..1000 {
                let uid = UidSeed(seed).uid(purpose);
                assert_eq!(uid, UidSeed(seed).uid(purpose));
                let digits = uid.strip_prefix("2.25.").unwrap();
                let number: u128 = digits.parse().unwrap();
                assert!(uid.len() <= 64 && !digits.starts_with('0'));
                assert_eq!(((number >> 76) & 0xF, (number >> 62) & 0b11), (8, 0b10));
                assert!(seen.insert(uid));
            }
        }
    }
}
