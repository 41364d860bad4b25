//! A temporary folder in which phantoms become files, and back.

use std::cell::Cell;
use std::path::PathBuf;

use imaging::formats::{ReadLimits, load, scan};
use imaging::series::{Catalog, SeriesEntry};
use imaging::source::Progress;
use imaging::volume::Volume;
use tempfile::TempDir;

use crate::SelftestError;

/// Removed with everything in it when dropped.
#[derive(Debug)]
pub(crate) struct Workplace {
    folder: TempDir,
    used: Cell<u32>,
    progress: Progress,
}

impl Workplace {
    pub(crate) fn new(progress: Progress) -> Result<Self, SelftestError> {
        let folder = tempfile::Builder::new().prefix("lantern-selftest-").tempdir()?;
        Ok(Self { folder, used: Cell::new(0), progress })
    }

    /// Writes files into a folder of their own and scans it.
    ///
    /// The scan has its own progress: the one of the self-test counts checks.
    pub(crate) fn scan(&self, files: &[Vec<u8>], extension: &str) -> Result<Catalog, SelftestError> {
        self.progress.check()?;
        self.used.set(self.used.get() + 1);
        let folder: PathBuf = self.folder.path().join(self.used.get().to_string());
        std::fs::create_dir(&folder)?;
        for (i, file) in files.iter().enumerate() {
            std::fs::write(folder.join(format!("{i:03}.{extension}")), file)?;
        }
        Ok(scan(&[folder], &Progress::new())?)
    }

    /// The single series of some files.
    pub(crate) fn open(&self, files: &[Vec<u8>]) -> Result<(SeriesEntry, Volume), SelftestError> {
        self.open_as(files, "dcm")
    }

    /// As [`Workplace::open`], for files of another kind.
    pub(crate) fn open_as(
        &self,
        files: &[Vec<u8>],
        extension: &str,
    ) -> Result<(SeriesEntry, Volume), SelftestError> {
        let mut catalog = self.scan(files, extension)?;
        let found = catalog.series.len();
        let Some(entry) = catalog.series.pop().filter(|_| found == 1) else {
            let reasons: Vec<&str> = catalog.skipped.iter().map(|file| file.reason.as_str()).collect();
            return Err(SelftestError::unexpected(format!("{found} series found instead of 1 {reasons:?}")));
        };
        let volume = load(&entry, ReadLimits::default(), &Progress::new())?;
        Ok((entry, volume))
    }
}
