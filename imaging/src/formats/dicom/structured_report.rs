//! Reads structured reports (PS3.3 A.35, C.17.3, C.18).

use glam::DVec3;

use super::dataset::DataSet;
use super::derived_tags as dtags;
use super::object::{self, Object};
use super::presentation_state;
use super::tags;
use super::text::Charset;
use crate::ImagingError;
use crate::derived::{CodedConcept, SeriesReference};
use crate::report::{ContentItem, ContentValue, MeasuredValue, SpatialGraphic, StructuredReport};

/// The objects that the report rests on.
pub(super) fn evidence(set: &DataSet) -> Vec<SeriesReference> {
    let studies = [dtags::CURRENT_REQUESTED_PROCEDURE_EVIDENCE, dtags::PERTINENT_OTHER_EVIDENCE]
        .into_iter()
        .flat_map(|tag| set.items(tag));
    let series = studies.flat_map(|study| study.items(dtags::REFERENCED_SERIES_SEQUENCE));
    let reference = |item: &DataSet| SeriesReference {
        series_uid: item.text(tags::SERIES_INSTANCE_UID).unwrap_or_default(),
        instances: object::instance_references(item, dtags::REFERENCED_SOP_SEQUENCE),
    };
    series.map(reference).collect()
}

pub(super) fn read(object: &Object<'_>) -> Result<StructuredReport, ImagingError> {
    object.check_complete()?;
    let set = object.set();
    if set.text(dtags::VALUE_TYPE).is_none() && set.items(dtags::CONTENT_SEQUENCE).is_empty() {
        return Err(object.damaged("the report has no content"));
    }
    let root = item(set, &object.charset);
    Ok(StructuredReport {
        title: root.concept.clone(),
        completion: set.text(dtags::COMPLETION_FLAG).unwrap_or_default(),
        verification: set.text(dtags::VERIFICATION_FLAG).unwrap_or_default(),
        root,
        evidence: evidence(set),
    })
}

/// An item and all below; the walk over the file bounds the depth.
fn item(set: &DataSet, charset: &Charset) -> ContentItem {
    ContentItem {
        relationship: set.text(dtags::RELATIONSHIP_TYPE).unwrap_or_default(),
        concept: object::concept(set, dtags::CONCEPT_NAME_CODE_SEQUENCE, charset),
        value: value(set, charset).unwrap_or_else(ContentValue::Unread),
        children: set.items(dtags::CONTENT_SEQUENCE).iter().map(|child| item(child, charset)).collect(),
    }
}

fn value(set: &DataSet, charset: &Charset) -> Result<ContentValue, String> {
    let text = |tag| charset.text(set, tag);
    let reference = || {
        let item = set.item(dtags::REFERENCED_SOP_SEQUENCE);
        item.map(object::instance_reference).ok_or_else(|| "the reference is missing".to_owned())
    };
    let Some(value_type) = set.text(dtags::VALUE_TYPE) else {
        let place = object::numbers_from_one(set, dtags::REFERENCED_CONTENT_ITEM_IDENTIFIER);
        return if place.is_empty() {
            Err("the value type is missing".to_owned())
        } else {
            Ok(ContentValue::ByReference(place))
        };
    };
    Ok(match value_type.as_str() {
        "CONTAINER" => {
            let template = set.item(dtags::CONTENT_TEMPLATE_SEQUENCE);
            ContentValue::Container { template: template.and_then(|t| t.text(dtags::TEMPLATE_IDENTIFIER)) }
        }
        "TEXT" => ContentValue::Text(text(dtags::TEXT_VALUE)),
        "CODE" => ContentValue::Code(
            object::concept(set, dtags::CONCEPT_CODE_SEQUENCE, charset).ok_or("the code is missing")?,
        ),
        "NUM" => number(set, charset)?,
        "PNAME" => ContentValue::PersonName(text(dtags::PERSON_NAME)),
        "DATE" => ContentValue::Date(text(dtags::DATE)),
        "TIME" => ContentValue::Time(text(dtags::TIME)),
        "DATETIME" => ContentValue::DateTime(text(dtags::DATE_TIME)),
        "UIDREF" => ContentValue::Uid(set.text(dtags::UID).unwrap_or_default()),
        "IMAGE" => ContentValue::Image(reference()?),
        "COMPOSITE" | "WAVEFORM" => ContentValue::Composite(reference()?),
        "SCOORD" => {
            // Counted from the corner of the first pixel (PS3.3 C.18.6.1.1).
            let points = presentation_state::points(set, -0.5)?;
            let kind = set.text(dtags::GRAPHIC_TYPE).unwrap_or_default();
            ContentValue::Drawing(presentation_state::graphic(&kind, &points)?)
        }
        "SCOORD3D" => spatial(set)?,
        other => ContentValue::Unread(format!("value type `{other}`")),
    })
}

fn number(set: &DataSet, charset: &Charset) -> Result<ContentValue, String> {
    let qualifier = object::concept(set, dtags::NUMERIC_VALUE_QUALIFIER_CODE_SEQUENCE, charset);
    let measured = set.item(dtags::MEASURED_VALUE_SEQUENCE).map(|item| {
        let unit: Option<CodedConcept> =
            object::concept(item, dtags::MEASUREMENT_UNITS_CODE_SEQUENCE, charset);
        // The decimal text may be rounded to 16 characters; the float beside it is not.
        let value = [dtags::FLOATING_POINT_VALUE, dtags::NUMERIC_VALUE]
            .into_iter()
            .find_map(|tag| item.number(tag).filter(|value| value.is_finite()));
        value.map(|value| MeasuredValue { value, unit }).ok_or_else(|| "the value is not a number".to_owned())
    });
    Ok(ContentValue::Number { measured: measured.transpose()?, qualifier })
}

fn spatial(set: &DataSet) -> Result<ContentValue, String> {
    let numbers = set.numbers(dtags::GRAPHIC_DATA);
    let (triples, rest) = numbers.as_chunks::<3>();
    let count = triples.len();
    let kind = set.text(dtags::GRAPHIC_TYPE).unwrap_or_default();
    let (graphic, is_complete) = match kind.as_str() {
        "POINT" => (SpatialGraphic::Point, count == 1),
        "MULTIPOINT" => (SpatialGraphic::Multipoint, count >= 1),
        "POLYLINE" => (SpatialGraphic::Polyline, count >= 2),
        "POLYGON" => (SpatialGraphic::Polygon, count >= 3),
        "ELLIPSE" => (SpatialGraphic::Ellipse, count == 4),
        "ELLIPSOID" => (SpatialGraphic::Ellipsoid, count == 6),
        _ => return Err(format!("graphic type `{kind}` is not known")),
    };
    if !is_complete || !rest.is_empty() || numbers.iter().any(|number| !number.is_finite()) {
        return Err(format!("`{kind}` with {} coordinates", numbers.len()));
    }
    Ok(ContentValue::Spatial {
        graphic,
        points_lps: triples.iter().copied().map(DVec3::from_array).collect(),
        frame_of_reference_uid: set.text(dtags::REFERENCED_FRAME_OF_REFERENCE_UID),
    })
}
