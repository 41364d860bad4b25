//! Named colours. Every pair that is used together is tested for contrast below.

use egui::Color32;
use imaging::geometry::AnatomicalPlane;

const fn hex(rgb: u32) -> Color32 {
    Color32::from_rgb((rgb >> 16) as u8, (rgb >> 8) as u8, rgb as u8)
}

/// Behind pixels.
pub const PIXELS: Color32 = Color32::BLACK;
/// Panels and bars.
pub const CHROME: Color32 = hex(0x15_171B);
/// Menus, popups, cards.
pub const RAISED: Color32 = hex(0x1D_2026);
/// Hairlines between panels.
pub const LINE: Color32 = hex(0x2B_2F37);
/// Text fields and number fields.
pub const FIELD: Color32 = hex(0x0F_1114);
/// Buttons at rest.
pub const CONTROL: Color32 = hex(0x25_2931);
/// Buttons under the pointer.
pub const CONTROL_HOVERED: Color32 = hex(0x30_353F);
/// Buttons while pressed.
pub const CONTROL_PRESSED: Color32 = hex(0x3A_404C);
/// Background of what is selected.
pub const SELECTION: Color32 = hex(0x1E_4461);
/// What is read.
pub const TEXT: Color32 = hex(0xE7_E9EC);
/// Labels, captions, units.
pub const TEXT_QUIET: Color32 = hex(0xA3_ABB5);
/// Selection and focus, nothing else.
pub const ACCENT: Color32 = hex(0x58_B6F0);
/// Fine; always beside an icon or a word.
pub const GOOD: Color32 = hex(0x4D_B38A);
/// Look at this; always beside an icon or a word.
pub const WARNING: Color32 = hex(0xD9_A441);
/// Failed; always beside an icon or a word.
pub const DANGER: Color32 = hex(0xE2_625B);
/// What readers draw on pictures.
pub const MARK: Color32 = hex(0x6F_E3DE);
/// Halo around overlay text.
pub const HALO: Color32 = Color32::from_black_alpha(200);
/// Histogram bars behind a transfer function.
pub const HISTOGRAM: Color32 = hex(0x5A_626E);

/// The colour of an anatomical plane: title, reference lines, axes.
///
/// Never the only sign: each plane has its own letters and line style too.
pub fn plane(plane: AnatomicalPlane) -> Color32 {
    match plane {
        AnatomicalPlane::Axial => hex(0xF0_6A62),
        AnatomicalPlane::Sagittal => hex(0xE6_C34A),
        AnatomicalPlane::Coronal => hex(0x5F_C97A),
    }
}

/// A theme colour as sRGB floats, for scenes.
pub fn to_srgb(color: Color32) -> [f32; 3] {
    [color.r(), color.g(), color.b()].map(|c| f32::from(c) / 255.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Relative luminance. Source: WCAG 2.2.
    fn luminance(c: Color32) -> f64 {
        let linear = |c: u8| f64::from(render_core::image::decode_srgb(f32::from(c) / 255.0));
        0.2126 * linear(c.r()) + 0.7152 * linear(c.g()) + 0.0722 * linear(c.b())
    }

    fn contrast(a: Color32, b: Color32) -> f64 {
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    #[test]
    fn black_on_white_has_the_known_contrast() {
        assert!((contrast(Color32::BLACK, Color32::WHITE) - 21.0).abs() < 1e-6);
    }

    #[test]
    fn text_is_readable_on_every_background_it_is_used_on() {
        let grounds = [PIXELS, CHROME, RAISED, FIELD, CONTROL, CONTROL_HOVERED, CONTROL_PRESSED, SELECTION];
        for ground in grounds {
            assert!(contrast(TEXT, ground) >= 4.5, "text on {ground:?}: {}", contrast(TEXT, ground));
        }
        for ground in [PIXELS, CHROME, RAISED, FIELD, CONTROL, CONTROL_HOVERED] {
            let found = contrast(TEXT_QUIET, ground);
            assert!(found >= 4.5, "quiet text on {ground:?}: {found}");
        }
        assert!(contrast(ACCENT, SELECTION) >= 4.5, "{}", contrast(ACCENT, SELECTION));
        for color in [ACCENT, GOOD, WARNING, DANGER] {
            for ground in [CHROME, RAISED, FIELD, PIXELS] {
                assert!(contrast(color, ground) >= 4.5, "{color:?} on {ground:?}");
            }
        }
        for p in AnatomicalPlane::ALL {
            assert!(contrast(plane(p), PIXELS) >= 4.5, "{}", p.name());
        }
    }

    #[test]
    fn graphics_stand_out() {
        for ground in [CHROME, RAISED, FIELD, PIXELS] {
            assert!(contrast(ACCENT, ground) >= 3.0);
        }
        assert!(contrast(HISTOGRAM, FIELD) >= 3.0, "{}", contrast(HISTOGRAM, FIELD));
    }
}
