//! What the axes of an NRRD array are: space, colour or component, time; and where the grid lies.

use glam::{DAffine3, DMat3, DVec3};

use super::header::Header;
use crate::ImagingError;
use crate::formats::raw::{damaged, unsupported};
use crate::series::SeriesWarning;

/// The axes sorted out.
#[derive(Debug)]
pub(super) struct Axes {
    /// Size of every axis of the file, fastest first.
    pub(super) sizes: Vec<usize>,
    /// Axes that span space, fastest first; two or three.
    pub(super) domain: Vec<usize>,
    /// Axis with the samples of one voxel.
    pub(super) components: Option<usize>,
    /// All others, fastest first.
    pub(super) further: Vec<usize>,
    pub(super) lps_from_index: DAffine3,
    pub(super) warnings: Vec<SeriesWarning>,
}

impl Axes {
    pub(super) fn of(header: &Header) -> Result<Self, ImagingError> {
        let path = header.path();
        let rank: usize =
            header.number("dimension")?.ok_or_else(|| damaged(path, "`dimension` is missing"))?;
        if !(1..=16).contains(&rank) {
            return Err(header.bad("dimension"));
        }
        header.required("sizes")?;
        let size =
            |word: &&str| word.parse().ok().filter(|&n: &usize| n > 0).ok_or_else(|| header.bad("sizes"));
        let words = header.per_axis("sizes", rank)?.unwrap_or_default();
        let sizes = words.iter().map(size).collect::<Result<Vec<usize>, _>>()?;
        let kinds = header.per_axis("kinds", rank)?;
        let kind = |axis: usize| kinds.as_ref().and_then(|k| k.get(axis)).copied().unwrap_or("???");
        let directions = header.vectors("space directions")?;
        if directions.as_ref().is_some_and(|d| d.len() != rank) {
            return Err(header.bad("space directions"));
        }
        if let Some(axis) = (0..rank).find(|&a| kind(a).eq_ignore_ascii_case("complex")) {
            return Err(unsupported(path, format!("NRRD with complex numbers along axis {}", axis + 1)));
        }

        let is_space = |axis: usize| match &directions {
            // A time axis in a space with time has no part in the first three components.
            Some(all) => all.get(axis).copied().flatten().is_some_and(|v| v != DVec3::ZERO),
            None => is_space_kind(kind(axis)),
        };
        let mut domain: Vec<usize> = (0..rank).filter(|&a| is_space(a)).collect();
        domain.truncate(3);
        if domain.len() < 2 {
            return Err(unsupported(path, format!("NRRD with {} axes in space", domain.len())));
        }
        let others = (0..rank).filter(|a| !domain.contains(a));
        let components = others.clone().find(|&a| is_component_kind(kind(a)));
        let further = others.filter(|&a| Some(a) != components).collect();

        let mut warnings = Vec::new();
        let lps_from_index = match directions {
            Some(all) => {
                let columns: Vec<DVec3> =
                    domain.iter().filter_map(|&a| all.get(a).copied().flatten()).collect();
                in_space(header, &columns, &mut warnings)?
            }
            None => on_its_own(header, rank, &sizes, &domain, &mut warnings)?,
        };
        Ok(Self { sizes, domain, components, further, lps_from_index, warnings })
    }
}

fn is_space_kind(kind: &str) -> bool {
    ["domain", "space", "???", "none"].iter().any(|k| kind.eq_ignore_ascii_case(k))
}

/// Kinds whose values belong together at one place. `list` and `time` are sequences, not vectors.
fn is_component_kind(kind: &str) -> bool {
    let kind = kind.to_ascii_lowercase();
    let exact = ["vector", "covariant-vector", "normal", "point", "quaternion"];
    let parts = ["-color", "-vector", "-gradient", "-normal", "-matrix", "-masked-vector"];
    exact.contains(&kind.as_str()) || parts.iter().any(|part| kind.ends_with(part))
}

/// Grid from `space directions` and `space origin`.
fn in_space(
    header: &Header,
    columns: &[DVec3],
    warnings: &mut Vec<SeriesWarning>,
) -> Result<DAffine3, ImagingError> {
    let origin = header.vectors("space origin")?.and_then(|v| v.first().copied().flatten());
    if origin.is_some() && header.components("space origin") != header.components("space directions") {
        return Err(header.bad("space origin"));
    }
    if origin.is_none() {
        warnings.push(SeriesWarning::NoPosition);
    }
    let space = header.text("space").unwrap_or_default().to_ascii_lowercase();
    let space = space.trim_end_matches("-time");
    let signs = match space {
        "right-anterior-superior" | "ras" | "rast" => DVec3::new(-1.0, -1.0, 1.0),
        "left-anterior-superior" | "las" | "last" => DVec3::new(1.0, -1.0, 1.0),
        "left-posterior-superior" | "lps" | "lpst" => DVec3::ONE,
        // Axes of a scanner or of nothing in particular; taken as they are, as ITK does.
        _ => {
            if origin.is_some() {
                warnings.push(SeriesWarning::NoPosition);
            }
            DVec3::ONE
        }
    };
    let scale = signs * mm_per_unit(header, "space units", 0);
    let x = columns.first().copied().unwrap_or(DVec3::X) * scale;
    let y = columns.get(1).copied().unwrap_or(DVec3::Y) * scale;
    let z = columns.get(2).map_or_else(|| x.cross(y).normalize_or(DVec3::Z), |&z| z * scale);
    Ok(DAffine3 { matrix3: DMat3::from_cols(x, y, z), translation: origin.unwrap_or(DVec3::ZERO) * scale })
}

/// Grid from the axes' own spacings and first positions; directions are unknown.
fn on_its_own(
    header: &Header,
    rank: usize,
    sizes: &[usize],
    domain: &[usize],
    warnings: &mut Vec<SeriesWarning>,
) -> Result<DAffine3, ImagingError> {
    let spacings = header.numbers("spacings", rank)?;
    let mins = header.numbers("axis mins", rank)?.or(header.numbers("axismins", rank)?);
    let maxs = header.numbers("axis maxs", rank)?;
    let centers = header.per_axis("centers", rank)?.or(header.per_axis("centerings", rank)?);
    let known = |list: &Option<Vec<f64>>, axis: usize| {
        list.as_ref().and_then(|l| l.get(axis)).copied().filter(|n| n.is_finite())
    };
    let mut spacing = DVec3::ONE;
    let mut origin = DVec3::ZERO;
    for (i, &axis) in domain.iter().enumerate() {
        let size = sizes.get(axis).copied().unwrap_or(1) as f64;
        let is_node =
            centers.as_ref().and_then(|c| c.get(axis)).is_some_and(|c| c.eq_ignore_ascii_case("node"));
        let steps = if is_node { (size - 1.0).max(1.0) } else { size };
        let min = known(&mins, axis);
        let from_ends = min.zip(known(&maxs, axis)).map(|(min, max)| (max - min) / steps);
        let scale = mm_per_unit(header, "units", axis);
        let length = known(&spacings, axis).or(from_ends).filter(|&s| s != 0.0);
        if length.is_none() {
            let name = ['x', 'y', 'z'].get(i).copied().unwrap_or('z');
            warnings.push(SeriesWarning::SpacingAssumed { axis: name, mm: 1.0 });
        }
        let length = length.unwrap_or(1.0);
        // The first position of a cell is its edge, half a voxel before the centre.
        let half = if is_node { 0.0 } else { length / 2.0 };
        let first = min.map_or(0.0, |min| min + half);
        if let (Some(s), Some(o)) = (spacing.as_mut().get_mut(i), origin.as_mut().get_mut(i)) {
            (*s, *o) = (length * scale, first * scale);
        }
    }
    warnings.push(SeriesWarning::NoPosition);
    Ok(DAffine3 { matrix3: DMat3::from_diagonal(spacing), translation: origin })
}

/// Millimetres in the unit of an axis; what is not a known length counts as millimetres.
fn mm_per_unit(header: &Header, key: &str, index: usize) -> f64 {
    let unit = header.text(key).and_then(|text| text.split('"').skip(1).step_by(2).nth(index));
    match unit.unwrap_or_default().trim() {
        "m" | "meter" | "meters" => 1000.0,
        "cm" | "centimeter" | "centimeters" => 10.0,
        "um" | "µm" | "μm" | "micron" | "microns" | "micrometer" | "micrometers" => 1e-3,
        "nm" | "nanometer" | "nanometers" => 1e-6,
        _ => 1.0,
    }
}
