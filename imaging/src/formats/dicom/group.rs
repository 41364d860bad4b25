//! Objects to series: by study and series UID, split where frames cannot form one volume.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use super::bytes::Location;
use super::codec;
use super::instance::{ColorSpace, Frame, Instance, Photometric, SampleFormat};
use super::pixels::VoxelKind;
use super::stack::{self, FrameRef, Placed, Stack, Stacking, natural_order};
use crate::color_profile::ColorProfile;
use crate::formats::Origin;
use crate::intensity::NamedWindow;
use crate::series::{SeriesAttributes, SeriesEntry, SeriesWarning, SkippedFile, SourceFrame, SourceKind};
use crate::verdict::Level;
use crate::volume::{Rescale, Unit};

/// Frames of damaged files may all differ; looking further back would take the square of their number.
const MAX_BUCKETS_SEARCHED: usize = 256;

/// What a series entry needs to be loaded.
#[derive(Debug)]
pub(crate) struct DicomSeries {
    /// All objects of the DICOM series; entries split from it share them.
    pub(crate) instances: Arc<Vec<Instance>>,
    pub(crate) stack: Stack,
    pub(crate) kind: VoxelKind,
    pub(crate) channels: usize,
    pub(crate) rescale: Rescale,
    pub(crate) padding: Option<[f64; 2]>,
    first: usize,
}

impl DicomSeries {
    /// Whether some object holds several frames.
    pub(crate) fn has_multi_frame(&self) -> bool {
        self.instances.iter().any(|instance| instance.frames.len() > 1)
    }

    /// Where the objects of its slices are, each once, in the order of the slices.
    pub(crate) fn locations(&self) -> impl Iterator<Item = &Location> {
        let mut seen = std::collections::BTreeSet::new();
        let frames = self.stack.slots.iter().flatten();
        frames
            .filter(move |at| seen.insert(at.instance))
            .filter_map(|at| Some(&self.instances.get(at.instance)?.location))
    }

    /// The object of the first slice.
    pub(crate) fn first_instance(&self) -> Option<&Instance> {
        self.instances.get(self.first)
    }

    /// The object that a slice of the volume shows, and the index of its frame there.
    pub(crate) fn frame_at(&self, z: usize, time_point: usize) -> Option<(&Location, usize)> {
        let at = self.stack.nearest_frame(z, time_point)?;
        Some((&self.instances.get(at.instance)?.location, at.frame))
    }

    pub(crate) fn source_frame(&self, z: usize, time_point: usize) -> Option<SourceFrame> {
        let at = self.stack.nearest_frame(z, time_point)?;
        let instance = self.instance(at)?;
        Some(SourceFrame {
            sop_class_uid: instance.sop_class.clone(),
            sop_instance_uid: instance.sop_uid.clone(),
            frame_number: at.frame + 1,
            instance_number: instance.frames.get(at.frame)?.instance_number,
        })
    }

    /// Windows of the frame that a slice shows; of the frame itself, else of its object.
    pub(crate) fn windows_of_slice(&self, z: usize, time_point: usize) -> &[NamedWindow] {
        self.stack.nearest_frame(z, time_point).map_or(&[], |at| windows_of(&self.instances, at))
    }

    pub(crate) fn instance(&self, at: FrameRef) -> Option<&Instance> {
        self.instances.get(at.instance)
    }
}

/// Windows of a frame, tables first: its own come in place of those of its object.
fn windows_of(instances: &[Instance], at: FrameRef) -> &[NamedWindow] {
    let Some(instance) = instances.get(at.instance).filter(|instance| !instance.format.is_color()) else {
        return &[];
    };
    match instance.frames.get(at.frame) {
        Some(frame) if !frame.windows.is_empty() => &frame.windows,
        _ => &instance.windows,
    }
}

/// Groups objects into series entries; objects that end up nowhere are returned with the reason.
pub(crate) fn group(instances: Vec<Instance>) -> (Vec<SeriesEntry>, Vec<SkippedFile>) {
    let mut by_uid: BTreeMap<(String, String), Vec<Instance>> = BTreeMap::new();
    for instance in instances {
        let series = match &instance.attributes.series_uid {
            Some(uid) => uid.clone(),
            // Without a UID nothing says that two files belong together.
            None => instance.location.path().to_string_lossy().into_owned(),
        };
        let study = instance.attributes.study_uid.clone().unwrap_or_default();
        by_uid.entry((study, series)).or_default().push(instance);
    }
    let mut entries = Vec::new();
    let mut skipped = Vec::new();
    for mut instances in by_uid.into_values() {
        instances.sort_by(|a, b| natural_order(a.location.path(), b.location.path()));
        let copies = drop_copies(&mut instances);
        let instances = Arc::new(instances);
        let first_new = entries.len();
        series_entries(&instances, &mut entries, &mut skipped);
        if copies > 0
            && let Some(entry) = entries.get_mut(first_new)
        {
            entry.warnings.push(SeriesWarning::DuplicateSlices { count: copies });
        }
    }
    (entries, skipped)
}

/// Removes further copies of the same object; returns how many.
fn drop_copies(instances: &mut Vec<Instance>) -> usize {
    let before = instances.len();
    let mut seen = HashSet::new();
    instances.retain(|instance| {
        let frame = instance.frames.first();
        // Some writers reuse a UID; only what also agrees in number and place is a copy.
        let number = frame.and_then(|frame| frame.instance_number);
        let position = frame.and_then(|frame| frame.position).map(|p| p.to_array().map(f64::to_bits));
        instance.sop_uid.is_empty() || seen.insert((instance.sop_uid.clone(), number, position))
    });
    before - instances.len()
}

fn series_entries(
    instances: &Arc<Vec<Instance>>,
    entries: &mut Vec<SeriesEntry>,
    skipped: &mut Vec<SkippedFile>,
) {
    let mut buckets: Vec<Vec<Placed<'_>>> = Vec::new();
    let mut reasons: Vec<&str> = Vec::new();
    for (instance_index, instance) in instances.iter().enumerate() {
        for (frame_index, frame) in instance.frames.iter().enumerate() {
            let at = FrameRef { instance: instance_index, frame: frame_index };
            let placed = Placed { at, frame, instance };
            let mut difference = None;
            let home = buckets.iter_mut().rev().take(MAX_BUCKETS_SEARCHED).find(|bucket| {
                let Some(known) = bucket.first() else { return false };
                let found = mismatch(known, &placed);
                difference = found.or(difference);
                found.is_none()
            });
            match home {
                Some(bucket) => bucket.push(placed),
                None => buckets.push(vec![placed]),
            }
            if let Some(reason) = difference
                && !reasons.contains(&reason)
            {
                reasons.push(reason);
            }
        }
    }
    let is_split = buckets.len() > 1;
    let mut waiting: Vec<(Vec<Placed<'_>>, Vec<String>)> = buckets
        .into_iter()
        .rev()
        .map(|bucket| (bucket, if is_split { vec![reasons.join(", ")] } else { Vec::new() }))
        .collect();
    while let Some((frames, reasons)) = waiting.pop() {
        let skip = frames.clone();
        match stack::build(frames) {
            Stacking::Stack(stack) => match entry(instances, *stack, &skip, &reasons) {
                Ok(entry) => entries.push(entry),
                Err(reason) => skipped.extend(skipped_files(&skip, &reason)),
            },
            Stacking::Split(parts, reason) => waiting.extend(parts.into_iter().rev().map(|part| {
                let mut reasons = reasons.clone();
                reasons.push(reason.clone());
                (part, reasons)
            })),
            Stacking::Impossible(reason) => skipped.extend(skipped_files(&skip, &reason)),
        }
    }
}

fn skipped_files(frames: &[Placed<'_>], reason: &str) -> Vec<SkippedFile> {
    let mut files: Vec<SkippedFile> = Vec::new();
    for placed in frames {
        let path = placed.instance.location.path();
        if files.last().is_none_or(|file| file.path != path) {
            files.push(SkippedFile { path: path.to_path_buf(), reason: reason.to_owned(), is_sound: false });
        }
    }
    files
}

/// Why two frames cannot be part of one volume.
fn mismatch(a: &Placed<'_>, b: &Placed<'_>) -> Option<&'static str> {
    let (f, g) = (&a.instance.format, &b.instance.format);
    let is_localizer = |placed: &Placed<'_>| placed.frame.image_type.contains("LOCALIZER");
    let differs = |cond: bool, reason| cond.then_some(reason);
    differs((f.rows, f.columns) != (g.rows, g.columns), "matrix size differs")
        .or(differs(
            (f.samples, f.photometric) != (g.samples, g.photometric) && (f.is_color() || g.is_color()),
            "colour model differs",
        ))
        .or(differs(
            f.bits_stored != g.bits_stored && f.is_color() && f.photometric != Photometric::Palette,
            "bits per colour sample differ",
        ))
        .or(differs(a.instance.is_inverted != b.instance.is_inverted, "photometric interpretation differs"))
        .or(differs(f.sample != g.sample, "number type differs"))
        .or(differs(a.instance.palette != b.instance.palette, "colour palette differs"))
        .or(differs(
            a.instance.modality_lut.is_some() != b.instance.modality_lut.is_some(),
            "modality transform differs",
        ))
        .or(differs(is_localizer(a) != is_localizer(b), "localizer among other images"))
        .or(differs(a.instance.attributes.modality != b.instance.attributes.modality, "modality differs"))
        .or(differs(a.frame.position.is_some() != b.frame.position.is_some(), "position is missing in some"))
        .or(differs(!same_orientation(a.frame, b.frame), "orientation differs"))
        .or(differs(!same_spacing(a.frame, b.frame), "pixel spacing differs"))
}

/// Within a tenth of a degree.
fn same_orientation(a: &Frame, b: &Frame) -> bool {
    match (a.orientation, b.orientation) {
        (Some(a), Some(b)) => a.iter().zip(&b).all(|(a, b)| a.abs_diff_eq(*b, 2e-3)),
        (None, None) => true,
        _ => false,
    }
}

fn same_spacing(a: &Frame, b: &Frame) -> bool {
    let near = |a: f64, b: f64| (a - b).abs() <= 1e-3 * a.max(b);
    near(a.spacing.row_mm, b.spacing.row_mm)
        && near(a.spacing.column_mm, b.spacing.column_mm)
        && a.spacing.source.name() == b.spacing.source.name()
}

fn entry(
    instances: &Arc<Vec<Instance>>,
    stack: Stack,
    frames: &[Placed<'_>],
    reasons: &[String],
) -> Result<SeriesEntry, String> {
    let used = || stack.slots.iter().flatten().filter_map(|at| Some((at, instances.get(at.instance)?)));
    let (&first_at, first) = used().next().ok_or("no frames")?;
    if used().all(|(_, instance)| instance.truncation.is_some()) {
        let (expected, found) = first.truncation.unwrap_or_default();
        return Err(format!("file is truncated: {expected} bytes of voxels expected, {found} found"));
    }
    // Attributes and windows of the middle slice of the first point in time: the most typical one.
    let middle = stack.slots.get(stack.places / 2).copied().flatten().unwrap_or(first_at);
    let typical = instances.get(middle.instance).unwrap_or(first);
    let format = &first.format;
    let rescales: Vec<Rescale> =
        used().filter_map(|(at, instance)| Some(instance.frames.get(at.frame)?.rescale)).collect();
    let rescale = rescales.first().copied().unwrap_or(Rescale::IDENTITY);
    let rescale_varies = rescales.iter().any(|other| *other != rescale);
    let padding_varies = used().any(|(_, instance)| instance.padding != first.padding);
    let has_padding = used().any(|(_, instance)| instance.padding.is_some());
    let kind = if format.is_color() {
        let sample_bytes = match format.sample {
            SampleFormat::Integer { bytes: 2, .. } if format.photometric != Photometric::Palette => 2,
            _ => 1,
        };
        VoxelKind::Rgb { sample_bytes }
    } else if first.modality_lut.is_some() {
        VoxelKind::LookedUp { is_masked: has_padding }
    } else if rescale_varies || (has_padding && padding_varies) {
        VoxelKind::Rescaled
    } else {
        VoxelKind::Stored(format.sample)
    };
    let is_stored = matches!(kind, VoxelKind::Stored(_));
    let mut warnings = warnings(&stack, frames, reasons, first);
    if rescale_varies && kind == VoxelKind::Rescaled {
        warnings.push(SeriesWarning::RescaleVaries);
    }
    let color_profile = match color_profile(used().map(|(_, instance)| instance), first) {
        Ok(profile) => profile,
        Err(reason) => {
            warnings.push(SeriesWarning::Other(format!("{reason}; colours are shown as stored")));
            None
        }
    };
    let channels = if format.is_color() { 3 } else { 1 };
    let dims = stack.geometry.dims();
    let (voxel_type, sample_bytes) = number_type(kind);
    let decoded_bytes = (dims.x as u64 * dims.y as u64 * channels as u64 * sample_bytes)
        .saturating_mul(dims.z as u64)
        .saturating_mul(stack.time_points as u64);
    let instance_numbers = (0..dims.z)
        .map(|z| {
            let at = stack.nearest_frame(z, 0)?;
            instances.get(at.instance)?.frames.get(at.frame)?.instance_number
        })
        .collect();
    let thicknesses: Vec<_> =
        used().filter_map(|(at, instance)| Some(instance.frames.get(at.frame)?.thickness)).collect();
    let attributes = SeriesAttributes {
        // One number cannot stand for slices that differ.
        slice_thickness_mm: typical
            .attributes
            .slice_thickness_mm
            .filter(|_| thicknesses.iter().all(|other| Some(other) == thicknesses.first())),
        ..typical.attributes.clone()
    };
    let series = DicomSeries {
        instances: Arc::clone(instances),
        kind,
        channels,
        rescale: if is_stored { rescale } else { Rescale::IDENTITY },
        padding: first.padding.filter(|_| is_stored),
        first: first_at.instance,
        stack,
    };
    Ok(SeriesEntry {
        source: SourceKind::Dicom,
        attributes,
        dims,
        time_points: series.stack.time_points,
        channels,
        voxel_type,
        unit: unit(typical, first_at.frame),
        transfer_syntax: Some(first.transfer_syntax.clone()),
        windows: windows_of(instances, middle).to_vec(),
        is_inverted: first.is_inverted,
        warnings,
        instance_numbers,
        spacing_source: frames.first().map(|placed| placed.frame.spacing.source.clone()).unwrap_or_default(),
        ultrasound_regions: first.ultrasound_regions.clone(),
        color_profile,
        decoded_bytes,
        origin: Origin::Dicom(Arc::new(series)),
    })
}

/// The colour profile of a series, if all its objects have the same.
fn color_profile<'a>(
    mut used: impl Iterator<Item = &'a Instance>,
    first: &Instance,
) -> Result<Option<ColorProfile>, String> {
    if used.any(|instance| instance.color_space != first.color_space) {
        return Err("the images have different colour profiles".to_owned());
    }
    first.color_space.as_ref().map(ColorSpace::profile).transpose()
}

fn warnings(
    stack: &Stack,
    frames: &[Placed<'_>],
    reasons: &[String],
    first: &Instance,
) -> Vec<SeriesWarning> {
    let mut warnings: Vec<SeriesWarning> = Vec::new();
    if !reasons.is_empty() {
        warnings.push(SeriesWarning::Split { reason: reasons.join(", ") });
    }
    warnings.extend(stack.warnings.iter().cloned());
    let frames_of_reference: HashSet<_> =
        frames.iter().map(|placed| &placed.instance.attributes.frame_of_reference_uid).collect();
    let mut objects: Vec<usize> = frames.iter().map(|placed| placed.at.instance).collect();
    objects.dedup();
    // A UID for every file is what some de-identification leaves, and says nothing.
    if (2..objects.len()).contains(&frames_of_reference.len()) {
        warnings.push(SeriesWarning::FramesOfReferenceMixed { count: frames_of_reference.len() });
    }
    if let Some(placed) = frames.first() {
        let source = placed.frame.spacing.source.clone();
        let finding = SeriesWarning::PixelSpacing { source };
        if finding.geometry_level() > Level::Green {
            warnings.push(finding);
        }
    }
    let mut truncated: Vec<&Placed<'_>> =
        frames.iter().filter(|placed| placed.instance.truncation.is_some()).collect();
    truncated.dedup_by_key(|placed| placed.at.instance);
    if let Some(placed) = truncated.first() {
        warnings.push(SeriesWarning::UnreadableFiles {
            count: truncated.len(),
            first: placed.instance.location.path().to_path_buf(),
            reason: "file is truncated".to_owned(),
        });
    }
    let method = codec::lossy_method(&first.transfer_syntax);
    if let Some(method) = method.or(first.is_lossy.then_some("before this file was written")) {
        warnings.push(SeriesWarning::LossyCompression { method: method.to_owned() });
    }
    for warning in frames.iter().flat_map(|placed| &placed.instance.warnings) {
        if !warnings.contains(warning) {
            warnings.push(warning.clone());
        }
    }
    warnings
}

/// NumPy name and size of the samples.
pub(crate) fn number_type(kind: VoxelKind) -> (&'static str, u64) {
    match kind {
        VoxelKind::Rgb { sample_bytes: 2 } | VoxelKind::LookedUp { is_masked: false } => ("uint16", 2),
        VoxelKind::Rgb { .. } => ("uint8", 1),
        VoxelKind::Rescaled
        | VoxelKind::LookedUp { is_masked: true }
        | VoxelKind::Stored(SampleFormat::Float32) => ("float32", 4),
        VoxelKind::Stored(SampleFormat::Float64) => ("float64", 8),
        VoxelKind::Stored(SampleFormat::Bit) => ("uint8", 1),
        VoxelKind::Stored(SampleFormat::Integer { bytes, is_signed }) => match (bytes, is_signed) {
            (1, false) => ("uint8", 1),
            (1, true) => ("int8", 1),
            (2, false) => ("uint16", 2),
            (2, true) => ("int16", 2),
            (_, false) => ("uint32", 4),
            (_, true) => ("int32", 4),
        },
    }
}

/// What modality values measure.
///
/// Hounsfield only for CT image classes (enhanced and legacy too) whose rescale type is HU or absent; a localizer
/// must say HU itself.
fn unit(instance: &Instance, frame_index: usize) -> Unit {
    let named = |text: &str| !matches!(text, "US" | "NONE" | "");
    if instance.format.is_color() {
        return Unit::None;
    }
    if let Some(units) = instance.units.as_ref().filter(|units| named(units.as_str())) {
        return Unit::Other(units.clone());
    }
    let is_ct = matches!(
        instance.sop_class.as_str(),
        "1.2.840.10008.5.1.4.1.1.2" | "1.2.840.10008.5.1.4.1.1.2.1" | "1.2.840.10008.5.1.4.1.1.2.2"
    );
    let image_type = instance.frames.get(frame_index).map_or("", |frame| frame.image_type.as_str());
    match instance.rescale_type.as_deref() {
        Some("HU") if is_ct => Unit::Hounsfield,
        None if is_ct && !image_type.contains("LOCALIZER") => Unit::Hounsfield,
        // Hounsfield units outside CT images are inherited from somewhere else.
        Some("HU") => Unit::None,
        Some(other) if named(other) => Unit::Other(other.to_owned()),
        _ => Unit::None,
    }
}
