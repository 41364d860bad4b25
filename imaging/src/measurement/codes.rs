//! Standard codes of quantities and units, for reports and back.
//!
//! Sources: PS3.16 CID 7470 (linear), 7471 (area), 7472 (volume), 7464 (derivations), 7180 (what values measure);
//! UCUM. Concepts that no standard code says are of the local scheme [`LOCAL_SCHEME`], as PS3.16 8.2 provides.

use super::{Dimension, Quantity, QuantityName};
use crate::derived::CodedConcept;

/// Coding scheme of our own concepts.
pub(crate) const LOCAL_SCHEME: &str = "99LANTERN";
/// Concept whose code is the [`id`](super::DrawingKind::id) of a drawing's kind.
pub(crate) const DRAWING_KIND: &str = "drawing-kind";
/// Concept of control points that cannot be told from the drawn line.
pub(crate) const CONTROL_POINTS: &str = "control-points";

pub(crate) fn concept(scheme: &str, value: &str, meaning: &str) -> CodedConcept {
    CodedConcept { value: value.to_owned(), scheme: scheme.to_owned(), meaning: meaning.to_owned() }
}

pub(crate) fn local(value: &str, meaning: &str) -> CodedConcept {
    concept(LOCAL_SCHEME, value, meaning)
}

/// Name and, for statistics, derivation of a quantity. Names of values depend on what they measure.
pub(crate) fn quantity_codes(quantity: &Quantity) -> (CodedConcept, Option<CodedConcept>) {
    let sct = |value, meaning| concept("SCT", value, meaning);
    let name = match quantity.name {
        QuantityName::Length => sct("410668003", "Length"),
        QuantityName::LongAxis => sct("103339001", "Long Axis"),
        QuantityName::ShortAxis => sct("103340004", "Short Axis"),
        QuantityName::Diameter => sct("81827009", "Diameter"),
        QuantityName::Width => sct("103355008", "Width"),
        QuantityName::Height => concept("DCM", "121207", "Height"),
        QuantityName::Perimeter => sct("131191004", "Perimeter"),
        QuantityName::Area => sct("42798000", "Area"),
        QuantityName::Volume => sct("118565006", "Volume"),
        QuantityName::Angle => sct("1483009", "Angle"),
        QuantityName::CobbAngle => sct("285285000", "Cobb angle"),
        QuantityName::PixelCount => local("pixel-count", "Number of pixels"),
        QuantityName::Value
        | QuantityName::Mean
        | QuantityName::StandardDeviation
        | QuantityName::Minimum
        | QuantityName::Maximum
        | QuantityName::Median => measured_property(&quantity.unit),
    };
    (name, derivation(quantity.name))
}

/// What values in a unit measure.
fn measured_property(unit: &str) -> CodedConcept {
    match unit {
        "HU" => concept("DCM", "112031", "Attenuation Coefficient"),
        "g/ml" => concept("DCM", "126401", "SUVbw"),
        _ => local("modality-value", "Modality value"),
    }
}

const DERIVATIONS: [(QuantityName, &str, &str); 5] = [
    (QuantityName::Mean, "373098007", "Mean"),
    (QuantityName::StandardDeviation, "386136009", "Standard Deviation"),
    (QuantityName::Minimum, "255605001", "Minimum"),
    (QuantityName::Maximum, "56851009", "Maximum"),
    (QuantityName::Median, "373099004", "Median"),
];

fn derivation(name: QuantityName) -> Option<CodedConcept> {
    let (_, value, meaning) = DERIVATIONS.into_iter().find(|(known, ..)| *known == name)?;
    Some(concept("SCT", value, meaning))
}

/// UCUM unit of a quantity.
pub(crate) fn unit_code(quantity: &Quantity) -> CodedConcept {
    let ucum = |value, meaning| concept("UCUM", value, meaning);
    let is_mm = quantity.unit.starts_with("mm");
    match (quantity.name.dimension(), is_mm) {
        (Dimension::Length, true) => ucum("mm", "millimeter"),
        (Dimension::Length, false) => ucum("{pixels}", "pixels"),
        (Dimension::Area, true) => ucum("mm2", "square millimeter"),
        (Dimension::Area, false) => ucum("{square_pixels}", "square pixels"),
        (Dimension::Volume, true) => ucum("mm3", "cubic millimeter"),
        (Dimension::Volume, false) => ucum("{cubic_pixels}", "cubic pixels"),
        (Dimension::Angle, _) => ucum("deg", "degree"),
        (Dimension::Count, _) => ucum("{pixels}", "pixels"),
        (Dimension::Value, _) => match quantity.unit.as_str() {
            "HU" => ucum("[hnsf'U]", "Hounsfield unit"),
            "g/ml" => ucum("{SUVbw}g/ml", "Standardized Uptake Value body weight"),
            "BQML" => ucum("Bq/ml", "Becquerels/milliliter"),
            "GY" => ucum("Gy", "Gray"),
            "" | "CNTS" => ucum("1", "no units"),
            other if is_ucum(other) => ucum(other, other),
            _ => ucum("1", "no units"),
        },
    }
}

/// Whether a text of a file may stand as a unit: short, and of the letters that units have.
fn is_ucum(unit: &str) -> bool {
    unit.len() <= 16 && unit.bytes().all(|b| b.is_ascii_alphanumeric() || b"/.%[]{}'*-".contains(&b))
}

/// Text to print after a number in a UCUM unit, as far as lengths and angles go; else its code.
pub(crate) fn unit_label(code: &CodedConcept) -> String {
    match code.value.as_str() {
        "mm2" => "mm²",
        "mm3" => "mm³",
        "cm2" => "cm²",
        "cm3" => "cm³",
        "{pixels}" | "{px}" => "px",
        "{square_pixels}" => "px²",
        "{cubic_pixels}" => "px³",
        "deg" => "°",
        "[hnsf'U]" => "HU",
        "{SUVbw}g/ml" => "g/ml",
        "Bq/ml" => "BQML",
        "1" => "",
        other => other,
    }
    .to_owned()
}

/// The quantity that a report names, from SNOMED CT or the codes that came before it.
pub(crate) fn quantity_name(name: &CodedConcept, derivation: Option<&CodedConcept>) -> Option<QuantityName> {
    if let Some(derivation) = derivation {
        let old = match derivation.value.as_str() {
            "R-00317" => Some(QuantityName::Mean),
            "R-10047" => Some(QuantityName::StandardDeviation),
            "R-404FB" => Some(QuantityName::Minimum),
            "G-A437" => Some(QuantityName::Maximum),
            _ => None,
        };
        let found = DERIVATIONS.iter().find(|(_, value, _)| *value == derivation.value);
        return old.or_else(|| found.map(|(name, ..)| *name));
    }
    Some(match name.value.as_str() {
        "410668003" | "G-D7FE" => QuantityName::Length,
        "103339001" | "G-A185" => QuantityName::LongAxis,
        "103340004" | "G-A186" => QuantityName::ShortAxis,
        "81827009" | "M-02550" => QuantityName::Diameter,
        "103355008" | "G-A220" => QuantityName::Width,
        "121207" => QuantityName::Height,
        "131191004" | "G-A197" => QuantityName::Perimeter,
        "42798000" | "131184002" | "G-A166" | "G-A16A" => QuantityName::Area,
        "118565006" | "G-D705" => QuantityName::Volume,
        "1483009" | "M-15001" => QuantityName::Angle,
        "285285000" => QuantityName::CobbAngle,
        "pixel-count" => QuantityName::PixelCount,
        "112031" | "126401" | "modality-value" | "110852" => QuantityName::Value,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_lead_back_to_their_quantity_and_unit() {
        for name in QuantityName::ALL {
            let units = match name.dimension() {
                Dimension::Length => ["mm (user)", "px"],
                Dimension::Area => ["mm²", "px²"],
                Dimension::Volume => ["mm³", "px³"],
                Dimension::Angle => ["°", "°"],
                Dimension::Value => ["HU", "g/ml"],
                Dimension::Count => ["", ""],
            };
            for unit in units {
                let quantity = Quantity { name, value: Some(1.0), unit: unit.to_owned(), plus_minus: None };
                let (code, derivation) = quantity_codes(&quantity);
                assert_eq!(quantity_name(&code, derivation.as_ref()), Some(name));
                assert!(code.value.len() <= 16 && code.meaning.len() <= 64);
                if name.dimension() != Dimension::Count {
                    let label = unit_label(&unit_code(&quantity));
                    assert_eq!(label, unit.replace(" (user)", ""));
                }
            }
        }
    }

    #[test]
    fn units_of_files_stand_only_where_they_look_like_units() {
        let unit = |text: &str| {
            let quantity =
                Quantity { name: QuantityName::Mean, value: None, unit: text.to_owned(), plus_minus: None };
            unit_code(&quantity).value
        };
        assert_eq!(unit("mm2/s"), "mm2/s");
        assert_eq!(unit("no unit at all"), "1");
        assert_eq!(unit("a\\b"), "1");
    }
}
