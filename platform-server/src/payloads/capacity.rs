//! How full the storage is.

use std::io;
use std::path::Path;

use super::beneath;
use super::error::PayloadError;

/// Tells how full the device of a folder is; tests have their own.
pub trait Capacity: Send + Sync + 'static {
    /// The share in use, from 0 to 1.
    ///
    /// # Errors
    /// Those of the device; [`io::ErrorKind::Unsupported`] where nobody can tell.
    fn used_share(&self, folder: &Path) -> io::Result<f64>;
}

/// Asks the file system.
#[derive(Debug, Clone, Copy, Default)]
pub struct DeviceCapacity;

impl Capacity for DeviceCapacity {
    fn used_share(&self, folder: &Path) -> io::Result<f64> {
        beneath::used_share(folder)
    }
}

/// Refuses when more than `limit_percent` is in use.
pub(super) fn check(capacity: &dyn Capacity, folder: &Path, limit_percent: u8) -> Result<(), PayloadError> {
    let used_percent = match capacity.used_share(folder) {
        Ok(share) => share * 100.0,
        Err(error) if error.kind() == io::ErrorKind::Unsupported => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    if used_percent > f64::from(limit_percent) {
        return Err(PayloadError::StorageFull { used_percent, limit_percent });
    }
    Ok(())
}
