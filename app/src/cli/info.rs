//! `lantern info`: every series and object below a path, with geometry and statistics.

use std::path::PathBuf;

use imaging::derived::{Derived, DerivedObject};
use imaging::formats::{self, ReadLimits};
use imaging::geometry::Geometry;
use imaging::series::SeriesEntry;
use imaging::source::Progress;
use imaging::spacing::{RegionUnit, SpacingSource, UltrasoundRegion};
use imaging::uptake::suv_body_weight;
use imaging::verdict::Verdict;
use imaging::volume::Volume;
use serde::Serialize;

use super::output::{self, finite};
use super::select;

/// List every series found, with its geometry, value range and warnings
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Files, folders, ZIP archives or DICOMDIRs
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,

    /// Print JSON (the contract is docs/schema/info.schema.json)
    #[arg(long)]
    json: bool,
}

/// The JSON document.
#[derive(Debug, Serialize)]
struct Report {
    series: Vec<SeriesReport>,
    /// Segmentations, structure sets, presentation states, reports, documents.
    objects: Vec<ObjectReport>,
    /// Files without an image and files that could not be read.
    skipped: Vec<SkippedReport>,
}

#[derive(Debug, Serialize)]
struct SeriesReport {
    modality: String,
    series_uid: Option<String>,
    study_uid: Option<String>,
    series_number: Option<i64>,
    description: String,
    source: &'static str,
    dims: [usize; 3],
    time_points: usize,
    channels: usize,
    spacing_mm: Option<[f64; 3]>,
    origin_lps: Option<[f64; 3]>,
    /// Row major; columns are the axes, as in ITK.
    direction: Option<[f64; 9]>,
    voxel_type: &'static str,
    unit: Option<String>,
    min: Option<f64>,
    max: Option<f64>,
    mean: Option<f64>,
    sd: Option<f64>,
    transfer_syntax: Option<String>,
    warnings: Vec<String>,
    /// Colour images with a profile only.
    #[serde(skip_serializing_if = "Option::is_none")]
    icc: Option<IccReport>,
    /// PET only.
    #[serde(skip_serializing_if = "Option::is_none")]
    suv: Option<SuvReport>,
    geometry: GeometryReport,
    frame_of_reference_uid: Option<String>,
    /// Why the series could not be loaded; `null` if it could.
    error: Option<String>,
}

/// How far positions and lengths can be trusted.
#[derive(Debug, Serialize)]
struct GeometryReport {
    /// `green`, `amber` or `red`.
    verdict: &'static str,
    /// Sentences, worst first.
    reasons: Vec<String>,
    /// Where the distance between pixels comes from.
    spacing_source: &'static str,
    /// What to print after a length.
    length_unit: String,
    /// By which lengths at the detector were divided.
    magnification: Option<f64>,
    /// Angle between the slices' normal and the step from slice to slice.
    tilt_degrees: Option<f64>,
    /// Slices without data, counted from 0 (`time × slices + slice`).
    empty_slices: Vec<usize>,
    /// Calibrated regions of an ultrasound picture.
    regions: Vec<RegionReport>,
}

#[derive(Debug, Serialize)]
struct RegionReport {
    /// First column and row.
    min_px: [u32; 2],
    /// Last column and row.
    max_px: [u32; 2],
    units: [&'static str; 2],
    /// Change per pixel along x and y.
    delta: [f64; 2],
}

/// Pictures are drawn in sRGB; every number of the report is of the colours as stored.
#[derive(Debug, Serialize)]
struct IccReport {
    /// What the profile calls itself.
    profile: String,
    /// Whether pictures differ from what is stored: not if the profile is that of sRGB.
    changes_colors: bool,
}

#[derive(Debug, Serialize)]
struct SuvReport {
    /// SUVbw per value.
    factor: Option<f64>,
    /// Why there is no factor.
    reason: Option<String>,
}

#[derive(Debug, Serialize)]
struct ObjectReport {
    kind: &'static str,
    label: String,
    modality: String,
    study_uid: Option<String>,
    series_uid: Option<String>,
    sop_instance_uid: Option<String>,
    frame_of_reference_uids: Vec<String>,
    referenced_series: Vec<String>,
    path: String,
    parts: Vec<PartReport>,
    warnings: Vec<String>,
    /// Why it could not be read; `null` if it could.
    error: Option<String>,
}

/// A segment, region, or measurement group.
#[derive(Debug, Default, Serialize)]
struct PartReport {
    number: i64,
    label: String,
    /// Of a segment.
    volume_ml: Option<f64>,
    /// Of a region.
    contours: Option<usize>,
    /// Of a measurement group: name, value, unit.
    measurements: Vec<MeasurementReport>,
    /// Why a segment has no volume.
    error: Option<String>,
}

#[derive(Debug, Serialize)]
struct MeasurementReport {
    name: String,
    value: Option<f64>,
    unit: Option<String>,
}

#[derive(Debug, Serialize)]
struct SkippedReport {
    path: String,
    reason: String,
    damaged: bool,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let progress = Progress::new();
    let catalog = formats::scan(&arguments.paths, &progress)?;
    let series: Vec<SeriesReport> =
        catalog.series.iter().map(|entry| series_report(entry, &progress)).collect();
    let skipped = catalog
        .skipped
        .iter()
        .map(|s| SkippedReport {
            path: s.path.display().to_string(),
            reason: s.reason.clone(),
            damaged: !s.is_sound,
        })
        .collect();
    let objects: Vec<ObjectReport> = catalog.objects.iter().map(object_report).collect();
    let errors = series.iter().map(|s| &s.error).chain(objects.iter().map(|o| &o.error));
    for failed in errors.filter_map(|error| error.as_deref()) {
        output::note(failed);
    }
    let is_all_failed = series.iter().all(|s| s.error.is_some()) && objects.iter().all(|o| o.error.is_some());
    let report = Report { series, objects, skipped };
    if arguments.json {
        output::json(&report)?;
    } else {
        output::text(&table(&report))?;
    }
    anyhow::ensure!(!is_all_failed, "no series could be read");
    Ok(())
}

fn series_report(entry: &SeriesEntry, progress: &Progress) -> SeriesReport {
    match formats::load(entry, ReadLimits::default(), progress) {
        Ok(volume) => loaded_report(entry, &volume),
        Err(error) => {
            let error =
                anyhow::Error::from(error).context(format!("cannot load series {}", select::name(entry)));
            let text = format!("{error:#}");
            SeriesReport { error: Some(text), ..header_report(entry) }
        }
    }
}

fn header_report(entry: &SeriesEntry) -> SeriesReport {
    let a = &entry.attributes;
    SeriesReport {
        modality: a.modality.clone(),
        series_uid: a.series_uid.clone(),
        study_uid: a.study_uid.clone(),
        series_number: a.series_number,
        description: a.series_description.clone(),
        source: entry.source.name(),
        dims: entry.dims.to_array(),
        time_points: entry.time_points,
        channels: entry.channels,
        spacing_mm: None,
        origin_lps: None,
        direction: None,
        voxel_type: entry.voxel_type,
        unit: entry.unit.symbol().map(str::to_owned),
        min: None,
        max: None,
        mean: None,
        sd: None,
        transfer_syntax: entry.transfer_syntax.clone(),
        warnings: entry.warnings.iter().map(ToString::to_string).collect(),
        icc: entry.color_profile.as_ref().map(|profile| IccReport {
            profile: profile.name().to_owned(),
            changes_colors: !profile.is_srgb(),
        }),
        suv: (a.modality == "PT").then(|| suv_report(entry)),
        geometry: geometry_report(entry, &entry.verdict()),
        frame_of_reference_uid: a.frame_of_reference_uid.clone(),
        error: None,
    }
}

fn suv_report(entry: &SeriesEntry) -> SuvReport {
    let found = match formats::uptake_header(entry) {
        Ok(header) => suv_body_weight(&header).map_err(|reason| reason.to_string()),
        Err(error) => Err(error.reason()),
    };
    match found {
        Ok(factor) => SuvReport { factor: Some(factor.suv_per_value), reason: None },
        Err(reason) => SuvReport { factor: None, reason: Some(reason) },
    }
}

fn object_report(object: &DerivedObject) -> ObjectReport {
    let header = ObjectReport {
        kind: object.kind.name(),
        label: object.label.clone(),
        modality: object.modality.clone(),
        study_uid: object.study_uid.clone(),
        series_uid: object.series_uid.clone(),
        sop_instance_uid: object.sop_instance_uid.clone(),
        frame_of_reference_uids: object.frame_of_reference_uids.clone(),
        referenced_series: object.referenced_series.clone(),
        path: object.path().display().to_string(),
        parts: Vec::new(),
        warnings: Vec::new(),
        error: None,
    };
    match formats::load_object(object, ReadLimits::default()) {
        Ok(derived) => {
            let (parts, warnings) = parts(derived);
            ObjectReport { parts, warnings, ..header }
        }
        Err(error) => ObjectReport { error: Some(error.to_string()), ..header },
    }
}

/// What an object consists of, and its warnings.
fn parts(derived: Derived) -> (Vec<PartReport>, Vec<String>) {
    match derived {
        Derived::Segmentation(seg) => {
            let parts = seg.segments.iter().map(|segment| {
                let mask = seg.mask(segment.number);
                PartReport {
                    number: segment.number.into(),
                    label: segment.label.clone(),
                    volume_ml: mask.as_ref().ok().and_then(|mask| finite(mask.volume_mm3() / 1000.0)),
                    error: mask.err().map(|error| error.to_string()),
                    ..PartReport::default()
                }
            });
            (parts.collect(), seg.warnings.clone())
        }
        Derived::StructureSet(set) => {
            let parts = set.rois.iter().map(|roi| PartReport {
                number: roi.number,
                label: roi.name.clone(),
                contours: Some(roi.contours.len()),
                ..PartReport::default()
            });
            (parts.collect(), set.warnings.clone())
        }
        Derived::StructuredReport(report) => {
            let groups = report.measurement_groups();
            let parts = groups.into_iter().enumerate().map(|(i, group)| PartReport {
                number: i as i64 + 1,
                label: group.tracking_id.or(group.finding.map(|code| code.meaning)).unwrap_or_default(),
                measurements: group
                    .measurements
                    .into_iter()
                    .map(|measurement| MeasurementReport {
                        name: measurement.name.meaning,
                        value: measurement.measured.as_ref().map(|measured| measured.value),
                        unit: measurement.measured.and_then(|measured| Some(measured.unit?.value)),
                    })
                    .collect(),
                ..PartReport::default()
            });
            (parts.collect(), Vec::new())
        }
        Derived::PresentationState(state) => (Vec::new(), state.warnings),
        Derived::EncapsulatedDocument(document) => (Vec::new(), document.warnings),
    }
}

fn geometry_report(entry: &SeriesEntry, verdict: &Verdict) -> GeometryReport {
    let region = |region: &UltrasoundRegion| RegionReport {
        min_px: region.min_px,
        max_px: region.max_px,
        units: region.units.map(RegionUnit::symbol),
        delta: region.delta,
    };
    GeometryReport {
        verdict: verdict.level.name(),
        reasons: verdict.reasons.iter().map(ToString::to_string).collect(),
        spacing_source: entry.spacing_source.name(),
        length_unit: entry.spacing_source.label(),
        magnification: match entry.spacing_source {
            SpacingSource::DetectorCorrected { magnification, .. } => Some(magnification),
            _ => None,
        },
        tilt_degrees: None,
        empty_slices: Vec::new(),
        regions: entry.ultrasound_regions.iter().map(region).collect(),
    }
}

fn loaded_report(entry: &SeriesEntry, volume: &Volume) -> SeriesReport {
    let geometry = volume.geometry();
    let statistics = volume.statistics();
    SeriesReport {
        dims: geometry.dims().to_array(),
        time_points: volume.time_points(),
        channels: volume.channels().count(),
        spacing_mm: Some(geometry.spacing_mm().to_array()),
        origin_lps: Some(geometry.origin_lps().to_array()),
        direction: Some(direction_row_major(geometry)),
        voxel_type: volume.voxels().type_name(),
        unit: volume.unit().symbol().map(str::to_owned),
        min: finite(statistics.min),
        max: finite(statistics.max),
        mean: finite(statistics.mean),
        sd: finite(statistics.sd),
        warnings: volume.warnings().iter().map(ToString::to_string).collect(),
        geometry: GeometryReport {
            tilt_degrees: finite(geometry.tilt_rad().to_degrees()),
            empty_slices: volume.meta().empty_slices.clone(),
            ..geometry_report(entry, &Verdict::of(entry.warnings.iter().chain(volume.warnings())))
        },
        ..header_report(entry)
    }
}

fn direction_row_major(geometry: &Geometry) -> [f64; 9] {
    geometry.direction().transpose().to_cols_array()
}

/// For people: one paragraph per series.
fn table(report: &Report) -> String {
    let mut lines = Vec::new();
    for (i, s) in report.series.iter().enumerate() {
        let time =
            if s.time_points > 1 { format!(" × {} time points", s.time_points) } else { String::new() };
        let [x, y, z] = s.dims;
        let title = if s.description.is_empty() { "(no description)" } else { &s.description };
        lines.push(format!("{}. {} {title}", i + 1, s.modality));
        lines.push(format!("   {x} × {y} × {z}{time}, {} ({})", s.voxel_type, s.source));
        if let Some([x, y, z]) = s.spacing_mm {
            lines.push(format!("   spacing {x:.4} × {y:.4} × {z:.4} {}", s.geometry.length_unit));
        }
        lines.push(format!("   geometry {}", s.geometry.verdict));
        lines.extend(s.geometry.reasons.iter().map(|reason| format!("     {reason}")));
        if let (Some(min), Some(max), Some(mean), Some(sd)) = (s.min, s.max, s.mean, s.sd) {
            let unit = s.unit.as_deref().unwrap_or("");
            lines.push(format!("   {min} to {max} {unit}, mean {mean:.1}, SD {sd:.1}"));
        }
        if let Some(uid) = &s.series_uid {
            lines.push(format!("   {uid}"));
        }
        lines.extend(s.suv.iter().filter_map(|suv| suv.reason.as_ref()).map(|r| format!("   no SUV: {r}")));
        lines.extend(s.warnings.iter().map(|w| format!("   warning: {w}")));
        lines.extend(s.error.iter().map(|e| format!("   error: {e}")));
    }
    for o in &report.objects {
        let title = if o.label.is_empty() { "(no name)" } else { &o.label };
        lines.push(format!("{} {title}", o.modality));
        lines.push(format!("   {} `{}`", o.kind, o.path));
        for part in &o.parts {
            let volume = part.volume_ml.map(|ml| format!(", {ml:.2} ml")).unwrap_or_default();
            let contours = part.contours.map(|n| format!(", {n} contours")).unwrap_or_default();
            lines.push(format!("   {}. {}{volume}{contours}", part.number, part.label));
            lines.extend(part.measurements.iter().filter_map(|m| {
                Some(format!("      {}: {} {}", m.name, m.value?, m.unit.as_deref().unwrap_or("")))
            }));
        }
        lines.extend(o.warnings.iter().map(|w| format!("   warning: {w}")));
        lines.extend(o.error.iter().map(|e| format!("   error: {e}")));
    }
    lines.extend(report.skipped.iter().map(|s| format!("skipped: {} `{}`", s.reason, s.path)));
    lines.join("\n")
}
