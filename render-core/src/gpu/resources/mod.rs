//! What lives in graphics memory: volumes, their brick grids, lookup tables; one byte budget over the volumes.
//!
//! Start with [`VolumeCache::get`]. Everything here can be rebuilt from the scenes' volumes.

pub(crate) mod brick_grid;
pub(crate) mod layout;
pub(crate) mod texel;
pub(crate) mod transfer;
pub(crate) mod volume_texture;

use std::collections::HashMap;
use std::sync::Arc;

use imaging::volume::{Volume, VolumeId};

use super::context::GpuContext;
use super::passes::VolumeLayouts;
use crate::RenderError;
use brick_grid::BrickGrid;
use volume_texture::VolumeTexture;

/// Identifies what was uploaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct VolumeKey {
    pub(crate) id: VolumeId,
    pub(crate) time_point: usize,
}

#[derive(Debug)]
struct Entry {
    texture: Arc<VolumeTexture>,
    grid: Option<Arc<BrickGrid>>,
    last_used: u64,
}

/// Volumes in graphics memory, least recently used out first.
#[derive(Debug)]
pub(crate) struct VolumeCache {
    entries: HashMap<VolumeKey, Entry>,
    budget_bytes: u64,
    max_dimension: u32,
    clock: u64,
}

impl VolumeCache {
    /// An empty cache; no 3-D texture is made larger than `max_dimension` along any axis.
    pub(crate) fn new(budget_bytes: u64, max_dimension: u32) -> Self {
        Self { entries: HashMap::new(), budget_bytes, max_dimension: max_dimension.max(8), clock: 0 }
    }

    /// Bytes of all resident volumes.
    pub(crate) fn resident_bytes(&self) -> u64 {
        self.entries.values().map(|e| e.texture.bytes()).sum()
    }

    /// Number of resident volumes (time points counted apart).
    pub(crate) fn resident_count(&self) -> usize {
        self.entries.len()
    }

    /// Drops all time points of a volume.
    pub(crate) fn forget(&mut self, volume: VolumeId) {
        self.entries.retain(|key, _| key.id != volume);
    }

    /// By what factor a volume has to be reduced along each axis to fit; 1 for full resolution.
    pub(crate) fn reduction(&self, context: &GpuContext, volume: &Volume) -> Option<u32> {
        volume_texture::reduction(volume, context.features(), self.max_dimension, self.budget_bytes)
    }

    /// The volume's textures, uploaded if they are not resident.
    ///
    /// # Errors
    /// [`RenderError::OutOfMemory`] if not even a reduced level fits.
    pub(crate) fn get(
        &mut self,
        context: &GpuContext,
        layouts: &VolumeLayouts,
        volume: &Volume,
        time_point: usize,
    ) -> Result<Arc<VolumeTexture>, RenderError> {
        let key = VolumeKey { id: volume.id(), time_point };
        self.clock += 1;
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.last_used = self.clock;
            return Ok(entry.texture.clone());
        }
        loop {
            let planned =
                volume_texture::plan(volume, context.features(), self.max_dimension, self.budget_bytes)
                    .ok_or(RenderError::OutOfMemory {
                        needed_bytes: volume.voxels().size_bytes() as u64,
                        budget_bytes: self.budget_bytes,
                    })?;
            self.make_room(planned.bytes());
            let (made, ran_out) = context
                .ran_out_of_memory(|| VolumeTexture::upload(context, layouts, volume, time_point, &planned));
            if !ran_out {
                let texture = Arc::new(made?);
                self.entries
                    .insert(key, Entry { texture: texture.clone(), grid: None, last_used: self.clock });
                return Ok(texture);
            }
            // The driver has less than the budget says: believe the driver.
            tracing::warn!(bytes = planned.bytes(), "graphics memory ran out below the budget");
            self.entries.clear();
            self.budget_bytes = planned.bytes() / 2;
        }
    }

    /// The volume's brick grid, made on first use. The volume must be resident.
    pub(crate) fn grid(
        &mut self,
        context: &GpuContext,
        texture: &VolumeTexture,
        volume: &Volume,
        time_point: usize,
    ) -> Arc<BrickGrid> {
        let key = VolumeKey { id: volume.id(), time_point };
        let make = || Arc::new(BrickGrid::new(context, texture, volume, time_point, self.max_dimension));
        match self.entries.get_mut(&key) {
            Some(entry) => entry.grid.get_or_insert_with(make).clone(),
            None => make(),
        }
    }

    fn make_room(&mut self, needed_bytes: u64) {
        while self.resident_bytes() + needed_bytes > self.budget_bytes {
            let oldest = self.entries.iter().min_by_key(|(_, e)| e.last_used).map(|(key, _)| *key);
            match oldest {
                Some(key) => self.entries.remove(&key),
                None => return,
            };
        }
    }
}
