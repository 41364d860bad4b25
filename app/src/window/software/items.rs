//! From the toolkit's meshes to things that can be drawn one by one, with a fingerprint each.

use egui::epaint::{Mesh, Primitive, Vertex};
use egui::{ClippedPrimitive, Color32, TextureId};

use super::color::{multiply, pack};
use super::textures::Textures;

/// Coordinates beyond this many pixels are moved here, so that products of them fit into 64 bits.
const FAR_PX: f32 = (1 << 20) as f32;
/// Places are rounded to this part of a pixel, as graphics hardware does.
const SUBPIXELS: f32 = 256.0;

/// A corner: place and texture coordinates in pixels and 0..1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Corner {
    pub(super) pos: [f32; 2],
    pub(super) uv: [f32; 2],
    pub(super) color: u32,
}

/// What to draw.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    /// An upright rectangle of one colour.
    Fill(u32),
    /// An upright rectangle of a texture, from corner to corner, of one colour.
    Picture { from: Corner, to: Corner, texture: TextureId },
    /// Anything else; without a texture the colours are final.
    Triangle { corners: [Corner; 3], texture: Option<TextureId> },
}

/// Something to draw within `bounds`: left, top, and beyond right and bottom, in pixels.
#[derive(Debug, Clone, Copy)]
pub(super) struct Item {
    pub(super) bounds: [i32; 4],
    pub(super) kind: Kind,
    /// Equal for equal looks; differs, as good as always, for others.
    pub(super) print: u64,
}

/// Goes on with a fingerprint.
pub(super) fn fingerprint(print: u64, word: u64) -> u64 {
    let mixed = (print ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^ (mixed >> 29)
}

/// First pixel whose middle is not left of `edge`.
fn first_px(edge: f32) -> i32 {
    (edge - 0.5).ceil() as i32
}

/// Everything in a frame, in order, clipped to `size` in pixels. `scale` is pixels per point.
pub(super) fn collect(
    primitives: &[ClippedPrimitive],
    scale: f32,
    size: [u32; 2],
    textures: &Textures,
    items: &mut Vec<Item>,
) {
    items.clear();
    for ClippedPrimitive { clip_rect, primitive } in primitives {
        // Callbacks draw on a graphics device; without one the application makes none.
        let Primitive::Mesh(mesh) = primitive else { continue };
        let edge = |v: f32, size: u32| (v * scale).round().clamp(0.0, size as f32) as i32;
        let clip = [
            edge(clip_rect.min.x, size[0]),
            edge(clip_rect.min.y, size[1]),
            edge(clip_rect.max.x, size[0]),
            edge(clip_rect.max.y, size[1]),
        ];
        if clip[0] < clip[2] && clip[1] < clip[3] {
            collect_mesh(mesh, scale, clip, textures, items);
        }
    }
}

fn collect_mesh(mesh: &Mesh, scale: f32, clip: [i32; 4], textures: &Textures, items: &mut Vec<Item>) {
    let Some(texture) = textures.get(mesh.texture_id) else { return };
    let corner = |index: &u32| {
        let Vertex { pos, uv, color } = *mesh.vertices.get(*index as usize)?;
        let place = |v: f32| ((v * scale).clamp(-FAR_PX, FAR_PX) * SUBPIXELS).round() / SUBPIXELS;
        let pos = [place(pos.x), place(pos.y)];
        let is_finite = pos.iter().chain([&uv.x, &uv.y]).all(|v| v.is_finite());
        is_finite.then_some(Corner { pos, uv: [uv.x, uv.y], color: pack(color) })
    };
    let start = fingerprint(texture.version, u64::from(mesh.texture_id == TextureId::default()));
    let mut push = |kind: Kind, low: [f32; 2], high: [f32; 2], corners: &[Corner]| {
        let bounds = [
            first_px(low[0]).max(clip[0]),
            first_px(low[1]).max(clip[1]),
            first_px(high[0]).min(clip[2]),
            first_px(high[1]).min(clip[3]),
        ];
        if bounds[0] >= bounds[2] || bounds[1] >= bounds[3] {
            return;
        }
        let pair = |a: u32, b: u32| (u64::from(a) << 32) | u64::from(b);
        let mut print = fingerprint(start, pair(bounds[0] as u32, bounds[1] as u32));
        print = fingerprint(print, pair(bounds[2] as u32, bounds[3] as u32));
        for c in corners {
            print = fingerprint(print, pair(c.pos[0].to_bits(), c.pos[1].to_bits()));
            print = fingerprint(print, pair(c.uv[0].to_bits(), c.uv[1].to_bits()));
            print = fingerprint(print, u64::from(c.color));
        }
        items.push(Item { bounds, kind, print });
    };
    let tint = |corner: Corner| {
        let [width, height] = texture.size();
        let texel = texture.sample(corner.uv[0] * width - 0.5, corner.uv[1] * height - 0.5);
        multiply(corner.color, texel)
    };
    let mut rest = mesh.indices.as_slice();
    while let Some((triangle, after)) = rest.split_at_checked(3) {
        rest = after;
        let [Some(a), Some(b), Some(c)] = [0, 1, 2].map(|i| triangle.get(i).and_then(corner)) else {
            continue;
        };
        // The toolkit's rectangles: two triangles that share their diagonal.
        if let [c2, b2, d] = after.get(..3).unwrap_or_default()
            && (triangle.get(2), triangle.get(1)) == (Some(c2), Some(b2))
            && let Some(d) = corner(d)
            && is_upright([a, b, c, d])
        {
            rest = after.get(3..).unwrap_or_default();
            let kind = if a.uv == d.uv {
                Kind::Fill(tint(a))
            } else {
                Kind::Picture { from: a, to: d, texture: mesh.texture_id }
            };
            push(kind, a.pos, d.pos, &[a, d]);
            continue;
        }
        let corners = [a, b, c];
        let low = [0, 1].map(|i| a.pos[i].min(b.pos[i]).min(c.pos[i]));
        let high = [0, 1].map(|i| a.pos[i].max(b.pos[i]).max(c.pos[i]));
        let kind = if a.uv == b.uv && b.uv == c.uv {
            let corners = corners.map(|corner| Corner { color: tint(corner), ..corner });
            Kind::Triangle { corners, texture: None }
        } else {
            Kind::Triangle { corners, texture: Some(mesh.texture_id) }
        };
        push(kind, low, high, &corners);
    }
}

/// Whether four corners (left and right above, left and right below) make an upright rectangle of one colour.
fn is_upright([a, b, c, d]: [Corner; 4]) -> bool {
    let is_aligned = |f: fn(&Corner) -> [f32; 2]| {
        let [a, b, c, d] = [f(&a), f(&b), f(&c), f(&d)];
        a[0] == c[0] && b[0] == d[0] && a[1] == b[1] && c[1] == d[1]
    };
    let is_ordered = a.pos[0] < d.pos[0] && a.pos[1] < d.pos[1];
    let is_one_colour = a.color == b.color && b.color == c.color && c.color == d.color;
    is_ordered && is_one_colour && is_aligned(|c| c.pos) && is_aligned(|c| c.uv)
}

/// The colour behind everything.
pub(super) fn background(color: Color32) -> u32 {
    pack(color) | 0xff00_0000
}
