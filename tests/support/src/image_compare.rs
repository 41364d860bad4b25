//! Comparing pictures by named tolerances, and golden pictures.

use std::path::Path;

use image::RgbaImage;

use crate::data::workspace_root;

/// How far two pictures may differ. Use a named constructor, so that every tolerance has a reason.
#[derive(Debug, Clone, Copy)]
pub struct Tolerance {
    name: &'static str,
    /// Largest allowed difference of one 8-bit channel, except for `outlier_share` of all pixels.
    max_difference: u8,
    outlier_share: f64,
}

impl Tolerance {
    /// Same code, same inputs, same machine class: only the last bit of rounding may differ.
    pub const fn exact() -> Self {
        Self { name: "exact", max_difference: 1, outlier_share: 0.0 }
    }

    /// Two implementations of the same sampling (reference, fast CPU, GPU): hardware filtering keeps 8 bits of
    /// the fraction, and a ray may gain or lose its last sample at an edge.
    pub const fn same_sampling() -> Self {
        Self { name: "same sampling", max_difference: 6, outlier_share: 0.005 }
    }

    /// User interface pictures: glyph edges vary with the rasteriser.
    pub const fn user_interface() -> Self {
        Self { name: "user interface", max_difference: 24, outlier_share: 0.01 }
    }
}

/// Peak signal-to-noise ratio of two RGB pictures in decibels (alpha ignored); infinite if equal.
///
/// # Panics
/// If the sizes differ.
pub fn psnr_db(a: &RgbaImage, b: &RgbaImage) -> f64 {
    assert_eq!(a.dimensions(), b.dimensions(), "picture sizes differ");
    let sum: f64 = a
        .pixels()
        .zip(b.pixels())
        .flat_map(|(p, q)| (0..3).map(move |c| f64::from(p[c]) - f64::from(q[c])))
        .map(|d| d * d)
        .sum();
    let mean = sum / f64::from(a.width() * a.height() * 3);
    10.0 * (255.0 * 255.0 / mean).log10()
}

/// Explains by how much `actual` leaves the tolerance around `expected`, or `Ok`.
///
/// # Errors
/// A sentence with the number of pixels outside and the worst difference.
pub fn compare(actual: &RgbaImage, expected: &RgbaImage, tolerance: Tolerance) -> Result<(), String> {
    if actual.dimensions() != expected.dimensions() {
        return Err(format!("size is {:?}, expected {:?}", actual.dimensions(), expected.dimensions()));
    }
    let differences: Vec<u8> = actual
        .pixels()
        .zip(expected.pixels())
        .map(|(a, e)| (0..4).map(|c| a[c].abs_diff(e[c])).max().unwrap_or(0))
        .collect();
    let outside = differences.iter().filter(|&&d| d > tolerance.max_difference).count();
    let allowed = (differences.len() as f64 * tolerance.outlier_share) as usize;
    if outside <= allowed {
        return Ok(());
    }
    let worst = differences.iter().max().copied().unwrap_or(0);
    Err(format!(
        "{outside} pixels differ by more than {} ({} tolerance allows {allowed}); the worst differs by {worst}",
        tolerance.max_difference, tolerance.name
    ))
}

/// Holds a picture against `tests/golden/<name>.png`.
///
/// `UPDATE_GOLDEN=1` writes the expected picture. On failure *actual* and *difference* lie in
/// `target/golden/` and the message says so.
///
/// # Panics
/// If the picture is missing or differs by more than the tolerance.
pub fn assert_golden(name: &str, actual: &RgbaImage, tolerance: Tolerance) {
    let expected_path = workspace_root().join("tests/golden").join(format!("{name}.png"));
    if std::env::var_os("UPDATE_GOLDEN").is_some_and(|v| v == "1") {
        actual.save(&expected_path).expect("golden folder is writable");
        return;
    }
    let expected = image::open(&expected_path)
        .unwrap_or_else(|e| panic!("cannot open {}: {e}; UPDATE_GOLDEN=1 writes it", expected_path.display()))
        .into_rgba8();
    if let Err(reason) = compare(actual, &expected, tolerance) {
        let folder = workspace_root().join("target/golden");
        std::fs::create_dir_all(&folder).expect("target folder is writable");
        save_failure(&folder, name, actual, &expected);
        panic!("{name}: {reason}; see {}", folder.display());
    }
}

fn save_failure(folder: &Path, name: &str, actual: &RgbaImage, expected: &RgbaImage) {
    actual.save(folder.join(format!("{name}.actual.png"))).expect("target folder is writable");
    if actual.dimensions() == expected.dimensions() {
        let difference = RgbaImage::from_fn(actual.width(), actual.height(), |x, y| {
            let (a, e) = (actual.get_pixel(x, y), expected.get_pixel(x, y));
            let scaled = |c: usize| a[c].abs_diff(e[c]).saturating_mul(8);
            image::Rgba([scaled(0), scaled(1), scaled(2), 255])
        });
        difference.save(folder.join(format!("{name}.difference.png"))).expect("target folder is writable");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flat(value: u8) -> RgbaImage {
        RgbaImage::from_pixel(32, 32, image::Rgba([value, value, value, 255]))
    }

    #[test]
    fn every_tolerance_fails_on_a_visible_change() {
        for tolerance in [Tolerance::exact(), Tolerance::same_sampling(), Tolerance::user_interface()] {
            assert!(compare(&flat(100), &flat(101), tolerance).is_ok(), "{tolerance:?}");
            let mut changed = flat(100);
            for i in 0..32 {
                changed.put_pixel(i, i, image::Rgba([160, 100, 100, 255]));
            }
            assert!(compare(&changed, &flat(100), tolerance).is_err(), "{tolerance:?}");
        }
    }

    #[test]
    fn psnr_of_a_known_difference() {
        assert!((psnr_db(&flat(100), &flat(110)) - 28.13).abs() < 0.01);
        assert!(psnr_db(&flat(9), &flat(9)).is_infinite());
    }
}
