//! Premultiplied colours packed as `0xAARRGGBB`, mixed as the toolkit's shader mixes them: in gamma space, 8 bits.

use egui::Color32;

/// Two channels in the low bytes of the halves of a word.
const LANES: u32 = 0x00ff_00ff;

/// White, which leaves what it multiplies as it is.
pub(super) const WHITE: u32 = 0xffff_ffff;

/// Packs a colour of the toolkit, which is premultiplied already.
pub(super) fn pack(color: Color32) -> u32 {
    let [r, g, b, a] = color.to_array();
    u32::from_be_bytes([a, r, g, b])
}

/// Each lane times `factor` / 255, rounded to nearest.
fn scale(lanes: u32, factor: u32) -> u32 {
    let product = lanes * factor + 0x0080_0080;
    ((product + ((product >> 8) & LANES)) >> 8) & LANES
}

/// The sum of two words of lanes, each at most 255.
fn add(a: u32, b: u32) -> u32 {
    let sum = a + b;
    (sum | (((sum >> 8) & 0x0001_0001) * 255)) & LANES
}

/// `source` over `below`.
pub(super) fn over(below: u32, source: u32) -> u32 {
    let rest = 255 - (source >> 24);
    match (rest, source) {
        (0, _) => source,
        (255, 0) => below,
        _ => {
            let low = add(source & LANES, scale(below & LANES, rest));
            let high = add((source >> 8) & LANES, scale((below >> 8) & LANES, rest));
            (high << 8) | low
        }
    }
}

/// Channel by channel: a texel and the colour of its mesh.
pub(super) fn multiply(a: u32, b: u32) -> u32 {
    if b == WHITE {
        return a;
    }
    let channels = a.to_be_bytes().into_iter().zip(b.to_be_bytes());
    channels.fold(0, |packed, (x, y)| {
        let product = u32::from(x) * u32::from(y) + 128;
        (packed << 8) | ((product + (product >> 8)) >> 8)
    })
}

/// The four channels of a colour in 16 bits each.
pub(super) fn spread(color: u32) -> u64 {
    u64::from(color & LANES) | (u64::from((color >> 8) & LANES) << 32)
}

/// The reverse of [`spread`].
pub(super) fn gather(wide: u64) -> u32 {
    (wide as u32) | (((wide >> 32) as u32) << 8)
}

/// From `a` to `b` in `share` / 256, channel by channel.
pub(super) fn mix_wide(a: u64, b: u64, share: u64) -> u64 {
    ((a * (256 - share) + b * share + 0x0080_0080_0080_0080) >> 8) & 0x00ff_00ff_00ff_00ff
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition, in floating point.
    fn exact(below: u32, source: u32) -> [f64; 4] {
        let rest = 1.0 - f64::from(source >> 24) / 255.0;
        let (below, source) = (below.to_be_bytes(), source.to_be_bytes());
        std::array::from_fn(|i| (f64::from(source[i]) + f64::from(below[i]) * rest).min(255.0))
    }

    #[test]
    fn colours_lie_over_each_other_as_by_definition() {
        let mut seed = 7u32;
        let mut random = || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            seed ^ (seed >> 13)
        };
        for _ in 0..20_000 {
            let (below, source) = (random() | 0xff00_0000, random());
            let got = over(below, source).to_be_bytes();
            for (got, want) in got.into_iter().zip(exact(below, source)) {
                assert!((f64::from(got) - want).abs() <= 0.51, "{below:x} {source:x}: {got} for {want}");
            }
        }
        assert_eq!(over(0xff12_3456, 0), 0xff12_3456);
        assert_eq!(over(0xff12_3456, 0xffab_cdef), 0xffab_cdef);
    }

    #[test]
    fn mixing_keeps_ends_and_equal_values() {
        let mix = |a, b, share| gather(mix_wide(spread(a), spread(b), share));
        assert_eq!(mix(0xff10_2030, 0xffa0_b0c0, 0), 0xff10_2030);
        assert_eq!(mix(0xff10_2030, 0xffa0_b0c0, 256), 0xffa0_b0c0);
        for share in 0..=256 {
            assert_eq!(mix(0xff7f_8081, 0xff7f_8081, share), 0xff7f_8081);
        }
        assert_eq!(multiply(0xff40_80ff, WHITE), 0xff40_80ff);
        assert_eq!(multiply(0xffff_ffff, 0x8040_2010), 0x8040_2010);
    }
}
