//! What is taken from a file: numbers that are finite and within reason, counts that are bounded, names that are known.

use glam::DVec3;
use imaging::geometry::AnatomicalPlane;
use imaging::intensity::{VoiFunction, Window};
use imaging::measurement::{Calibration, Drawing, DrawingKind, DrawingPlane};
use render_core::camera::{Camera, Projection};
use render_core::scene::{Slab, SlabMode};
use render_core::transfer_function::{ControlPoint, TransferFunction};

use super::SessionError;
use super::wire::{
    SavedAnatomy, SavedAnnotation, SavedArrangement, SavedCalibration, SavedCamera, SavedControlPoint,
    SavedDisplay, SavedFrame, SavedFunction, SavedPlane, SavedProjection, SavedSeries, SavedSession,
    SavedSlabMode, SavedSlice, SavedView, SavedVolumeLook, SavedWindow, Triple,
};
use crate::document::{Arrangement, MAX_GRID, PlaneFrame, SliceView};

/// Places that were opened.
const MAX_OPENINGS: usize = 4096;
/// Paths of all of them together.
const MAX_PATHS: usize = 1 << 17;
/// Bytes of a path, a name, or the words of a drawing.
const MAX_TEXT_BYTES: usize = 1 << 16;
const MAX_SERIES: usize = 1 << 16;
const MAX_DRAWINGS: usize = 1 << 17;
const MAX_VIEWPORTS: usize = 256;
const MAX_CONTROL_POINTS: usize = 4096;
/// Coordinates beyond this many mm are no place in a patient or on a slide.
const MAX_COORDINATE_MM: f64 = 1e7;
/// Modality values beyond this are none.
const MAX_VALUE: f64 = 1e30;
/// No picture is enlarged or reduced further.
const ZOOM: std::ops::RangeInclusive<f64> = 1e-9..=1e9;

type Checked<T> = Result<T, String>;

/// Whether everything in a session can be restored; said of the first thing that cannot.
pub(super) fn check(session: &SavedSession) -> Result<(), SessionError> {
    all(session).map_err(|what| SessionError::Damaged { what })
}

fn all(session: &SavedSession) -> Checked<()> {
    bounded("openings", session.openings.len(), MAX_OPENINGS)?;
    bounded("paths", session.openings.iter().map(Vec::len).sum(), MAX_PATHS)?;
    bounded("series", session.series.len(), MAX_SERIES)?;
    bounded("drawings", session.drawing_count(), MAX_DRAWINGS)?;
    bounded("viewports", session.viewports.len(), MAX_VIEWPORTS)?;
    text("created", &session.created)?;
    text("software", &session.software)?;
    for path in session.openings.iter().flatten() {
        bounded("bytes of a path", path.len(), MAX_TEXT_BYTES)?;
    }
    for (at, saved) in session.series.iter().enumerate() {
        series(saved, session.openings.len()).map_err(|what| format!("series {}: {what}", at + 1))?;
        if let Some(fusion) = &saved.fusion {
            if fusion.over >= session.series.len() || fusion.over == at {
                return Err(format!("series {}: nothing to lie over it", at + 1));
            }
            text("a colour map", &fusion.color_map)?;
            within("an opacity", f64::from(fusion.opacity), 0.0..=1.0)?;
        }
    }
    arrangement(session.layout.arrangement)?;
    session.layout.stood_in_for.map(arrangement).transpose()?;
    for viewport in &session.viewports {
        let damaged = |what| format!("viewport {}: {what}", viewport.id);
        if viewport.series.is_some_and(|at| at >= session.series.len()) {
            return Err(damaged("there is no such series".to_owned()));
        }
        match &viewport.view {
            SavedView::Slice(saved) => slice(saved).map(drop).map_err(damaged)?,
            SavedView::Volume(saved) => camera(saved).map(drop).map_err(damaged)?,
        }
    }
    Ok(())
}

fn series(saved: &SavedSeries, openings: usize) -> Checked<()> {
    if saved.opening >= openings {
        return Err("there is no such opening".to_owned());
    }
    if saved.uid.is_none() && saved.file.is_none() {
        return Err("it has neither UID nor file".to_owned());
    }
    text("its UID", saved.uid.as_deref().unwrap_or_default())?;
    bounded("bytes of its file", saved.file.as_ref().map_or(0, super::wire::SavedPath::len), MAX_TEXT_BYTES)?;
    text("its label", &saved.label)?;
    saved.cursor_lps_mm.map(place).transpose()?;
    if let Some(SavedDisplay { window: saved, volume, color_map, .. }) = &saved.display {
        window(saved)?;
        text("a colour map", color_map.as_deref().unwrap_or_default())?;
        transfer_function(volume)?;
    }
    saved.calibration.as_ref().map(calibration).transpose()?;
    for annotation in &saved.annotations {
        drawing(annotation).map_err(|what| format!("drawing {}: {what}", annotation.number))?;
        text("its words", &annotation.label)?;
        text("its UID", annotation.tracking_uid.as_deref().unwrap_or_default())?;
    }
    Ok(())
}

fn bounded(what: &str, found: usize, most: usize) -> Checked<()> {
    if found > most { Err(format!("{found} {what} are more than {most}")) } else { Ok(()) }
}

fn text(what: &str, text: &str) -> Checked<()> {
    if text.len() > MAX_TEXT_BYTES { Err(format!("{what} is too long")) } else { Ok(()) }
}

fn within(what: &str, value: f64, range: std::ops::RangeInclusive<f64>) -> Checked<f64> {
    if range.contains(&value) { Ok(value) } else { Err(format!("{what} of {value}")) }
}

/// A point in space.
pub(super) fn place(triple: Triple) -> Checked<DVec3> {
    for value in triple {
        within("a coordinate", value, -MAX_COORDINATE_MM..=MAX_COORDINATE_MM)?;
    }
    Ok(DVec3::from_array(triple))
}

/// A direction; the very one that was written, if it was one.
fn direction(triple: Triple) -> Checked<DVec3> {
    let direction = DVec3::from_array(triple);
    if direction.is_finite() && (direction.length() - 1.0).abs() < 1e-6 {
        Ok(direction)
    } else {
        Err("a direction that is none".to_owned())
    }
}

pub(super) fn arrangement(saved: SavedArrangement) -> Checked<Arrangement> {
    match saved {
        SavedArrangement::FourUp => Ok(Arrangement::FourUp),
        SavedArrangement::OnePlusTwo => Ok(Arrangement::OnePlusTwo),
        SavedArrangement::VolumePrimary => Ok(Arrangement::VolumePrimary),
        SavedArrangement::Grid { rows, columns }
            if (1..=MAX_GRID).contains(&rows) && (1..=MAX_GRID).contains(&columns) =>
        {
            Ok(Arrangement::grid(rows, columns))
        }
        SavedArrangement::Grid { rows, columns } => Err(format!("a grid of {rows} × {columns}")),
    }
}

pub(super) fn slice(saved: &SavedSlice) -> Checked<SliceView> {
    let (right, down) = (direction(saved.right)?, direction(saved.down)?);
    if right.dot(down).abs() > 1e-6 {
        return Err("axes that are not perpendicular".to_owned());
    }
    let plane = match saved.plane {
        SavedAnatomy::Axial => AnatomicalPlane::Axial,
        SavedAnatomy::Coronal => AnatomicalPlane::Coronal,
        SavedAnatomy::Sagittal => AnatomicalPlane::Sagittal,
    };
    let slab = Slab {
        thickness_mm: within("a slab", saved.slab_mm, 0.0..=MAX_COORDINATE_MM)?,
        mode: match saved.slab_mode {
            SavedSlabMode::Mean => SlabMode::Mean,
            SavedSlabMode::Max => SlabMode::Max,
            SavedSlabMode::Min => SlabMode::Min,
        },
    };
    Ok(SliceView {
        plane,
        right,
        down,
        frame: match saved.frame {
            SavedFrame::Acquired => PlaneFrame::Acquired,
            SavedFrame::Patient => PlaneFrame::Patient,
        },
        pan_lps: place(saved.pan_lps_mm)?,
        zoom: within("a zoom", saved.zoom, ZOOM)?,
        slab,
    })
}

pub(super) fn camera(saved: &SavedCamera) -> Checked<Camera> {
    let projection = match saved.projection {
        SavedProjection::Perspective { vertical_fov_rad } => Projection::Perspective {
            vertical_fov_rad: within(
                "a field of view",
                vertical_fov_rad,
                1e-6..=std::f64::consts::PI - 1e-6,
            )?,
        },
        SavedProjection::Orthographic { height_mm } => {
            Projection::Orthographic { height_mm: within("a height", height_mm, 1e-9..=MAX_COORDINATE_MM)? }
        }
    };
    Ok(Camera {
        position_lps: place(saved.position_lps_mm)?,
        target_lps: place(saved.target_lps_mm)?,
        up_lps: place(saved.up_lps)?,
        projection,
    })
}

/// The window; of one that looks values up, the LINEAR one over the same range.
pub(super) fn window(saved: &SavedWindow) -> Checked<Window> {
    text("the name of a window", saved.name.as_deref().unwrap_or_default())?;
    within("a window center", saved.center, -MAX_VALUE..=MAX_VALUE)?;
    within("a window width", saved.width, 0.0..=MAX_VALUE)?;
    let function = match saved.function {
        SavedFunction::Linear | SavedFunction::Table => VoiFunction::Linear,
        SavedFunction::LinearExact => VoiFunction::LinearExact,
        SavedFunction::Sigmoid => VoiFunction::Sigmoid,
    };
    Window::new(saved.center, saved.width, function).map_err(|error| error.to_string())
}

pub(super) fn transfer_function(saved: &SavedVolumeLook) -> Checked<TransferFunction> {
    text("the name of a preset", saved.preset.as_deref().unwrap_or_default())?;
    bounded("control points", saved.points.len(), MAX_CONTROL_POINTS)?;
    within("a path length", saved.reference_mm, 1e-3..=MAX_COORDINATE_MM)?;
    let point = |p: &SavedControlPoint| {
        within("a control value", p.value, -MAX_VALUE..=MAX_VALUE)?;
        for share in p.color.into_iter().chain([p.opacity]) {
            within("a share", f64::from(share), 0.0..=1.0)?;
        }
        Ok(ControlPoint { value: p.value, color: p.color, opacity: p.opacity })
    };
    let points: Checked<Vec<ControlPoint>> = saved.points.iter().map(point).collect();
    Ok(TransferFunction::new(points?, saved.reference_mm))
}

pub(super) fn calibration(saved: &SavedCalibration) -> Checked<Calibration> {
    for words in [&saved.drawn_unit, &saved.by, &saved.at] {
        text("a calibration", words)?;
    }
    Calibration::from_lengths(saved.drawn, saved.known_mm, &saved.drawn_unit, [&saved.by, &saved.at])
        .map_err(|error| error.to_string())
}

pub(super) fn drawing(saved: &SavedAnnotation) -> Checked<Drawing> {
    let kind = DrawingKind::from_id(&saved.kind)
        .ok_or_else(|| format!("kind `{}` is not known", saved.kind.chars().take(64).collect::<String>()))?;
    bounded("points", saved.points_lps_mm.len(), kind.points().max)?;
    let points = saved.points_lps_mm.iter().map(|triple| place(*triple)).collect::<Checked<Vec<DVec3>>>()?;
    let SavedPlane { through_lps_mm, right, down } = saved.plane;
    let plane = DrawingPlane::new(place(through_lps_mm)?, direction(right)?, direction(down)?)
        .map_err(|error| error.to_string())?;
    let drawing = Drawing::complete(kind, points, plane).map_err(|error| error.to_string())?;
    is_somewhere(&drawing)?;
    Ok(drawing)
}

/// Whether all points can be written and read again: those of regions were put onto their plane, which may lead far.
pub(super) fn is_somewhere(drawing: &Drawing) -> Checked<()> {
    drawing.points_lps().iter().try_for_each(|lps| place(lps.to_array()).map(drop))
}
