//! Operators in order, searched for the first that fits, many at a time.
//!
//! They lie in blocks; of each block the least that any of them asks for is known, resource by resource. A block
//! of which even that does not fit is passed as a whole, so that a search on a full machine looks at one line for
//! dozens of operators, and at little more than the answer on one that has room.

use platform_api::id::JobId;

use super::lane::{Entry, Place};
use super::resources::Amounts;

/// A full block is cut in two.
const BLOCK: usize = 64;

#[derive(Debug, Default)]
pub(super) struct Heads {
    /// In order, none of them empty.
    blocks: Vec<Block>,
}

#[derive(Debug)]
struct Block {
    least: Amounts,
    /// In order.
    entries: Vec<Entry>,
}

impl Block {
    fn new(entries: Vec<Entry>) -> Self {
        let least = entries.iter().map(|entry| entry.need).reduce(Amounts::least);
        Self { least: least.unwrap_or_default(), entries }
    }
}

impl Heads {
    pub(super) fn first(&self) -> Option<Entry> {
        self.blocks.first()?.entries.first().copied()
    }

    /// The first that `available` is enough for.
    pub(super) fn first_that_fits(&self, available: Amounts) -> Option<Entry> {
        self.blocks
            .iter()
            .filter(|block| block.least.fits(available))
            .find_map(|block| block.entries.iter().find(|entry| entry.need.fits(available)))
            .copied()
    }

    /// Puts an operator in its place, which is free.
    pub(super) fn insert(&mut self, place: Place, need: Amounts, job: JobId) {
        let entry = Entry { place, job, need };
        let at = self.block_of(place);
        let Some(block) = self.blocks.get_mut(at) else {
            self.blocks.push(Block::new(vec![entry]));
            return;
        };
        let before = block.entries.partition_point(|known| known.place < place);
        block.entries.insert(before, entry);
        block.least = block.least.least(need);
        if block.entries.len() >= BLOCK {
            let second = block.entries.split_off(BLOCK / 2);
            *block = Block::new(std::mem::take(&mut block.entries));
            self.blocks.insert(at + 1, Block::new(second));
        }
    }

    /// Takes an operator out; false if it was not there.
    pub(super) fn remove(&mut self, place: Place) -> bool {
        let at = self.block_of(place);
        let Some(block) = self.blocks.get_mut(at) else {
            return false;
        };
        let Ok(found) = block.entries.binary_search_by_key(&place, |entry| entry.place) else {
            return false;
        };
        block.entries.remove(found);
        if block.entries.is_empty() {
            self.blocks.remove(at);
        } else {
            *block = Block::new(std::mem::take(&mut block.entries));
        }
        true
    }

    /// The block that holds a place, or would: the last that begins at or before it.
    fn block_of(&self, place: Place) -> usize {
        let begins_before = |block: &Block| block.entries.first().is_some_and(|entry| entry.place <= place);
        self.blocks.partition_point(begins_before).saturating_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chance(state: &mut u64) -> u64 {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        *state >> 33
    }

    #[test]
    fn the_first_that_fits_is_that_of_a_sorted_list_searched_from_its_beginning() {
        let mut state = 7;
        let mut heads = Heads::default();
        let mut list: Vec<Entry> = Vec::new();
        for step in 0..30_000u64 {
            // Grows to some hundreds, shrinks to nothing, and grows again.
            let grows = step % 10_000 < 6000;
            let place = Place { position: chance(&mut state) % 600, operator: 0 };
            let known = list.binary_search_by_key(&place, |entry| entry.place);
            match known {
                Ok(at) if !grows || step % 5 == 0 => {
                    list.remove(at);
                    assert!(heads.remove(place));
                }
                Ok(_) => {}
                Err(at) if grows => {
                    let need = Amounts {
                        gpus: chance(&mut state) % 3,
                        cpu_millis: chance(&mut state) % 4,
                        memory_mb: chance(&mut state) % 1000,
                        slots: 1,
                    };
                    let job = JobId::from_bits(place.position.into());
                    list.insert(at, Entry { place, job, need });
                    heads.insert(place, need, job);
                }
                Err(_) => assert!(!heads.remove(place)),
            }
            let available = Amounts {
                gpus: chance(&mut state) % 3,
                cpu_millis: chance(&mut state) % 4,
                memory_mb: chance(&mut state) % 1000,
                slots: chance(&mut state) % 8,
            };
            let expected = list.iter().find(|entry| entry.need.fits(available));
            assert_eq!(heads.first_that_fits(available).as_ref(), expected);
            assert_eq!(heads.first().as_ref(), list.first());
            assert!(heads.blocks.iter().all(|block| !block.entries.is_empty()));
        }
    }
}
