//! Reads softcopy presentation states (PS3.3 A.33, C.10.4, C.10.5, C.10.6, C.10.7, C.11.6, C.11.8).

use glam::DVec2;

use super::dataset::DataSet;
use super::derived_tags as dtags;
use super::lut::Lut;
use super::object::{self, Object};
use super::tags::{self, Tag};
use super::text::Charset;
use crate::ImagingError;
use crate::annotation::{
    AnnotationUnits, DisplayedArea, Graphic, GraphicAnnotation, GraphicLayer, GraphicObject, LookupTable,
    PresentationLut, PresentationState, SizeMode, SoftcopyVoi, SpatialTransformation, TextObject,
};
use crate::derived::SeriesReference;
use crate::intensity::{NamedWindow, VoiFunction, Window};
use crate::volume::Rescale;

/// From the corner of the first pixel to its centre (PS3.3 C.10.5.1.2).
const CORNER_TO_CENTER: f64 = -0.5;

/// The images that the state is for.
pub(super) fn references(set: &DataSet) -> Vec<SeriesReference> {
    let series = |item: &DataSet| SeriesReference {
        series_uid: item.text(tags::SERIES_INSTANCE_UID).unwrap_or_default(),
        instances: object::instance_references(item, dtags::REFERENCED_IMAGE_SEQUENCE),
    };
    set.items(dtags::REFERENCED_SERIES_SEQUENCE).iter().map(series).collect()
}

pub(super) fn read(object: &Object<'_>) -> Result<PresentationState, ImagingError> {
    object.check_complete()?;
    let set = object.set();
    let mut warnings = Vec::new();
    let slope = set.number(tags::RESCALE_SLOPE).filter(|&slope| slope != 0.0);
    let lut_shape = match set.text(dtags::PRESENTATION_LUT_SHAPE).as_deref() {
        Some("INVERSE") => Some(PresentationLut::Inverse),
        Some("IDENTITY") => Some(PresentationLut::Identity),
        Some(other) => {
            warnings.push(format!("presentation LUT shape `{other}` is not known"));
            None
        }
        None => None,
    };
    let lut_table = set.item(dtags::PRESENTATION_LUT_SEQUENCE).and_then(table).map(PresentationLut::Table);
    if !set.items(tags::MODALITY_LUT_SEQUENCE).is_empty() {
        warnings.push("its own modality lookup table is not used".to_owned());
    }
    let mut layers: Vec<GraphicLayer> =
        set.items(dtags::GRAPHIC_LAYER_SEQUENCE).iter().map(|item| layer(item, &object.charset)).collect();
    layers.sort_by_key(|layer| layer.order);
    let displayed_areas = set
        .items(dtags::DISPLAYED_AREA_SELECTION_SEQUENCE)
        .iter()
        .filter_map(|item| {
            let area = displayed_area(item);
            if area.is_none() {
                warnings.push("a displayed area without corners was left out".to_owned());
            }
            area
        })
        .collect();
    let annotations = set
        .items(dtags::GRAPHIC_ANNOTATION_SEQUENCE)
        .iter()
        .map(|item| annotation(item, &object.charset, &mut warnings))
        .collect();
    Ok(PresentationState {
        label: object.text(dtags::CONTENT_LABEL),
        description: object.text(dtags::CONTENT_DESCRIPTION),
        referenced_series: references(set),
        rescale: slope
            .map(|slope| Rescale { slope, intercept: set.number(tags::RESCALE_INTERCEPT).unwrap_or(0.0) }),
        vois: set
            .items(dtags::SOFTCOPY_VOI_LUT_SEQUENCE)
            .iter()
            .map(|item| voi(item, &object.charset))
            .collect(),
        presentation_lut: lut_table.or(lut_shape),
        transformation: transformation(set, &mut warnings),
        displayed_areas,
        layers,
        annotations,
        warnings,
    })
}

fn transformation(set: &DataSet, warnings: &mut Vec<String>) -> SpatialTransformation {
    let degrees = set.number(dtags::IMAGE_ROTATION).unwrap_or(0.0);
    let quarter_turns = (degrees / 90.0).rem_euclid(4.0);
    if quarter_turns.fract() != 0.0 {
        warnings.push(format!("rotation by `{degrees}` degrees is not used"));
    }
    SpatialTransformation {
        quarter_turns: if quarter_turns.fract() == 0.0 { quarter_turns as u8 } else { 0 },
        is_flipped: set.text(dtags::IMAGE_HORIZONTAL_FLIP).as_deref() == Some("Y"),
    }
}

fn layer(item: &DataSet, charset: &Charset) -> GraphicLayer {
    GraphicLayer {
        name: item.text(dtags::GRAPHIC_LAYER).unwrap_or_default(),
        description: charset.text(item, dtags::GRAPHIC_LAYER_DESCRIPTION),
        order: item.integer(dtags::GRAPHIC_LAYER_ORDER).unwrap_or(0),
        color_rgb: object::rgb_of_cielab(item, dtags::GRAPHIC_LAYER_CIELAB),
    }
}

/// Corners are pixel numbers from 1, of the pixels that are seen top left and bottom right after turn and flip.
fn displayed_area(item: &DataSet) -> Option<DisplayedArea> {
    let corner = |tag| item.array::<2>(tag).map(DVec2::from_array);
    let (a, b) = (corner(dtags::DISPLAYED_AREA_TOP_LEFT)?, corner(dtags::DISPLAYED_AREA_BOTTOM_RIGHT)?);
    // Numbers count pixels, so both pixels are shown whole.
    let bounds = [a.min(b) - 1.5, a.max(b) - 0.5];
    let aspect = item.array::<2>(dtags::PRESENTATION_PIXEL_ASPECT_RATIO);
    Some(DisplayedArea {
        images: object::instance_references(item, dtags::REFERENCED_IMAGE_SEQUENCE),
        bounds,
        size_mode: match item.text(dtags::PRESENTATION_SIZE_MODE).as_deref() {
            Some("TRUE SIZE") => SizeMode::TrueSize,
            Some("MAGNIFY") => item
                .number(dtags::PRESENTATION_PIXEL_MAGNIFICATION)
                .filter(|&ratio| ratio > 0.0 && ratio.is_finite())
                .map_or(SizeMode::ScaleToFit, SizeMode::Magnify),
            _ => SizeMode::ScaleToFit,
        },
        pixel_spacing_mm: item
            .array::<2>(dtags::PRESENTATION_PIXEL_SPACING)
            .filter(|pair| pair.iter().all(|&mm| mm > 0.0)),
        pixel_aspect_ratio: aspect.filter(|pair| pair.iter().all(|&n| n > 0.0)).map(|[v, h]| v / h),
    })
}

fn voi(item: &DataSet, charset: &Charset) -> SoftcopyVoi {
    let function = match item.text(tags::VOI_LUT_FUNCTION).as_deref() {
        Some("LINEAR_EXACT") => VoiFunction::LinearExact,
        Some("SIGMOID") => VoiFunction::Sigmoid,
        _ => VoiFunction::Linear,
    };
    let names = charset.text(item, tags::WINDOW_EXPLANATION);
    let mut names = names.split('\\').map(str::trim);
    let (centers, widths) = (item.numbers(tags::WINDOW_CENTER), item.numbers(tags::WINDOW_WIDTH));
    let windows = centers.iter().zip(&widths).enumerate().filter_map(|(i, (&center, &width))| {
        let name = names.next().filter(|name| !name.is_empty());
        let name = name.map_or_else(|| format!("Window {}", i + 1), str::to_owned);
        let window = Window::new(center, width, function).ok()?;
        Some(NamedWindow { name, window })
    });
    SoftcopyVoi {
        images: object::instance_references(item, dtags::REFERENCED_IMAGE_SEQUENCE),
        windows: windows.collect(),
        tables: item.items(tags::VOI_LUT_SEQUENCE).iter().filter_map(table).collect(),
    }
}

fn table(item: &DataSet) -> Option<LookupTable> {
    let lut = Lut::read(item, tags::LUT_DESCRIPTOR, tags::LUT_DATA)?;
    Some(LookupTable { first_input: lut.first, bits: lut.bits, entries: lut.entries().to_vec() })
}

fn annotation(item: &DataSet, charset: &Charset, warnings: &mut Vec<String>) -> GraphicAnnotation {
    let graphics = item.items(dtags::GRAPHIC_OBJECT_SEQUENCE).iter().filter_map(|object| {
        let found = graphic_object(object);
        warnings.extend(found.as_ref().err().map(|reason| format!("a drawing was left out: {reason}")));
        found.ok()
    });
    let graphics = graphics.collect();
    let texts = item.items(dtags::TEXT_OBJECT_SEQUENCE).iter().map(|object| text_object(object, charset));
    GraphicAnnotation {
        images: object::instance_references(item, dtags::REFERENCED_IMAGE_SEQUENCE),
        layer: item.text(dtags::GRAPHIC_LAYER).unwrap_or_default(),
        graphics,
        texts: texts.collect(),
    }
}

/// Units of a coordinate and its shift into them.
fn units(item: &DataSet, tag: Tag) -> Option<(AnnotationUnits, f64)> {
    match item.text(tag).as_deref() {
        Some("PIXEL") => Some((AnnotationUnits::Index, CORNER_TO_CENTER)),
        Some("DISPLAY") => Some((AnnotationUnits::DisplayedArea, 0.0)),
        _ => None,
    }
}

fn graphic_object(item: &DataSet) -> Result<GraphicObject, String> {
    let Some((units, shift)) = units(item, dtags::GRAPHIC_ANNOTATION_UNITS) else {
        return Err("its units are missing or not known".to_owned());
    };
    let kind = item.text(dtags::GRAPHIC_TYPE).unwrap_or_default();
    let graphic = graphic(&kind, &points(item, shift)?)?;
    let is_filled = item.text(dtags::GRAPHIC_FILLED).as_deref() == Some("Y");
    Ok(GraphicObject { graphic, units, is_filled })
}

/// Points of Graphic Data, shifted.
pub(super) fn points(item: &DataSet, shift: f64) -> Result<Vec<DVec2>, String> {
    let numbers = item.numbers(dtags::GRAPHIC_DATA);
    let (pairs, rest) = numbers.as_chunks::<2>();
    if !rest.is_empty() || numbers.iter().any(|number| !number.is_finite()) {
        return Err(format!("{} numbers are no list of points", numbers.len()));
    }
    Ok(pairs.iter().map(|&pair| DVec2::from_array(pair) + shift).collect())
}

/// A drawing of graphic type `kind` (PS3.3 C.10.5.1.2, C.18.6.1.2).
pub(super) fn graphic(kind: &str, points: &[DVec2]) -> Result<Graphic, String> {
    match (kind, points) {
        ("POINT", [point]) => Ok(Graphic::Point(*point)),
        // Reports may hold several points in one item; the first two make a line.
        ("POLYLINE", [_, _, ..]) | ("MULTIPOINT", [_, ..]) => Ok(Graphic::Polyline(points.to_vec())),
        ("INTERPOLATED", [_, _, ..]) => Ok(Graphic::Interpolated(points.to_vec())),
        ("CIRCLE", [center, on_edge]) => Ok(Graphic::Circle { center: *center, on_edge: *on_edge }),
        ("ELLIPSE", [a, b, c, d]) => Ok(Graphic::Ellipse { major: [*a, *b], minor: [*c, *d] }),
        ("POINT" | "POLYLINE" | "MULTIPOINT" | "INTERPOLATED" | "CIRCLE" | "ELLIPSE", _) => {
            Err(format!("`{kind}` with the wrong number of points ({})", points.len()))
        }
        _ => Err(format!("graphic type `{kind}` is not known")),
    }
}

fn text_object(item: &DataSet, charset: &Charset) -> TextObject {
    let point = |tag, shift: f64| item.array::<2>(tag).map(|pair| DVec2::from_array(pair) + shift);
    let bounding_box = units(item, dtags::BOUNDING_BOX_ANNOTATION_UNITS).and_then(|(units, shift)| {
        let corners =
            [point(dtags::BOUNDING_BOX_TOP_LEFT, shift)?, point(dtags::BOUNDING_BOX_BOTTOM_RIGHT, shift)?];
        corners.iter().all(|corner| corner.is_finite()).then_some((corners, units))
    });
    let anchor = units(item, dtags::ANCHOR_POINT_ANNOTATION_UNITS).and_then(|(units, shift)| {
        let anchor = point(dtags::ANCHOR_POINT, shift).filter(|anchor| anchor.is_finite())?;
        Some((anchor, units))
    });
    TextObject {
        text: charset.text(item, dtags::UNFORMATTED_TEXT_VALUE),
        bounding_box,
        anchor,
        is_anchor_visible: item.text(dtags::ANCHOR_POINT_VISIBILITY).as_deref() == Some("Y"),
    }
}
