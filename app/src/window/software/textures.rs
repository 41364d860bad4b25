//! The toolkit's textures in memory.

use std::collections::HashMap;

use egui::epaint::{ImageData, ImageDelta};
use egui::{TextureFilter, TextureId, TexturesDelta};

use super::color::{gather, mix_wide, pack, spread};

/// Texels of a row that are mixed ahead at most; a tile needs fewer unless a picture is made smaller.
const MAX_COLUMNS: usize = 256;

/// A texture; clamped at its border.
pub(super) struct Texture {
    width: usize,
    height: usize,
    texels: Vec<u32>,
    /// Between texels the nearest one counts, instead of a mixture.
    is_nearest: bool,
    /// Grows with every change of any texture, so that no two contents share one.
    pub(super) version: u64,
}

/// All of them.
#[derive(Default)]
pub(super) struct Textures {
    textures: HashMap<TextureId, Texture>,
    last_version: u64,
}

impl Textures {
    /// Takes new and changed textures in; to be called before a frame is drawn.
    pub(super) fn set(&mut self, delta: &TexturesDelta) {
        // Order among textures does not show; within one it is kept.
        #[expect(clippy::iter_over_hash_type, reason = "each texture stands for itself")]
        for (id, changes) in &delta.set {
            for change in changes {
                self.last_version += 1;
                self.change(*id, change);
            }
        }
    }

    /// Forgets textures; to be called after a frame is drawn.
    pub(super) fn free(&mut self, delta: &TexturesDelta) {
        self.textures.retain(|id, _| !delta.free.contains(id));
    }

    pub(super) fn get(&self, id: TextureId) -> Option<&Texture> {
        self.textures.get(&id)
    }

    fn change(&mut self, id: TextureId, change: &ImageDelta) {
        let ImageData::Color(image) = &change.image;
        let [width, height] = image.size;
        let texels = image.pixels.iter().map(|p| pack(*p));
        let version = self.last_version;
        let Some([left, top]) = change.pos else {
            let is_nearest = change.options.magnification == TextureFilter::Nearest;
            let texels = texels.collect();
            self.textures.insert(id, Texture { width, height, texels, is_nearest, version });
            return;
        };
        let Some(texture) = self.textures.get_mut(&id) else { return };
        let fits = left + width <= texture.width && top + height <= texture.height;
        if !fits || width == 0 {
            return;
        }
        texture.version = version;
        let texels: Vec<u32> = texels.collect();
        let rows = texture.texels.chunks_exact_mut(texture.width).skip(top);
        for (row, patch) in rows.zip(texels.chunks_exact(width)) {
            row[left..left + width].copy_from_slice(patch);
        }
    }
}

impl Texture {
    /// Texels in both directions.
    pub(super) fn size(&self) -> [f32; 2] {
        [self.width as f32, self.height as f32]
    }

    fn row(&self, y: i64) -> &[u32] {
        let y = y.clamp(0, (self.height as i64 - 1).max(0)) as usize;
        self.texels.get(y * self.width..(y + 1) * self.width).unwrap_or_default()
    }

    /// The colour at a place in texels, where whole numbers are the middles of texels.
    pub(super) fn sample(&self, x: f32, y: f32) -> u32 {
        let mut colour = [0];
        self.sample_row([x, y], 0.0, &mut colour, |out, colour| *out = colour);
        colour[0]
    }

    /// Colours at places along a row of texels, from `start` in steps of `step_x`; in texels, where whole numbers are
    /// their middles. `put` gets each pixel of `out` and its colour.
    pub(super) fn sample_row(
        &self,
        start: [f32; 2],
        step_x: f32,
        out: &mut [u32],
        put: impl Fn(&mut u32, u32),
    ) {
        if self.width == 0 || self.height == 0 {
            return;
        }
        let last = self.width as i64 - 1;
        let [x, y] = start;
        if self.is_nearest || self.is_whole(start, step_x, out.len()) {
            let row = self.row((y + 0.5).floor() as i64);
            let first = (x + 0.5).floor() as i64;
            let is_inside = first >= 0 && first + out.len() as i64 - 1 <= last;
            if step_x == 1.0 && is_inside {
                let from = &row[first as usize..first as usize + out.len()];
                out.iter_mut().zip(from).for_each(|(out, texel)| put(out, *texel));
                return;
            }
            for (i, out) in out.iter_mut().enumerate() {
                let x = (x + i as f32 * step_x + 0.5).floor() as i64;
                put(out, row[x.clamp(0, last) as usize]);
            }
            return;
        }
        // 48.16 fixed point.
        let (mut x, step) = ((f64::from(x) * 65536.0) as i64, (f64::from(step_x) * 65536.0) as i64);
        let end = x + step * out.len() as i64;
        let (first, beyond) = (x.min(end) >> 16, (x.max(end) >> 16) + 2);
        let (above, below) = (self.row(y.floor() as i64), self.row(y.floor() as i64 + 1));
        let share_y = ((y - y.floor()) * 256.0) as u64;
        let column = |at: i64| {
            let at = at.clamp(0, last) as usize;
            mix_wide(spread(above[at]), spread(below[at]), share_y)
        };
        if (beyond - first) as usize > MAX_COLUMNS {
            // Made much smaller: few texels of many are looked at.
            for out in out {
                let mixed = mix_wide(column(x >> 16), column((x >> 16) + 1), ((x >> 8) & 255) as u64);
                put(out, gather(mixed));
                x += step;
            }
            return;
        }
        // Texels are mixed downwards once, and then to the right for each pixel.
        let mut columns = [0u64; MAX_COLUMNS];
        let columns = &mut columns[..(beyond - first) as usize];
        columns.iter_mut().zip(first..).for_each(|(out, at)| *out = column(at));
        for out in out {
            let at = ((x >> 16) - first) as usize;
            if let Some([left, right]) = columns.get(at..at + 2) {
                put(out, gather(mix_wide(*left, *right, ((x >> 8) & 255) as u64)));
            }
            x += step;
        }
    }

    /// Whether all places are middles of texels, as for text and slices: then nothing is mixed.
    fn is_whole(&self, [x, y]: [f32; 2], step_x: f32, count: usize) -> bool {
        let is_whole = |v: f32| (v - v.round()).abs() < 1.0 / 64.0;
        is_whole(x) && is_whole(y) && ((step_x - 1.0) * count as f32).abs() < 1.0 / 64.0
    }
}
