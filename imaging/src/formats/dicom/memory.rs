//! Memory for a whole volume.

use crate::volume::Sample;

/// `count` zeros, or the bytes that could not be had.
///
/// Zeroed pages come from the system untouched, so a volume costs memory only where it is written.
pub(crate) fn zeroed<T: Sample>(count: usize) -> Result<Vec<T>, u64> {
    let needed = (count as u64).saturating_mul(size_of::<T>() as u64);
    let mut check: Vec<T> = Vec::new();
    check.try_reserve_exact(count).map_err(|_| needed)?;
    drop(check);
    Ok(bytemuck::zeroed_vec(count))
}
