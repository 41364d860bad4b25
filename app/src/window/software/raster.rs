//! Draws items into a tile: the pixels whose middles they cover, with the fill rule of graphics hardware.

use super::color::{WHITE, multiply, over};
use super::items::{Corner, Item, Kind};
use super::textures::{Texture, Textures};

/// Part of the window: its left top corner in pixels, and its edge.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) left: i32,
    pub(super) top: i32,
    pub(super) edge: i32,
}

/// Draws `item` into a square of `place.edge`² pixels.
pub(super) fn draw(item: &Item, textures: &Textures, place: Place, pixels: &mut [u32]) {
    let [left, top, right, bottom] = item.bounds;
    let (left, right) = (left.max(place.left), right.min(place.left + place.edge));
    let (top, bottom) = (top.max(place.top), bottom.min(place.top + place.edge));
    if left >= right || top >= bottom {
        return;
    }
    let mut span = |y: i32, from: i32, to: i32, paint: &mut dyn FnMut(i32, &mut [u32])| {
        let (from, to) = (from.max(left), to.min(right));
        if from < to {
            let start = (y - place.top) * place.edge - place.left;
            if let Some(row) = pixels.get_mut((start + from) as usize..(start + to) as usize) {
                paint(from, row);
            }
        }
    };
    match item.kind {
        Kind::Fill(color) => {
            for y in top..bottom {
                span(y, left, right, &mut |_, row| fill(row, color));
            }
        }
        Kind::Picture { from, to, texture } => {
            let Some(texture) = textures.get(texture) else { return };
            let map = Mapping::new(from, to, texture);
            for y in top..bottom {
                span(y, left, right, &mut |x, row| {
                    let start = [map.texel(0, x), map.texel(1, y)];
                    let put = |out: &mut u32, texel: u32| *out = over(*out, multiply(texel, from.color));
                    if from.color == WHITE {
                        texture.sample_row(start, map.step[0], row, |out, texel| *out = over(*out, texel));
                    } else {
                        texture.sample_row(start, map.step[0], row, put);
                    }
                });
            }
        }
        Kind::Triangle { corners, texture } => {
            let Some(triangle) = Triangle::new(corners) else { return };
            let texture = texture.and_then(|id| textures.get(id));
            let is_one_colour = corners.iter().all(|c| c.color == corners[0].color) && texture.is_none();
            for y in top..bottom {
                let Some((from, to)) = triangle.span(y, left, right) else { continue };
                span(y, from, to, &mut |x, row| {
                    if is_one_colour {
                        fill(row, corners[0].color);
                    } else {
                        triangle.shade(x, y, row, texture);
                    }
                });
            }
        }
    }
}

fn fill(row: &mut [u32], color: u32) {
    if color >> 24 == 255 {
        row.fill(color);
    } else {
        row.iter_mut().for_each(|below| *below = over(*below, color));
    }
}

/// From pixels to texels of an upright rectangle.
struct Mapping {
    /// Texels per pixel.
    step: [f32; 2],
    /// Texel coordinates at pixel coordinates 0.
    start: [f32; 2],
}

impl Mapping {
    fn new(from: Corner, to: Corner, texture: &Texture) -> Self {
        let size = texture.size();
        let step = [0, 1].map(|i| (to.uv[i] - from.uv[i]) * size[i] / (to.pos[i] - from.pos[i]));
        let start = [0, 1].map(|i| from.uv[i] * size[i] - from.pos[i] * step[i]);
        // One texel per pixel but for rounding: exactly one, so that values stay what they are.
        let is_whole = [0, 1].map(|i| ((to.pos[i] - from.pos[i]) * (step[i] - 1.0)).abs() < 1.0 / 64.0);
        let step = [0, 1].map(|i| if is_whole[i] { 1.0 } else { step[i] });
        Self { step, start }
    }

    /// At the middle of a pixel; whole numbers are middles of texels.
    fn texel(&self, axis: usize, px: i32) -> f32 {
        self.start[axis] + (px as f32 + 0.5) * self.step[axis] - 0.5
    }
}

/// `constant + per_px * x >= 0` for the middles of pixels inside an edge, in one row.
struct Edge {
    from: [i64; 2],
    delta: [i64; 2],
    bias: i64,
}

struct Triangle {
    edges: [Edge; 3],
    corners: [Corner; 3],
    /// Colour and texture coordinates at the first corner, and their change per pixel to the right and down.
    values: [[f32; 3]; 6],
}

impl Triangle {
    /// `None` if it has no area.
    fn new(mut corners: [Corner; 3]) -> Option<Self> {
        let cross = |c: &[Corner; 3]| {
            let [a, b, c] = [c[0].pos, c[1].pos, c[2].pos].map(|p| p.map(f64::from));
            (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
        };
        let mut area = cross(&corners);
        if area < 0.0 {
            corners.swap(1, 2);
            area = -area;
        }
        if area == 0.0 || !area.is_finite() {
            return None;
        }
        let fixed = corners.map(|c| c.pos.map(|v| (v * 256.0) as i64));
        let edge = |i: usize| {
            let (from, to) = (fixed[i], fixed[(i + 1) % 3]);
            let delta = [to[0] - from[0], to[1] - from[1]];
            // Pixels on an edge belong to the triangle whose left or upper edge it is.
            let is_top_left = delta[1] < 0 || (delta[1] == 0 && delta[0] > 0);
            Edge { from, delta, bias: if is_top_left { 0 } else { -1 } }
        };
        let value = |i: usize, c: &Corner| match i {
            0..4 => f64::from((c.color >> (24 - 8 * i)) & 255),
            _ => f64::from(c.uv[i - 4]),
        };
        let [a, b, c] = &corners;
        let side = |to: &Corner| [0, 1].map(|i| f64::from(to.pos[i] - a.pos[i]));
        let (ab, ac) = (side(b), side(c));
        let values = std::array::from_fn(|i| {
            let start = value(i, a);
            let (db, dc) = (value(i, b) - start, value(i, c) - start);
            let right = (db * ac[1] - dc * ab[1]) / area;
            let down = (dc * ab[0] - db * ac[0]) / area;
            [start as f32, right as f32, down as f32]
        });
        Some(Self { edges: [edge(0), edge(1), edge(2)], corners, values })
    }

    /// Pixels of a row inside, the last one excluded.
    fn span(&self, y: i32, left: i32, right: i32) -> Option<(i32, i32)> {
        let (mut from, mut to) = (i64::from(left), i64::from(right));
        for Edge { from: start, delta, bias } in &self.edges {
            let row = i64::from(y) * 256 + 128;
            let constant = delta[0] * (row - start[1]) - delta[1] * (128 - start[0]) + bias;
            let per_px = -delta[1] * 256;
            match per_px.signum() {
                1 => from = from.max(-constant.div_euclid(per_px)),
                -1 => to = to.min(constant.div_euclid(-per_px) + 1),
                _ if constant < 0 => return None,
                _ => {}
            }
        }
        (from < to).then_some((from as i32, to as i32))
    }

    /// Draws pixels of row `y` from `x` on.
    fn shade(&self, x: i32, y: i32, row: &mut [u32], texture: Option<&Texture>) {
        let origin = self.corners[0].pos;
        let (dx, dy) = (x as f32 + 0.5 - origin[0], y as f32 + 0.5 - origin[1]);
        let mut now = self.values.map(|[start, right, down]| start + dx * right + dy * down);
        for below in row {
            let channels = [now[0], now[1], now[2], now[3]].map(|v| (v + 0.5) as u8);
            let mut color = u32::from_be_bytes(channels);
            if let Some(texture) = texture {
                let [width, height] = texture.size();
                color = multiply(color, texture.sample(now[4] * width - 0.5, now[5] * height - 0.5));
            }
            *below = over(*below, color);
            now.iter_mut().zip(self.values).for_each(|(now, [_, right, _])| *now += right);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use egui::TextureId;

    const EDGE: i32 = 64;

    fn corner(x: f32, y: f32, color: u32) -> Corner {
        Corner { pos: [x, y], uv: [0.0; 2], color }
    }

    fn triangle(corners: [Corner; 3]) -> Item {
        Item { bounds: [0, 0, EDGE, EDGE], kind: Kind::Triangle { corners, texture: None }, print: 0 }
    }

    fn drawn(items: &[Item]) -> Vec<u32> {
        let mut pixels = vec![0xff00_0000; (EDGE * EDGE) as usize];
        let place = Place { left: 0, top: 0, edge: EDGE };
        for item in items {
            draw(item, &Textures::default(), place, &mut pixels);
        }
        pixels
    }

    #[test]
    fn triangles_that_share_edges_cover_each_pixel_once() {
        // Adds one to blue without covering what is below.
        const ONE: u32 = 0x0000_0001;
        for (low, high) in [(8.25, 50.75), (8.5, 50.5), (8.0, 51.0), (-20.0, 90.0)] {
            for step in 0..40 {
                let t = step as f32 / 40.0;
                let (x, y) = (low + (high - low) * t, low + (high - low) * ((t * 7.3) % 1.0));
                let (x, y) = ((x * 256.0).round() / 256.0, (y * 256.0).round() / 256.0);
                let ring = [(low, low), (high, low), (high, high), (low, high)];
                let fan: Vec<Item> = (0..4)
                    .map(|i| {
                        let (a, b) = (ring[i], ring[(i + 1) % 4]);
                        let corners = [corner(x, y, ONE), corner(a.0, a.1, ONE), corner(b.0, b.1, ONE)];
                        // Both directions of turning.
                        triangle(if i % 2 == 0 { corners } else { [corners[0], corners[2], corners[1]] })
                    })
                    .collect();
                let is_inside = |v: i32| (v as f32 + 0.5) >= low && (v as f32 + 0.5) < high;
                for (i, pixel) in drawn(&fan).into_iter().enumerate() {
                    let (px, py) = (i as i32 % EDGE, i as i32 / EDGE);
                    let want = u32::from(is_inside(px) && is_inside(py));
                    assert_eq!(pixel & 255, want, "pixel {px}, {py} of a fan around {x}, {y}");
                }
            }
        }
    }

    #[test]
    fn colours_change_evenly_between_corners() {
        let item = triangle([
            corner(0.0, 0.0, 0xff00_0000),
            corner(128.0, 0.0, 0xffff_0000),
            corner(0.0, 128.0, 0xff00_00ff),
        ]);
        for (i, pixel) in drawn(&[item]).into_iter().enumerate() {
            let (x, y) = (i as i32 % EDGE, i as i32 / EDGE);
            let [_, r, g, b] = pixel.to_be_bytes();
            let want = |v: i32| (v as f32 + 0.5) * 255.0 / 128.0;
            assert!((f32::from(r) - want(x)).abs() <= 0.51 && (f32::from(b) - want(y)).abs() <= 0.51);
            assert_eq!(g, 0);
        }
    }

    #[test]
    fn textures_that_lie_pixel_on_pixel_keep_every_value_and_others_are_mixed() {
        let mut textures = Textures::default();
        let id = TextureId::User(3);
        let grey = |v: u8| egui::Color32::from_gray(v);
        let image =
            egui::ColorImage::new([16, 8], (0..128).map(|i| grey((i * 37 % 256) as u8)).collect::<Vec<_>>());
        let mut delta = egui::TexturesDelta::default();
        delta.push(id, egui::epaint::ImageDelta::full(image, egui::TextureOptions::LINEAR));
        textures.set(&delta);
        delta.clear();
        let picture = |width: f32, height: f32| {
            let from = Corner { pos: [5.0, 3.0], uv: [0.0; 2], color: WHITE };
            let to = Corner { pos: [5.0 + width, 3.0 + height], uv: [1.0; 2], color: WHITE };
            let kind = Kind::Picture { from, to, texture: id };
            let bounds = [5, 3, 5 + width as i32, 3 + height as i32];
            let mut pixels = vec![0; (EDGE * EDGE) as usize];
            let place = Place { left: 0, top: 0, edge: EDGE };
            draw(&Item { bounds, kind, print: 0 }, &textures, place, &mut pixels);
            pixels
        };
        let texel = |x: i32, y: i32| ((x.clamp(0, 15) + y.clamp(0, 7) * 16) * 37 % 256) as f32;
        let blue = |pixels: &[u32], x: i32, y: i32| (pixels[((y + 3) * EDGE + x + 5) as usize] & 255) as f32;
        let exact = picture(16.0, 8.0);
        let larger = picture(48.0, 20.0);
        for (x, y) in (0..8).flat_map(|y| (0..16).map(move |x| (x, y))) {
            assert_eq!(blue(&exact, x, y), texel(x, y));
        }
        for (x, y) in (0..20).flat_map(|y| (0..48).map(move |x| (x, y))) {
            let (u, v) = ((x as f32 + 0.5) / 3.0 - 0.5, (y as f32 + 0.5) / 2.5 - 0.5);
            let (left, top) = (u.floor() as i32, v.floor() as i32);
            let (fu, fv) = (u - u.floor(), v - v.floor());
            let row = |y: i32| texel(left, y) * (1.0 - fu) + texel(left + 1, y) * fu;
            let want = row(top) * (1.0 - fv) + row(top + 1) * fv;
            assert!((blue(&larger, x, y) - want).abs() < 2.5, "{x}, {y}: {} for {want}", blue(&larger, x, y));
        }
    }
}
