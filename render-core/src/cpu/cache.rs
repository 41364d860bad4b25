//! What is kept between frames, within a budget of bytes; the least recently used volume goes first.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use imaging::volume::{Volume, VolumeId};

use super::bricks::{BrickTable, Bricks, Needed};
use super::composite::PackedLut;
use super::grid::Grid;
use super::mip;
use super::skip::SkipMap;
use crate::transfer_function::TransferFunction;

/// Looks (transfer function and step) kept per volume: two views, each with a coarse and a full step.
const LOOKS: usize = 4;

/// Which time point of which volume.
pub(crate) type Key = (VolumeId, usize);

/// A volume and which of its time points.
pub(crate) type Source<'a> = (&'a Volume, usize);

/// Everything derived from one time point.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) grid: Grid,
    /// Shared with the frames that are being drawn.
    bricks: Mutex<Arc<Bricks>>,
    looks: Mutex<Vec<Arc<Look>>>,
    mip_bounds: OnceLock<Vec<f32>>,
    /// Good for all floors that are not below this one.
    mip_table: Mutex<Option<(f32, Arc<BrickTable>)>>,
}

/// A transfer function applied to a grid.
#[derive(Debug)]
pub(crate) struct Look {
    reference_mm: f64,
    step_mm: f64,
    pub(crate) skip: Arc<SkipMap>,
    pub(crate) table: Arc<BrickTable>,
    pub(crate) lut: PackedLut,
    /// See [`crate::reference::full_shading_gradient`].
    pub(crate) full_at: f64,
}

impl Entry {
    /// `None` without room for the bricks.
    pub(crate) fn new(grid: Grid) -> Option<Self> {
        let bricks = Mutex::new(Arc::new(Bricks::new(grid.dims)?));
        Some(Self {
            grid,
            bricks,
            looks: Mutex::default(),
            mip_bounds: OnceLock::new(),
            mip_table: Mutex::default(),
        })
    }

    /// All bricks that were filled so far.
    pub(crate) fn bricks(&self) -> Arc<Bricks> {
        self.bricks.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Where the bricks that are needed are; fills those that are not there yet. `None` without room for them.
    fn table(&self, needed: &Needed, (volume, time_point): Source<'_>) -> Option<Arc<BrickTable>> {
        let mut bricks = self.bricks.lock().unwrap_or_else(PoisonError::into_inner);
        if bricks.table(needed).is_none() {
            if Arc::get_mut(&mut bricks).is_none() {
                // A frame that is being drawn keeps what it reads.
                *bricks = Arc::new(bricks.copy()?);
            }
            self.grid.fill(Arc::get_mut(&mut bricks)?, needed, volume, time_point);
        }
        bricks.table(needed).map(Arc::new)
    }

    /// The look of a transfer function at a step; made if it is new. `None` without room for its bricks.
    pub(crate) fn look(
        &self,
        transfer_function: &Arc<TransferFunction>,
        step_mm: f64,
        source: Source<'_>,
    ) -> Option<Arc<Look>> {
        let mut looks = self.looks.lock().unwrap_or_else(PoisonError::into_inner);
        let is_same = |look: &Arc<Look>| {
            look.step_mm == step_mm
                && look.reference_mm == transfer_function.reference_mm
                && look.skip.is_for(transfer_function)
        };
        if let Some(at) = looks.iter().position(is_same) {
            let look = looks.remove(at);
            looks.push(look.clone());
            return Some(look);
        }
        let lut = transfer_function.lut(step_mm);
        let (skip, table) = match looks.iter().find(|look| look.skip.is_for(transfer_function)) {
            Some(known) => (known.skip.clone(), known.table.clone()),
            None => {
                let skip = Arc::new(SkipMap::new(&self.grid, transfer_function.clone(), &lut));
                let table = self.table(&skip.needed(&self.grid), source)?;
                (skip, table)
            }
        };
        let look = Arc::new(Look {
            reference_mm: transfer_function.reference_mm,
            step_mm,
            skip,
            table,
            full_at: crate::reference::full_shading_gradient(&lut),
            lut: PackedLut::new(&lut, &self.grid),
        });
        if looks.len() == LOOKS {
            looks.remove(0);
        }
        looks.push(look.clone());
        Some(look)
    }

    /// See [`mip::cell_bounds`].
    pub(crate) fn mip_bounds(&self) -> &[f32] {
        self.mip_bounds.get_or_init(|| mip::cell_bounds(&self.grid))
    }

    /// Where the bricks with signed samples above `floor` are; see [`mip::needed`]. `None` without room for them.
    pub(crate) fn mip_table(&self, floor: f32, source: Source<'_>) -> Option<Arc<BrickTable>> {
        let mut known = self.mip_table.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, table)) = known.as_ref().filter(|(known, _)| *known <= floor) {
            return Some(table.clone());
        }
        let table = self.table(&mip::needed(&self.grid, floor), source)?;
        *known = Some((floor, table.clone()));
        Some(table)
    }

    fn size_bytes(&self) -> usize {
        let cells = self.grid.lows.len();
        // Skip maps and bounds come later but are counted from the start: two bytes and four per cell.
        let looks = cells * (LOOKS * size_of::<u16>() + size_of::<f32>());
        self.grid.size_bytes() + self.bricks().size_bytes() + looks
    }
}

/// Entries in order of use, oldest first.
#[derive(Debug)]
pub(crate) struct Cache {
    entries: Mutex<Vec<(Key, Arc<Entry>)>>,
    budget_bytes: usize,
}

impl Cache {
    pub(crate) fn new(budget_bytes: usize) -> Self {
        Self { entries: Mutex::default(), budget_bytes }
    }

    /// The entry of a time point, made if it is new; `None` where the kernels cannot read the volume.
    ///
    /// The lock is not held while an entry is made.
    pub(crate) fn entry(&self, volume: &Volume, time_point: usize) -> Option<Arc<Entry>> {
        let key = (volume.id(), time_point);
        if let Some(found) = self.touch(key) {
            return Some(found);
        }
        let made = Arc::new(Entry::new(Grid::new(volume, time_point)?)?);
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.retain(|(k, _)| *k != key);
        entries.push((key, made.clone()));
        drop(entries);
        self.trim();
        Some(made)
    }

    /// Lets go of volumes while the budget is exceeded; entries grow after they were made.
    pub(crate) fn trim(&self) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let mut bytes: usize = entries.iter().map(|(_, e)| e.size_bytes()).sum();
        // The newest stays even if it alone is over the budget: it is on screen.
        while bytes > self.budget_bytes && entries.len() > 1 {
            let (_, evicted) = entries.remove(0);
            bytes = bytes.saturating_sub(evicted.size_bytes());
        }
    }

    fn touch(&self, key: Key) -> Option<Arc<Entry>> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let at = entries.iter().position(|(k, _)| *k == key)?;
        let entry = entries.remove(at);
        entries.push(entry.clone());
        Some(entry.1)
    }

    /// Forgets all time points of a volume.
    pub(crate) fn forget(&self, volume: VolumeId) {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).retain(|((id, _), _)| *id != volume);
    }

    /// Bytes held beside the volumes.
    pub(crate) fn size_bytes(&self) -> usize {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.iter().map(|(_, e)| e.size_bytes()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use glam::DVec3;
    use imaging::geometry::{Dims, Geometry};
    use imaging::volume::VolumeMeta;

    fn floats() -> Volume {
        let geometry = Geometry::axis_aligned(Dims::new(20, 20, 20), DVec3::ZERO, DVec3::ONE).unwrap();
        Volume::new(VolumeMeta::scalar(geometry), vec![1.0f32; 8000]).unwrap()
    }

    #[test]
    fn least_recently_used_volume_leaves_when_the_budget_is_full() {
        let volumes = [floats(), floats(), floats()];
        let one = Cache::new(usize::MAX);
        one.entry(&volumes[0], 0).unwrap();
        let cache = Cache::new(one.size_bytes() * 2);
        let first = cache.entry(&volumes[0], 0).unwrap();
        cache.entry(&volumes[1], 0).unwrap();
        assert!(Arc::ptr_eq(&first, &cache.entry(&volumes[0], 0).unwrap()), "found again, not made again");
        cache.entry(&volumes[2], 0).unwrap();
        assert!(cache.touch((volumes[1].id(), 0)).is_none(), "the one used longest ago is gone");
        assert!(cache.touch((volumes[0].id(), 0)).is_some());
        assert!(cache.size_bytes() <= one.size_bytes() * 2);
        cache.forget(volumes[0].id());
        assert!(cache.touch((volumes[0].id(), 0)).is_none());
    }

    #[test]
    fn bricks_count_towards_the_budget_once_they_are_filled() {
        let volumes = [floats(), floats()];
        let empty = Cache::new(usize::MAX);
        let bytes = volumes.each_ref().map(|volume| {
            empty.entry(volume, 0).unwrap();
            empty.size_bytes()
        });
        let cache = Cache::new(bytes[1]);
        for volume in &volumes {
            cache.entry(volume, 0).unwrap();
        }
        assert_eq!(cache.size_bytes(), bytes[1], "both fit while they are empty");
        let newest = cache.entry(&volumes[1], 0).unwrap();
        newest.mip_table(f32::NEG_INFINITY, (&volumes[1], 0)).unwrap();
        assert!(cache.size_bytes() > bytes[1]);
        cache.trim();
        assert!(cache.touch((volumes[0].id(), 0)).is_none(), "the one used longest ago is gone");
        assert!(cache.touch((volumes[1].id(), 0)).is_some());
    }
}
