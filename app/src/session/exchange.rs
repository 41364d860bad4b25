//! Measurements out of the window and into it: JSON, CSV and structured reports.
//!
//! What is exported is measured again on the whole volume; series that are not loaded are read for it. What is imported
//! comes as drawings, whose numbers are measured here. Everything in this file takes time; call it from a worker.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::Path;
use std::sync::Arc;

use imaging::ImagingError;
use imaging::derived::{Derived, DerivedObject, InstanceReference, ObjectKind};
use imaging::formats::dicom::measurement_report::{ReportEntry, ReportError, ReportInfo, write_report};
use imaging::formats::{self, ReadLimits};
use imaging::geometry::{Dims, Geometry};
use imaging::measurement::export::{
    ExportInfo, ImageReference, JsonError, MeasurementRecord, UidSeed, from_json, to_csv, to_json,
};
use imaging::measurement::import::{ImportContext, report_records};
use imaging::measurement::{Calibration, MeasureInput, measure};
use imaging::series::{SeriesAttributes, SeriesEntry, SeriesWarning, SourceFrame};
use imaging::source::Progress;
use imaging::spacing::{SpacingSource, UltrasoundRegion};
use imaging::verdict::Verdict;
use imaging::volume::Volume;

use super::{Replace, SessionError, checks, read_bounded, write_whole};
use crate::document::{Annotation, Document, Series, SeriesKey, SeriesSource};

/// Larger files hold no measurements.
const MAX_JSON_BYTES: u64 = 64 << 20;
/// Number of the series that a report makes up.
const REPORT_SERIES_NUMBER: u32 = 990;
/// Reports that are read from one file or folder.
const MAX_REPORTS: usize = 1000;

/// Why nothing was exported or imported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages are the documentation")]
pub enum ExchangeError {
    #[error("`{ending}` is none of .json, .csv and .dcm")]
    Ending { ending: String },
    #[error("`{ending}` is none of .json and .dcm, which can be read")]
    NotRead { ending: String },
    #[error("nothing can be exported: {}", .reasons.join("; "))]
    Nothing { reasons: Vec<String> },
    #[error("no structured report with measurements is in the file")]
    NoReport,
    #[error(transparent)]
    File(#[from] SessionError),
    #[error(transparent)]
    Json(#[from] JsonError),
    #[error(transparent)]
    Report(#[from] ReportError),
    #[error(transparent)]
    Image(#[from] ImagingError),
}

/// How measurements are written, by the ending of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the formats name themselves")]
pub enum Format {
    Json,
    Csv,
    Report,
}

impl Format {
    /// By the ending.
    ///
    /// # Errors
    /// [`ExchangeError::Ending`].
    pub fn of(path: &Path) -> Result<Self, ExchangeError> {
        let ending = path.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default();
        match ending.as_str() {
            "json" => Ok(Self::Json),
            "csv" => Ok(Self::Csv),
            "dcm" => Ok(Self::Report),
            _ => Err(ExchangeError::Ending { ending }),
        }
    }
}

/// A series as a worker needs it.
#[derive(Debug, Clone)]
pub struct SeriesHandle {
    key: SeriesKey,
    title: String,
    attributes: Arc<SeriesAttributes>,
    source: SeriesSource,
    volume: Option<Arc<Volume>>,
    spacing: SpacingSource,
    warnings: Vec<SeriesWarning>,
    regions: Vec<UltrasoundRegion>,
    calibration: Option<Arc<Calibration>>,
    is_acknowledged: bool,
    annotations: Vec<Arc<Annotation>>,
}

/// All series of a document, with what is drawn on them.
pub fn handles(document: &Document) -> Vec<SeriesHandle> {
    document.series.iter().map(|series| SeriesHandle::of(series, document)).collect()
}

impl SeriesHandle {
    fn of(series: &Series, document: &Document) -> Self {
        let workspace = &document.workspace;
        let annotations = workspace.annotations.values().filter(|a| a.series == series.key);
        Self {
            key: series.key,
            title: series.title(),
            attributes: Arc::clone(&series.attributes),
            source: series.source.clone(),
            volume: series.loaded().map(|loaded| Arc::clone(&loaded.volume)),
            spacing: series.spacing_source.clone(),
            warnings: series.warnings.clone(),
            regions: series.ultrasound_regions().to_vec(),
            calibration: workspace.calibrations.get(&series.key).cloned(),
            is_acknowledged: workspace.acknowledged.contains(&series.key),
            annotations: annotations.cloned().collect(),
        }
    }

    fn entry(&self) -> Option<&SeriesEntry> {
        if let SeriesSource::Files(entry) = &self.source { Some(entry) } else { None }
    }

    fn whole_volume(&self) -> Result<Arc<Volume>, ImagingError> {
        match (&self.volume, &self.source) {
            (Some(volume), _) | (None, SeriesSource::Memory(volume)) => Ok(Arc::clone(volume)),
            (None, SeriesSource::Files(entry)) => {
                formats::load(entry, ReadLimits::default(), &Progress::new()).map(Arc::new)
            }
        }
    }

    fn uid(&self) -> Option<&str> {
        self.attributes.series_uid.as_deref().map(str::trim).filter(|uid| !uid.is_empty())
    }

    /// The frames of a time point, by slice.
    fn frames(&self, time_point: usize) -> Vec<Option<SourceFrame>> {
        let Some(entry) = self.entry() else { return Vec::new() };
        let sound =
            |frame: &SourceFrame| !frame.sop_instance_uid.is_empty() && !frame.sop_class_uid.is_empty();
        (0..entry.dims.z).map(|z| entry.source_frame(z, time_point).filter(sound)).collect()
    }
}

/// A record, with the grid of the frame it lies on where the series has no frame of reference.
struct Measurement {
    record: MeasurementRecord,
    frame: Option<Geometry>,
    /// Why a report cannot hold it.
    no_report: Option<&'static str>,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    /// Measurements in the file.
    pub count: usize,
    /// What is not in it, as sentences without final period.
    pub left_out: Vec<String>,
}

/// What and where to export.
#[derive(Debug, Clone)]
pub struct ExportOrder {
    /// All series.
    pub series: Vec<SeriesHandle>,
    /// The one whose study a report is for.
    pub active: Option<SeriesKey>,
    /// What UIDs of a report are made from: never the same twice.
    pub seed: UidSeed,
    /// Who measured; may be empty.
    pub author: String,
    /// Whether a file of that name may be replaced.
    pub replace: Replace,
}

/// Measures everything and writes it to a file, in the format of its ending.
///
/// # Errors
/// [`ExchangeError`]; then nothing was written.
pub fn export(order: &ExportOrder, path: &Path) -> Result<Exported, ExchangeError> {
    let format = Format::of(path)?;
    let mut left_out = Vec::new();
    let mut all = Vec::new();
    let study = report_study(order);
    for series in order.series.iter().filter(|series| !series.annotations.is_empty()) {
        let mut leave = |why: &str| {
            left_out.push(format!("{} of “{}”: {why}", counted(series.annotations.len()), series.title))
        };
        if format == Format::Report && (series.uid().is_none() || series.attributes.study_uid.is_none()) {
            leave("its files have no UIDs, which a report needs");
            continue;
        }
        if format == Format::Report && series.attributes.study_uid != study {
            leave("a report is of one study, and this series is of another");
            continue;
        }
        match series.whole_volume() {
            Ok(volume) => all.extend(measurements(series, &volume)),
            Err(error) => leave(&crate::text::chain(&error)),
        }
    }
    if format == Format::Report {
        all.retain(|measurement: &Measurement| match measurement.no_report {
            Some(why) => {
                left_out
                    .push(format!("1 {}: {why}", measurement.record.drawing.kind().name().to_lowercase()));
                false
            }
            None => true,
        });
    }
    if all.is_empty() {
        left_out.is_empty().then(|| left_out.push("nothing is drawn".to_owned()));
        return Err(ExchangeError::Nothing { reasons: left_out });
    }
    let bytes = encoded(format, &all, order)?;
    write_whole(path, &bytes, order.replace)?;
    Ok(Exported { count: all.len(), left_out })
}

/// `1 measurement`, `3 measurements`.
pub fn counted(count: usize) -> String {
    if count == 1 { "1 measurement".to_owned() } else { format!("{count} measurements") }
}

/// The study of the active series if something is drawn there, else the first one that something is drawn in.
fn report_study(order: &ExportOrder) -> Option<String> {
    let drawn = || order.series.iter().filter(|series| !series.annotations.is_empty());
    let has_study = |series: &&SeriesHandle| series.attributes.study_uid.is_some() && series.uid().is_some();
    let active = order.series.iter().find(|series| Some(series.key) == order.active);
    let active_study = active.and_then(|series| series.attributes.study_uid.clone());
    let in_active = drawn().filter(has_study).any(|series| series.attributes.study_uid == active_study);
    if in_active { active_study } else { drawn().find(has_study)?.attributes.study_uid.clone() }
}

fn encoded(format: Format, all: &[Measurement], order: &ExportOrder) -> Result<Vec<u8>, ExchangeError> {
    let now = chrono::Local::now();
    let records = || all.iter().map(|m| m.record.clone()).collect::<Vec<_>>();
    match format {
        Format::Json => {
            let info = ExportInfo {
                created: now.format("%Y-%m-%d %H:%M:%S").to_string(),
                software: format!("lantern {}", env!("CARGO_PKG_VERSION")),
            };
            Ok(to_json(&records(), &info).into_bytes())
        }
        Format::Csv => Ok(to_csv(&records()).into_bytes()),
        Format::Report => {
            let study = report_study(order);
            let of_study = order.series.iter().filter(|series| series.attributes.study_uid == study);
            let attributes = of_study.map(|series| Arc::clone(&series.attributes)).next();
            let entries: Vec<ReportEntry<'_>> =
                all.iter().map(|m| ReportEntry { record: &m.record, frame: m.frame.as_ref() }).collect();
            let info = ReportInfo {
                attributes: attributes.as_deref().ok_or(ReportError::NoStudy)?,
                author: &order.author,
                date: &now.format("%Y%m%d").to_string(),
                time: &now.format("%H%M%S").to_string(),
                series_number: REPORT_SERIES_NUMBER,
                software_version: env!("CARGO_PKG_VERSION"),
                seed: order.seed,
            };
            Ok(write_report(&entries, &info)?)
        }
    }
}

fn measurements(series: &SeriesHandle, volume: &Volume) -> Vec<Measurement> {
    let verdict = Verdict::of(series.warnings.iter().chain(volume.warnings()));
    let mut frames: BTreeMap<usize, Vec<Option<SourceFrame>>> = BTreeMap::new();
    let annotations = series.annotations.iter();
    annotations
        .map(|annotation| {
            let time_point = annotation.time_point.min(volume.time_points().saturating_sub(1));
            let input = MeasureInput {
                time_point,
                ultrasound_regions: &series.regions,
                calibration: series.calibration.as_deref(),
                is_acknowledged: series.is_acknowledged,
                ..MeasureInput::new(volume, &series.spacing, &verdict)
            };
            let measured = measure(&annotation.drawing, &input);
            let frames = frames.entry(time_point).or_insert_with(|| series.frames(time_point));
            let slices = slices(annotation, volume.geometry());
            let image = image(series, frames, &slices);
            let mut no_report = None;
            let mut frame = None;
            if image.instances.is_empty() {
                no_report = Some("no image with a UID lies where it is drawn");
            } else if image.frame_of_reference_uid.is_none() {
                frame = only_slice(annotation, volume.geometry());
                no_report = frame
                    .is_none()
                    .then_some("it lies on no single image, and the series has no frame of reference");
            }
            let record = MeasurementRecord::new(
                annotation.tracking_uid.clone().unwrap_or_default(),
                annotation.label.clone(),
                annotation.drawing.clone(),
                &measured,
                image,
            );
            Measurement { record, frame, no_report }
        })
        .collect()
}

/// Continuous index along the stack of the lowest and the highest point.
fn depths(annotation: &Annotation, geometry: &Geometry) -> [f64; 2] {
    let index = |lps| geometry.index_from_lps().transform_point3(lps).z;
    let depths = annotation.drawing.points_lps().iter().map(|lps| index(*lps));
    depths.fold([f64::INFINITY, f64::NEG_INFINITY], |[low, high], z| [low.min(z), high.max(z)])
}

/// Slices that a drawing touches, or the nearest one.
fn slices(annotation: &Annotation, geometry: &Geometry) -> std::ops::RangeInclusive<usize> {
    let last = geometry.dims().z.saturating_sub(1);
    let [low, high] = depths(annotation, geometry).map(|z| z.round().clamp(0.0, last as f64) as usize);
    low..=high
}

/// The grid of the one slice that a drawing lies on.
fn only_slice(annotation: &Annotation, geometry: &Geometry) -> Option<Geometry> {
    let [low, high] = depths(annotation, geometry);
    let z = ((low + high) * 0.5).round();
    let dims = geometry.dims();
    let is_on_it = low >= z - 0.5 && high <= z + 0.5 && z >= 0.0 && z < dims.z as f64;
    if !is_on_it {
        return None;
    }
    geometry.region([0, 0, z as usize], Dims::new(dims.x, dims.y, 1)).ok()
}

fn image(
    series: &SeriesHandle,
    frames: &[Option<SourceFrame>],
    slices: &std::ops::RangeInclusive<usize>,
) -> ImageReference {
    let attributes = &series.attributes;
    ImageReference {
        study_uid: attributes.study_uid.clone().unwrap_or_default(),
        series_uid: series.uid().unwrap_or_default().to_owned(),
        frame_of_reference_uid: attributes
            .frame_of_reference_uid
            .clone()
            .filter(|uid| !uid.trim().is_empty()),
        modality: attributes.modality.clone(),
        instances: instances(frames, slices),
    }
}

/// The objects behind some slices; frames are numbered only in objects that have several.
fn instances(
    frames: &[Option<SourceFrame>],
    slices: &std::ops::RangeInclusive<usize>,
) -> Vec<InstanceReference> {
    let mut all: Vec<InstanceReference> = Vec::new();
    for frame in frames.get(slices.clone()).unwrap_or_default().iter().flatten() {
        let number = u32::try_from(frame.frame_number).unwrap_or(1);
        let same = |other: &SourceFrame| other.sop_instance_uid == frame.sop_instance_uid;
        let has_several = number > 1 || frames.iter().flatten().filter(|other| same(other)).count() > 1;
        let numbers = if has_several { vec![number] } else { Vec::new() };
        match all.iter_mut().find(|one| one.sop_instance_uid == frame.sop_instance_uid) {
            Some(one) => one.frame_numbers.extend(numbers),
            None => all.push(InstanceReference {
                sop_class_uid: frame.sop_class_uid.clone(),
                sop_instance_uid: frame.sop_instance_uid.clone(),
                frame_numbers: numbers,
                segment_numbers: Vec::new(),
            }),
        }
    }
    all
}

/// What was read.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Imported {
    /// Drawings on series that are open.
    pub annotations: Vec<Annotation>,
    /// What could not be placed, as sentences without final period.
    pub left_out: Vec<String>,
    /// Drawings whose lengths were calibrated by hand where they come from.
    pub calibrated: usize,
}

/// Reads measurements and finds the series that they belong to, by UID.
///
/// # Errors
/// [`ExchangeError`] for a file that is none of measurements.
pub fn import(series: &[SeriesHandle], path: &Path) -> Result<Imported, ExchangeError> {
    let mut imported = Imported::default();
    let records = match Format::of(path) {
        Ok(Format::Json) => from_json(&read_bounded(path, MAX_JSON_BYTES)?)?.0,
        Ok(Format::Csv) => return Err(ExchangeError::NotRead { ending: "csv".to_owned() }),
        // Reports are known by what is in them.
        Ok(Format::Report) | Err(_) => report_measurements(series, path, &mut imported.left_out)?,
    };
    let mut unknown: BTreeMap<String, usize> = BTreeMap::new();
    for record in records {
        if let Err(what) = checks::is_somewhere(&record.drawing) {
            imported.left_out.push(format!("1 measurement with {what}"));
            continue;
        }
        match owner(series, &record.image) {
            Some(owner) => {
                let calibration = record.receipt.as_ref().and_then(|receipt| receipt.calibration.as_ref());
                imported.calibrated += usize::from(calibration.is_some());
                imported.annotations.push(annotation(record, owner));
            }
            None => *unknown.entry(record.image.series_uid).or_default() += 1,
        }
    }
    for (uid, count) in unknown {
        let what = counted(count);
        imported.left_out.push(if uid.trim().is_empty() {
            format!("{what} without the UID of a series")
        } else {
            format!("{what} of series `{uid}`, which is not open")
        });
    }
    Ok(imported)
}

fn annotation(record: MeasurementRecord, owner: &SeriesHandle) -> Annotation {
    let time_points = owner.entry().map_or(1, |entry| entry.time_points);
    let time_point = record.receipt.as_ref().map_or(0, |receipt| receipt.time_point[0]);
    // Reports name what has no name by its kind.
    let is_named = record.label.trim() != record.drawing.kind().name();
    Annotation {
        time_point: time_point.min(time_points.saturating_sub(1)),
        label: if is_named { record.label } else { String::new() },
        tracking_uid: Some(record.tracking_uid).filter(|uid| !uid.trim().is_empty()),
        ..Annotation::new(owner.key, record.drawing)
    }
}

/// The series with that UID; if it was split, the part that holds the images.
fn owner<'a>(series: &'a [SeriesHandle], image: &ImageReference) -> Option<&'a SeriesHandle> {
    let wanted = Some(image.series_uid.trim()).filter(|uid| !uid.is_empty())?;
    let candidates: Vec<&SeriesHandle> = series.iter().filter(|s| s.uid() == Some(wanted)).collect();
    let [first, _, ..] = candidates.as_slice() else { return candidates.first().copied() };
    let holds = |handle: &&&SeriesHandle| {
        let frames = handle.frames(0);
        let has = |uid: &str| frames.iter().flatten().any(|frame| frame.sop_instance_uid == uid);
        image.instances.iter().any(|instance| has(&instance.sop_instance_uid))
    };
    candidates.iter().find(holds).or(Some(first)).copied()
}

fn report_measurements(
    series: &[SeriesHandle],
    path: &Path,
    left_out: &mut Vec<String>,
) -> Result<Vec<MeasurementRecord>, ExchangeError> {
    let catalog = formats::scan(&[path.to_path_buf()], &Progress::new())?;
    let is_report = |object: &&DerivedObject| object.kind == ObjectKind::StructuredReport;
    let mut records = Vec::new();
    let mut count = 0;
    for object in catalog.objects.iter().filter(is_report).take(MAX_REPORTS) {
        count += 1;
        let Derived::StructuredReport(report) = formats::load_object(object, ReadLimits::default())? else {
            continue;
        };
        let frame_geometry = |instance: &InstanceReference| frame_geometry(series, instance);
        let context = ImportContext {
            study_uid: object.study_uid.as_deref().unwrap_or_default(),
            seed: seed_of(object.sop_instance_uid.as_deref().unwrap_or_default()),
            frame_geometry: &frame_geometry,
        };
        let imported = report_records(&report, &context);
        records.extend(imported.records);
        left_out.extend(imported.left_out);
    }
    if count == 0 { Err(ExchangeError::NoReport) } else { Ok(records) }
}

/// Measurements without UID get the same one each time their report is read, so that none comes in twice.
fn seed_of(report_uid: &str) -> UidSeed {
    let half = |part: u8| {
        let mut hasher = DefaultHasher::new();
        (part, report_uid).hash(&mut hasher);
        u128::from(hasher.finish())
    };
    UidSeed(half(0) << 64 | half(1))
}

/// Grid of a frame of an open series.
fn frame_geometry(series: &[SeriesHandle], wanted: &InstanceReference) -> Option<Geometry> {
    let number = wanted.frame_numbers.first().map_or(1, |number| *number as usize);
    for handle in series {
        let is_it = |frame: &Option<SourceFrame>| {
            frame.as_ref().is_some_and(|frame| {
                frame.sop_instance_uid == wanted.sop_instance_uid && frame.frame_number == number
            })
        };
        let Some(z) = handle.frames(0).iter().position(is_it) else { continue };
        return match (&handle.volume, handle.entry()) {
            (Some(volume), _) => {
                let dims = volume.dims();
                volume.geometry().region([0, 0, z], Dims::new(dims.x, dims.y, 1)).ok()
            }
            (None, Some(entry)) => formats::load_slice(entry, z, 0).ok().map(|slice| *slice.geometry()),
            (None, None) => None,
        };
    }
    None
}
