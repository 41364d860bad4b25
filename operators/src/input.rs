//! From the input folder to one still, scalar volume that may be measured.
//!
//! Finds the series, refuses what has no sound answer (several points in time, colours, red geometry), and passes on
//! every warning. Does not know what operators do with the volume.

use std::path::PathBuf;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use clap::Args;
use imaging::ImagingError;
use imaging::formats::{self, ReadLimits};
use imaging::geometry::{Dims, Geometry};
use imaging::series::{Catalog, SeriesEntry, SeriesWarning};
use imaging::source::Progress;
use imaging::verdict::{Level, Verdict};
use imaging::volume::{Channels, Rescale, Volume, Voxels};

use crate::OperatorError;
use crate::operator::{Context, Listener};

/// Which series of the input folder, and how much is taken on trust.
#[derive(Debug, Clone, Args)]
pub struct InputOptions {
    /// Series Instance UID; without it the series with the most voxels is taken
    #[arg(long, value_name = "UID")]
    pub series: Option<String>,
    /// Point in time, from 0; needed if the series has several
    #[arg(long, value_name = "N")]
    pub time_point: Option<usize>,
    /// Go on although distances or positions cannot be relied on (missing slices, no pixel spacing, …)
    #[arg(long)]
    pub accept_red_geometry: bool,
    /// Largest volume to read, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 8192)]
    pub max_volume_mib: u64,
}

impl Default for InputOptions {
    fn default() -> Self {
        Self { series: None, time_point: None, accept_red_geometry: false, max_volume_mib: 8192 }
    }
}

/// One point in time of a scalar volume, with what there is to know of it.
#[derive(Debug)]
pub struct InputVolume {
    volume: Volume,
    time_point: usize,
    verdict: Verdict,
    warnings: Vec<String>,
}

impl InputVolume {
    /// Finds and reads the series that `options` choose below the input folder.
    ///
    /// # Errors
    /// Any of reading, and those of [`Self::new`].
    pub fn read(context: &Context<'_>, options: &InputOptions) -> Result<Self, OperatorError> {
        let listener = context.listener;
        let catalog = formats::scan(std::slice::from_ref(&context.input), &Progress::new())?;
        let mut warnings = told_of_catalog(&catalog);
        let entry = choose(&catalog, options.series.as_deref(), &mut warnings)
            .ok_or_else(|| no_series(&catalog, options, context.input.clone()))?;
        let d = entry.dims;
        listener.progress(&format!("found {} × {} × {} {} voxels", d.x, d.y, d.z, entry.voxel_type));
        for warning in warnings {
            listener.warning(&warning);
        }
        // Refused before time and memory are spent on it.
        check_time_point(options, entry.time_points)?;
        check_verdict(&entry.verdict(), options)?;
        let limits = ReadLimits { max_volume_bytes: options.max_volume_mib.saturating_mul(1 << 20) };
        let progress = Progress::new();
        let volume = told_along(listener, "read", &progress, || formats::load(entry, limits, &progress))?;
        let noted = entry.warnings.iter().chain(volume.warnings()).cloned().collect();
        Self::with_warnings(volume, noted, options, listener)
    }

    /// Takes a volume that is in memory already.
    ///
    /// # Errors
    /// [`OperatorError::Colour`], [`OperatorError::TimePointNeeded`], [`OperatorError::NoSuchTimePoint`],
    /// [`OperatorError::RedGeometry`].
    pub fn new(
        volume: Volume,
        options: &InputOptions,
        listener: &dyn Listener,
    ) -> Result<Self, OperatorError> {
        let noted = volume.warnings().to_vec();
        Self::with_warnings(volume, noted, options, listener)
    }

    fn with_warnings(
        volume: Volume,
        noted: Vec<SeriesWarning>,
        options: &InputOptions,
        listener: &dyn Listener,
    ) -> Result<Self, OperatorError> {
        if volume.channels() != Channels::Scalar {
            return Err(OperatorError::Colour);
        }
        let time_point = check_time_point(options, volume.time_points())?;
        let verdict = Verdict::of(&noted);
        check_verdict(&verdict, options)?;
        let mut warnings: Vec<String> = Vec::new();
        for text in noted.iter().map(SeriesWarning::to_string) {
            if !warnings.contains(&text) {
                warnings.push(text);
            }
        }
        for warning in &warnings {
            listener.warning(warning);
        }
        Ok(Self { volume, time_point, verdict, warnings })
    }

    /// Grid and its place in the patient.
    pub fn geometry(&self) -> &Geometry {
        self.volume.geometry()
    }

    /// Voxel counts.
    pub fn dims(&self) -> Dims {
        self.volume.dims()
    }

    /// Stored values of the whole series; [`Self::first_sample`] says where this point in time begins.
    pub fn stored(&self) -> &Voxels {
        self.volume.voxels()
    }

    /// Where in [`Self::stored`] the first voxel is.
    pub fn first_sample(&self) -> usize {
        self.time_point * self.volume.samples_per_time_point()
    }

    /// Stored to modality values.
    pub fn rescale(&self) -> Rescale {
        self.volume.rescale()
    }

    /// Whether no file filled this slice.
    pub fn is_empty_slice(&self, z: usize) -> bool {
        self.volume.is_empty_slice(z, self.time_point)
    }

    /// How far lengths and positions can be trusted.
    pub fn geometry_level(&self) -> Level {
        self.verdict.level
    }

    /// What was told of the series when it was read.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

fn told_of_catalog(catalog: &Catalog) -> Vec<String> {
    let damaged: Vec<_> = catalog.skipped.iter().filter(|file| !file.is_sound).collect();
    let Some(first) = damaged.first() else { return Vec::new() };
    let path = first.path.display();
    vec![format!("{} files could not be read ({}), first `{path}`", damaged.len(), first.reason)]
}

/// The largest of the series asked for; of equals the first of the catalog's order.
fn choose<'a>(
    catalog: &'a Catalog,
    uid: Option<&str>,
    warnings: &mut Vec<String>,
) -> Option<&'a SeriesEntry> {
    let is_asked = |entry: &&SeriesEntry| uid.is_none() || entry.attributes.series_uid.as_deref() == uid;
    let asked: Vec<&SeriesEntry> = catalog.series.iter().filter(is_asked).collect();
    let voxels =
        |entry: &SeriesEntry| entry.dims.checked_count().unwrap_or(0) as u128 * entry.time_points as u128;
    // `max_by_key` would take the last of equals.
    let chosen = asked.iter().copied().rev().max_by_key(|entry| voxels(entry))?;
    if asked.len() > 1 {
        let uid = chosen.attributes.series_uid.as_deref().unwrap_or("without UID");
        warnings
            .push(format!("{} volumes to choose from; the largest is taken: series `{uid}`", asked.len()));
    }
    Some(chosen)
}

fn no_series(catalog: &Catalog, options: &InputOptions, input: PathBuf) -> OperatorError {
    match &options.series {
        Some(uid) => OperatorError::NoSuchSeries {
            // What somebody typed; a UID has 64 characters at most.
            uid: uid.chars().take(100).collect(),
            found: catalog.series.len(),
        },
        None => ImagingError::NothingFound { path: input }.into(),
    }
}

fn check_time_point(options: &InputOptions, count: usize) -> Result<usize, OperatorError> {
    match options.time_point {
        Some(asked) if asked >= count => Err(OperatorError::NoSuchTimePoint { asked, count }),
        Some(asked) => Ok(asked),
        None if count > 1 => Err(OperatorError::TimePointNeeded { count }),
        None => Ok(0),
    }
}

fn check_verdict(verdict: &Verdict, options: &InputOptions) -> Result<(), OperatorError> {
    if !verdict.withholds_mm() || options.accept_red_geometry {
        return Ok(());
    }
    let red = verdict.reasons.iter().filter(|reason| reason.level == Level::Red);
    let reasons: Vec<String> = red.map(|reason| reason.finding.to_string()).collect();
    Err(OperatorError::RedGeometry { reasons: reasons.join("; ") })
}

/// Runs `work` while every tenth that is done becomes a line.
fn told_along<T>(listener: &dyn Listener, what: &str, progress: &Progress, work: impl FnOnce() -> T) -> T {
    const LOOK_EVERY: Duration = Duration::from_millis(200);
    std::thread::scope(|scope| {
        // Dropped at the end of the work, also if it panics.
        let (done, is_done) = mpsc::channel::<()>();
        scope.spawn(move || {
            let mut told = 0;
            while is_done.recv_timeout(LOOK_EVERY) == Err(RecvTimeoutError::Timeout) {
                let tenths = (progress.fraction().unwrap_or(0.0) * 10.0) as u32;
                if tenths > told {
                    told = tenths;
                    listener.progress(&format!("{what} {} %", tenths * 10));
                }
            }
        });
        let result = work();
        drop(done);
        listener.progress(&format!("{what} done"));
        result
    })
}
