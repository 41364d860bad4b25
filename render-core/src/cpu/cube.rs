//! The slice plane inside its coloured cube: the reference's picture without its allocations.

use glam::{DVec2, DVec3};
use imaging::volume::Sample;
use imaging::with_voxels;
use rayon::prelude::*;

use super::slice_any::AnyGrid;
use crate::camera::{Camera, Projection};
use crate::image::{ImageF32, decode_srgb};
use crate::reference::{CUBE_EDGE_HALF_PX, ProjectedEdge, cube_edges};
use crate::scene::CubeScene;

/// Edges of a box, and the plane.
const MAX_LAYERS: usize = 13;

/// Draws a validated scene.
pub(crate) fn draw(scene: &CubeScene) -> ImageF32 {
    let [width, height] = scene.size_px;
    let mut image = ImageF32::new(width, height);
    let edges = cube_edges(scene);
    let plane = PlaneView::new(scene);
    with_voxels!(scene.slice.volume.voxels(), samples => {
        if let Some(grid) = AnyGrid::new(&scene.slice, samples) {
            image.pixels.par_chunks_mut(width as usize).enumerate().for_each(|(y, row)| {
                draw_row(&plane, grid, &edges, y, row);
            });
        }
    });
    image
}

/// A layer of a pixel: depth, linear colour, opacity.
type Layer = (f64, [f32; 3], f32);

fn draw_row<T: Sample>(
    plane: &PlaneView<'_>,
    grid: AnyGrid<'_, T>,
    edges: &[ProjectedEdge],
    y: usize,
    row: &mut [[f32; 4]],
) {
    let y = y as f64 + 0.5;
    let reach = CUBE_EDGE_HALF_PX + 0.5;
    let mut near: Vec<(&ProjectedEdge, f64, f64)> = Vec::with_capacity(edges.len());
    for edge in edges {
        let [a, b] = edge.ends_px;
        if y >= a.y.min(b.y) - reach && y <= a.y.max(b.y) + reach {
            near.push((edge, a.x.min(b.x) - reach, a.x.max(b.x) + reach));
        }
    }
    for (x, pixel) in row.iter_mut().enumerate() {
        let point = DVec2::new(x as f64 + 0.5, y);
        let mut layers: [Layer; MAX_LAYERS] = [(0.0, [0.0; 3], 0.0); MAX_LAYERS];
        let mut count = 0;
        let hit = plane.hit(grid, point).map(|(color, depth)| (depth, color, 1.0));
        let edges = near.iter().filter(|(_, low, high)| point.x >= *low && point.x <= *high);
        for layer in hit.into_iter().chain(edges.filter_map(|(edge, ..)| edge_layer(edge, point))) {
            // Insertion keeps equal depths in their order.
            let mut at = count;
            while at > 0 && layers[at - 1].0 > layer.0 {
                layers[at] = layers[at - 1];
                at -= 1;
            }
            layers[at] = layer;
            count += 1;
        }
        for (_, color, opacity) in &layers[..count] {
            let weight = (1.0 - pixel[3]) * opacity;
            for c in 0..3 {
                pixel[c] += weight * color[c];
            }
            pixel[3] += weight;
        }
    }
}

fn edge_layer(edge: &ProjectedEdge, point: DVec2) -> Option<Layer> {
    let along = edge.ends_px[1] - edge.ends_px[0];
    let t = ((point - edge.ends_px[0]).dot(along) / along.length_squared().max(1e-12)).clamp(0.0, 1.0);
    let distance = point.distance(edge.ends_px[0] + along * t);
    let coverage = (CUBE_EDGE_HALF_PX + 0.5 - distance).clamp(0.0, 1.0) as f32;
    let depth = edge.depths_mm[0] + (edge.depths_mm[1] - edge.depths_mm[0]) * t;
    (coverage > 0.0).then_some((depth, edge.color, coverage))
}

/// What the rays of all pixels share.
struct PlaneView<'a> {
    scene: &'a CubeScene,
    camera: Camera,
    axes: [DVec3; 3],
    normal: DVec3,
    to_index: glam::DAffine3,
}

impl<'a> PlaneView<'a> {
    fn new(scene: &'a CubeScene) -> Self {
        let basis = scene.camera.basis();
        Self {
            scene,
            camera: scene.camera,
            axes: [basis.forward, basis.right, basis.up],
            normal: scene.slice.plane.normal(),
            to_index: scene.slice.volume.geometry().index_from_lps(),
        }
    }

    /// Linear grey and depth where the ray of a point meets the plane inside the volume.
    fn hit<T: Sample>(&self, grid: AnyGrid<'_, T>, point: DVec2) -> Option<([f32; 3], f64)> {
        let [forward, right, up] = self.axes;
        let size = DVec2::new(f64::from(self.scene.size_px[0]), f64::from(self.scene.size_px[1]));
        let from_center = (point - size * 0.5) / size.y;
        let sideways = right * from_center.x - up * from_center.y;
        let (origin, direction) = match self.camera.projection {
            Projection::Perspective { vertical_fov_rad } => {
                let height = 2.0 * (vertical_fov_rad * 0.5).tan();
                (self.camera.position_lps, (forward + sideways * height).normalize())
            }
            Projection::Orthographic { height_mm } => {
                (self.camera.position_lps + sideways * height_mm, forward)
            }
        };
        let slice = &self.scene.slice;
        let rate = direction.dot(self.normal);
        if rate.abs() < 1e-9 {
            return None;
        }
        let t = (slice.plane.center_lps - origin).dot(self.normal) / rate;
        if t <= 0.0 {
            return None;
        }
        let hit = origin + direction * t;
        let value = grid.sample(self.to_index.transform_point3(hit), 0, slice.interpolation)?;
        let grey = decode_srgb(slice.grey.apply(value) as f32);
        Some(([grey; 3], (hit - self.camera.position_lps).dot(forward)))
    }
}
