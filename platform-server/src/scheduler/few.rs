//! An ordered map that mostly holds one entry, and then needs no memory of its own.
//!
//! Where no two operators ask for the same, there are as many of these as operators.

use std::collections::BTreeMap;

#[derive(Debug, Default)]
pub(super) enum Few<K, V> {
    #[default]
    Nothing,
    One(K, V),
    Many(BTreeMap<K, V>),
}

impl<K: Ord + Copy, V: Copy> Few<K, V> {
    /// The value that was there.
    pub(super) fn insert(&mut self, key: K, value: V) -> Option<V> {
        match self {
            Self::Nothing => {
                *self = Self::One(key, value);
                None
            }
            Self::One(known, old) if *known == key => Some(std::mem::replace(old, value)),
            Self::One(known, old) => {
                *self = Self::Many(BTreeMap::from([(*known, *old), (key, value)]));
                None
            }
            Self::Many(entries) => entries.insert(key, value),
        }
    }

    pub(super) fn remove(&mut self, key: K) -> Option<V> {
        match self {
            Self::One(known, value) if *known == key => {
                let value = *value;
                *self = Self::Nothing;
                Some(value)
            }
            Self::Nothing | Self::One(..) => None,
            Self::Many(entries) => entries.remove(&key),
        }
    }

    pub(super) fn get(&self, key: K) -> Option<V> {
        match self {
            Self::One(known, value) if *known == key => Some(*value),
            Self::Nothing | Self::One(..) => None,
            Self::Many(entries) => entries.get(&key).copied(),
        }
    }

    pub(super) fn first(&self) -> Option<(K, V)> {
        match self {
            Self::Nothing => None,
            Self::One(key, value) => Some((*key, *value)),
            Self::Many(entries) => entries.first_key_value().map(|(key, value)| (*key, *value)),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.first().is_none()
    }

    /// All entries, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (K, V)> + '_ {
        let (one, many) = match self {
            Self::Nothing => (None, None),
            Self::One(key, value) => (Some((*key, *value)), None),
            Self::Many(entries) => (None, Some(entries)),
        };
        one.into_iter().chain(many.into_iter().flatten().map(|(key, value)| (*key, *value)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_ordered_map_that_it_stands_for() {
        let (mut few, mut map) = (Few::Nothing, BTreeMap::new());
        let mut state = 3u64;
        for _ in 0..5000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let (key, value) = (state >> 62, state >> 40);
            if state >> 33 & 1 == 0 {
                assert_eq!(few.insert(key, value), map.insert(key, value));
            } else {
                assert_eq!(few.remove(key), map.remove(&key));
            }
            assert_eq!((few.get(key), few.is_empty()), (map.get(&key).copied(), map.is_empty()));
            assert_eq!(few.first(), map.first_key_value().map(|(key, value)| (*key, *value)));
            assert!(few.iter().eq(map.iter().map(|(key, value)| (*key, *value))));
        }
    }
}
